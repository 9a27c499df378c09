//! The machine that the server starts on, and the warnings of the start: settings and properties of
//! the machine with which something will not work.

use crate::config::Config;
use faceshare_biz::domain::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;

/// 2024-01-01. The software did not exist before, so an earlier clock is wrong.
const EARLIEST: Timestamp = Timestamp::from_millis(1_704_067_200_000);
/// Each connection is a descriptor. With fewer than this, a class or two would use them up.
const DESCRIPTORS_MIN: u64 = 4_096;

/// Properties of the machine and of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    /// The limit of open files.
    pub(crate) descriptors: u64,
    pub(crate) now: Timestamp,
    /// The data directory, or its nearest existing parent, is on a file system in memory.
    pub(crate) data_in_memory: bool,
}

/// Raises the soft limit of descriptors to the hard one if the system allows it. Returns the limit
/// that is in force afterwards.
pub(crate) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where the system refuses this (macOS has another cap), the soft limit stays and is
        // returned.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                ..limit
            },
        );
    }
    descriptors()
}

/// The limit of descriptors that is in force.
pub(crate) fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many streams may be open with this limit of descriptors; each takes one. `reserved`
/// descriptors stay free for other uses, but at most half of all.
pub(crate) fn streams_within(descriptors: u64, reserved: usize) -> usize {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    descriptors - reserved.min(descriptors / 2)
}

/// Whether this directory, or its nearest existing parent, is on a file system in memory.
pub(crate) fn is_in_memory(dir: &Path) -> bool {
    // A relative path ends at the working directory.
    let here = Path::new(".");
    let existing = dir
        .ancestors()
        .map(|dir| {
            if dir.as_os_str().is_empty() {
                here
            } else {
                dir
            }
        })
        .find(|dir| dir.exists());
    existing.is_some_and(file_system_is_in_memory)
}

