//! Work that holds a core for a while, done beside the threads that serve requests.
//!
//! Some hands work at a time; what waits for one stands in one of two lines, which take turns. A hand that is done takes what is next by
//! itself: as long as there is work, nobody has to be woken for it.

use crate::line::Place;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::task::spawn_blocking;

/// The parties that a place counts for: an address and its network.
type Held = Place<2>;

/// A piece of work. It is done only if somebody holds its place when its turn comes, and it holds the place until it is done.
struct Work {
    place: Weak<Held>,
    carry_out: Box<dyn FnOnce(Arc<Held>) + Send>,
}

/// Hands and lines. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Crew {
    hands: usize,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    working: usize,
    lines: [VecDeque<Work>; 2],
    /// Whose turn it is, if anybody stands there.
    next: usize,
}

impl Crew {
    pub(crate) fn new(hands: usize) -> Self {
        Self { hands, waiting: Arc::default() }
    }

    /// Puts work at the end of a line. Nothing is heard of it if its place is given up before its turn, or if it panics. Must be called
    /// within a tokio runtime.
    pub(crate) fn bring(&self, line: usize, place: &Arc<Held>, carry_out: impl FnOnce(Arc<Held>) + Send + 'static) {
        let mut waiting = self.waiting();
        let queue = &mut waiting.lines[line];
        // Those who have gone leave gaps; none of them counts in the line's bound.
        if queue.len() == queue.capacity() {
            queue.retain(|work| work.place.strong_count() > 0);
        }
        queue.push_back(Work { place: Arc::downgrade(place), carry_out: Box::new(carry_out) });
        let begins = waiting.working < self.hands;
        waiting.working += usize::from(begins);
        drop(waiting);
        if begins {
            let crew = self.clone();
            spawn_blocking(move || crew.work_off());
        }
    }

    fn work_off(&self) {
        while let Some(Work { place, carry_out }) = self.take() {
            if let Some(place) = place.upgrade() {
                // Whoever waits for it is told by its silence; the next is none the worse.
                let _ = catch_unwind(AssertUnwindSafe(|| carry_out(place)));
            }
        }
    }

    /// What is next; with nothing left to do the hand rests.
    fn take(&self) -> Option<Work> {
        let mut waiting = self.waiting();
        // Who has gone takes nobody's turn.
        for queue in &mut waiting.lines {
            while queue.pop_front_if(|work| work.place.strong_count() == 0).is_some() {}
        }
        let first = waiting.next;
        let line = [first, 1 - first].into_iter().find(|line| !waiting.lines[*line].is_empty());
        if let Some(line) = line {
            waiting.next = 1 - line;
            return waiting.lines[line].pop_front();
        }
        waiting.working -= 1;
        None
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("hands", &self.hands).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Crew;
    use crate::line::{Line, Place, Share};
    use faceshare_biz::domain::Site;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex, mpsc};
    use tokio::sync::oneshot;

    fn place(line: &Line) -> Arc<Place<2>> {
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let site = Site { address, network: address };
        Arc::new(line.take([Share::of_address(site, 0), Share::of_network(site, 0)]).expect("a place"))
    }

    /// What is done under a name, in order.
    #[derive(Clone, Default)]
    struct Done(Arc<Mutex<Vec<&'static str>>>);

    impl Done {
        fn is(&self, name: &'static str) -> impl FnOnce(Arc<Place<2>>) + Send + 'static {
            let done = self.0.clone();
            move |_| done.lock().expect("not poisoned").push(name)
        }
    }

    #[tokio::test]
    async fn lines_take_turns_and_who_has_gone_or_panics_holds_nobody_up() {
        let (crew, line, done) = (Crew::new(1), Line::new(100), Done::default());
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = oneshot::channel();
        let places: Vec<_> = (0..8).map(|_| place(&line)).collect();
        crew.bring(0, &places[0], move |_| {
            let _ = began.send(());
            held.recv().expect("released");
        });
        begun.await.expect("it runs");
        crew.bring(0, &places[1], done.is("a"));
        crew.bring(0, &place(&line), done.is("nobody waits for this"));
        crew.bring(0, &places[2], done.is("b"));
        crew.bring(1, &places[3], done.is("1"));
        crew.bring(1, &places[4], |_| panic!("a bug"));
        crew.bring(1, &places[5], done.is("2"));
        let (last, ended) = oneshot::channel();
        crew.bring(1, &places[6], move |_| last.send(()).expect("awaited"));
        assert!(done.0.lock().expect("not poisoned").is_empty(), "one hand, one piece of work");
        release.send(()).expect("it runs");
        ended.await.expect("all is done");
        assert_eq!(*done.0.lock().expect("not poisoned"), ["1", "a", "b", "2"]);
        // The hand rests, and works again.
        let (again, done) = oneshot::channel();
        crew.bring(0, &places[7], move |_| again.send(()).expect("awaited"));
        done.await.expect("it is done");
    }

    #[tokio::test]
    async fn who_comes_and_goes_leaves_nothing_behind() {
        let (crew, line) = (Crew::new(1), Line::new(3));
        let (release, held) = mpsc::channel::<()>();
        let running = place(&line);
        crew.bring(0, &running, move |_| held.recv().expect("released"));
        for _ in 0..10_000 {
            crew.bring(0, &place(&line), |_| {});
        }
        assert!(crew.waiting().lines[0].len() < 10, "the gaps are closed");
        drop(release);
    }
}
