//! Joins a session by its number code, follows its host and prints where the host is:
//! `follow CODE [SERVER]`.
//!
//! The README shows what comes after the first blank line; a test holds it to this file, and runs it.
#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use entrance_client::api::{JoinKey, JoinOutcome};
use entrance_client::stream::{self, SessionTokens};
use entrance_client::v1::{FollowOther, client_frame, server_frame};
use entrance_client::{Api, Event, Id, SessionView, Settings};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let code = arguments.next().ok_or("usage: follow CODE [SERVER]")?;
    let server = arguments.next().unwrap_or("http://127.0.0.1:8080".into());

    let api = Api::new(&server)?;
    api.sign_up_guest("Ben").await?;
    let JoinOutcome::Admitted(joined) = api.prejoin(&JoinKey::NumberCode(code), None).await? else {
        return Err("the host must let you in first: see Api::wait_for_host".into());
    };

    // The connection renews its own token, reconnects and resumes.
    let tokens = Arc::new(SessionTokens::new(api, Id(joined.face_session.id)));
    let settings = Settings::new(joined.websocket_url, joined.session_token).tokens(tokens);
    let (handle, mut events) = stream::open(settings);
    let target = joined.face_session.host_id;
    let follow = client_frame::Instruction::FollowOther(FollowOther { target });
    let sender = handle.clone();
    tokio::spawn(async move { sender.send(follow).await });

    let mut view = SessionView::default();
    while let Some(event) = events.next().await {
        match event {
            Event::Welcome { welcome, .. } => view.welcome(&welcome),
            Event::Frame(frame) => {
                view.apply(&frame);
                if let Some(server_frame::Instruction::ActionSync(action)) = &frame.instruction {
                    println!("{} is at {:?}", view.nickname(frame.from), action.value);
                }
            }
            Event::Closed(closed) => println!("closed: {}", closed.reason),
            _ => {}
        }
    }
    Ok(())
}
