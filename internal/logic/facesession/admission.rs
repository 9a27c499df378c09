//! Admission: which callers join at once, and which need the host's approval.

use super::FaceSessions;
use super::guess::{Guess, ResolvedKey};
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::GuessBudgets;
use faceshare_biz::domain::{MemberId, SessionId, Site, Timestamp};
use faceshare_exec::Access;
use std::net::IpAddr;
use std::time::Duration;

/// The age from which an account counts as proven. A younger one may have been made for guessing.
const PROVEN_AFTER: Duration = Duration::from_secs(86_400);
/// How long unproven callers need approval after the host has removed or denied a caller from the
/// same address.
const BARRED: Duration = Duration::from_secs(3_600);

impl FaceSessions {
    /// Whether the caller needs the host's approval to join the session of the key. The session's
    /// own settings may ask for it besides.
    ///
    /// An unproven caller needs approval, by code or invite, if the host has removed or denied a
    /// caller from the same address: it could be the same person under a new name. While the budget
    /// of the whole installation is used up, every caller who could be the attacker needs approval:
    /// one who uses a code, is unproven, was never a member, does not share an address with a
    /// connected member and is not a contact of the host.
    pub(super) async fn needs_approval(
        &self,
        caller: Caller,
        site: Site,
        guess: &Guess,
    ) -> Result<bool> {
        let by_code = matches!(guess.resolved, ResolvedKey::Code(_));
        let id = guess.resolved.session();
        let barred = self
            .deps
            .budgets
            .is_barred(id, site.address, self.now())
            .await?;
        let suspect = guess.under_attack && by_code && !self.is_near(id, site);
        if !(barred || suspect) || !self.is_unproven(caller).await? {
            return Ok(false);
        }
        let seen = self.session_access(caller, id).await?;
        let known = seen.access != Access::Stranger
            || !barred
                && self
                    .deps
                    .contacts
                    .includes(seen.session.host, caller.account)
                    .await?;
        Ok(!known)
    }

    /// Whether a member of the session is connected from the caller's address.
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

    /// Bars the addresses of a member whom the host has removed: unproven callers from there need
    /// approval for [`BARRED`].
    pub(super) async fn bar_address_of(&self, id: SessionId, member: MemberId) -> Result<()> {
        for address in self.deps.addresses.all_of(id, member) {
            bar(&*self.deps.budgets, id, address, self.now()).await?;
        }
        Ok(())
    }
}

