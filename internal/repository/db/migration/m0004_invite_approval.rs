//! Invites whose bearers the host must let in.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table(InviteColumns::Table)
            .add_column(boolean(InviteColumns::Approval).default(false))
            .to_owned();
        manager.alter_table(table).await
    }
}

#[derive(DeriveIden)]
enum InviteColumns {
    #[sea_orm(iden = "invites")]
    Table,
    Approval,
}
