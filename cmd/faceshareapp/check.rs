//! Checks of `check-config` beyond the values themselves: the files and directories that they name
//! exist and can be used. It changes nothing.

use crate::config::{Config, existing_key_ring};
use faceshare_server::Tls;
use rustix::fs::{Access, access};
use std::io;
use std::path::Path;

/// Checks everything that a start would open.
///
/// # Errors
/// All problems, a line each.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    if let Some((certificate, key)) = &config.tls.files {
        problems.extend(
            Tls::load(certificate, key)
                .err()
                .map(|error| error.to_string()),
        );
    }
    problems.extend(
        existing_key_ring(config)
            .err()
            .map(|error| error.to_string()),
    );
    problems.extend(unusable("data_dir", &config.data_dir));
    if let Some(file) = &config.log.file {
        problems.extend(unusable("log.file", file.parent().unwrap_or(Path::new(""))));
        problems.extend(
            file.is_dir()
                .then(|| format!("log.file: {}: is a directory", file.display())),
        );
    }
    anyhow::ensure!(
        problems.is_empty(),
        "the configuration names files or directories that cannot be used:\n{}",
        problems.join("\n")
    );
    Ok(())
}

/// The reason why files cannot be created in `dir`, or why `dir` itself cannot be created.
fn unusable(key: &str, dir: &Path) -> Option<String> {
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
        .find(|dir| dir.exists())?;
    let error = if existing.is_dir() {
        access(existing, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(io::Error::from)
            .err()?
    } else {
        io::ErrorKind::NotADirectory.into()
    };
    Some(format!("{key}: {}: {error}", existing.display()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::config::Config;
    use std::fs;
    use std::path::Path;

    fn config(data_dir: &Path) -> Config {
        Config {
            data_dir: data_dir.to_owned(),
            ..Config::default()
        }
    }

    fn refusal(config: &Config) -> String {
        check(config).expect_err("a problem").to_string()
    }

    #[test]
    fn files_that_a_first_start_creates_may_be_missing_and_are_not_created() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = config(&dir.path().join("data"));
        config.log.file = Some(dir.path().join("logs/app.log"));
        check(&config).expect("all is well");
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
    }

    #[test]
    fn each_unusable_file_is_named_with_its_key_and_path() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let mut config = config(&file.join("data"));
        config.tls.files = Some((dir.path().join("cert.pem"), dir.path().join("key.pem")));
        config.log.file = Some(file.join("app.log"));
        let message = refusal(&config);
        for named in [
            "tls.cert: ",
            "cert.pem",
            "data_dir: ",
            "log.file: ",
            "/file: not a directory",
        ] {
            assert!(message.contains(named), "{named}: {message}");
        }
    }

    #[test]
    fn a_broken_key_file_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("auth.keys"), "junk\n").expect("written");
        assert!(refusal(&config(dir.path())).contains("auth.keys"));
    }
}
