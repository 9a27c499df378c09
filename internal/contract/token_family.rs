//! What every [`TokenFamilyRepository`] must do.

use faceshare_biz::domain::account::{Rotation, TokenFamily, TokenFamilyRepository};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! token_family_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            token_family,
            $fresh,
            [
                a_rotation_moves_on_one_generation,
                of_two_rotations_at_once_one_is_done,
                a_revoked_family_does_not_rotate,
                what_ended_long_ago_is_forgotten,
                a_network_is_known_by_the_families_opened_from_it,
            ]
        );
    };
}
pub fn family(id: u64) -> TokenFamily {
    TokenFamily {
        id: FamilyId::new(id).expect("an id"),
        account: AccountId::new(7).expect("an id"),
        generation: 0,
        rotated_at: Timestamp::from_millis(1),
        sealed_pair: None,
        expires_at: Timestamp::from_millis(100),
        revoked_at: None,
        network: None,
    }
}

fn rotation(id: u64, from_generation: u32, sealed: &str) -> Rotation {
    let at = Timestamp::from_millis(50);
    Rotation {
        family: family(id).id,
        from_generation,
        at,
        sealed_pair: sealed.to_owned(),
        expires_at: Timestamp::from_millis(200),
    }
}

pub async fn a_rotation_moves_on_one_generation(families: &impl TokenFamilyRepository) {
    families.insert(&family(1)).await.expect("kept");
    families.insert(&family(2)).await.expect("kept");
    assert_eq!(
        families.find(family(1).id).await.expect("looked up"),
        Some(family(1))
    );
    assert!(
        !families.rotate(&rotation(1, 1, "x")).await.expect("asked"),
        "not there yet"
    );
    assert!(families.rotate(&rotation(1, 0, "x")).await.expect("asked"));
    assert!(
        !families.rotate(&rotation(1, 0, "y")).await.expect("asked"),
        "not there any more"
    );
    let found = families
        .find(family(1).id)
        .await
        .expect("looked up")
        .expect("a family");
    let rotated = TokenFamily {
        generation: 1,
        rotated_at: Timestamp::from_millis(50),
        sealed_pair: Some("x".to_owned()),
        expires_at: Timestamp::from_millis(200),
        ..family(1)
    };
    assert_eq!(found, rotated);
    assert_eq!(
        families.find(family(2).id).await.expect("looked up"),
        Some(family(2))
    );
    assert!(
        !families.rotate(&rotation(3, 0, "x")).await.expect("asked"),
        "no such family"
    );
}

pub async fn of_two_rotations_at_once_one_is_done(families: &impl TokenFamilyRepository) {
    families.insert(&family(1)).await.expect("kept");
    for generation in 0..10 {
        let (left, right) = (
            rotation(1, generation, "left"),
            rotation(1, generation, "right"),
        );
        let (a, b) = tokio::join!(families.rotate(&left), families.rotate(&right));
        let (a, b) = (a.expect("asked"), b.expect("asked"));
        assert!(a != b);
        let kept = families
            .find(family(1).id)
            .await
            .expect("looked up")
            .and_then(|f| f.sealed_pair);
        assert_eq!(kept.as_deref(), Some(if a { "left" } else { "right" }));
    }
}

pub async fn a_revoked_family_does_not_rotate(families: &impl TokenFamilyRepository) {
    families.insert(&family(1)).await.expect("kept");
    families
        .revoke(family(1).id, Timestamp::from_millis(10))
        .await
        .expect("revoked");
    families
        .revoke(family(1).id, Timestamp::from_millis(20))
        .await
        .expect("again");
    let found = families
        .find(family(1).id)
        .await
        .expect("looked up")
        .expect("a family");
    assert_eq!(found.revoked_at, Some(Timestamp::from_millis(10)));
    assert!(!families.rotate(&rotation(1, 0, "x")).await.expect("asked"));
    families
        .revoke(family(2).id, Timestamp::from_millis(10))
        .await
        .expect("no such family is no error");
}

pub async fn what_ended_long_ago_is_forgotten(families: &impl TokenFamilyRepository) {
    let at = Timestamp::from_millis;
    let kept = [
        TokenFamily {
            expires_at: at(1_000),
            ..family(1)
        },
        TokenFamily {
            rotated_at: at(1_000),
            ..family(2)
        },
        TokenFamily {
            revoked_at: Some(at(1_000)),
            ..family(3)
        },
    ];
    let over = [
        family(4),
        TokenFamily {
            revoked_at: Some(at(10)),
            ..family(5)
        },
    ];
    for each in kept.iter().chain(&over) {
        families.insert(each).await.expect("kept");
    }
    assert_eq!(families.forget_ended(at(1_000)).await.expect("asked"), 2);
    for each in &kept {
        assert!(families.find(each.id).await.expect("looked up").is_some());
    }
}

pub async fn a_network_is_known_by_the_families_opened_from_it(
    families: &impl TokenFamilyRepository,
) {
    let from = |id, network: u8| TokenFamily {
        network: Some([network; 32]),
        ..family(id)
    };
    let other = TokenFamily {
        account: AccountId::new(8).expect("an id"),
        ..from(3, 3)
    };
    for each in [from(1, 1), from(2, 2), other, family(4)] {
        families.insert(&each).await.expect("kept");
        assert_eq!(families.find(each.id).await.expect("looked up"), Some(each));
    }
    let known = async |networks: &[[u8; 32]]| {
        families
            .opened_from(family(1).account, networks)
            .await
            .expect("looked up")
    };
    assert!(known(&[[1; 32]]).await && known(&[[9; 32], [2; 32]]).await);
    assert!(!known(&[[3; 32]]).await, "another account's");
    assert!(!known(&[]).await);
    families
        .revoke(family(1).id, Timestamp::from_millis(10))
        .await
        .expect("revoked");
    assert!(
        known(&[[1; 32]]).await,
        "signed out, and still a usual place"
    );
    families
        .forget_ended(Timestamp::from_millis(1_000))
        .await
        .expect("forgotten");
    assert!(!known(&[[1; 32], [2; 32]]).await);
}
