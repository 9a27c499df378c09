//! The event log, leases, how far consumers have come, and the versions of accounts.

use super::{IndexKind, add_column, create_index, create_table, large_text};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, integer, string_len};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// The columns that tell what an event is, in the log and in a dead letter.
#[derive(DeriveIden, Clone, Copy)]
enum EventColumn {
    Topic,
    EventKey,
    Kind,
    Version,
    At,
    Body,
}

#[derive(DeriveIden)]
enum EventsTable {
    #[sea_orm(iden = "events")]
    Table,
    Id,
    /// NULL until the sequencer has numbered the event.
    Position,
}

#[derive(DeriveIden)]
enum AccountVersionColumns {
    #[sea_orm(iden = "accounts")]
    Table,
    /// Rises with each change that an event tells of.
    Version,
}

#[derive(DeriveIden)]
enum EventTipTable {
    #[sea_orm(iden = "event_tip")]
    Table,
    Id,
    /// The position given last.
    Position,
}

#[derive(DeriveIden)]
enum LeasesTable {
    #[sea_orm(iden = "leases")]
    Table,
    Name,
    Fence,
    /// Milliseconds by the database's clock.
    ExpiresAt,
}

#[derive(DeriveIden)]
enum EventConsumersTable {
    #[sea_orm(iden = "event_consumers")]
    Table,
    Name,
    Position,
    Attempts,
    RetryAt,
}

#[derive(DeriveIden)]
enum EventMarksTable {
    #[sea_orm(iden = "event_marks")]
    Table,
    At,
    /// All consumers had passed this position then.
    Position,
}

#[derive(DeriveIden)]
enum DeadLettersTable {
    #[sea_orm(iden = "dead_letters")]
    Table,
    Id,
    Consumer,
    EventId,
    Position,
    Attempts,
    Error,
    FailedAt,
    Retry,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_events(manager).await?;
        create_consumers(manager).await?;
        create_dead_letters(manager).await?;
        let version = big_integer(AccountVersionColumns::Version)
            .default(1)
            .to_owned();
        add_column(manager, AccountVersionColumns::Table, version).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

async fn create_events(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut events = Table::create();
    events
        .table(EventsTable::Table)
        .col(big_integer(EventsTable::Id).auto_increment().primary_key())
        .col(big_integer_null(EventsTable::Position));
    add_event_columns(manager, &mut events);
    create_table(manager, events).await?;
    create_index(
        manager,
        "ux_events_position",
        EventsTable::Table,
        [EventsTable::Position],
        IndexKind::Unique,
    )
    .await?;
    let change = [
        EventColumn::Topic,
        EventColumn::EventKey,
        EventColumn::Version,
        EventColumn::Kind,
    ];
    create_index(
        manager,
        "ux_events_change",
        EventsTable::Table,
        change,
        IndexKind::Unique,
    )
    .await?;
    let tip = Table::create()
        .table(EventTipTable::Table)
        .col(big_integer(EventTipTable::Id).primary_key())
        .col(big_integer(EventTipTable::Position))
        .to_owned();
    create_table(manager, tip).await
}

async fn create_consumers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let leases = Table::create()
        .table(LeasesTable::Table)
        .col(string_len(LeasesTable::Name, 128).primary_key())
        .col(big_integer(LeasesTable::Fence))
        .col(big_integer(LeasesTable::ExpiresAt))
        .to_owned();
    create_table(manager, leases).await?;
    let consumers = Table::create()
        .table(EventConsumersTable::Table)
        .col(string_len(EventConsumersTable::Name, 64).primary_key())
        .col(big_integer(EventConsumersTable::Position))
        .col(integer(EventConsumersTable::Attempts))
        .col(big_integer_null(EventConsumersTable::RetryAt))
        .to_owned();
    create_table(manager, consumers).await?;
    let marks = Table::create()
        .table(EventMarksTable::Table)
        .col(big_integer(EventMarksTable::At).primary_key())
        .col(big_integer(EventMarksTable::Position))
        .to_owned();
    create_table(manager, marks).await
}

async fn create_dead_letters(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut letters = Table::create();
    letters
        .table(DeadLettersTable::Table)
        .col(
            big_integer(DeadLettersTable::Id)
                .auto_increment()
                .primary_key(),
        )
        .col(string_len(DeadLettersTable::Consumer, 64))
        .col(big_integer(DeadLettersTable::EventId))
        .col(big_integer(DeadLettersTable::Position));
    add_event_columns(manager, &mut letters);
    letters
        .col(integer(DeadLettersTable::Attempts))
        .col(string_len(DeadLettersTable::Error, 500))
        .col(big_integer(DeadLettersTable::FailedAt))
        .col(boolean(DeadLettersTable::Retry));
    create_table(manager, letters).await?;
    create_index(
        manager,
        "ix_dead_letters_consumer",
        DeadLettersTable::Table,
        [DeadLettersTable::Consumer, DeadLettersTable::Retry],
        IndexKind::Plain,
    )
    .await?;
    create_index(
        manager,
        "ix_dead_letters_failed_at",
        DeadLettersTable::Table,
        [DeadLettersTable::FailedAt],
        IndexKind::Plain,
    )
    .await
}

fn add_event_columns(manager: &SchemaManager<'_>, table: &mut TableCreateStatement) {
    let mut body = large_text(manager, EventColumn::Body);
    table
        .col(string_len(EventColumn::Topic, 32))
        .col(big_integer(EventColumn::EventKey))
        .col(string_len(EventColumn::Kind, 32))
        .col(big_integer(EventColumn::Version))
        .col(big_integer(EventColumn::At))
        .col(body.not_null());
}
