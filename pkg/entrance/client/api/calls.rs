//! One method per call of the contract's HTTP section that a client of the stream needs.

use super::types::{Admitted, Members, WaitOutcome};
use super::{
    Api, Call, CallError, CreatedFaceSession, Credentials, DeviceInfo, FaceSessionPage,
    FaceSessionPatch, InvokeLink, JoinKey, JoinOutcome, NewFaceSession, NewInvokeLink, NumberCode,
    Preview, SessionGrant,
};
use crate::Id;
use crate::stream::backoff::{Backoff, full_jitter};
use faceshare_api::v1::{FaceSession, Member, MemberKnock};
use faceshare_api::wellknown::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How often in a row a poll of the wait endpoint may fail; about half a minute.
const WAIT_TRIES: u32 = 12;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FaceSessionResponse {
    face_session: FaceSession,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NumberCodeResponse {
    number_code: NumberCode,
}

#[derive(Deserialize)]
struct PreviewResponse {
    preview: Preview,
}

#[derive(Serialize)]
struct PrejoinRequest<'a> {
    #[serde(flatten)]
    key: &'a JoinKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a DeviceInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JoinStatus {
    status: String,
    wait_token: Option<String>,
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct KnockList {
    knocks: Vec<MemberKnock>,
}

fn door(answer: serde_json::Value) -> Result<JoinOutcome, CallError> {
    let at: JoinStatus = serde_json::from_value(answer.clone())?;
    Ok(match (at.status.as_str(), at.wait_token) {
        ("WAITING", Some(wait_token)) => JoinOutcome::Waiting {
            wait_token,
            expires_at: at.expires_at,
        },
        ("ADMITTED", _) => JoinOutcome::Admitted(Box::new(entrance_pack::lenient::from_value::<
            Admitted,
        >(answer)?)),
        _ => JoinOutcome::Refused(serde_json::from_value(at.status.into())?),
    })
}

/// Every method fails with [`CallError`]: refused with a code of the contract, unreachable, or
/// unreadable.
impl Api {
    /// Signs up as a guest; later calls use this guest's credentials.
    pub async fn sign_up_guest(&self, nickname: &str) -> Result<Credentials, CallError> {
        let call = Call::new("create_guest", Method::POST, "v1/guests")
            .json(&json!({ "nickname": nickname }))?;
        let credentials: Credentials = self.attempt(&call, None).await?;
        self.sign_in_with(credentials.clone()).await;
        Ok(credentials)
    }

    /// Renews the credentials now. Calls do this by themselves when the access token has expired.
    pub async fn refresh(&self) -> Result<(), CallError> {
        let used = self.access_token().await?;
        self.renew(&used).await.map(drop)
    }

    /// Creates a session; the caller is its host.
    pub async fn create_face_session(
        &self,
        new: &NewFaceSession,
    ) -> Result<CreatedFaceSession, CallError> {
        self.call(Call::new("create_face_session", Method::POST, "v1/face-sessions").json(new)?)
            .await
    }

    /// The current state of a session.
    pub async fn face_session(&self, id: Id) -> Result<FaceSession, CallError> {
        let path = format!("v1/face-sessions/{id}");
        let answer: FaceSessionResponse = self
            .call(Call::new("get_face_session", Method::GET, &path))
            .await?;
        Ok(answer.face_session)
    }

    /// Changes a session. Host only.
    pub async fn update_face_session(
        &self,
        id: Id,
        patch: &FaceSessionPatch,
    ) -> Result<FaceSession, CallError> {
        let path = format!("v1/face-sessions/{id}");
        let answer: FaceSessionResponse = self
            .call(Call::new("update_face_session", Method::PATCH, &path).json(patch)?)
            .await?;
        Ok(answer.face_session)
    }

    /// The caller's own sessions, newest first.
    pub async fn face_sessions(
        &self,
        page_size: Option<u32>,
        page_token: Option<&str>,
    ) -> Result<FaceSessionPage, CallError> {
        let size = page_size.map(|size| ("pageSize", size.to_string()));
        let query: Vec<(&str, String)> = size
            .into_iter()
            .chain(page_token.map(|token| ("pageToken", token.to_owned())))
            .collect();
        let call = Call {
            query: &query,
            ..Call::new("list_face_sessions", Method::GET, "v1/face-sessions")
        };
        self.call(call).await
    }

    /// The session that a number code belongs to, without joining it.
    pub async fn search(&self, number_code: &str) -> Result<Preview, CallError> {
        let call = Call::new(
            "search_face_session",
            Method::POST,
            "v1/face-sessions/search",
        )
        .json(&json!({ "numberCode": number_code }))?;
        let answer: PreviewResponse = self.call(call).await?;
        Ok(answer.preview)
    }

    /// Asks to join with a number code or an invite.
    pub async fn prejoin(
        &self,
        key: &JoinKey,
        device: Option<&DeviceInfo>,
    ) -> Result<JoinOutcome, CallError> {
        let call = Call::new("prejoin", Method::POST, "v1/face-sessions/prejoin")
            .json(&PrejoinRequest { key, device })?;
        door(self.call(call).await?)
    }

    /// Asks for the result of a join request: answered when the host has decided, or after 25 s
    /// with [`JoinOutcome::Waiting`].
    pub async fn wait(&self, wait_token: &str) -> Result<JoinOutcome, CallError> {
        let call = Call::new("wait", Method::POST, "v1/face-sessions/wait")
            .json(&json!({ "waitToken": wait_token }))?;
        door(self.call(call).await?)
    }

    /// Asks until the host has decided. If the server is unreachable or overloaded, tries again for
    /// about half a minute.
    pub async fn wait_for_host(&self, wait_token: &str) -> Result<WaitOutcome, CallError> {
        let mut token = wait_token.to_owned();
        let (mut backoff, mut failed) = (Backoff::new(full_jitter()), 0);
        loop {
            let at_least = match self.wait(&token).await {
                Ok(JoinOutcome::Admitted(admitted)) => return Ok(Ok(admitted)),
                Ok(JoinOutcome::Refused(refusal)) => return Ok(Err(refusal)),
                Ok(JoinOutcome::Waiting { wait_token, .. }) => {
                    token = wait_token;
                    failed = 0;
                    backoff.reset();
                    continue;
                }
                Err(error) if failed == WAIT_TRIES => return Err(error),
                Err(CallError::Refused(error))
                    if matches!(error.code.as_str(), "RATE_LIMITED" | "UNAVAILABLE") =>
                {
                    error.retry_after
                }
                Err(CallError::Unreachable(_)) => None,
                Err(error) => return Err(error),
            };
            failed += 1;
            tokio::time::sleep(backoff.next(at_least)).await;
        }
    }

    /// The join requests that wait for approval. Host only.
    pub async fn knocks(&self, id: Id) -> Result<Vec<MemberKnock>, CallError> {
        let path = format!("v1/face-sessions/{id}/knocks");
        let answer: KnockList = self
            .call(Call::new("list_knocks", Method::GET, &path))
            .await?;
        Ok(answer.knocks)
    }

    /// Approves a join request. Host only.
    pub async fn admit(&self, id: Id, knock: Id) -> Result<(), CallError> {
        self.call_without_answer(Call::new(
            "admit_knock",
            Method::POST,
            &format!("v1/face-sessions/{id}/knocks/{knock}/admit"),
        ))
        .await
    }

    /// Denies a join request, for the rest of the session. Host only.
    pub async fn deny(&self, id: Id, knock: Id) -> Result<(), CallError> {
        self.call_without_answer(Call::new(
            "deny_knock",
            Method::POST,
            &format!("v1/face-sessions/{id}/knocks/{knock}/deny"),
        ))
        .await
    }

    /// A session token for the stream: for this point, or for a new one.
    pub async fn session_token(
        &self,
        id: Id,
        point: Option<Id>,
    ) -> Result<SessionGrant, CallError> {
        let path = format!("v1/face-sessions/{id}/token");
        let body = point.map_or_else(|| json!({}), |point| json!({ "pointId": point }));
        self.call(Call::new("session_token", Method::POST, &path).json(&body)?)
            .await
    }

    /// Leaves the session without a stream.
    pub async fn quit(&self, id: Id) -> Result<(), CallError> {
        self.call_without_answer(Call::new(
            "quit",
            Method::POST,
            &format!("v1/face-sessions/{id}/quit"),
        ))
        .await
    }

    /// Ends the session. Host only.
    pub async fn end(&self, id: Id) -> Result<(), CallError> {
        self.call_without_answer(Call::new(
            "end_face_session",
            Method::POST,
            &format!("v1/face-sessions/{id}/end"),
        ))
        .await
    }

    /// The current number code; `NOT_FOUND` when there is none.
    pub async fn number_code(&self, id: Id) -> Result<NumberCode, CallError> {
        let path = format!("v1/face-sessions/{id}/number-code");
        let answer: NumberCodeResponse = self
            .call(Call::new("get_number_code", Method::GET, &path))
            .await?;
        Ok(answer.number_code)
    }

    /// Replaces the number code; the old one is invalid at once. Host only.
    pub async fn rotate_number_code(&self, id: Id) -> Result<NumberCode, CallError> {
        let path = format!("v1/face-sessions/{id}/number-code");
        let answer: NumberCodeResponse = self
            .call(Call::new("rotate_number_code", Method::POST, &path))
            .await?;
        Ok(answer.number_code)
    }

    /// The current invite link.
    pub async fn invoke_link(&self, id: Id) -> Result<InvokeLink, CallError> {
        self.call(Call::new(
            "get_invoke_link",
            Method::GET,
            &format!("v1/face-sessions/{id}/invoke-link"),
        ))
        .await
    }

    /// Creates an invite link. Host only.
    pub async fn make_invoke_link(
        &self,
        id: Id,
        new: &NewInvokeLink,
    ) -> Result<InvokeLink, CallError> {
        self.call(
            Call::new(
                "make_invoke_link",
                Method::POST,
                &format!("v1/face-sessions/{id}/invoke-link"),
            )
            .json(new)?,
        )
        .await
    }

    /// Revokes the invite link. Host only.
    pub async fn revoke_invoke_link(&self, id: Id) -> Result<(), CallError> {
        self.call_without_answer(Call::new(
            "revoke_invoke_link",
            Method::DELETE,
            &format!("v1/face-sessions/{id}/invoke-link"),
        ))
        .await
    }

    /// The session's members.
    pub async fn members(&self, id: Id) -> Result<Vec<Member>, CallError> {
        let path = format!("v1/face-sessions/{id}/members");
        let answer: Members = self
            .call(Call::new("list_members", Method::GET, &path))
            .await?;
        Ok(answer.members)
    }

    /// Removes a member for good. Host only.
    pub async fn remove_member(&self, id: Id, member: Id) -> Result<(), CallError> {
        self.call_without_answer(Call::new(
            "remove_member",
            Method::DELETE,
            &format!("v1/face-sessions/{id}/members/{member}"),
        ))
        .await
    }
}
