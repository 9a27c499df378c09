//! Runs two futures in one task and polls the second only when its own waker was called.
//!
//! The task of a connection that sends positions is woken for them thirty times a second, and
//! rarely for its writer, its heartbeat or its end. A `select!` would poll all of them at each
//! wake, and each poll reads code and memory that is not in the processor's cache.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The output of the future that completed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstDone<F, R> {
    /// Of the future that is polled at each wake.
    Frequent(F),
    /// Of the future that is polled when it was woken.
    Rare(R),
}

/// The waker of the rare future: sets a flag and wakes the task.
struct WakeFlag {
    is_set: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::SeqCst);
        self.task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wake_by_ref();
    }
}

/// Runs both futures until one completes. `frequent` is polled first, at each wake of the task;
/// `rare` only when its own waker was called.
///
/// The two have different wakers, so they must not wait on the same thing if that stores only one
/// waker: of a socket, one may read and the other write.
pub(super) fn race<F: Future, R: Future>(
    mut frequent: Pin<&mut F>,
    mut rare: Pin<&mut R>,
) -> impl Future<Output = FirstDone<F::Output, R::Output>> {
    let mut rare_waker: Option<RareWaker> = None;
    poll_fn(move |cx| {
        if let Poll::Ready(done) = frequent.as_mut().poll(cx) {
            return Poll::Ready(FirstDone::Frequent(done));
        }
        let rare_waker = rare_waker.get_or_insert_with(|| RareWaker::new(cx.waker()));
        if !rare_waker.was_woken(cx.waker()) {
            return Poll::Pending;
        }
        rare.as_mut()
            .poll(&mut Context::from_waker(&rare_waker.waker))
            .map(FirstDone::Rare)
    })
}

/// The task's side of a [`WakeFlag`].
struct RareWaker {
    flag: Arc<WakeFlag>,
    /// The flag as a waker, for the rare future.
    waker: Waker,
    /// The task that the flag wakes.
    task: Waker,
}

impl RareWaker {
    /// The flag is set at first: the rare future has to be polled once before it can wake the task.
    fn new(task: &Waker) -> Self {
        let flag = Arc::new(WakeFlag {
            is_set: AtomicBool::new(true),
            task: Mutex::new(task.clone()),
        });
        Self {
            waker: flag.clone().into(),
            flag,
            task: task.clone(),
        }
    }

    /// Whether the flag was set since the last call; clears it. From now on the flag wakes `task`.
    fn was_woken(&mut self, task: &Waker) -> bool {
        if !self.task.will_wake(task) {
            self.task.clone_from(task);
            self.flag
                .task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(task);
        }
        // After the task is set, so that a wake that comes too late to be seen here wakes the right
        // task.
        self.flag.is_set.load(Ordering::SeqCst) && self.flag.is_set.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::{FirstDone, race};
    use std::future::{Future, pending, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;
    use tokio::sync::Notify;

    /// Counts how frequent a task is woken.
    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counted() -> (Arc<WakeCount>, Waker) {
        let count = Arc::new(WakeCount::default());
        (count.clone(), count.into())
    }

    fn woken(count: &WakeCount) -> usize {
        count.0.load(Ordering::SeqCst)
    }

    #[test]
    fn the_rare_future_is_polled_first_and_then_only_when_it_is_woken() {
        let (notify, polls) = (Notify::new(), AtomicUsize::new(0));
        let notified = async {
            loop {
                notify.notified().await;
            }
        };
        let mut notified = pin!(notified);
        let rare = pin!(poll_fn(|cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            notified.as_mut().poll(cx).map(|never: ()| never)
        }));
        let frequent = pin!(pending::<()>());
        let mut both = pin!(race(frequent, rare));
        let (wakes, waker) = counted();
        let mut poll = || {
            both.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        };

        assert!(!poll() && !poll() && !poll());
        assert_eq!(
            (polls.load(Ordering::SeqCst), woken(&wakes)),
            (1, 0),
            "it was not woken"
        );
        notify.notify_one();
        assert_eq!(woken(&wakes), 1);
        assert!(!poll() && !poll());
        assert_eq!((polls.load(Ordering::SeqCst), woken(&wakes)), (2, 1));
        notify.notify_one();
        assert_eq!(woken(&wakes), 2, "it wakes the task again");
    }

    #[test]
    fn the_task_that_polled_last_is_woken() {
        let notify = Notify::new();
        let (frequent, rare) = (pin!(pending::<()>()), pin!(notify.notified()));
        let mut both = pin!(race(frequent, rare));
        let ((first, earlier), (second, later)) = (counted(), counted());
        assert!(
            both.as_mut()
                .poll(&mut Context::from_waker(&earlier))
                .is_pending()
        );
        assert!(
            both.as_mut()
                .poll(&mut Context::from_waker(&later))
                .is_pending()
        );
        notify.notify_one();
        assert_eq!((woken(&first), woken(&second)), (0, 1));
        assert_eq!(
            both.as_mut().poll(&mut Context::from_waker(&later)),
            Poll::Ready(FirstDone::Rare(()))
        );
    }

    #[test]
    fn a_future_that_wakes_itself_while_it_is_polled_is_polled_again() {
        let mut left = 3;
        let rare = pin!(poll_fn(|cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        let frequent = pin!(pending::<()>());
        let mut both = pin!(race(frequent, rare));
        let (wakes, waker) = counted();
        for poll in 1..=2 {
            assert!(
                both.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            assert_eq!(woken(&wakes), poll);
        }
        assert_eq!(
            both.as_mut().poll(&mut Context::from_waker(&waker)),
            Poll::Ready(FirstDone::Rare(()))
        );
    }

    #[tokio::test]
    async fn the_output_of_the_first_future_done_is_returned() {
        let (mut now, mut never) = (pin!(async { 1 }), pin!(pending::<()>()));
        assert_eq!(
            race(now.as_mut(), never.as_mut()).await,
            FirstDone::Frequent(1)
        );
        let mut now = pin!(async { 2 });
        assert_eq!(race(never.as_mut(), now.as_mut()).await, FirstDone::Rare(2));
    }

    #[tokio::test]
    async fn a_wake_from_another_thread_is_never_missed() {
        const WAKES: usize = 2_000;
        let notify = Arc::new(Notify::new());
        let seen = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let notifier = std::thread::spawn({
            let (notify, seen, over) = (notify.clone(), seen.clone(), over.clone());
            move || {
                for wake in 0..WAKES {
                    notify.notify_one();
                    while seen.load(Ordering::SeqCst) == wake && !over.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                }
            }
        });
        let frequent = pin!(pending::<()>());
        let rare = pin!(async {
            for _ in 0..WAKES {
                notify.notified().await;
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        let done = tokio::time::timeout(Duration::from_secs(60), race(frequent, rare)).await;
        over.store(true, Ordering::SeqCst);
        notifier.join().expect("the notifier ends");
        assert_eq!(
            (done, seen.load(Ordering::SeqCst)),
            (Ok(FirstDone::Rare(())), WAKES)
        );
    }
}
