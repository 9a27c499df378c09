//! `database.*`: where accounts and sessions are kept, and what a commit survives.

use std::path::Path;

use super::section::Section;

/// The file in `data_dir`.
const FILE: &str = "faceshare.db";

/// The SQL database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// A `sqlite:` URL. Unset: a file in `data_dir`, see [`Database::url_in`].
    pub(crate) url: Option<String>,
    /// What a commit waits for.
    pub(crate) synchronous: Synchronous,
}

/// How hard SQLite pushes a commit to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synchronous {
    /// A commit survives the death of the process.
    Normal,
    /// A commit survives a power cut as well; each costs a flush of the disk.
    Full,
}

impl Database {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let synchronous = [("normal", Synchronous::Normal), ("full", Synchronous::Full)];
        Self {
            url: keys.text("url", None, sqlite_url, |url| url.as_deref().map(mask_password).unwrap_or_default()),
            synchronous: keys.choice("synchronous", Synchronous::Normal, &synchronous),
        }
    }

    /// The database to open, when the embedded files are in `data_dir`.
    pub(crate) fn url_in(&self, data_dir: &Path) -> String {
        let file = || format!("sqlite://{}?mode=rwc", data_dir.join(FILE).display());
        self.url.clone().unwrap_or_else(file)
    }
}

impl Database {
    /// Where the database is, for messages: the file in `data_dir`, or what `database.url` says without its password.
    pub(crate) fn place(&self, data_dir: &Path) -> String {
        match &self.url {
            Some(url) => format!("{} (database.url)", mask_password(url)),
            None => data_dir.join(FILE).display().to_string(),
        }
    }
}

fn sqlite_url(url: &str) -> Result<Option<String>, String> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        _ if url.is_empty() => Ok(None),
        "sqlite" if url.contains(":memory:") || url.contains("mode=memory") => {
            Err(format!("{url:?} keeps nothing, which sessions rely on; name a file"))
        }
        "sqlite" => Ok(Some(url.to_owned())),
        "postgres" | "postgresql" | "mysql" | "mariadb" => {
            Err(format!("{:?}: {scheme} is not in this version; only sqlite is", mask_password(url)))
        }
        _ => Err(format!(r#"{:?} is not a database address; allowed: "sqlite://PATH?mode=rwc", or empty"#, mask_password(url))),
    }
}

/// Replaces the password in `scheme://user:password@host/…`, should there be one.
fn mask_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((credentials, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = credentials.split_once(':').map_or(credentials, |(user, _)| user);
    format!("{scheme}://{user}:********@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_wherever_the_address_is_shown() {
        for (url, shown) in [
            ("postgres://app:s3cr@t@db/x", "postgres://app:********@db/x"),
            ("postgres://app@db/x", "postgres://app:********@db/x"),
            ("sqlite://data/x.db", "sqlite://data/x.db"),
        ] {
            assert_eq!(mask_password(url), shown);
        }
    }

    #[test]
    fn without_an_address_the_database_is_a_file_in_the_data_directory() {
        let database = Database { url: None, synchronous: Synchronous::Normal };
        assert_eq!(database.url_in(Path::new("/data")), "sqlite:///data/faceshare.db?mode=rwc");
    }
}
