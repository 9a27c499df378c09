use super::{ConnectionTimeouts, EXCHANGE_BYTES, Eviction, Exchange, RequestBytes, Usage, Verdict};
use crate::table::{Connection as _, Sums};
use futures_util::FutureExt as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, advance, timeout};

const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
    idle: Duration::from_secs(30),
    stalled: Duration::from_secs(20),
};

fn usage() -> Arc<Usage> {
    Arc::new(Usage::new(Instant::now(), Sums::default()))
}

async fn seconds(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_idle_after_its_time() {
    let usage = usage();
    assert_eq!(
        usage.verdict(TIMEOUTS),
        Verdict::Wait(Duration::from_secs(20))
    );
    seconds(20).await;
    assert_eq!(
        usage.verdict(TIMEOUTS),
        Verdict::Wait(Duration::from_secs(10))
    );
    drop(Exchange::begin(&usage));
    seconds(29).await;
    assert_eq!(
        usage.verdict(TIMEOUTS),
        Verdict::Wait(Duration::from_secs(1))
    );
    seconds(1).await;
    assert_eq!(usage.verdict(TIMEOUTS), Verdict::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_service_is_waited_for_however_long_it_takes() {
    let usage = usage();
    let exchange = Exchange::begin(&usage);
    let serving = exchange.serve();
    seconds(3_600).await;
    assert!(matches!(usage.verdict(TIMEOUTS), Verdict::Wait(_)) && usage.idle_since().is_none());
    drop(serving);
    assert_eq!(usage.idle_since(), Some(3_600_000));
    assert!(
        matches!(usage.verdict(TIMEOUTS), Verdict::Wait(_)),
        "its answer is not taken"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_is_taken_stalls_its_connection_even_beside_a_request_in_service()
 {
    let usage = usage();
    let (stuck, other) = (Exchange::begin(&usage), Exchange::begin(&usage));
    let _serving = other.serve();
    seconds(100).await;
    stuck.add_pending();
    stuck.add_pending();
    seconds(19).await;
    assert_eq!(
        usage.verdict(TIMEOUTS),
        Verdict::Wait(Duration::from_secs(1))
    );
    stuck.remove_pending();
    seconds(19).await;
    other.add_pending();
    assert_eq!(
        usage.verdict(TIMEOUTS),
        Verdict::Wait(Duration::from_secs(1)),
        "more that waits is no progress"
    );
    seconds(1).await;
    assert_eq!(usage.verdict(TIMEOUTS), Verdict::Stalled);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_nothing_to_send_yet_does_not_stall_its_connection() {
    let usage = usage();
    let exchange = Exchange::begin(&usage);
    exchange.add_pending();
    exchange.remove_pending();
    seconds(3_600).await;
    assert!(matches!(usage.verdict(TIMEOUTS), Verdict::Wait(_)));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_counted_for_the_connection_its_address_its_network_and_all_until_they_are_gone()
{
    let sums = Sums::default();
    let usage = Arc::new(Usage::new(Instant::now(), sums.clone()));
    let (one, other) = (Exchange::begin(&usage), Exchange::begin(&usage));
    one.answered(100_000);
    let body = RequestBytes::hold(&usage, 5_000);
    let all = || [&sums.address, &sums.network, &sums.total].map(|sum| sum.get());
    let held = 105_000 + 2 * EXCHANGE_BYTES;
    assert_eq!((usage.held_bytes(), all()), (held, [held; 3]));
    drop(body);
    let held = 100_000 + 2 * EXCHANGE_BYTES;
    assert_eq!((usage.held_bytes(), all()), (held, [held; 3]));
    drop(one);
    assert_eq!(
        (usage.held_bytes(), sums.address.get()),
        (EXCHANGE_BYTES, EXCHANGE_BYTES)
    );
    drop(other);
    assert_eq!((usage.held_bytes(), all()), (0, [0; 3]));
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_unread_answers_and_go_on_one_after_the_other() {
    let usage = usage();
    let first = Exchange::begin(&usage);
    first.answered(1_000);
    timeout(Duration::from_secs(1), usage.drained(999))
        .await
        .expect_err("too much is unread");
    timeout(Duration::from_secs(1), usage.drained(1_000))
        .await
        .expect("just enough");
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let usage = usage.clone();
            tokio::spawn(async move {
                let exchange = Exchange::begin(&usage);
                usage.drained(999).await;
                exchange.answered(1_000);
            })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(first);
    for request in waiting {
        timeout(Duration::from_secs(1), request)
            .await
            .expect("its turn comes")
            .expect("joined");
    }
}

#[test]
fn one_dropped_response_lets_every_waiting_request_go_on_when_there_is_room_for_all() {
    let usage = usage();
    let large = Exchange::begin(&usage);
    large.answered(1_000);
    let (mut one, mut other, mut third) = (
        pin!(usage.drained(999)),
        pin!(usage.drained(999)),
        pin!(usage.drained(999)),
    );
    for waiting in [&mut one, &mut other, &mut third] {
        assert!(waiting.now_or_never().is_none(), "too much is unread");
    }
    drop(large);
    for waiting in [one, other, third] {
        assert!(
            waiting.now_or_never().is_some(),
            "the request before it has passed the wake-up on"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_eviction_reaches_waiting_and_later_tasks_and_never_becomes_graceful_again() {
    let usage = usage();
    let waits = tokio::spawn({
        let usage = usage.clone();
        async move { usage.evicted().await }
    });
    tokio::task::yield_now().await;
    usage.evict(Eviction::Graceful);
    assert_eq!(waits.await.expect("joined"), Eviction::Graceful);
    usage.evict(Eviction::Abort);
    usage.evict(Eviction::Graceful);
    assert_eq!(usage.evicted().await, Eviction::Abort);
}

#[tokio::test(start_paused = true)]
async fn a_closing_connection_still_obeys_an_abort() {
    let usage = usage();
    usage.evict(Eviction::Graceful);
    assert_eq!(usage.evicted().await, Eviction::Graceful);
    timeout(Duration::from_secs(1), usage.aborted())
        .await
        .expect_err("it may finish what has begun");
    usage.evict(Eviction::Abort);
    timeout(Duration::from_secs(1), usage.aborted())
        .await
        .expect("aborted");
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_has_a_second_to_send_a_request_before_it_counts_as_idle() {
    let (silent, has_received_request) = (usage(), usage());
    drop(Exchange::begin(&has_received_request));
    assert_eq!(
        (silent.idle_since(), has_received_request.idle_since()),
        (None, Some(0))
    );
    seconds(1).await;
    assert_eq!(silent.idle_since(), Some(0));
}
