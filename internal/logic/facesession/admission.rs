//! Who comes in at once, and who only if the host says so.

use super::FaceSessions;
use super::guess::Lead;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::GuessBudgets;
use faceshare_biz::domain::{MemberId, SessionId, Site, Timestamp};
use faceshare_exec::Access;
use std::net::IpAddr;
use std::time::Duration;

/// An account that is younger may have been made for guessing.
const PROVEN_AFTER: Duration = Duration::from_secs(86_400);
/// Where somebody that the host sent away came from, unproven callers knock for so long.
const BARRED: Duration = Duration::from_secs(3_600);

/// How somebody with a good key comes in, as far as the door decides; the session may ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admittance {
    /// At once.
    Free,
    /// When the host says so.
    Approval,
}

impl FaceSessions {
    /// How the caller comes in where a key leads.
    ///
    /// An unproven caller from an address that the host sent somebody away from must be let in, by code or invite: it could be the same person under
    /// a new name. While the budget of the whole installation is spent so must everybody who could be the one who guesses: who comes by code,
    /// is unproven, was never in, is not in the same room as a member and is no contact of the host.
    pub(super) async fn admittance(
        &self,
        caller: Caller,
        site: Site,
        lead: &Lead,
        under_attack: bool,
    ) -> Result<Admittance> {
        let id = lead.session();
        let barred = self
            .deps
            .budgets
            .is_barred(id, site.address, self.now())
            .await?;
        let suspect = under_attack && matches!(lead, Lead::Code(_)) && !self.is_near(id, site);
        if !(barred || suspect) || !self.is_unproven(caller).await? {
            return Ok(Admittance::Free);
        }
        let seen = self.look(caller, id).await?;
        let known = seen.access != Access::Stranger
            || !barred
                && self
                    .deps
                    .contacts
                    .includes(seen.session.host, caller.account)
                    .await?;
        Ok(if known {
            Admittance::Free
        } else {
            Admittance::Approval
        })
    }

    /// Whether a member of the session is connected from where the caller is.
    pub(super) fn is_near(&self, id: SessionId, site: Site) -> bool {
        self.deps.addresses.is_near(id, site.address)
    }

    /// A guest, or an account that is younger than [`PROVEN_AFTER`].
    async fn is_unproven(&self, caller: Caller) -> Result<bool> {
        if caller.guest {
            return Ok(true);
        }
        let account = self.deps.accounts.find(caller.account).await?;
        Ok(account.is_none_or(|a| a.is_guest() || self.now().since(a.created_at) < PROVEN_AFTER))
    }

    /// The host sent somebody away: unproven callers from its addresses must be let in for a while.
    pub(super) async fn bar_address_of(&self, id: SessionId, member: MemberId) -> Result<()> {
        for address in self.deps.addresses.all_of(id, member) {
            bar(&*self.deps.budgets, id, address, self.now()).await?;
        }
        Ok(())
    }
}

/// From now on unproven callers from there must be let in.
pub(super) async fn bar(
    budgets: &dyn GuessBudgets,
    id: SessionId,
    address: IpAddr,
    now: Timestamp,
) -> Result<()> {
    budgets.bar(id, address, now + BARRED).await
}

#[cfg(test)]
mod tests {
    use crate::facesession::fakes::{Budgets, HERE, House, THERE};
    use crate::facesession::{
        CodePolicy, Created, Key, NewFaceSession, NewInvite, PatchInput, Prejoined,
    };
    use faceshare_biz::domain::account::Caller;
    use faceshare_biz::domain::facesession::{Admission, ExpectedHits, Found, GuessLimits};
    use faceshare_biz::domain::{MemberId, Site};
    use faceshare_biz::{ErrorCode, Result};
    use faceshare_repository::EmbeddedGuessBudgets;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;
    use tokio::time::Instant;

    const FAR: Found = Found::Session { near: false };
    const NEAR: Found = Found::Session { near: true };
    const DAY: Duration = Duration::from_secs(86_400);

    async fn come(house: &House, who: Caller, site: Site, digits: &str) -> Result<Prejoined> {
        house
            .cases
            .prejoin(who, site, Key::NumberCode(digits.to_owned()), None)
            .await
    }

