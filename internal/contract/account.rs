//! What every [`AccountRepository`] must do.

use faceshare_biz::ErrorCode;
use faceshare_biz::constants::USERNAME_LENGTH;
use faceshare_biz::domain::account::{Account, AccountRepository, PasswordHash, Promotion};
use faceshare_biz::domain::{AccountId, Nickname, Timestamp};

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! account_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            account,
            $fresh,
            [
                what_was_kept_is_found_as_it_was,
                the_longest_texts_are_kept,
                guests_have_no_username_to_share,
                a_guest_is_promoted_once,
                a_promotion_is_found_by_its_effect_id,
                a_nickname_changes_and_nothing_else,
                what_was_deleted_is_gone,
                guests_who_have_not_come_back_are_forgotten,
            ]
        );
    };
}
pub fn account(id: u64, username: Option<&str>) -> Account {
    Account {
        id: AccountId::new(id).expect("an id"),
        username: username.map(str::to_owned),
        nickname: Nickname::new("Änne ☎ 🎈", 32).expect("a nickname"),
        avatar_url: "/v1/avatars/x".to_owned(),
        created_at: Timestamp::from_millis(1_234),
    }
}

pub async fn what_was_kept_is_found_as_it_was(accounts: &impl AccountRepository) {
    let largest = i64::MAX.cast_unsigned();
    for kept in [account(1, None), account(largest, Some("Ann"))] {
        accounts.insert(&kept).await.expect("kept");
        assert_eq!(accounts.find(kept.id).await.expect("looked up"), Some(kept));
    }
    assert_eq!(
        accounts.find(account(2, None).id).await.expect("looked up"),
        None
    );
    let refused = accounts.insert(&account(1, None)).await.expect_err("taken");
    assert_eq!(refused.code, ErrorCode::AlreadyExists);
}

pub async fn the_longest_texts_are_kept(accounts: &impl AccountRepository) {
    /// The most that `limits.nickname` can be set to.
    const NICKNAME: usize = 256;
    let longest = Nickname::new(&"\u{1f388}".repeat(NICKNAME), NICKNAME).expect("a nickname");
    let kept = Account {
        nickname: longest.clone(),
        avatar_url: "x".repeat(512),
        ..account(1, Some(&"U".repeat(*USERNAME_LENGTH.end())))
    };
    accounts.insert(&kept).await.expect("kept");
    assert_eq!(accounts.find(kept.id).await.expect("looked up"), Some(kept));
    accounts.insert(&account(2, None)).await.expect("kept");
    let at = Timestamp::from_millis(2_000);
    let renamed = accounts.rename(account(2, None).id, &longest, at).await;
    assert!(renamed.expect("asked"));
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text)
}

pub async fn a_guest_is_promoted_once(accounts: &impl AccountRepository) {
    for guest in [account(1, None), account(2, None)] {
        accounts.insert(&guest).await.expect("kept");
    }
    let (nickname, at) = (
        Nickname::new("Ann", 32).expect("a nickname"),
        Timestamp::from_millis(7_000),
    );
    let promote = async |id: u64, name: &str| {
        let promotion = Promotion {
            guest: account(id, None).id,
            username: name.to_owned(),
            nickname: nickname.clone(),
            password: hash("h"),
            at,
            effect: None,
        };
        accounts.promote(&promotion).await
    };
    assert!(promote(1, "Ann_1").await.expect("asked"));
    let found = accounts
        .find(account(1, None).id)
        .await
        .expect("looked up")
        .expect("an account");
    assert_eq!(
        found,
        Account {
            username: Some("Ann_1".into()),
            nickname: nickname.clone(),
            created_at: at,
            ..account(1, None)
        }
    );
    assert!(
        !promote(1, "ann_2").await.expect("asked"),
        "it is no guest any more"
    );
    assert!(
        !promote(9, "ann_2").await.expect("asked"),
        "there is no such account"
    );
    assert_eq!(
        promote(2, "aNN_1").await.expect_err("taken").code,
        ErrorCode::AlreadyExists
    );
    assert!(promote(2, "ann_2").await.expect("asked"));
}

