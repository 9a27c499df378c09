//! In-memory ports and a [`TestApp`] over them, for the tests of the session use cases.

mod admission;

pub(crate) use admission::{Budgets, Contacts, HERE, THERE};

use super::{
    AdmissionObserver, CodePolicy, Created, FaceSessionDeps, FaceSessionPolicy, FaceSessions, Key,
    NewFaceSession, Projector, ProjectorDeps,
};
use crate::account::fakes::MemoryAccounts;
use crate::fakes::{CountingIds, FakeClock, MemoryLog, PlainSecrets, PlainTokens, away, sessions};
use crate::instruction::Sessions;
use crate::instruction::mgr::pointaddresses::PointAddresses;
use async_trait::async_trait;
use faceshare_biz::domain::account::{Account, AccountRepository, Caller, PasswordHash, Promotion};
use faceshare_biz::domain::facesession::{
    CodeRecord, FaceSession, FaceSessionRepository, GuessBudgets, InviteRecord, InviteRepository,
    InviteUse, NumberCodeRepository, SessionClaims, SessionRecord,
};
use faceshare_biz::domain::port::{Clock, Tokens};
use faceshare_biz::domain::{
    AccountId, FamilyId, MemberId, Nickname, Page, PageRequest, SessionId, Timestamp,
};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::Input;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The most live sessions of one host in a [`TestApp`].
pub(crate) const LIVE_PER_HOST: u32 = 2;

/// The session use cases over in-memory ports.
pub(crate) struct TestApp {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) codes: Arc<Codes>,
    pub(crate) projector: Projector,
    pub(crate) sessions: Sessions,
    pub(crate) cases: FaceSessions,
    pub(crate) people: Arc<MemoryAccounts>,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) addresses: Arc<PointAddresses>,
    pub(crate) contacts: Arc<Contacts>,
}

impl TestApp {
    pub(crate) fn new() -> Self {
        let budgets = Arc::<Budgets>::default();
        Self {
            budgets: budgets.clone(),
            ..Self::with_budgets(budgets, CodePolicy::default())
        }
    }

