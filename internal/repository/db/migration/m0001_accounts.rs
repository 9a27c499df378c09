//! Accounts and their token families.

use super::{IndexKind, create_index, create_table};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, string_len, string_len_null, text_null,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum AccountsTable {
    #[sea_orm(iden = "accounts")]
    Table,
    Id,
    Username,
    /// The username in lower case, which is unique.
    UsernameKey,
    Nickname,
    AvatarUrl,
    CreatedAt,
}

#[derive(DeriveIden)]
enum TokenFamiliesTable {
    #[sea_orm(iden = "token_families")]
    Table,
    Id,
    AccountId,
    Generation,
    RotatedAt,
    SealedPair,
    ExpiresAt,
    RevokedAt,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let accounts = Table::create()
            .table(AccountsTable::Table)
            .col(big_integer(AccountsTable::Id).primary_key())
            .col(string_len_null(AccountsTable::Username, 64))
            .col(string_len_null(AccountsTable::UsernameKey, 64))
            // As long as `limits.nickname` allows. It was 255, which SQLite does not enforce and no
            // server has been given.
            .col(string_len(AccountsTable::Nickname, 256))
            .col(string_len(AccountsTable::AvatarUrl, 512))
            .col(big_integer(AccountsTable::CreatedAt))
            .to_owned();
        create_table(manager, accounts).await?;
        create_index(
            manager,
            "ux_accounts_username_key",
            AccountsTable::Table,
            [AccountsTable::UsernameKey],
            IndexKind::Unique,
        )
        .await?;

        let families = Table::create()
            .table(TokenFamiliesTable::Table)
            .col(big_integer(TokenFamiliesTable::Id).primary_key())
            .col(big_integer(TokenFamiliesTable::AccountId))
            .col(big_integer(TokenFamiliesTable::Generation))
            .col(big_integer(TokenFamiliesTable::RotatedAt))
            .col(text_null(TokenFamiliesTable::SealedPair))
            .col(big_integer(TokenFamiliesTable::ExpiresAt))
            .col(big_integer_null(TokenFamiliesTable::RevokedAt))
            .to_owned();
        create_table(manager, families).await?;
        create_index(
            manager,
            "ix_token_families_account_id",
            TokenFamiliesTable::Table,
            [TokenFamiliesTable::AccountId],
            IndexKind::Plain,
        )
        .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
