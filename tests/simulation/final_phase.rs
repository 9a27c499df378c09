//! The end of a history: faults cease, and everything that must happen in the end has to have happened.

use crate::archive::{Archive, on_the_wire};
use crate::client::{Client, Standing};
use crate::invariants::{self as must, Verdict};
use crate::ports::session_id;
use crate::store::Mood;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longer than any debounce, heartbeat timeout and grace one after the other.
const LONG: Duration = Duration::from_secs(13);

impl World {
    pub(crate) async fn finale(&mut self) -> Verdict {
        self.trace.say(|| "the finale: the store is well and lines are good".to_owned());
        self.ports.store.set_mood(Mood::Well);
        self.good_lines_go_on_beside_bad_ones().await?;
        self.everybody_reads_again().await?;
        self.everything_is_answered()?;
        self.newest_positions_arrive().await?;
        self.some_vanish_and_the_rest_stay().await?;
        self.the_actor_agrees_with_its_log().await?;
        let Self { titles, ports, .. } = self;
        for title in titles.iter() {
            ports.store.archive(|archive| must::invariant_done_is_in_the_log_once(archive, title))?;
        }
        self.restart().await
    }

    /// Those who may be here and are not connect, until they are.
    async fn gather(&mut self) -> Verdict {
        for _ in 0..12 {
            let absent: Vec<usize> = (0..self.clients.len())
                .filter(|i| self.clients[*i].link.is_none() && self.clients[*i].standing == Standing::Seated)
                .collect();
            if absent.is_empty() && self.clients.iter().all(|c| c.link.is_none() || c.welcomed || is_bad(c)) {
                return Ok(());
            }
            for index in absent {
                self.connect(index);
            }
            self.pass(Duration::from_millis(700)).await?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ports.store.archive(|archive| archive.state().is_ended())
    }

    /// Readers that do not read, and lines that are dead, stay as they are for now: the others must not be held up by them.
    async fn good_lines_go_on_beside_bad_ones(&mut self) -> Verdict {
        self.gather().await?;
        self.pass(Duration::from_millis(1_500)).await?;
        self.good_lines_are_up_to_date().await
    }

    /// What is in the log now is with everybody a moment later.
    async fn good_lines_are_up_to_date(&mut self) -> Verdict {
        let head = |archive: &mut Archive| (archive.state().epoch().as_str().to_owned(), archive.state().seq().get());
        let (epoch, seq) = self.ports.store.archive(head);
        self.pass(Duration::from_millis(500)).await?;
        if self.ports.store.archive(head).0 != epoch {
            return Ok(());
        }
        let mut good = self.clients.iter().filter(|c| c.link.is_some() && !is_bad(c) && c.welcomed);
        good.try_for_each(|client| must::invariant_good_lines_are_up_to_date(client, &epoch, seq))
    }

    async fn everybody_reads_again(&mut self) -> Verdict {
        for client in &mut self.clients {
            if let Some(link) = &client.link {
                link.set_stalled(false);
                if link.is_silent() {
                    client.disconnect();
                }
            }
        }
        self.pass(Duration::from_secs(2)).await?;
        self.gather().await?;
        self.pass(Duration::from_secs(1)).await?;
        self.gather().await?;
        self.pass(Duration::from_secs(1)).await?;
        if self.is_over() {
            self.pass(Duration::from_secs(5)).await?;
            self.gather().await?;
            self.pass(Duration::from_secs(1)).await?;
            let listening = self.clients.iter().filter(|c| c.link.is_some()).count();
            return must::invariant_nothing_hangs("connections to a session that is over", listening);
        }
        self.good_lines_are_up_to_date().await
    }

    fn everything_is_answered(&self) -> Verdict {
        must::invariant_nothing_hangs("calls", self.calls.len())?;
        let waiting = |archive: &mut Archive| if archive.state().is_ended() { 0 } else { archive.state().waiting().count() };
        must::invariant_nothing_hangs("knocks whose time is over", self.ports.store.archive(waiting))?;
        let open = self.clients.iter().filter(|c| c.welcomed).map(Client::open_questions).sum();
        must::invariant_nothing_hangs("questions", open)
    }

    async fn newest_positions_arrive(&mut self) -> Verdict {
        let mut newest = BTreeMap::new();
        for round in 0..3 {
            for index in 0..self.clients.len() {
                let value = self.number();
                let client = &mut self.clients[index];
                if client.welcomed && client.point % 100 == 1 {
                    client.show("view", value);
                    newest.insert(client.member, value);
                }
            }
            self.pass(Duration::from_millis(if round == 2 { 1_500 } else { 20 })).await?;
        }
        for client in self.clients.iter().filter(|c| c.welcomed) {
            let root = client.mirror.as_ref().map_or(0, |m| m.root(client.member));
            let sender_is_here = self.clients.iter().any(|c| c.member == root && c.point % 100 == 1 && c.welcomed);
            if let (Some(value), true) = (newest.get(&root), sender_is_here) {
                must::invariant_newest_position_arrives(client, root, "view", *value)?;
            }
        }
        Ok(())
    }

    async fn some_vanish_and_the_rest_stay(&mut self) -> Verdict {
        for index in 0..self.clients.len() {
            let way = self.chance.below(5);
            let client = &mut self.clients[index];
            let Some(link) = client.link.clone() else { continue };
            match way {
                0 => link.cut(),
                1 => link.silence(),
                _ => continue,
            }
            self.trace.say(|| format!("{client} vanishes for good"));
            client.disconnect();
            client.standing = Standing::Out;
        }
        self.pass(LONG).await?;
        self.gather().await?;
        self.pass(Duration::from_secs(1)).await?;
        if self.is_over() {
            return Ok(());
        }
        self.good_lines_are_up_to_date().await?;
        if self.is_over() {
            return Ok(());
        }
        let live: BTreeSet<_> = self.clients.iter().filter(|c| c.welcomed).map(|c| (c.member, c.point)).collect();
        self.ports.store.archive(|archive| must::invariant_no_ghosts_and_nobody_missing(archive, &live))
    }

    async fn the_actor_agrees_with_its_log(&mut self) -> Verdict {
        for _ in 0..5 {
            let read = self.process.sessions.read(session_id(), |state| (state.index(), on_the_wire(state)));
            let read = tokio::time::timeout(Duration::from_secs(5), read).await;
            let answered = matches!(read, Ok(Ok(_)));
            must::invariant_nothing_hangs("reads of the state", usize::from(!answered))?;
            let Ok(Ok((index, shown))) = read else { return Ok(()) };
            let agrees = self.ports.store.archive(|a| (a.state().index() == index).then(|| *a.shown() == shown));
            if let Some(agrees) = agrees {
                return must::ensure(agrees, "mirror_is_the_state", || format!("the actor shows {shown:?} at {index}, its log does not"));
            }
            // Something got into the log meanwhile.
            self.pass(Duration::from_millis(300)).await?;
        }
        must::ensure(false, "mirror_is_the_state", || "the actor is never where its log is".to_owned())
    }
}

/// Its line is dead, or nobody reads at its end.
fn is_bad(client: &Client) -> bool {
    client.link.as_ref().is_some_and(|link| link.is_stalled() || link.is_silent())
}
