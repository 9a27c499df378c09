//! JSON form of knocks.

use super::member::DeviceView;
use crate::text::{IdText, TimeText};
use faceshare_biz::domain::KnockId;
use faceshare_biz::domain::instruction::{KnockState, MemberKnock};
use serde::Serialize;
use utoipa::ToSchema;

/// State of a knock.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = KnockState)]
pub(super) enum KnockStateText {
    /// The host has not answered yet.
    Waiting,
    /// Admitted by the host.
    Admitted,
    /// Refused by the host.
    Denied,
    /// Not answered in time.
    Expired,
}

impl From<KnockState> for KnockStateText {
    fn from(state: KnockState) -> Self {
        match state {
            KnockState::Waiting => Self::Waiting,
            KnockState::Admitted => Self::Admitted,
            KnockState::Denied => Self::Denied,
            KnockState::Expired => Self::Expired,
        }
    }
}

/// A client that waits at the session, as in `memberKnock`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Knock)]
pub struct KnockView {
    #[schema(value_type = String, example = "7301444403200000009")]
    knock_id: IdText<KnockId>,
    #[schema(example = "Ben")]
    nickname: String,
    device: DeviceView,
    /// The knock expires then, unless the host has answered.
    #[schema(value_type = String, format = DateTime)]
    expires_at: TimeText,
    state: KnockStateText,
}

impl From<MemberKnock> for KnockView {
    fn from(knock: MemberKnock) -> Self {
        Self {
            knock_id: IdText(knock.id),
            nickname: knock.nickname.to_string(),
            device: knock.device.into(),
            expires_at: TimeText(knock.expires_at),
            state: knock.state.into(),
        }
    }
}
