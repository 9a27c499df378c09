//! The directory of sessions, number codes, invites.
//!
//! No foreign keys between them: the directory is written from the session's log and may be written
//! again, and codes and invites stay in quarantine after the session's row is deleted.

use super::{IndexKind, create_index, create_table};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary_len, boolean, string_len, string_len_null, text,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum FaceSessionsTable {
    #[sea_orm(iden = "face_sessions")]
    Table,
    Id,
    Title,
    HostId,
    Admission,
    AdmissionForced,
    Locked,
    HostLeft,
    MaxMembers,
    MemberCount,
    CreatedAt,
    EndedAt,
    EndReason,
}

/// The accounts that host or hosted a session.
#[derive(DeriveIden)]
enum SessionHostsTable {
    #[sea_orm(iden = "session_hosts")]
    Table,
    HostId,
    SessionId,
}

#[derive(DeriveIden)]
enum NumberCodesTable {
    #[sea_orm(iden = "number_codes")]
    Table,
    Fingerprint,
    Sealed,
    SessionId,
    CreatedAt,
    ExpiresAt,
    RetiredUntil,
}

#[derive(DeriveIden)]
enum InvitesTable {
    #[sea_orm(iden = "invites")]
    Table,
    SessionId,
    Fingerprint,
    Sealed,
    ExpiresAt,
    MaxUses,
    Uses,
}

#[allow(
    elided_lifetimes_in_paths,
    reason = "async_trait makes another signature of a lifetime that is spelt out than the trait has"
)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        face_sessions(manager).await?;
        session_hosts(manager).await?;
        number_codes(manager).await?;
        invites(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

async fn face_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(FaceSessionsTable::Table)
        .col(big_integer(FaceSessionsTable::Id).primary_key())
        .col(string_len(FaceSessionsTable::Title, 1024))
        .col(big_integer(FaceSessionsTable::HostId))
        .col(string_len(FaceSessionsTable::Admission, 16))
        .col(boolean(FaceSessionsTable::AdmissionForced))
        .col(boolean(FaceSessionsTable::Locked))
        .col(string_len(FaceSessionsTable::HostLeft, 16))
        .col(big_integer(FaceSessionsTable::MaxMembers))
        .col(big_integer(FaceSessionsTable::MemberCount))
        .col(big_integer(FaceSessionsTable::CreatedAt))
        .col(big_integer_null(FaceSessionsTable::EndedAt))
        .col(string_len_null(FaceSessionsTable::EndReason, 16))
        .to_owned();
    create_table(manager, table).await?;
    // The most frequent queries are for live sessions: of all hosts, and of one.
    create_index(
        manager,
        "ix_face_sessions_ended_at",
        FaceSessionsTable::Table,
        [FaceSessionsTable::EndedAt],
        IndexKind::Plain,
    )
    .await?;
    create_index(
        manager,
        "ix_face_sessions_host_id",
        FaceSessionsTable::Table,
        [FaceSessionsTable::HostId, FaceSessionsTable::EndedAt],
        IndexKind::Plain,
    )
    .await
}

async fn session_hosts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(SessionHostsTable::Table)
        .col(big_integer(SessionHostsTable::HostId))
        .col(big_integer(SessionHostsTable::SessionId))
        .primary_key(
            Index::create()
                .name("pk_session_hosts")
                .col(SessionHostsTable::HostId)
                .col(SessionHostsTable::SessionId),
        )
        .to_owned();
    create_table(manager, table).await?;
    create_index(
        manager,
        "ix_session_hosts_session_id",
        SessionHostsTable::Table,
        [SessionHostsTable::SessionId],
        IndexKind::Plain,
    )
    .await
}

async fn number_codes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(NumberCodesTable::Table)
        .col(binary_len(NumberCodesTable::Fingerprint, 32).primary_key())
        .col(text(NumberCodesTable::Sealed))
        .col(big_integer(NumberCodesTable::SessionId))
        .col(big_integer(NumberCodesTable::CreatedAt))
        .col(big_integer(NumberCodesTable::ExpiresAt))
        .col(big_integer_null(NumberCodesTable::RetiredUntil))
        .to_owned();
    create_table(manager, table).await?;
    for (name, column) in [
        ("ix_number_codes_session_id", NumberCodesTable::SessionId),
        ("ix_number_codes_expires_at", NumberCodesTable::ExpiresAt),
        (
            "ix_number_codes_retired_until",
            NumberCodesTable::RetiredUntil,
        ),
    ] {
        create_index(
            manager,
            name,
            NumberCodesTable::Table,
            [column],
            IndexKind::Plain,
        )
        .await?;
    }
    Ok(())
}

async fn invites(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(InvitesTable::Table)
        .col(big_integer(InvitesTable::SessionId).primary_key())
        .col(binary_len(InvitesTable::Fingerprint, 32))
        .col(text(InvitesTable::Sealed))
        .col(big_integer(InvitesTable::ExpiresAt))
        .col(big_integer_null(InvitesTable::MaxUses))
        .col(big_integer(InvitesTable::Uses))
        .to_owned();
    create_table(manager, table).await?;
    create_index(
        manager,
        "ux_invites_fingerprint",
        InvitesTable::Table,
        [InvitesTable::Fingerprint],
        IndexKind::Unique,
    )
    .await
}
