//! The full-screen mode. It draws after each event, key and second, and restores the terminal
//! however the program ends.

use crate::app::{App, ConnectionState};
use crate::describe::{Kind, LogLine};
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

/// Runs until this client's connection is closed for good, then prints why on the normal screen.
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
/// Whether the panic hook has restored the terminal. A second restore would move the cursor over
/// the panic message.
static RESTORED: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode on its alternate screen. Dropping it restores the terminal, also while
/// a panic unwinds.
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
        // After SIGHUP the terminal is gone; ignore the error.
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
    // Redraw each second, because the code's countdown runs without events.
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stopping = false;
    loop {
        terminal.draw(|frame| ui::draw(frame, &app, text::now_millis()))?;
        let wanted = tokio::select! {
            event = events.next() => app.on_event(&event.ok_or_else(|| anyhow!("the connection ended without a reason"))?),
            Some(outcome) = effects.outcomes.recv() => {
                app.on_outcome(outcome);
                Vec::new()
            }
            key = keys.next() => match key {
                Some(Ok(TerminalEvent::Key(key))) if key.kind != KeyEventKind::Release => {
                    intent::from_key(key, app.confirming_end).map(|intent| app.on_intent(intent)).unwrap_or_default()
                }
                Some(Ok(_)) => Vec::new(),
                Some(Err(error)) => return Err(error.into()),
                None => app.on_intent(intent::Intent::Quit),
            },
            // The first signal leaves the session, as `q` does. The second does not wait for the
            // server.
            () = signals.next() => {
                if stopping {
                    bail!("stopped");
                }
                stopping = true;
                app.on_intent(intent::Intent::Quit)
            }
            () = PANICKED.notified() => bail!("the program panicked; its message is above"),
            _ = seconds.tick() => Vec::new(),
        };
        if let Err(busy) = effects.perform(wanted) {
            app.note(LogLine::new(Kind::Warning, busy));
        }
        if let ConnectionState::Closed(closed) = &app.link {
            return Ok(closed.clone());
        }
    }
}

#[cfg(test)]
mod tests;
