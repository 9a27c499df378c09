//! People and their token families.

use super::create_table;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, string_len, string_len_null, text_null,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum Accounts {
    Table,
    Id,
    Username,
    /// The username in lower case: what must be unique.
    UsernameKey,
    Nickname,
    AvatarUrl,
    CreatedAt,
}

#[derive(DeriveIden)]
enum TokenFamilies {
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
            .table(Accounts::Table)
            .col(big_integer(Accounts::Id).primary_key())
            .col(string_len_null(Accounts::Username, 64))
            .col(string_len_null(Accounts::UsernameKey, 64))
            .col(string_len(Accounts::Nickname, 255))
            .col(string_len(Accounts::AvatarUrl, 512))
            .col(big_integer(Accounts::CreatedAt))
            .to_owned();
        create_table(manager, accounts).await?;
        let username = Index::create()
            .name("ux_accounts_username_key")
            .table(Accounts::Table)
            .col(Accounts::UsernameKey)
            .unique()
            .to_owned();
        manager.create_index(username).await?;

        let families = Table::create()
            .table(TokenFamilies::Table)
            .col(big_integer(TokenFamilies::Id).primary_key())
            .col(big_integer(TokenFamilies::AccountId))
            .col(big_integer(TokenFamilies::Generation))
            .col(big_integer(TokenFamilies::RotatedAt))
            .col(text_null(TokenFamilies::SealedPair))
            .col(big_integer(TokenFamilies::ExpiresAt))
            .col(big_integer_null(TokenFamilies::RevokedAt))
            .to_owned();
        create_table(manager, families).await?;
        let account = Index::create()
            .name("ix_token_families_account_id")
            .table(TokenFamilies::Table)
            .col(TokenFamilies::AccountId)
            .to_owned();
        manager.create_index(account).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
