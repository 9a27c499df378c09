//! What a distributed attacker gets through the door itself, and what honest people still get, over 24 hours: the use cases of this module
//! over the real budgets, on a virtual clock.
//!
//! The attacker is the one of the budgets' own simulation: it guesses with guests, from as many addresses as the case says, and stays just
//! below the budget of every address and network; it hosts a session, which it enters from each address before it guesses. Codes live as long
//! as they may. Instead of drawing its guesses it hits a stranger's session with every so many, a hundred times as often as chance
//! would have it, so that what it enters can be counted and is the same every time.

use super::fakes::House;
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

/// The densest that codes of six digits get: a guess is worth this many expected hits.
const LIVE: usize = 100;
const WORTH: f64 = 1.25e-4;
/// How much luckier than chance the attacker is: of its guesses every 80th hits.
const LUCK: f64 = 100.0;
const HITS: u32 = 80;
/// The budget of an address comes back in 11 minutes at the latest.
const ROUND: Duration = Duration::from_secs(11 * 60);
const ROUNDS: u32 = 24 * 60 / 11;
/// Guesses of an address in a round: one less than would spend its budget.
const GUESSES: u32 = 9;
/// Codes are rotated after so many rounds, as late as a code can live.
const ROTATED: u32 = 10;
/// Guesses of some hours that may come to nothing, after which the attacker rests: more than a day's budget.
const SHELF: u32 = 2_000;

/// Ten addresses in a network: more would spend the network's budget first.
fn site(number: u32) -> Site {
    let (network, host) = (number / 10, number % 10);
    let at = |last: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + (network << 8) + last));
    Site {
        address: at(host + 1),
        network: at(0),
    }
}

/// Where an honest person is, far from any attacker.
fn home(number: u32) -> Site {
    site(9_000_000 + 10 * number)
}

/// A session whose host is connected.
struct Target {
    host: Caller,
    created: Created,
    code: NumberCode,
}

struct Siege {
    house: House,
    budgets: Arc<EmbeddedGuessBudgets>,
    /// Strangers' sessions; behind them the attacker's own.
    targets: Vec<Target>,
    people: u64,
    guesses: u32,
    entered: u32,
    /// Codes that were found and did not let in at once, with when that was.
    found: Vec<(Timestamp, NumberCode)>,
    /// Guesses made while they let nobody in.
    shelved: Vec<Timestamp>,
}

impl Siege {
    async fn laid() -> Self {
        let budgets = Arc::new(EmbeddedGuessBudgets::new(GuessLimits::default()));
        let longest = CodePolicy {
            lifetime: CodePolicy::default().max_lifetime,
            ..CodePolicy::default()
        };
        let house = House::guarded_by(budgets.clone(), longest);
        let mut siege = Self {
            house,
            budgets,
            targets: Vec::new(),
            people: 0,
            guesses: 0,
            entered: 0,
            found: Vec::new(),
            shelved: Vec::new(),
        };
        while siege.targets.len() <= LIVE {
            let host = siege.guest().await;
            let created = siege
                .house
                .cases
                .create(host, NewFaceSession::default())
                .await
                .expect("a session");
            siege.house.connect_host(host, &created).await;
            let code = created.code.code.clone();
            siege.targets.push(Target {
                host,
                created,
                code,
            });
        }
        siege
    }

    async fn guest(&mut self) -> Caller {
        self.people += 1;
        self.house.person(self.people).await
    }

    async fn is_forced(&self) -> bool {
        self.budgets
            .pressure(self.house.now())
            .await
            .expect("known")
            .spent
            .is_some()
    }

    async fn come(&self, who: Caller, from: Site, code: &NumberCode) -> Result<Prejoined> {
        self.house
            .cases
            .prejoin(who, from, Key::NumberCode(code.digits().to_owned()), None)
            .await
    }

    /// One guess, which hits when it is its turn.
    async fn guess(&mut self, guest: Caller, from: Site) {
        self.guesses += 1;
        if !self.guesses.is_multiple_of(HITS) {
            let wrong =
                NumberCode::new(&(900_000 + self.guesses % 90_000).to_string()).expect("a code");
            let error = self
                .come(guest, from, &wrong)
                .await
                .expect_err("nobody has this code");
            assert_eq!(
                error.code,
                ErrorCode::NumberCodeNotJoinable,
                "it stays below its budgets"
            );
            return;
        }
        let target = (self.guesses / HITS) as usize % LIVE;
        // Nobody that the session has seen.
        let (guest, code) = (self.guest().await, self.targets[target].code.clone());
        match self.come(guest, from, &code).await {
            Ok(Prejoined::Admitted(_)) => self.entered += 1,
            // Told that it is right, and not let in: the host answers nobody whom it does not know.
            Ok(Prejoined::Waiting(_)) => self.found.push((self.house.now(), code)),
            Err(error) => {
                assert_eq!(
                    error.code,
                    ErrorCode::LimitExceeded,
                    "too many wait there: {error:?}"
                );
                self.found.push((self.house.now(), code));
            }
        }
    }

    /// What was found earlier is tried again by somebody new, once guests come in.
    async fn use_what_was_found(&mut self) {
        for (_, code) in std::mem::take(&mut self.found) {
            let guest = self.guest().await;
            self.entered += u32::from(matches!(
                self.come(guest, site(8_000_000), &code).await,
                Ok(Prejoined::Admitted(_))
            ));
        }
    }