pub async fn a_promotion_is_found_by_its_effect_id(accounts: &impl AccountRepository) {
    /// The greatest effect id that an id generator gives.
    const LARGEST: u64 = i64::MAX.cast_unsigned();
    for guest in 1..=3 {
        accounts.insert(&account(guest, None)).await.expect("kept");
    }
    let promote = async |id: u64, effect: Option<u64>| {
        let promotion = Promotion {
            guest: account(id, None).id,
            username: format!("name{id}"),
            nickname: Nickname::new("Ann", 32).expect("a nickname"),
            password: hash("h"),
            at: Timestamp::from_millis(7_000),
            effect,
        };
        accounts.promote(&promotion).await.expect("asked")
    };
    let promoted_by = async |id: u64, effect: u64| {
        accounts
            .promoted_by(account(id, None).id, effect)
            .await
            .expect("looked up")
    };
    assert_eq!(promoted_by(1, LARGEST).await, None, "a guest");
    assert!(promote(1, Some(LARGEST)).await);
    assert!(promote(2, None).await);
    let found = accounts.find(account(1, None).id).await.expect("looked up");
    assert!(found.is_some());
    assert_eq!(promoted_by(1, LARGEST).await, found);
    assert_eq!(promoted_by(1, 5).await, None, "another effect");
    for other in [2, 3, 9] {
        assert_eq!(promoted_by(other, LARGEST).await, None, "{other}");
    }
    assert!(!promote(1, Some(5)).await, "it is no guest any more");
    assert_eq!(promoted_by(1, 5).await, None);
    assert_eq!(promoted_by(1, LARGEST).await, found);
}

pub async fn a_nickname_changes_and_nothing_else(accounts: &impl AccountRepository) {
    accounts.insert(&account(1, None)).await.expect("kept");
    let nickname = Nickname::new("Ben", 32).expect("a nickname");
    assert!(
        accounts
            .rename(
                account(1, None).id,
                &nickname,
                Timestamp::from_millis(2_000)
            )
            .await
            .expect("asked")
    );
    assert!(
        !accounts
            .rename(
                account(2, None).id,
                &nickname,
                Timestamp::from_millis(2_000)
            )
            .await
            .expect("asked")
    );
    let found = accounts.find(account(1, None).id).await.expect("looked up");
    assert_eq!(
        found,
        Some(Account {
            nickname,
            ..account(1, None)
        })
    );
}

pub async fn what_was_deleted_is_gone(accounts: &impl AccountRepository) {
    accounts
        .insert(&account(1, Some("ann")))
        .await
        .expect("kept");
    let at = Timestamp::from_millis(9);
    assert_eq!(
        accounts
            .delete(account(1, None).id, at)
            .await
            .expect("asked"),
        Some(Vec::new())
    );
    assert_eq!(
        accounts
            .delete(account(1, None).id, at)
            .await
            .expect("asked"),
        None
    );
    assert_eq!(
        accounts.find(account(1, None).id).await.expect("looked up"),
        None
    );
    accounts
        .insert(&account(2, Some("ann")))
        .await
        .expect("the name is free");
}

pub async fn guests_have_no_username_to_share(accounts: &impl AccountRepository) {
    for id in 1..=3 {
        accounts.insert(&account(id, None)).await.expect("kept");
    }
}

pub async fn guests_who_have_not_come_back_are_forgotten(accounts: &impl AccountRepository) {
    for kept in [
        account(1, None),
        account(2, Some("ann")),
        account(3, None),
        account(4, None),
    ] {
        accounts.insert(&kept).await.expect("kept");
    }
    let young = Account {
        created_at: Timestamp::from_millis(5_000),
        ..account(5, None)
    };
    accounts.insert(&young).await.expect("kept");
    let (id, before) = (
        |number| account(number, None).id,
        Timestamp::from_millis(5_000),
    );
    let unused = async |after, limit| {
        accounts
            .unused_guests(before, after, limit)
            .await
            .expect("looked up")
    };
    assert_eq!(unused(None, 10).await, [id(1), id(3), id(4)]);
    assert_eq!(unused(None, 2).await, [id(1), id(3)]);
    assert_eq!(unused(Some(id(1)), 10).await, [id(3), id(4)]);

    assert!(
        accounts
            .forget_guest(id(3), before, Timestamp::from_millis(9_000))
            .await
            .expect("asked")
    );
    for other in [2, 3, 5] {
        assert!(
            !accounts
                .forget_guest(id(other), before, Timestamp::from_millis(9_000))
                .await
                .expect("asked"),
            "{other}"
        );
    }
    assert_eq!(unused(None, 10).await, [id(1), id(4)]);
    assert_eq!(accounts.find(id(3)).await.expect("looked up"), None);
    assert!(accounts.find(id(2)).await.expect("looked up").is_some());
}
