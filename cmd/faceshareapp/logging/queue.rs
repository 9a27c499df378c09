//! A bounded queue of log lines for stderr or a file, and the thread that writes them.
//!
//! Logging never waits for the reader of the log. A pipe without a reader, a stopped terminal or a
//! slow disk fills the queue. Then lines are dropped and counted
//! (`faceshare_log_lines_dropped_total`), and the log says how many once there is room.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Maximum bytes of queued lines. The thread holds up to as much again while it writes.
const QUEUE_BYTES: usize = 1 << 20;
/// How long the end of the process waits until the queued lines are written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before the next attempt to write to a full non-blocking descriptor.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Takes lines and never blocks for longer than a copy. A clone is cheap and shares the queue.
#[derive(Debug, Clone)]
pub(super) struct LineQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `stderr` or `file`: the label of the counter of dropped lines.
    output: &'static str,
    waiting: Mutex<LineBuffer>,
    /// Signalled when there is something to write, or the queue has closed.
    filled: Condvar,
    /// Signalled when the thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct LineBuffer {
    /// Whole lines.
    lines: Vec<u8>,
    /// Lines dropped since the last report.
    dropped: u64,
    closed: bool,
    ended: bool,
}

/// Keeps the thread alive. Dropping it writes the queued lines, for at most a second.
#[must_use = "lines are written for as long as this lives"]
#[derive(Debug)]
pub(super) struct QueueGuard(LineQueue);

impl LineQueue {
    /// Starts the thread that writes to `out`. The thread calls `report` with the number of dropped
    /// lines once there is room again.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub(super) fn start(
        output: &'static str,
        out: impl io::Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, QueueGuard)> {
        let (filled, ended) = (Condvar::new(), Condvar::new());
        let queue = Self(Arc::new(Shared {
            output,
            waiting: Mutex::default(),
            filled,
            ended,
        }));
        let writer = queue.clone();
        thread::Builder::new()
            .name(format!("log-{output}"))
            .spawn(move || writer.write_out(out, report))?;
        Ok((queue.clone(), QueueGuard(queue)))
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.ended || waiting.lines.len() + line.len() > QUEUE_BYTES {
            waiting.dropped += 1;
            drop(waiting);
            self.count_dropped(1);
            return;
        }
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        self.0.filled.notify_one();
    }

    /// Writes until the queue is closed and empty.
    fn write_out(&self, mut out: impl io::Write, report: impl Fn(u64)) {
        let mut lines = Vec::new();
        while let Some(dropped) = self.take(&mut lines) {
            let unwritten = write_all(&mut out, &lines);
            if unwritten > 0 {
                self.lock().dropped += dropped + unwritten;
                self.count_dropped(unwritten);
            } else if dropped > 0 {
                report(dropped);
            }
            lines.clear();
        }
        self.lock().ended = true;
        self.0.ended.notify_all();
    }

    /// Waits for lines and takes all of them. Returns the number of lines that were dropped since
    /// the last report, or `None` when the queue is closed and empty.
    fn take(&self, lines: &mut Vec<u8>) -> Option<u64> {
        let nothing = |waiting: &mut LineBuffer| waiting.lines.is_empty() && !waiting.closed;
        let mut waiting = self
            .0
            .filled
            .wait_while(self.lock(), nothing)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.is_empty() {
            return None;
        }
        std::mem::swap(&mut waiting.lines, lines);
        Some(std::mem::take(&mut waiting.dropped))
    }

    fn count_dropped(&self, lines: u64) {
        metrics::counter!("log_lines_dropped_total", "output" => self.0.output).increment(lines);
    }

    fn lock(&self) -> MutexGuard<'_, LineBuffer> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of lines that could not be written.
fn write_all(out: &mut impl io::Write, mut lines: &[u8]) -> u64 {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(0) => break,
            Ok(written) => lines = &lines[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(_) => break,
        }
    }
    let _ = out.flush();
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        let queue = &self.0;
        let mut waiting = queue.lock();
        waiting.closed = true;
        queue.0.filled.notify_all();
        let unfinished = |waiting: &mut LineBuffer| !waiting.ended;
        drop(
            queue
                .0
                .ended
                .wait_timeout_while(waiting, CLOSE_TIMEOUT, unfinished),
        );
    }
}

impl<'q> MakeWriter<'q> for LineQueue {
    type Writer = &'q Self;

    fn make_writer(&'q self) -> &'q Self {
        self
    }
}

/// The formatter writes each line as a whole.
impl io::Write for &LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LineQueue, QUEUE_BYTES};
    use std::io::{self, Write as _};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// An output that takes a write only when the test allows it.
    struct Gate {
        begun: Sender<()>,
        allowed: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl io::Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            // Once the test has let go of its end, every write is allowed.
            let _ = self.allowed.recv();
            self.written.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that fails `failures` times and takes everything after that.
    struct Broken {
        failures: usize,
    }

    impl io::Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.failures == 0 {
                return Ok(bytes.len());
            }
            self.failures -= 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_output_does_not_block_and_dropped_lines_are_reported() {
        let ((begun, begins), (allow, allowed), (report, reported)) =
            (channel(), channel(), channel());
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let gate = Gate {
            begun,
            allowed,
            written: Arc::clone(&written),
        };
        let (queue, guard) = LineQueue::start("test", gate, move |dropped| {
            report.send(dropped).expect("the test waits")
        })
        .expect("a thread");

        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        (&queue).write_all(&line).expect("queued");
        begins
            .recv_timeout(DEADLINE)
            .expect("the thread is at the output");
        let (queued, lost) = (QUEUE_BYTES / line.len(), 7);
        for _ in 0..queued + lost {
            (&queue).write_all(&line).expect("queued or dropped");
        }
        drop(allow);
        assert_eq!(reported.recv_timeout(DEADLINE), Ok(7));
        drop(guard);
        assert_eq!(
            written.lock().expect("no writer panics").len(),
            (queued + 1) * line.len()
        );
    }

    #[test]
    fn dropping_the_guard_does_not_wait_for_a_stalled_output() {
        let ((begun, begins), (_allow, allowed)) = (channel(), channel());
        let gate = Gate {
            begun,
            allowed,
            written: Arc::default(),
        };
        let (queue, guard) = LineQueue::start("test", gate, |_| {}).expect("a thread");
        (&queue).write_all(b"a line\n").expect("queued");
        begins
            .recv_timeout(DEADLINE)
            .expect("the thread is at the output");
        let (done, ended) = channel();
        std::thread::spawn(move || {
            drop(guard);
            let _ = done.send(());
        });
        ended.recv_timeout(DEADLINE).expect("it ends");
    }

    #[test]
    fn lines_that_cannot_be_written_are_reported_once_others_can() {
        let (report, reported) = channel();
        let (queue, _guard) = LineQueue::start("test", Broken { failures: 2 }, move |dropped| {
            report.send(dropped).expect("the test waits")
        })
        .expect("a thread");
        let mut lost = 0;
        // Lines that are written together fail together: how many fail depends on the threads, that
        // all are reported does not.
        while lost == 0 {
            (&queue).write_all(b"a line\n").expect("queued");
            lost = reported
                .recv_timeout(Duration::from_millis(10))
                .unwrap_or_default();
        }
        assert!(lost >= 2, "{lost}");
    }
}
