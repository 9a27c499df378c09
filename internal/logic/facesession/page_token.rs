//! Page tokens: the sealed position at which a list continues, valid for its caller only.

use super::FaceSessions;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::port::{SecretUse, Secrets};
use faceshare_biz::domain::{AccountId, SessionId};
use faceshare_biz::{Error, Result};

impl FaceSessions {
    /// The token for the page after this session in the caller's own list.
    pub fn encode_page_token(&self, caller: Caller, after: SessionId) -> Result<String> {
        encode(self.deps.secrets.as_ref(), caller.account, after)
    }

    /// The session after which the page starts.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `pageToken` when it is not a page token, or another caller's.
    pub fn decode_page_token(&self, caller: Caller, token: &str) -> Result<SessionId> {
        let after = decode(self.deps.secrets.as_ref(), caller.account, token);
        after.ok_or_else(|| Error::invalid("pageToken", "is not a token of a page of this list"))
    }
}

fn encode(secrets: &dyn Secrets, owner: AccountId, after: SessionId) -> Result<String> {
    let plain = [owner.get().to_be_bytes(), after.get().to_be_bytes()].concat();
    secrets.seal(SecretUse::PageToken, &plain)
}

fn decode(secrets: &dyn Secrets, owner: AccountId, token: &str) -> Option<SessionId> {
    let plain = secrets.open(SecretUse::PageToken, token)?;
    let (head, tail) = plain.split_first_chunk::<8>()?;
    let after = u64::from_be_bytes(tail.try_into().ok()?);
    (u64::from_be_bytes(*head) == owner.get())
        .then(|| SessionId::new(after))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::fakes::PlainSecrets;
    use faceshare_biz::domain::port::{SecretUse, Secrets};
    use faceshare_biz::domain::{AccountId, SessionId};

    #[test]
    fn a_page_token_is_good_for_its_owner_alone() {
        let (secrets, ann, bob) = (
            PlainSecrets::default(),
            AccountId::new(1).expect("an id"),
            AccountId::new(2).expect("an id"),
        );
        let after = SessionId::new(77).expect("an id");
        let token = encode(&secrets, ann, after).expect("a token");
        assert_eq!(decode(&secrets, ann, &token), Some(after));
        assert_eq!(decode(&secrets, bob, &token), None);
    }

    #[test]
    fn what_is_no_page_token_is_refused() {
        let (secrets, ann) = (PlainSecrets::default(), AccountId::new(1).expect("an id"));
        let short = secrets
            .seal(SecretUse::PageToken, &[0; 15])
            .expect("a seal");
        let other_use = secrets.seal(SecretUse::Invite, &[0; 16]).expect("a seal");
        for bad in ["", "x", short.as_str(), other_use.as_str()] {
            assert_eq!(decode(&secrets, ann, bad), None, "{bad}");
        }
    }
}
