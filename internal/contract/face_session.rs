//! What every [`FaceSessionRepository`] must do.

use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::{
    Admission, EndReason, Ended, FaceSession, FaceSessionRepository, HostLeft, SessionRecord,
};
use faceshare_biz::domain::{MemberId, PageRequest, SessionId, Timestamp, Title};

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! face_session_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            face_session,
            $fresh,
            [
                a_session_is_listed_as_it_was_saved_last,
                a_host_has_no_more_live_sessions_than_the_limit,
                a_session_that_is_not_listed_is_listed_by_saving,
                what_was_saved_after_a_later_entry_stays,
                who_hosted_keeps_the_session_in_the_list,
                pages_go_from_the_newest_to_the_oldest_without_gap,
                a_removed_session_is_nowhere,
                those_that_ended_long_ago_are_found,
            ]
        );
    };
}
fn id(id: u64) -> SessionId {
    SessionId::new(id).expect("an id")
}

fn host(id: u64) -> MemberId {
    MemberId::new(id).expect("an id")
}

fn face_session(of: u64, session: u64) -> FaceSession {
    FaceSession {
        id: id(session),
        title: Title::new("", 100).expect("a title"),
        host: host(of),
        admission: Admission::Open,
        admission_forced: false,
        locked: false,
        host_left: HostLeft::Countdown,
        max_members: 500,
        member_count: 0,
        created_at: Timestamp::from_millis(5),
        ended: None,
    }
}

fn record(session: &FaceSession, log_index: u64) -> SessionRecord {
    SessionRecord {
        session: session.clone(),
        log_index,
        attendees: Vec::new(),
    }
}

fn ended(session: FaceSession, reason: EndReason) -> FaceSession {
    FaceSession {
        ended: Some(Ended {
            at: Timestamp::from_millis(9),
            reason,
        }),
        ..session
    }
}

async fn listed(sessions: &impl FaceSessionRepository, of: u64) -> Vec<FaceSession> {
    let page = sessions
        .list_by_host(
            host(of),
            PageRequest {
                size: 200,
                after: None,
            },
        )
        .await
        .expect("listed");
    assert_eq!(page.next, None);
    page.items
}

pub async fn a_session_is_listed_as_it_was_saved_last(sessions: &impl FaceSessionRepository) {
    sessions
        .insert(&face_session(1, 10), 20)
        .await
        .expect("kept");
    assert_eq!(listed(sessions, 1).await, [face_session(1, 10)]);
    for reason in [
        EndReason::HostEnded,
        EndReason::AutoEnd,
        EndReason::Platform,
    ] {
        let changed = FaceSession {
            title: Title::new("Plans ☎", 100).expect("a title"),
            admission: Admission::Approval,
            admission_forced: true,
            locked: true,
            host_left: HostLeft::Promote,
            max_members: 7,
            member_count: 3,
            ..ended(face_session(1, 10), reason)
        };
        sessions.save(&record(&changed, 2)).await.expect("saved");
        assert_eq!(
            sessions.find(changed.id).await.expect("looked up").as_ref(),
            Some(&changed)
        );
        assert_eq!(listed(sessions, 1).await, [changed]);
    }
    assert!(sessions.live().await.expect("listed").is_empty());
}

pub async fn a_host_has_no_more_live_sessions_than_the_limit(
    sessions: &impl FaceSessionRepository,
) {
    sessions
        .insert(&face_session(1, 10), 2)
        .await
        .expect("kept");
    sessions
        .insert(&face_session(1, 11), 2)
        .await
        .expect("kept");
    let refused = sessions
        .insert(&face_session(1, 12), 2)
        .await
        .expect_err("too many");
    assert_eq!(refused.code, ErrorCode::LimitExceeded);
    sessions
        .insert(&face_session(2, 13), 2)
        .await
        .expect("another host");
    sessions
        .save(&record(
            &ended(face_session(1, 10), EndReason::HostEnded),
            2,
        ))
        .await
        .expect("saved");
    sessions
        .insert(&face_session(1, 14), 2)
        .await
        .expect("one has ended");
    assert_eq!(
        sessions.live().await.expect("listed"),
        [id(11), id(13), id(14)]
    );
    assert_eq!(sessions.count_live().await.expect("counted"), 3);
}

