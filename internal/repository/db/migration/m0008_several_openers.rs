//! For several processes on one schema: a unique index allows one live code of a session, and a row
//! of the directory records after which entry of the log it was written.

use super::{IndexKind, add_column, create_index};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum NumberCodeColumns {
    #[sea_orm(iden = "number_codes")]
    Table,
    SessionId,
    RetiredUntil,
    /// The session while the code is not retired; else NULL, which no unique index compares.
    LiveSession,
}

#[derive(DeriveIden)]
enum FaceSessionColumns {
    #[sea_orm(iden = "face_sessions")]
    Table,
    LogIndex,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let live_session = big_integer_null(NumberCodeColumns::LiveSession);
        add_column(manager, NumberCodeColumns::Table, live_session).await?;
        let live = Query::update()
            .table(NumberCodeColumns::Table)
            .value(
                NumberCodeColumns::LiveSession,
                Expr::col(NumberCodeColumns::SessionId),
            )
            .and_where(Expr::col(NumberCodeColumns::RetiredUntil).is_null())
            .to_owned();
        manager.execute(live).await?;
        create_index(
            manager,
            "ux_number_codes_live_session",
            NumberCodeColumns::Table,
            [NumberCodeColumns::LiveSession],
            IndexKind::Unique,
        )
        .await?;
        let log_index = big_integer(FaceSessionColumns::LogIndex)
            .default(0)
            .to_owned();
        add_column(manager, FaceSessionColumns::Table, log_index).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
