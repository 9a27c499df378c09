//! Races between four openings of one schema, as four processes have them.
//!
//! On SQLite one process owns the file, so there all four are one opening.

pub(super) use super::event_processes::each_event_takes_effect_once_and_in_order_wherever_processes_die;
use super::events::Store as EventStores;
use crate::db::{
    AccountCredentials, Accounts, Answers, Database, FaceSessions, Invites, NumberCodes,
    TokenFamilies,
};
use faceshare_biz::domain::account::{
    Account, AccountRepository as _, CredentialRepository as _, PasswordChange, PasswordHash,
    Rotation, TokenFamily, TokenFamilyRepository as _,
};
use faceshare_biz::domain::event::{
    Advance, ConsumerPositions as _, Delivery, EventLog as _, Fact, Leases as _, Progress,
    RecordedEvent, Sequencing,
};
use faceshare_biz::domain::facesession::{
    Admission, CodeRecord, EndReason, Ended, FaceSession, FaceSessionRepository as _, HostLeft,
    InviteRecord, InviteRepository as _, NumberCodeRepository as _, SessionRecord,
};
use faceshare_biz::domain::idempotency::{AnswerRepository as _, Reservation, Reserved};
use faceshare_biz::domain::{
    AccountId, FamilyId, MemberId, Nickname, PageRequest, SessionId, Timestamp, Title,
};
use faceshare_biz::{ErrorCode, Result};
use faceshare_contract::event::{EventStore as _, renamed, sequence_all, taken};
use futures_util::future::join_all;
use std::time::Duration;

/// How often each race is run; the statements interleave differently each time.
const ROUNDS: u64 = 5;

/// Runs the suite. `$openings` is a future of the openings and of a value that is kept until the
/// test ends.
macro_rules! race_suite {
    ($openings:expr) => {
        mod races {
            use super::*;
            use crate::contract::races::each_race;

            each_race!(
                $openings,
                [
                    migrations_at_once_all_succeed,
                    a_host_has_no_more_live_sessions_than_the_limit,
                    a_free_place_is_given_to_one_call,
                    an_expired_place_is_given_to_one_call,
                    calls_at_once_of_an_account_at_its_limit_all_get_a_place,
                    a_session_whose_code_is_rotated_at_once_has_one_live_code,
                    a_code_that_several_sessions_draw_goes_to_one,
                    invites_put_at_once_leave_one,
                    a_session_saved_out_of_order_is_listed_as_it_was_last,
                    an_account_deleted_at_once_is_deleted_once,
                    a_username_goes_to_one_account,
                    no_family_of_an_old_password_outlives_its_change,
                    a_guest_who_refreshes_while_it_is_forgotten_is_kept_whole_or_gone_whole,
                    a_lease_goes_to_one_of_many,
                    events_written_and_numbered_at_once_have_each_one_position,
                    an_effect_stored_at_once_is_stored_once,
                    changes_of_an_account_at_once_are_told_in_order,
                    a_session_that_several_write_is_told_once,
                    each_event_takes_effect_once_and_in_order_wherever_processes_die,
                ]
            );
        }
    };
}
pub(super) use race_suite;

macro_rules! each_race {
    ($openings:expr, [$($race:ident),* $(,)?]) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $race() {
            let (openings, _alive) = $openings.await;
            crate::contract::races::$race(&openings).await;
        }
    )*};
}
pub(super) use each_race;

type Openings = [Database; 4];

/// Migrates, and makes an adapter over each opening.
async fn over<R>(openings: &Openings, adapter: impl Fn(Database) -> R) -> [R; 4] {
    openings[0].migrate().await.expect("migrated");
    openings.clone().map(adapter)
}

/// Runs `act` `count` times concurrently, spread over the openings.
async fn at_once<'a, R, F: Future>(
    openings: &'a [R; 4],
    count: usize,
    act: impl Fn(&'a R, usize) -> F,
) -> Vec<F::Output> {
    join_all((0..count).map(|number| act(&openings[number % 4], number))).await
}

