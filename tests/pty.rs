//! A pseudo-terminal that stands for the terminal emulator of a program.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{InputModes, LocalModes, OutputModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::DEADLINE;

/// A program that uses the whole screen switches to it with the first and back with the second.
const OTHER_SCREEN: (&str, &str) = ("\x1b[?1049h", "\x1b[?1049l");
/// The same for hiding the cursor.
const NO_CURSOR: (&str, &str) = ("\x1b[?25l", "\x1b[?25h");

/// The modes of a terminal.
pub type Modes = (InputModes, OutputModes, LocalModes);

/// A terminal of 100 by 30 characters, for one program.
#[derive(Debug)]
pub struct Pty {
    terminal: File,
    /// All output so far.
    output: watch::Receiver<String>,
}

impl Pty {
    /// Opens a pseudo-terminal and collects its output.
    ///
    /// # Panics
    /// When the system has none left.
    #[must_use]
    pub fn open() -> Self {
        let emulator = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&emulator).expect("granted");
        unlockpt(&emulator).expect("unlocked");
        let name = ptsname(&emulator, Vec::new()).expect("a name");
        let terminal = open(
            name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .expect("opens");
        tcsetwinsize(
            &terminal,
            Winsize {
                ws_row: 30,
                ws_col: 100,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .expect("resized");
        let (sender, output) = watch::channel(String::new());
        // The thread ends when the last program on the terminal has ended and this value is
        // dropped.
        std::thread::spawn(move || collect(File::from(emulator), &sender));
        Self {
            terminal: File::from(terminal),
            output,
        }
    }

    /// A descriptor for the standard input, output or error of a program.
    ///
    /// # Panics
    /// When the process has no descriptor left.
    #[must_use]
    pub fn stdio(&self) -> Stdio {
        self.terminal.try_clone().expect("a descriptor").into()
    }

    /// The current modes.
    ///
    /// # Panics
    /// When the terminal is closed.
    #[must_use]
    pub fn modes(&self) -> Modes {
        let now = tcgetattr(&self.terminal).expect("its modes");
        (now.input_modes, now.output_modes, now.local_modes)
    }

    /// Waits until the output meets a condition.
    ///
    /// # Panics
    /// When it does not before the deadline.
    pub async fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let mut output = self.output.clone();
        let waited = timeout(DEADLINE, output.wait_for(|output| wanted(output))).await;
        assert!(
            matches!(waited, Ok(Ok(_))),
            "{what} did not come; printed was {:?}",
            *self.output.borrow()
        );
    }

    /// Waits until a program has switched to the alternate screen.
    pub async fn until_taken(&self) {
        self.until("the full screen", |output| !is_undone(output, OTHER_SCREEN))
            .await;
    }

    /// Waits until the screen and the cursor are restored, and checks that the modes are `before`.
    ///
    /// # Panics
    /// When they are not.
    pub async fn is_as_before(&self, before: Modes) {
        self.until("the normal screen", |output| {
            is_undone(output, OTHER_SCREEN)
        })
        .await;
        self.until("the cursor", |output| is_undone(output, NO_CURSOR))
            .await;
        assert_eq!(self.modes(), before);
    }
}

/// Whether the last sequence `on` is followed by a sequence `off`.
fn is_undone(output: &str, (on, off): (&str, &str)) -> bool {
    output.rfind(on) <= output.rfind(off)
}

fn collect(mut emulator: File, output: &watch::Sender<String>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = emulator.read(&mut bytes) {
        output.send_modify(|output| output.push_str(&String::from_utf8_lossy(&bytes[..length])));
    }
}
