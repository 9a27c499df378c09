//! What every [`InviteRepository`] must do.

use faceshare_biz::domain::facesession::{InviteRecord, InviteRepository, InviteUse};
use faceshare_biz::domain::{SessionId, Timestamp};

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! invite_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            invite,
            $fresh,
            [
                a_session_has_at_most_one_invite,
                the_last_use_is_spent_once,
                without_a_maximum_uses_are_only_counted,
                what_is_gone_or_expired_is_refused,
                a_refund_gives_back_one_use_and_no_more,
                a_revoked_invite_is_gone,
            ]
        );
    };
}
const NOW: Timestamp = Timestamp::from_millis(100);

fn session(id: u64) -> SessionId {
    SessionId::new(id).expect("an id")
}

fn invite(secret: u8, of: u64, max_uses: Option<u32>) -> InviteRecord {
    let sealed = format!("sealed {secret}");
    let approval = secret.is_multiple_of(2);
    InviteRecord {
        fingerprint: [secret; 32],
        sealed,
        session: session(of),
        expires_at: Timestamp::from_millis(200),
        max_uses,
        uses: 0,
        approval,
        effect: (secret > 1).then_some(u64::from(secret)),
    }
}

async fn uses(invites: &impl InviteRepository, of: u64) -> Option<u32> {
    invites
        .current(session(of))
        .await
        .expect("looked up")
        .map(|invite| invite.uses)
}

pub async fn a_session_has_at_most_one_invite(invites: &impl InviteRepository) {
    invites.put(&invite(1, 1, Some(3))).await.expect("kept");
    invites.put(&invite(2, 2, None)).await.expect("kept");
    assert_eq!(
        invites.find(&[[9; 32], [1; 32]]).await.expect("looked up"),
        Some(invite(1, 1, Some(3)))
    );
    assert_eq!(
        invites.find(&[[2; 32], [1; 32]]).await.expect("looked up"),
        Some(invite(2, 2, None)),
        "the first named"
    );
    invites.put(&invite(3, 1, None)).await.expect("kept");
    assert_eq!(
        invites.current(session(1)).await.expect("looked up"),
        Some(invite(3, 1, None))
    );
    assert_eq!(invites.find(&[[1; 32]]).await.expect("looked up"), None);
    assert_eq!(
        invites.current(session(2)).await.expect("looked up"),
        Some(invite(2, 2, None))
    );
}

pub async fn the_last_use_is_spent_once(invites: &impl InviteRepository) {
    for round in 0..10 {
        invites.put(&invite(round, 1, Some(1))).await.expect("kept");
        let (a, b) = tokio::join!(
            invites.spend([round; 32], NOW),
            invites.spend([round; 32], NOW)
        );
        let (a, b) = (a.expect("asked"), b.expect("asked"));
        assert!(a != b);
        assert_eq!(uses(invites, 1).await, Some(1));
    }
}

pub async fn without_a_maximum_uses_are_only_counted(invites: &impl InviteRepository) {
    invites.put(&invite(1, 1, None)).await.expect("kept");
    for _ in 0..5 {
        assert_eq!(
            invites.spend([1; 32], NOW).await.expect("asked"),
            InviteUse::Spent
        );
    }
    assert_eq!(uses(invites, 1).await, Some(5));
}

pub async fn what_is_gone_or_expired_is_refused(invites: &impl InviteRepository) {
    invites.put(&invite(1, 1, None)).await.expect("kept");
    let refused = [([1; 32], Timestamp::from_millis(200)), ([2; 32], NOW)];
    for (fingerprint, now) in refused {
        assert_eq!(
            invites.spend(fingerprint, now).await.expect("asked"),
            InviteUse::Refused
        );
    }
    assert_eq!(uses(invites, 1).await, Some(0));
}

pub async fn a_refund_gives_back_one_use_and_no_more(invites: &impl InviteRepository) {
    invites.put(&invite(1, 1, Some(1))).await.expect("kept");
    invites.spend([1; 32], NOW).await.expect("spent");
    for _ in 0..2 {
        invites.refund([1; 32]).await.expect("refunded");
        assert_eq!(uses(invites, 1).await, Some(0));
    }
    assert_eq!(
        invites.spend([1; 32], NOW).await.expect("asked"),
        InviteUse::Spent
    );
    assert_eq!(
        invites.spend([1; 32], NOW).await.expect("asked"),
        InviteUse::Refused
    );
}

pub async fn a_revoked_invite_is_gone(invites: &impl InviteRepository) {
    invites.put(&invite(1, 1, None)).await.expect("kept");
    assert!(invites.revoke(session(1)).await.expect("asked"));
    assert!(!invites.revoke(session(1)).await.expect("asked"));
    assert_eq!(uses(invites, 1).await, None);
    assert_eq!(
        invites.spend([1; 32], NOW).await.expect("asked"),
        InviteUse::Refused
    );
}
