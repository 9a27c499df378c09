//! A simulated client: one point of one member, which does what the documents tell a client to do, over any number of connections.

use crate::archive::CODEC;
use crate::invariants as must;
use crate::invariants::Verdict;
use crate::link::{Link, Received};
use crate::mirror::Mirror;
use crate::store::Store;
use crate::trace::Trace;
use bytes::Bytes;
use faceshare_api::v1::{self, action, action_sync, client_frame, server_frame::Instruction};
use faceshare_biz::domain::instruction::{CloseReason, WireFormat};
use prost::Message;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A client that hears nothing for this long reconnects: the heartbeat's interval and a little.
const SILENCE: Duration = Duration::from_millis(3_500);

/// How many acknowledged questions a client keeps.
const ANSWERED: usize = 4;

/// Something asked and not yet answered for good.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) nonce: u64,
    pub(crate) instruction: client_frame::Instruction,
    /// In which epochs it was sent.
    pub(crate) epochs: Vec<String>,
    /// It was acknowledged before, and is asked only to be sure.
    again: bool,
}

impl Ask {
    pub(crate) const fn is_ordered(&self) -> bool {
        use client_frame::Instruction as I;
        !matches!(self.instruction, I::ActionSync(_) | I::PointState(_) | I::AckHeart(_))
    }

    /// The knock that it answers: of that nobody is told in the order of frames.
    pub(crate) const fn answers_knock(&self) -> Option<u64> {
        use client_frame::Instruction as I;
        match &self.instruction {
            I::Admit(v1::Admit { knock_id }) | I::Deny(v1::Deny { knock_id }) => Some(*knock_id),
            _ => None,
        }
    }

    /// Whether this frame is the instruction, told to everybody.
    pub(crate) const fn is_repeated_by(&self, frame: &v1::ServerFrame) -> bool {
        use client_frame::Instruction as I;
        matches!(
            (&self.instruction, &frame.instruction),
            (I::Quit(_), Some(Instruction::Quit(_)))
                | (I::FollowMe(_), Some(Instruction::FollowMe(_)))
                | (I::CancelFollowMe(_), Some(Instruction::CancelFollowMe(_)))
                | (I::FollowOther(_), Some(Instruction::FollowOther(_)))
                | (I::CancelFollow(_), Some(Instruction::CancelFollow(_)))
                | (I::CancelAutoEnd(_), Some(Instruction::CancelAutoEnd(_)))
        )
    }
}

/// Whether a client may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Needs a seat first.
    Out,
    /// Has one.
    Seated,
    /// Never again: removed, or the session is over.
    Done,
}

/// One point.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) member: u64,
    pub(crate) point: u64,
    pub(crate) format: WireFormat,
    pub(crate) standing: Standing,
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) welcomed: bool,
    pub(crate) asked_for: Option<(String, u32)>,
    epoch: Option<String>,
    pub(crate) seq: u32,
    pub(crate) head_at_welcome: u32,
    pub(crate) mirror: Option<Mirror>,
    /// The mirror was compared with the state of this entry.
    pub(crate) compared: u64,
    pub(crate) last_term: u32,
    /// The newest values it was shown, by (sender, key).
    pub(crate) seen: BTreeMap<(u64, String), u64>,
    /// Its own newest values, by key.
    pub(crate) shows: BTreeMap<&'static str, u64>,
    /// How it was told that knocks stand.
    knocks: BTreeMap<u64, v1::member_knock::State>,
    unanswered: BTreeMap<u32, Ask>,
    /// To be asked again after the next welcome.
    again: Vec<Ask>,
    /// What was acknowledged last, the newest last; at most [`ANSWERED`].
    answered: VecDeque<Ask>,
    next_id: u32,
    heard_at: Instant,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "point {}", self.point)
    }
}