pub async fn a_session_that_is_not_listed_is_listed_by_saving(
    sessions: &impl FaceSessionRepository,
) {
    sessions
        .save(&record(&face_session(1, 10), 1))
        .await
        .expect("saved");
    assert_eq!(listed(sessions, 1).await, [face_session(1, 10)]);
    assert_eq!(
        sessions
            .insert(&face_session(1, 10), 20)
            .await
            .expect_err("there already")
            .code,
        ErrorCode::AlreadyExists
    );
}

pub async fn what_was_saved_after_a_later_entry_stays(sessions: &impl FaceSessionRepository) {
    assert_eq!(sessions.log_index(id(10)).await.expect("read"), None);
    sessions
        .insert(&face_session(1, 10), 20)
        .await
        .expect("kept");
    let at = |members| FaceSession {
        member_count: members,
        ..face_session(1, 10)
    };
    assert_eq!(sessions.log_index(id(10)).await.expect("read"), Some(0));
    for (members, log_index, listed_members) in
        [(4, 4, 4), (3, 3, 4), (5, 5, 5), (4, 4, 5), (5, 5, 5)]
    {
        sessions
            .save(&record(&at(members), log_index))
            .await
            .expect("saved");
        assert_eq!(
            listed(sessions, 1).await,
            [at(listed_members)],
            "after entry {log_index}"
        );
        assert_eq!(
            sessions.log_index(id(10)).await.expect("read"),
            Some(u64::from(listed_members))
        );
    }
}

pub async fn who_hosted_keeps_the_session_in_the_list(sessions: &impl FaceSessionRepository) {
    sessions
        .insert(&face_session(1, 10), 1)
        .await
        .expect("kept");
    let promoted = FaceSession {
        host: host(2),
        ..face_session(1, 10)
    };
    sessions.save(&record(&promoted, 2)).await.expect("saved");
    sessions
        .save(&record(&promoted, 2))
        .await
        .expect("saved again");
    for of in [1, 2] {
        assert_eq!(
            listed(sessions, of).await,
            std::slice::from_ref(&promoted),
            "{of}"
        );
    }
    sessions
        .insert(&face_session(1, 11), 1)
        .await
        .expect("only the present host's sessions count");
}

pub async fn pages_go_from_the_newest_to_the_oldest_without_gap(
    sessions: &impl FaceSessionRepository,
) {
    for n in 1..=7 {
        sessions
            .insert(&face_session(1 + n % 2, n), 20)
            .await
            .expect("kept");
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = sessions
            .list_by_host(host(2), PageRequest { size: 2, after })
            .await
            .expect("listed");
        pages.push(
            page.items
                .iter()
                .map(|session| session.id.get())
                .collect::<Vec<_>>(),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![7, 5], vec![3, 1]]);
}

pub async fn a_removed_session_is_nowhere(sessions: &impl FaceSessionRepository) {
    sessions
        .insert(&face_session(1, 10), 1)
        .await
        .expect("kept");
    sessions.remove(id(10)).await.expect("removed");
    sessions.remove(id(10)).await.expect("again");
    assert!(listed(sessions, 1).await.is_empty());
    assert_eq!(sessions.count_live().await.expect("counted"), 0);
    sessions
        .insert(&face_session(2, 10), 1)
        .await
        .expect("kept");
    assert!(listed(sessions, 1).await.is_empty());
}

pub async fn those_that_ended_long_ago_are_found(sessions: &impl FaceSessionRepository) {
    for (number, at) in [
        (1, Some(30)),
        (2, None),
        (3, Some(10)),
        (4, Some(20)),
        (5, Some(10)),
    ] {
        let ended = at.map(|at| Ended {
            at: Timestamp::from_millis(at),
            reason: EndReason::AutoEnd,
        });
        let listed = FaceSession {
            ended,
            ..face_session(1, number)
        };
        sessions.save(&record(&listed, 1)).await.expect("saved");
    }
    let found = async |before, limit| {
        sessions
            .ended_before(Timestamp::from_millis(before), limit)
            .await
            .expect("looked up")
    };
    assert_eq!(found(20, 10).await, [id(3), id(5)]);
    assert_eq!(found(31, 3).await, [id(1), id(3), id(4)]);
    sessions.remove(id(3)).await.expect("removed");
    assert_eq!(found(20, 10).await, [id(5)]);
}
