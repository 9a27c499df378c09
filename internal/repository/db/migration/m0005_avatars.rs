//! Pictures of people: a few kilobytes each, written in one transaction with the account, and
//! shared by all nodes.

use super::{IndexKind, create_index, create_table, large_blob};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum AvatarsTable {
    #[sea_orm(iden = "avatars")]
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
            .table(AvatarsTable::Table)
            .col(string_len(AvatarsTable::Key, 64).primary_key())
            .col(big_integer(AvatarsTable::AccountId))
            .col(string_len(AvatarsTable::MediaType, 64))
            .col(large_blob(manager, AvatarsTable::Bytes).not_null())
            .to_owned();
        create_table(manager, avatars).await?;
        create_index(
            manager,
            "ix_avatars_account_id",
            AvatarsTable::Table,
            [AvatarsTable::AccountId],
            IndexKind::Plain,
        )
        .await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
