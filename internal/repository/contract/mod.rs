//! What every adapter of a port must do, as tests that know the port alone.
//!
//! A suite is a set of functions, each of which gets a fresh store; `…_contract!` runs all of them over one adapter.

pub(crate) mod account;
pub(crate) mod answer;
pub(crate) mod credential;
pub(crate) mod face_session;
pub(crate) mod guess_budgets;
pub(crate) mod invite;
pub(crate) mod number_code;
pub(crate) mod password_budgets;
pub(crate) mod session_log;
pub(crate) mod sqlite;
pub(crate) mod token_family;

/// One test for each function of a suite, over the store that `$fresh` makes, with what must live as long as it.
macro_rules! run_contract {
    ($suite:ident, $fresh:expr, [$($proof:ident),* $(,)?]) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $proof() {
            let (store, _folder) = $fresh.await;
            crate::contract::$suite::$proof(&store).await;
        }
    )*};
}
pub(crate) use run_contract;
