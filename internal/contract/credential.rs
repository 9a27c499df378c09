//! What every [`CredentialRepository`] must do, together with the accounts and families of the same
//! store.

use super::account::account;
use super::token_family::family;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::account::{
    AccountRepository, CredentialRepository, Credentials, PasswordChange, PasswordHash, Picture,
    PictureRepository, TokenFamily, TokenFamilyRepository,
};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
use std::sync::Arc;

/// Three repositories over one store. In the picture suite `credentials` is the repository of
/// pictures.
pub struct Store<C, A, F> {
    pub credentials: Arc<C>,
    pub accounts: Arc<A>,
    pub families: Arc<F>,
}

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! credential_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            credential,
            $fresh,
            [
                usernames_are_unique_whatever_their_case,
                an_account_is_found_by_name_and_id_with_the_hash,
                a_family_opens_under_the_right_hash_alone,
                a_hash_is_replaced_only_while_it_is_there,
                a_change_of_password_revokes_all_other_families,
                a_deletion_revokes_all_families,
            ]
        );
    };
}
/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! picture_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            credential,
            $fresh,
            [
                a_picture_takes_the_place_of_the_last_and_goes_with_its_account,
                a_large_picture_is_found_as_it_was_by_its_very_key
            ]
        );
    };
}
fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text)
}

fn id(number: u64) -> AccountId {
    account(number, None).id
}

fn family_of(number: u64, owner: u64) -> TokenFamily {
    TokenFamily {
        account: id(owner),
        network: Some([u8::try_from(number).expect("small"); 32]),
        ..family(number)
    }
}

pub async fn usernames_are_unique_whatever_their_case<C, A, F>(store: &Store<C, A, F>)
where
    C: CredentialRepository,
{
    let credentials = &store.credentials;
    credentials
        .insert(&account(1, Some("ann")), &hash("h"))
        .await
        .expect("kept");
    for (id, name) in [(2, "ann"), (3, "ANN"), (1, "bob")] {
        let refused = credentials
            .insert(&account(id, Some(name)), &hash("h"))
            .await
            .expect_err("taken");
        assert_eq!(refused.code, ErrorCode::AlreadyExists, "{id} {name}");
    }
    let h = hash("h");
    // Of two insertions at once one is refused, in every round.
    for round in 0..20 {
        let (name, other) = (format!("eve{round}"), format!("EVE{round}"));
        let (one, two) = (
            account(100 + 2 * round, Some(&name)),
            account(101 + 2 * round, Some(&other)),
        );
        let (a, b) = tokio::join!(credentials.insert(&one, &h), credentials.insert(&two, &h));
        let refused = match (a, b) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            both => panic!("{both:?}"),
        };
        assert_eq!(refused.code, ErrorCode::AlreadyExists);
    }
}

pub async fn an_account_is_found_by_name_and_id_with_the_hash<C, A, F>(store: &Store<C, A, F>)
where
    C: CredentialRepository,
    A: AccountRepository,
{
    let ann = Credentials {
        account: account(1, Some("Ann_1")),
        password: hash("h"),
    };
    store
        .credentials
        .insert(&ann.account, &ann.password)
        .await
        .expect("kept");
    store
        .accounts
        .insert(&account(2, None))
        .await
        .expect("kept");
    for name in ["ann_1", "Ann_1", "ANN_1"] {
        assert_eq!(
            store
                .credentials
                .by_username(name)
                .await
                .expect("looked up"),
            Some(ann.clone())
        );
    }
    assert_eq!(
        store.credentials.by_id(id(1)).await.expect("looked up"),
        Some(ann.clone())
    );
    assert_eq!(
        store.accounts.find(id(1)).await.expect("looked up"),
        Some(ann.account)
    );
    assert_eq!(
        store
            .credentials
            .by_username("ann")
            .await
            .expect("looked up"),
        None
    );
    assert_eq!(
        store.credentials.by_id(id(2)).await.expect("looked up"),
        None,
        "a guest has none"
    );
    assert_eq!(
        store.credentials.by_id(id(3)).await.expect("looked up"),
        None
    );
}