fn codes_of(outcomes: &[Result<()>]) -> Vec<ErrorCode> {
    outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .map(|error| error.code)
        .collect()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn number(count: usize) -> u64 {
    count as u64
}

fn account_id(id: u64) -> AccountId {
    AccountId::new(id).expect("an id")
}

fn session_id(id: u64) -> SessionId {
    SessionId::new(id).expect("an id")
}

fn account(id: u64, username: Option<&str>) -> Account {
    Account {
        id: account_id(id),
        username: username.map(str::to_owned),
        nickname: Nickname::new("Ann", 32).expect("a nickname"),
        avatar_url: String::new(),
        created_at: at(1),
    }
}

fn session(id: u64, host: u64) -> FaceSession {
    FaceSession {
        id: session_id(id),
        title: Title::new("", 100).expect("a title"),
        host: MemberId::new(host).expect("an id"),
        admission: Admission::Open,
        admission_forced: false,
        locked: false,
        host_left: HostLeft::Countdown,
        max_members: 500,
        member_count: 0,
        created_at: at(5),
        ended: None,
    }
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text)
}

fn family(id: u64, owner: u64) -> TokenFamily {
    TokenFamily {
        id: FamilyId::new(id).expect("an id"),
        account: account_id(owner),
        generation: 0,
        rotated_at: at(1),
        sealed_pair: None,
        expires_at: at(1_000_000),
        revoked_at: None,
        network: None,
    }
}

pub(super) async fn migrations_at_once_all_succeed(openings: &Openings) {
    for outcome in at_once(openings, 4, |db, _| db.migrate()).await {
        outcome.expect("migrated");
    }
    let outcome = Accounts::new(openings[3].clone())
        .insert(&account(1, None))
        .await;
    outcome.expect("the schema is there");
}

pub(super) async fn a_host_has_no_more_live_sessions_than_the_limit(openings: &Openings) {
    const LIMIT: u32 = 20;
    let sessions = over(openings, FaceSessions::new).await;
    let accounts = Accounts::new(openings[0].clone());
    for host in 1..=ROUNDS {
        accounts.insert(&account(host, None)).await.expect("kept");
        let listed: Vec<_> = (0..40).map(|n| session(host * 100 + n, host)).collect();
        let outcomes = at_once(&sessions, 40, |sessions, n| {
            sessions.insert(&listed[n], LIMIT)
        })
        .await;
        assert_eq!(codes_of(&outcomes), [ErrorCode::LimitExceeded; 20]);
        assert_eq!(
            sessions[0].count_live().await.expect("counted"),
            host * u64::from(LIMIT)
        );
    }
}

fn attempt(call: u8, attempt: u64, expires_at: i64) -> Reservation {
    Reservation {
        call: [call; 32],
        account: account_id(7),
        request: [9; 32],
        attempt,
        process: 1,
        expires_at: at(expires_at),
    }
}

async fn reserve_at_once(answers: &[Answers; 4], call: u8, now: i64) {
    let attempts: Vec<_> = (0..16).map(|n| attempt(call, 100 + n, now + 100)).collect();
    let outcomes = at_once(answers, 16, |answers, n| {
        answers.reserve(&attempts[n], at(now), 1_000)
    })
    .await;
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("asked"))
        .collect();
    let fresh: Vec<_> = outcomes
        .iter()
        .zip(&attempts)
        .filter(|(outcome, _)| matches!(outcome, Reserved::Fresh { .. }))
        .map(|(_, a)| a.attempt)
        .collect();
    assert_eq!(fresh.len(), 1, "{outcomes:?}");
    assert!(
        answers[0]
            .keep([call; 32], fresh[0], "sealed", at(now + 100))
            .await
            .expect("asked"),
        "the place is that attempt's"
    );
}

