//! Signs up as a guest, then creates a session or joins one by code or invite.

use crate::args::{Args, Command, JoinArgs};
use crate::text;
use anyhow::{Context as _, Result, bail};
use entrance_client::api::{
    Admitted, DeviceInfo, JoinKey, JoinOutcome, NewFaceSession, NumberCode,
};
use entrance_client::stream::SessionTokens;
use entrance_client::{Api, Format, Id, Settings};
use faceshare_api::v1::face_session::Admission;
use std::io::Write as _;
use std::sync::Arc;

/// A session that the client has joined but not yet connected to.
pub(crate) struct Entered {
    pub(crate) api: Api,
    pub(crate) session: Id,
    pub(crate) number_code: Option<NumberCode>,
    pub(crate) read_only: bool,
    pub(crate) settings: Settings,
}

/// Creates or joins the session that the command line names. It opens no stream.
pub(crate) async fn enter(args: &Args) -> Result<Entered> {
    let api = Api::new(&args.server)?;
    api.sign_up_guest(&args.nickname.clone().unwrap_or_else(user_name))
        .await?;
    match &args.command {
        Command::Create {
            title,
            max_members,
            approval,
        } => {
            let admission = approval.then_some(Admission::Approval);
            create(
                api,
                &NewFaceSession {
                    title: title.clone(),
                    max_members: *max_members,
                    admission,
                    ..NewFaceSession::default()
                },
            )
            .await
        }
        Command::Join(shown) => join(api, &key(shown)?, false).await,
        Command::Watch(shown) => join(api, &key(shown)?, true).await,
        Command::Demo | Command::Bench(_) => {
            bail!("the demo and the load generator join by themselves")
        }
    }
}

/// Creates a session as its host.
pub(crate) async fn create(api: Api, new: &NewFaceSession) -> Result<Entered> {
    let created = api.create_face_session(new).await?;
    let session = Id(created.face_session.id);
    let settings = settings(
        &api,
        session,
        &created.websocket_url,
        &created.session_token,
    );
    Ok(Entered {
        api,
        session,
        number_code: Some(created.number_code),
        read_only: false,
        settings,
    })
}

/// Joins by a code or an invite. Waits for the host's decision if the session needs approval.
pub(crate) async fn join(api: Api, key: &JoinKey, read_only: bool) -> Result<Entered> {
    let device = DeviceInfo {
        name: "terminal".into(),
        kind: "terminal".into(),
    };
    let admitted: Admitted = match api.prejoin(key, Some(&device)).await? {
        JoinOutcome::Admitted(admitted) => *admitted,
        JoinOutcome::Waiting { wait_token, .. } => {
            writeln!(
                std::io::stderr(),
                "The host decides who comes in; waiting at the door…"
            )?;
            match api.wait_for_host(&wait_token).await? {
                Ok(admitted) => *admitted,
                Err(refusal) => bail!(text::refusal(refusal)),
            }
        }
        JoinOutcome::Refused(refusal) => bail!(text::refusal(refusal)),
    };
    let session = Id(admitted.face_session.id);
    let settings = settings(
        &api,
        session,
        &admitted.websocket_url,
        &admitted.session_token,
    );
    Ok(Entered {
        api,
        session,
        number_code: None,
        read_only,
        settings,
    })
}

fn settings(api: &Api, session: Id, url: &str, token: &str) -> Settings {
    Settings::new(url, token)
        .format(Format::Proto)
        .tokens(Arc::new(SessionTokens::new(api.clone(), session)))
}

fn key(shown: &JoinArgs) -> Result<JoinKey> {
    Ok(match &shown.invite {
        Some(invite) => JoinKey::InviteToken(invite_token(invite).to_owned()),
        None => JoinKey::NumberCode(
            validatecode::normalize(&shown.code.concat())
                .context("that is no number code")?
                .as_str()
                .to_owned(),
        ),
    })
}

/// The part after `#` of an invite link; a text without `#` is the token itself.
fn invite_token(text: &str) -> &str {
    text.trim()
        .rsplit_once('#')
        .map_or(text.trim(), |(_, token)| token)
}

fn user_name() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .unwrap_or_else(|| "guest".into())
}

#[cfg(test)]
mod tests {
    use super::{invite_token, key};
    use crate::args::JoinArgs;
    use entrance_client::api::JoinKey;

    #[test]
    fn an_invite_may_be_a_link_or_a_token() {
        assert_eq!(invite_token("https://meet.example/j#abc"), "abc");
        assert_eq!(invite_token(" abc\n"), "abc");
    }

    #[test]
    fn a_code_may_be_pasted_as_it_was_shown_and_anything_else_is_none() {
        let typed = |code: &[&str]| {
            key(&JoinArgs {
                code: code.iter().map(|word| (*word).to_owned()).collect(),
                invite: None,
            })
        };
        for code in [["482", "915"], ["482\u{a0}", "915\n"], ["４８２", "–915"]] {
            assert!(
                matches!(typed(&code), Ok(JoinKey::NumberCode(digits)) if digits == "482915"),
                "{code:?}"
            );
        }
        assert!(typed(&["482", "91x"]).is_err());
    }
}
