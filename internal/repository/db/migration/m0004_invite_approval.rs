//! Invites whose bearers the host must let in.

use super::add_column;
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
        let approval = boolean(InviteColumns::Approval).default(false).to_owned();
        add_column(manager, InviteColumns::Table, approval).await
    }
}

#[derive(DeriveIden)]
enum InviteColumns {
    #[sea_orm(iden = "invites")]
    Table,
    Approval,
}
