//! The agents under the contract, and what is particular to each.

use super::{CachedEncs, EmbeddedEncs, EncsKeyring, RemoteEncs};
use agentclient::testing::{Received, TestAnswer, TestService};
use agentclient::{AgentClient, AgentSettings, Scheme};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encsapi::EncsClient;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::encs::{DataKey, EncsAgent, MockEncsAgent, WrappedKey};
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn session(number: u64) -> SessionId {
    SessionId::new(number).expect("not zero")
}

fn key(byte: u8) -> DataKey {
    DataKey::filled(|bytes| bytes.fill(byte))
}

/// An encs service that follows `api/encs.yaml`. Its wrapping is no encryption.
async fn encs_service() -> TestService {
    let destroyed = Mutex::new(HashSet::new());
    TestService::start(move |request| {
        let secret = SecretString::from("s3cret");
        if !request.is_signed(Scheme::Kso1, "app", &secret, now()) {
            return TestAnswer::status(StatusCode::UNAUTHORIZED);
        }
        let mut destroyed = destroyed.lock().expect("a lock");
        answer(request, &mut destroyed).unwrap_or(TestAnswer::status(StatusCode::BAD_REQUEST))
    })
    .await
}

fn answer(request: &Received, destroyed: &mut HashSet<String>) -> Option<TestAnswer> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let context = body["context"].as_str()?;
    let field = |name: &str| STANDARD.decode(body[name].as_str()?).ok();
    // A mask that depends on the context, and a hash of both.
    let mask = Sha256::digest(context);
    let masked = |bytes: &[u8]| -> Vec<u8> {
        let masks = mask.iter().cycle();
        bytes.iter().zip(masks).map(|(b, mask)| b ^ mask).collect()
    };
    let hash = |plain: &[u8]| {
        let hasher = Sha256::new().chain_update(mask);
        hasher.chain_update(plain).finalize()
    };
    match request.path() {
        "/v1/wrap" => {
            let plain = field("plaintext")?;
            let wrapped = [hash(&plain).to_vec(), masked(&plain)].concat();
            let wrapped = STANDARD.encode(wrapped);
            let answer = json!({"keyId": "k1", "wrapped": wrapped, "more": 1});
            Some(TestAnswer::json(answer.to_string()))
        }
        "/v1/unwrap" if destroyed.contains(context) => Some(TestAnswer::status(StatusCode::GONE)),
        "/v1/unwrap" if body["keyId"] == "k1" => {
            let wrapped = field("wrapped")?;
            let (sum, plain) = wrapped.split_at_checked(32)?;
            let plain = masked(plain);
            let answer = json!({"plaintext": STANDARD.encode(&plain)});
            (*sum == hash(&plain)[..]).then(|| TestAnswer::json(answer.to_string()))
        }
        "/v1/destroy" => {
            destroyed.insert(context.to_owned());
            Some(TestAnswer::status(StatusCode::NO_CONTENT))
        }
        _ => None,
    }
}

fn remote(service: &TestService) -> RemoteEncs {
    // A second installation is refused, which is harmless: the tests may share one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secret = SecretString::from("s3cret");
    let settings = AgentSettings {
        breaker_failures: u32::MAX,
        ..AgentSettings::new("encs", service.url(), "app", secret)
    };
    let client = AgentClient::new(settings, Arc::new(now)).expect("a client");
    RemoteEncs::new(EncsClient::new(client))
}

mod embedded {
    faceshare_contract::encs_agent_contract!(async {
        let dir = tempfile::tempdir().expect("a directory");
        let agent = super::EmbeddedEncs::open(dir.path()).expect("an agent");
        (agent, dir)
    });
}

mod remote {
    faceshare_contract::encs_agent_contract!(async {
        let service = super::encs_service().await;
        (super::remote(&service), service)
    });
}

mod cached {
    faceshare_contract::encs_agent_contract!(async {
        let service = super::encs_service().await;
        let ttl = std::time::Duration::from_secs(300);
        (
            super::CachedEncs::new(super::remote(&service), ttl),
            service,
        )
    });
}

#[tokio::test]
async fn a_keyring_is_made_once_and_its_owner_alone_may_read_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let wrapped = {
        let first = EmbeddedEncs::open(dir.path()).expect("an agent");
        first.wrap(session(1), &key(1)).await.expect("wrapped")
    };
    let path = EncsKeyring::in_dir(dir.path()).path();
    assert_eq!(path, dir.path().join("encs.keys"));
    let mode = std::fs::metadata(path)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = EmbeddedEncs::open(dir.path()).expect("an agent");
    assert!(
        again
            .unwrap(session(1), &wrapped)
            .await
            .expect("the same key")
            == key(1)
    );
}

#[test]
fn a_broken_keyring_is_named_and_never_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = EncsKeyring::in_dir(dir.path()).path();
    for broken in ["", "# nothing\n", "k1:short\n"] {
        std::fs::write(&path, broken).expect("a file");
        let error = EmbeddedEncs::open(dir.path()).expect_err("no key");
        assert!(error.to_string().contains("encs.keys"), "{error}");
        EncsKeyring::in_dir(dir.path())
            .add_key()
            .expect_err("no key");
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), broken);
    }
}

