//! How knocks read in JSON.

use super::DeviceView;
use crate::text::{IdText, TimeText};
use faceshare_biz::domain::KnockId;
use faceshare_biz::domain::instruction::{KnockState, MemberKnock};
use serde::Serialize;
use utoipa::ToSchema;

/// How a knock stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = KnockState)]
pub(super) enum KnockStateText {
    /// Nobody has answered it yet.
    Waiting,
    /// Let in.
    Admitted,
    /// Kept out.
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

/// Somebody at the door, as `memberKnock` tells of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Knock)]
pub struct KnockView {
    #[schema(value_type = String, example = "7301444403200000009")]
    knock_id: IdText<KnockId>,
    #[schema(example = "Ben")]
    nickname: String,
    device: DeviceView,
    /// Unanswered until then, it expires.
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
