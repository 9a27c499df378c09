//! The client against a real server with faults.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use agentclient::testing::{Received, TestAnswer, TestService};
use agentclient::{
    AgentClient, AgentError, AgentSettings, Call, CallBody, Failure, FileBody, Scheme,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Long enough that only a broken client waits for it.
const LONG: Duration = Duration::from_secs(30);
/// A time that a test waits for to pass.
const SHORT: Duration = Duration::from_millis(100);
const OK: &[StatusCode] = &[StatusCode::OK];

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn settings(service: &TestService) -> AgentSettings {
    AgentSettings {
        timeout: LONG,
        idle: LONG,
        ..AgentSettings::new("drive", service.url(), "app", secret("s3cret"))
    }
}

fn client(settings: AgentSettings) -> AgentClient {
    // A second installation is refused, which is harmless: the tests may share one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    AgentClient::new(settings, Arc::new(now)).expect("a client")
}

fn get(path: &str) -> Call<'_> {
    Call::new("test", Method::GET, path, OK)
}

async fn fetch(client: &AgentClient) -> Result<Value, AgentError> {
    let (_, value) = client.json(&get("/v1/thing")).await?;
    Ok(value.expect("200 has a value"))
}

/// Answers the first requests by `faults`, in order, and all later ones by `{}`.
async fn failing(faults: Vec<TestAnswer>) -> TestService {
    let next = AtomicU32::new(0);
    TestService::start(move |_| {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let fault = faults.get(usize::try_from(index).expect("small"));
        fault.cloned().unwrap_or_else(|| TestAnswer::json("{}"))
    })
    .await
}

fn is_signed(request: &Received) -> bool {
    request.is_signed(Scheme::Kso1, "app", &secret("s3cret"), now())
}

