//! The order in which jobs run, and which job is displaced when a queue is full.

use super::{NotDone, WorkerSettings, Workers};
use crate::permits::Full;
use crate::polled::{Polled, polled};
use faceshare_biz::domain::Site;
use proptest::prelude::*;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, mpsc};

const SETTINGS: WorkerSettings = WorkerSettings {
    workers: 1,
    queue: 4,
    per_address: 0,
    per_network: 0,
};

/// One address; its network is its first three numbers.
fn site([prefix, network, host]: [u8; 3]) -> Site {
    Site {
        address: IpAddr::from([10, prefix, network, host]),
        network: IpAddr::from([10, prefix, network, 0]),
    }
}

/// A pool whose only thread is busy until it is released, and the names of the finished jobs, in
/// order.
struct Bench {
    workers: Workers,
    done: Arc<Mutex<Vec<&'static str>>>,
    release: mpsc::Sender<()>,
    busy: tokio::task::JoinHandle<Result<(), NotDone>>,
}

impl Bench {
    async fn new(settings: WorkerSettings) -> Self {
        let workers = Workers::new(settings);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let own = workers.clone();
        let work = move || {
            let _ = began.send(());
            held.recv().expect("released");
        };
        let busy = tokio::spawn(async move { own.run(0, site([0, 0, 0]), work).await });
        begun.await.expect("it runs");
        Self {
            workers,
            done: Arc::default(),
            release,
            busy,
        }
    }

    /// A job with a name, already queued.
    async fn ask(
        &self,
        queue: usize,
        from: [u8; 3],
        name: &'static str,
    ) -> Polled<impl Future<Output = Result<(), NotDone>> + use<>> {
        let (workers, done) = (self.workers.clone(), self.done.clone());
        let work = move || done.lock().expect("not poisoned").push(name);
        let mut asked = polled(async move { workers.run(queue, site(from), work).await });
        assert!(asked.poll_once().await.is_none(), "{name} waits");
        asked
    }

    async fn refusal(&self, queue: usize, from: [u8; 3]) -> NotDone {
        polled(self.workers.run(queue, site(from), || ()))
            .poll_once()
            .await
            .expect("answered at once")
            .expect_err("refused")
    }

