//! The full screen: draws after each event, key or second, and gives the terminal back however the program ends.

use crate::app::{App, Link};
use crate::describe::{Kind, Line};
use crate::effect::Effects;
use crate::enter::Entered;
use crate::signals::StopSignals;
use crate::{intent, text, ui};
use anyhow::{Result, anyhow, bail};
use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use entrance_client::{Closed, stream};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

/// Runs until the session is over for this client, then says why on the normal screen.
///
/// # Errors
/// When the terminal fails.
pub(crate) async fn run(entered: Entered) -> Result<ExitCode> {
    let mut signals = StopSignals::new()?;
    let mut screen = FullScreen::enter()?;
    let ended = session(&mut screen.terminal, &mut signals, entered).await;
    drop(screen);
    let closed = ended?;
    writeln!(std::io::stdout(), "{}", text::closed(&closed))?;
    Ok(if text::closed_well(&closed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Wakes the session when any task has panicked.
static PANICKED: Notify = Notify::const_new();
/// The panic hook has restored the terminal already; a second time would move the cursor over its message.
static RESTORED: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode on its other screen. Dropped, also while a panic unwinds, it is as it was before.
struct FullScreen {
    terminal: DefaultTerminal,
}

impl FullScreen {
    fn enter() -> Result<Self> {
        // Also installs a panic hook that restores the terminal, so that the message is seen.
        let terminal = ratatui::try_init()?;
        let restore_and_print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore_and_print(panic);
            RESTORED.store(true, Ordering::SeqCst);
            PANICKED.notify_one();
        }));
        Ok(Self { terminal })
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        // A terminal that is gone, as after SIGHUP, needs no restoring.
        let _ = self.terminal.show_cursor();
        if !RESTORED.load(Ordering::SeqCst) {
            let _ = ratatui::try_restore();
        }
    }
}

async fn session(
    terminal: &mut DefaultTerminal,
    signals: &mut StopSignals,
    entered: Entered,
) -> Result<Closed> {
    let Entered {
        api,
        session,
        number_code,
        read_only,
        settings,
    } = entered;
    let mut app = App::new(number_code, read_only);
    let (handle, mut events) = stream::open(settings);
    let mut effects = Effects::start(handle, api, session);
    let mut keys = EventStream::new();
    // The code's countdown runs without events.
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut told_to_stop = false;
    loop {
        terminal.draw(|frame| ui::draw(frame, &app, text::now_millis()))?;
        let wanted = tokio::select! {
            event = events.next() => app.hear(&event.ok_or_else(|| anyhow!("the connection ended without a reason"))?),
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
            // The first signal leaves the session, as `q` does; the second does not wait for the server.
            () = signals.next() => {
                if told_to_stop {
                    bail!("stopped");
                }
                told_to_stop = true;
                app.want(intent::Intent::Quit)
            }
            () = PANICKED.notified() => bail!("a part of the program failed; what it said is above"),
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

#[cfg(test)]
mod tests;
