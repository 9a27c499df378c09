//! Answers to calls under an idempotency key.

use super::{IndexKind, create_index, create_table, large_text};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary_len};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum AnswersTable {
    #[sea_orm(iden = "answers")]
    Table,
    /// Digest of caller, method, path and key.
    Call,
    AccountId,
    /// Keyed hash of what was asked for.
    Request,
    Attempt,
    Sealed,
    ExpiresAt,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(AnswersTable::Table)
            .col(binary_len(AnswersTable::Call, 32).primary_key())
            .col(big_integer(AnswersTable::AccountId))
            .col(binary_len(AnswersTable::Request, 32))
            .col(big_integer(AnswersTable::Attempt))
            .col(large_text(manager, AnswersTable::Sealed).null())
            .col(big_integer(AnswersTable::ExpiresAt))
            .to_owned();
        create_table(manager, table).await?;
        create_index(
            manager,
            "ix_answers_account_id",
            AnswersTable::Table,
            [AnswersTable::AccountId, AnswersTable::Attempt],
            IndexKind::Plain,
        )
        .await?;
        create_index(
            manager,
            "ix_answers_expires_at",
            AnswersTable::Table,
            [AnswersTable::ExpiresAt],
            IndexKind::Plain,
        )
        .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
