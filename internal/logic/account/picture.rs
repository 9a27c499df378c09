//! Pictures of people.

use super::{Accounts, sign_in_again};
use crate::facesession::carry_through;
use bytes::Bytes;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{Account, Caller, Picture};
use faceshare_biz::{Error, Result};

/// Where pictures are served, in front of their keys.
pub const PICTURE_PATH: &str = "/v1/avatars/";
/// Characters of the longest key that is looked up.
const KEY_MAX: usize = 64;

impl Accounts {
    /// Gives the caller a picture, made of what it sent; the one before is gone, and its sessions hear of it.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE`, `INVALID_ARGUMENT`, `UNAVAILABLE`, `RATE_LIMITED` as [`Portraitist`](faceshare_biz::domain::account::Portraitist) says;
    /// `UNAUTHENTICATED` when the account is gone.
    pub async fn set_picture(&self, caller: Caller, upload: Bytes, site: Site) -> Result<Account> {
        let picture = self.deps.portraits.portrait(upload, caller.account, site).await?;
        let accounts = self.clone();
        carry_through(async move {
            let key = accounts.deps.secrets.picture_key();
            let url = format!("{PICTURE_PATH}{key}");
            if !accounts.deps.accounts.set_picture(caller.account, &key, &url, &picture).await? {
                return Err(sign_in_again("the account is gone"));
            }
            let account = accounts.account(caller).await?;
            accounts.deps.observer.changed(&account).await;
            Ok(account)
        })
        .await
    }

    /// The picture of a key: for everybody who has it.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub async fn picture(&self, key: &str) -> Result<Picture> {
        if key.len() > KEY_MAX {
            return Err(Error::not_found());
        }
        self.deps.pictures.find(key).await?.ok_or_else(Error::not_found)
    }
}

#[cfg(test)]
mod tests {
    use super::PICTURE_PATH;
    use crate::account::fakes::{HERE, House};
    use faceshare_biz::ErrorCode;

    #[tokio::test]
    async fn a_new_picture_takes_the_place_of_the_old_one() {
        let house = House::new();
        let accounts = house.accounts();
        let tokens = accounts.sign_up_guest("Ann").await.expect("a guest").tokens;
        let ann = accounts.authenticate(&tokens.access.token).expect("a caller");
        let mut keys = Vec::new();
        for upload in ["one", "two"] {
            let account = accounts.set_picture(ann, upload.into(), HERE).await.expect("a picture");
            let key = account.avatar_url.strip_prefix(PICTURE_PATH).expect("its address").to_owned();
            assert_eq!(accounts.picture(&key).await.expect("found").bytes, upload);
            keys.push(key);
        }
        assert_eq!(accounts.picture(&keys[0]).await.expect_err("gone").code, ErrorCode::NotFound);
        assert_eq!(house.observer.changed().len(), 2);
    }
}
