//! What lets several processes write one schema: a session has one live code because an index says so, and a row of the directory knows after
//! which entry of the log it was written.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum NumberCodes {
    Table,
    SessionId,
    RetiredUntil,
    /// The session while the code is not retired; else NULL, which no unique index compares.
    LiveSession,
}

#[derive(DeriveIden)]
enum FaceSessions {
    Table,
    LogIndex,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let codes = Table::alter()
            .table(NumberCodes::Table)
            .add_column(big_integer_null(NumberCodes::LiveSession))
            .to_owned();
        manager.alter_table(codes).await?;
        let live = Query::update()
            .table(NumberCodes::Table)
            .value(NumberCodes::LiveSession, Expr::col(NumberCodes::SessionId))
            .and_where(Expr::col(NumberCodes::RetiredUntil).is_null())
            .to_owned();
        manager.execute(live).await?;
        let one = Index::create()
            .name("ux_number_codes_live_session")
            .table(NumberCodes::Table)
            .col(NumberCodes::LiveSession)
            .unique()
            .to_owned();
        manager.create_index(one).await?;
        let sessions = Table::alter()
            .table(FaceSessions::Table)
            .add_column(big_integer(FaceSessions::LogIndex).default(0))
            .to_owned();
        manager.alter_table(sessions).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
