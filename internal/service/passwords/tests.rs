//! What is hashed, which callers wait, and which are refused and told when to try again.

use super::{Argon2Passwords, PasswordSettings};
use crate::polled::polled;
use argon2::password_hash::phc;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::HashQueue::{SignIn, SignUp};
use faceshare_biz::domain::account::{Password, PasswordHash, PasswordHasher, Verdict};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, mpsc};

const WEAK: PasswordSettings = PasswordSettings {
    memory_kib: 8,
    iterations: 1,
    parallelism: 1,
    concurrency: 1,
    queue: 1,
    per_address: 0,
    per_network: 0,
};

fn hasher(settings: PasswordSettings) -> Argon2Passwords {
    Argon2Passwords::new(settings).expect("parameters")
}

/// One address of one network.
fn site(network: u8, host: u8) -> Site {
    Site {
        address: IpAddr::from([10, 0, network, host]),
        network: IpAddr::from([10, 0, network, 0]),
    }
}

async fn hash(passwords: &Argon2Passwords, password: &str) -> PasswordHash {
    passwords
        .hash(Password::new(password), SignUp, site(1, 1))
        .await
        .expect("a hash")
}

async fn verify(
    passwords: &Argon2Passwords,
    password: &str,
    hash: Option<PasswordHash>,
) -> Verdict {
    passwords
        .verify(Password::new(password), hash, site(1, 1))
        .await
        .expect("compared")
}

