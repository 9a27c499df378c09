//! Processor time and memory of a process, from `/proc`.

use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use std::time::Duration;

/// A process on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process(u32);

impl Process {
    pub(super) const fn new(pid: u32) -> Self {
        Self(pid)
    }

    pub(super) fn own() -> Self {
        Self(std::process::id())
    }

    /// The process that listens on this address, if it is on this machine and of this user.
    pub(super) fn listening_on(address: SocketAddr) -> Option<Self> {
        let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
            .into_iter()
            .find_map(|table| {
                let table = std::fs::read_to_string(table).ok()?;
                listener(&table, address.port())
            })?;
        let wanted = format!("socket:[{inode}]");
        let pids = std::fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.into_iter().find(|pid| holds(*pid, &wanted)).map(Self)
    }

    /// User and system time of all its threads, including those that have ended.
    pub(super) fn cpu(self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.0);
        let stat = std::fs::read_to_string(&path).with_context(|| path)?;
        let ticks = ticks(&stat).context("cannot read the processor time of the server")?;
        Ok(Duration::from_secs(1).mul_f64(ticks)
            / u32::try_from(rustix::param::clock_ticks_per_second())?)
    }

    /// Resident memory in KiB.
    pub(super) fn resident(self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.0);
        let status = format!("/proc/{}/status", self.0);
        // The counters in `status` lag by some pages for each thread; the roll-up is exact, where
        // it may be read.
        let text = std::fs::read_to_string(path)
            .or_else(|_| std::fs::read_to_string(&status))
            .context(status)?;
        resident(&text).context("cannot read the memory of the server")
    }
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files.flatten().any(|file| {
        std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket)
    })
}

/// The inode of the socket that listens on this port.
fn listener(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (_, local_port) = columns.next()?.rsplit_once(':')?;
        let state = columns.nth(1)?;
        (state == "0A" && u16::from_str_radix(local_port, 16).ok()? == port)
            .then(|| columns.nth(5)?.parse().ok())
            .flatten()
    })
}

/// utime + stime. The process name before them may contain any character; it ends with the last
/// parenthesis.
fn ticks(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn resident(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| {
        line.strip_prefix("Rss:")
            .or_else(|| line.strip_prefix("VmRSS:"))
    })?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{listener, resident, ticks};

    #[test]
    fn proc_files_are_parsed() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n   \
                     1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n";
        assert_eq!(listener(table, 8080), Some(4711));
        assert_eq!(listener(table, 8081), None, "connected, not listening");
        assert_eq!(
            ticks("12 (a) b) S 1 1 1 0 -1 0 1 2 3 4 250 50 0 0 20 0"),
            Some(300.0)
        );
        assert_eq!(
            resident("7f-ff ---p [rollup]\nRss:    11716 kB\nPss: 1 kB\n"),
            Some(11_716)
        );
        assert_eq!(resident("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2_048));
    }
}
