//! The server with PostgreSQL and with MariaDB, each in its own database.
//!
//! `scripts/services` starts the database servers. The environment can name others as URLs.

use faceshare_tests::Format;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::refused_start;
use serde_json::json;
use sqlx::{Connection, Executor};
use std::hash::{BuildHasher, RandomState};

/// A database that is deleted when this is dropped.
struct Database {
    /// The database of the server from which others are created and deleted.
    server: String,
    name: String,
}

impl Database {
    async fn on_postgres() -> Self {
        Self::create(
            "FACESHARE_TEST_POSTGRES",
            "postgres://postgres@127.0.0.1:5432/postgres",
        )
        .await
    }

    async fn on_mysql() -> Self {
        Self::create("FACESHARE_TEST_MYSQL", "mysql://root@127.0.0.1:3306").await
    }

    async fn create(variable: &str, default: &str) -> Self {
        let server = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        let name = format!("faceshare_blackbox_{:x}", RandomState::new().hash_one(()));
        run(&server, &format!("CREATE DATABASE {name}")).await;
        Self { server, name }
    }

    fn url(&self) -> String {
        let (scheme, rest) = self.server.split_once("://").expect("a URL");
        let place = rest.split_once('/').map_or(rest, |(place, _)| place);
        format!("{scheme}://{place}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let force = if self.server.starts_with("postgres") {
            " WITH (FORCE)"
        } else {
            ""
        };
        let (server, statement) = (
            self.server.clone(),
            format!("DROP DATABASE {}{force}", self.name),
        );
        // Use another runtime, because that of the test may be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(run(&server, &statement));
        });
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the database {} stays",
            self.name
        );
    }
}

async fn run(server: &str, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    let start_one = "start one with scripts/services";
    if server.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(server)
            .await
            .unwrap_or_else(|error| panic!("{server}: {error}; {start_one}"));
        connection.execute(statement).await.expect("done");
    } else {
        let mut connection = sqlx::MySqlConnection::connect(server)
            .await
            .unwrap_or_else(|error| panic!("{server}: {error}; {start_one}"));
        connection.execute(statement).await.expect("done");
    }
}

#[tokio::test]
async fn on_postgresql_two_clients_meet_and_resume_after_a_kill() {
    two_clients_meet_and_resume_after_a_kill(&Database::on_postgres().await).await;
}

#[tokio::test]
async fn on_mariadb_two_clients_meet_and_resume_after_a_kill() {
    two_clients_meet_and_resume_after_a_kill(&Database::on_mysql().await).await;
}

async fn two_clients_meet_and_resume_after_a_kill(database: &Database) {
    let settings = [("database.url", &*database.url())];
    let (mut meeting, mut sockets) =
        Meeting::with(Format::Proto, 2, &settings, json!({"title": "Review"})).await;
    assert!(
        !meeting.server.data_dir().join("data/faceshare.db").exists(),
        "nothing is kept in SQLite beside the session log"
    );
    let host = sockets[0].member().to_owned();
    let (epoch, seen) = (sockets[1].epoch().to_owned(), sockets[1].seq);
    let followed = sockets[1]
        .acked(json!({"nonce": "1", "followOther": {"target": host}}))
        .await;
    meeting.server.kill().await;
    for socket in &mut sockets {
        socket.close().await;
    }
    meeting.server.restart().await;

    let mut back = meeting.resume(1, &epoch, seen).await;
    assert_eq!(
        (&back.welcome["resumed"], back.epoch()),
        (&json!(true), epoch.as_str())
    );
    back.catch_up(back.welcome["seq"].as_u64().expect("a head"))
        .await;
    assert_eq!(
        back.acked(json!({"nonce": "1", "followOther": {"target": host}}))
            .await,
        followed,
        "the nonce is still known"
    );
    let list = meeting
        .http
        .get("/v1/face-sessions", meeting.access(0))
        .await
        .ok(200);
    assert_eq!(list["faceSessions"][0]["id"], json!(meeting.id));
    meeting.admit("late").await;
    meeting.connect(2).await;
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_stops_the_start_with_its_name_and_without_its_password()
{
    for url in [
        "postgres://app:s3cret@127.0.0.77:9/meet",
        "mysql://app:s3cret@127.0.0.77:9/meet",
    ] {
        let (status, told) = refused_start(&[("database.url", url)]).await;
        assert!(!status.success());
        assert!(
            told.contains("127.0.0.77:9") && told.contains("meet"),
            "{told}"
        );
        assert!(!told.contains("s3cret"), "{told}");
    }
}
