//! Parses the upgrade request and builds the response that accepts it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The GUID that RFC 6455 appends to the client's key.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The role of a connection in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its messages go to the receivers.
    Sender,
    /// It receives the messages of the senders.
    Receiver,
}

/// An accepted upgrade.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    pub(crate) room: u64,
    pub(crate) role: Role,
    /// The complete response.
    pub(crate) response: String,
    /// Length of the request in bytes; the bytes after it are frames.
    pub(crate) consumed: usize,
}

/// The result of parsing the bytes read so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The request is incomplete.
    Incomplete,
    /// Not an upgrade to a room.
    Refused,
    Accepted(Upgrade),
}

/// Parses an upgrade request.
pub(crate) fn read(bytes: &[u8]) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let consumed = match request.parse(bytes) {
        Ok(httparse::Status::Complete(consumed)) => consumed,
        Ok(httparse::Status::Partial) => return Request::Incomplete,
        Err(_) => return Request::Refused,
    };
    let key = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"));
    let (Some((room, role)), Some(key)) = (request.path.and_then(parse_path), key) else {
        return Request::Refused;
    };
    Request::Accepted(Upgrade {
        room,
        role,
        response: response(key.value),
        consumed,
    })
}

/// `/room/<n>?role=sender|receiver`
fn parse_path(path: &str) -> Option<(u64, Role)> {
    let (room, query) = path.strip_prefix("/room/")?.split_once('?')?;
    let role = match query {
        "role=sender" => Role::Sender,
        "role=receiver" => Role::Receiver,
        _ => return None,
    };
    Some((room.parse().ok()?, role))
}

fn response(key: &[u8]) -> String {
    let accept = STANDARD.encode(
        Sha1::new()
            .chain_update(key)
            .chain_update(ACCEPT_SUFFIX)
            .finalize(),
    );
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /room/7?role=sender HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn the_key_of_the_rfcs_example_gets_its_answer() {
        let Request::Accepted(upgrade) = read(REQUEST.as_bytes()) else {
            panic!("refused")
        };
        assert!(
            upgrade
                .response
                .contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
        );
        assert_eq!(
            (upgrade.room, upgrade.role, upgrade.consumed),
            (7, Role::Sender, REQUEST.len())
        );
    }

    #[test]
    fn an_incomplete_request_waits_and_another_path_is_refused() {
        assert_eq!(read(&REQUEST.as_bytes()[..40]), Request::Incomplete);
        assert_eq!(
            read(REQUEST.replace("room", "rooms").as_bytes()),
            Request::Refused
        );
        assert_eq!(
            read(REQUEST.replace("sender", "king").as_bytes()),
            Request::Refused
        );
    }
}