    /// With these budgets instead of the fake ones, and these lifetimes of codes.
    pub(crate) fn with_budgets(guard: Arc<dyn GuessBudgets>, codes_live: CodePolicy) -> Self {
        let clock = Arc::<FakeClock>::default();
        clock.set(Timestamp::from_millis(1_000_000));
        let (directory, codes, invites) = (
            Arc::<Directory>::default(),
            Arc::<Codes>::default(),
            Arc::<Invites>::default(),
        );
        let (people, ids, secrets) = (
            Arc::<MemoryAccounts>::default(),
            Arc::<CountingIds>::default(),
            Arc::<PlainSecrets>::default(),
        );
        let deps = ProjectorDeps {
            directory: directory.clone(),
            codes: codes.clone(),
            invites: invites.clone(),
            clock: clock.clone(),
        };
        let projector = Projector::new(deps, codes_live);
        let log = Arc::<MemoryLog>::default();
        let (addresses, contacts) = (Arc::<PointAddresses>::default(), Arc::<Contacts>::default());
        let observer = AdmissionObserver {
            projector: projector.clone(),
            budgets: guard.clone(),
            addresses: addresses.clone(),
            clock: clock.clone(),
        };
        let sessions = sessions(
            log.clone(),
            clock.clone(),
            secrets.clone(),
            Arc::new(observer),
        );
        let deps = FaceSessionDeps {
            sessions: sessions.clone(),
            directory: directory.clone(),
            codes: codes.clone(),
            invites,
            accounts: people.clone(),
            tokens: Arc::new(PlainTokens),
            secrets,
            ids,
            clock: clock.clone(),
            projector: projector.clone(),
            budgets: guard,
            addresses: addresses.clone(),
            contacts: contacts.clone(),
        };
        let policy = FaceSessionPolicy {
            live_per_host: LIVE_PER_HOST,
            title_max: 100,
            members_max: 500,
            invite_ttl: std::time::Duration::from_secs(86_400),
            codes: codes_live,
            seats_per_address: 3,
        };
        Self {
            budgets: Arc::default(),
            addresses,
            contacts,
            cases: FaceSessions::new(deps, policy),
            clock,
            log,
            directory,
            codes,
            projector,
            sessions,
            people,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new guest with this number as its id.
    pub(crate) async fn person(&self, number: u64) -> Caller {
        self.new_person(number, None).await
    }

    /// A new account with this number as its id.
    pub(crate) async fn account(&self, number: u64) -> Caller {
        self.new_person(number, Some(format!("name{number}"))).await
    }

    async fn new_person(&self, number: u64, username: Option<String>) -> Caller {
        let id = AccountId::new(number).expect("an id");
        let nickname = Nickname::new(&format!("person {number}"), 32).expect("a nickname");
        let guest = username.is_none();
        let account = Account {
            id,
            username,
            nickname,
            avatar_url: String::new(),
            created_at: self.clock.now(),
        };
        self.people.insert(&account).await.expect("a new person");
        Caller {
            account: id,
            family: FamilyId::new(number).expect("an id"),
            guest,
        }
    }

    /// Promotes a guest to an account.
    pub(crate) async fn upgrade(&self, guest: Caller) {
        let (name, nickname) = (
            format!("name{}", guest.account),
            Nickname::new("upgraded", 32).expect("a nickname"),
        );
        let promoted = self
            .people
            .promote(&Promotion {
                guest: guest.account,
                username: name,
                nickname,
                password: PasswordHash::new("hash"),
                at: self.now(),
                effect: None,
            })
            .await;
        assert!(promoted.expect("asked"), "no such guest");
    }

    /// A session with default settings.
    pub(crate) async fn open(&self, host: Caller) -> Created {
        self.cases
            .create(host, NewFaceSession::default())
            .await
            .expect("a session")
    }

    /// The caller joins by code and connects.
    pub(crate) async fn join(&self, who: Caller, created: &Created) -> SessionClaims {
        let key = Key::NumberCode(created.code.code.digits().to_owned());
        let token = self
            .cases
            .prejoin(who, HERE, key, None)
            .await
            .expect("let in")
            .admitted()
            .token;
        let (claims, _) = PlainTokens
            .verify_session(&token.token, self.clock.now())
            .expect("a session token");
        self.connect(claims).await;
        claims
    }

    /// The host connects with the token it was given.
    pub(crate) async fn connect_host(&self, host: Caller, created: &Created) {
        let (claims, _) = PlainTokens
            .verify_session(&created.token.token, self.clock.now())
            .expect("a session token");
        assert_eq!(claims.member, host.account);
        self.connect(claims).await;
    }

    /// A point connects.
    pub(crate) async fn connect(&self, claims: SessionClaims) {
        let SessionClaims {
            session,
            member,
            point,
            ..
        } = claims;
        self.sessions
            .propose(
                session,
                Input::Connect {
                    member,
                    point,
                    incarnation: 1,
                },
            )
            .await
            .expect("connected");
    }
}

/// The directory in a map; `away` makes it unavailable, `saving_fails` makes `save` fail alone.
#[derive(Default)]
pub(crate) struct Directory {
    listed: Mutex<BTreeMap<SessionId, Listed>>,
    pub(crate) away: AtomicBool,
    pub(crate) saving_fails: AtomicBool,
}

/// A row of the directory.
struct Listed {
    session: FaceSession,
    log_index: u64,
    /// All present and former hosts.
    hosts: Vec<MemberId>,
}

impl Directory {
    pub(crate) fn get(&self, id: SessionId) -> Option<FaceSession> {
        self.listed
            .lock()
            .expect("not poisoned")
            .get(&id)
            .map(|listed| listed.session.clone())
    }

    fn open(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<SessionId, Listed>>> {
        if self.away.load(Ordering::SeqCst) {
            Err(away())
        } else {
            Ok(self.listed.lock().expect("not poisoned"))
        }
    }
}

#[async_trait]
impl FaceSessionRepository for Directory {
    async fn insert(&self, session: &FaceSession, limit: u32) -> Result<()> {
        let mut listed = self.open()?;
        let hosted = listed
            .values()
            .filter(|l| l.session.host == session.host && l.session.ended.is_none())
            .count();
        if hosted >= limit as usize {
            return Err(Error::new(ErrorCode::LimitExceeded, "too many"));
        }
        if listed.contains_key(&session.id) {
            return Err(Error::new(ErrorCode::AlreadyExists, "there already"));
        }
        listed.insert(
            session.id,
            Listed {
                session: session.clone(),
                log_index: 0,
                hosts: vec![session.host],
            },
        );
        Ok(())
    }

    async fn save(&self, record: &SessionRecord) -> Result<()> {
        if self.saving_fails.load(Ordering::SeqCst) {
            return Err(away());
        }
        let SessionRecord {
            session, log_index, ..
        } = record;
        let log_index = *log_index;
        let mut listed = self.open()?;
        let row = listed.entry(session.id).or_insert_with(|| Listed {
            session: session.clone(),
            log_index,
            hosts: Vec::new(),
        });
        if row.log_index <= log_index {
            (row.session, row.log_index) = (session.clone(), log_index);
        }
        if !row.hosts.contains(&session.host) {
            row.hosts.push(session.host);
        }
        Ok(())
    }

    async fn remove(&self, id: SessionId) -> Result<()> {
        self.open()?.remove(&id);
        Ok(())
    }

    async fn find(&self, id: SessionId) -> Result<Option<FaceSession>> {
        Ok(self.open()?.get(&id).map(|listed| listed.session.clone()))
    }

    async fn log_index(&self, id: SessionId) -> Result<Option<u64>> {
        Ok(self.open()?.get(&id).map(|listed| listed.log_index))
    }

    async fn list_by_host(
        &self,
        host: MemberId,
        page: PageRequest<SessionId>,
    ) -> Result<Page<FaceSession, SessionId>> {
        let listed = self.open()?;
        let own = listed.values().rev().filter(|l| {
            l.hosts.contains(&host) && page.after.is_none_or(|after| l.session.id < after)
        });
        let mut items: Vec<_> = own
            .take(page.size as usize + 1)
            .map(|l| l.session.clone())
            .collect();
        let more = items.len() > page.size as usize;
        items.truncate(page.size as usize);
        let next = items.last().map(|s| s.id).filter(|_| more);
        Ok(Page { items, next })
    }

    async fn count_live(&self) -> Result<u64> {
        Ok(self
            .open()?
            .values()
            .filter(|l| l.session.ended.is_none())
            .count() as u64)
    }

    async fn live(&self) -> Result<Vec<SessionId>> {
        Ok(self
            .open()?
            .values()
            .filter(|l| l.session.ended.is_none())
            .map(|l| l.session.id)
            .collect())
    }

    async fn ended_before(&self, before: Timestamp, limit: u32) -> Result<Vec<SessionId>> {
        let listed = self.open()?;
        let over = listed
            .values()
            .filter(|l| l.session.ended.is_some_and(|ended| ended.at < before));
        Ok(over.take(limit as usize).map(|l| l.session.id).collect())
    }
}

/// A code, and the end of its quarantine if it is retired.
type KeptCode = (CodeRecord, Option<Timestamp>);

/// The number codes in a list; `away` makes `assign` fail.
#[derive(Default)]
pub(crate) struct Codes {
    kept: Mutex<Vec<KeptCode>>,
    pub(crate) away: AtomicBool,
}

impl Codes {
    /// Whether the code is stored, live or in quarantine.
    pub(crate) fn is_kept(&self, code: &CodeRecord) -> bool {
        self.kept
            .lock()
            .expect("not poisoned")
            .iter()
            .any(|(kept, _)| kept.fingerprint == code.fingerprint)
    }

    fn live(&self, now: Timestamp, is: impl Fn(&CodeRecord) -> bool) -> Option<CodeRecord> {
        let kept = self.kept.lock().expect("not poisoned");
        kept.iter()
            .find(|(c, retired)| retired.is_none() && now < c.expires_at && is(c))
            .map(|(c, _)| c.clone())
    }
}

#[async_trait]
impl NumberCodeRepository for Codes {
    async fn assign(
        &self,
        code: &CodeRecord,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(away());
        }
        let mut kept = self.kept.lock().expect("not poisoned");
        let until =
            |(c, retired): &KeptCode| retired.unwrap_or(c.expires_at + quarantine_until.since(now));
        if kept
            .iter()
            .any(|held| held.0.fingerprint == code.fingerprint && now < until(held))
        {
            return Err(Error::new(ErrorCode::AlreadyExists, "taken"));
        }
        kept.retain(|(c, _)| c.fingerprint != code.fingerprint);
        for (_, retired) in kept.iter_mut().filter(|(c, _)| c.session == code.session) {
            retired.get_or_insert(quarantine_until);
        }
        kept.push((code.clone(), None));
        Ok(())
    }

    async fn find(&self, fingerprints: &[[u8; 32]], now: Timestamp) -> Result<Option<CodeRecord>> {
        Ok(fingerprints
            .iter()
            .find_map(|wanted| self.live(now, |c| c.fingerprint == *wanted)))
    }

    async fn current(&self, session: SessionId, now: Timestamp) -> Result<Option<CodeRecord>> {
        Ok(self.live(now, |c| c.session == session))
    }

    async fn expired(&self, after: Timestamp, until: Timestamp) -> Result<Vec<SessionId>> {
        let kept = self.kept.lock().expect("not poisoned");
        let expired = kept.iter().filter(|(c, retired)| {
            retired.is_none() && after < c.expires_at && c.expires_at <= until
        });
        Ok(expired.map(|(c, _)| c.session).collect())
    }

    async fn extend(
        &self,
        fingerprint: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let found = kept.iter_mut().find(|(c, retired)| {
            c.fingerprint == fingerprint && retired.is_none() && now < c.expires_at
        });
        Ok(found.map(|(c, _)| c.expires_at = expires_at).is_some())
    }

    async fn retire(
        &self,
        session: SessionId,
        _now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()> {
        for (_, retired) in self
            .kept
            .lock()
            .expect("not poisoned")
            .iter_mut()
            .filter(|(c, _)| c.session == session)
        {
            retired.get_or_insert(quarantine_until);
        }
        Ok(())
    }

    async fn purge(&self, now: Timestamp, expired_before: Timestamp) -> Result<u64> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let before = kept.len();
        kept.retain(|(c, retired)| {
            retired.map_or(c.expires_at >= expired_before, |until| until >= now)
        });
        Ok((before - kept.len()) as u64)
    }
}

/// The invites in a map.
#[derive(Default)]
pub(crate) struct Invites(Mutex<HashMap<SessionId, InviteRecord>>);

impl Invites {
    fn change(
        &self,
        fingerprint: [u8; 32],
        change: impl FnOnce(&mut InviteRecord) -> bool,
    ) -> bool {
        self.0
            .lock()
            .expect("not poisoned")
            .values_mut()
            .find(|i| i.fingerprint == fingerprint)
            .is_some_and(change)
    }
}

#[async_trait]
impl InviteRepository for Invites {
    async fn put(&self, invite: &InviteRecord) -> Result<()> {
        self.0
            .lock()
            .expect("not poisoned")
            .insert(invite.session, invite.clone());
        Ok(())
    }

    async fn find(&self, fingerprints: &[[u8; 32]]) -> Result<Option<InviteRecord>> {
        let kept = self.0.lock().expect("not poisoned");
        Ok(fingerprints
            .iter()
            .find_map(|wanted| kept.values().find(|i| i.fingerprint == *wanted))
            .cloned())
    }

    async fn current(&self, session: SessionId) -> Result<Option<InviteRecord>> {
        Ok(self.0.lock().expect("not poisoned").get(&session).cloned())
    }

    async fn spend(&self, fingerprint: [u8; 32], now: Timestamp) -> Result<InviteUse> {
        let spent = self.change(fingerprint, |invite| {
            let usable = invite.is_usable(now);
            invite.uses += u32::from(usable);
            usable
        });
        Ok(if spent {
            InviteUse::Spent
        } else {
            InviteUse::Refused
        })
    }

    async fn refund(&self, fingerprint: [u8; 32]) -> Result<()> {
        self.change(fingerprint, |invite| {
            invite.uses = invite.uses.saturating_sub(1);
            true
        });
        Ok(())
    }

    async fn revoke(&self, session: SessionId) -> Result<bool> {
        Ok(self
            .0
            .lock()
            .expect("not poisoned")
            .remove(&session)
            .is_some())
    }
}

/// The record of a session of whose log nothing was written to the directory.
pub(super) fn unwritten(session: &FaceSession) -> SessionRecord {
    SessionRecord {
        session: session.clone(),
        log_index: 0,
        attendees: Vec::new(),
    }
}

#[cfg(test)]
mod contract {
    use super::{Codes, Directory, Invites};

    mod directory {
        faceshare_contract::face_session_contract!(async { (super::Directory::default(), ()) });
    }

    mod codes {
        faceshare_contract::number_code_contract!(async { (super::Codes::default(), ()) });
    }

    mod invites {
        faceshare_contract::invite_contract!(async { (super::Invites::default(), ()) });
    }
}
