//! Simulates 24 hours of a distributed guessing attack on the use cases, over the real budgets and
//! on a virtual clock: how many sessions the attacker enters, and whether honest callers still
//! join.
//!
//! The attacker is the one of the budgets' own simulation: it guesses with guests, from as many
//! addresses as the case says, and stays just below the budget of every address and network. It
//! hosts a session, which it enters from each address before it guesses. Codes have their longest
//! lifetime. The guesses are not random: every 80th hits the session of another host, a hundred
//! times as often as chance would, so that the result is large enough to count and the same every
//! time.

use super::fakes::TestApp;
use super::{CodePolicy, Created, Key, NewFaceSession, NewInvite, Prejoined};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{GuessBudgets, GuessLimits, NumberCode};
use faceshare_biz::domain::{Site, Timestamp};
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::KnockAnswer;
use faceshare_repository::EmbeddedGuessBudgets;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// The highest density of six-digit codes: with this many live sessions a guess is worth
/// [`HITS_PER_GUESS`] expected hits.
const LIVE: usize = 100;
const HITS_PER_GUESS: f64 = 1.25e-4;
/// How much more often than by chance the attacker hits: every 80th guess.
const LUCK: f64 = 100.0;
const GUESSES_PER_HIT: u32 = 80;
/// The budget of an address recovers within 11 minutes.
const ROUND: Duration = Duration::from_secs(11 * 60);
const ROUNDS: u32 = 24 * 60 / 11;
/// Guesses of an address in a round: one below its budget.
const GUESSES: u32 = 9;
/// Codes are rotated after this many rounds, the longest lifetime of a code.
const ROUNDS_PER_CODE: u32 = 10;
/// The most guesses under forced approval within a code's lifetime, after which the attacker
/// pauses: more than a day's budget.
const FORCED_GUESSES_MAX: u32 = 2_000;

/// Ten addresses in a network: more would use up the network's budget first.
fn site(number: u32) -> Site {
    let (network, host) = (number / 10, number % 10);
    let at = |last: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + (network << 8) + last));
    Site {
        address: at(host + 1),
        network: at(0),
    }
}

/// The site of an honest caller, in a network that no attacker uses.
fn honest_site(number: u32) -> Site {
    site(9_000_000 + 10 * number)
}

/// A session whose host is connected, and its current code.
struct Target {
    host: Caller,
    created: Created,
    code: NumberCode,
}

struct GuessingAttack {
    app: TestApp,
    budgets: Arc<EmbeddedGuessBudgets>,
    /// The [`LIVE`] sessions of other hosts, then the attacker's own.
    targets: Vec<Target>,
    people: u64,
    guesses: u32,
    entered: u32,
    /// Codes that were right but needed approval, and when they were found.
    found: Vec<(Timestamp, NumberCode)>,
    /// When each guess under forced approval was made.
    forced_guesses: Vec<Timestamp>,
}

impl GuessingAttack {
    async fn prepare() -> Self {
        let budgets = Arc::new(EmbeddedGuessBudgets::new(GuessLimits::default()));
        let longest = CodePolicy {
            lifetime: CodePolicy::default().max_lifetime,
            ..CodePolicy::default()
        };
        let app = TestApp::with_budgets(budgets.clone(), longest);
        let mut attack = Self {
            app,
            budgets,
            targets: Vec::new(),
            people: 0,
            guesses: 0,
            entered: 0,
            found: Vec::new(),
            forced_guesses: Vec::new(),
        };
        while attack.targets.len() <= LIVE {
            let host = attack.guest().await;
            let created = attack
                .app
                .cases
                .create(host, NewFaceSession::default())
                .await
                .expect("a session");
            attack.app.connect_host(host, &created).await;
            let code = created.code.code.clone();
            attack.targets.push(Target {
                host,
                created,
                code,
            });
        }
        attack
    }

    async fn guest(&mut self) -> Caller {
        self.people += 1;
        self.app.person(self.people).await
    }

    async fn is_forced(&self) -> bool {
        self.budgets
            .pressure(self.app.now())
            .await
            .expect("known")
            .spent
            .is_some()
    }

    async fn join_by_code(&self, who: Caller, from: Site, code: &NumberCode) -> Result<Prejoined> {
        self.app
            .cases
            .prejoin(who, from, Key::NumberCode(code.digits().to_owned()), None)
            .await
    }