#[tokio::test]
async fn each_scheme_signs_what_the_service_receives() {
    for scheme in Scheme::ALL {
        let service = TestService::start(move |request| {
            assert!(request.is_signed(scheme, "app", &secret("s3cret"), now()));
            TestAnswer::json(r#"{"ok":true}"#)
        })
        .await;
        let sign = AgentSettings {
            sign: scheme,
            url: format!("{}/base/", service.url()),
            ..settings(&service)
        };
        let client = client(sign);
        let text = Bytes::from_static(br#"{"a":1}"#);
        let call = Call {
            query: &[("account", "7"), ("name", "ü&=?")],
            body: CallBody::Json(&text),
            request_id: Some("request-1"),
            ..Call::new("test", Method::POST, "/v1/thing", OK)
        };
        let (status, value) = client.json::<Value>(&call).await.expect("an answer");
        assert_eq!((status, value), (StatusCode::OK, Some(json!({"ok": true}))));
        client.status(&get("/v1/thing")).await.expect("an answer");

        let received = service.received();
        assert_eq!(received[0].path(), "/base/v1/thing");
        assert_eq!(received[0].header("content-type"), "application/json");
        assert_eq!(received[0].header("x-request-id"), "request-1");
        assert_eq!(received[0].body, text);
        assert_eq!(received[1].header("content-type"), "application/json");
        assert_eq!(received[1].header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn what_fails_for_a_moment_is_repeated_under_another_signature() {
    let unwell = TestAnswer::status(StatusCode::INTERNAL_SERVER_ERROR);
    let cut = TestAnswer::Cut(10, Bytes::from_static(b"{\"a"));
    let service = failing(vec![unwell, cut]).await;
    assert_eq!(
        fetch(&client(settings(&service))).await.expect("the third"),
        json!({})
    );
    let received = service.received();
    assert!(received.iter().all(is_signed));
    let mut signatures: Vec<_> = received
        .iter()
        .map(|request| request.header("x-kso-authorization"))
        .collect();
    signatures.dedup();
    assert_eq!(signatures.len(), 3);
}

#[tokio::test]
async fn a_post_is_repeated_only_when_it_is_safe() {
    for (safe, attempts) in [(false, 1), (true, 3)] {
        let service = TestService::start(|_| TestAnswer::status(StatusCode::BAD_GATEWAY)).await;
        let call = Call {
            safe,
            ..Call::new("test", Method::POST, "/v1/thing", OK)
        };
        let error = client(settings(&service)).status(&call).await;
        let error = error.expect_err("502 thrice");
        assert!(matches!(error.failure(), Failure::Status(502)), "{error}");
        assert_eq!(service.received().len(), attempts);
    }
}

#[tokio::test]
async fn a_slow_service_is_given_up_in_time() {
    let service = TestService::start(|_| TestAnswer::Hang).await;
    let hasty = AgentSettings {
        timeout: SHORT,
        ..settings(&service)
    };
    let error = fetch(&client(hasty)).await.expect_err("no answer");
    assert!(matches!(error.failure(), Failure::Timeout), "{error}");
    assert!(error.retry_after() >= Duration::from_secs(1));
}

#[tokio::test]
async fn the_time_of_a_call_holds_for_the_whole_of_a_json_answer() {
    let service = TestService::start(|_| TestAnswer::Stall(10, Bytes::from_static(b"{"))).await;
    let hasty = AgentSettings {
        timeout: SHORT,
        ..settings(&service)
    };
    let error = fetch(&client(hasty)).await.expect_err("half an answer");
    assert!(matches!(error.failure(), Failure::Timeout), "{error}");
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_clock_are_failures_that_are_not_repeated() {
    let verifying = |request: &Received| match is_signed(request) {
        true => TestAnswer::json("{}"),
        false => TestAnswer::status(StatusCode::UNAUTHORIZED),
    };
    let service = TestService::start(verifying).await;
    let wrong = AgentSettings {
        secret: secret("another"),
        ..settings(&service)
    };
    let error = fetch(&client(wrong)).await.expect_err("refused");
    assert!(matches!(error.failure(), Failure::Status(401)), "{error}");
    assert!(!format!("{error:?}").contains("another"));

    for (skew, accepted) in [(0, true), (299, true), (301, false)] {
        let clock = move || now() + Duration::from_secs(skew);
        let skewed = AgentClient::new(settings(&service), Arc::new(clock)).expect("a client");
        assert_eq!(fetch(&skewed).await.is_ok(), accepted, "{skew} s");
    }
    assert_eq!(service.received().len(), 4);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = TestService::start(|_| TestAnswer::json("{}")).await;
    let location = format!("{}/v1/thing", target.url());
    let service = TestService::start(move |_| {
        let headers = vec![("location", location.clone())];
        TestAnswer::Whole(StatusCode::TEMPORARY_REDIRECT, headers, Bytes::new())
    })
    .await;
    let error = fetch(&client(settings(&service))).await.expect_err("307");
    assert!(matches!(error.failure(), Failure::Status(307)), "{error}");
    assert_eq!((service.received().len(), target.received().len()), (1, 0));
}

#[tokio::test]
async fn an_answer_of_two_mebibytes_is_a_failure_and_one_of_a_mebibyte_is_not() {
    for (mebibytes, accepted) in [(1, true), (2, false)] {
        let text = format!("\"{}\"", "x".repeat(mebibytes * 1024 * 1024 - 2));
        let service = TestService::start(move |_| TestAnswer::json(text.clone())).await;
        let answer = fetch(&client(settings(&service))).await;
        match answer {
            Ok(_) => assert!(accepted),
            Err(error) => assert!(matches!(error.failure(), Failure::TooLarge), "{error}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_a_failure() {
    let service = TestService::start(|_| TestAnswer::json("<html>")).await;
    let error = fetch(&client(settings(&service))).await.expect_err("html");
    assert!(matches!(error.failure(), Failure::Malformed(_)), "{error}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_failure() {
    let service = TestService::start(|_| TestAnswer::json("{}")).await;
    let gone = settings(&service);
    drop(service);
    let error = fetch(&client(gone)).await.expect_err("nothing there");
    assert!(matches!(error.failure(), Failure::Connection(_)), "{error}");
}

#[tokio::test]
async fn after_failed_calls_in_a_row_calls_fail_at_once_until_one_gets_through() {
    let unwell = TestAnswer::status(StatusCode::SERVICE_UNAVAILABLE);
    let service = failing(vec![unwell; 2]).await;
    let fragile = AgentSettings {
        retries: 0,
        breaker_failures: 2,
        breaker_open: SHORT,
        ..settings(&service)
    };
    let client = client(fragile);
    for _ in 0..2 {
        let error = fetch(&client).await.expect_err("503");
        assert!(matches!(error.failure(), Failure::Status(503)), "{error}");
    }
    // The breaker may close again before this call on a busy machine; it is never called in vain.
    let refused = fetch(&client).await;
    if let Err(error) = &refused {
        assert!(matches!(error.failure(), Failure::BreakerOpen), "{error}");
        assert_eq!(error.retry_after(), Duration::from_secs(1));
        assert_eq!(service.received().len(), 2);
    }
    while fetch(&client).await.is_err() {
        tokio::task::yield_now().await;
    }
    fetch(&client).await.expect("closed again");
}

#[tokio::test]
async fn statuses_that_are_answers_do_not_open_the_breaker() {
    let service = TestService::start(|_| TestAnswer::status(StatusCode::NOT_FOUND)).await;
    let fragile = AgentSettings {
        breaker_failures: 1,
        ..settings(&service)
    };
    let client = client(fragile);
    let call = Call::new("test", Method::GET, "/v1/thing", &[StatusCode::NOT_FOUND]);
    for _ in 0..3 {
        let answer = client.json::<Value>(&call).await.expect("an answer");
        assert_eq!(answer, (StatusCode::NOT_FOUND, None));
    }
}

#[tokio::test]
async fn a_streamed_answer_ends_whole_or_with_an_error() {
    let whole = Bytes::from(vec![7; 300_000]);
    let bytes = whole.clone();
    let service = TestService::start(move |request| match request.path() {
        "/whole" => TestAnswer::Whole(StatusCode::OK, Vec::new(), bytes.clone()),
        "/cut" => TestAnswer::Cut(300_000, bytes.slice(..200_000)),
        _ => TestAnswer::Stall(300_000, bytes.slice(..200_000)),
    })
    .await;
    let hasty = AgentSettings {
        idle: SHORT,
        ..settings(&service)
    };
    let client = client(hasty);
    for (path, read, ends) in [
        ("/whole", 300_000, true),
        ("/cut", 200_000, false),
        ("/stall", 200_000, false),
    ] {
        let mut body = client.open(&get(path)).await.expect("a head").body;
        let mut received = 0;
        let end = loop {
            match body.chunk().await {
                Ok(Some(bytes)) => received += bytes.len(),
                end => break end,
            }
        };
        assert!(received <= read, "{path}: {received}");
        assert_eq!(end.is_ok(), ends, "{path}: {end:?}");
        if ends {
            assert_eq!(received, read);
        }
    }
}

#[tokio::test]
async fn a_range_is_asked_for_by_its_first_and_last_byte() {
    let service = TestService::start(|_| TestAnswer::json("{}")).await;
    let call = Call {
        range: Some(10..20),
        ..get("/v1/thing")
    };
    client(settings(&service))
        .open(&call)
        .await
        .expect("a head");
    assert_eq!(service.received()[0].header("range"), "bytes=10-19");
}

#[tokio::test]
async fn a_file_is_sent_signed_and_sent_again_after_a_failure() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&bytes).expect("bytes");
    let body = FileBody {
        path: file.path().to_owned(),
        len: 300_000,
        digest: wps2sign::BodyDigest::of(&bytes),
    };
    let service = failing(vec![TestAnswer::status(StatusCode::BAD_GATEWAY)]).await;
    let call = Call {
        body: CallBody::File(&body),
        ..Call::new("test", Method::PUT, "/v1/objects/1", OK)
    };
    let status = client(settings(&service)).status(&call).await;
    assert_eq!(status.expect("sent"), StatusCode::OK);
    let received = service.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert!(is_signed(&request));
        assert!(request.body == bytes);
        assert_eq!(request.header("content-length"), "300000");
        assert_eq!(request.header("content-type"), "application/octet-stream");
    }
}

#[tokio::test]
async fn a_service_that_takes_a_file_and_says_nothing_is_given_up_in_time() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let body = FileBody {
        path: file.path().to_owned(),
        len: 0,
        digest: wps2sign::BodyDigest::empty(),
    };
    let service = TestService::start(|_| TestAnswer::Hang).await;
    let hasty = AgentSettings {
        timeout: SHORT,
        ..settings(&service)
    };
    let call = Call {
        body: CallBody::File(&body),
        ..Call::new("test", Method::PUT, "/v1/objects/1", OK)
    };
    let error = client(hasty).status(&call).await.expect_err("no answer");
    assert!(matches!(error.failure(), Failure::Timeout), "{error}");
    assert_eq!(service.received().len(), 3);
}

#[test]
fn a_url_that_cannot_be_called_and_credentials_that_cannot_sign_are_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let good = AgentSettings::new("drive", "https://drive.example/base", "app", secret("s"));
    AgentClient::new(good.clone(), Arc::new(now)).expect("a client");
    let bad_urls = [
        "",
        "drive",
        "ftp://drive.example",
        "http://u@drive.example",
        "http://a/?b",
    ];
    let urls = bad_urls.map(|url| AgentSettings {
        url: url.to_owned(),
        ..good.clone()
    });
    let others = [
        AgentSettings {
            app_id: "a:b".to_owned(),
            ..good.clone()
        },
        AgentSettings {
            secret: secret(""),
            ..good.clone()
        },
        AgentSettings {
            breaker_failures: 0,
            ..good.clone()
        },
    ];
    for settings in urls.into_iter().chain(others) {
        let refused = AgentClient::new(settings.clone(), Arc::new(now));
        assert!(refused.is_err(), "{settings:?}");
    }
    assert!(!format!("{good:?}").contains("\"s\""));
}
