//! From which network a token family was opened, as a keyed hash: where a sign-in is usual.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::binary_len_null;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum TokenFamilies {
    Table,
    Network,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let network = Table::alter()
            .table(TokenFamilies::Table)
            .add_column(binary_len_null(TokenFamilies::Network, 32))
            .to_owned();
        manager.alter_table(network).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
