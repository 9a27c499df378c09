//! The screen: draws after each event, key or second, and gives the terminal back whatever happens.

use crate::app::{App, Link};
use crate::describe::{Kind, Line};
use crate::effect::Effects;
use crate::enter::Entered;
use crate::{intent, text, ui};
use anyhow::Result;
use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use entrance_client::{Closed, stream};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Runs until the session is over for this client, then says why on the normal screen.
///
/// # Errors
/// When the terminal fails.
pub(crate) async fn run(entered: Entered) -> Result<ExitCode> {
    // Also installs a panic hook that restores the terminal.
    let mut terminal = ratatui::try_init()?;
    let ended = session(&mut terminal, entered).await;
    ratatui::try_restore()?;
    let closed = ended?;
    writeln!(std::io::stdout(), "{}", text::closed(&closed))?;
    Ok(if text::closed_well(&closed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn session(terminal: &mut DefaultTerminal, entered: Entered) -> Result<Closed> {
    let Entered { api, session, number_code, read_only, settings } = entered;
    let mut app = App::new(number_code, read_only);
    let (handle, mut events) = stream::open(settings);
    let mut effects = Effects::start(handle, api, session);
    let mut keys = EventStream::new();
    // The code's countdown runs without events.
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        terminal.draw(|frame| ui::draw(frame, &app, text::now_millis()))?;
        let wanted = tokio::select! {
            Some(event) = events.next() => app.hear(&event),
            Some(outcome) = effects.outcomes.recv() => {
                app.learn(outcome);
                Vec::new()
            }
            key = keys.next() => match key {
                Some(Ok(TerminalEvent::Key(key))) if key.kind != KeyEventKind::Release => {
                    intent::from_key(key, app.confirming_end).map(|intent| app.want(intent)).unwrap_or_default()
                }
                Some(Ok(_)) => Vec::new(),
                Some(Err(error)) => return Err(error.into()),
                None => app.want(intent::Intent::Quit),
            },
            _ = seconds.tick() => Vec::new(),
        };
        if let Err(busy) = effects.perform(wanted) {
            app.note(Line::new(Kind::Trouble, busy));
        }
        if let Link::Closed(closed) = &app.link {
            return Ok(closed.clone());
        }
    }
}
