//! What every [`AnswerRepository`] must do.

use faceshare_biz::domain::idempotency::{AnswerRepository, Reservation, Reserved};
use faceshare_biz::domain::{AccountId, Timestamp};

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! answer_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            answer,
            $fresh,
            [
                an_answer_is_found_until_it_expires,
                a_large_answer_is_found_as_it_was,
                of_two_at_once_one_is_fresh,
                a_released_or_dead_place_is_free_again,
                a_late_attempt_touches_nothing,
                the_oldest_of_too_many_go,
                a_place_of_an_earlier_process_is_dead_at_once_for_the_same_request,
            ]
        );
    };
}
const MANY: u32 = 1_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// An attempt at a call, which counts as dead at 100.
fn attempt(call: u8, attempt: u64) -> Reservation {
    let account = AccountId::new(7).expect("an id");
    Reservation {
        call: [call; 32],
        account,
        request: [9; 32],
        attempt,
        process: 1,
        expires_at: at(100),
    }
}

const fn fresh(effect: u64) -> Reserved {
    Reserved::Fresh { effect }
}

fn taken(sealed: Option<&str>) -> Reserved {
    Reserved::Taken {
        request: [9; 32],
        sealed: sealed.map(str::to_owned),
    }
}

async fn reserved(
    answers: &impl AnswerRepository,
    reservation: &Reservation,
    now: i64,
) -> Reserved {
    answers
        .reserve(reservation, at(now), MANY)
        .await
        .expect("asked")
}

pub async fn an_answer_is_found_until_it_expires(answers: &impl AnswerRepository) {
    assert_eq!(reserved(answers, &attempt(1, 1), 1).await, fresh(1));
    assert_eq!(reserved(answers, &attempt(1, 2), 2).await, taken(None));
    assert_eq!(
        reserved(answers, &attempt(2, 3), 2).await,
        fresh(3),
        "another call"
    );
    assert!(
        answers
            .keep([1; 32], 1, "sealed", at(500))
            .await
            .expect("asked")
    );
    assert_eq!(
        reserved(answers, &attempt(1, 4), 499).await,
        taken(Some("sealed"))
    );
    assert_eq!(
        answers.purge(at(499), at(499)).await.expect("purged"),
        1,
        "the other call, which died"
    );
    assert_eq!(
        reserved(answers, &attempt(1, 5), 499).await,
        taken(Some("sealed"))
    );
    assert_eq!(answers.purge(at(500), at(500)).await.expect("purged"), 1);
    assert_eq!(reserved(answers, &attempt(1, 6), 500).await, fresh(6));
}

pub async fn a_large_answer_is_found_as_it_was(answers: &impl AnswerRepository) {
    /// More than 32 KiB of JSON become, quoted within JSON, sealed and in base64.
    const LARGEST: usize = 300_000;
    let sealed = "Zz".repeat(LARGEST / 2);
    assert_eq!(reserved(answers, &attempt(1, 1), 1).await, fresh(1));
    assert!(
        answers
            .keep([1; 32], 1, &sealed, at(500))
            .await
            .expect("asked")
    );
    assert_eq!(
        reserved(answers, &attempt(1, 2), 2).await,
        taken(Some(&sealed))
    );
}

pub async fn of_two_at_once_one_is_fresh(answers: &impl AnswerRepository) {
    for call in 0..10 {
        let (left, right) = (attempt(call, 1), attempt(call, 2));
        let (a, b) = tokio::join!(reserved(answers, &left, 1), reserved(answers, &right, 1));
        let is_fresh = |outcome: &Reserved| matches!(outcome, Reserved::Fresh { .. });
        assert!(is_fresh(&a) != is_fresh(&b), "{a:?} {b:?}");
    }
}

