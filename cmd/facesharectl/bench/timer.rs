//! Wakes the event loop at a moment, to the microsecond: a poll's own time-out counts whole milliseconds.

use anyhow::Result;
use mio::{Registry, Token};
use std::time::Duration;

#[cfg(target_os = "linux")]
mod platform {
    use super::{Duration, Registry, Result, Token};
    use mio::Interest;
    use mio::unix::SourceFd;
    use rustix::fd::{AsRawFd as _, OwnedFd};
    use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};

    /// A timer of the kernel, which is polled like a socket.
    pub(crate) struct Alarm(OwnedFd);

    impl Alarm {
        pub(crate) fn new(registry: &Registry, token: Token) -> Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// Rings once after `wait`; gives what to poll with, which is longer.
        pub(crate) fn set(&self, wait: Duration) -> Result<Duration> {
            // Zero would stop it.
            let wait = wait.max(Duration::from_nanos(1));
            let once = Timespec { tv_sec: i64::try_from(wait.as_secs())?, tv_nsec: i64::from(wait.subsec_nanos()) };
            let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: once };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
            Ok(wait + Duration::from_millis(5))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{Duration, Registry, Result, Token};

    /// Polls the last millisecond away.
    pub(crate) struct Alarm;

    impl Alarm {
        #[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
        pub(crate) fn new(_registry: &Registry, _token: Token) -> Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Linux")]
        pub(crate) fn set(&self, wait: Duration) -> Result<Duration> {
            Ok(if wait < Duration::from_millis(1) { Duration::ZERO } else { wait - Duration::from_millis(1) })
        }
    }
}

pub(super) use platform::Alarm;
