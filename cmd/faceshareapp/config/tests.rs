//! Loading the configuration from files and environments.

use std::{ffi::OsString, fs};

use pasetotoken::KeyRing;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

/// The shipped file, which documents every key and which `serve` reads in a checkout.
const DOCUMENTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conf/app.toml");

/// Loads with a file of this name and text, if any, and these variables alone.
fn load(file: Option<(&str, &str)>, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let dir = TempDir::new().expect("a directory");
    let path = file.map(|(name, text)| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("the file is written");
        path
    });
    Config::load_from(
        path.as_deref(),
        variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

fn loaded(file: Option<(&str, &str)>, variables: &[(&str, &str)]) -> Loaded {
    load(file, variables).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(file: Option<(&str, &str)>, variables: &[(&str, &str)]) -> String {
    load(file, variables)
        .map(|loaded| loaded.report.to_string())
        .expect_err("the configuration is wrong")
        .to_string()
}

/// The line of `check-config` for `key` of `section`.
fn line(loaded: &Loaded, section: &str, key: &str) -> String {
    let text = loaded.report.to_string();
    let section = text
        .split("\n[")
        .find(|part| part.starts_with(&format!("{section}]")))
        .expect("the section");
    section
        .lines()
        .find(|line| line.starts_with(&format!("{key} = ")))
        .expect("the key")
        .to_owned()
}

#[test]
fn the_defaults_are_valid() {
    let loaded = loaded(None, &[]);
    assert_eq!(loaded.config.http.listen.to_string(), "127.0.0.1:8080");
    assert!(
        !loaded.report.to_string().contains('#'),
        "a default has no origin:\n{}",
        loaded.report
    );
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = Some((
        "app.toml",
        "[http]\nlisten = \"127.0.0.1:1\"\nallowed_hosts = [\"a.example\"]\n[limits]\ntitle = 50",
    ));
    let variables = [("FACESHARE__HTTP__LISTEN", "127.0.0.1:2")];
    for (file, variables, listen) in [
        (None, &[][..], "127.0.0.1:8080"),
        (file, &[], "127.0.0.1:1"),
        (file, &variables, "127.0.0.1:2"),
    ] {
        assert_eq!(
            loaded(file, variables).config.http.listen.to_string(),
            listen
        );
    }
    let both = loaded(file, &variables).config;
    assert_eq!(
        both.http.allowed_hosts,
        ["a.example"],
        "a key that only the file has stays"
    );
    assert_eq!((both.limits.title, both.limits.nickname), (50, 32));
}

#[test]
fn the_format_of_the_file_follows_from_its_extension() {
    for (name, text) in [
        (
            "a.toml",
            "data_dir = \"d\"\n[member]\ngrace = \"40s\"\n[http]\ncors_origins = [\"https://a.example\"]",
        ),
        (
            "a.yaml",
            "data_dir: d\nmember:\n  grace: 40s\nhttp:\n  cors_origins: [\"https://a.example\"]\nlimits:\n",
        ),
        (
            "a.yml",
            "data_dir: d\nmember: {grace: 40s}\nhttp: {cors_origins: ['https://a.example']}",
        ),
        (
            "a.json",
            r#"{"data_dir": "d", "member": {"grace": "40s"}, "http": {"cors_origins": ["https://a.example"]}}"#,
        ),
    ] {
        let config = loaded(Some((name, text)), &[]).config;
        assert_eq!(config.data_dir, Path::new("d"), "{name}");
        assert_eq!(config.member.grace, Duration::from_secs(40), "{name}");
        assert_eq!(config.http.cors_origins, ["https://a.example"], "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let missing = Config::load_from(Some(Path::new("/nonexistent/app.toml")), [])
        .expect_err("it is missing")
        .to_string();
    assert!(missing.contains("/nonexistent/app.toml"), "{missing}");
    let format = refusal(Some(("app.ini", "")), &[]);
    assert!(
        format.contains("app.ini") && format.contains(".toml, .yaml, .yml or .json"),
        "{format}"
    );
}

#[test]
fn a_parse_error_says_where_and_does_not_quote_the_line() {
    for (name, text) in [
        ("a.toml", "\n[auth]\nkeys = [\"k1:topsecret\n"),
        ("a.yaml", "auth:\n  keys: [\"k1:topsecret\n"),
        ("a.json", "{\"auth\": {\"keys\": [\"k1:topsecret\n"),
    ] {
        let error = refusal(Some((name, text)), &[]);
        assert!(error.contains(name) && error.contains("line"), "{error}");
        assert!(!error.contains("topsecret"), "{error}");
    }
}

#[test]
fn the_environment_sets_every_kind_of_value() {
    let config = loaded(
        None,
        &[
            ("FACESHARE__DATA_DIR", "123"),
            ("FACESHARE__HTTP__ALLOWED_HOSTS", "a.example, B.example"),
            ("FACESHARE__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1"),
            ("FACESHARE__HTTP__CORS_ORIGINS", ""),
            ("FACESHARE__AUTH__GUESTS", "false"),
            ("FACESHARE__LIMITS__TITLE", "60"),
            ("FACESHARE__NUMBER_CODE__REFUSAL_TIME", "0ms"),
            ("FACESHARE__LOG__FORMAT", "json"),
            ("FACESHARE__CLASSIC__ENABLED", "false"),
            ("FACESHARE__REDIS__URL", ""),
            ("FACESHARE_SERVICE_HOST", "not ours: one underscore"),
        ],
    )
    .config;
    assert_eq!(
        config.data_dir,
        Path::new("123"),
        "a string that looks like a number stays one"
    );
    assert_eq!(config.http.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(
        config
            .http
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.1/32"]
    );
    assert!(config.http.cors_origins.is_empty() && !config.auth.guests);
    assert_eq!(
        (config.limits.title, config.number_code.refusal_time),
        (60, Duration::ZERO)
    );
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn unknown_keys_are_named_with_their_path_and_what_is_allowed_there() {
    let allowed_http = "allowed here: allowed_hosts, cors_origins, listen, ops_listen, public_url, trusted_proxies";
    for (file, variables, expected) in [
        (
            "[http]\nlisen = \"x\"",
            &[][..],
            vec!["http.lisen: unknown key", allowed_http, "app.toml"],
        ),
        (
            "[htp]\nlisten = \"x\"",
            &[],
            vec!["htp: unknown key", "heartbeat, http,"],
        ),
        (
            "datadir = \"x\"",
            &[],
            vec!["datadir: unknown key", "data_dir, database,"],
        ),
        (
            "[http.tuning]\na = 1",
            &[],
            vec!["http.tuning: unknown key", allowed_http],
        ),
        (
            "\"http.listen\" = \"x\"",
            &[],
            vec!["http.listen: unknown key"],
        ),
        (
            "http = 5",
            &[],
            vec!["http: a section with keys of its own is expected here"],
        ),
        (
            "",
            &[("FACESHARE__HTTP__LISEN", "x")],
            vec![
                "http.lisen: unknown key",
                "environment variable FACESHARE__HTTP__LISEN",
            ],
        ),
        (
            "",
            &[("FACESHARE__HTTP", "x")],
            vec!["http: unknown key", "environment variable FACESHARE__HTTP"],
        ),
        (
            "",
            &[("FACESHARE__HTTP__LISTEN__X", "x")],
            vec!["http.listen.x: unknown key"],
        ),
        (
            "",
            &[("FACESHARE__", "x")],
            vec!["unknown key", "environment variable FACESHARE__)"],
        ),
    ] {
        let error = refusal(Some(("app.toml", file)), variables);
        for part in expected {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
}

#[test]
fn values_out_of_range_are_named_with_their_path_and_what_is_allowed() {
    for (file, expected) in [
        (
            "[limits]\ntitle = 0",
            "limits.title: 0 is out of range; allowed: 1 to 1000",
        ),
        (
            "[limits]\ntitle = -1",
            "limits.title: -1 is out of range; allowed: 1 to 1000",
        ),
        (
            "[limits]\ntitle = \"100\"",
            "limits.title: expected a whole number, found the string \"100\"",
        ),
        (
            "[limits]\ntitle = 1.5",
            "limits.title: expected a whole number, found the number 1.5",
        ),
        (
            "[limits]\nframe_in = 99999999999",
            "limits.frame_in: 99999999999 is out of range; allowed: 1024 to 1048576",
        ),
        (
            "[heartbeat]\ninterval = \"99ms\"",
            "heartbeat.interval: \"99ms\" is out of range; allowed: 100ms to 1h",
        ),
        (
            "[heartbeat]\ninterval = 20",
            "heartbeat.interval: expected a duration such as",
        ),
        (
            "[heartbeat]\ninterval = \"20\"",
            "heartbeat.interval: \"20\" is not a duration",
        ),
        (
            "[heartbeat]\ninterval = \"30s\"",
            "heartbeat.timeout: 30s must be longer than heartbeat.interval, which is 30s",
        ),
        (
            "[member]\ngrace = \"1s\"",
            "member.grace: 1s is shorter than member.debounce",
        ),
        (
            "[number_code]\nrefusal_time = \"2s\"",
            "number_code.refusal_time: \"2s\" is out of range; allowed: 0ms to 1s",
        ),
        (
            "[number_code]\nlifetime = \"3h\"",
            "number_code.max_lifetime: 2h is shorter than number_code.lifetime",
        ),
        (
            "[auth]\naccess_ttl = \"500ms\"",
            "auth.access_ttl: \"500ms\" is out of range; allowed: 1s to 24h",
        ),
        (
            "[auth]\nguests = \"yes\"",
            "auth.guests: expected true or false, found the string \"yes\"",
        ),
        (
            "[auth]\nkeys = [\"k1:short\"]",
            "auth.keys: key 1 (k1): the secret must be",
        ),
        (
            "[limits]\nqueue_bytes = 65536",
            "limits.queue_bytes: 65536 is less than limits.frame_out",
        ),
        (
            "[log]\nlevel = 3",
            "log.level: expected a string, found the number 3",
        ),
        (
            "[log]\nlevel = \"inof\"",
            "log.level: \"inof\" is not a log level; allowed: off, error, warn, info, debug, trace",
        ),
        (
            "[log]\nlevel = \"info,x=loud\"",
            "log.level: \"info,x=loud\" is not a log level",
        ),
        (
            "[log]\nformat = \"xml\"",
            "log.format: \"xml\" is not a choice; allowed: \"pretty\", \"json\"",
        ),
        (
            "[log]\nfile = \"logs/\"",
            "log.file: \"logs/\" does not name a file",
        ),
        ("data_dir = \"\"", "data_dir: is empty"),
        (
            "[http]\nlisten = \"localhost:80\"",
            "http.listen: \"localhost:80\" is not an IP address with a port",
        ),
        (
            "[http]\nops_listen = \"127.0.0.1:8080\"",
            "http.ops_listen: 127.0.0.1:8080 is http.listen already",
        ),
        (
            "[grpc]\nlisten = \"127.0.0.1:8080\"",
            "grpc.listen: 127.0.0.1:8080 is http.listen already",
        ),
        (
            "[http]\npublic_url = \"meet.example.com\"",
            "http.public_url: \"meet.example.com\" is not an address",
        ),
        (
            "[http]\npublic_url = \"https://a.example/?x=1\"",
            "http.public_url: ",
        ),
        (
            "[http]\npublic_url = \"https://user@a.example\"",
            "http.public_url: ",
        ),
        (
            "[http]\ncors_origins = [\"*\"]",
            "http.cors_origins: \"*\" is not an origin",
        ),
        (
            "[http]\ncors_origins = [\"https://a.example/\"]",
            "http.cors_origins: ",
        ),
        (
            "[http]\ncors_origins = \"https://a.example\"",
            "http.cors_origins: expected an array of strings, found the string",
        ),
        (
            "[http]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "http.trusted_proxies: \"10.0.0.0/33\" is not an address or a network",
        ),
        (
            "[http]\ntrusted_proxies = [\"0.0.0.0/0\"]",
            "http.trusted_proxies: \"0.0.0.0/0\": is too wide",
        ),
        (
            "[http]\ntrusted_proxies = [\"127.0.0.1\", \"::/0\"]",
            "http.trusted_proxies: \"::/0\": is too wide",
        ),
        (
            "[http]\ntrusted_proxies = [\"0.0.0.0\"]",
            "http.trusted_proxies: \"0.0.0.0\": no connection comes from there",
        ),
        (
            "[http]\nallowed_hosts = [\"a.example:80\"]",
            "http.allowed_hosts: \"a.example:80\" is not a host name",
        ),
        (
            "[database]\nsynchronous = \"off\"",
            "database.synchronous: \"off\" is not a choice",
        ),
        (
            "[database]\nurl = \"sqlite::memory:\"",
            "database.url: \"sqlite::memory:\" keeps nothing",
        ),
        (
            "[database]\nurl = \"x.db\"",
            "database.url: \"x.db\" is not a database address",
        ),
        (
            "[database]\nurl = \"oracle://u:pw@h/d\"",
            "database.url: \"oracle://u:********@h/d\" is not a database address",
        ),
        (
            "[database]\nurl = \"postgres://u:pw@h\"",
            "database.url: \"postgres://u:********@h\" names no database",
        ),
        (
            "[database]\nurl = \"mysql://u:pw@h:99999/d\"",
            "database.url: \"mysql://u:********@h:99999/d\" cannot be read",
        ),
        (
            "[database]\nmax_connections = 1",
            "database.max_connections: 1 is out of range",
        ),
    ] {
        let error = refusal(Some(("app.toml", file)), &[]);
        assert!(error.contains(expected), "{expected:?} is not in: {error}");
    }
}

#[test]
fn values_of_the_environment_are_checked_and_errors_name_their_variable() {
    for (variable, value, expected) in [
        (
            "FACESHARE__LIMITS__TITLE",
            "many",
            "limits.title: \"many\" is not a whole number (environment variable FACESHARE__LIMITS__TITLE)",
        ),
        (
            "FACESHARE__LIMITS__TITLE",
            "0",
            "limits.title: 0 is out of range; allowed: 1 to 1000",
        ),
        (
            "FACESHARE__AUTH__GUESTS",
            "yes",
            "auth.guests: \"yes\" is neither true nor false",
        ),
        (
            "FACESHARE__LOG__LEVEL",
            "3",
            "log.level: \"3\" is not a log level",
        ),
        ("FACESHARE__AUTH__KEYS", "k1:short", "auth.keys: key 1 (k1)"),
    ] {
        let error = refusal(None, &[(variable, value)]);
        assert!(error.contains(expected), "{expected:?} is not in: {error}");
    }
}

#[test]
fn a_variable_that_looks_like_a_setting_but_is_not_read_causes_a_warning() {
    let loaded = loaded(
        None,
        &[
            ("FACESHARE_HTTP_LISTEN", "0.0.0.0:80"),
            ("faceshare__log__level", "debug"),
            ("FACESHARE_NUMBERCODE_LIFETIME", "1h"),
            ("FACESHARE_COLOUR", "red"),
            ("FACESHARE_SERVICE_HOST", "10.0.0.1"),
            ("FACESHARE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("FACESHARE_SERVER", "http://127.0.0.1:8080"),
            ("FACESHARELISTEN", "another program's"),
        ],
    );
    let said = loaded.warnings;
    assert_eq!(said.len(), 4, "{said:?}");
    assert_eq!(
        said[0],
        "the environment variable FACESHARE_HTTP_LISTEN is not read; http.listen is set by FACESHARE__HTTP__LISTEN"
    );
    assert!(
        said[1].ends_with("log.level is set by FACESHARE__LOG__LEVEL"),
        "{said:?}"
    );
    assert!(
        said[2].ends_with("number_code.lifetime is set by FACESHARE__NUMBER_CODE__LIFETIME"),
        "{said:?}"
    );
    assert!(said[3].contains("FACESHARE_COLOUR is not read"), "{said:?}");
    assert_eq!(loaded.config.http.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn an_unknown_variable_with_the_words_of_a_key_names_the_right_variable() {
    let said = refusal(None, &[("FACESHARE__HTTP_LISTEN", "127.0.0.1:1")]);
    assert!(
        said.contains("http.listen is set by FACESHARE__HTTP__LISTEN"),
        "{said}"
    );
}

#[test]
fn grpc_is_off_by_default() {
    assert_eq!(loaded(None, &[]).config.grpc.listen, None);
    let set = loaded(None, &[("FACESHARE__GRPC__LISTEN", "127.0.0.1:9090")]).config;
    assert_eq!(set.grpc.listen.map(|listen| listen.port()), Some(9090));
}

#[test]
fn a_refused_configuration_is_logged_in_its_own_format() {
    let error = load(
        None,
        &[
            ("FACESHARE__LOG__FORMAT", "json"),
            ("FACESHARE__LIMITS__TITLE", "0"),
        ],
    )
    .expect_err("out of range");
    assert!(
        matches!(
            error,
            ConfigError::Invalid {
                log_format: LogFormat::Json,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_differences_between_two_configurations_are_named() {
    let (old, new) = (
        loaded(None, &[]),
        loaded(
            None,
            &[
                ("FACESHARE__LIMITS__TITLE", "60"),
                ("FACESHARE__LOG__LEVEL", "debug"),
            ],
        ),
    );
    assert_eq!(
        new.report.changed_from(&old.report),
        ["limits.title", "log.level"]
    );
    assert!(old.report.changed_from(&old.report).is_empty());
}

#[test]
fn every_mistake_is_named_at_once() {
    let error = refusal(
        Some((
            "app.toml",
            "colour = 1\n[limits]\ntitle = 0\nnickname = 0\n[http]\nlisen = 1",
        )),
        &[
            ("FACESHARE__LOG__LEVEL", "loud"),
            ("FACESHARE__NO__SUCH", ""),
        ],
    );
    for path in [
        "colour: ",
        "limits.title: ",
        "limits.nickname: ",
        "http.lisen: ",
        "log.level: ",
        "no.such: ",
    ] {
        assert_eq!(
            error.lines().filter(|line| line.starts_with(path)).count(),
            1,
            "{path} in:\n{error}"
        );
    }
}

#[test]
fn keys_of_features_that_this_version_lacks_are_refused_by_name() {
    for (file, expected) in [
        (
            "[redis]\nurl = \"redis://h\"",
            "redis.url: clustering on Redis is not in this version; leave it empty",
        ),
        (
            "[tls]\ncert = \"c.pem\"",
            "tls.key: is not set, and tls.cert is",
        ),
        (
            "[grpc.callers.a]\ngrants = []",
            "grpc.callers: calling the gRPC services is not in this version",
        ),
    ] {
        let error = refusal(Some(("app.toml", file)), &[]);
        assert!(error.contains(expected), "{expected:?} is not in: {error}");
    }
    let error = refusal(None, &[("FACESHARE__NOTIFY__URL", "x")]);
    assert!(
        error.contains("notify") && error.contains("FACESHARE__NOTIFY__URL"),
        "{error}"
    );
    loaded(
        Some((
            "app.toml",
            "[redis]\nurl = \"\"\n[classic]\nenabled = false",
        )),
        &[],
    );
}

#[test]
fn weak_password_hashes_are_allowed_only_for_benchmarks_on_loopback() {
    let weak = "[argon2]\ntest_parameters = true\n";
    let error = refusal(Some(("app.toml", weak)), &[]);
    assert!(
        error.contains("argon2.test_parameters: is for benchmarks"),
        "{error}"
    );
    let benchmark = format!("{weak}[benchmark]\nenabled = true\n");
    assert!(
        loaded(Some(("app.toml", &benchmark)), &[])
            .config
            .argon2
            .test_parameters
    );
    let open = refusal(
        Some(("app.toml", &benchmark)),
        &[("FACESHARE__HTTP__LISTEN", "0.0.0.0:8080")],
    );
    assert!(
        open.contains("benchmark.enabled: is for loopback alone"),
        "{open}"
    );
    let cheap = refusal(Some(("app.toml", "[argon2]\niterations = 1")), &[]);
    assert!(cheap.contains("argon2.iterations: is too few"), "{cheap}");
    loaded(
        Some(("app.toml", "[argon2]\nmemory_kib = 47104\niterations = 1")),
        &[],
    );
}

#[test]
fn secrets_are_masked_in_what_is_printed() {
    let ring = KeyRing::generate().expect("a key");
    let entry = ring.to_config_strings().remove(0);
    let secret = entry.expose_secret().split_once(':').expect("kid:secret").1;
    let loaded = loaded(None, &[("FACESHARE__AUTH__KEYS", entry.expose_secret())]);

    let shown = line(&loaded, "auth", "keys");
    assert_eq!(
        shown,
        format!(
            "keys = [\"{}:********\"] # environment variable FACESHARE__AUTH__KEYS",
            ring.active_kid()
        )
    );
    assert!(
        !format!("{:?}", loaded).contains(secret),
        "nor when it is debugged"
    );
}

#[test]
fn a_wrong_secret_is_not_quoted_in_the_error() {
    for file in [
        "[auth]\nkeys = [\"topsecret\"]",
        "[auth]\nkeys = \"k1:topsecret\"",
        "[auth]\nkeys = [\"k1:topsecret!\", 5]",
    ] {
        let error = refusal(Some(("app.toml", file)), &[]);
        assert!(
            error.contains("auth.keys: ") && !error.contains("topsecret"),
            "{error}"
        );
    }
}

#[test]
fn the_printed_configuration_reads_back_as_the_same() {
    let first = loaded(
        Some((
            "a.toml",
            "[http]\npublic_url = \"https://Meet.Example/x/\"\n[heartbeat]\ninterval = \"1500ms\"",
        )),
        &[("FACESHARE__LOG__FILE", "a \"b\".log")],
    );
    assert!(
        line(&first, "http", "public_url")
            .starts_with("public_url = \"https://meet.example/x\" # ")
    );
    assert!(line(&first, "heartbeat", "interval").contains("\"1.500s\""));
    let second = loaded(Some(("b.toml", &first.report.to_string())), &[]);
    let without_origins = |loaded: &Loaded| {
        loaded
            .report
            .0
            .iter()
            .map(|key| key.shown.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(without_origins(&first), without_origins(&second));
}

#[test]
fn the_shipped_file_documents_every_key_with_its_default() {
    let loaded = Config::load_from(Some(Path::new(DOCUMENTED)), [])
        .unwrap_or_else(|error| panic!("{error}"));
    for key in &loaded.report.0 {
        assert!(key.origin.is_some(), "{} is not in conf/app.toml", key.path);
        assert_eq!(
            key.shown, key.by_default,
            "{} differs in conf/app.toml",
            key.path
        );
    }
    let text = fs::read_to_string(DOCUMENTED).expect("the file");
    let lines: Vec<_> = text.lines().collect();
    for (above, line) in lines.iter().zip(&lines[1..]) {
        let is_key = line
            .chars()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase());
        assert!(
            !is_key || above.starts_with('#'),
            "no comment above: {line}"
        );
    }
}