    /// A round from these addresses. A patient attacker stops when guesses let nobody in, a greedy one goes on for later.
    async fn round(&mut self, number: u32, addresses: u32, greedy: bool) {
        let now = self.house.now();
        let life = CodePolicy::default().max_lifetime;
        self.shelved.retain(|at| now.since(*at) < life);
        self.found.retain(|(at, _)| now.since(*at) < life);
        if !self.is_forced().await {
            self.use_what_was_found().await;
        }
        for next in 0..addresses {
            let forced = self.is_forced().await;
            let (from, guest) = (
                site((number * 1_000 + next) % addresses),
                self.guest().await,
            );
            let own = self.targets[LIVE].code.clone();
            // It clears nothing.
            match self.come(guest, from, &own).await {
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
                    self.shelved.push(now);
                }
            }
            let enough = if greedy { SHELF as usize } else { 0 };
            if self.shelved.len() > enough {
                break;
            }
        }
    }

    /// All sessions have new codes.
    async fn rotate(&mut self) {
        for target in &mut self.targets {
            let fresh = self
                .house
                .cases
                .rotate_number_code(target.host, target.created.session.id)
                .await
                .expect("rotated");
            target.code = fresh.code;
        }
    }

    /// A day of it.
    async fn day(&mut self, addresses: u32, greedy: bool) {
        for number in 0..ROUNDS {
            if number > 0 && number.is_multiple_of(ROTATED) {
                self.rotate().await;
            }
            self.round(number, addresses, greedy).await;
            if number.is_multiple_of(ROTATED) {
                self.honest_people_get_in(number).await;
            }
            self.house.clock.pass(ROUND);
        }
    }

    /// Whoever is no suspect comes in at once, mistyping now and then; a new guest does too, or once the host has said so.
    async fn honest_people_get_in(&mut self, round: u32) {
        let Target {
            host,
            created,
            code,
        } = &self.targets[round as usize % LIVE];
        let (host, id, code) = (*host, created.session.id, code.clone());
        let (near, wrong) = (home(round), NumberCode::new("989898").expect("a code"));
        let invite = self
            .house
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        let by_invite = self.guest().await;
        let entered = self
            .house
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
            .come(by_invite, site(6_000_000 + 10 * round), &code)
            .await;
        assert!(
            matches!(again, Ok(Prejoined::Admitted(_))),
            "somebody who was in: {again:?}"
        );

        let newcomer = self.guest().await;
        let knocked = self
            .come(newcomer, site(5_000_000 + 10 * round), &code)
            .await
            .expect("let in, or asked to wait");
        assert_eq!(
            matches!(knocked, Prejoined::Waiting(_)),
            self.is_forced().await,
            "{knocked:?}"
        );
        if matches!(knocked, Prejoined::Waiting(_)) {
            let waiting = self
                .house
                .cases
                .knocks(host, id)
                .await
                .expect("shown to the host");
            let name = format!("person {}", newcomer.account);
            let knock = waiting
                .iter()
                .find(|knock| knock.nickname.as_str() == name)
                .expect("the newcomer's");
            self.house
                .cases
                .answer_knock(host, id, knock.id, KnockAnswer::Admit)
                .await
                .expect("let in");
            let entered = self
                .come(newcomer, site(5_000_000 + 10 * round), &code)
                .await;
            assert!(
                matches!(entered, Ok(Prejoined::Admitted(_))),
                "the host said so: {entered:?}"
            );
        }

        // A class behind the teacher's address, whose typing has spent it.
        let _teacher =
            self.house
                .addresses
                .connect(id, host.account, near.address, self.house.now());
        for pupil in 0..3 {
            let who = self.guest().await;
            for _ in 0..4 {
                self.come(who, near, &wrong).await.expect_err("mistyped");
            }
            let entered = self.come(who, near, &code).await;
            assert!(
                matches!(entered, Ok(Prejoined::Admitted(_))),
                "pupil {pupil}: {entered:?}"
            );
        }
    }

    /// What the documented bound is for an attacker with this luck: it is reckoned from the worth of all guesses, those that hit included.
    fn bound() -> f64 {
        (0.2 + WORTH) * LUCK / LUCK.mul_add(-WORTH, 1.0)
    }
}

/// One address, and a thousand that stop when it is of no use, and a thousand that go on.
#[tokio::test(start_paused = true)]
async fn a_day_of_guessing_at_the_door_enters_no_more_than_is_documented_and_honest_people_get_in()
{
    for (addresses, greedy, at_least) in [(1, true, 14), (1_000, false, 15), (1_000, true, 4)] {
        let mut siege = Siege::laid().await;
        let old = siege.house.account(1_000_000).await;
        siege.day(addresses, greedy).await;
        let Siege {
            entered, guesses, ..
        } = siege;
        let told = format!("{addresses} addresses: entered {entered} by {guesses} guesses");
        assert!(f64::from(entered) <= Siege::bound(), "{told}");
        assert!(
            entered >= at_least,
            "it did not do what it could, so nothing is shown; {told}"
        );
        assert_eq!(siege.is_forced().await, addresses > 1, "{told}");

        // An account that is a day old mistypes four times and comes in at once.
        siege.house.clock.pass(ROUND);
        siege.rotate().await;
        let code = siege.targets[0].code.clone();
        let wrong = NumberCode::new("989898").expect("a code");
        for _ in 0..4 {
            siege
                .come(old, home(500_000), &wrong)
                .await
                .expect_err("mistyped");
        }
        let came = siege.come(old, home(500_000), &code).await;
        assert!(
            matches!(came, Ok(Prejoined::Admitted(_))),
            "{told}, {came:?}"
        );
    }
}
