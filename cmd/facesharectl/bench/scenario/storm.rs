//! Everybody drops without a word and comes back to where it was; meanwhile something happened.

use super::join::Coming;
use crate::bench::args::Storm;
use crate::bench::crowd::{Crowd, Group, Listen, Target};
use crate::bench::pace::{Pace, nanos};
use crate::bench::report::{Latency, Report, rounded};
use crate::bench::stand::{Stand, settled};
use anyhow::{Result, ensure};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::{FollowMe, follow_me};
use std::time::Duration;

/// Streams that may be opened at once: more than a pool of helpful proxies would allow.
const AT_ONCE: usize = 1024;
const HOSTS_HEARD: Duration = Duration::from_secs(30);

#[expect(clippy::cast_precision_loss, reason = "counts of connections")]
pub(super) fn run(stand: &Stand, what: Storm, warmup: Duration) -> Result<Report> {
    ensure!(stand.target == Target::Faceshare, "a baseline has nothing to come back to");
    let rooms = what.connections.div_ceil(what.members);
    let mut crowd = stand.crowd(&[Group { rooms, members: what.members, keys: 1, present: false }])?;
    let all = crowd.members.len();
    stand.assemble(&mut crowd, 0..all)?;
    let warm = crowd.now() + nanos(warmup);
    crowd.run_for(&mut Listen, "warm-up", warm)?;

    let missed = drop_everybody(&mut crowd)?;
    let away = crowd.now() + nanos(what.away);
    crowd.run_for(&mut Listen, "away", away)?;

    crowd.opening_at_once = AT_ONCE;
    let begin = crowd.now();
    let rate = all as f64 / what.window.as_secs_f64().max(0.001);
    let mut coming = Coming { who: (0..all).collect(), pace: Pace::new(1, rate, begin, u64::MAX), next: 0 };
    crowd.tally.measure(0..u64::MAX);
    let mark = stand.mark(&crowd)?;
    crowd.run_until(&mut coming, "back", all, stand.patience, |crowd| crowd.connected)?;
    let back = Duration::from_nanos(crowd.now() - begin);
    crowd.run_until(&mut Listen, "settling", rooms, stand.patience, settled)?;
    let span = stand.since(mark, &crowd)?;

    let resumed = crowd.members.iter().filter(|member| member.resumed).count();
    let behind = crowd.members.iter().filter(|member| member.seq < missed[member.room]).count();
    if resumed < all {
        crowd.tally.fault(|| "somebody got a snapshot in place of what was missed".to_owned());
    }
    crowd.tally.faults.lost += (all - resumed + behind) as u64;
    let report = Report { latency: Some(Latency::of(&crowd.tally.latency[0])), ..Report::new("storm", &crowd, stand.target, span) };
    Ok(report
        .with_each("resume", "resumes", resumed as u64, span)
        .with("window_s", rounded(what.window.as_secs_f64()))
        .with("away_s", rounded(what.away.as_secs_f64()))
        .with("all_back_s", rounded(back.as_secs_f64())))
}

/// First the others, then the hosts, who do something in between; gives the seq that each room has come to.
fn drop_everybody(crowd: &mut Crowd) -> Result<Vec<u32>> {
    let hosts: Vec<usize> = crowd.rooms.iter().map(|room| room.members.start).collect();
    let others: Vec<usize> = (0..crowd.members.len()).filter(|member| !crowd.members[*member].host).collect();
    others.iter().for_each(|member| crowd.cut(*member));
    let now = crowd.now();
    for invite in [follow_me::Invite::Ask, follow_me::Invite::Off] {
        for host in &hosts {
            crowd.instruct(*host, Say::FollowMe(FollowMe { invite: invite.into(), ..FollowMe::default() }), now);
        }
    }
    let heard = |crowd: &Crowd| crowd.members.iter().filter(|member| member.host && member.unanswered.is_empty()).count();
    crowd.run_until(&mut Listen, "dropping", hosts.len(), HOSTS_HEARD, heard)?;
    hosts.iter().for_each(|host| crowd.cut(*host));
    Ok(hosts.iter().map(|host| crowd.members[*host].seq).collect())
}
