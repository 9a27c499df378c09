//! The actor's loop: it processes requests, appends to the log and fires deadlines.

use super::actor_cell::ActorCell;
use super::commit::{Appending, Failed};
use super::{Request, load};
use crate::instruction::fanout::PendingWrites;
use faceshare_biz::Error;
use faceshare_biz::domain::instruction::AppendError;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Capacity of an actor's mailbox, in requests; further senders wait.
pub(crate) const MAILBOX: usize = 256;
/// Requests that are taken from the mailbox at once, at most; then their entries are appended to
/// the log.
const ROUND: usize = 64;
/// A round's buffer with more capacity than this is freed after the round: there are many sessions,
/// and most are idle.
const ROUND_CAPACITY_KEPT: usize = 8;
/// Entries that may be ahead of the log. With more, the mailbox is not read.
const AHEAD_MAX: usize = 256;
/// Deadlines that are nearer to each other than this are handled at one wake.
const WAKE_SLACK: Duration = Duration::from_millis(1);

/// A session's task. It locks the actor for one step at a time and never across an await.
pub(crate) struct Runner<'a> {
    cell: &'a ActorCell,
    appending: Option<Appending>,
}

impl<'a> Runner<'a> {
    pub(crate) const fn new(cell: &'a ActorCell) -> Self {
        Self {
            cell,
            appending: None,
        }
    }

    /// Runs until the session is idle, or its log is lost.
    pub(crate) async fn run(&mut self, mailbox: &mut mpsc::Receiver<Request>) -> Result<(), Error> {
        let (mut round, mut pending) = (Vec::new(), PendingWrites::default());
        let mut mailbox_closed = false;
        // Reset only when it would fire too late. That is rare: most deadlines move further away.
        let mut sleep = pin!(tokio::time::sleep_until(self.cell.lock()?.wakes().next));
        loop {
            let (wakes, ahead) = {
                let mut actor = self.cell.lock()?;
                actor.fanout.pending_written();
                if self.appending.is_none() {
                    self.appending = actor.start_append();
                }
                (actor.wakes(), actor.ahead())
            };
            if mailbox_closed && self.appending.is_none() {
                return Ok(());
            }
            if wakes.next + WAKE_SLACK < sleep.deadline() || sleep.is_elapsed() {
                sleep.as_mut().reset(wakes.next);
            }
            let takes_more = !mailbox_closed && ahead < AHEAD_MAX;
            let appending = &mut self.appending;
            tokio::select! {
                biased;
                result = async { appending.as_mut().expect("invariant: polled only when there is one").await }, if appending.is_some() => {
                    self.appending = None;
                    self.finish_append(result, &mut pending).await?;
                }
                count = mailbox.recv_many(&mut round, ROUND), if takes_more => {
                    mailbox_closed = count == 0;
                    let mut actor = self.cell.lock()?;
                    round.drain(..).for_each(|request| actor.handle(request));
                    self.cell.requests_done(count);
                    // Deadlines fire even if the mailbox never becomes empty.
                    actor.run_due();
                    actor.fanout.take_pending(&mut pending);
                }
                () = sleep.as_mut() => {
                    let mut actor = self.cell.lock()?;
                    let stop = wakes.stop.is_some_and(|at| at <= Instant::now() + WAKE_SLACK);
                    if stop && actor.is_idle() && mailbox.is_empty() {
                        // Requests that were sent before the close are still answered; then the
                        // loop ends.
                        mailbox.close();
                    }
                    actor.run_due();
                    actor.fanout.take_pending(&mut pending);
                }
            }
            pending.write_out().await;
            if round.capacity() > ROUND_CAPACITY_KEPT {
                round = Vec::new();
            }
        }
    }

    /// Handles the result of an append. `pending` gets the writes that follow; they are taken while
    /// the actor is locked, because otherwise a connection that processes a position inline might
    /// take them and write to many receivers.
    async fn finish_append(
        &mut self,
        result: Result<(), AppendError>,
        pending: &mut PendingWrites,
    ) -> Result<(), Error> {
        let failed = {
            let mut actor = self.cell.lock()?;
            let failed = actor.finish_append(result)?;
            actor.fanout.take_pending(pending);
            failed
        };
        let Some(Failed {
            session,
            deps,
            backoff,
        }) = failed
        else {
            return Ok(());
        };
        pending.write_out().await;
        // Without this pause a deadline that is due would cause the next append at once; a log that
        // is down is not called more often than this.
        tokio::time::sleep(backoff).await;
        let recovered = load(&deps, session)
            .await?
            .ok_or_else(|| Error::internal("the session's log is gone"))?;
        let mut actor = self.cell.lock()?;
        actor.resume_from_log(recovered);
        actor.fanout.take_pending(pending);
        Ok(())
    }

    /// Called after the loop: waits for an append that is still running, so that the next reader of
    /// the log finds all of its entries.
    pub(crate) async fn finish_pending_append(&mut self) {
        if let Some(appending) = self.appending.take() {
            // No request waits for the result any more; a panic in it was reported when it
            // happened.
            let _ = AssertUnwindSafe(appending).catch_unwind().await;
        }
    }
}
