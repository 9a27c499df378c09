//! The directory of sessions, number codes, invites.
//!
//! No foreign keys between them: a session's truth is its log, from which the directory is written again, and codes and invites outlive a
//! session's row for their quarantine.

use super::create_table;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary_len, boolean, string_len, string_len_null, text,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[derive(DeriveIden)]
enum FaceSessions {
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

/// Who hosts or hosted which session.
#[derive(DeriveIden)]
enum SessionHosts {
    Table,
    HostId,
    SessionId,
}

#[derive(DeriveIden)]
enum NumberCodes {
    Table,
    Fingerprint,
    Sealed,
    SessionId,
    CreatedAt,
    ExpiresAt,
    RetiredUntil,
}

#[derive(DeriveIden)]
enum Invites {
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
        .table(FaceSessions::Table)
        .col(big_integer(FaceSessions::Id).primary_key())
        .col(string_len(FaceSessions::Title, 1024))
        .col(big_integer(FaceSessions::HostId))
        .col(string_len(FaceSessions::Admission, 16))
        .col(boolean(FaceSessions::AdmissionForced))
        .col(boolean(FaceSessions::Locked))
        .col(string_len(FaceSessions::HostLeft, 16))
        .col(big_integer(FaceSessions::MaxMembers))
        .col(big_integer(FaceSessions::MemberCount))
        .col(big_integer(FaceSessions::CreatedAt))
        .col(big_integer_null(FaceSessions::EndedAt))
        .col(string_len_null(FaceSessions::EndReason, 16))
        .to_owned();
    create_table(manager, table).await?;
    // Both begin with what is asked most: the live ones, of all and of one host.
    let live = Index::create()
        .name("ix_face_sessions_ended_at")
        .table(FaceSessions::Table)
        .col(FaceSessions::EndedAt)
        .to_owned();
    manager.create_index(live).await?;
    let hosted = Index::create()
        .name("ix_face_sessions_host_id")
        .table(FaceSessions::Table)
        .col(FaceSessions::HostId)
        .col(FaceSessions::EndedAt)
        .to_owned();
    manager.create_index(hosted).await
}

async fn session_hosts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(SessionHosts::Table)
        .col(big_integer(SessionHosts::HostId))
        .col(big_integer(SessionHosts::SessionId))
        .primary_key(
            Index::create()
                .name("pk_session_hosts")
                .col(SessionHosts::HostId)
                .col(SessionHosts::SessionId),
        )
        .to_owned();
    create_table(manager, table).await?;
    let session = Index::create()
        .name("ix_session_hosts_session_id")
        .table(SessionHosts::Table)
        .col(SessionHosts::SessionId)
        .to_owned();
    manager.create_index(session).await
}

async fn number_codes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(NumberCodes::Table)
        .col(binary_len(NumberCodes::Fingerprint, 32).primary_key())
        .col(text(NumberCodes::Sealed))
        .col(big_integer(NumberCodes::SessionId))
        .col(big_integer(NumberCodes::CreatedAt))
        .col(big_integer(NumberCodes::ExpiresAt))
        .col(big_integer_null(NumberCodes::RetiredUntil))
        .to_owned();
    create_table(manager, table).await?;
    for (name, column) in [
        ("ix_number_codes_session_id", NumberCodes::SessionId),
        ("ix_number_codes_expires_at", NumberCodes::ExpiresAt),
        ("ix_number_codes_retired_until", NumberCodes::RetiredUntil),
    ] {
        manager
            .create_index(
                Index::create()
                    .name(name)
                    .table(NumberCodes::Table)
                    .col(column)
                    .to_owned(),
            )
            .await?;
    }
    Ok(())
}

async fn invites(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Invites::Table)
        .col(big_integer(Invites::SessionId).primary_key())
        .col(binary_len(Invites::Fingerprint, 32))
        .col(text(Invites::Sealed))
        .col(big_integer(Invites::ExpiresAt))
        .col(big_integer_null(Invites::MaxUses))
        .col(big_integer(Invites::Uses))
        .to_owned();
    create_table(manager, table).await?;
    let fingerprint = Index::create()
        .name("ux_invites_fingerprint")
        .table(Invites::Table)
        .col(Invites::Fingerprint)
        .unique()
        .to_owned();
    manager.create_index(fingerprint).await
}
