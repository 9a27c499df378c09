//! `database.*`: where accounts and sessions are kept, and what a commit survives.

use std::path::Path;

use super::section::Section;

/// The file in `data_dir`.
const FILE: &str = "faceshare.db";

/// The SQL database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// URL of a SQLite file, or of a database on a PostgreSQL, MySQL or MariaDB server. Unset: a
    /// file in `data_dir`, see [`Database::url_in`].
    pub(crate) url: Option<String>,
    /// Maximum connections to a database server.
    pub(crate) max_connections: u32,
    /// What a commit on SQLite survives.
    pub(crate) synchronous: Synchronous,
}

/// What SQLite's commits survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synchronous {
    /// A commit survives a crash of the process.
    Normal,
    /// A commit survives a power cut as well. Each costs a flush of the disk.
    Full,
}

impl Database {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let synchronous = [("normal", Synchronous::Normal), ("full", Synchronous::Full)];
        Self {
            url: keys.text("url", None, address, |url| {
                url.as_deref().map(mask_password).unwrap_or_default()
            }),
            max_connections: keys.number(
                "max_connections",
                16,
                faceshare_repository::MAX_CONNECTIONS,
            ),
            synchronous: keys.choice("synchronous", Synchronous::Normal, &synchronous),
        }
    }

    /// The URL of the database: `url`, or that of the file in `data_dir`.
    pub(crate) fn url_in(&self, data_dir: &Path) -> String {
        let file = || format!("sqlite://{}?mode=rwc", data_dir.join(FILE).display());
        self.url.clone().unwrap_or_else(file)
    }
}

impl Database {
    /// Where the database is, for messages: the file in `data_dir`, or `database.url` with its
    /// password masked.
    pub(crate) fn location(&self, data_dir: &Path) -> String {
        match &self.url {
            Some(url) => format!("{} (database.url)", mask_password(url)),
            None => data_dir.join(FILE).display().to_string(),
        }
    }
}

fn address(url: &str) -> Result<Option<String>, String> {
    if url.is_empty() {
        return Ok(None);
    }
    let shown = mask_password(url);
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if !["sqlite", "postgres", "postgresql", "mysql", "mariadb"].contains(&scheme) {
        return Err(format!(
            r#"{shown:?} is not a database address; allowed: "sqlite://PATH?mode=rwc", "postgres://USER:PASSWORD@HOST/DATABASE", "mysql://USER:PASSWORD@HOST/DATABASE", or empty"#
        ));
    }
    faceshare_repository::Database::check_url(url).map_err(|why| format!("{shown:?} {why}"))?;
    Ok(Some(url.to_owned()))
}

/// Replaces the password in `scheme://user:password@host/…?password=…`, wherever there is one.
fn mask_password(url: &str) -> String {
    const MASK: &str = "********";
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let host = match rest.rsplit_once('@') {
        None => rest.to_owned(),
        Some((credentials, host)) => {
            let user = credentials
                .split_once(':')
                .map_or(credentials, |(user, _)| user);
            format!("{user}:{MASK}@{host}")
        }
    };
    let mask = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("password") => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    };
    let query = query.map(|query| {
        format!(
            "?{}",
            query.split('&').map(mask).collect::<Vec<_>>().join("&")
        )
    });
    format!("{scheme}://{host}{}", query.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_wherever_the_address_is_shown() {
        for (url, shown) in [
            ("postgres://app:s3cr@t@db/x", "postgres://app:********@db/x"),
            ("postgres://app@db/x", "postgres://app:********@db/x"),
            (
                "postgres://db/x?sslmode=require&user=app&password=s3cret",
                "postgres://db/x?sslmode=require&user=app&password=********",
            ),
            ("sqlite://data/x.db?mode=rwc", "sqlite://data/x.db?mode=rwc"),
        ] {
            assert_eq!(mask_password(url), shown);
        }
    }

    #[test]
    fn without_an_address_the_database_is_a_file_in_the_data_directory() {
        let database = Database {
            url: None,
            max_connections: 2,
            synchronous: Synchronous::Normal,
        };
        assert_eq!(
            database.url_in(Path::new("/data")),
            "sqlite:///data/faceshare.db?mode=rwc"
        );
    }
}
