//! The rate limit of positions. Each (sender, key) has a lane that sends at a fixed rate, with a
//! small burst for network jitter. A position that comes too early is held back; when the lane is
//! free, the newest value is sent. Lanes do not wait for each other.

use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::ActionKey;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// Burst: values of one lane that may be sent at once.
const SLACK: u32 = 4;

type Lane = (MemberId, ActionKey);

/// The keys of one sender, each with the time at which its lane would be free without a burst. Most
/// senders have one.
type Lanes = SmallVec<[(ActionKey, Instant); 1]>;

/// The lanes of one session.
#[derive(Debug)]
pub(crate) struct Pacing {
    interval: Duration,
    senders: HashMap<MemberId, Lanes, RandomState>,
    waiting: BTreeSet<(Instant, Lane)>,
}

impl Pacing {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            senders: HashMap::default(),
            waiting: BTreeSet::new(),
        }
    }

    /// Whether a value may be sent now. If not, [`Pacing::due`] returns its lane later.
    pub(crate) fn admit(&mut self, from: MemberId, key: &ActionKey, now: Instant) -> bool {
        let interval = self.interval;
        let slack = interval * (SLACK - 1);
        let lane = self.lane(from, key, now);
        let free_at = (*lane).max(now);
        if free_at - now <= slack {
            *lane = free_at + interval;
            return true;
        }
        // The lane's time does not change while it waits, so a second value is the same element of
        // the set.
        self.waiting.insert((free_at - slack, (from, key.clone())));
        false
    }

    /// The time at which this lane would be free; `now` for a new one.
    fn lane(&mut self, from: MemberId, key: &ActionKey, now: Instant) -> &mut Instant {
        let lanes = self.senders.entry(from).or_default();
        let index = lanes
            .iter()
            .position(|(of, _)| of == key)
            .unwrap_or_else(|| {
                // A free lane is the same as a new one, so it need not be stored.
                lanes.retain(|(_, free_at)| *free_at > now);
                lanes.push((key.clone(), now));
                lanes.len() - 1
            });
        &mut lanes[index].1
    }

    /// When the next value that is held back may be sent.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// The lanes whose newest value may be sent now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Lane> {
        let mut due = Vec::new();
        while let Some((at, _)) = self.waiting.first()
            && *at <= now
            && let Some((_, lane)) = self.waiting.pop_first()
        {
            let interval = self.interval;
            let free_at = self.lane(lane.0, &lane.1, now);
            *free_at = (*free_at).max(now) + interval;
            due.push(lane);
        }
        due
    }

    /// Drops the lanes of a member that left.
    pub(crate) fn forget(&mut self, member: MemberId) {
        self.senders.remove(&member);
        self.waiting.retain(|(_, (from, _))| *from != member);
    }
}

#[cfg(test)]
mod tests {
    use super::{ActionKey, Duration, Instant, MemberId, Pacing};

    fn member() -> MemberId {
        MemberId::new(1).expect("an id")
    }

    fn key(name: &str) -> ActionKey {
        ActionKey::new(name, 32).expect("short")
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_thinned_to_its_rate_and_its_end_is_never_lost() {
        let mut pacing = Pacing::new(10);
        let (start, mut out) = (Instant::now(), 0);
        for i in 0..1000 {
            let now = start + Duration::from_millis(i);
            out += pacing.due(now).len() + usize::from(pacing.admit(member(), &key("view"), now));
        }
        assert!((10..=14).contains(&out), "{out} in a second");
        let at = pacing.next().expect("the last value still waits");
        assert_eq!(pacing.due(at).len(), 1);
        assert_eq!(pacing.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_even_stream_at_the_rate_never_waits_and_keys_are_independent() {
        let mut pacing = Pacing::new(50);
        let start = Instant::now();
        for i in 0..100 {
            // Every second packet is late, and the next one follows at once.
            let now = start + Duration::from_millis(20 * i + if i % 2 == 0 { 15 } else { 0 });
            assert!(pacing.admit(member(), &key("view"), now), "{i}");
            assert!(pacing.admit(member(), &key("pointer"), now), "{i}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_left_leaves_no_lane() {
        let mut pacing = Pacing::new(1);
        let now = Instant::now();
        while pacing.admit(member(), &key("view"), now) {}
        pacing.forget(member());
        assert_eq!(pacing.next(), None);
        assert!(pacing.senders.is_empty());
    }
}
