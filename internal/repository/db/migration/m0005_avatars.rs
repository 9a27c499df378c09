//! Pictures of people: a few kilobytes each, written with the account that they belong to, and the same for every node.

use super::{create_table, large_blob};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum Avatars {
    Table,
    Key,
    AccountId,
    MediaType,
    Bytes,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let avatars = Table::create()
            .table(Avatars::Table)
            .col(string_len(Avatars::Key, 64).primary_key())
            .col(big_integer(Avatars::AccountId))
            .col(string_len(Avatars::MediaType, 64))
            .col(large_blob(manager, Avatars::Bytes).not_null())
            .to_owned();
        create_table(manager, avatars).await?;
        let account = Index::create()
            .name("ix_avatars_account_id")
            .table(Avatars::Table)
            .col(Avatars::AccountId)
            .to_owned();
        manager.create_index(account).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
