//! The schema, step by step. A step that was released is never edited: what changes comes as a new step.

mod m0001_accounts;
mod m0002_face_sessions;
mod m0003_passwords;
mod m0004_invite_approval;
mod m0005_avatars;
mod m0007_answers;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All steps, in order.
pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_face_sessions::Migration),
            Box::new(m0003_passwords::Migration),
            Box::new(m0004_invite_approval::Migration),
            Box::new(m0005_avatars::Migration),
            Box::new(m0007_answers::Migration),
        ]
    }
}
