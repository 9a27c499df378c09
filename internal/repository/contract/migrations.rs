//! Migrations from every earlier state of the schema.

use crate::db::{Database, NumberCodes, STEPS, write_code_of_0007};
use faceshare_biz::domain::facesession::{CodeRecord, NumberCodeRepository as _};
use faceshare_biz::domain::{SessionId, Timestamp};

/// Runs the suite. `$empty` is a future of a database without tables and of a value that is kept
/// until the test ends.
macro_rules! migration_suite {
    ($empty:expr) => {
        mod migrations {
            use super::*;

            #[tokio::test]
            async fn migrating_twice_changes_nothing() {
                let (db, _alive) = $empty.await;
                crate::contract::migrations::migrating_twice_changes_nothing(&db).await;
            }

            #[tokio::test]
            async fn a_schema_of_any_earlier_step_is_brought_up() {
                for step in 0..crate::db::STEPS {
                    let (db, _alive) = $empty.await;
                    crate::contract::migrations::a_schema_of_an_earlier_step_is_brought_up(&db, step).await;
                }
            }

            #[tokio::test]
            async fn a_step_that_was_applied_but_not_recorded_is_finished() {
                let (db, _alive) = $empty.await;
                crate::contract::migrations::a_step_that_was_applied_but_not_recorded_is_finished(
                    &db,
                )
                .await;
            }

            #[tokio::test]
            async fn a_code_of_an_earlier_version_is_still_the_one_of_its_session() {
                let (db, _alive) = $empty.await;
                crate::contract::migrations::a_code_of_an_earlier_version_is_still_the_one_of_its_session(&db).await;
            }
        }
    };
}
pub(super) use migration_suite;

pub(super) async fn migrating_twice_changes_nothing(db: &Database) {
    db.migrate().await.expect("migrated");
    db.migrate().await.expect("migrated again");
    db.ping().await.expect("answers");
}

pub(super) async fn a_schema_of_an_earlier_step_is_brought_up(db: &Database, step: u32) {
    db.migrate_by(Some(step))
        .await
        .expect("migrated by some steps");
    db.migrate().await.expect("migrated");
    assert_works(db).await;
}

/// As MySQL leaves it when the process dies: a change of the schema stays, though its step failed.
pub(super) async fn a_step_that_was_applied_but_not_recorded_is_finished(db: &Database) {
    for _ in 0..STEPS {
        db.migrate_by(Some(1)).await.expect("migrated by a step");
        db.forget_newest_step().await;
        db.migrate_by(Some(1)).await.expect("finished");
    }
    assert_works(db).await;
}

async fn assert_works(db: &Database) {
    let codes = NumberCodes::new(db.clone());
    codes
        .assign(
            &code(1),
            Timestamp::from_millis(5),
            Timestamp::from_millis(6),
        )
        .await
        .expect("the schema is of this version");
}

fn code(digit: u8) -> CodeRecord {
    CodeRecord {
        fingerprint: [digit; 32],
        sealed: "sealed".to_owned(),
        session: SessionId::new(7).expect("an id"),
        created_at: Timestamp::from_millis(5),
        expires_at: Timestamp::from_millis(1_000),
        effect: None,
    }
}

pub(super) async fn a_code_of_an_earlier_version_is_still_the_one_of_its_session(db: &Database) {
    let now = Timestamp::from_millis(10);
    db.migrate_by(Some(STEPS_BEFORE_LIVE_SESSION))
        .await
        .expect("migrated by some steps");
    write_code_of_0007(db, &code(1)).await;
    db.migrate().await.expect("migrated");
    let codes = NumberCodes::new(db.clone());
    assert_eq!(
        codes
            .current(code(1).session, now)
            .await
            .expect("looked up"),
        Some(code(1))
    );
    codes
        .assign(&code(2), now, Timestamp::from_millis(20))
        .await
        .expect("rotated");
    assert_eq!(
        codes.find(&[[1; 32]], now).await.expect("looked up"),
        None,
        "retired"
    );
}

/// The number of steps up to the answers.
const STEPS_BEFORE_LIVE_SESSION: u32 = 6;
const _: () = assert!(STEPS_BEFORE_LIVE_SESSION < STEPS);