/// Bars one address from now on, for [`BARRED`].
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
    use crate::facesession::fakes::{Budgets, HERE, THERE, TestApp};
    use crate::facesession::{
        CodePolicy, Created, Key, NewFaceSession, NewInvite, PatchInput, Prejoined,
    };
    use faceshare_biz::domain::account::Caller;
    use faceshare_biz::domain::facesession::{Admission, ExpectedHits, GuessLimits, GuessTarget};
    use faceshare_biz::domain::{MemberId, Site};
    use faceshare_biz::{ErrorCode, Result};
    use faceshare_repository::EmbeddedGuessBudgets;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::task::Poll;
    use std::time::Duration;
    use tokio::time::Instant;

    const FAR: GuessTarget = GuessTarget::Session { near: false };
    const NEAR: GuessTarget = GuessTarget::Session { near: true };
    const DAY: Duration = Duration::from_secs(86_400);

    async fn join_by_code(
        app: &TestApp,
        who: Caller,
        site: Site,
        digits: &str,
    ) -> Result<Prejoined> {
        app.cases
            .prejoin(who, site, Key::NumberCode(digits.to_owned()), None)
            .await
    }

    /// Whether the caller is admitted at once, not asked to wait.
    async fn is_admitted(app: &TestApp, who: Caller, site: Site, created: &Created) -> bool {
        match join_by_code(app, who, site, created.code.code.digits()).await {
            Ok(Prejoined::Admitted(_)) => true,
            Ok(Prejoined::Waiting(_)) => false,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::NumberCodeNotJoinable);
                false
            }
        }
    }

    /// Whether the caller is asked to wait for the host.
    async fn is_asked_to_wait(app: &TestApp, who: Caller, site: Site, created: &Created) -> bool {
        matches!(
            join_by_code(app, who, site, created.code.code.digits()).await,
            Ok(Prejoined::Waiting(_))
        )
    }

    fn with_account(mut who: Caller) -> Caller {
        who.guest = false;
        who
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_and_right_codes_are_judged_for_what_they_are() {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let created = app.open(host).await;
        assert!(join_by_code(&app, guest, HERE, "999888").await.is_err());
        assert!(
            app.cases
                .search(guest, HERE, created.code.code.digits())
                .await
                .is_ok()
        );
        assert!(is_admitted(&app, guest, HERE, &created).await);
        let judged = app.budgets.judged();
        assert_eq!(
            judged
                .iter()
                .map(|(_, found, _)| *found)
                .collect::<Vec<_>>(),
            [GuessTarget::Nothing, FAR, FAR]
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
            join_by_code(&app, with_account(guest), HERE, "999888")
                .await
                .is_err()
        );
        assert_eq!(app.budgets.judged()[0].0.account, Some(guest.account));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_code_is_charged_even_if_the_client_goes_away_before_the_answer() {
        let app = TestApp::new();
        let guest = app.person(1).await;
        let mut call = Box::pin(join_by_code(&app, guest, HERE, "999888"));
        let answered = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        assert!(answered.await.is_pending());
        drop(call);
        // The refusal is held back for 50 ms, so the charge has been made by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(app.budgets.found(), [GuessTarget::Nothing]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_session_itself_refuses_counts_as_wrong() {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let created = app.open(host).await;
        app.join(guest, &created).await;
        app.cases
            .remove(host, created.session.id, guest.account)
            .await
            .expect("removed");
        app.budgets.judged();
        assert!(!is_admitted(&app, guest, THERE, &created).await);
        assert_eq!(app.budgets.found(), [FAR, GuessTarget::Nothing]);
        assert!(
            app.cases
                .search(guest, THERE, created.code.code.digits())
                .await
                .is_err()
        );
        assert_eq!(app.budgets.found(), [FAR, GuessTarget::Nothing]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_budgets_distinguish_a_full_session_from_a_wrong_code() {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let full = full_session(&app, host).await;
        let digits = full.code.code.digits();
        let wrong = join_by_code(&app, guest, HERE, "999888")
            .await
            .expect_err("wrong");
        let by_prejoin = join_by_code(&app, guest, HERE, digits)
            .await
            .expect_err("full");
        let by_search = app
            .cases
            .search(guest, HERE, digits)
            .await
            .expect_err("full");
        for refusal in [by_prejoin, by_search] {
            assert_eq!((refusal.code, &refusal.detail), (wrong.code, &wrong.detail));
        }
        assert_eq!(
            app.budgets.found(),
            [
                GuessTarget::Nothing,
                FAR,
                GuessTarget::Full,
                FAR,
                GuessTarget::Full
            ]
        );
        let locked = PatchInput {
            locked: Some(true),
            ..PatchInput::default()
        };
        app.cases
            .patch(host, full.session.id, locked)
            .await
            .expect("locked");
        assert!(join_by_code(&app, guest, HERE, digits).await.is_err());
        assert_eq!(
            app.budgets.found(),
            [FAR, GuessTarget::Nothing],
            "locked and full"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_guesses_at_a_full_session_do_not_block_a_join_to_another() {
        let budgets = Arc::new(EmbeddedGuessBudgets::new(GuessLimits::default()));
        let app = TestApp::with_budgets(budgets, CodePolicy::default());
        let host = app.person(1).await;
        let (full, open) = (full_session(&app, host).await, app.open(host).await);
        let mut answers = Vec::new();
        for number in 2..=21 {
            let refused = join_by_code(
                &app,
                app.person(number).await,
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
                is_admitted(&app, app.person(100 + number).await, HERE, &open).await,
                "{number}"
            );
        }
    }

    /// A session that its host fills.
    async fn full_session(app: &TestApp, host: Caller) -> Created {
        let new = NewFaceSession {
            max_members: Some(1),
            ..NewFaceSession::default()
        };
        app.cases.create(host, new).await.expect("a session")
    }

    #[tokio::test(start_paused = true)]
    async fn a_malformed_code_and_an_invite_are_no_guesses() {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let id = app.open(host).await.session.id;
        let invite = app
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        assert!(join_by_code(&app, guest, HERE, "12345").await.is_err());
        app.budgets.spent.store(true, Ordering::SeqCst);
        assert!(
            app.cases
                .prejoin(guest, HERE, Key::Invite("wrong".to_owned()), None)
                .await
                .is_err()
        );
        assert!(
            app.cases
                .prejoin(guest, HERE, Key::Invite(invite.secret), None)
                .await
                .is_ok()
        );
        assert_eq!(app.budgets.judged(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_must_wait_gets_the_same_answer_after_the_same_time_for_right_and_wrong_codes()
     {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let created = app.open(host).await;
        for switch in [&app.budgets.spent, &app.budgets.near_only] {
            switch.store(true, Ordering::SeqCst);
            let mut details = Vec::new();
            for digits in ["999888", created.code.code.digits()] {
                let asked = Instant::now();
                let error = join_by_code(&app, guest, HERE, digits)
                    .await
                    .expect_err("must wait");
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
    async fn an_address_without_budget_may_still_join_a_session_with_a_member_there() {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let created = app.open(host).await;
        app.budgets.near_only.store(true, Ordering::SeqCst);
        assert!(
            join_by_code(&app, guest, HERE, created.code.code.digits())
                .await
                .is_err()
        );
        let _connected =
            app.addresses
                .connect(created.session.id, host.account, HERE.address, app.now());
        assert!(
            join_by_code(&app, guest, THERE, created.code.code.digits())
                .await
                .is_err()
        );
        assert!(
            join_by_code(&app, guest, HERE, created.code.code.digits())
                .await
                .is_ok()
        );
        assert_eq!(app.budgets.found(), [FAR, FAR, NEAR]);
    }

    #[tokio::test(start_paused = true)]
    async fn under_attack_only_callers_who_cannot_be_the_attacker_join_without_approval() {
        let app = TestApp::new();
        let host = app.person(1).await;
        let (old, returning, guest) = (
            app.account(2).await,
            app.person(3).await,
            app.person(4).await,
        );
        let created = app.open(host).await;
        let id = created.session.id;
        app.join(returning, &created).await;
        app.cases.quit(returning, id).await.expect("left");
        let invite = app
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        let young = app.account(5).await;

        app.budgets.under_attack.store(true, Ordering::SeqCst);
        assert!(
            is_asked_to_wait(&app, guest, HERE, &created).await,
            "a guest"
        );
        assert!(
            is_asked_to_wait(&app, young, HERE, &created).await,
            "an account of today"
        );
        assert!(
            is_admitted(&app, returning, HERE, &created).await,
            "a caller who was a member"
        );
        assert!(
            app.cases
                .prejoin(guest, HERE, Key::Invite(invite.secret), None)
                .await
                .is_ok(),
            "an invite"
        );
        let friend = app.person(6).await;
        app.contacts.add(host.account, friend.account);
        assert!(
            is_admitted(&app, friend, HERE, &created).await,
            "a contact of the host"
        );
        app.clock.pass(Duration::from_secs(31));
        let neighbour = app.person(7).await;
        let connected = app
            .addresses
            .connect(id, host.account, HERE.address, app.now());
        assert!(is_asked_to_wait(&app, neighbour, THERE, &created).await);
        assert!(
            is_admitted(&app, neighbour, HERE, &created).await,
            "a caller at the address of a member"
        );
        drop(connected);

        app.clock.pass(DAY);
        let later = app.open(host).await;
        assert!(
            is_admitted(&app, old, HERE, &later).await,
            "an account of yesterday"
        );
        app.budgets.under_attack.store(false, Ordering::SeqCst);
        assert!(is_admitted(&app, app.person(8).await, HERE, &later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_of_a_promoted_guest_counts_from_its_promotion() {
        let app = TestApp::new();
        let (host, upgraded) = (app.person(1).await, app.person(2).await);
        app.clock.pass(DAY);
        app.upgrade(upgraded).await;
        app.budgets.under_attack.store(true, Ordering::SeqCst);
        let created = app.open(host).await;
        assert!(
            is_asked_to_wait(&app, with_account(upgraded), HERE, &created).await,
            "the age of the guest does not count"
        );
        app.clock.pass(DAY);
        let later = app.open(host).await;
        assert!(is_admitted(&app, with_account(upgraded), HERE, &later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn under_attack_guests_cannot_search_and_others_see_that_they_need_approval() {
        let app = TestApp::new();
        let (host, guest) = (app.person(1).await, app.person(2).await);
        let created = app.open(host).await;
        let digits = created.code.code.digits();
        app.budgets.under_attack.store(true, Ordering::SeqCst);
        let error = app
            .cases
            .search(guest, HERE, digits)
            .await
            .expect_err("not now");
        assert_eq!(
            (error.code, error.retry_after),
            (ErrorCode::RateLimited, Some(Budgets::WAIT))
        );
        let preview = app
            .cases
            .search(with_account(guest), HERE, digits)
            .await
            .expect("seen");
        assert_eq!(preview.admission, Admission::Approval);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_removal_unproven_callers_from_there_must_knock_for_an_hour() {
        let app = TestApp::new();
        let host = app.person(1).await;
        let created = app.open(host).await;
        let id = created.session.id;
        let _there = app
            .addresses
            .connect(id, host.account, THERE.address, app.now());
        let (returning, removed) = (app.person(2).await, app.person(3).await);
        let old = app.account(8).await;
        app.join(returning, &created).await;
        app.join(removed, &created).await;
        app.cases
            .remove(host, id, removed.account)
            .await
            .expect("removed");
        let other = app.open(host).await;

        assert!(is_asked_to_wait(&app, app.person(4).await, HERE, &created).await);
        let invite = app
            .cases
            .make_invite(host, id, NewInvite::default())
            .await
            .expect("an invite");
        let by_invite = app
            .cases
            .prejoin(app.person(5).await, HERE, Key::Invite(invite.secret), None)
            .await;
        by_invite.expect("asked to wait").waiting();
        assert!(
            is_admitted(&app, app.person(6).await, THERE, &created).await,
            "from elsewhere"
        );
        assert!(
            is_admitted(&app, app.person(7).await, HERE, &other).await,
            "into another session"
        );
        assert!(
            is_asked_to_wait(&app, app.account(10).await, HERE, &created).await,
            "with an account made a second ago"
        );
        assert!(
            is_admitted(&app, returning, HERE, &created).await,
            "a caller who was a member"
        );
        app.clock.pass(Duration::from_secs(3_600));
        let fresh = app
            .cases
            .rotate_number_code(host, id, None)
            .await
            .expect("rotated");
        assert!(
            join_by_code(&app, app.person(9).await, HERE, fresh.code.digits())
                .await
                .is_ok()
        );

        app.clock.pass(DAY);
        let host = app.person(12).await;
        let later = app.open(host).await;
        app.join(removed, &later).await;
        app.cases
            .remove(host, later.session.id, removed.account)
            .await
            .expect("removed");
        assert!(
            is_admitted(&app, old, HERE, &later).await,
            "an account of yesterday"
        );
        assert!(is_asked_to_wait(&app, app.account(11).await, HERE, &later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_was_removed_does_not_come_back_as_a_guest_or_another_account() {
        let app = TestApp::new();
        let (host, removed) = (app.person(1).await, app.account(2).await);
        let created = app.open(host).await;
        app.join(removed, &created).await;
        app.cases
            .remove(host, created.session.id, removed.account)
            .await
            .expect("removed");
        assert!(is_asked_to_wait(&app, app.person(3).await, HERE, &created).await);
        assert!(is_asked_to_wait(&app, app.account(4).await, HERE, &created).await);
        assert!(
            is_admitted(&app, app.person(5).await, THERE, &created).await,
            "from elsewhere"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_holds_a_bounded_number_of_unused_seats() {
        let app = TestApp::new();
        let host = app.person(1).await;
        let created = app.open(host).await;
        for number in 2..=4 {
            assert!(is_admitted(&app, app.person(number).await, HERE, &created).await);
        }
        let error = join_by_code(&app, app.person(5).await, HERE, created.code.code.digits())
            .await
            .expect_err("too many");
        assert_eq!(
            (error.code, error.retry_after),
            (ErrorCode::LimitExceeded, Some(Duration::from_secs(30)))
        );
        assert!(is_admitted(&app, app.person(6).await, THERE, &created).await);
        let first = MemberId::new(2).expect("an id");
        let _connected = app
            .addresses
            .connect(created.session.id, first, HERE.address, app.now());
        assert!(
            is_admitted(&app, app.person(7).await, HERE, &created).await,
            "one of them is connected"
        );
        assert!(
            !app.budgets.found().contains(&GuessTarget::Nothing),
            "no guess was wrong"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_concurrent_callers_gets_the_last_seat() {
        for _ in 0..50 {
            let app = TestApp::new();
            let host = app.person(1).await;
            let new = crate::facesession::NewFaceSession {
                max_members: Some(2),
                ..Default::default()
            };
            let created = app.cases.create(host, new).await.expect("a session");
            let (one, two) = (app.person(2).await, app.person(3).await);
            let (one, two) = tokio::join!(
                is_admitted(&app, one, HERE, &created),
                is_admitted(&app, two, THERE, &created)
            );
            assert!(one ^ two, "one of them, not both and not neither");
        }
    }
}
