//! Pictures of people.

use super::{Accounts, sign_in_again};
use crate::facesession::carry_through;
use bytes::Bytes;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{Account, Caller, Picture, PortraitPermit};
use faceshare_biz::{Error, Result};

/// Where pictures are served, in front of their keys.
pub const PICTURE_PATH: &str = "/v1/avatars/";
/// Characters of the longest key that is looked up.
const KEY_MAX: usize = 64;

/// An upload that has its place in the queue and is not read yet. Dropped, it gives the place up.
pub struct PictureUpload {
    accounts: Accounts,
    caller: Caller,
    permit: Box<dyn PortraitPermit>,
}

impl PictureUpload {
    /// Makes the caller's picture of the uploaded file. The picture before is deleted, and the caller's sessions are told.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE`, `INVALID_ARGUMENT` as [`PortraitPermit`] says; `UNAUTHENTICATED` when the account is gone.
    pub async fn finish(self, upload: Bytes) -> Result<Account> {
        let Self {
            accounts,
            caller,
            permit,
        } = self;
        let picture = permit.portrait(upload).await?;
        carry_through(async move {
            let key = accounts.deps.secrets.picture_key();
            let url = format!("{PICTURE_PATH}{key}");
            if !accounts
                .deps
                .accounts
                .set_picture(caller.account, &key, &url, &picture)
                .await?
            {
                return Err(sign_in_again("the account is gone"));
            }
            let account = accounts.account(caller).await?;
            accounts.deps.observer.changed(&account).await;
            Ok(account)
        })
        .await
    }
}

impl Accounts {
    /// Takes a place for an upload of the caller's picture. Ask for it before the upload is read.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `RATE_LIMITED` as [`Portraitist`](faceshare_biz::domain::account::Portraitist) says.
    pub fn begin_picture(&self, caller: Caller, site: Site) -> Result<PictureUpload> {
        let permit = self.deps.portraits.admit(caller.account, site)?;
        Ok(PictureUpload {
            accounts: self.clone(),
            caller,
            permit,
        })
    }

    /// The picture of a key: for everybody who has it.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub async fn picture(&self, key: &str) -> Result<Picture> {
        if key.len() > KEY_MAX {
            return Err(Error::not_found());
        }
        self.deps
            .pictures
            .find(key)
            .await?
            .ok_or_else(Error::not_found)
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
        let ann = accounts
            .authenticate(&tokens.access.token)
            .expect("a caller");
        let mut keys = Vec::new();
        for upload in ["one", "two"] {
            let account = accounts
                .begin_picture(ann, HERE)
                .expect("a place")
                .finish(upload.into())
                .await
                .expect("a picture");
            let key = account
                .avatar_url
                .strip_prefix(PICTURE_PATH)
                .expect("its address")
                .to_owned();
            assert_eq!(accounts.picture(&key).await.expect("found").bytes, upload);
            keys.push(key);
        }
        assert_eq!(
            accounts.picture(&keys[0]).await.expect_err("gone").code,
            ErrorCode::NotFound
        );
        assert_eq!(house.observer.changed().len(), 2);
    }
}
