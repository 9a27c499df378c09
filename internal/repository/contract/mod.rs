//! What every adapter of a port must do, as tests that know the port alone.
//!
//! A suite is a set of functions, each of which gets a fresh store; `…_contract!` runs all of them over one adapter. What stands in the main
//! database is held to them on every kind of database that the entities are meant for: `main_database_contracts!`.

#[path = "../../contract/account.rs"]
pub(crate) mod account;
#[path = "../../contract/answer.rs"]
pub(crate) mod answer;
#[path = "../../contract/credential.rs"]
pub(crate) mod credential;
#[path = "../../contract/face_session.rs"]
pub(crate) mod face_session;
#[path = "../../contract/guess_budgets.rs"]
pub(crate) mod guess_budgets;
#[path = "../../contract/invite.rs"]
pub(crate) mod invite;
#[path = "../../contract/number_code.rs"]
pub(crate) mod number_code;
#[path = "../../contract/password_budgets.rs"]
pub(crate) mod password_budgets;
mod servers;
#[path = "../../contract/session_log.rs"]
pub(crate) mod session_log;
mod sqlite;
#[path = "../../contract/token_family.rs"]
pub(crate) mod token_family;

/// One test for each function of a suite, over the store that `$fresh` makes, with what must live as long as it.
macro_rules! run_contract {
    ($suite:ident, $fresh:expr, [$($proof:ident),* $(,)?]) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $proof() {
            let (store, _place) = $fresh.await;
            crate::contract::$suite::$proof(&store).await;
        }
    )*};
}
pub(crate) use run_contract;

/// All suites of the main database, over what `fresh` beside it makes of an adapter: the adapter in a database of its own, and what must live
/// as long as that.
macro_rules! main_database_contracts {
    () => {
        main_database_contracts! {
            account: account::account_contract over db::Accounts::new;
            answer: answer::answer_contract over db::Answers::new;
            token_family: token_family::token_family_contract over db::TokenFamilies::new;
            face_session: face_session::face_session_contract over db::FaceSessions::new;
            number_code: number_code::number_code_contract over db::NumberCodes::new;
            invite: invite::invite_contract over db::Invites::new;
            credential: credential::credential_contract over crate::contract::credential::Store::of;
            picture: credential::picture_contract over crate::contract::credential::Store::with_pictures;
        }
    };
    ($($module:ident: $suite:ident::$contract:ident over $adapter:expr;)*) => {$(
        mod $module {
            use super::fresh;
            #[allow(unused_imports, reason = "not every adapter has a cache, and some are made elsewhere")]
            use crate::{cache, db};

            crate::contract::$suite::$contract!(fresh($adapter));
        }
    )*};
}
pub(crate) use main_database_contracts;
