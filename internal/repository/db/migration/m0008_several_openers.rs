//! For several processes on one schema: a unique index allows one live code of a session, and a row
//! of the directory records after which entry of the log it was written.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum NumberCodeColumns {
    #[sea_orm(iden = "number_codes")]
    Table,
    SessionId,
    RetiredUntil,
    /// The session while the code is not retired; else NULL, which no unique index compares.
    LiveSession,
}

#[derive(DeriveIden)]
enum FaceSessionColumns {
    #[sea_orm(iden = "face_sessions")]
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
            .table(NumberCodeColumns::Table)
            .add_column(big_integer_null(NumberCodeColumns::LiveSession))
            .to_owned();
        manager.alter_table(codes).await?;
        let live = Query::update()
            .table(NumberCodeColumns::Table)
            .value(
                NumberCodeColumns::LiveSession,
                Expr::col(NumberCodeColumns::SessionId),
            )
            .and_where(Expr::col(NumberCodeColumns::RetiredUntil).is_null())
            .to_owned();
        manager.execute(live).await?;
        let one = Index::create()
            .name("ux_number_codes_live_session")
            .table(NumberCodeColumns::Table)
            .col(NumberCodeColumns::LiveSession)
            .unique()
            .to_owned();
        manager.create_index(one).await?;
        let sessions = Table::alter()
            .table(FaceSessionColumns::Table)
            .add_column(big_integer(FaceSessionColumns::LogIndex).default(0))
            .to_owned();
        manager.alter_table(sessions).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