#[tokio::test]
async fn a_running_agent_follows_a_rotation() {
    let dir = tempfile::tempdir().expect("a directory");
    let agent = EmbeddedEncs::open(dir.path()).expect("an agent");
    let keyring = EncsKeyring::in_dir(dir.path());
    let old = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    assert_eq!(
        agent.rewrap(session(1), &old).await.expect("an answer"),
        None
    );

    keyring.add_key().expect("a key");
    let new = agent.wrap(session(2), &key(2)).await.expect("wrapped");
    assert_ne!(new.key_id, old.key_id);
    assert!(agent.unwrap(session(1), &old).await.expect("the old key") == key(1));

    let rewrapped = agent.rewrap(session(1), &old).await.expect("an answer");
    let rewrapped = rewrapped.expect("another wrapping");
    assert_eq!(rewrapped.key_id, new.key_id);
    keyring.drop_old_keys().expect("dropped");
    assert!(
        agent
            .unwrap(session(1), &rewrapped)
            .await
            .expect("the new key")
            == key(1)
    );
    agent.unwrap(session(1), &old).await.expect_err("dropped");
    assert!(agent.unwrap(session(2), &new).await.expect("the new key") == key(2));
}

#[tokio::test]
async fn what_is_destroyed_stays_destroyed_after_a_restart_and_a_cut_off_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let agent = EmbeddedEncs::open(dir.path()).expect("an agent");
    let mut wrapped = Vec::new();
    for number in [11, 12, 13] {
        wrapped.push(agent.wrap(session(number), &key(1)).await.expect("wrapped"));
    }
    agent.destroy(session(11)).await.expect("destroyed");
    drop(agent);
    let list = dir.path().join("encs.destroyed");
    let mut text = std::fs::read_to_string(&list).expect("the list");
    text.push('1');
    std::fs::write(&list, text).expect("a cut-off line");

    let agent = EmbeddedEncs::open(dir.path()).expect("an agent");
    agent.destroy(session(12)).await.expect("destroyed");
    drop(agent);
    let agent = EmbeddedEncs::open(dir.path()).expect("an agent");
    for (number, wrapped) in [11, 12, 13].into_iter().zip(&wrapped) {
        let unwrapped = agent.unwrap(session(number), wrapped).await;
        assert_eq!(unwrapped.is_ok(), number == 13, "{number}");
    }
}

#[tokio::test]
async fn failures_of_the_service_are_unavailable_with_a_time_to_wait() {
    let not_32_bytes = json!({"plaintext": STANDARD.encode([7; 31])}).to_string();
    let wrapped = WrappedKey {
        key_id: "k1".to_owned(),
        wrapped: vec![7],
    };
    for fault in [
        TestAnswer::status(StatusCode::UNAUTHORIZED),
        TestAnswer::status(StatusCode::INTERNAL_SERVER_ERROR),
        TestAnswer::status(StatusCode::NO_CONTENT),
        TestAnswer::json("{}"),
        TestAnswer::json(r#"{"plaintext": "no base64!"}"#),
        TestAnswer::json(not_32_bytes),
    ] {
        let service = TestService::start(move |_| fault.clone()).await;
        let failed = remote(&service).unwrap(session(1), &wrapped).await;
        let error = failed.expect_err("a failure");
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.retry_after.is_some());
    }
}

#[tokio::test]
async fn within_the_time_to_live_keys_are_unwrapped_while_the_service_is_away() {
    let service = encs_service().await;
    let wrapped = remote(&service)
        .wrap(session(1), &key(1))
        .await
        .expect("wrapped");
    let caching = CachedEncs::new(remote(&service), Duration::from_secs(300));
    let forgetting = CachedEncs::new(remote(&service), Duration::ZERO);
    for agent in [&caching, &forgetting] {
        agent.unwrap(session(1), &wrapped).await.expect("unwrapped");
    }
    drop(service);
    assert!(caching.unwrap(session(1), &wrapped).await.expect("known") == key(1));
    let other = WrappedKey {
        wrapped: vec![7],
        ..wrapped.clone()
    };
    caching
        .unwrap(session(1), &other)
        .await
        .expect_err("another wrapping");
    forgetting
        .unwrap(session(1), &wrapped)
        .await
        .expect_err("forgotten");
}

#[tokio::test(start_paused = true)]
async fn after_the_time_to_live_the_agent_is_asked_again() {
    let ttl = Duration::from_secs(300);
    let mut agent = MockEncsAgent::new();
    agent.expect_unwrap().times(3).returning(|_, _| Ok(key(1)));
    agent.expect_destroy().times(1).returning(|_| Ok(()));
    let cached = CachedEncs::new(agent, ttl);
    let wrapped = WrappedKey {
        key_id: "k1".to_owned(),
        wrapped: vec![7],
    };
    cached.unwrap(session(1), &wrapped).await.expect("asked");
    tokio::time::advance(ttl - Duration::from_secs(1)).await;
    cached.unwrap(session(1), &wrapped).await.expect("known");
    tokio::time::advance(Duration::from_secs(1)).await;
    cached
        .unwrap(session(1), &wrapped)
        .await
        .expect("asked again");
    cached.destroy(session(1)).await.expect("destroyed");
    let unwrapped = cached.unwrap(session(1), &wrapped).await;
    unwrapped.expect("asked a third time");
}
