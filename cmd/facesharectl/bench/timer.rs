//! A timer that wakes the event loop, exact to the microsecond: the timeout of a poll counts whole
//! milliseconds.

use anyhow::Result;
use mio::{Registry, Token};
use std::time::Duration;

#[cfg(target_os = "linux")]
mod platform {
    use super::{Duration, Registry, Result, Token};
    use mio::Interest;
    use mio::unix::SourceFd;
    use rustix::fd::{AsRawFd as _, OwnedFd};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// A kernel timer (timerfd), which is polled like a socket.
    pub(crate) struct TimerFd(OwnedFd);

    impl TimerFd {
        pub(crate) fn new(registry: &Registry, token: Token) -> Result<Self> {
            let timer = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// Fires once after `wait`; returns the timeout for the poll, which is longer.
        pub(crate) fn set(&self, wait: Duration) -> Result<Duration> {
            // Zero would disarm it.
            let wait = wait.max(Duration::from_nanos(1));
            let once = Timespec {
                tv_sec: i64::try_from(wait.as_secs())?,
                tv_nsec: i64::from(wait.subsec_nanos()),
            };
            let spec = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: once,
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
            Ok(wait + Duration::from_millis(5))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{Duration, Registry, Result, Token};

    /// Shortens the poll's timeout and polls without waiting in the last millisecond.
    pub(crate) struct PollTimer;

    impl PollTimer {
        #[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
        pub(crate) fn new(_registry: &Registry, _token: Token) -> Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Linux")]
        pub(crate) fn set(&self, wait: Duration) -> Result<Duration> {
            Ok(if wait < Duration::from_millis(1) {
                Duration::ZERO
            } else {
                wait - Duration::from_millis(1)
            })
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use platform::PollTimer as WakeTimer;
#[cfg(target_os = "linux")]
pub(super) use platform::TimerFd as WakeTimer;
