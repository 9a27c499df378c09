//! `followChange`: the follow graph, and what everybody is told when it changes.
//!
//! Each member has a `target` (its own choice), may be `attached` (to the presenter) and may be
//! `suspended`. The effective target is the presenter for the attached, else `target`; the
//! presenter has none while it presents. The root is the end of the effective chain.

use crate::draft::Draft;
use crate::entry::Change;
use crate::state::{Follow, State};
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{Edge, EdgeReason, Event, Presenting};
use std::collections::{BTreeMap, HashMap};

/// The follow graph as it will be: the state's, with the changes of one entry laid over it.
pub(crate) struct Graph<'a> {
    state: &'a State,
    changed: BTreeMap<MemberId, Follow>,
    gone: Option<MemberId>,
    presenting: Option<Presenting>,
}

impl<'a> Graph<'a> {
    pub(crate) const fn new(state: &'a State) -> Self {
        Self {
            state,
            changed: BTreeMap::new(),
            gone: None,
            presenting: state.presenting,
        }
    }

    pub(crate) const fn presenting(&self) -> Option<Presenting> {
        self.presenting
    }

    /// A member's part; `None`: no such member (any more).
    pub(crate) fn follow(&self, member: MemberId) -> Option<Follow> {
        if self.gone == Some(member) {
            return None;
        }
        self.changed
            .get(&member)
            .copied()
            .or_else(|| self.state.presence(member).map(|p| p.follow))
    }

    fn members(&self) -> impl Iterator<Item = MemberId> {
        self.state
            .present()
            .map(|(id, _)| id)
            .filter(|id| self.gone != Some(*id))
    }

    /// Changes a member's part; the change counts as made for `reason`, unless it only concerns an
    /// own target that does not count now.
    pub(crate) fn set(
        &mut self,
        member: MemberId,
        reason: EdgeReason,
        change: impl FnOnce(&mut Follow),
    ) {
        let Some(before) = self.follow(member) else {
            return;
        };
        let target_before = self.target(member);
        let mut follow = before;
        change(&mut follow);
        if follow == before {
            return;
        }
        self.changed.insert(member, follow);
        let counts = (self.target(member), follow.attached, follow.suspended)
            != (target_before, before.attached, before.suspended);
        if counts {
            self.changed.insert(member, Follow { reason, ..follow });
        }
    }

    /// The effective target.
    pub(crate) fn target(&self, member: MemberId) -> Option<MemberId> {
        let follow = self.follow(member)?;
        match self.presenting {
            Some(p) if p.member == member => None,
            Some(p) if follow.attached => Some(p.member),
            _ => follow.target,
        }
    }

    /// Whether the chain of own targets that starts at `from` comes to `to`.
    pub(crate) fn leads_to(&self, from: MemberId, to: MemberId) -> bool {
        let chain = std::iter::successors(Some(from), |m| self.follow(*m)?.target);
        chain.take(self.longest_chain()).any(|m| m == to)
    }

    /// No chain has more links than there are members; that is what ends a walk even if a mistake
    /// elsewhere had made a ring.
    fn longest_chain(&self) -> usize {
        self.state.present as usize + 1
    }

    /// Sets who presents; everybody's part stays as it is.
    pub(crate) fn present(&mut self, presenting: Presenting) {
        if let Some(mut follow) = self.follow(presenting.member)
            && (self.target(presenting.member).is_some()
                || self.changed.contains_key(&presenting.member))
        {
            follow.reason = EdgeReason::Presenter;
            self.changed.insert(presenting.member, follow);
        }
        self.presenting = Some(presenting);
    }

    /// Attaches everybody but the presenter, and ends all pauses.
    pub(crate) fn attach_all(&mut self, presenter: MemberId) {
        for member in self.members().collect::<Vec<_>>() {
            let attach = member != presenter;
            self.set(member, EdgeReason::Presenter, |follow| {
                follow.attached = attach;
                follow.suspended = false;
            });
        }
    }

