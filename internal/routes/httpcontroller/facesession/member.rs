//! JSON form of members.

use crate::text::{IdText, TimeText};
use faceshare_biz::domain::instruction::{Device, Edge, EdgeReason, Member, PointInfo, Role};
use faceshare_biz::domain::{MemberId, PointId};
use serde::Serialize;
use utoipa::ToSchema;

/// The role of a member in a session.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = Role)]
pub(super) enum RoleText {
    /// The host.
    Host,
    /// A member with an account.
    Member,
    /// A guest.
    Guest,
}

impl From<Role> for RoleText {
    fn from(role: Role) -> Self {
        match role {
            Role::Host => Self::Host,
            Role::Member => Self::Member,
            Role::Guest => Self::Guest,
        }
    }
}

/// Why a member follows, or no longer follows, another.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = FollowReason)]
pub(super) enum FollowReasonText {
    /// Attached to the presenter.
    Presenter,
    /// The follower chose the target.
    Choice,
    /// A member further up the chain changed its target.
    Chain,
    /// The follower's own target is in effect again.
    Restored,
    /// The follower stopped following.
    Cancelled,
    /// The target left.
    TargetLeft,
}

impl From<EdgeReason> for FollowReasonText {
    fn from(reason: EdgeReason) -> Self {
        match reason {
            EdgeReason::Presenter => Self::Presenter,
            EdgeReason::Choice => Self::Choice,
            EdgeReason::Chain => Self::Chain,
            EdgeReason::Restored => Self::Restored,
            EdgeReason::Cancelled => Self::Cancelled,
            EdgeReason::TargetLeft => Self::TargetLeft,
        }
    }
}

/// A device, as its client named it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// May be empty.
    #[schema(example = "Ann's phone")]
    name: String,
    /// May be empty.
    #[schema(example = "phone")]
    kind: String,
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        Self {
            name: device.name.into(),
            kind: device.kind.into(),
        }
    }
}

/// One connected device of a member.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Point)]
pub struct PointView {
    #[schema(value_type = String, example = "7301444403200000003")]
    point_id: IdText<PointId>,
    device: DeviceView,
}

impl From<PointInfo> for PointView {
    fn from(point: PointInfo) -> Self {
        Self {
            point_id: IdText(point.id),
            device: point.device.into(),
        }
    }
}

/// The member that a member follows, and the member whose position it sees.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FollowEdge)]
pub struct FollowView {
    /// The follower.
    #[schema(value_type = String)]
    member_id: IdText<MemberId>,
    /// Absent when the member follows no one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    target: Option<IdText<MemberId>>,
    /// The end of the chain of targets, whose position is shown. Absent when the member follows no
    /// one or is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    root: Option<IdText<MemberId>>,
    /// Whether following is suspended.
    suspended: bool,
    reason: FollowReasonText,
}

impl From<Edge> for FollowView {
    fn from(edge: Edge) -> Self {
        Self {
            member_id: IdText(edge.member),
            target: edge.target.map(IdText),
            root: edge.root.map(IdText),
            suspended: edge.suspended,
            reason: edge.reason.into(),
        }
    }
}

/// A member of a session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Member)]
pub struct MemberView {
    /// The account's id.
    #[schema(value_type = String, example = "7301444403200000001")]
    member_id: IdText<MemberId>,
    /// The name that others see.
    #[schema(example = "Ann")]
    nickname: String,
    /// Path of the picture; empty when there is none.
    avatar_url: String,
    role: RoleText,
    /// Whether a device is connected.
    online: bool,
    /// The connected devices.
    points: Vec<PointView>,
    /// When its first device connected.
    #[schema(value_type = String, format = DateTime)]
    joined_at: TimeText,
    /// Absent when the member follows no one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    follow: Option<FollowView>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            member_id: IdText(member.id),
            nickname: member.nickname.to_string(),
            avatar_url: member.avatar_url.into(),
            role: member.role.into(),
            online: member.online,
            points: member.points.into_iter().map(Into::into).collect(),
            joined_at: TimeText(member.joined_at),
            follow: member.follow.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MemberView;
    use faceshare_biz::domain::instruction::{Device, Edge, EdgeReason, Member, PointInfo, Role};
    use faceshare_biz::domain::{MemberId, Nickname, PointId, Timestamp};

    #[test]
    fn a_member_reads_as_the_contract_has_it() {
        let id = MemberId::new(7).expect("an id");
        let member = Member {
            id,
            nickname: Nickname::new("Ann", 32).expect("a name"),
            avatar_url: "".into(),
            role: Role::Guest,
            online: true,
            points: vec![PointInfo {
                id: PointId::new(3).expect("an id"),
                device: Device {
                    name: "N".into(),
                    kind: "K".into(),
                },
            }],
            joined_at: Timestamp::from_millis(5),
            follow: Some(Edge {
                member: id,
                target: MemberId::new(8),
                root: None,
                suspended: true,
                reason: EdgeReason::TargetLeft,
            }),
        };
        assert_eq!(
            serde_json::to_value(MemberView::from(member)).expect("serialises"),
            serde_json::json!({
                "memberId": "7", "nickname": "Ann", "avatarUrl": "", "role": "GUEST", "online": true,
                "points": [{"pointId": "3", "device": {"name": "N", "kind": "K"}}], "joinedAt": "1970-01-01T00:00:00.005Z",
                "follow": {"memberId": "7", "target": "8", "suspended": true, "reason": "TARGET_LEFT"},
            })
        );
    }
}