impl Client {
    pub(crate) fn new(member: u64, point: u64, format: WireFormat) -> Self {
        Self {
            member,
            point,
            format,
            standing: Standing::Out,
            link: None,
            welcomed: false,
            asked_for: None,
            epoch: None,
            seq: 0,
            head_at_welcome: 0,
            mirror: None,
            compared: 0,
            last_term: 0,
            seen: BTreeMap::new(),
            shows: BTreeMap::new(),
            knocks: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            again: Vec::new(),
            answered: VecDeque::new(),
            next_id: 1,
            heard_at: Instant::now(),
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        self.epoch.as_deref().unwrap_or("")
    }

    pub(crate) const fn has_position(&self) -> bool {
        self.mirror.is_some()
    }

    /// How many questions are open on the present connection.
    pub(crate) fn open_questions(&self) -> usize {
        self.unanswered.len()
    }

    /// A new connection takes the place of the one before, if there was one.
    pub(crate) fn take_link(&mut self, link: Arc<Link>, asked_for: Option<(String, u32)>) {
        self.disconnect();
        (self.link, self.asked_for, self.heard_at) = (Some(link), asked_for, Instant::now());
    }

    /// No connection: what was asked is to be asked again.
    pub(crate) fn disconnect(&mut self) {
        self.link = None;
        self.welcomed = false;
        self.again.extend(std::mem::take(&mut self.unanswered).into_values());
    }

    pub(crate) fn ask(&mut self, instruction: client_frame::Instruction, nonce: u64) {
        self.ask_again(Ask { nonce, instruction, epochs: Vec::new(), again: false });
    }

    /// Asks once more what was acknowledged last, under the same nonces: nothing may come of it.
    pub(crate) fn ask_answered_again(&mut self) {
        if self.welcomed {
            std::mem::take(&mut self.answered).into_iter().for_each(|ask| self.ask_again(Ask { again: true, ..ask }));
        }
    }

    fn ask_again(&mut self, mut ask: Ask) {
        ask.epochs.push(self.epoch().to_owned());
        let id = self.next_id;
        self.next_id += 1;
        self.say(id, ask.nonce, ask.instruction.clone());
        self.unanswered.insert(id, ask);
    }

    fn say(&self, id: u32, nonce: u64, instruction: client_frame::Instruction) {
        let Some(link) = &self.link else { return };
        let frame = v1::ClientFrame { id, nonce, instruction: Some(instruction) };
        link.send(match self.format {
            WireFormat::Proto => frame.encode_to_vec().into(),
            WireFormat::Json => serde_json::to_vec(&frame).expect("invariant: frames serialise").into(),
        });
    }

    /// Shows where it is.
    pub(crate) fn show(&mut self, key: &'static str, value: u64) {
        self.shows.insert(key, value);
        self.say_position(key, value);
    }

    fn say_position(&self, key: &'static str, value: u64) {
        let presenting = self.mirror.as_ref().and_then(Mirror::presenting);
        let term = presenting.filter(|(member, _)| key == "pen" && *member == self.member).map_or(0, |(_, term)| term);
        let custom = Bytes::copy_from_slice(&value.to_be_bytes());
        let value = Some(action_sync::Value::Custom(custom));
        self.say(0, 0, client_frame::Instruction::ActionSync(v1::ActionSync { file_id: 0, key: key.to_owned(), term, value }));
    }

    /// A sign of life of its own accord.
    pub(crate) fn beat(&self) {
        self.say(0, 0, client_frame::Instruction::AckHeart(v1::AckHeart { sent_at: None, last_seq: self.seq }));
    }

    /// Looks at all that has arrived.
    pub(crate) fn pump(&mut self, store: &Store, most: usize, trace: &mut Trace) -> Verdict {
        while let Some(received) = self.link.as_ref().and_then(|link| link.receive()) {
            self.heard_at = Instant::now();
            match received {
                Received::Batch(frames) => self.take_batch(&frames, store, most, trace)?,
                Received::Closed(reason) => self.closed(reason, trace)?,
                Received::Lost => {
                    trace.say(|| format!("{self}: connection lost"));
                    self.disconnect();
                }
            }
        }
        if self.welcomed && self.link.as_ref().is_some_and(|link| link.is_stalled()) && self.point.is_multiple_of(2) {
            // It does not read, and still says that it is there.
            self.beat();
        }
        let deaf = self.link.as_ref().is_some_and(|link| !link.is_stalled()) && self.heard_at.elapsed() > SILENCE;
        if deaf && let Some(link) = self.link.clone() {
            trace.say(|| format!("{self}: heard nothing for long, hangs up"));
            link.hang_up(Duration::ZERO);
            self.disconnect();
        }
        Ok(())
    }

    fn closed(&mut self, reason: CloseReason, trace: &mut Trace) -> Verdict {
        trace.say(|| format!("{self}: closed {reason:?}"));
        if let Some(link) = &self.link {
            link.hang_up(Duration::ZERO);
        }
        self.disconnect();
        let mistake = matches!(reason, CloseReason::BadFrames | CloseReason::FrameTooLarge);
        must::invariant_no_mistakes_of_the_server("a good client is closed for what it sent", mistake)?;
        match reason {
            CloseReason::Left | CloseReason::TooMany | CloseReason::Unauthenticated => self.standing = Standing::Out,
            CloseReason::Removed | CloseReason::SessionEnded => self.standing = Standing::Done,
            _ => {}
        }
        Ok(())
    }

    fn take_batch(&mut self, frames: &[Bytes], store: &Store, most: usize, trace: &mut Trace) -> Verdict {
        let mut live = 0;
        for message in frames {
            let frame = match self.format {
                WireFormat::Proto => v1::ServerFrame::decode(&message[..]).expect("invariant: the server writes frames"),
                WireFormat::Json => serde_json::from_slice(message).expect("invariant: the server writes frames"),
            };
            live += usize::from(frame.seq == 0 || frame.seq > self.head_at_welcome);
            self.take(&frame, message, store, trace)?;
        }
        must::invariant_queue_is_bounded(self, live, most)
    }

    fn take(&mut self, frame: &v1::ServerFrame, message: &Bytes, store: &Store, trace: &mut Trace) -> Verdict {
        trace.say(|| format!("{self} <- {} {}", frame.seq, short(&frame.instruction)));
        must::invariant_welcome_comes_first(self, matches!(frame.instruction, Some(Instruction::Welcome(_))))?;
        match &frame.instruction {
            Some(Instruction::Welcome(welcome)) => self.welcome(welcome),
            Some(Instruction::Ack(ack)) => {
                let ask = self.unanswered.remove(&ack.id);
                must::invariant_one_answer_for_each_question(self, ack.id, ask.as_ref())?;
                let Some(ask) = ask else { return Ok(()) };
                store.archive(|archive| must::invariant_acknowledged_is_in_the_log_once(self, &ask, ack.seq, archive))?;
                if ask.nonce != 0 && ask.is_ordered() && !ask.again {
                    self.answered.push_back(ask);
                    self.answered.drain(..self.answered.len().saturating_sub(ANSWERED));
                }
                Ok(())
            }
            Some(Instruction::Nack(nack)) => {
                let ask = self.unanswered.remove(&nack.id);
                must::invariant_one_answer_for_each_question(self, nack.id, ask.as_ref())?;
                must::invariant_no_mistakes_of_the_server("nack INTERNAL", nack.code == "INTERNAL")?;
                self.again.extend(ask.filter(|_| nack.code == "UNAVAILABLE"));
                Ok(())
            }
            Some(Instruction::SysHeart(v1::SysHeart { sent_at })) => {
                self.say(0, 0, client_frame::Instruction::AckHeart(v1::AckHeart { sent_at: *sent_at, last_seq: self.seq }));
                Ok(())
            }
            Some(Instruction::ActionSync(sent)) => {
                let Some(action_sync::Value::Custom(custom)) = &sent.value else { return Ok(()) };
                self.see(frame.from, &sent.key, sent.term, custom)
            }
            Some(Instruction::MemberKnock(knock)) => {
                let before = self.knocks.insert(knock.knock_id, knock.state());
                store.archive(|archive| must::invariant_the_host_hears_of_knocks(self, knock, before, archive))
            }
            _ if frame.seq > 0 => self.ordered(frame, message, store),
            _ => Ok(()),
        }
    }

    fn welcome(&mut self, welcome: &v1::Welcome) -> Verdict {
        must::invariant_resume_goes_on_where_it_was(self, welcome)?;
        self.welcomed = true;
        self.epoch = Some(welcome.epoch.clone());
        self.compared = 0;
        self.head_at_welcome = welcome.seq;
        match (&welcome.snapshot, self.asked_for.take()) {
            (Some(snapshot), _) => {
                self.seq = welcome.seq;
                self.mirror = Some(Mirror::new(snapshot.clone()));
                self.note_term();
                for shown in &snapshot.actions {
                    let Some(action::Value::Custom(custom)) = &shown.value else { continue };
                    self.see(shown.from, &shown.key, shown.term, custom)?;
                }
            }
            (None, Some((_, seq))) => self.seq = seq,
            (None, None) => {}
        }
        for ask in std::mem::take(&mut self.again) {
            self.ask_again(ask);
        }
        for (key, value) in &self.shows {
            self.say_position(key, *value);
        }
        Ok(())
    }

    fn ordered(&mut self, frame: &v1::ServerFrame, message: &Bytes, store: &Store) -> Verdict {
        must::invariant_ordered_frames_have_no_gap(self, frame.seq)?;
        let proto = (self.format == WireFormat::Proto).then_some(&message[..]);
        store.archive(|archive| must::invariant_frame_is_the_logs(self, frame, proto, archive))?;
        must::invariant_nobody_alive_is_announced_gone(self, frame)?;
        self.seq = frame.seq;
        self.compared = 0;
        if let Some(mirror) = &mut self.mirror
            && let Err(detail) = mirror.take(frame)
        {
            return must::ensure(false, "mirror_is_the_state", || format!("{self}: {detail}"));
        }
        self.note_term();
        Ok(())
    }

    fn note_term(&mut self) {
        let term = self.mirror.as_ref().and_then(Mirror::presenting).map_or(0, |(_, term)| term);
        self.last_term = self.last_term.max(term);
    }

    fn see(&mut self, from: u64, key: &str, term: u32, custom: &[u8]) -> Verdict {
        let value = custom.try_into().map_or(0, u64::from_be_bytes);
        must::invariant_positions_are_the_roots_and_the_newest(self, from, key, term, value)?;
        self.seen.insert((from, key.to_owned()), value);
        Ok(())
    }
}

/// An instruction's name and the little of it that helps to read a trace.
fn short(instruction: &Option<Instruction>) -> String {
    let Some(instruction) = instruction else { return "nothing".to_owned() };
    match instruction {
        Instruction::Welcome(w) => format!("welcome {}/{} resumed: {}", w.epoch, w.seq, w.resumed),
        other => {
            let mut text = format!("{other:?}");
            text.truncate(text.char_indices().nth(160).map_or(text.len(), |(at, _)| at));
            text
        }
    }
}

/// The limit of keys that [`CODEC`] goes by holds for the keys used here.
const _: () = assert!(CODEC.action_key_bytes >= 4);