pub async fn a_released_or_dead_place_is_free_again(answers: &impl AnswerRepository) {
    assert_eq!(reserved(answers, &attempt(1, 1), 1).await, fresh(1));
    answers.release([1; 32], 1, at(2)).await.expect("released");
    assert_eq!(
        reserved(answers, &attempt(1, 2), 2).await,
        fresh(1),
        "it may have had its effect"
    );
    assert_eq!(reserved(answers, &attempt(1, 3), 99).await, taken(None));
    assert_eq!(
        reserved(answers, &attempt(1, 4), 100).await,
        fresh(1),
        "no answer was kept in time"
    );
    assert_eq!(
        answers.purge(at(500), at(99)).await.expect("purged"),
        0,
        "what has no answer is kept for longer"
    );
    let other = Reservation {
        request: [8; 32],
        expires_at: at(900),
        ..attempt(1, 5)
    };
    assert_eq!(
        reserved(answers, &other, 500).await,
        fresh(5),
        "another request has another effect"
    );
}

pub async fn a_late_attempt_touches_nothing(answers: &impl AnswerRepository) {
    assert_eq!(reserved(answers, &attempt(1, 1), 1).await, fresh(1));
    assert_eq!(
        reserved(
            answers,
            &Reservation {
                expires_at: at(300),
                ..attempt(1, 2)
            },
            200
        )
        .await,
        fresh(1)
    );
    assert!(
        !answers
            .keep([1; 32], 1, "late", at(500))
            .await
            .expect("asked")
    );
    answers
        .release([1; 32], 1, at(200))
        .await
        .expect("no error");
    assert_eq!(reserved(answers, &attempt(1, 3), 201).await, taken(None));
}

pub async fn the_oldest_of_too_many_go(answers: &impl AnswerRepository) {
    for call in 1..=4 {
        let reservation = attempt(call, call.into());
        assert_eq!(
            answers
                .reserve(&reservation, at(1), 3)
                .await
                .expect("asked"),
            fresh(call.into())
        );
    }
    assert_eq!(
        answers
            .reserve(&attempt(2, 5), at(1), 3)
            .await
            .expect("asked"),
        taken(None)
    );
    assert_eq!(
        answers
            .reserve(&attempt(1, 6), at(1), 3)
            .await
            .expect("asked"),
        fresh(6),
        "it went"
    );
    let other = Reservation {
        account: AccountId::new(8).expect("an id"),
        ..attempt(9, 7)
    };
    assert_eq!(
        answers.reserve(&other, at(1), 3).await.expect("asked"),
        fresh(7)
    );
    assert_eq!(
        answers
            .reserve(&attempt(4, 8), at(1), 3)
            .await
            .expect("asked"),
        taken(None),
        "another account's do not count"
    );
}

pub async fn a_place_of_an_earlier_process_is_dead_at_once_for_the_same_request(
    answers: &impl AnswerRepository,
) {
    let by = |process, number| Reservation {
        process,
        ..attempt(1, number)
    };
    assert_eq!(reserved(answers, &by(5, 1), 1).await, fresh(1));
    assert_eq!(
        reserved(
            answers,
            &Reservation {
                request: [8; 32],
                ..by(6, 2)
            },
            2
        )
        .await,
        taken(None),
        "another request waits"
    );
    assert_eq!(
        reserved(answers, &by(4, 3), 2).await,
        taken(None),
        "it runs in a later process"
    );
    assert_eq!(
        reserved(answers, &by(6, 4), 2).await,
        fresh(1),
        "with the id of its effect"
    );
    assert!(
        !answers
            .keep([1; 32], 1, "late", at(500))
            .await
            .expect("asked"),
        "the dead attempt keeps nothing"
    );
    assert_eq!(reserved(answers, &by(6, 5), 2).await, taken(None));
    assert!(
        answers
            .keep([1; 32], 4, "sealed", at(500))
            .await
            .expect("asked")
    );
    assert_eq!(
        reserved(answers, &by(7, 6), 2).await,
        taken(Some("sealed")),
        "an answer outlives its process"
    );
}
