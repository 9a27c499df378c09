//! The end of a history: faults stop, and everything that must eventually happen has to have
//! happened.

use crate::archive::{Archive, wire_snapshot};
use crate::client::{Client, SeatState};
use crate::invariants::{self as must, Verdict};
use crate::ports::session_id;
use crate::store::StoreMode;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longer than the debounce, heartbeat timeout and grace in sequence.
const ALL_TIMEOUTS: Duration = Duration::from_secs(13);

impl World {
    pub(crate) async fn final_phase(&mut self) -> Verdict {
        self.trace
            .log(|| "the final phase: the store is healthy and connections work".to_owned());
        self.ports.store.set_mode(StoreMode::Healthy);
        self.working_connections_continue_beside_broken_ones()
            .await?;
        self.all_clients_read_again().await?;
        self.everything_is_answered()?;
        self.newest_positions_arrive().await?;
        self.some_disconnect_and_the_rest_stay().await?;
        self.the_actor_agrees_with_its_log().await?;
        let Self { titles, ports, .. } = self;
        for title in titles.iter() {
            ports
                .store
                .archive(|archive| must::invariant_done_is_in_the_log_once(archive, title))?;
        }
        self.restart().await
    }

    /// Connects all clients that have a seat, until they are connected.
    async fn connect_all(&mut self) -> Verdict {
        for _ in 0..12 {
            let absent: Vec<usize> = (0..self.clients.len())
                .filter(|i| {
                    self.clients[*i].link.is_none() && self.clients[*i].seat == SeatState::Seated
                })
                .collect();
            if absent.is_empty()
                && self
                    .clients
                    .iter()
                    .all(|c| c.link.is_none() || c.welcomed || is_broken(c))
            {
                return Ok(());
            }
            for index in absent {
                self.connect(index);
            }
            self.pass(Duration::from_millis(700)).await?;
        }
        Ok(())
    }

    fn is_ended(&self) -> bool {
        self.ports
            .store
            .archive(|archive| archive.state().is_ended())
    }

    /// Clients that do not read and silent connections stay as they are for now: they must not
    /// delay the others.
    async fn working_connections_continue_beside_broken_ones(&mut self) -> Verdict {
        self.connect_all().await?;
        self.pass(Duration::from_millis(1_500)).await?;
        self.working_connections_are_up_to_date().await
    }

    /// After a moment all working connections have received what is in the log now.
    async fn working_connections_are_up_to_date(&mut self) -> Verdict {
        let head = |archive: &mut Archive| {
            (
                archive.state().epoch().as_str().to_owned(),
                archive.state().seq().get(),
            )
        };
        let (epoch, seq) = self.ports.store.archive(head);
        self.pass(Duration::from_millis(500)).await?;
        if self.ports.store.archive(head).0 != epoch {
            return Ok(());
        }
        let mut good = self
            .clients
            .iter()
            .filter(|c| c.link.is_some() && !is_broken(c) && c.welcomed);
        good.try_for_each(|client| {
            must::invariant_working_connections_are_up_to_date(client, &epoch, seq)
        })
    }

    async fn all_clients_read_again(&mut self) -> Verdict {
        for client in &mut self.clients {
            if let Some(link) = &client.link {
                link.set_stalled(false);
                if link.is_silent() {
                    client.disconnect();
                }
            }
        }
        self.pass(Duration::from_secs(2)).await?;
        self.connect_all().await?;
        self.pass(Duration::from_secs(1)).await?;
        self.connect_all().await?;
        self.pass(Duration::from_secs(1)).await?;
        if self.is_ended() {
            self.pass(Duration::from_secs(5)).await?;
            self.connect_all().await?;
            self.pass(Duration::from_secs(1)).await?;
            let listening = self.clients.iter().filter(|c| c.link.is_some()).count();
            return must::invariant_nothing_hangs(
                "connections to a session that has ended",
                listening,
            );
        }
        self.working_connections_are_up_to_date().await
    }

