//! Runs the contract suites over the adapters of the main database, on every kind of database.

mod event_processes;
mod events;
mod migrations;
mod races;
mod servers;
mod sqlite;

use crate::db::{AccountCredentials, Accounts, Avatars, Database, DatabaseSettings, TokenFamilies};
use crate::sqlite::Synchronous;
use faceshare_contract::credential::Store;
use std::sync::Arc;

/// Four connections are enough for the suites; the server on this machine has a hundred for all
/// tests.
const SETTINGS: DatabaseSettings = DatabaseSettings {
    synchronous: Synchronous::Normal,
    max_connections: 4,
};

/// The repositories of the credential suite.
pub(crate) fn credentials(db: Database) -> Store<AccountCredentials, Accounts, TokenFamilies> {
    Store {
        credentials: Arc::new(AccountCredentials::new(db.clone())),
        accounts: Arc::new(Accounts::new(db.clone())),
        families: Arc::new(TokenFamilies::new(db)),
    }
}

/// The repositories of the picture suite.
pub(crate) fn pictures(db: Database) -> Store<Avatars, Accounts, TokenFamilies> {
    Store {
        credentials: Arc::new(Avatars::new(db.clone())),
        accounts: Arc::new(Accounts::new(db.clone())),
        families: Arc::new(TokenFamilies::new(db)),
    }
}

/// All suites of the main database. The macro calls the `fresh` of its module with an adapter's
/// constructor; that returns the adapter over a new database, and a value that is kept until the
/// test ends.
macro_rules! main_database_contracts {
    () => {
        main_database_contracts! {
            account: account_contract over db::Accounts::new;
            answer: answer_contract over db::Answers::new;
            token_family: token_family_contract over db::TokenFamilies::new;
            face_session: face_session_contract over db::FaceSessions::new;
            number_code: number_code_contract over db::NumberCodes::new;
            invite: invite_contract over db::Invites::new;
            credential: credential_contract over crate::contract::credentials;
            picture: picture_contract over crate::contract::pictures;
            event: event_contract over crate::contract::events::Store::new;
        }
    };
    ($($module:ident: $contract:ident over $adapter:expr;)*) => {$(
        mod $module {
            use super::fresh;
            #[allow(unused_imports, reason = "not every adapter has a cache, and some are made elsewhere")]
            use crate::{cache, db};

            faceshare_contract::$contract!(fresh($adapter));
        }
    )*};
}
pub(crate) use main_database_contracts;
