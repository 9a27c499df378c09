//! Work that holds a core for a while, done by a few threads beside those that serve requests.
//!
//! Work of two kinds waits in two queues, and the workers serve them in turn. Each queue is fair between networks ([`FairQueue`]) and has a
//! bound: when it is full, a newcomer takes the place of work from the network that has the most waiting, unless its own has as much. A
//! worker that is done takes the next work itself, so that a busy queue wakes no thread.

use crate::fair_queue::FairQueue;
use crate::permits::Full;
use crate::quota::{Holdings, Principal, Quota, prefix_of};
use faceshare_biz::domain::Site;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerSettings {
    /// Threads that work at a time.
    pub(crate) workers: usize,
    /// Work that waits, in each queue.
    pub(crate) queue: usize,
    /// Places of one address in each queue, running and waiting; 0 sets no limit.
    pub(crate) per_address: usize,
    /// The same of one network.
    pub(crate) per_network: usize,
}

/// Why work has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// There is no place, or another network has taken it since.
    Full(Full),
    /// The work panicked.
    Panicked,
}

/// The prefix, network and address that work comes from.
type Path = [IpAddr; 3];

/// Called once: to be run, or with the reason that it will not be.
type Job = Box<dyn FnOnce(Option<Full>) + Send>;

/// The threads and their queues. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Workers {
    settings: WorkerSettings,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    working: usize,
    queues: [Queue; 2],
    /// The queue that is served next, if anything waits there.
    next: usize,
    last_number: u64,
}

struct Queue {
    waiting: FairQueue<IpAddr, Waiting, 3>,
    running: usize,
    /// Of what waits and what runs.
    holdings: Holdings,
}

struct Waiting {
    number: u64,
    site: Site,
    job: Job,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: FairQueue::new(),
            running: 0,
            holdings: Holdings::default(),
        }
    }
}

impl Queue {
    fn release(&mut self, site: Site) {
        self.holdings.remove(Principal::Address(site.address));
        self.holdings.remove(Principal::Network(site.network));
    }

    fn take_next(&mut self) -> Option<Waiting> {
        let next = self.waiting.pop()?;
        self.running += 1;
        Some(next)
    }
}

fn path(site: Site) -> Path {
    [prefix_of(site), site.network, site.address]
}

impl Workers {
    pub(crate) fn new(settings: WorkerSettings) -> Self {
        Self {
            settings,
            state: Arc::default(),
        }
    }

    /// Does work from `site` when its turn in this queue has come. Work that has begun is done to its end, and keeps its place until then,
    /// also when the caller has gone; work that has not begun goes with its caller.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        queue: usize,
        site: Site,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (answer, outcome) = oneshot::channel();
        let job = move |refused: Option<Full>| {
            // A receiver that is gone needs no answer.
            let _ = answer.send(refused.map_or_else(|| Ok(work()), Err));
        };
        let number = self
            .enqueue(queue, site, Box::new(job))
            .map_err(NotDone::Full)?;
        let _leave = Leave {
            workers: self,
            queue,
            site,
            number,
        };
        outcome
            .await
            .map_err(|_| NotDone::Panicked)?
            .map_err(NotDone::Full)
    }

    fn enqueue(&self, queue: usize, site: Site, job: Job) -> Result<u64, Full> {
        let quotas = [
            Quota::of_address(site, self.settings.per_address),
            Quota::of_network(site, self.settings.per_network),
        ];
        let places = self.settings.workers + self.settings.queue;
        let mut state = self.lock();
        let State {
            queues,
            last_number,
            ..
        } = &mut *state;
        let places_of = &mut queues[queue];
        let free = places.saturating_sub(places_of.running + places_of.waiting.len());
        if !places_of.holdings.allow(&quotas, free) {
            return Err(Full::Share);
        }
        let displaced = if free == 0 {
            Some(
                places_of
                    .waiting
                    .displace_for(path(site))
                    .ok_or(Full::All)?,
            )
        } else {
            None
        };
        displaced
            .iter()
            .for_each(|displaced| places_of.release(displaced.site));
        quotas
            .iter()
            .for_each(|quota| places_of.holdings.add(quota.principal));
        *last_number += 1;
        let number = *last_number;
        places_of
            .waiting
            .push(path(site), Waiting { number, site, job });
        let begins = state.working < self.settings.workers;
        state.working += usize::from(begins);
        drop(state);
        if let Some(displaced) = displaced {
            (displaced.job)(Some(Full::Share));
        }
        if begins {
            let workers = self.clone();
            spawn_blocking(move || workers.work());
        }
        Ok(number)
    }

    /// Works until nothing waits.
    fn work(&self) {
        while let Some((queue, Waiting { site, job, .. })) = self.take_next() {
            // The caller of work that panics finds its channel closed; the next work is done all the same.
            let _ = catch_unwind(AssertUnwindSafe(|| job(None)));
            let mut state = self.lock();
            state.queues[queue].running -= 1;
            state.queues[queue].release(site);
        }
    }

    fn take_next(&self) -> Option<(usize, Waiting)> {
        let mut state = self.lock();
        let first = state.next;
        for queue in [first, 1 - first] {
            if let Some(next) = state.queues[queue].take_next() {
                state.next = 1 - queue;
                return Some((queue, next));
            }
        }
        state.working -= 1;
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes work back that still waits when its caller goes.
struct Leave<'a> {
    workers: &'a Workers,
    queue: usize,
    site: Site,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut state = self.workers.lock();
        let queue = &mut state.queues[self.queue];
        let left = queue
            .waiting
            .remove(path(self.site), |waiting| waiting.number == self.number);
        if left.is_some() {
            queue.release(self.site);
        }
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
