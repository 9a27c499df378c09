//! The scenario of the demo. Each step waits until the other clients have seen it.

use super::actor::{Actor, Observed};
use super::console::{Console, Lane};
use crate::enter;
use crate::text::grouped;
use anyhow::{Context as _, Result, ensure};
use entrance_client::Api;
use entrance_client::api::{FaceSessionPatch, JoinKey, NewFaceSession};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::{CancelFollow, FollowMe, FollowOther, cancel_follow};
use std::time::Duration;
use tokio::time::sleep;

/// Pause after each page.
const PAGE_PAUSE: Duration = Duration::from_millis(700);
/// Pause between two parts of the scenario.
const PART_PAUSE: Duration = Duration::from_millis(900);
/// The last page that Ann shows.
pub(super) const LAST_PAGE: u32 = 8;
/// The page that Ann shows while Ben has paused, and the one while Ben has no connection.
pub(super) const PAGE_WHILE_PAUSED: u32 = 5;
pub(super) const PAGE_WHILE_AWAY: u32 = 7;
/// The page that Ben looks at by himself.
pub(super) const BENS_OWN_PAGE: u32 = 2;

/// The three clients after the session has ended.
pub(super) struct DemoResult {
    pub(super) ann: Actor,
    pub(super) ben: Actor,
    pub(super) eve: Actor,
    /// The pages of Ann that Ben had received at the end of his pause.
    pub(super) bens_pages_while_paused: Vec<u32>,
}

pub(super) async fn run(server: &str, console: &Console) -> Result<DemoResult> {
    let (mut ann, mut ben, mut eve) = meet(server, *console).await?;
    follow(&mut ann, &mut ben, &mut eve, *console).await?;
    let bens_pages_while_paused = pause(&ann, &mut ben, &mut eve, *console).await?;
    lose_connection(&mut ann, &mut ben, &mut eve, *console).await?;
    part(&mut ann, &mut ben, &mut eve, *console).await?;
    Ok(DemoResult {
        ann,
        ben,
        eve,
        bens_pages_while_paused,
    })
}

async fn meet(server: &str, console: Console) -> Result<(Actor, Actor, Actor)> {
    console.tell("Ann makes a session and reads its number code aloud.")?;
    let api = Api::new(server)?;
    api.sign_up_guest("Ann").await?;
    let entered = enter::create(
        api,
        &NewFaceSession {
            title: Some("Quarterly review".into()),
            ..NewFaceSession::default()
        },
    )
    .await?;
    let code = entered
        .number_code
        .as_ref()
        .map(|code| code.code.clone())
        .context("a session without a number code")?;
    console.say(Lane::Ann, &format!("“The code is {}.”", grouped(&code)))?;
    let mut ann = Actor::connect("Ann", Lane::Ann, entered, console).await?;
    sleep(PART_PAUSE).await;
    console.tell("Ben and Eve type it in.")?;
    let mut ben = arrive(server, "Ben", Lane::Ben, &code, console).await?;
    sleep(PAGE_PAUSE).await;
    let mut eve = arrive(server, "Eve", Lane::Eve, &code, console).await?;
    for actor in [&mut ann, &mut ben, &mut eve] {
        actor
            .until("all three to be there", |seen| seen.view.members.len() == 3)
            .await?;
    }
    Ok((ann, ben, eve))
}

async fn arrive(
    server: &str,
    name: &'static str,
    lane: Lane,
    code: &str,
    console: Console,
) -> Result<Actor> {
    let api = Api::new(server)?;
    api.sign_up_guest(name).await?;
    let entered = enter::join(api, &JoinKey::NumberCode(grouped(code)), false).await?;
    Actor::connect(name, lane, entered, console).await
}

/// Eve follows Ben, Ben follows Ann: Eve sees what Ann shows.
async fn follow(ann: &mut Actor, ben: &mut Actor, eve: &mut Actor, console: Console) -> Result<()> {
    let (ann_id, ben_id, eve_id) = (ann.id(), ben.id(), eve.id());
    sleep(PART_PAUSE).await;
    console
        .tell("Eve follows Ben. Ann presents, and Ben follows her: so Eve sees Ann's pages too.")?;
    eve.say(Say::FollowOther(FollowOther { target: ben_id }))
        .await?;
    ann.say(Say::FollowMe(FollowMe::default())).await?;
    ann.until("presenting", |seen| seen.view.is_presenter(ann_id))
        .await?;
    ann.turn_to(1).await?;
    ben.until("Ann to present", |seen| seen.view.is_presenter(ann_id))
        .await?;
    ben.say(Say::FollowOther(FollowOther { target: ann_id }))
        .await?;
    eve.until("the chain to reach Ann", |seen| {
        seen.view.root(eve_id) == Some(ann_id)
    })
    .await?;
    for page in 1..PAGE_WHILE_PAUSED {
        if page > 1 {
            ann.turn_to(page).await?;
        }
        ben.until_page(ann_id, page).await?;
        eve.until_page(ann_id, page).await?;
        sleep(PAGE_PAUSE).await;
    }
    Ok(())
}