#[tokio::test]
async fn a_password_fits_its_own_hash_and_no_two_hashes_are_equal() {
    let passwords = hasher(WEAK);
    let (one, two) = (
        hash(&passwords, "pässword").await,
        hash(&passwords, "pässword").await,
    );
    assert_ne!(one, two);
    assert!(one.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    assert_eq!(
        verify(&passwords, "pässword", Some(one.clone())).await,
        Verdict::Right
    );
    assert_eq!(
        verify(&passwords, "password", Some(one)).await,
        Verdict::Wrong
    );
}

#[tokio::test]
async fn without_a_hash_every_password_is_wrong() {
    for text in ["", "x", "password"] {
        assert_eq!(verify(&hasher(WEAK), text, None).await, Verdict::Wrong);
    }
}

/// The decoy costs as much as a hash of today: everything that argon2's work depends on is the
/// same.
#[tokio::test]
async fn without_a_hash_the_work_is_that_of_a_fresh_one() {
    /// All parts of a hash except its salt and its digest.
    fn work(hash: &PasswordHash) -> (String, Option<u32>, String, Option<usize>, Option<usize>) {
        let hash = phc::PasswordHash::new(hash.as_str()).expect("in PHC form");
        let (salt, digest) = (
            hash.salt.map(|salt| salt.len()),
            hash.hash.map(|digest| digest.len()),
        );
        (
            hash.algorithm.to_string(),
            hash.version,
            hash.params.to_string(),
            salt,
            digest,
        )
    }
    for settings in [
        WEAK,
        PasswordSettings {
            memory_kib: 64,
            iterations: 3,
            parallelism: 2,
            ..WEAK
        },
    ] {
        let passwords = hasher(settings);
        let (decoy, fresh) = (
            work(&passwords.kernel.decoy),
            work(&hash(&passwords, "password").await),
        );
        assert_eq!(decoy, fresh);
        let PasswordSettings {
            memory_kib,
            iterations,
            parallelism,
            ..
        } = settings;
        assert_eq!(
            decoy.2,
            format!("m={memory_kib},t={iterations},p={parallelism}")
        );
    }
}

#[tokio::test]
async fn a_hash_of_weaker_parameters_is_replaced_and_one_of_stronger_ones_stays() {
    let (weak, strong) = (
        hasher(WEAK),
        hasher(PasswordSettings {
            memory_kib: 16,
            iterations: 2,
            ..WEAK
        }),
    );
    let old = hash(&weak, "secret").await;
    let verdict = verify(&strong, "secret", Some(old.clone())).await;
    let Verdict::Outdated(new) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(new.as_str().contains("m=16,t=2"));
    assert_eq!(
        verify(&strong, "secret", Some(new.clone())).await,
        Verdict::Right
    );
    assert_eq!(verify(&weak, "secret", Some(new)).await, Verdict::Right);
    assert_eq!(verify(&strong, "guess", Some(old)).await, Verdict::Wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once_and_says_when_to_try_again() {
    let passwords = hasher(WEAK);
    let running = Running::start(&passwords, site(1, 1)).await;
    let mut waiting = polled(passwords.hash(Password::new("second"), SignIn, site(2, 1)));
    assert!(waiting.poll_once().await.is_none(), "the second waits");
    let refused = passwords
        .hash(Password::new("third"), SignIn, site(3, 1))
        .await
        .expect_err("refused");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    assert!(refused.retry_after.is_some());
    running.end().await;
    waiting.finish().await.expect("the second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_and_a_network_take_no_more_than_their_quotas() {
    let passwords = hasher(PasswordSettings {
        queue: 10,
        per_address: 2,
        per_network: 3,
        ..WEAK
    });
    let running = Running::start(&passwords, site(1, 1)).await;
    let ask = |site| polled(passwords.verify(Password::new("guess"), None, site));
    let mut waiting = Vec::new();
    for free in [site(1, 1), site(1, 2), site(2, 1), site(2, 1)] {
        waiting.push(ask(free));
        assert!(
            waiting.last_mut().expect("one").poll_once().await.is_none(),
            "{free:?} waits"
        );
    }
    for spent in [site(1, 1), site(1, 3), site(2, 1)] {
        let refused = ask(spent).finish().await.expect_err("more than its quota");
        assert!(
            refused.code == ErrorCode::RateLimited && refused.retry_after.is_some(),
            "{spent:?}: {refused:?}"
        );
    }
    running.end().await;
    for waited in waiting {
        assert_eq!(waited.finish().await.expect("compared"), Verdict::Wrong);
    }
    assert_eq!(
        verify(&passwords, "guess", None).await,
        Verdict::Wrong,
        "the quota is free again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_waits_for_at_most_one_of_a_flood_of_sign_ups() {
    let passwords = hasher(PasswordSettings { queue: 4, ..WEAK });
    let running = Running::start(&passwords, site(1, 1)).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let ask = |line| {
        let order = order.clone();
        let work = move |_: &super::Kernel| {
            order.lock().expect("not poisoned").push(line);
            Ok(())
        };
        polled(passwords.in_pool(line, site(1, 1), work))
    };
    let mut waiting = Vec::new();
    for line in [SignUp, SignUp, SignUp, SignUp, SignUp, SignIn] {
        waiting.push(ask(line));
        assert!(
            waiting.last_mut().expect("one").poll_once().await.is_none(),
            "all wait"
        );
    }
    assert_eq!(
        ask(SignUp).finish().await.expect_err("refused").code,
        ErrorCode::Unavailable
    );
    running.end().await;
    for waited in waiting {
        waited.finish().await.expect("done");
    }
    assert_eq!(
        *order.lock().expect("not poisoned"),
        [SignUp, SignIn, SignUp, SignUp, SignUp, SignUp]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_stops_waiting_frees_its_slot_and_no_hash_is_made() {
    let passwords = hasher(WEAK);
    let running = Running::start(&passwords, site(1, 1)).await;
    let made = Arc::new(Mutex::new(0));
    let count = made.clone();
    let work = move |_: &super::Kernel| {
        *count.lock().expect("not poisoned") += 1;
        Ok(())
    };
    let mut gone = polled(passwords.in_pool(SignIn, site(1, 1), work));
    assert!(gone.poll_once().await.is_none(), "it waits");
    drop(gone);
    let mut next = polled(passwords.verify(Password::new("guess"), None, site(1, 1)));
    assert!(next.poll_once().await.is_none(), "the slot is free");
    running.end().await;
    assert_eq!(next.finish().await.expect("compared"), Verdict::Wrong);
    assert_eq!(*made.lock().expect("not poisoned"), 0);
}

/// A hash for signing in that runs until the test releases it.
struct Running {
    release: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<faceshare_biz::Result<()>>,
}

impl Running {
    async fn start(passwords: &Argon2Passwords, site: Site) -> Self {
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let runner = passwords.clone();
        let work = move |_: &super::Kernel| {
            let _ = began.send(());
            held.recv().map_err(faceshare_biz::Error::internal)
        };
        let task = tokio::spawn(async move { runner.in_pool(SignIn, site, work).await });
        begun.await.expect("it runs");
        Self { release, task }
    }

    async fn end(self) {
        self.release.send(()).expect("it runs");
        self.task.await.expect("ends").expect("done");
    }
}
