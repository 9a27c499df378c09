//! A simulated client: one point of one member, which follows the documentation for clients, over
//! any number of connections.

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

/// A client that receives nothing for this long reconnects: slightly longer than the heartbeat
/// interval.
const SILENCE: Duration = Duration::from_millis(3_500);

/// How many acknowledged instructions a client keeps.
const ANSWERED: usize = 4;

/// An instruction without a final answer.
#[derive(Debug, Clone)]
pub(crate) struct SentInstruction {
    pub(crate) nonce: u64,
    pub(crate) instruction: client_frame::Instruction,
    /// The epochs in which it was sent.
    pub(crate) epochs: Vec<String>,
    /// Whether it was acknowledged before and is sent only to check that it has no effect.
    again: bool,
}

impl SentInstruction {
    pub(crate) const fn is_ordered(&self) -> bool {
        use client_frame::Instruction as I;
        !matches!(
            self.instruction,
            I::ActionSync(_) | I::PointState(_) | I::AckHeart(_)
        )
    }

    /// The join request that it decides; such a decision is not sent as an ordered frame.
    pub(crate) const fn answers_knock(&self) -> Option<u64> {
        use client_frame::Instruction as I;
        match &self.instruction {
            I::Admit(v1::Admit { knock_id }) | I::Deny(v1::Deny { knock_id }) => Some(*knock_id),
            _ => None,
        }
    }

