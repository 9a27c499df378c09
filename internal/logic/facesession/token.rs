//! `token`: a session token without a code, for callers who are or were members.

use super::FaceSessions;
use faceshare_biz::domain::account::{Caller, IssuedToken};
use faceshare_biz::domain::{PointId, SessionId};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Input, Via};

impl FaceSessions {
    /// Renews the token of the caller's point, or creates a point. A member who left or timed out
    /// is admitted again.
    ///
    /// # Errors
    /// `NOT_FOUND` to strangers; `FORBIDDEN` to a caller whom the host removed; `SESSION_ENDED`;
    /// `LIMIT_EXCEEDED` when the session is full; `INVALID_ARGUMENT` with path `pointId` when that
    /// is not a point of the caller.
    pub async fn token(
        &self,
        caller: Caller,
        id: SessionId,
        point: Option<PointId>,
    ) -> Result<IssuedToken> {
        let seen = self.session_access(caller, id).await?;
        match seen.access {
            Access::Stranger => return Err(Error::not_found()),
            Access::Removed => {
                return Err(Error::new(
                    ErrorCode::Forbidden,
                    "the host removed you from this session",
                ));
            }
            Access::Host | Access::Present | Access::Admitted | Access::Left => {
                seen.require_live()?
            }
        };
        let point = match point {
            None => self.new_point()?,
            Some(point) => self.own_point(caller, id, point).await?,
        };
        let profile = self.profile(caller).await?;
        self.deps
            .sessions
            .propose(
                id,
                Input::Seat {
                    profile,
                    point,
                    device: None,
                    via: Via::Token,
                },
            )
            .await?;
        self.session_token(caller, id, point)
    }

    async fn own_point(&self, caller: Caller, id: SessionId, point: PointId) -> Result<PointId> {
        let owner = self
            .deps
            .sessions
            .read(id, move |state| state.owner_of_point(point))
            .await?;
        if owner == Some(caller.account) {
            Ok(point)
        } else {
            Err(Error::invalid(
                "pointId",
                "is not a point of yours in this session; leave it out to get a new one",
            ))
        }
    }
}