pub async fn a_family_opens_under_the_right_hash_alone<C, A, F>(store: &Store<C, A, F>)
where
    C: CredentialRepository,
    F: TokenFamilyRepository,
{
    store
        .credentials
        .insert(&account(1, Some("ann")), &hash("h"))
        .await
        .expect("kept");
    let (first, second) = (family_of(1, 1), family_of(2, 1));
    assert!(
        store
            .credentials
            .open_family(&first, &hash("h"))
            .await
            .expect("asked")
    );
    assert!(
        !store
            .credentials
            .open_family(&second, &hash("x"))
            .await
            .expect("asked")
    );
    assert!(
        !store
            .credentials
            .open_family(&family_of(3, 9), &hash("h"))
            .await
            .expect("asked"),
        "there is no such account"
    );
    assert_eq!(
        store.families.find(first.id).await.expect("looked up"),
        Some(first.clone())
    );
    assert_eq!(
        store.families.find(second.id).await.expect("looked up"),
        None
    );
    let again = store
        .credentials
        .open_family(&first, &hash("h"))
        .await
        .expect_err("it is there");
    assert_eq!(again.code, ErrorCode::AlreadyExists);
}

pub async fn a_hash_is_replaced_only_while_it_is_there<C, A, F>(store: &Store<C, A, F>)
where
    C: CredentialRepository,
{
    store
        .credentials
        .insert(&account(1, Some("ann")), &hash("1"))
        .await
        .expect("kept");
    assert!(
        store
            .credentials
            .rehash(id(1), &hash("1"), &hash("2"))
            .await
            .expect("asked")
    );
    assert!(
        !store
            .credentials
            .rehash(id(1), &hash("1"), &hash("3"))
            .await
            .expect("asked")
    );
    let found = store
        .credentials
        .by_id(id(1))
        .await
        .expect("looked up")
        .expect("an account");
    assert_eq!(found.password, hash("2"));
    assert!(
        store
            .credentials
            .rehash(id(1), &hash("2"), &hash("Hash"))
            .await
            .expect("asked")
    );
    for other in ["hash", "HASH", "Hàsh"] {
        assert!(
            !store
                .credentials
                .rehash(id(1), &hash(other), &hash("3"))
                .await
                .expect("asked"),
            "{other} is another hash"
        );
        assert!(
            !store
                .credentials
                .open_family(&family_of(1, 1), &hash(other))
                .await
                .expect("asked"),
            "{other} is another hash"
        );
    }
}

async fn with_families<C, A, F>(store: &Store<C, A, F>) -> [FamilyId; 4]
where
    C: CredentialRepository,
    F: TokenFamilyRepository,
{
    for (number, name) in [(1, "ann"), (2, "ben")] {
        store
            .credentials
            .insert(&account(number, Some(name)), &hash("h"))
            .await
            .expect("kept");
    }
    let families = [
        family_of(1, 1),
        family_of(2, 1),
        family_of(3, 1),
        family_of(4, 2),
    ];
    for family in &families {
        store.families.insert(family).await.expect("kept");
    }
    let ids = families.map(|family| family.id);
    store
        .families
        .revoke(ids[2], Timestamp::from_millis(5))
        .await
        .expect("revoked");
    ids
}

async fn revoked(families: &impl TokenFamilyRepository, since: i64) -> Vec<(FamilyId, Timestamp)> {
    let mut revoked = families
        .revoked_since(Timestamp::from_millis(since))
        .await
        .expect("looked up");
    revoked.sort();
    revoked
}

pub async fn a_change_of_password_revokes_all_other_families<C, A, F>(store: &Store<C, A, F>)
where
    C: CredentialRepository,
    F: TokenFamilyRepository,
{
    let [here, there, before, _] = with_families(store).await;
    let at = Timestamp::from_millis(9);
    let change = |old: &str| PasswordChange {
        account: id(1),
        old: hash(old),
        new: hash("new"),
        keep: here,
        at,
    };
    assert_eq!(
        store.credentials.change(&change("x")).await.expect("asked"),
        None
    );
    assert_eq!(revoked(&*store.families, 6).await, []);
    assert_eq!(
        store.credentials.change(&change("h")).await.expect("asked"),
        Some(vec![there])
    );
    assert_eq!(
        store.credentials.change(&change("h")).await.expect("asked"),
        None
    );
    assert_eq!(revoked(&*store.families, 6).await, [(there, at)]);
    assert_eq!(
        revoked(&*store.families, 5).await,
        [(there, at), (before, Timestamp::from_millis(5))]
    );
}