    /// Whether this ordered frame repeats the instruction.
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
pub(crate) enum SeatState {
    /// It needs a seat first.
    Out,
    /// It has a seat.
    Seated,
    /// It can never connect again: it was removed, or the session has ended.
    Done,
}

/// One simulated point.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) member: u64,
    pub(crate) point: u64,
    pub(crate) format: WireFormat,
    pub(crate) seat: SeatState,
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) welcomed: bool,
    pub(crate) resume_position: Option<(String, u32)>,
    epoch: Option<String>,
    pub(crate) seq: u32,
    pub(crate) head_at_welcome: u32,
    pub(crate) mirror: Option<Mirror>,
    /// Index of the entry whose state the mirror was last compared with.
    pub(crate) compared: u64,
    pub(crate) last_term: u32,
    /// The newest values that it received, by (sender, key).
    pub(crate) received_values: BTreeMap<(u64, String), u64>,
    /// The newest values that it sent, by key.
    pub(crate) sent_values: BTreeMap<&'static str, u64>,
    /// The last received state of each join request.
    knocks: BTreeMap<u64, v1::member_knock::State>,
    unanswered: BTreeMap<u32, SentInstruction>,
    /// Instructions to send again after the next welcome.
    to_resend: Vec<SentInstruction>,
    /// The last acknowledged instructions, the newest last; at most [`ANSWERED`].
    answered: VecDeque<SentInstruction>,
    next_id: u32,
    last_received: Instant,
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
            seat: SeatState::Out,
            link: None,
            welcomed: false,
            resume_position: None,
            epoch: None,
            seq: 0,
            head_at_welcome: 0,
            mirror: None,
            compared: 0,
            last_term: 0,
            received_values: BTreeMap::new(),
            sent_values: BTreeMap::new(),
            knocks: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            to_resend: Vec::new(),
            answered: VecDeque::new(),
            next_id: 1,
            last_received: Instant::now(),
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        self.epoch.as_deref().unwrap_or("")
    }

    pub(crate) const fn has_position(&self) -> bool {
        self.mirror.is_some()
    }

    /// The number of unanswered instructions on this connection.
    pub(crate) fn unanswered_count(&self) -> usize {
        self.unanswered.len()
    }

    /// Replaces the connection, if there is one, by a new one.
    pub(crate) fn replace_link(&mut self, link: Arc<Link>, resume_position: Option<(String, u32)>) {
        self.disconnect();
        (self.link, self.resume_position, self.last_received) =
            (Some(link), resume_position, Instant::now());
    }

    /// Drops the connection; unanswered instructions will be sent again.
    pub(crate) fn disconnect(&mut self) {
        self.link = None;
        self.welcomed = false;
        self.to_resend
            .extend(std::mem::take(&mut self.unanswered).into_values());
    }

    /// Drops the connection and gives up every unanswered instruction.
    pub(crate) fn give_up(&mut self) {
        self.disconnect();
        self.to_resend.clear();
    }

    pub(crate) fn send_new_instruction(
        &mut self,
        instruction: client_frame::Instruction,
        nonce: u64,
    ) {
        self.send_instruction(SentInstruction {
            nonce,
            instruction,
            epochs: Vec::new(),
            again: false,
        });
    }

    /// Sends the last acknowledged instructions once more, under the same nonces: they must have no effect.
    pub(crate) fn send_answered_again(&mut self) {
        if self.welcomed {
            std::mem::take(&mut self.answered)
                .into_iter()
                .for_each(|sent| {
                    self.send_instruction(SentInstruction {
                        again: true,
                        ..sent
                    })
                });
        }
    }

    fn send_instruction(&mut self, mut ask: SentInstruction) {
        ask.epochs.push(self.epoch().to_owned());
        let id = self.next_id;
        self.next_id += 1;
        self.send(id, ask.nonce, ask.instruction.clone());
        self.unanswered.insert(id, ask);
    }

    fn send(&self, id: u32, nonce: u64, instruction: client_frame::Instruction) {
        let Some(link) = &self.link else { return };
        let frame = v1::ClientFrame {
            id,
            nonce,
            instruction: Some(instruction),
        };
        link.send(match self.format {
            WireFormat::Proto => frame.encode_to_vec().into(),
            WireFormat::Json => serde_json::to_vec(&frame)
                .expect("invariant: frames serialise")
                .into(),
        });
    }

    /// Sends its position.
    pub(crate) fn update_position(&mut self, key: &'static str, value: u64) {
        self.sent_values.insert(key, value);
        self.send_position(key, value);
    }

    fn send_position(&self, key: &'static str, value: u64) {
        let presenting = self.mirror.as_ref().and_then(Mirror::presenting);
        let term = presenting
            .filter(|(member, _)| key == "pen" && *member == self.member)
            .map_or(0, |(_, term)| term);
        let custom = Bytes::copy_from_slice(&value.to_be_bytes());
        let value = Some(action_sync::Value::Custom(custom));
        self.send(
            0,
            0,
            client_frame::Instruction::ActionSync(v1::ActionSync {
                file_id: 0,
                key: key.to_owned(),
                term,
                value,
            }),
        );
    }

    /// Sends a heartbeat without being asked.
    pub(crate) fn beat(&self) {
        self.send(
            0,
            0,
            client_frame::Instruction::AckHeart(v1::AckHeart {
                sent_at: None,
                last_seq: self.seq,
            }),
        );
    }

    /// Processes everything that has arrived.
    pub(crate) fn process_received(
        &mut self,
        store: &Store,
        most: usize,
        trace: &mut Trace,
    ) -> Verdict {
        while let Some(received) = self.link.as_ref().and_then(|link| link.receive()) {
            self.last_received = Instant::now();
            match received {
                Received::Batch(frames) => self.process_batch(&frames, store, most, trace)?,
                Received::Closed(reason) => self.closed(reason, trace)?,
                Received::Lost => {
                    trace.log(|| format!("{self}: connection lost"));
                    self.disconnect();
                }
            }
        }
        if self.welcomed
            && self.link.as_ref().is_some_and(|link| link.is_stalled())
            && self.point.is_multiple_of(2)
        {
            // It does not read, but still sends heartbeats.
            self.beat();
        }
        let silent = self.link.as_ref().is_some_and(|link| !link.is_stalled())
            && self.last_received.elapsed() > SILENCE;
        if silent && let Some(link) = self.link.clone() {
            trace.log(|| format!("{self}: received nothing for long, disconnects"));
            link.disconnect(Duration::ZERO);
            self.disconnect();
        }
        Ok(())
    }

    fn closed(&mut self, reason: CloseReason, trace: &mut Trace) -> Verdict {
        trace.log(|| format!("{self}: closed {reason:?}"));
        if let Some(link) = &self.link {
            link.disconnect(Duration::ZERO);
        }
        self.disconnect();
        let mistake = matches!(reason, CloseReason::BadFrames | CloseReason::FrameTooLarge);
        must::invariant_no_internal_errors("a good client is closed for what it sent", mistake)?;
        match reason {
            CloseReason::Left | CloseReason::TooMany | CloseReason::Unauthenticated => {
                self.seat = SeatState::Out
            }
            CloseReason::Removed | CloseReason::SessionEnded => self.seat = SeatState::Done,
            _ => {}
        }
        Ok(())
    }

    fn process_batch(
        &mut self,
        frames: &[Bytes],
        store: &Store,
        most: usize,
        trace: &mut Trace,
    ) -> Verdict {
        let mut live = 0;
        for message in frames {
            let frame = match self.format {
                WireFormat::Proto => v1::ServerFrame::decode(&message[..])
                    .expect("invariant: the server writes frames"),
                WireFormat::Json => {
                    serde_json::from_slice(message).expect("invariant: the server writes frames")
                }
            };
            live += usize::from(frame.seq == 0 || frame.seq > self.head_at_welcome);
            self.process_frame(&frame, message, store, trace)?;
        }
        must::invariant_queue_is_bounded(self, live, most)
    }

    fn process_frame(
        &mut self,
        frame: &v1::ServerFrame,
        message: &Bytes,
        store: &Store,
        trace: &mut Trace,
    ) -> Verdict {
        trace.log(|| format!("{self} <- {} {}", frame.seq, short(&frame.instruction)));
        must::invariant_welcome_comes_first(
            self,
            matches!(frame.instruction, Some(Instruction::Welcome(_))),
        )?;
        match &frame.instruction {
            Some(Instruction::Welcome(welcome)) => self.welcome(welcome),
            Some(Instruction::Ack(ack)) => {
                let ask = self.unanswered.remove(&ack.id);
                must::invariant_one_answer_for_each_instruction(self, ack.id, ask.as_ref())?;
                let Some(ask) = ask else { return Ok(()) };
                store.archive(|archive| {
                    must::invariant_acknowledged_is_in_the_log_once(self, &ask, ack.seq, archive)
                })?;
                if ask.nonce != 0 && ask.is_ordered() && !ask.again {
                    self.answered.push_back(ask);
                    self.answered
                        .drain(..self.answered.len().saturating_sub(ANSWERED));
                }
                Ok(())
            }
            Some(Instruction::Nack(nack)) => {
                let ask = self.unanswered.remove(&nack.id);
                must::invariant_one_answer_for_each_instruction(self, nack.id, ask.as_ref())?;
                must::invariant_no_internal_errors("nack INTERNAL", nack.code == "INTERNAL")?;
                self.to_resend
                    .extend(ask.filter(|_| nack.code == "UNAVAILABLE"));
                Ok(())
            }
            Some(Instruction::SysHeart(v1::SysHeart { sent_at })) => {
                self.send(
                    0,
                    0,
                    client_frame::Instruction::AckHeart(v1::AckHeart {
                        sent_at: *sent_at,
                        last_seq: self.seq,
                    }),
                );
                Ok(())
            }
            Some(Instruction::ActionSync(sent)) => {
                let Some(action_sync::Value::Custom(custom)) = &sent.value else {
                    return Ok(());
                };
                self.receive_position(frame.from, &sent.key, sent.term, custom)
            }
            Some(Instruction::MemberKnock(knock)) => {
                let before = self.knocks.insert(knock.knock_id, knock.state());
                store.archive(|archive| {
                    must::invariant_the_host_receives_knocks(self, knock, before, archive)
                })
            }
            _ if frame.seq > 0 => self.ordered(frame, message, store),
            _ => Ok(()),
        }
    }

    fn welcome(&mut self, welcome: &v1::Welcome) -> Verdict {
        must::invariant_resume_continues_at_its_position(self, welcome)?;
        self.welcomed = true;
        self.epoch = Some(welcome.epoch.clone());
        self.compared = 0;
        self.head_at_welcome = welcome.seq;
        match (&welcome.snapshot, self.resume_position.take()) {
            (Some(snapshot), _) => {
                self.seq = welcome.seq;
                self.mirror = Some(Mirror::new(snapshot.clone()));
                self.note_term();
                for action in &snapshot.actions {
                    let Some(action::Value::Custom(custom)) = &action.value else {
                        continue;
                    };
                    self.receive_position(action.from, &action.key, action.term, custom)?;
                }
            }
            (None, Some((_, seq))) => self.seq = seq,
            (None, None) => {}
        }
        for ask in std::mem::take(&mut self.to_resend) {
            self.send_instruction(ask);
        }
        for (key, value) in &self.sent_values {
            self.send_position(key, *value);
        }
        Ok(())
    }

    fn ordered(&mut self, frame: &v1::ServerFrame, message: &Bytes, store: &Store) -> Verdict {
        must::invariant_ordered_frames_have_no_gap(self, frame.seq)?;
        let proto = (self.format == WireFormat::Proto).then_some(&message[..]);
        store
            .archive(|archive| must::invariant_frame_equals_the_log(self, frame, proto, archive))?;
        must::invariant_no_connected_point_is_announced_lost(self, frame)?;
        self.seq = frame.seq;
        self.compared = 0;
        if let Some(mirror) = &mut self.mirror
            && let Err(detail) = mirror.apply(frame)
        {
            return must::ensure(false, "mirror_is_the_state", || format!("{self}: {detail}"));
        }
        self.note_term();
        Ok(())
    }

    fn note_term(&mut self) {
        let term = self
            .mirror
            .as_ref()
            .and_then(Mirror::presenting)
            .map_or(0, |(_, term)| term);
        self.last_term = self.last_term.max(term);
    }

    fn receive_position(&mut self, from: u64, key: &str, term: u32, custom: &[u8]) -> Verdict {
        let value = custom.try_into().map_or(0, u64::from_be_bytes);
        must::invariant_positions_are_the_roots_and_the_newest(self, from, key, term, value)?;
        self.received_values.insert((from, key.to_owned()), value);
        Ok(())
    }
}

/// An instruction's name and the fields that help to read a trace.
fn short(instruction: &Option<Instruction>) -> String {
    let Some(instruction) = instruction else {
        return "nothing".to_owned();
    };
    match instruction {
        Instruction::Welcome(w) => format!("welcome {}/{} resumed: {}", w.epoch, w.seq, w.resumed),
        other => {
            let mut text = format!("{other:?}");
            text.truncate(
                text.char_indices()
                    .nth(160)
                    .map_or(text.len(), |(at, _)| at),
            );
            text
        }
    }
}

/// The keys used here fit the limit of [`CODEC`].
const _: () = assert!(CODEC.action_key_bytes >= 4);
