//! Two duties of one task, of which one comes up at every turn and the other hardly ever.
//!
//! A connection that brings positions is woken for them thirty times a second, and for its writer, its heartbeat or its end hardly ever. A
//! `select!` would look at all of them at every turn, only to find that none of them is why: each is code and memory that a short turn has to
//! wait for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Which of the two was done first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done<O, S> {
    /// What is looked at in every turn.
    Often(O),
    /// What is looked at when it asks for it.
    Seldom(S),
}

/// Wakes the task, and says for whom.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        self.task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wake_by_ref();
    }
}

/// Does both until one of them is done. `often` is polled first, whenever the task is; `seldom` only when it was woken itself.
///
/// The two are woken apart, so they must not wait for the same thing where it has a place for one waker: of a socket one reads, the other
/// writes.
pub(super) fn attend<O: Future, S: Future>(
    mut often: Pin<&mut O>,
    mut seldom: Pin<&mut S>,
) -> impl Future<Output = Done<O::Output, S::Output>> {
    let mut watch: Option<Watch> = None;
    poll_fn(move |cx| {
        if let Poll::Ready(done) = often.as_mut().poll(cx) {
            return Poll::Ready(Done::Often(done));
        }
        let watch = watch.get_or_insert_with(|| Watch::new(cx.waker()));
        if !watch.is_called(cx.waker()) {
            return Poll::Pending;
        }
        seldom
            .as_mut()
            .poll(&mut Context::from_waker(&watch.waker))
            .map(Done::Seldom)
    })
}

/// A bell, as its task has it.
struct Watch {
    bell: Arc<Bell>,
    /// The bell, for those who ring it.
    waker: Waker,
    /// Whom the bell wakes.
    task: Waker,
}

impl Watch {
    /// A bell that has rung: what nobody has looked at yet cannot have asked for it.
    fn new(task: &Waker) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            task: Mutex::new(task.clone()),
        });
        Self {
            waker: bell.clone().into(),
            bell,
            task: task.clone(),
        }
    }

    /// Whether the bell has rung since this was last asked; from now on it wakes this task.
    fn is_called(&mut self, task: &Waker) -> bool {
        if !self.task.will_wake(task) {
            self.task.clone_from(task);
            self.bell
                .task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(task);
        }
        // After that, so that whoever rings too late to be seen here wakes the right task.
        self.bell.rung.load(Ordering::SeqCst) && self.bell.rung.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::{Done, attend};
    use std::future::{Future, pending, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;
    use tokio::sync::Notify;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), count.into())
    }

    fn woken(count: &Count) -> usize {
        count.0.load(Ordering::SeqCst)
    }

    #[test]
    fn the_seldom_is_polled_at_first_and_when_it_is_woken_and_not_otherwise() {
        let (bell, polls) = (Notify::new(), AtomicUsize::new(0));
        let notified = async {
            loop {
                bell.notified().await;
            }
        };
        let mut notified = pin!(notified);
        let seldom = pin!(poll_fn(|cx| {
            polls.fetch_add(1, Ordering::SeqCst);
            notified.as_mut().poll(cx).map(|never: ()| never)
        }));
        let often = pin!(pending::<()>());
        let mut both = pin!(attend(often, seldom));
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
            "it has asked for nothing"
        );
        bell.notify_one();
        assert_eq!(woken(&wakes), 1);
        assert!(!poll() && !poll());
        assert_eq!((polls.load(Ordering::SeqCst), woken(&wakes)), (2, 1));
        bell.notify_one();
        assert_eq!(woken(&wakes), 2, "it asks again");
    }

    #[test]
    fn whoever_polls_last_is_who_is_woken() {
        let bell = Notify::new();
        let (often, seldom) = (pin!(pending::<()>()), pin!(bell.notified()));
        let mut both = pin!(attend(often, seldom));
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
        bell.notify_one();
        assert_eq!((woken(&first), woken(&second)), (0, 1));
        assert_eq!(
            both.as_mut().poll(&mut Context::from_waker(&later)),
            Poll::Ready(Done::Seldom(()))
        );
    }

    #[test]
    fn what_wakes_itself_while_it_is_polled_is_polled_again() {
        let mut left = 3;
        let seldom = pin!(poll_fn(|cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        let often = pin!(pending::<()>());
        let mut both = pin!(attend(often, seldom));
        let (wakes, waker) = counted();
        for turn in 1..=2 {
            assert!(
                both.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            assert_eq!(woken(&wakes), turn);
        }
        assert_eq!(
            both.as_mut().poll(&mut Context::from_waker(&waker)),
            Poll::Ready(Done::Seldom(()))
        );
    }

    #[tokio::test]
    async fn what_is_done_first_is_told() {
        let (mut now, mut never) = (pin!(async { 1 }), pin!(pending::<()>()));
        assert_eq!(attend(now.as_mut(), never.as_mut()).await, Done::Often(1));
        let mut now = pin!(async { 2 });
        assert_eq!(attend(never.as_mut(), now.as_mut()).await, Done::Seldom(2));
    }

    #[tokio::test]
    async fn a_ring_from_another_thread_is_never_missed() {
        const RINGS: usize = 2_000;
        let bell = Arc::new(Notify::new());
        let heard = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let ringer = std::thread::spawn({
            let (bell, heard, over) = (bell.clone(), heard.clone(), over.clone());
            move || {
                for ring in 0..RINGS {
                    bell.notify_one();
                    while heard.load(Ordering::SeqCst) == ring && !over.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                }
            }
        });
        let often = pin!(pending::<()>());
        let seldom = pin!(async {
            for _ in 0..RINGS {
                bell.notified().await;
                heard.fetch_add(1, Ordering::SeqCst);
            }
        });
        let done = tokio::time::timeout(Duration::from_secs(60), attend(often, seldom)).await;
        over.store(true, Ordering::SeqCst);
        ringer.join().expect("rung");
        assert_eq!(
            (done, heard.load(Ordering::SeqCst)),
            (Ok(Done::Seldom(())), RINGS)
        );
    }
}
