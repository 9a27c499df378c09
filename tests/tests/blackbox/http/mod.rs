//! The HTTP API.

mod accounts;
mod approval;
mod avatars;
mod classic;
mod connections;
mod cors;
mod docs;
mod errors;
mod guesses;
mod guests;
mod idempotency;
mod invites;
mod links;
mod members;
mod number_codes;
mod operations;
mod outage;
mod passwords;
mod rates;
mod sessions;
mod slow;
mod unread;
mod unreadable;
mod uploads;