pub(super) async fn a_free_place_is_given_to_one_call(openings: &Openings) {
    let answers = over(openings, Answers::new).await;
    for call in 1..=ROUNDS {
        reserve_at_once(&answers, u8::try_from(call).expect("small"), 1).await;
    }
}

pub(super) async fn an_expired_place_is_given_to_one_call(openings: &Openings) {
    let answers = over(openings, Answers::new).await;
    for call in 1..=ROUNDS {
        let call = u8::try_from(call).expect("small");
        assert_eq!(
            answers[0]
                .reserve(&attempt(call, 1, 100), at(1), 1_000)
                .await
                .expect("asked"),
            Reserved::Fresh { effect: 1 }
        );
        reserve_at_once(&answers, call, 100).await;
    }
}

pub(super) async fn calls_at_once_of_an_account_at_its_limit_all_get_a_place(openings: &Openings) {
    const LIMIT: u32 = 16;
    let answers = over(openings, Answers::new).await;
    for round in 0..ROUNDS {
        let attempts: Vec<_> = (0..16)
            .map(|n| {
                let call = u8::try_from(round * 16 + n).expect("small");
                attempt(call, 100 + u64::from(call), 100)
            })
            .collect();
        let outcomes = at_once(&answers, 16, |answers, n| {
            answers.reserve(&attempts[n], at(1), LIMIT)
        })
        .await;
        for (outcome, attempt) in outcomes.into_iter().zip(&attempts) {
            let effect = attempt.attempt;
            assert_eq!(outcome.expect("asked"), Reserved::Fresh { effect });
        }
    }
}

fn code(digit: usize, of: u64) -> CodeRecord {
    CodeRecord {
        fingerprint: [u8::try_from(digit).expect("small"); 32],
        sealed: String::new(),
        session: session_id(of),
        created_at: at(100),
        expires_at: at(1_000),
        effect: None,
    }
}

pub(super) async fn a_session_whose_code_is_rotated_at_once_has_one_live_code(openings: &Openings) {
    let codes = over(openings, NumberCodes::new).await;
    for round in 1..=ROUNDS {
        FaceSessions::new(openings[0].clone())
            .insert(&session(round, 1), 1_000)
            .await
            .expect("listed");
        let drawn: Vec<_> = (0..8)
            .map(|n| code(usize::try_from(round).expect("small") * 8 + n, round))
            .collect();
        let outcomes = at_once(&codes, 8, |codes, n| {
            codes.assign(&drawn[n], at(100), at(200))
        })
        .await;
        assert_eq!(codes_of(&outcomes), []);
        let mut live = Vec::new();
        for code in &drawn {
            live.extend(
                codes[0]
                    .find(&[code.fingerprint], at(100))
                    .await
                    .expect("looked up"),
            );
        }
        assert_eq!(live.len(), 1, "{live:?}");
        assert_eq!(
            codes[1]
                .current(session_id(round), at(100))
                .await
                .expect("looked up"),
            live.pop()
        );
    }
}

pub(super) async fn a_code_that_several_sessions_draw_goes_to_one(openings: &Openings) {
    let codes = over(openings, NumberCodes::new).await;
    for round in 1..=ROUNDS {
        let drawn: Vec<_> = (0..8)
            .map(|n| code(usize::try_from(round).expect("small"), round * 8 + n))
            .collect();
        let outcomes = at_once(&codes, 8, |codes, n| {
            codes.assign(&drawn[n], at(100), at(200))
        })
        .await;
        assert_eq!(codes_of(&outcomes), [ErrorCode::AlreadyExists; 7]);
    }
}