#[cfg(target_os = "linux")]
#[allow(
    clippy::useless_conversion,
    reason = "the field's type differs between architectures"
)]
fn file_system_is_in_memory(dir: &Path) -> bool {
    /// The magic numbers of tmpfs and ramfs.
    const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
    rustix::fs::statfs(dir).is_ok_and(|stat| IN_MEMORY.contains(&i64::from(stat.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn file_system_is_in_memory(_dir: &Path) -> bool {
    false
}

/// What will not work, each with what to do about it.
pub(crate) fn warnings(config: &Config, around: Surroundings) -> Vec<String> {
    let http = &config.http;
    let (listen, tls) = (http.listen, config.tls.files.is_some());
    let is_public = !listen.ip().is_loopback();
    let in_the_clear = is_public && !tls && http.trusted_proxies.is_empty();
    let behind_a_proxy = !tls
        && http
            .public_url
            .as_ref()
            .is_some_and(|url| url.starts_with("https://"));
    let mut warnings = Vec::new();
    let mut warn = |applies: bool, text: &dyn Fn() -> String| {
        if applies {
            warnings.push(text());
        }
    };
    warn(is_public && http.public_url.is_none(), &|| {
        format!(
            "http.listen is {listen}, which others can reach, and http.public_url is not set: links and websocketUrl cannot name a host that \
             a client came by, unless it is an address or in http.allowed_hosts; set http.public_url to the address that clients use"
        )
    });
    warn(in_the_clear && !behind_a_proxy, &|| {
        format!(
            "http.listen is {listen} without TLS: tokens, codes and passwords travel readable; set tls.cert and tls.key, or put a proxy with \
             TLS in front and name it in http.trusted_proxies"
        )
    });
    warn(behind_a_proxy && http.trusted_proxies.is_empty(), &|| {
        "http.public_url is https, TLS is off and http.trusted_proxies is empty: to limits per address all clients are one, the proxy; name \
         the proxy's address in http.trusted_proxies"
            .to_owned()
    });
    warn(
        in_the_clear && !behind_a_proxy && config.classic.enabled,
        &|| {
            "classic.enabled without TLS: passwords and cookies of the classic API can be read and used by others; set tls.cert and tls.key"
            .to_owned()
        },
    );
    warn(around.data_in_memory, &|| {
        format!(
            "data_dir {} is in memory (tmpfs): a restart of the machine loses everything; choose a directory on a disk",
            config.data_dir.display()
        )
    });
    warn(around.now < EARLIEST, &|| {
        "the clock is before 2024: tokens and deadlines go wrong once it is set; set the clock, then start again".to_owned()
    });
    warn(around.descriptors < DESCRIPTORS_MIN, &|| {
        format!(
            "the limit of open files is {}, and each connection is one: raise it to {DESCRIPTORS_MIN} or more (ulimit -n, LimitNOFILE= of \
             systemd, --ulimit nofile of docker)",
            around.descriptors
        )
    });
    warnings
}

#[cfg(test)]
mod tests {
    use super::{
        DESCRIPTORS_MIN, EARLIEST, Surroundings, is_in_memory, raise_descriptors, streams_within,
        warnings,
    };
    use crate::config::Config;
    use rustix::process::{Resource, getrlimit};
    use std::path::Path;

    const GOOD: Surroundings = Surroundings {
        descriptors: DESCRIPTORS_MIN,
        now: EARLIEST,
        data_in_memory: false,
    };

    fn config(listen: &str) -> Config {
        let mut config = Config::default();
        config.http.listen = listen.parse().expect("an address");
        config
    }

    /// The first three words of each warning.
    fn first_words(config: &Config, around: Surroundings) -> Vec<String> {
        warnings(config, around)
            .iter()
            .map(|text| {
                text.split_whitespace()
                    .take(3)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    #[test]
    fn the_defaults_cause_no_warning() {
        assert_eq!(warnings(&Config::default(), GOOD), Vec::<String>::new());
        assert_eq!(warnings(&config("[::1]:8080"), GOOD), Vec::<String>::new());
    }

    #[test]
    fn a_public_address_without_public_url_and_tls_causes_warnings() {
        let mut config = config("0.0.0.0:8080");
        assert_eq!(warnings(&config, GOOD).len(), 2);
        config.classic.enabled = true;
        assert_eq!(warnings(&config, GOOD).len(), 3);
        config.tls.files = Some(("cert".into(), "key".into()));
        assert_eq!(warnings(&config, GOOD).len(), 1);
        config.http.public_url = Some("https://meet.example.com".to_owned());
        assert_eq!(warnings(&config, GOOD), Vec::<String>::new());
    }

    #[test]
    fn a_proxy_that_is_not_named_causes_a_warning() {
        let mut config = config("0.0.0.0:8080");
        config.http.public_url = Some("https://meet.example.com".to_owned());
        assert_eq!(first_words(&config, GOOD), ["http.public_url is https,"]);
        config.http.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        assert_eq!(first_words(&config, GOOD), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_clock_few_descriptors_and_a_data_directory_in_memory_cause_warnings() {
        let now = faceshare_biz::domain::Timestamp::from_millis(0);
        let around = Surroundings {
            descriptors: 256,
            now,
            data_in_memory: true,
        };
        let all = warnings(&Config::default(), around);
        assert_eq!(all.len(), 3);
        assert!(
            all[1].contains("clock") && all[2].contains("256"),
            "{all:?}"
        );
    }

    #[test]
    fn the_soft_limit_of_descriptors_becomes_the_hard_one() {
        let raised = raise_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raised, limit.current.unwrap_or(u64::MAX));
    }

    #[test]
    fn streams_leave_the_reserved_descriptors_free_but_get_half_of_all() {
        for (descriptors, streams) in [(4_096, 3_072), (2_048, 1_024), (256, 128), (0, 0)] {
            assert_eq!(streams_within(descriptors, 1_024), streams);
        }
        assert_eq!(streams_within(u64::MAX, 1_024), usize::MAX - 1_024);
    }

    #[test]
    fn a_directory_is_in_memory_where_its_parent_is() {
        if Path::new("/dev/shm").exists() {
            assert!(is_in_memory(Path::new("/dev/shm/a/folder/to/be/made")));
        }
        assert!(!is_in_memory(Path::new("/proc/self")));
    }
}
