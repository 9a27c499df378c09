//! Parses `database.url`.

use sea_orm::sqlx;
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use std::path::PathBuf;

/// A database that can be opened.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Sqlite(PathBuf),
    Postgres(PgConnectOptions),
    MySql(MySqlConnectOptions),
}

impl Address {
    /// Reads `sqlite://PATH`, `sqlite:PATH`, a path, `postgres://…` (or `postgresql://`),
    /// `mysql://…` (or `mariadb://`).
    ///
    /// # Errors
    /// What is wrong, without any part of the URL that could be secret.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => {
                let options: PgConnectOptions = url.parse().map_err(|error| malformed(&error))?;
                named(options.get_database())?;
                Ok(Self::Postgres(options))
            }
            Some("mysql" | "mariadb") => {
                let options: MySqlConnectOptions = url.parse().map_err(|error| malformed(&error))?;
                named(options.get_database())?;
                Ok(Self::MySql(options))
            }
            Some(scheme) if scheme != "sqlite" => {
                Err("has a scheme that is not supported; allowed: sqlite://PATH, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE".to_owned())
            }
            _ => file(url).map(Self::Sqlite),
        }
    }

    /// For messages: kind, host and database, never the user or the password.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(options) => {
                let at = options
                    .get_socket()
                    .map(|socket| socket.display().to_string());
                let at =
                    at.unwrap_or_else(|| format!("{}:{}", options.get_host(), options.get_port()));
                format!(
                    "PostgreSQL at {at}, database {:?}",
                    options.get_database().unwrap_or_default()
                )
            }
            Self::MySql(options) => {
                let at = options
                    .get_socket()
                    .map(|socket| socket.display().to_string());
                let at =
                    at.unwrap_or_else(|| format!("{}:{}", options.get_host(), options.get_port()));
                format!(
                    "MySQL at {at}, database {:?}",
                    options.get_database().unwrap_or_default()
                )
            }
        }
    }
}

fn malformed(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(cause) => format!("cannot be read: {cause}"),
        _ => "cannot be read".to_owned(),
    }
}

fn named(database: Option<&str>) -> Result<(), String> {
    if database.is_some_and(|name| !name.is_empty()) {
        Ok(())
    } else {
        Err("names no database; it ends in /DATABASE".to_owned())
    }
}

fn file(url: &str) -> Result<PathBuf, String> {
    let rest = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"));
    let path = rest.map_or(url, |rest| {
        rest.split_once('?').map_or(rest, |(path, _)| path)
    });
    if path.is_empty() || url.contains(":memory:") || url.contains("mode=memory") {
        return Err("keeps nothing, because it is in memory; name a file".to_owned());
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::Address;
    use std::path::Path;

    #[test]
    fn a_url_names_a_file_or_a_database_on_a_server() {
        for url in [
            "sqlite:///var/x.db?mode=rwc",
            "sqlite:/var/x.db",
            "/var/x.db",
        ] {
            assert!(
                matches!(Address::parse(url).expect(url), Address::Sqlite(path) if path == Path::new("/var/x.db")),
                "{url}"
            );
        }
        for url in ["postgres://u:p@h/d", "postgresql://u@h:1/d?sslmode=disable"] {
            assert!(
                matches!(Address::parse(url).expect(url), Address::Postgres(_)),
                "{url}"
            );
        }
        for url in ["mysql://u:p@h/d", "mariadb://u:p@h:1/d"] {
            assert!(
                matches!(Address::parse(url).expect(url), Address::MySql(_)),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_refused_or_described_never_shows_the_password() {
        for bad in [
            "postgres://app:s3cret@h",
            "postgres://app:s3cret@h:99999/d",
            "mysql://app:s3cret@h/",
            "mysql://app:s3cret@h/d?ssl-mode=s",
            "oracle://app:s3cret@h/d",
            "sqlite::memory:",
            "sqlite://x?mode=memory",
            "sqlite://",
            "",
        ] {
            let why = Address::parse(bad).expect_err(bad);
            assert!(!why.contains("s3cret"), "{why}");
        }
        for (url, described) in [
            (
                "postgres://app:s3cret@db.example/meet",
                r#"PostgreSQL at db.example:5432, database "meet""#,
            ),
            (
                "mariadb://app:s3cret@db.example:3307/meet",
                r#"MySQL at db.example:3307, database "meet""#,
            ),
        ] {
            assert_eq!(Address::parse(url).expect(url).describe(), described);
        }
    }
}
