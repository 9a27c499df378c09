//! Answers to calls under an idempotency key.

use super::connection::Database;
use super::entity::answer::{ActiveModel, Column, Entity};
use super::retry::retrying;
use crate::error::{Failure, unreadable, violates_unique};
use async_trait::async_trait;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::idempotency::{AnswerRepository, Reservation, Reserved};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Set,
};

/// Keeps answers in the main database.
#[derive(Debug, Clone)]
pub struct Answers {
    db: Database,
}

impl Answers {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    /// Each statement is atomic by itself: the primary key decides which attempt gets a free place,
    /// and the count of changed rows which one gets an expired place.
    async fn try_reserve(
        &self,
        reservation: &Reservation,
        now: Timestamp,
    ) -> Result<Reserved, Failure> {
        if self.insert(reservation).await? {
            return Ok(Reserved::Fresh {
                effect: reservation.attempt,
            });
        }
        if self.take_over(reservation, now).await? {
            let own = Entity::find_by_id(reservation.call.to_vec())
                .filter(Column::Attempt.eq(reservation.attempt.cast_signed()));
            let own = own.one(self.db.writer()).await?;
            let own = own.ok_or_else(|| {
                Failure::Refused(Error::unavailable(
                    "the place was forgotten at the same time",
                ))
            })?;
            return Ok(Reserved::Fresh {
                effect: own.effect.cast_unsigned(),
            });
        }
        let taken = Entity::find_by_id(reservation.call.to_vec())
            .one(self.db.writer())
            .await?;
        let taken = taken.ok_or_else(|| {
            Failure::Conflict(Error::unavailable(
                "the place was released at the same time",
            ))
        })?;
        let request = taken
            .request
            .try_into()
            .map_err(|_| unreadable("answers.request"))?;
        Ok(Reserved::Taken {
            request,
            sealed: taken.sealed,
        })
    }

    /// Takes a free place. `false`: an attempt has it.
    async fn insert(&self, reservation: &Reservation) -> Result<bool, Failure> {
        let row = ActiveModel {
            call: Set(reservation.call.to_vec()),
            account_id: Set(reservation.account.get().cast_signed()),
            request: Set(reservation.request.to_vec()),
            attempt: Set(reservation.attempt.cast_signed()),
            effect: Set(reservation.attempt.cast_signed()),
            process: Set(reservation.process.cast_signed()),
            sealed: Set(None),
            expires_at: Set(reservation.expires_at.as_millis()),
        };
        match Entity::insert(row)
            .exec_without_returning(self.db.writer())
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if violates_unique(&error).is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the place of an attempt that has expired or whose process has ended. `false`: neither
    /// is so, or another attempt was faster.
    async fn take_over(&self, reservation: &Reservation, now: Timestamp) -> Result<bool, Failure> {
        let attempt = reservation.attempt.cast_signed();
        let same = || {
            Condition::all()
                .add(Column::Sealed.is_null())
                .add(Column::Request.eq(reservation.request.to_vec()))
        };
        let died = same().add(Column::Process.lt(reservation.process.cast_signed()));
        let taking = Entity::update_many()
            // First, because MySQL's assignments see the values that earlier ones in the same
            // statement have set.
            .col_expr(
                Column::Effect,
                Expr::case(same(), Expr::col(Column::Effect))
                    .finally(attempt)
                    .into(),
            )
            .col_expr(
                Column::Process,
                Expr::value(reservation.process.cast_signed()),
            )
            .col_expr(
                Column::AccountId,
                Expr::value(reservation.account.get().cast_signed()),
            )
            .col_expr(Column::Request, Expr::value(reservation.request.to_vec()))
            .col_expr(Column::Attempt, Expr::value(attempt))
            .col_expr(Column::Sealed, Expr::value(None::<String>))
            .col_expr(
                Column::ExpiresAt,
                Expr::value(reservation.expires_at.as_millis()),
            )
            .filter(Column::Call.eq(reservation.call.to_vec()))
            .filter(
                Condition::any()
                    .add(Column::ExpiresAt.lte(now.as_millis()))
                    .add(died),
            );
        Ok(taking.exec(self.db.writer()).await?.rows_affected == 1)
    }

    /// Deletes the oldest places of an account with more than `limit`, but never the one just
    /// taken.
    async fn forget_oldest(&self, reservation: &Reservation, limit: u32) -> Result<(), Failure> {
        let of_account =
            || Entity::find().filter(Column::AccountId.eq(reservation.account.get().cast_signed()));
        let held = of_account().count(self.db.writer()).await?;
        let over = held.saturating_sub(u64::from(limit));
        if over > 0 {
            let others = of_account().filter(Column::Call.ne(reservation.call.to_vec()));
            let oldest = others
                .select_only()
                .column(Column::Call)
                .order_by_asc(Column::Attempt)
                .limit(over);
            let oldest: Vec<Vec<u8>> = oldest.into_tuple().all(self.db.writer()).await?;
            Entity::delete_many()
                .filter(Column::Call.is_in(oldest))
                .exec(self.db.writer())
                .await?;
        }
        Ok(())
    }
}

#[async_trait]
impl AnswerRepository for Answers {
    async fn reserve(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        limit: u32,
    ) -> Result<Reserved> {
        let reserved = retrying(|| self.try_reserve(reservation, now)).await?;
        if let Reserved::Fresh { .. } = reserved {
            // Repeated on its own: a repetition of the insertion would find this attempt's own row
            // and take it for another attempt's.
            let bounded = retrying(|| self.forget_oldest(reservation, limit)).await;
            if let Err(error) = bounded {
                // The call will not run, so its place is free at once.
                self.release(reservation.call, reservation.attempt, now)
                    .await?;
                return Err(error);
            }
        }
        Ok(reserved)
    }

    async fn keep(
        &self,
        call: [u8; 32],
        attempt: u64,
        sealed: &str,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let keeping = Entity::update_many()
            .col_expr(Column::Sealed, Expr::value(sealed))
            .col_expr(Column::ExpiresAt, Expr::value(expires_at.as_millis()))
            .filter(Column::Call.eq(call.to_vec()))
            .filter(Column::Attempt.eq(attempt.cast_signed()));
        self.db
            .write(keeping.as_query())
            .await
            .map(|kept| kept == 1)
    }

    async fn release(&self, call: [u8; 32], attempt: u64, now: Timestamp) -> Result<()> {
        let release = Entity::update_many()
            .col_expr(Column::ExpiresAt, Expr::value(now.as_millis()))
            .filter(Column::Call.eq(call.to_vec()))
            .filter(Column::Attempt.eq(attempt.cast_signed()))
            .filter(Column::Sealed.is_null());
        self.db.write(release.as_query()).await.map(drop)
    }

    async fn purge(&self, now: Timestamp, unanswered_before: Timestamp) -> Result<u64> {
        let answered = Column::Sealed
            .is_not_null()
            .and(Column::ExpiresAt.lte(now.as_millis()));
        let unanswered = Column::Sealed
            .is_null()
            .and(Column::ExpiresAt.lte(unanswered_before.as_millis()));
        self.db
            .write(
                Entity::delete_many()
                    .filter(Condition::any().add(answered).add(unanswered))
                    .as_query(),
            )
            .await
    }
}
