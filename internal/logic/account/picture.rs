//! Pictures of accounts.

use super::{Accounts, sign_in_again};
use crate::facesession::run_to_completion;
use bytes::Bytes;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{Account, Caller, Picture, PicturePermit};
use faceshare_biz::{Error, Result};

/// The path under which pictures are served, before the key.
pub const PICTURE_PATH: &str = "/v1/avatars/";
/// The longest key that is looked up, in bytes.
const KEY_MAX: usize = 64;

/// An upload that has a permit and is not read yet. Dropping it releases the permit.
pub struct PictureUpload {
    accounts: Accounts,
    caller: Caller,
    permit: Box<dyn PicturePermit>,
}

impl PictureUpload {
    /// Replaces the caller's picture by the uploaded file. The caller's sessions are informed.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE`, `INVALID_ARGUMENT` as [`PicturePermit`] says; `UNAUTHENTICATED`
    /// when the account is deleted.
    pub async fn finish(self, upload: Bytes) -> Result<Account> {
        let Self {
            accounts,
            caller,
            permit,
        } = self;
        let picture = permit.portrait(upload).await?;
        run_to_completion(async move {
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
    /// Takes a permit for an upload of the caller's picture. Called before the upload is read, so
    /// that the uploads in memory are bounded.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `RATE_LIMITED` as
    /// [`PictureProcessor`](faceshare_biz::domain::account::PictureProcessor) says.
    pub fn begin_picture(&self, caller: Caller, site: Site) -> Result<PictureUpload> {
        let permit = self.deps.portraits.admit(caller.account, site)?;
        Ok(PictureUpload {
            accounts: self.clone(),
            caller,
            permit,
        })
    }

    /// The picture of a key, for every client that knows the key.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no picture of this key.
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
    use crate::account::fakes::{HERE, TestAccounts};
    use faceshare_biz::ErrorCode;

    #[tokio::test]
    async fn a_new_picture_takes_the_place_of_the_old_one() {
        let app = TestAccounts::new();
        let accounts = app.accounts();
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
        assert_eq!(app.observer.changed().len(), 2);
    }
}
