//! How entries and snapshots are written into the log: a version byte, then MessagePack with field
//! names, so that a later version can add fields and still read what an earlier one wrote.

use bytes::Bytes;
use faceshare_biz::{Error, Result};
use faceshare_exec::{Entry, State};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The format that this version writes, and the newest that it reads.
const VERSION: u8 = 1;

#[derive(Debug, thiserror::Error)]
#[error("a record of the session log cannot be read: {0}")]
struct UnreadableRecord(String);

pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    encode(entry)
}

pub(crate) fn decode_entry(payload: &[u8]) -> Result<Entry> {
    decode(payload)
}

pub(crate) fn encode_state(state: &State) -> Bytes {
    encode(state)
}

pub(crate) fn decode_state(payload: &[u8]) -> Result<State> {
    decode(payload)
}

fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut out = Vec::with_capacity(512);
    out.push(VERSION);
    let mut writer = rmp_serde::Serializer::new(&mut out).with_struct_map();
    value
        .serialize(&mut writer)
        .expect("invariant: the kernel's types always serialise, and memory takes every write");
    // Entries are kept in memory for those who come back.
    out.shrink_to_fit();
    out.into()
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    let unreadable = |why: String| Error::internal(UnreadableRecord(why));
    match payload.split_first() {
        Some((&VERSION, body)) => {
            rmp_serde::from_slice(body).map_err(|e| unreadable(e.to_string()))
        }
        Some((version, _)) => Err(unreadable(format!(
            "it is of format {version}, and this version reads up to {VERSION}"
        ))),
        None => Err(unreadable("it is empty".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{decode_entry, encode_entry};
    use faceshare_biz::domain::instruction::{Event, QuitReason};
    use faceshare_biz::domain::{MemberId, Timestamp};
    use faceshare_exec::{Change, Entry};

    fn entry() -> Entry {
        let member = MemberId::new(7).expect("positive");
        Entry {
            at: Timestamp::from_millis(5),
            from: Some(member),
            changes: vec![Change::Left { member }],
            events: vec![Event::Quit {
                member,
                reason: QuitReason::Left,
            }],
        }
    }

    #[test]
    fn an_entry_survives_the_log() {
        let payload = encode_entry(&entry());
        assert_eq!(decode_entry(&payload).expect("reads"), entry());
    }

    #[test]
    fn a_record_of_a_newer_format_is_refused_and_says_so() {
        let mut payload = encode_entry(&entry()).to_vec();
        payload[0] = 2;
        let error = decode_entry(&payload).expect_err("newer");
        assert!(
            error
                .cause()
                .is_some_and(|c| c.to_string().contains("format 2"))
        );
        assert!(decode_entry(&[]).is_err());
    }
}
