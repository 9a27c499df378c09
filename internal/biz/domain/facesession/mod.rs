//! Face sessions as the directory lists them: their settings, codes and invites, and admission.

mod contacts;
mod expected_hits;
mod guess;
mod invite;
mod number_code;
mod port;
mod types;

pub use contacts::{HostContacts, NoContacts};
pub use expected_hits::ExpectedHits;
pub use guess::{GuessBudgets, GuessDecision, GuessLimits, GuessPressure, GuessTarget, Guesser};
pub use invite::{InviteRecord, InviteUse};
pub use number_code::{CodeRecord, NumberCode};
pub use port::{FaceSessionRepository, InviteRepository, NumberCodeRepository};
pub use types::{
    Admission, EndReason, Ended, FaceSession, HostLeft, SessionClaims, SessionRecord, Status,
    WaitClaims,
};
