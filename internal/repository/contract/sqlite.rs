//! The repository suites over the main database on SQLite. (The session log's runs beside the log.)

use crate::db::Database;
use crate::sqlite::Synchronous;
use tempfile::TempDir;

/// An adapter over a database in a folder of its own.
pub(crate) async fn fresh<R>(adapter: impl FnOnce(Database) -> R) -> (R, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("faceshare.db");
    let db = Database::open(&path.display().to_string(), Synchronous::Normal).await.expect("opened");
    db.migrate().await.expect("migrated");
    (adapter(db), folder)
}

macro_rules! over_sqlite {
    ($($module:ident: $suite:ident::$contract:ident over $adapter:expr;)*) => {$(
        mod $module {
            use super::fresh;
            #[allow(unused_imports, reason = "not every adapter has a cache")]
            use crate::{cache, db};

            crate::contract::$suite::$contract!(fresh($adapter));
        }
    )*};
}

over_sqlite! {
    account: account::account_contract over db::Accounts::new;
    answer: answer::answer_contract over db::Answers::new;
    token_family: token_family::token_family_contract over db::TokenFamilies::new;
    face_session: face_session::face_session_contract over db::FaceSessions::new;
    number_code: number_code::number_code_contract over db::NumberCodes::new;
    invite: invite::invite_contract over db::Invites::new;
    cached_account: account::account_contract over |db| cache::Accounts::new(db::Accounts::new(db));
    cached_number_code: number_code::number_code_contract over |db| cache::NumberCodes::new(db::NumberCodes::new(db));
}

mod credential {
    use super::fresh;
    use crate::contract::credential::{Store, credential_contract};
    use crate::db::{AccountCredentials, Accounts, TokenFamilies};

    credential_contract!(fresh(|db| Store {
        credentials: AccountCredentials::new(db.clone()),
        accounts: Accounts::new(db.clone()),
        families: TokenFamilies::new(db),
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_takes_the_place_of_the_last_and_goes_with_its_account() {
    use crate::contract::credential::{self, Store};
    use crate::db::{Accounts, Avatars, TokenFamilies};

    let adapters = |db: Database| Store {
        credentials: Avatars::new(db.clone()),
        accounts: Accounts::new(db.clone()),
        families: TokenFamilies::new(db),
    };
    let (store, _folder) = fresh(adapters).await;
    credential::a_picture_takes_the_place_of_the_last_and_goes_with_its_account(&store).await;
}
