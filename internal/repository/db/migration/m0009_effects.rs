//! The id under which a call creates its resource, and the process that runs it, so that a repeat
//! after the process has died finds the resource.

use super::add_column;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum AnswerColumns {
    #[sea_orm(iden = "answers")]
    Table,
    Attempt,
    Effect,
    Process,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [AnswerColumns::Effect, AnswerColumns::Process] {
            let column = big_integer(column).default(0).to_owned();
            add_column(manager, AnswerColumns::Table, column).await?;
        }
        let effects = Query::update()
            .table(AnswerColumns::Table)
            .value(AnswerColumns::Effect, Expr::col(AnswerColumns::Attempt))
            .to_owned();
        manager.execute(effects).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