/// Ben turns back a page, which pauses his following. Eve follows Ben, so she sees his page.
async fn pause(
    ann: &Actor,
    ben: &mut Actor,
    eve: &mut Actor,
    console: Console,
) -> Result<Vec<u32>> {
    let (ann_id, ben_id, eve_id) = (ann.id(), ben.id(), eve.id());
    console.tell(
        "Ben leafs back on his own: he pauses following. Eve follows Ben, so she sees his page.",
    )?;
    ben.say(Say::CancelFollow(CancelFollow {
        suspend: cancel_follow::Suspend::Page.into(),
    }))
    .await?;
    ben.until("his pause", |seen| seen.view.root(ben_id).is_none())
        .await?;
    eve.until("Ben to be what she sees", |seen| {
        seen.view.root(eve_id) == Some(ben_id)
    })
    .await?;
    ben.turn_to(BENS_OWN_PAGE).await?;
    eve.until_page(ben_id, BENS_OWN_PAGE).await?;
    ann.turn_to(PAGE_WHILE_PAUSED).await?;
    sleep(PAGE_PAUSE + PAGE_PAUSE).await;
    let shown = pages_of(&ben.seen.borrow(), ann_id);
    console.tell("Ben goes on following: he and Eve are at Ann's page at once.")?;
    ben.say(Say::FollowOther(FollowOther { target: ann_id }))
        .await?;
    for actor in [ben, eve] {
        actor.until_page(ann_id, PAGE_WHILE_PAUSED).await?;
    }
    sleep(PAGE_PAUSE).await;
    ann.turn_to(PAGE_WHILE_PAUSED + 1).await?;
    sleep(PAGE_PAUSE).await;
    Ok(shown)
}

async fn lose_connection(
    ann: &mut Actor,
    ben: &mut Actor,
    eve: &mut Actor,
    console: Console,
) -> Result<()> {
    let (ann_id, ben_id) = (ann.id(), ben.id());
    for actor in [&mut *ben, &mut *eve] {
        actor.until_page(ann_id, PAGE_WHILE_PAUSED + 1).await?;
    }
    console.tell(
        "Ben's train goes into a tunnel. Meanwhile Ann renames the session and turns a page.",
    )?;
    ben.handle.set_online(false);
    ben.until("the loss", |seen| !seen.connected).await?;
    ann.until("Ben to be away", |seen| {
        seen.view
            .members
            .get(&ben_id)
            .is_some_and(|member| !member.online)
    })
    .await?;
    let patch = FaceSessionPatch {
        title: Some("Quarterly review, part 2".into()),
        ..FaceSessionPatch::default()
    };
    ann.api.update_face_session(ann.session, &patch).await?;
    ann.turn_to(PAGE_WHILE_AWAY).await?;
    eve.until_page(ann_id, PAGE_WHILE_AWAY).await?;
    let missed_from = ben.seen.borrow().view.seq;
    console.tell("Out of the tunnel: Ben resumes and gets exactly what he missed.")?;
    ben.handle.set_online(true);
    ben.until("the resume", |seen| {
        seen.resumes == 1 && seen.view.face_session.title == "Quarterly review, part 2"
    })
    .await?;
    ensure!(
        ben.seen.borrow().view.seq > missed_from,
        "Ben missed nothing, so that nothing was shown"
    );
    ann.until("Ben to be back", |seen| {
        seen.view
            .members
            .get(&ben_id)
            .is_some_and(|member| member.online)
    })
    .await?;
    ann.turn_to(LAST_PAGE).await?;
    for actor in [ben, eve] {
        actor.until_page(ann_id, LAST_PAGE).await?;
    }
    sleep(PART_PAUSE).await;
    Ok(())
}

async fn part(ann: &mut Actor, ben: &mut Actor, eve: &mut Actor, console: Console) -> Result<()> {
    let eve_id = eve.id();
    console.tell("Eve leaves.")?;
    eve.say(Say::Quit(faceshare_api::v1::Quit::default()))
        .await?;
    eve.until("the close", |seen| seen.closed.is_some()).await?;
    for actor in [&mut *ann, &mut *ben] {
        actor
            .until("Eve to be gone", |seen| {
                !seen.view.members.contains_key(&eve_id)
            })
            .await?;
    }
    sleep(PART_PAUSE).await;
    console.tell("Ann ends the session.")?;
    ann.api.end(ann.session).await?;
    for actor in [ann, ben] {
        actor.until("the end", |seen| seen.closed.is_some()).await?;
    }
    Ok(())
}

/// The pages of member `of` that this client received, in order.
pub(super) fn pages_of(seen: &Observed, of: u64) -> Vec<u32> {
    seen.pages
        .iter()
        .filter(|(from, _)| *from == of)
        .map(|(_, page)| *page)
        .collect()
}