    /// Whether somebody is let in at once, and not asked to wait.
    async fn comes_in(house: &House, who: Caller, site: Site, created: &Created) -> bool {
        match come(house, who, site, created.code.code.digits()).await {
            Ok(Prejoined::Admitted(_)) => true,
            Ok(Prejoined::Waiting(_)) => false,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::NumberCodeNotJoinable);
                false
            }
        }
    }

    /// Whether somebody is asked to wait for the host.
    async fn knocks(house: &House, who: Caller, site: Site, created: &Created) -> bool {
        matches!(
            come(house, who, site, created.code.code.digits()).await,
            Ok(Prejoined::Waiting(_))
        )
    }

    fn with_account(mut who: Caller) -> Caller {
        who.guest = false;
        who
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_and_right_codes_are_judged_for_what_they_are() {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let created = house.open(host).await;
        assert!(come(&house, guest, HERE, "999888").await.is_err());
        assert!(
            house
                .cases
                .search(guest, HERE, created.code.code.digits())
                .await
                .is_ok()
        );
        assert!(comes_in(&house, guest, HERE, &created).await);
        let judged = house.budgets.judged();
        assert_eq!(
            judged
                .iter()
                .map(|(_, found, _)| *found)
                .collect::<Vec<_>>(),
            [Found::Nothing, FAR, FAR]
        );
        assert_eq!(
            judged[0].2,
            ExpectedHits::of_guess(1, 6),
            "one session lives"
        );
        assert!(
            judged
                .iter()
                .all(|(who, _, _)| who.account.is_none() && who.site == HERE),
            "a guest counts by its address"
        );
        assert!(
            come(&house, with_account(guest), HERE, "999888")
                .await
                .is_err()
        );
        assert_eq!(house.budgets.judged()[0].0.account, Some(guest.account));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_session_itself_refuses_counts_as_wrong() {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let created = house.open(host).await;
        house.join(guest, &created).await;
        house
            .cases
            .remove(host, created.session.id, guest.account)
            .await
            .expect("removed");
        house.budgets.judged();
        assert!(!comes_in(&house, guest, THERE, &created).await);
        assert_eq!(house.budgets.found(), [FAR, Found::Nothing]);
        assert!(
            house
                .cases
                .search(guest, THERE, created.code.code.digits())
                .await
                .is_err()
        );
        assert_eq!(house.budgets.found(), [FAR, Found::Nothing]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_session_is_told_apart_from_a_wrong_code_by_the_budgets_alone() {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let full = full_session(&house, host).await;
        let digits = full.code.code.digits();
        let wrong = come(&house, guest, HERE, "999888")
            .await
            .expect_err("wrong");
        let by_prejoin = come(&house, guest, HERE, digits).await.expect_err("full");
        let by_search = house
            .cases
            .search(guest, HERE, digits)
            .await
            .expect_err("full");
        for refusal in [by_prejoin, by_search] {
            assert_eq!((refusal.code, &refusal.detail), (wrong.code, &wrong.detail));
        }
        assert_eq!(
            house.budgets.found(),
            [Found::Nothing, FAR, Found::Full, FAR, Found::Full]
        );
        let locked = PatchInput {
            locked: Some(true),
            ..PatchInput::default()
        };
        house
            .cases
            .patch(host, full.session.id, locked)
            .await
            .expect("locked");
        assert!(come(&house, guest, HERE, digits).await.is_err());
        assert_eq!(
            house.budgets.found(),
            [FAR, Found::Nothing],
            "locked and full"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_at_a_full_session_is_not_kept_out_of_the_next() {
        let budgets = Arc::new(EmbeddedGuessBudgets::new(GuessLimits::default()));
        let house = House::guarded_by(budgets, CodePolicy::default());
        let host = house.person(1).await;
        let (full, open) = (full_session(&house, host).await, house.open(host).await);
        let mut answers = Vec::new();
        for number in 2..=21 {
            let refused = come(
                &house,
                house.person(number).await,
                HERE,
                full.code.code.digits(),
            )
            .await;
            answers.push(refused.expect_err("no room").code);
        }
        assert_eq!(answers[..10], [ErrorCode::NumberCodeNotJoinable; 10]);
        assert_eq!(
            answers[10..],
            [ErrorCode::RateLimited; 10],
            "as if the code had been wrong"
        );
        for number in 2..=4 {
            assert!(
                comes_in(&house, house.person(100 + number).await, HERE, &open).await,
                "{number}"
            );
        }
    }

    /// A session with room for its host alone.
    async fn full_session(house: &House, host: Caller) -> Created {
        let new = NewFaceSession {
            max_members: Some(1),
            ..NewFaceSession::default()
        };
        house.cases.create(host, new).await.expect("a session")
    }

    #[tokio::test(start_paused = true)]
    async fn a_malformed_code_and_an_invite_are_no_guesses() {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let id = house.open(host).await.session.id;
        let invite = house
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        assert!(come(&house, guest, HERE, "12345").await.is_err());
        house.budgets.spent.store(true, Ordering::SeqCst);
        assert!(
            house
                .cases
                .prejoin(guest, HERE, Key::Invite("wrong".to_owned()), None)
                .await
                .is_err()
        );
        assert!(
            house
                .cases
                .prejoin(guest, HERE, Key::Invite(invite.secret), None)
                .await
                .is_ok()
        );
        assert_eq!(house.budgets.judged(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn who_must_wait_is_told_how_long_whether_the_code_is_right_or_wrong_and_after_the_same_time()
     {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let created = house.open(host).await;
        for switch in [&house.budgets.spent, &house.budgets.near_only] {
            switch.store(true, Ordering::SeqCst);
            let mut details = Vec::new();
            for digits in ["999888", created.code.code.digits()] {
                let asked = Instant::now();
                let error = come(&house, guest, HERE, digits)
                    .await
                    .expect_err("told to wait");
                assert_eq!(
                    (error.code, error.retry_after),
                    (ErrorCode::RateLimited, Some(Budgets::WAIT))
                );
                assert_eq!(asked.elapsed(), Duration::from_millis(50));
                details.push(error.detail);
            }
            assert_eq!(details[0], details[1]);
            switch.store(false, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_address_still_gets_into_a_session_that_has_a_member_there() {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let created = house.open(host).await;
        house.budgets.near_only.store(true, Ordering::SeqCst);
        assert!(
            come(&house, guest, HERE, created.code.code.digits())
                .await
                .is_err()
        );
        let _connected =
            house
                .addresses
                .connect(created.session.id, host.account, HERE.address, house.now());
        assert!(
            come(&house, guest, THERE, created.code.code.digits())
                .await
                .is_err()
        );
        assert!(
            come(&house, guest, HERE, created.code.code.digits())
                .await
                .is_ok()
        );
        assert_eq!(house.budgets.found(), [FAR, FAR, NEAR]);
    }

    #[tokio::test(start_paused = true)]
    async fn under_attack_only_those_come_in_who_cannot_be_the_attackers() {
        let house = House::new();
        let host = house.person(1).await;
        let (old, returning, guest) = (
            house.account(2).await,
            house.person(3).await,
            house.person(4).await,
        );
        let created = house.open(host).await;
        let id = created.session.id;
        house.join(returning, &created).await;
        house.cases.quit(returning, id).await.expect("left");
        let invite = house
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        let young = house.account(5).await;

        house.budgets.under_attack.store(true, Ordering::SeqCst);
        assert!(knocks(&house, guest, HERE, &created).await, "a guest");
        assert!(
            knocks(&house, young, HERE, &created).await,
            "an account of today"
        );
        assert!(
            comes_in(&house, returning, HERE, &created).await,
            "somebody who was in"
        );
        assert!(
            house
                .cases
                .prejoin(guest, HERE, Key::Invite(invite.secret), None)
                .await
                .is_ok(),
            "an invite"
        );
        let friend = house.person(6).await;
        house.contacts.add(host.account, friend.account);
        assert!(
            comes_in(&house, friend, HERE, &created).await,
            "a contact of the host"
        );
        house.clock.pass(Duration::from_secs(31));
        let neighbour = house.person(7).await;
        let connected = house
            .addresses
            .connect(id, host.account, HERE.address, house.now());
        assert!(knocks(&house, neighbour, THERE, &created).await);
        assert!(
            comes_in(&house, neighbour, HERE, &created).await,
            "somebody in the same room"
        );
        drop(connected);

        house.clock.pass(DAY);
        let later = house.open(host).await;
        assert!(
            comes_in(&house, old, HERE, &later).await,
            "an account of yesterday"
        );
        house.budgets.under_attack.store(false, Ordering::SeqCst);
        assert!(comes_in(&house, house.person(8).await, HERE, &later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_was_a_guest_is_as_old_as_its_password() {
        let house = House::new();
        let (host, upgraded) = (house.person(1).await, house.person(2).await);
        house.clock.pass(DAY);
        house.upgrade(upgraded).await;
        house.budgets.under_attack.store(true, Ordering::SeqCst);
        let created = house.open(host).await;
        assert!(
            knocks(&house, with_account(upgraded), HERE, &created).await,
            "however old the guest"
        );
        house.clock.pass(DAY);
        let later = house.open(host).await;
        assert!(comes_in(&house, with_account(upgraded), HERE, &later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn under_attack_guests_cannot_search_and_others_see_that_they_must_be_let_in() {
        let house = House::new();
        let (host, guest) = (house.person(1).await, house.person(2).await);
        let created = house.open(host).await;
        let digits = created.code.code.digits();
        house.budgets.under_attack.store(true, Ordering::SeqCst);
        let error = house
            .cases
            .search(guest, HERE, digits)
            .await
            .expect_err("not now");
        assert_eq!(
            (error.code, error.retry_after),
            (ErrorCode::RateLimited, Some(Budgets::WAIT))
        );
        let preview = house
            .cases
            .search(with_account(guest), HERE, digits)
            .await
            .expect("seen");
        assert_eq!(preview.admission, Admission::Approval);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_removal_unproven_callers_from_there_must_knock_for_an_hour() {
        let house = House::new();
        let host = house.person(1).await;
        let created = house.open(host).await;
        let id = created.session.id;
        let _there = house
            .addresses
            .connect(id, host.account, THERE.address, house.now());
        let (returning, removed) = (house.person(2).await, house.person(3).await);
        let old = house.account(8).await;
        house.join(returning, &created).await;
        house.join(removed, &created).await;
        house
            .cases
            .remove(host, id, removed.account)
            .await
            .expect("removed");
        let other = house.open(host).await;

        assert!(knocks(&house, house.person(4).await, HERE, &created).await);
        let invite = house
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        let by_invite = house
            .cases
            .prejoin(
                house.person(5).await,
                HERE,
                Key::Invite(invite.secret),
                None,
            )
            .await;
        by_invite.expect("asked to wait").waiting();
        assert!(
            comes_in(&house, house.person(6).await, THERE, &created).await,
            "from elsewhere"
        );
        assert!(
            comes_in(&house, house.person(7).await, HERE, &other).await,
            "into another session"
        );
        assert!(
            knocks(&house, house.account(10).await, HERE, &created).await,
            "with an account made a second ago"
        );
        assert!(
            comes_in(&house, returning, HERE, &created).await,
            "who was in already"
        );
        house.clock.pass(Duration::from_secs(3_600));
        let fresh = house
            .cases
            .rotate_number_code(host, id)
            .await
            .expect("rotated");
        assert!(
            come(&house, house.person(9).await, HERE, fresh.code.digits())
                .await
                .is_ok()
        );

        house.clock.pass(DAY);
        let host = house.person(12).await;
        let later = house.open(host).await;
        house.join(removed, &later).await;
        house
            .cases
            .remove(host, later.session.id, removed.account)
            .await
            .expect("removed");
        assert!(
            comes_in(&house, old, HERE, &later).await,
            "an account of yesterday"
        );
        assert!(knocks(&house, house.account(11).await, HERE, &later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_was_removed_does_not_come_back_as_a_guest_or_another_account() {
        let house = House::new();
        let (host, removed) = (house.person(1).await, house.account(2).await);
        let created = house.open(host).await;
        house.join(removed, &created).await;
        house
            .cases
            .remove(host, created.session.id, removed.account)
            .await
            .expect("removed");
        assert!(knocks(&house, house.person(3).await, HERE, &created).await);
        assert!(knocks(&house, house.account(4).await, HERE, &created).await);
        assert!(
            comes_in(&house, house.person(5).await, THERE, &created).await,
            "from elsewhere"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_holds_a_few_seats_that_are_not_used() {
        let house = House::new();
        let host = house.person(1).await;
        let created = house.open(host).await;
        for number in 2..=4 {
            assert!(comes_in(&house, house.person(number).await, HERE, &created).await);
        }
        let error = come(
            &house,
            house.person(5).await,
            HERE,
            created.code.code.digits(),
        )
        .await
        .expect_err("too many");
        assert_eq!(
            (error.code, error.retry_after),
            (ErrorCode::LimitExceeded, Some(Duration::from_secs(30)))
        );
        assert!(comes_in(&house, house.person(6).await, THERE, &created).await);
        let first = MemberId::new(2).expect("an id");
        let _connected =
            house
                .addresses
                .connect(created.session.id, first, HERE.address, house.now());
        assert!(
            comes_in(&house, house.person(7).await, HERE, &created).await,
            "one of them is connected"
        );
        assert!(
            !house.budgets.found().contains(&Found::Nothing),
            "nobody guessed wrong"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_who_want_the_last_seat_one_gets_it() {
        for _ in 0..50 {
            let house = House::new();
            let host = house.person(1).await;
            let new = crate::facesession::NewFaceSession {
                max_members: Some(2),
                ..Default::default()
            };
            let created = house.cases.create(host, new).await.expect("a session");
            let (one, two) = (house.person(2).await, house.person(3).await);
            let (one, two) = tokio::join!(
                comes_in(&house, one, HERE, &created),
                comes_in(&house, two, THERE, &created)
            );
            assert!(one ^ two, "one of them, not both and not neither");
        }
    }
}