pub(super) async fn invites_put_at_once_leave_one(openings: &Openings) {
    let invites = over(openings, Invites::new).await;
    for round in 1..=ROUNDS {
        let put: Vec<_> = (0..8)
            .map(|n| InviteRecord {
                fingerprint: [u8::try_from(round * 8 + n).expect("small"); 32],
                sealed: String::new(),
                session: session_id(round),
                expires_at: at(1_000),
                max_uses: None,
                uses: 0,
                approval: false,
                effect: None,
            })
            .collect();
        let outcomes = at_once(&invites, 8, |invites, n| invites.put(&put[n])).await;
        assert_eq!(codes_of(&outcomes), []);
        let fingerprints: Vec<_> = put.iter().map(|invite| invite.fingerprint).collect();
        let found = invites[0].find(&fingerprints).await.expect("looked up");
        assert!(found.is_some());
        assert_eq!(
            invites[1]
                .current(session_id(round))
                .await
                .expect("looked up"),
            found
        );
    }
}

pub(super) async fn a_session_saved_out_of_order_is_listed_as_it_was_last(openings: &Openings) {
    let sessions = over(openings, FaceSessions::new).await;
    for id in 1..=ROUNDS {
        let after = |n: usize| FaceSession {
            member_count: u32::try_from(n).expect("small"),
            ..session(id, id)
        };
        let states: Vec<_> = (0..40)
            .map(|n| SessionRecord {
                session: after(n),
                log_index: number(n),
                attendees: Vec::new(),
            })
            .collect();
        // In an order in which some later states come first.
        let outcomes = at_once(&sessions, 40, |sessions, n| {
            let n = (n * 7) % 40;
            sessions.save(&states[n])
        });
        assert_eq!(codes_of(&outcomes.await), []);
        let host = MemberId::new(id).expect("an id");
        let listed = sessions[0]
            .list_by_host(
                host,
                PageRequest {
                    size: 10,
                    after: None,
                },
            )
            .await
            .expect("listed");
        assert_eq!(listed.items, [after(39)]);
    }
}

pub(super) async fn an_account_deleted_at_once_is_deleted_once(openings: &Openings) {
    let accounts = over(openings, Accounts::new).await;
    for id in 1..=ROUNDS {
        accounts[0].insert(&account(id, None)).await.expect("kept");
        let outcomes = at_once(&accounts, 4, |accounts, _| {
            accounts.delete(account_id(id), at(9))
        })
        .await;
        let deleted: Vec<_> = outcomes
            .into_iter()
            .filter_map(|outcome| outcome.expect("asked"))
            .collect();
        assert_eq!(deleted, [vec![]]);
    }
}

pub(super) async fn a_username_goes_to_one_account(openings: &Openings) {
    let credentials = over(openings, AccountCredentials::new).await;
    for round in 1..=ROUNDS {
        let (name, password) = (format!("ann{round}"), hash("h"));
        let all: Vec<_> = (0..8)
            .map(|n| account(round * 8 + n, Some(&name)))
            .collect();
        let outcomes = at_once(&credentials, 8, |credentials, n| {
            credentials.insert(&all[n], &password)
        })
        .await;
        assert_eq!(codes_of(&outcomes), [ErrorCode::AlreadyExists; 7]);
    }
}

pub(super) async fn no_family_of_an_old_password_outlives_its_change(openings: &Openings) {
    let credentials = over(openings, AccountCredentials::new).await;
    let families = TokenFamilies::new(openings[0].clone());
    for owner in 1..=ROUNDS {
        let (old, keep) = (hash("old"), family(owner * 100, owner));
        credentials[0]
            .insert(&account(owner, Some(&format!("ann{owner}"))), &old)
            .await
            .expect("kept");
        families.insert(&keep).await.expect("kept");
        let opened: Vec<_> = (1..8).map(|n| family(owner * 100 + n, owner)).collect();
        let change = PasswordChange {
            account: account_id(owner),
            old: old.clone(),
            new: hash("new"),
            keep: keep.id,
            at: at(9),
        };
        let opening = at_once(&credentials, 7, |credentials, n| {
            credentials.open_family(&opened[n], &old)
        });
        let (revoked, opening) = tokio::join!(credentials[3].change(&change), opening);
        let revoked = revoked.expect("asked").expect("changed");
        for (family, outcome) in opened.iter().zip(opening) {
            let was_opened = outcome.expect("asked");
            let found = families.find(family.id).await.expect("looked up");
            assert_eq!(found.is_some(), was_opened);
            assert!(
                found.is_none_or(|f| f.revoked_at.is_some()),
                "opened under the old password and not revoked"
            );
            assert_eq!(revoked.contains(&family.id), was_opened);
        }
    }
}

