//! Passwords of accounts.

use super::add_column;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len_null;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum AccountColumns {
    #[sea_orm(iden = "accounts")]
    Table,
    PasswordHash,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let password = string_len_null(AccountColumns::PasswordHash, 255);
        add_column(manager, AccountColumns::Table, password).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
