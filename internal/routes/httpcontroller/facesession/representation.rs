//! JSON forms of face sessions and session tokens.

use crate::json;
use crate::links::PublicBase;
use crate::schemas;
use crate::text::{IdText, TimeText, seconds_until};
use bytes::Bytes;
use faceshare_biz::domain::account::IssuedToken;
use faceshare_biz::domain::facesession::{Admission, EndReason, FaceSession, HostLeft, Status};
use faceshare_biz::domain::{MemberId, SessionId, Timestamp};
use faceshare_logic::facesession::DeviceInput;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a session is active.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = Status)]
pub(super) enum StatusText {
    /// The session is active.
    Active,
    /// The session has ended for good.
    Ended,
}

/// How clients with the code or an invite join: at once, or when the host admits them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = Admission)]
pub enum AdmissionText {
    /// They join at once.
    Open,
    /// They join when the host admits them.
    Approval,
}

/// What happens when the host leaves: a countdown to the end, or the longest-present member becomes
/// host.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = HostLeft)]
pub enum HostLeftText {
    /// A countdown to the end runs until the host is back.
    Countdown,
    /// The longest-present member becomes host.
    Promote,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = EndReason)]
pub(super) enum EndReasonText {
    /// The host ended the session.
    HostEnded,
    /// A countdown ran out.
    AutoEnd,
    /// The platform ended the session.
    Platform,
}

impl From<Status> for StatusText {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Ended => Self::Ended,
        }
    }
}

impl From<Admission> for AdmissionText {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Open => Self::Open,
            Admission::Approval => Self::Approval,
        }
    }
}

impl From<AdmissionText> for Admission {
    fn from(text: AdmissionText) -> Self {
        match text {
            AdmissionText::Open => Self::Open,
            AdmissionText::Approval => Self::Approval,
        }
    }
}

impl From<HostLeft> for HostLeftText {
    fn from(host_left: HostLeft) -> Self {
        match host_left {
            HostLeft::Countdown => Self::Countdown,
            HostLeft::Promote => Self::Promote,
        }
    }
}

impl From<HostLeftText> for HostLeft {
    fn from(text: HostLeftText) -> Self {
        match text {
            HostLeftText::Countdown => Self::Countdown,
            HostLeftText::Promote => Self::Promote,
        }
    }
}

impl From<EndReason> for EndReasonText {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::HostEnded => Self::HostEnded,
            EndReason::AutoEnd => Self::AutoEnd,
            EndReason::Platform => Self::Platform,
        }
    }
}

/// A face session, as all its members see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FaceSession)]
pub struct FaceSessionView {
    #[schema(value_type = String, example = "7301444403200000002")]
    id: IdText<SessionId>,
    /// May be empty.
    #[schema(example = "Plans for May")]
    title: String,
    #[schema(value_type = String, example = "7301444403200000001")]
    host_id: IdText<MemberId>,
    status: StatusText,
    admission: AdmissionText,
    /// Whether the server requires approval for now, whatever `admission` says.
    admission_forced: bool,
    /// Whether no new members can join.
    locked: bool,
    host_left: HostLeftText,
    #[schema(example = 500)]
    max_members: u32,
    /// Members now, online or within their grace.
    #[schema(example = 2)]
    member_count: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: TimeText,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    ended_at: Option<TimeText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    end_reason: Option<EndReasonText>,
}

impl From<FaceSession> for FaceSessionView {
    fn from(session: FaceSession) -> Self {
        Self {
            id: IdText(session.id),
            status: session.status().into(),
            title: session.title.to_string(),
            host_id: IdText(session.host),
            admission: session.admission.into(),
            admission_forced: session.admission_forced,
            locked: session.locked,
            host_left: session.host_left.into(),
            max_members: session.max_members,
            member_count: session.member_count,
            created_at: TimeText(session.created_at),
            ended_at: session.ended.map(|e| TimeText(e.at)),
            end_reason: session.ended.map(|e| e.reason.into()),
        }
    }
}

/// A face session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaceSessionAnswer {
    /// The session.
    pub face_session: FaceSessionView,
}

impl FaceSessionAnswer {
    /// The JSON of the response body.
    pub(super) fn to_json(&self) -> Bytes {
        json::to_json(self)
            .expect("invariant: keys are strings, and the year of every time has four digits")
    }
}

impl From<FaceSession> for FaceSessionAnswer {
    fn from(session: FaceSession) -> Self {
        Self {
            face_session: session.into(),
        }
    }
}

/// The token that opens the instruction stream, and the stream's URL.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionToken)]
pub struct SessionTokenView {
    /// Opens the stream of this session as one point of the caller. A secret.
    #[schema(example = "v4.local.…")]
    session_token: String,
    /// When the token expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: TimeText,
    /// Seconds until then, for clients whose clock is off.
    #[schema(example = 3600)]
    expires_in: u64,
    /// The URL of the stream, without a query: the token travels in a header.
    #[schema(example = "wss://face.example/v1/instructions")]
    websocket_url: String,
}

impl SessionTokenView {
    /// `now` is the start of `expiresIn`.
    pub fn new(token: IssuedToken, now: Timestamp, base: &PublicBase) -> Self {
        Self {
            expires_at: TimeText(token.expires_at),
            expires_in: seconds_until(token.expires_at, now),
            session_token: token.token,
            websocket_url: base.websocket_url(),
        }
    }
}

/// The device that joins, as others will see it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DeviceRequest {
    /// At most 64 characters.
    #[schema(schema_with = schemas::device)]
    name: Option<String>,
    /// At most 64 characters.
    #[schema(schema_with = schemas::device)]
    kind: Option<String>,
}

impl From<DeviceRequest> for DeviceInput {
    fn from(device: DeviceRequest) -> Self {
        Self {
            name: device.name,
            kind: device.kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FaceSessionAnswer;
    use faceshare_biz::domain::facesession::{Admission, EndReason, Ended, FaceSession, HostLeft};
    use faceshare_biz::domain::{MemberId, SessionId, Timestamp, Title};

    #[test]
    fn a_session_reads_as_the_contract_has_it() {
        let mut session = FaceSession {
            id: SessionId::new(5).expect("an id"),
            title: Title::new("Plans", 100).expect("a title"),
            host: MemberId::new(7).expect("an id"),
            admission: Admission::Open,
            admission_forced: false,
            locked: true,
            host_left: HostLeft::Countdown,
            max_members: 9,
            member_count: 2,
            created_at: Timestamp::from_millis(1),
            ended: None,
        };
        let live =
            serde_json::to_value(FaceSessionAnswer::from(session.clone())).expect("serialises");
        assert_eq!(
            live,
            serde_json::json!({"faceSession": {
                "id": "5", "title": "Plans", "hostId": "7", "status": "ACTIVE", "admission": "OPEN", "admissionForced": false,
                "locked": true, "hostLeft": "COUNTDOWN", "maxMembers": 9, "memberCount": 2, "createdAt": "1970-01-01T00:00:00.001Z",
            }})
        );
        session.ended = Some(Ended {
            at: Timestamp::from_millis(2),
            reason: EndReason::HostEnded,
        });
        let ended = serde_json::to_value(FaceSessionAnswer::from(session)).expect("serialises");
        assert_eq!(ended["faceSession"]["status"], "ENDED");
        assert_eq!(ended["faceSession"]["endedAt"], "1970-01-01T00:00:00.002Z");
        assert_eq!(ended["faceSession"]["endReason"], "HOST_ENDED");
    }
}
