//! Contract suites: what every implementation of a port must do, as tests that know the port alone.
//!
//! A suite is a module of functions, each of which gets a fresh store. `…_contract!(fresh)` makes a
//! test of each function: `fresh` is a future of the implementation and of a value that must live
//! as long as it (a folder, a schema). Adapters and the fakes of other crates' tests run the same
//! suites; a fake that cannot pass is replaced by the adapter itself over a SQLite file.
//!
//! # Adding a port
//! 1. The trait, with its obligations (atomicity, order, errors) in its doc, goes beside its types
//!    in `faceshare-biz`.
//! 2. The suite goes here: one function for each obligation, and a macro that lists them.
//! 3. Each adapter and each fake calls the macro. In the main database this is one line in
//!    `repository/contract`, which runs the suite on SQLite, PostgreSQL and MariaDB.

#![allow(
    missing_docs,
    reason = "the name of a test function is the sentence that it checks"
)]
#![allow(
    clippy::missing_panics_doc,
    reason = "a test function panics when it fails"
)]

pub mod account;
pub mod answer;
pub mod content_store;
pub mod credential;
pub mod drive_agent;
pub mod drive_files;
pub mod encs_agent;
pub mod event;
pub mod face_session;
pub mod guess_budgets;
pub mod invite;
pub mod number_code;
pub mod password_budgets;
pub mod session_log;
pub mod token_family;

/// Makes one test of each function of a suite. `$fresh` is a future of the store and of a value
/// that is kept until the test ends.
#[macro_export]
macro_rules! run_contract {
    ($suite:ident, $fresh:expr, [$($test:ident),* $(,)?]) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let (store, _alive) = $fresh.await;
            $crate::$suite::$test(&store).await;
        }
    )*};
}
