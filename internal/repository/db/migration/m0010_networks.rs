//! The network from which a token family was opened, as a keyed hash: it tells a usual place of
//! sign-in.

use super::add_column;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::binary_len_null;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum TokenFamilyColumns {
    #[sea_orm(iden = "token_families")]
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
        let network = binary_len_null(TokenFamilyColumns::Network, 32);
        add_column(manager, TokenFamilyColumns::Table, network).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