pub(super) async fn a_guest_who_refreshes_while_it_is_forgotten_is_kept_whole_or_gone_whole(
    openings: &Openings,
) {
    let accounts = over(openings, Accounts::new).await;
    let families = openings.clone().map(TokenFamilies::new);
    for guest in 1..=4 * ROUNDS {
        accounts[0]
            .insert(&account(guest, None))
            .await
            .expect("kept");
        let theirs = family(guest, guest);
        families[0].insert(&theirs).await.expect("kept");
        let rotation = Rotation {
            family: theirs.id,
            from_generation: 0,
            at: at(5_000),
            sealed_pair: "x".to_owned(),
            expires_at: at(1_000_000),
        };
        let (forgotten, rotated) = tokio::join!(
            accounts[1].forget_guest(account_id(guest), at(5_000), at(9_000)),
            families[2].rotate(&rotation)
        );
        let (forgotten, rotated) = (forgotten.expect("asked"), rotated.expect("asked"));
        assert!(
            forgotten != rotated,
            "forgotten {forgotten}, rotated {rotated}"
        );
        assert_eq!(
            accounts[3]
                .find(account_id(guest))
                .await
                .expect("looked up")
                .is_some(),
            rotated
        );
        assert_eq!(
            families[3]
                .find(theirs.id)
                .await
                .expect("looked up")
                .is_some(),
            rotated
        );
    }
}

pub(super) async fn a_lease_goes_to_one_of_many(openings: &Openings) {
    let stores = over(openings, EventStores::new).await;
    let term = Duration::from_secs(3_600);
    for round in 1..=ROUNDS {
        let outcomes = at_once(&stores, 8, |store, _| store.leases.take("one", term)).await;
        let leases: Vec<_> = outcomes
            .into_iter()
            .filter_map(|outcome| outcome.expect("asked"))
            .collect();
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].fence, round);
        stores[1]
            .leases
            .release(&leases[0])
            .await
            .expect("released");
    }
}

/// Four sequencers take the lease from each other while events are written.
pub(super) async fn events_written_and_numbered_at_once_have_each_one_position(
    openings: &Openings,
) {
    const KEYS: u64 = 6;
    let stores = over(openings, EventStores::new).await;
    for version in 1..=ROUNDS {
        let written = at_once(&stores, 6, async |store, n| {
            store.append(&[renamed(number(n) + 1, version)]).await
        });
        let sequenced = at_once(&stores, 8, async |store, _| {
            let lease = store.leases.take("sequencer", Duration::ZERO).await;
            let Some(lease) = lease.expect("asked") else {
                return 0;
            };
            match store.log.sequence(&lease, 2).await.expect("asked") {
                Sequencing::Numbered(numbered) => numbered,
                Sequencing::Fenced => 0,
            }
        });
        tokio::join!(written, sequenced);
    }
    let lease = taken(&stores[0], "sequencer").await;
    sequence_all(&stores[0], &lease).await;
    let read = stores[1].log.read(0, 1_000).await.expect("read");
    assert!(
        read.iter()
            .map(|event| event.position)
            .eq(1..=KEYS * ROUNDS)
    );
    for key in 1..=KEYS {
        let of_key = read.iter().filter(|event| event.key == key);
        assert!(of_key.map(|event| event.version).eq(1..=ROUNDS));
    }
}