    fn everything_is_answered(&self) -> Verdict {
        must::invariant_nothing_hangs("calls", self.calls.len())?;
        let waiting = |archive: &mut Archive| {
            if archive.state().is_ended() {
                0
            } else {
                archive.state().waiting().count()
            }
        };
        must::invariant_nothing_hangs(
            "join requests that have expired",
            self.ports.store.archive(waiting),
        )?;
        let open = self
            .clients
            .iter()
            .filter(|c| c.welcomed)
            .map(Client::unanswered_count)
            .sum();
        must::invariant_nothing_hangs("instructions", open)
    }

    async fn newest_positions_arrive(&mut self) -> Verdict {
        let mut newest = BTreeMap::new();
        for round in 0..3 {
            for index in 0..self.clients.len() {
                let value = self.number();
                let client = &mut self.clients[index];
                if client.welcomed && client.point % 100 == 1 {
                    client.update_position("view", value);
                    newest.insert(client.member, value);
                }
            }
            self.pass(Duration::from_millis(if round == 2 { 1_500 } else { 20 }))
                .await?;
        }
        for client in self.clients.iter().filter(|c| c.welcomed) {
            let root = client.mirror.as_ref().map_or(0, |m| m.root(client.member));
            let sender_is_here = self
                .clients
                .iter()
                .any(|c| c.member == root && c.point % 100 == 1 && c.welcomed);
            if let (Some(value), true) = (newest.get(&root), sender_is_here) {
                must::invariant_newest_position_arrives(client, root, "view", *value)?;
            }
        }
        Ok(())
    }

    async fn some_disconnect_and_the_rest_stay(&mut self) -> Verdict {
        for index in 0..self.clients.len() {
            let way = self.random.below(5);
            let client = &mut self.clients[index];
            let Some(link) = client.link.clone() else {
                continue;
            };
            match way {
                0 => link.cut(),
                1 => link.silence(),
                _ => continue,
            }
            self.trace.log(|| format!("{client} disconnects for good"));
            client.disconnect();
            client.seat = SeatState::Out;
        }
        self.pass(ALL_TIMEOUTS).await?;
        self.connect_all().await?;
        self.pass(Duration::from_secs(1)).await?;
        if self.is_ended() {
            return Ok(());
        }
        self.working_connections_are_up_to_date().await?;
        if self.is_ended() {
            return Ok(());
        }
        let live: BTreeSet<_> = self
            .clients
            .iter()
            .filter(|c| c.welcomed)
            .map(|c| (c.member, c.point))
            .collect();
        self.ports.store.archive(|archive| {
            must::invariant_exactly_the_connected_points_are_listed(archive, &live)
        })
    }

    async fn the_actor_agrees_with_its_log(&mut self) -> Verdict {
        for _ in 0..5 {
            let read = self
                .process
                .sessions
                .read(session_id(), |state| (state.index(), wire_snapshot(state)));
            let read = tokio::time::timeout(Duration::from_secs(5), read).await;
            let answered = matches!(read, Ok(Ok(_)));
            must::invariant_nothing_hangs("reads of the state", usize::from(!answered))?;
            let Ok(Ok((index, snapshot))) = read else {
                return Ok(());
            };
            let agrees = self
                .ports
                .store
                .archive(|a| (a.state().index() == index).then(|| *a.snapshot() == snapshot));
            if let Some(agrees) = agrees {
                return must::ensure(agrees, "mirror_is_the_state", || {
                    format!("the actor shows {snapshot:?} at {index}, its log does not")
                });
            }
            // An entry was committed meanwhile.
            self.pass(Duration::from_millis(300)).await?;
        }
        must::ensure(false, "mirror_is_the_state", || {
            "the actor is never where its log is".to_owned()
        })
    }
}

/// Whether its connection is silent or it does not read.
fn is_broken(client: &Client) -> bool {
    client
        .link
        .as_ref()
        .is_some_and(|link| link.is_stalled() || link.is_silent())
}