pub async fn a_picture_takes_the_place_of_the_last_and_goes_with_its_account<C, A, F>(
    store: &Store<C, A, F>,
) where
    C: PictureRepository,
    A: AccountRepository,
{
    store
        .accounts
        .insert(&account(1, None))
        .await
        .expect("kept");
    let picture = |text: &'static str| Picture {
        media_type: "image/png".to_owned(),
        bytes: text.into(),
    };
    let set = async |owner, key: &str| {
        store
            .accounts
            .set_picture(id(owner), key, &format!("/{key}"), &picture("p"))
            .await
            .expect("asked")
    };
    let found = async |key: &str| store.credentials.find(key).await.expect("looked up");
    assert!(!set(2, "none").await, "there is no such account");
    assert_eq!(found("none").await, None);
    assert!(set(1, "one").await);
    assert_eq!(found("one").await, Some(picture("p")));
    assert!(set(1, "two").await);
    assert_eq!(
        (found("one").await, found("two").await),
        (None, Some(picture("p")))
    );
    assert_eq!(
        store
            .accounts
            .find(id(1))
            .await
            .expect("looked up")
            .expect("an account")
            .avatar_url,
        "/two"
    );
    store
        .accounts
        .delete(id(1), Timestamp::from_millis(9))
        .await
        .expect("deleted");
    assert_eq!(found("two").await, None);
}

pub async fn a_large_picture_is_found_as_it_was_by_its_very_key<C, A, F>(store: &Store<C, A, F>)
where
    C: PictureRepository,
    A: AccountRepository,
{
    /// More than a picture of 256 by 256 with four bytes for each point can have.
    const LARGEST: usize = 300_000;
    store
        .accounts
        .insert(&account(1, None))
        .await
        .expect("kept");
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(LARGEST).collect();
    let large = Picture {
        media_type: "image/png".to_owned(),
        bytes: bytes.into(),
    };
    assert!(
        store
            .accounts
            .set_picture(id(1), "Key", "/Key", &large)
            .await
            .expect("asked")
    );
    assert_eq!(
        store.credentials.find("Key").await.expect("looked up"),
        Some(large)
    );
    for other in ["key", "KEY", "Kéy", "Ke"] {
        assert_eq!(
            store.credentials.find(other).await.expect("looked up"),
            None,
            "{other} is another key"
        );
    }
}

pub async fn a_deletion_revokes_all_families<C, A, F>(store: &Store<C, A, F>)
where
    C: CredentialRepository,
    A: AccountRepository,
    F: TokenFamilyRepository,
{
    let [one, two, _, other] = with_families(store).await;
    let at = Timestamp::from_millis(9);
    let mut ended = store
        .accounts
        .delete(id(1), at)
        .await
        .expect("asked")
        .expect("an account");
    ended.sort();
    assert_eq!(ended, [one, two]);
    assert_eq!(revoked(&*store.families, 9).await, [(one, at), (two, at)]);
    assert!(
        store
            .families
            .find(other)
            .await
            .expect("looked up")
            .is_some_and(|f| f.revoked_at.is_none() && f.network.is_some())
    );
    for family in [one, two] {
        let left = store
            .families
            .find(family)
            .await
            .expect("looked up")
            .expect("kept as revoked");
        assert_eq!(
            left.network, None,
            "the place of a sign-in is personal data"
        );
    }
    assert_eq!(
        store
            .credentials
            .by_username("ann")
            .await
            .expect("looked up"),
        None
    );
    assert!(
        !store
            .credentials
            .open_family(&family_of(9, 1), &hash("h"))
            .await
            .expect("asked")
    );
}