    /// One guess; every [`GUESSES_PER_HIT`]th is right.
    async fn guess(&mut self, guest: Caller, from: Site) {
        self.guesses += 1;
        if !self.guesses.is_multiple_of(GUESSES_PER_HIT) {
            let wrong =
                NumberCode::new(&(900_000 + self.guesses % 90_000).to_string()).expect("a code");
            let error = self
                .join_by_code(guest, from, &wrong)
                .await
                .expect_err("no session has this code");
            assert_eq!(
                error.code,
                ErrorCode::NumberCodeNotJoinable,
                "it stays below its budgets"
            );
            return;
        }
        let target = (self.guesses / GUESSES_PER_HIT) as usize % LIVE;
        // A new guest, whom the session does not know.
        let (guest, code) = (self.guest().await, self.targets[target].code.clone());
        match self.join_by_code(guest, from, &code).await {
            Ok(Prejoined::Admitted(_)) => self.entered += 1,
            // The code is right but needs approval, and the host does not answer strangers.
            Ok(Prejoined::Waiting(_)) => self.found.push((self.app.now(), code)),
            Err(error) => {
                assert_eq!(
                    error.code,
                    ErrorCode::LimitExceeded,
                    "too many wait there: {error:?}"
                );
                self.found.push((self.app.now(), code));
            }
        }
    }

    /// Tries the found codes again with new guests, once no approval is forced.
    async fn retry_found_codes(&mut self) {
        for (_, code) in std::mem::take(&mut self.found) {
            let guest = self.guest().await;
            self.entered += u32::from(matches!(
                self.join_by_code(guest, site(8_000_000), &code).await,
                Ok(Prejoined::Admitted(_))
            ));
        }
    }

    /// One round from these addresses. A patient attacker stops while approval is forced, a greedy
    /// one goes on to use the found codes later.
    async fn round(&mut self, number: u32, addresses: u32, greedy: bool) {
        let now = self.app.now();
        let life = CodePolicy::default().max_lifetime;
        self.forced_guesses.retain(|at| now.since(*at) < life);
        self.found.retain(|(at, _)| now.since(*at) < life);
        if !self.is_forced().await {
            self.retry_found_codes().await;
        }
        for next in 0..addresses {
            let forced = self.is_forced().await;
            let (from, guest) = (
                site((number * 1_000 + next) % addresses),
                self.guest().await,
            );
            let own = self.targets[LIVE].code.clone();
            // A right code does not reset the budgets.
            match self.join_by_code(guest, from, &own).await {
                Ok(Prejoined::Admitted(_)) => {}
                Ok(Prejoined::Waiting(_)) => assert!(forced),
                Err(error) => assert!(
                    forced && error.code == ErrorCode::LimitExceeded,
                    "{error:?}"
                ),
            }
            for _ in 0..GUESSES {
                self.guess(guest, from).await;
                if self.is_forced().await {
                    self.forced_guesses.push(now);
                }
            }
            let enough = if greedy {
                FORCED_GUESSES_MAX as usize
            } else {
                0
            };
            if self.forced_guesses.len() > enough {
                break;
            }
        }
    }

    /// Rotates the codes of all sessions.
    async fn rotate(&mut self) {
        for target in &mut self.targets {
            let fresh = self
                .app
                .cases
                .rotate_number_code(target.host, target.created.session.id, None)
                .await
                .expect("rotated");
            target.code = fresh.code;
        }
    }

    /// Runs the attack for a day.
    async fn run_day(&mut self, addresses: u32, greedy: bool) {
        for number in 0..ROUNDS {
            if number > 0 && number.is_multiple_of(ROUNDS_PER_CODE) {
                self.rotate().await;
            }
            self.round(number, addresses, greedy).await;
            if number.is_multiple_of(ROUNDS_PER_CODE) {
                self.honest_people_get_in(number).await;
            }
            self.app.clock.pass(ROUND);
        }
    }

