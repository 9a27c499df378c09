//! A pool of a few threads for work that takes a core for a while, beside the threads that serve
//! requests.
//!
//! Work of two kinds waits in two queues, and the workers serve them in turn. Each queue is fair
//! between networks ([`FairQueue`]) and has a bound: when it is full, a new job displaces one of
//! the network that has the most waiting, unless its own network has as many. A worker that
//! finishes takes the next job itself, so a busy queue wakes no thread.

use crate::fair_queue::FairQueue;
use crate::permits::Full;
use crate::quota::{Holdings, Principal, Quota, prefix_of};
use faceshare_biz::domain::Site;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// The size of the pool and of its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerSettings {
    /// Threads that run at the same time.
    pub(crate) workers: usize,
    /// Jobs that wait in each queue, at most.
    pub(crate) queue: usize,
    /// Jobs of one address in each queue, running and waiting; 0 sets no limit.
    pub(crate) per_address: usize,
    /// The same of one network.
    pub(crate) per_network: usize,
}

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// The queue is full, or a job of another network has displaced this one.
    Full(Full),
    /// The work panicked.
    Panicked,
}

/// The prefix, network and address that work comes from.
type Path = [IpAddr; 3];

/// Called once: with `None` to run, or with the reason why it is refused.
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
    waiting: FairQueue<IpAddr, WaitingJob, 3>,
    running: usize,
    /// Of the waiting and the running jobs.
    holdings: Holdings,
}

struct WaitingJob {
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

    fn take_next(&mut self) -> Option<WaitingJob> {
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

    /// Queues work from `site` and waits for its result. Work that has begun is finished and counts
    /// until then, also when the caller stops waiting; work that has not begun is removed when the
    /// caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        queue: usize,
        site: Site,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (answer, outcome) = oneshot::channel();
        let job = move |refused: Option<Full>| {
            // The caller may have stopped waiting.
            let _ = answer.send(refused.map_or_else(|| Ok(work()), Err));
        };
        let number = self
            .enqueue(queue, site, Box::new(job))
            .map_err(NotDone::Full)?;
        let _cancel = CancelOnDrop {
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
        let capacity = self.settings.workers + self.settings.queue;
        let mut state = self.lock();
        let State {
            queues,
            last_number,
            ..
        } = &mut *state;
        let target = &mut queues[queue];
        let free = capacity.saturating_sub(target.running + target.waiting.len());
        if !target.holdings.allow(&quotas, free) {
            return Err(Full::Quota);
        }
        let displaced = if free == 0 {
            Some(target.waiting.displace_for(path(site)).ok_or(Full::All)?)
        } else {
            None
        };
        displaced
            .iter()
            .for_each(|displaced| target.release(displaced.site));
        quotas
            .iter()
            .for_each(|quota| target.holdings.add(quota.principal));
        *last_number += 1;
        let number = *last_number;
        target
            .waiting
            .push(path(site), WaitingJob { number, site, job });
        let begins = state.working < self.settings.workers;
        state.working += usize::from(begins);
        drop(state);
        if let Some(displaced) = displaced {
            (displaced.job)(Some(Full::Quota));
        }
        if begins {
            let workers = self.clone();
            spawn_blocking(move || workers.work());
        }
        Ok(number)
    }

    /// Runs jobs until none waits.
    fn work(&self) {
        while let Some((queue, WaitingJob { site, job, .. })) = self.take_next() {
            // If the job panics, its caller finds the channel closed and the worker goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| job(None)));
            let mut state = self.lock();
            state.queues[queue].running -= 1;
            state.queues[queue].release(site);
        }
    }

    fn take_next(&self) -> Option<(usize, WaitingJob)> {
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

/// Removes a job that still waits when its caller stops waiting.
struct CancelOnDrop<'a> {
    workers: &'a Workers,
    queue: usize,
    site: Site,
    number: u64,
}

impl Drop for CancelOnDrop<'_> {
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
