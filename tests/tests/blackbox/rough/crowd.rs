//! Joins many clients to one session.

use std::sync::Arc;

use faceshare_tests::Format;
use faceshare_tests::event_log::EventLog;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::reconnecting::ReconnectingClient;
use tokio::task::JoinSet;

/// How many members join and connect at a time.
const AT_ONCE: usize = 8;

/// Adds members until there are `members`, and connects all of them, half of them with each format.
/// The first is the host.
pub(super) async fn join_and_connect(
    meeting: &mut Meeting,
    members: usize,
    event_log: &Arc<EventLog>,
) -> Vec<ReconnectingClient> {
    let mut clients = Vec::new();
    for first in (0..members).step_by(AT_ONCE) {
        // Connect soon after joining, because a seat is kept for half a minute only.
        let indices: Vec<_> = (first..members.min(first + AT_ONCE)).collect();
        for index in indices.iter().filter(|index| **index > 0) {
            meeting.admit(&format!("member {index}")).await;
        }
        let mut connecting = JoinSet::new();
        for index in indices {
            let format = if index % 2 == 0 {
                Format::Proto
            } else {
                Format::Json
            };
            let mut client = ReconnectingClient::new(meeting, index, format, event_log);
            connecting.spawn(async move {
                client.connect().await;
                (index, client)
            });
        }
        let mut connected = all(connecting).await;
        connected.sort_by_key(|(index, _)| *index);
        clients.extend(connected.into_iter().map(|(_, client)| client));
    }
    clients
}

/// Waits for all tasks. A panic of a task fails the test with its message.
pub(super) async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut done = Vec::new();
    while let Some(result) = tasks.join_next().await {
        done.push(result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    done
}