pub(super) async fn an_effect_stored_at_once_is_stored_once(openings: &Openings) {
    let stores = over(openings, EventStores::new).await;
    let events: Vec<_> = (1..=ROUNDS).map(|version| renamed(1, version)).collect();
    stores[0].append(&events).await;
    let sequencer = taken(&stores[0], "sequencer").await;
    sequence_all(&stores[0], &sequencer).await;
    stores[0].positions.load("test").await.expect("registered");
    let lease = taken(&stores[0], "consumer:test").await;
    let events: Vec<RecordedEvent> = stores[0].log.read(0, 100).await.expect("read");
    for event in &events {
        let progress = Progress {
            consumer: "test".to_owned(),
            lease: lease.clone(),
            delivery: Delivery::Position(event.position),
        };
        let outcomes = at_once(&stores, 6, |store, _| store.apply(event, &progress)).await;
        let stored = outcomes
            .into_iter()
            .filter(|outcome| *outcome.as_ref().expect("asked") == Advance::Stored);
        assert_eq!(stored.count(), 1);
    }
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(stores[2].effects().await, ids);
}

pub(super) async fn changes_of_an_account_at_once_are_told_in_order(openings: &Openings) {
    const RENAMED: usize = 12;
    let accounts = over(openings, Accounts::new).await;
    let store = EventStores::new(openings[0].clone());
    accounts[0].insert(&account(7, None)).await.expect("kept");
    let (id, name) = (account_id(7), Nickname::new("Bea", 32).expect("a nickname"));
    let outcomes = at_once(&accounts, RENAMED, |accounts, _| {
        accounts.rename(id, &name, at(5))
    });
    for outcome in outcomes.await {
        assert!(outcome.expect("asked"));
    }
    accounts[1].delete(id, at(9)).await.expect("asked");
    let lease = taken(&store, "sequencer").await;
    sequence_all(&store, &lease).await;
    let read = store.log.read(0, 100).await.expect("read");
    assert!(
        read.iter()
            .map(|event| event.version)
            .eq(1..=number(RENAMED) + 2)
    );
    assert_eq!(read[0].fact, Fact::AccountMade { guest: true });
    assert_eq!(read[RENAMED].fact, Fact::AccountRenamed);
    assert_eq!(read[RENAMED + 1].fact, Fact::AccountDeleted);
}

pub(super) async fn a_session_that_several_write_is_told_once(openings: &Openings) {
    const END: u64 = 9;
    let sessions = over(openings, FaceSessions::new).await;
    let store = EventStores::new(openings[0].clone());
    let end = Ended {
        at: at(77),
        reason: EndReason::HostEnded,
    };
    let attendees = vec![account_id(3), account_id(4)];
    for id in 1..=ROUNDS {
        sessions[0]
            .insert(&session(id, 3), 100)
            .await
            .expect("listed");
        let records: Vec<_> = (0..12)
            .map(|log_index| SessionRecord {
                session: FaceSession {
                    ended: (log_index >= END).then_some(end),
                    ..session(id, 3)
                },
                log_index,
                attendees: attendees.clone(),
            })
            .collect();
        // Each state twice, in an order in which some later states come first.
        let outcomes = at_once(&sessions, 24, |sessions, n| {
            sessions.save(&records[(n * 7) % 12])
        });
        assert_eq!(codes_of(&outcomes.await), []);
    }
    let lease = taken(&store, "sequencer").await;
    sequence_all(&store, &lease).await;
    let read = store.log.read(0, 1_000).await.expect("read");
    for id in 1..=ROUNDS {
        let told: Vec<_> = read.iter().filter(|event| event.key == id).collect();
        let [made, ended] = told[..] else {
            panic!("{told:?}");
        };
        let host = account_id(3);
        assert_eq!((&made.fact, made.version), (&Fact::SessionMade { host }, 1));
        let expected = Fact::SessionEnded {
            reason: end.reason,
            members: attendees.clone(),
        };
        assert_eq!((&ended.fact, ended.at), (&expected, end.at));
        assert!(ended.version >= END);
    }
}
