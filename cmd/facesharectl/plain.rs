//! The line mode for scripts and pipes: one readable line per event (or one JSON line per frame),
//! and commands from stdin.

use crate::app::{App, ConnectionState};
use crate::describe::{Kind, LogLine, describe};
use crate::effect::{Effects, Outcome};
use crate::enter::Entered;
use crate::intent::{self, Intent};
use crate::text;
use anyhow::Result;
use entrance_client::{Event, stream};
use faceshare_api::v1::ServerFrame;
use faceshare_api::v1::server_frame::Instruction;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

/// Capacity of the queue of commands. The reading thread blocks when it is full.
const COMMANDS: usize = 8;

/// Runs until this client's connection is closed for good.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) async fn run(entered: Entered, json: bool) -> Result<ExitCode> {
    let Entered {
        api,
        session,
        number_code,
        read_only,
        settings,
    } = entered;
    let mut screen = Screen {
        app: App::new(number_code, read_only),
        json,
        printed: 0,
        last_place: None,
    };
    screen.code()?;
    let (handle, mut events) = stream::open(settings);
    let mut effects = Effects::start(handle, api, session);
    let mut commands = read_commands();
    loop {
        let wanted = tokio::select! {
            event = events.next() => match event {
                Some(event) => screen.event(&event)?,
                None => break,
            },
            outcome = effects.outcomes.recv() => {
                if let Some(outcome) = outcome {
                    screen.outcome(outcome)?;
                }
                Vec::new()
            }
            // Commands name members, which are not known before the first snapshot.
            Some(command) = commands.recv(), if screen.app.view.me != 0 => screen.command(&command)?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                screen.app.on_intent(Intent::Quit)
            }
        };
        if let Err(busy) = effects.perform(wanted) {
            screen.warn(&busy)?;
        }
        if let ConnectionState::Closed(closed) = &screen.app.link {
            return Ok(if text::closed_well(closed) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Starts a thread that reads stdin, because a blocking read cannot be interrupted. The thread ends
/// with the process. The end of stdin does not end the client.
fn read_commands() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(COMMANDS);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let line = line.trim().to_owned();
            let seconds = line
                .strip_prefix("sleep ")
                .and_then(|seconds| seconds.trim().parse().ok());
            match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
                Some(pause) => std::thread::sleep(pause),
                None if line.is_empty() => {}
                None if sender.blocking_send(line).is_err() => return,
                None => {}
            }
        }
    });
    receiver
}

struct Screen {
    app: App,
    json: bool,
    /// How many lines of the log are printed.
    printed: usize,
    last_place: Option<String>,
}

impl Screen {
    fn event(&mut self, event: &Event) -> Result<Vec<crate::effect::Effect>> {
        let place = match event {
            Event::Frame(frame) => {
                describe(frame, &self.app.view).filter(|line| line.kind == Kind::Position)
            }
            _ => None,
        };
        self.app.log.clear();
        self.printed = 0;
        let wanted = self.app.on_event(event);
        match event {
            Event::Welcome { at, welcome } if self.json => {
                let instruction = Some(Instruction::Welcome((**welcome).clone()));
                self.frame(&ServerFrame {
                    seq: 0,
                    at: *at,
                    from: 0,
                    instruction,
                })?;
            }
            Event::Frame(frame) if self.json => self.frame(frame)?,
            // A printed line cannot be updated: print the first attempt, and after the last one
            // their number.
            Event::Reconnecting { attempt, .. } if *attempt > 1 => {}
            Event::Welcome { .. } => {
                self.flush()?;
                self.who()?;
            }
            _ => self.flush()?,
        }
        if let Some(line) =
            place.filter(|line| !self.json && self.last_place.as_deref() != Some(&line.text))
        {
            self.print(&line)?;
            self.last_place = Some(line.text);
        }
        Ok(wanted)
    }

    fn outcome(&mut self, outcome: Outcome) -> Result<()> {
        let code_before = self.app.number_code.as_ref().map(|code| code.code.clone());
        self.app.on_outcome(outcome);
        self.flush()?;
        if self.app.number_code.as_ref().map(|code| code.code.clone()) != code_before {
            self.code()?;
        }
        Ok(())
    }

    fn command(&mut self, command: &str) -> Result<Vec<crate::effect::Effect>> {
        match command {
            "help" => {
                self.warn(intent::LINE_HELP)?;
                if self.app.is_host() {
                    self.warn(intent::HOST_LINE_HELP)?;
                }
            }
            "who" => self.who()?,
            _ => match intent::from_line(command, &self.app.view) {
                // A script needs no confirmation.
                Ok(Intent::End) => return Ok(self.app.on_intent(Intent::Confirm(true))),
                Ok(intent) => {
                    let wanted = self.app.on_intent(intent);
                    self.flush()?;
                    return Ok(wanted);
                }
                Err(why) => self.warn(&why)?,
            },
        }
        Ok(Vec::new())
    }

    fn code(&self) -> Result<()> {
        match &self.app.number_code {
            Some(code) if self.json => Ok(writeln!(
                std::io::stdout(),
                "{}",
                serde_json::json!({ "numberCode": code })
            )?),
            Some(code) => {
                let left = text::time_left(code.expires_at, text::now_millis());
                self.print(&LogLine::new(
                    Kind::Session,
                    format!("number code {} ({left} left)", text::grouped(&code.code)),
                ))
            }
            None => Ok(()),
        }
    }

    fn who(&self) -> Result<()> {
        for member in self.app.view.roster() {
            let online = if member.online { "online" } else { "away" };
            let edge = member.follow.map_or_else(String::new, |edge| {
                format!("; {}", crate::describe::edge_text(&self.app.view, &edge))
            });
            let line = format!(
                "{} [{}] {} {online}{edge}",
                member.nickname,
                member.member_id,
                text::role(member.role)
            );
            self.print(&LogLine::new(Kind::Session, line))?;
        }
        for knock in self.app.view.knocks.values() {
            let line = format!("{} [{}] at the door", knock.nickname, knock.knock_id);
            self.print(&LogLine::new(Kind::Session, line))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let lines: Vec<LogLine> = self.app.log.iter().skip(self.printed).cloned().collect();
        self.printed = self.app.log.len();
        lines.iter().try_for_each(|line| self.print(line))
    }

    fn warn(&self, text: &str) -> Result<()> {
        self.print(&LogLine::new(Kind::Warning, text))
    }

    /// With `--json` stdout gets only JSON lines; other lines go to stderr.
    fn print(&self, line: &LogLine) -> Result<()> {
        if self.json {
            writeln!(std::io::stderr(), "{}", line.text)?;
        } else {
            writeln!(std::io::stdout(), "{}", line.text)?;
        }
        Ok(())
    }

    fn frame(&self, frame: &ServerFrame) -> Result<()> {
        Ok(writeln!(
            std::io::stdout(),
            "{}",
            serde_json::to_string(frame)?
        )?)
    }
}
