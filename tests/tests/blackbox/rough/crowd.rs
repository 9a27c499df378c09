//! Many travellers in one session.

use std::sync::Arc;

use faceshare_tests::Format;
use faceshare_tests::ledger::Ledger;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::traveller::Traveller;
use tokio::task::JoinSet;

/// How many come in at a time.
const AT_ONCE: usize = 8;

/// Lets members in until there are `members`, and connects them all, the formats mixed; the host is the first.
pub(super) async fn gather(
    meeting: &mut Meeting,
    members: usize,
    ledger: &Arc<Ledger>,
) -> Vec<Traveller> {
    let mut travellers = Vec::new();
    for first in (0..members).step_by(AT_ONCE) {
        // Let in and connected at once: a seat is kept for half a minute only.
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
            let mut traveller = Traveller::new(meeting, index, format, ledger);
            connecting.spawn(async move {
                traveller.connect().await;
                (index, traveller)
            });
        }
        let mut connected = all(connecting).await;
        connected.sort_by_key(|(index, _)| *index);
        travellers.extend(connected.into_iter().map(|(_, traveller)| traveller));
    }
    travellers
}

/// Waits for all; one that fails fails the test with its own words.
pub(super) async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut done = Vec::new();
    while let Some(result) = tasks.join_next().await {
        done.push(result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    done
}
