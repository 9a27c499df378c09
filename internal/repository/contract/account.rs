//! What every [`AccountRepository`] must do.

use faceshare_biz::ErrorCode;
use faceshare_biz::domain::account::{Account, AccountRepository};
use faceshare_biz::domain::{AccountId, Nickname, Timestamp};

macro_rules! account_contract {
    ($fresh:expr) => {
        crate::contract::run_contract!(
            account,
            $fresh,
            [
                what_was_kept_is_found_as_it_was,
                usernames_are_unique_whatever_their_case,
                guests_have_no_username_to_share,
                guests_who_have_not_come_back_are_forgotten,
            ]
        );
    };
}
pub(crate) use account_contract;

pub(crate) fn account(id: u64, username: Option<&str>) -> Account {
    Account {
        id: AccountId::new(id).expect("an id"),
        username: username.map(str::to_owned),
        nickname: Nickname::new("Änne ☎", 32).expect("a nickname"),
        avatar_url: "/v1/avatars/x".to_owned(),
        created_at: Timestamp::from_millis(1_234),
    }
}

pub(crate) async fn what_was_kept_is_found_as_it_was(accounts: &impl AccountRepository) {
    let largest = i64::MAX.cast_unsigned();
    for kept in [account(1, None), account(largest, Some("ann"))] {
        accounts.insert(&kept).await.expect("kept");
        assert_eq!(accounts.find(kept.id).await.expect("looked up"), Some(kept));
    }
    assert_eq!(accounts.find(account(2, None).id).await.expect("looked up"), None);
}

pub(crate) async fn usernames_are_unique_whatever_their_case(accounts: &impl AccountRepository) {
    accounts.insert(&account(1, Some("ann"))).await.expect("kept");
    for (id, name) in [(2, "ann"), (3, "ANN"), (1, "bob")] {
        let refused = accounts.insert(&account(id, Some(name))).await.expect_err("taken");
        assert_eq!(refused.code, ErrorCode::AlreadyExists, "{id} {name}");
    }
    // Of two at once one is refused.
    let (eve, second) = (account(4, Some("eve")), account(5, Some("Eve")));
    let (a, b) = tokio::join!(accounts.insert(&eve), accounts.insert(&second));
    assert_eq!([a.is_ok(), b.is_ok()].iter().filter(|ok| **ok).count(), 1);
}

pub(crate) async fn guests_have_no_username_to_share(accounts: &impl AccountRepository) {
    for id in 1..=3 {
        accounts.insert(&account(id, None)).await.expect("kept");
    }
}

pub(crate) async fn guests_who_have_not_come_back_are_forgotten(accounts: &impl AccountRepository) {
    for kept in [account(1, None), account(2, Some("ann")), account(3, None), account(4, None)] {
        accounts.insert(&kept).await.expect("kept");
    }
    let young = Account { created_at: Timestamp::from_millis(5_000), ..account(5, None) };
    accounts.insert(&young).await.expect("kept");
    let (id, before) = (|number| account(number, None).id, Timestamp::from_millis(5_000));
    let unused = async |after, limit| accounts.unused_guests(before, after, limit).await.expect("looked up");
    assert_eq!(unused(None, 10).await, [id(1), id(3), id(4)]);
    assert_eq!(unused(None, 2).await, [id(1), id(3)]);
    assert_eq!(unused(Some(id(1)), 10).await, [id(3), id(4)]);

    assert!(accounts.forget_guest(id(3), before).await.expect("asked"));
    for other in [2, 3, 5] {
        assert!(!accounts.forget_guest(id(other), before).await.expect("asked"), "{other}");
    }
    assert_eq!(unused(None, 10).await, [id(1), id(4)]);
    assert_eq!(accounts.find(id(3)).await.expect("looked up"), None);
    assert!(accounts.find(id(2)).await.expect("looked up").is_some());
}
