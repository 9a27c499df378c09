//! The points connected to this process, across all sessions: to count them, to close them, to
//! drain them.

use super::shrink;
use crate::instruction::connclient::Outbound;
use faceshare_biz::domain::account::RevocationRegistry;
use faceshare_biz::domain::facesession::SessionClaims;
use faceshare_biz::domain::instruction::CloseReason;
use faceshare_biz::domain::{MemberId, PointId, SessionId};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Spreads the points over several locks, so that sessions on different cores seldom meet.
const SHARDS: usize = 16;
/// Deleted accounts that are remembered: more than can go while a connection is being let in.
const GONE: usize = 1_024;

/// The connected points.
#[derive(Debug, Default)]
pub struct PointMemMgr {
    shards: [Mutex<HashMap<PointId, Entry>>; SHARDS],
    /// Those whose accounts were deleted last.
    gone: Mutex<VecDeque<MemberId>>,
}

#[derive(Debug)]
struct Entry {
    incarnation: u64,
    claims: SessionClaims,
    outbound: Arc<Outbound>,
}

impl PointMemMgr {
    fn shard(&self, point: PointId) -> MutexGuard<'_, HashMap<PointId, Entry>> {
        let index = usize::try_from(point.get() % SHARDS as u64)
            .expect("invariant: below the number of shards");
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connected point; it replaces an earlier connection of the point.
    pub fn add(&self, claims: SessionClaims, incarnation: u64, outbound: Arc<Outbound>) {
        let entry = Entry {
            incarnation,
            claims,
            outbound,
        };
        if self
            .shard(claims.point)
            .insert(claims.point, entry)
            .is_none()
        {
            metrics::gauge!("stream_points").increment(1);
        }
    }

    /// Records that this member's account is deleted. A later search for its points finds them, or
    /// [`is_gone`](Self::is_gone) tells the session that adds one.
    pub fn set_gone(&self, member: MemberId) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.truncate(GONE - 1);
        gone.push_front(member);
    }

    /// Whether this member's account is among those that were deleted last. No other ever gets its
    /// id.
    #[must_use]
    pub fn is_gone(&self, member: MemberId) -> bool {
        self.gone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&member)
    }

    /// Removes a connection; does nothing if another one holds its point by now.
    pub fn remove(&self, point: PointId, incarnation: u64) {
        let mut shard = self.shard(point);
        if shard
            .get(&point)
            .is_some_and(|e| e.incarnation == incarnation)
        {
            shard.remove(&point);
            shrink(&mut shard);
            metrics::gauge!("stream_points").decrement(1);
        }
    }

    /// How many points are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sessions that this member is connected to.
    #[must_use]
    pub fn sessions_of(&self, member: MemberId) -> BTreeSet<SessionId> {
        let mut sessions = BTreeSet::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.extend(
                shard
                    .values()
                    .filter(|e| e.claims.member == member)
                    .map(|e| e.claims.session),
            );
        }
        sessions
    }

    /// Closes every connection of this member.
    pub fn close_member(&self, member: MemberId, reason: CloseReason) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard
                .values()
                .filter(|e| e.claims.member == member)
                .for_each(|e| e.outbound.close(reason));
        }
    }

    /// Closes the connections whose sign-in is over. How many it closed.
    pub fn close_revoked(&self, revocations: &dyn RevocationRegistry) -> usize {
        let mut closed = 0;
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let over = |e: &&Entry| {
                e.outbound.closing().is_none() && revocations.is_revoked(e.claims.family)
            };
            for entry in shard.values().filter(over) {
                entry.outbound.close(CloseReason::Unauthenticated);
                closed += 1;
            }
        }
        closed
    }

    /// Closes up to `most` connections that are not being closed yet. How many it closed.
    pub fn close_some(&self, most: usize, reason: CloseReason) -> usize {
        let mut closed = 0;
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in shard.values().filter(|e| e.outbound.closing().is_none()) {
                if closed == most {
                    return closed;
                }
                entry.outbound.close(reason);
                closed += 1;
            }
        }
        closed
    }
}
