//! The actor's loop: it takes requests, sees to the log and to what is due.

use super::commit::{Appending, Failed};
use super::turns::Turns;
use super::{Request, load};
use crate::instruction::fanout::Told;
use faceshare_biz::Error;
use faceshare_biz::domain::instruction::AppendError;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Requests that wait for one actor; whoever sends more waits too.
pub(crate) const MAILBOX: usize = 256;
/// Requests taken from the mailbox before what came of them goes to the log.
const ROUND: usize = 64;
/// More room than this is given back after a round: most sessions are quiet, and there are many.
const ROUND_KEPT: usize = 8;
/// Entries that may be ahead of the log; more input waits in the mailbox.
const AHEAD: usize = 256;
/// Deadlines that are nearer to each other than this are one.
const EARLY: Duration = Duration::from_millis(1);

/// A session's task. It holds the actor for a step at a time, and never while it waits.
pub(crate) struct Runner<'a> {
    turns: &'a Turns,
    appending: Option<Appending>,
}

impl<'a> Runner<'a> {
    pub(crate) const fn new(turns: &'a Turns) -> Self {
        Self {
            turns,
            appending: None,
        }
    }

    /// Runs until the session is over and nobody needs it, or its log is lost.
    pub(crate) async fn run(&mut self, mailbox: &mut mpsc::Receiver<Request>) -> Result<(), Error> {
        let (mut round, mut told) = (Vec::new(), Told::default());
        let mut deserted = false;
        // Set anew only when it would come too late, which is seldom: most deadlines move away from now.
        let mut alarm = pin!(tokio::time::sleep_until(self.turns.take()?.wake_at()));
        loop {
            let (wake_at, ahead) = {
                let mut actor = self.turns.take()?;
                actor.fanout.written();
                if self.appending.is_none() {
                    self.appending = actor.start_append();
                }
                (actor.wake_at(), actor.ahead())
            };
            if deserted && self.appending.is_none() {
                return Ok(());
            }
            if wake_at + EARLY < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(wake_at);
            }
            let takes_more = !deserted && ahead < AHEAD;
            let appending = &mut self.appending;
            tokio::select! {
                biased;
                result = async { appending.as_mut().expect("invariant: polled only when there is one").await }, if appending.is_some() => {
                    self.appending = None;
                    self.finish_append(result, &mut told).await?;
                }
                count = mailbox.recv_many(&mut round, ROUND), if takes_more => {
                    deserted = count == 0;
                    let mut actor = self.turns.take()?;
                    round.drain(..).for_each(|request| actor.handle(request));
                    self.turns.answered(count);
                    // A mailbox that never runs dry must not hold the time up.
                    actor.do_what_is_due();
                    actor.fanout.hand_over_told(&mut told);
                }
                () = alarm.as_mut() => {
                    let mut actor = self.turns.take()?;
                    if actor.is_idle() && mailbox.is_empty() && wake_at <= Instant::now() + EARLY {
                        // What is sent until the close is still answered; then there is nobody left to wait for.
                        mailbox.close();
                    }
                    actor.do_what_is_due();
                    actor.fanout.hand_over_told(&mut told);
                }
            }
            told.write_out().await;
            if round.capacity() > ROUND_KEPT {
                round = Vec::new();
            }
        }
    }

    /// `told`: to whom something is to be written then. It is taken while the actor is held, or a connection with a position might take it
    /// over: a few receivers' turn is not meant for many.
    async fn finish_append(
        &mut self,
        result: Result<(), AppendError>,
        told: &mut Told,
    ) -> Result<(), Error> {
        let failed = {
            let mut actor = self.turns.take()?;
            let failed = actor.finish_append(result)?;
            actor.fanout.hand_over_told(told);
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
        told.write_out().await;
        // What is due stays due, and would be tried again at once: a log that is away is not asked more often than this.
        tokio::time::sleep(backoff).await;
        let recovered = load(&deps, session)
            .await?
            .ok_or_else(|| Error::internal("the session's log is gone"))?;
        let mut actor = self.turns.take()?;
        actor.go_on_from(recovered);
        actor.fanout.hand_over_told(told);
        Ok(())
    }

    /// After the loop: waits for an append that is still on its way, so that whoever reads the log next finds all that will be in it.
    pub(crate) async fn see_append_off(&mut self) {
        if let Some(appending) = self.appending.take() {
            // Nobody is left to be told how it ended; a panic in it was reported when it happened.
            let _ = AssertUnwindSafe(appending).catch_unwind().await;
        }
    }
}