    async fn release(self) {
        self.release.send(()).expect("it runs");
        self.busy.await.expect("ends").expect("done");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn networks_are_served_in_turn_and_so_are_the_two_queues() {
    let bench = Bench::new(WorkerSettings {
        queue: 9,
        ..SETTINGS
    })
    .await;
    let (flood, honest) = ([1, 1, 1], [2, 1, 1]);
    let mut asked = Vec::new();
    for (queue, from, name) in [
        (0, flood, "a1"),
        (0, flood, "a2"),
        (0, flood, "a3"),
        (0, honest, "h"),
        (1, flood, "s1"),
        (1, flood, "s2"),
    ] {
        asked.push(bench.ask(queue, from, name).await);
    }
    let done = bench.done.clone();
    bench.release().await;
    for work in asked {
        work.finish().await.expect("done");
    }
    assert_eq!(
        *done.lock().expect("not poisoned"),
        ["s1", "a1", "s2", "h", "a2", "a3"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_full_queue_a_new_job_displaces_one_of_the_network_with_the_most() {
    let bench = Bench::new(SETTINGS).await;
    let mut asked = Vec::new();
    for (from, name) in [
        ([1, 1, 1], "a1"),
        ([1, 1, 1], "a2"),
        ([2, 1, 1], "b1"),
        ([1, 1, 2], "a3"),
    ] {
        asked.push(bench.ask(0, from, name).await);
    }
    assert_eq!(
        bench.refusal(0, [1, 1, 1]).await,
        NotDone::Full(Full::All),
        "it has the most itself"
    );
    let honest = bench.ask(0, [3, 1, 1], "h").await;
    let displaced = asked.remove(1);
    assert_eq!(
        displaced.finish().await,
        Err(NotDone::Full(Full::Quota)),
        "the newest of the address with the most"
    );
    assert_eq!(
        bench.refusal(0, [3, 1, 1]).await,
        NotDone::Full(Full::All),
        "one, one and two: as even as can be"
    );
    let done = bench.done.clone();
    bench.release().await;
    for work in asked {
        work.finish().await.expect("done");
    }
    honest.finish().await.expect("done");
    assert_eq!(*done.lock().expect("not poisoned"), ["a1", "b1", "h", "a3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_and_a_network_have_quotas_and_the_rest_is_left() {
    let bench = Bench::new(WorkerSettings {
        queue: 9,
        per_address: 2,
        per_network: 3,
        ..SETTINGS
    })
    .await;
    let _address = [
        bench.ask(0, [1, 1, 1], "1").await,
        bench.ask(0, [1, 1, 1], "2").await,
    ];
    assert_eq!(
        bench.refusal(0, [1, 1, 1]).await,
        NotDone::Full(Full::Quota)
    );
    let network = bench.ask(0, [1, 1, 2], "3").await;
    assert_eq!(
        bench.refusal(0, [1, 1, 3]).await,
        NotDone::Full(Full::Quota)
    );
    let _elsewhere = [
        bench.ask(0, [1, 2, 1], "4").await,
        bench.ask(1, [1, 1, 1], "5").await,
    ];
    drop(network);
    let _again = bench.ask(0, [1, 1, 3], "6").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_without_a_caller_is_not_done_and_a_panic_does_not_stop_the_worker() {
    let bench = Bench::new(SETTINGS).await;
    for _ in 0..10_000 {
        drop(bench.ask(0, [1, 1, 1], "gone").await);
    }
    let workers = bench.workers.clone();
    let mut panics = polled(workers.run(0, site([1, 1, 1]), || panic!("a bug")));
    assert!(panics.poll_once().await.is_none(), "it waits");
    let last = bench.ask(0, [1, 1, 1], "last").await;
    let done = bench.done.clone();
    bench.release().await;
    assert_eq!(panics.finish().await, Err::<(), _>(NotDone::Panicked));
    last.finish().await.expect("done");
    assert_eq!(*done.lock().expect("not poisoned"), ["last"]);
    // The worker has stopped, and a new job starts it again.
    workers.run(1, site([1, 1, 1]), || ()).await.expect("done");
    let state = workers.lock();
    assert!(
        state.queues.iter().all(|queue| queue.waiting.len() == 0),
        "nothing waits"
    );
}

/// One operation on a queue.
#[derive(Debug, Clone, Copy)]
enum Step {
    Flood { network: u8, host: u8 },
    Honest { network: u8 },
    Serve,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_u8, 0..4_u8).prop_map(|(network, host)| Step::Flood { network, host }),
        2 => (0..6_u8).prop_map(|network| Step::Honest { network }),
        1 => Just(Step::Serve),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// The queue's rules without threads: a flood never refuses or displaces the one request of an
    /// honest network.
    #[test]
    fn a_flood_from_a_few_networks_never_refuses_a_network_with_one_request(steps in steps()) {
        use crate::fair_queue::FairQueue;
        const PLACES: usize = 16;
        let mut queue = FairQueue::<u8, (bool, u8), 3>::new();
        let mut waiting = [false; 6];
        for step in steps {
            let (path, item) = match step {
                Step::Serve => {
                    if let Some((true, network)) = queue.pop() {
                        waiting[usize::from(network)] = false;
                    }
                    continue;
                }
                Step::Flood { network, host } => ([network, 0, host], (false, network)),
                Step::Honest { network } => {
                    if std::mem::replace(&mut waiting[usize::from(network)], true) {
                        continue;
                    }
                    ([100 + network, 0, 0], (true, network))
                }
            };
            if queue.len() == PLACES {
                match queue.displace_for(path) {
                    Some((honest, _)) => prop_assert!(!honest, "an honest request was displaced"),
                    None => {
                        prop_assert!(!item.0, "an honest request was refused");
                        continue;
                    }
                }
            }
            queue.push(path, item);
        }
    }
}
