//! Errors that stop the start, and their messages.

use faceshare_tests::server::refused_start;

#[tokio::test]
async fn a_store_that_cannot_be_used_stops_the_start_and_is_named() {
    for (key, value, said) in [
        ("redis.url", "redis://127.0.0.1:6379", "redis"),
        (
            "database.url",
            "postgres://u:s3cret@127.0.0.1:1/faceshare",
            "postgres",
        ),
        (
            "database.url",
            "mysql://u:s3cret@127.0.0.1:1/faceshare",
            "mysql",
        ),
    ] {
        let (status, output) = refused_start(&[(key, value)]).await;
        assert!(!status.success(), "{key}={value}");
        assert!(
            output.contains(key) && output.to_lowercase().contains(said),
            "{key}={value}: {output}"
        );
        assert!(!output.contains("s3cret"), "a password is shown: {output}");
    }
}

#[tokio::test]
async fn an_unknown_key_or_a_bad_value_stops_the_start_with_its_path() {
    for (key, value) in [
        ("member.graze", "1s"),
        ("http.listen", "nowhere"),
        ("heartbeat.interval", "1ms"),
        ("heartbeat.interval", "25h"),
        ("database.synchronous", "maybe"),
        ("log.format", "xml"),
        ("auth.guests", "perhaps"),
    ] {
        let (status, output) = refused_start(&[(key, value)]).await;
        assert!(!status.success(), "{key}={value}");
        assert!(output.contains(key), "{key}={value}: {output}");
    }
}