    /// No member presents: attached members are released, their pauses end, and their own targets
    /// count again.
    pub(crate) fn stop_presenting(&mut self, without_target: EdgeReason) {
        let Some(presenting) = self.presenting.take() else {
            return;
        };
        for member in self.members().collect::<Vec<_>>() {
            let own = self.follow(member).and_then(|f| f.target);
            let reason = if own.is_some() {
                EdgeReason::Restored
            } else {
                without_target
            };
            self.set(member, reason, |follow| {
                if follow.attached {
                    (follow.attached, follow.suspended) = (false, false);
                }
            });
        }
        if let Some(mut follow) = self.follow(presenting.member)
            && follow.target.is_some()
        {
            follow.reason = EdgeReason::Restored;
            self.changed.insert(presenting.member, follow);
        }
    }

    /// A member is gone: no member has it as a target any more.
    pub(crate) fn leave(&mut self, leaver: MemberId) {
        self.gone = Some(leaver);
        if self.presenting.is_some_and(|p| p.member == leaver) {
            self.stop_presenting(EdgeReason::TargetLeft);
        }
        for member in self.members().collect::<Vec<_>>() {
            self.set(member, EdgeReason::TargetLeft, |follow| {
                if follow.target == Some(leaver) {
                    follow.target = None;
                    follow.suspended &= follow.attached;
                }
            });
        }
    }

    /// The edge of a member after all changes; `None`: it follows no member.
    pub(crate) fn edge(&self, member: MemberId) -> Option<Edge> {
        let Follow {
            root,
            suspended,
            reason,
            ..
        } = self.follow(member)?;
        self.target(member).map(|target| Edge {
            member,
            target: Some(target),
            root,
            suspended,
            reason,
        })
    }

    /// The end of the chain for a follower of `member`; stored for each member of the chain.
    fn end(&self, member: MemberId, known: &mut HashMap<MemberId, MemberId>) -> MemberId {
        let mut path = Vec::new();
        let mut at = member;
        let end = loop {
            if let Some(end) = known.get(&at) {
                break *end;
            }
            let next = if self.follow(at).is_some_and(|f| f.suspended) {
                None
            } else {
                self.target(at)
            };
            match next {
                Some(next) if path.len() < self.longest_chain() => {
                    path.push(std::mem::replace(&mut at, next))
                }
                _ => break at,
            }
        };
        known.extend(path.into_iter().chain([at]).map(|m| (m, end)));
        end
    }

    fn root(
        &self,
        member: MemberId,
        follow: &Follow,
        known: &mut HashMap<MemberId, MemberId>,
    ) -> Option<MemberId> {
        if follow.suspended {
            None
        } else {
            self.target(member).map(|target| self.end(target, known))
        }
    }
}

/// Works out the roots, puts the changes of the graph into the entry, and says `followChange` if
/// anybody's edge or the presenting is another one.
pub(crate) fn settle(draft: &mut Draft<'_>) {
    let presenting = draft.graph.presenting();
    let presenting_changed = presenting != draft.state.presenting;
    if draft.graph.changed.is_empty() && draft.graph.gone.is_none() && !presenting_changed {
        return;
    }
    let (follows, edges) = outcome(&draft.graph);
    if presenting_changed {
        draft.change(Change::Presenting(presenting));
    }
    for (member, follow) in follows {
        draft.graph.changed.insert(member, follow);
        draft.change(Change::Follow { member, follow });
    }
    if presenting_changed || !edges.is_empty() {
        draft.say(Event::FollowChange { presenting, edges });
    }
}

/// Everybody's part that is another one now, and the edges among them that others can see.
fn outcome(graph: &Graph<'_>) -> (Vec<(MemberId, Follow)>, Vec<Edge>) {
    let mut known = HashMap::new();
    let (mut follows, mut edges) = (Vec::new(), Vec::new());
    for (member, presence) in graph
        .state
        .present()
        .filter(|(id, _)| graph.gone != Some(*id))
    {
        let before = presence.follow;
        let Some(mut follow) = graph.follow(member) else {
            continue;
        };
        follow.root = graph.root(member, &follow, &mut known);
        if follow.root != before.root && !graph.changed.contains_key(&member) {
            follow.reason = EdgeReason::Chain;
        }
        if follow != before {
            follows.push((member, follow));
        }
        let Follow {
            root,
            suspended,
            reason,
            ..
        } = follow;
        let edge = graph.target(member).map(|target| Edge {
            member,
            target: Some(target),
            root,
            suspended,
            reason,
        });
        if edge != graph.state.edge(member, &before) {
            edges.push(edge.unwrap_or(Edge {
                member,
                target: None,
                root: None,
                suspended: false,
                reason,
            }));
        }
    }
    (follows, edges)
}
