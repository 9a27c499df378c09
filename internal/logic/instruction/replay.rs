//! The frames that a client has missed: from memory when they are few, otherwise page by page from
//! the log.

use super::codec::decode_entry;
use super::session::{ActorDeps, Missed};
use bytes::Bytes;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{Seq, ServerFrame, Statement, WireFormat};
use faceshare_biz::{Error, Result};

/// Entries read at a time, so that only one page of the missed frames is in memory.
const PAGE: u32 = 256;

/// Frames are missing in the log. The client must not resume after the gap.
#[derive(Debug, thiserror::Error)]
#[error("the frame after {after} is missing; the next is {found}")]
struct Gap {
    after: Seq,
    found: Seq,
}

/// The ordered frames between two seqs, each once and in order.
pub(crate) struct Replay<'a> {
    deps: &'a ActorDeps,
    session: SessionId,
    format: WireFormat,
    missed: Missed,
}

impl<'a> Replay<'a> {
    pub(crate) const fn new(
        deps: &'a ActorDeps,
        session: SessionId,
        format: WireFormat,
        missed: Missed,
    ) -> Self {
        Self {
            deps,
            session,
            format,
            missed,
        }
    }

    /// Puts the next page into `batch`; `false`: there is no more. Fails when the log cannot be
    /// read or no longer goes back that far.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Bytes>) -> Result<bool, ()> {
        if self.missed.after >= self.missed.upto {
            return Ok(false);
        }
        if let Some(recent) = self.missed.recent.take() {
            for entry in recent {
                self.put(entry.last_seq, &entry.payload, batch)
                    .map_err(|error| self.give_up(&error))?;
            }
            return if batch.is_empty() { Err(()) } else { Ok(true) };
        }
        let Missed { epoch, after, .. } = &self.missed;
        let page = self
            .deps
            .log
            .read(self.session, epoch, *after, PAGE)
            .await
            .map_err(|error| self.give_up(&error))?;
        for record in &page {
            self.put(record.last_seq, &record.payload, batch)
                .map_err(|error| self.give_up(&error))?;
        }
        if batch.is_empty() { Err(()) } else { Ok(true) }
    }

    fn give_up(&self, error: &faceshare_biz::Error) {
        tracing::warn!(session = %self.session, error = %error, cause = ?error.cause(), "a resume could not be read from the log");
    }

    fn put(&mut self, last_seq: Seq, payload: &[u8], batch: &mut Vec<Bytes>) -> Result<()> {
        let entry = decode_entry(payload)?;
        let frames = u32::try_from(entry.events.len()).expect("invariant: an entry has few frames");
        let mut seq = Seq::new(last_seq.get() - frames);
        for event in entry.events {
            seq = seq.plus(1);
            if seq > self.missed.after && seq <= self.missed.upto {
                if seq != self.missed.after.plus(1) {
                    return Err(Error::internal(Gap {
                        after: self.missed.after,
                        found: seq,
                    }));
                }
                self.missed.after = seq;
                let frame = ServerFrame {
                    seq,
                    at: entry.at,
                    from: entry.from,
                    statement: Statement::Event(event),
                };
                batch.push(self.deps.codec.encode(self.format, &frame));
            }
        }
        Ok(())
    }
}