    /// Callers who are not suspect join at once, even after a few typing errors. A new guest joins
    /// at once, or after the host's approval while it is forced.
    async fn honest_people_get_in(&mut self, round: u32) {
        let Target {
            host,
            created,
            code,
        } = &self.targets[round as usize % LIVE];
        let (host, id, code) = (*host, created.session.id, code.clone());
        let (near, wrong) = (
            honest_site(round),
            NumberCode::new("989898").expect("a code"),
        );
        let invite = self
            .app
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        let by_invite = self.guest().await;
        let entered = self
            .app
            .cases
            .prejoin(
                by_invite,
                site(7_000_000 + 10 * round),
                Key::Invite(invite.secret),
                None,
            )
            .await;
        assert!(
            matches!(entered, Ok(Prejoined::Admitted(_))),
            "by invite: {entered:?}"
        );
        let again = self
            .join_by_code(by_invite, site(6_000_000 + 10 * round), &code)
            .await;
        assert!(
            matches!(again, Ok(Prejoined::Admitted(_))),
            "a caller who was a member: {again:?}"
        );

        let newcomer = self.guest().await;
        let knocked = self
            .join_by_code(newcomer, site(5_000_000 + 10 * round), &code)
            .await
            .expect("let in, or asked to wait");
        assert_eq!(
            matches!(knocked, Prejoined::Waiting(_)),
            self.is_forced().await,
            "{knocked:?}"
        );
        if matches!(knocked, Prejoined::Waiting(_)) {
            let waiting = self
                .app
                .cases
                .knocks(host, id)
                .await
                .expect("shown to the host");
            let name = format!("person {}", newcomer.account);
            let knock = waiting
                .iter()
                .find(|knock| knock.nickname.as_str() == name)
                .expect("the newcomer's");
            self.app
                .cases
                .answer_knock(host, id, knock.id, KnockAnswer::Admit)
                .await
                .expect("let in");
            let entered = self
                .join_by_code(newcomer, site(5_000_000 + 10 * round), &code)
                .await;
            assert!(
                matches!(entered, Ok(Prejoined::Admitted(_))),
                "the host said so: {entered:?}"
            );
        }

        // A class that shares the teacher's address, whose typing errors have used up its budget.
        let _teacher = self
            .app
            .addresses
            .connect(id, host.account, near.address, self.app.now());
        for pupil in 0..3 {
            let who = self.guest().await;
            for _ in 0..4 {
                self.join_by_code(who, near, &wrong)
                    .await
                    .expect_err("mistyped");
            }
            let entered = self.join_by_code(who, near, &code).await;
            assert!(
                matches!(entered, Ok(Prejoined::Admitted(_))),
                "pupil {pupil}: {entered:?}"
            );
        }
    }

    /// The documented bound for an attacker with this luck. It counts the expected hits of all
    /// guesses, including those that hit.
    fn bound() -> f64 {
        (0.2 + HITS_PER_GUESS) * LUCK / LUCK.mul_add(-HITS_PER_GUESS, 1.0)
    }
}

/// The cases: one address, a thousand addresses that stop under forced approval, and a thousand
/// that go on.
#[tokio::test(start_paused = true)]
async fn a_day_of_guessing_codes_enters_no_more_than_is_documented_and_honest_people_get_in() {
    for (addresses, greedy, at_least) in [(1, true, 14), (1_000, false, 15), (1_000, true, 4)] {
        let mut attack = GuessingAttack::prepare().await;
        let old = attack.app.account(1_000_000).await;
        attack.run_day(addresses, greedy).await;
        let GuessingAttack {
            entered, guesses, ..
        } = attack;
        let summary = format!("{addresses} addresses: entered {entered} by {guesses} guesses");
        assert!(f64::from(entered) <= GuessingAttack::bound(), "{summary}");
        assert!(
            entered >= at_least,
            "the attack was too weak to prove anything; {summary}"
        );
        assert_eq!(attack.is_forced().await, addresses > 1, "{summary}");

        // An account that is a day old mistypes four times and comes in at once.
        attack.app.clock.pass(ROUND);
        attack.rotate().await;
        let code = attack.targets[0].code.clone();
        let wrong = NumberCode::new("989898").expect("a code");
        for _ in 0..4 {
            attack
                .join_by_code(old, honest_site(500_000), &wrong)
                .await
                .expect_err("mistyped");
        }
        let joined = attack.join_by_code(old, honest_site(500_000), &code).await;
        assert!(
            matches!(joined, Ok(Prejoined::Admitted(_))),
            "{summary}, {joined:?}"
        );
    }
}
