//! The effect id of the call that wrote a row, so that a repeat of this call finds it.

use super::add_column;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum EffectTables {
    Accounts,
    Invites,
    NumberCodes,
}

#[derive(DeriveIden)]
struct Effect;

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_column(manager, EffectTables::Accounts, big_integer_null(Effect)).await?;
        add_column(manager, EffectTables::Invites, big_integer_null(Effect)).await?;
        add_column(manager, EffectTables::NumberCodes, big_integer_null(Effect)).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
