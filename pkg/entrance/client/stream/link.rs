//! One WebSocket connection: the handshake, and sending and receiving frames.

use super::order::{Position, ProtocolViolation};
use super::policy::Ended;
use crate::{ApiError, tls};
use entrance_pack::{Format, Packed, decode_server, encode_client};
use faceshare_api::v1::{ClientFrame, ServerFrame};
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use reqwest::Url;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that does not accept a frame within this time counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// A connected WebSocket.
pub(super) struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    format: Format,
}

/// A received message.
pub(super) enum Received {
    Frame(Box<ServerFrame>),
    /// The payload of a pong.
    Pong(Vec<u8>),
    /// A message that only shows that the server is alive.
    Other,
}

/// Builds the URL of a resume. The query is the contract's; `epoch` is opaque and may contain any
/// character.
fn resume_url(url: &str, position: Option<&Position>) -> Result<Url, Ended> {
    let mut url = Url::parse(url)
        .map_err(|error| Ended::Broken(format!("invalid address of the stream: {error}")))?;
    if let Some(position) = position {
        url.query_pairs_mut()
            .append_pair("epoch", &position.epoch)
            .append_pair("seq", &position.seq.to_string());
    }
    Ok(url)
}

/// Names the address: the caller may have set it, or the server may have sent one that does not work from here.
fn unreachable(url: &Url, error: &WsError) -> Ended {
    let cause = match error {
        WsError::Io(error) => error.to_string(),
        error => error.to_string(),
    };
    Ended::Broken(format!(
        "cannot reach the server at {}: {cause}",
        address(url)
    ))
}

/// Scheme, host and port; never the query, which holds the position.
fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}", url.scheme())
}

impl Link {
    pub(super) async fn dial(
        url: &str,
        token: &str,
        format: Format,
        position: Option<&Position>,
    ) -> Result<Self, Ended> {
        let url = resume_url(url, position)?;
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| unreachable(&url, &error))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|error| Ended::Broken(error.to_string()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(format.subprotocol()),
        );
        let tls = Connector::Rustls(tls::config());
        match timeout(
            HANDSHAKE_TIMEOUT,
            connect_async_tls_with_config(request, None, true, Some(tls)),
        )
        .await
        {
            Ok(Ok((socket, _answer))) => Ok(Self { socket, format }),
            Ok(Err(WsError::Http(answer))) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err(Ended::Refused(Box::new(ApiError::from_answer(
                    answer.status().as_u16(),
                    answer.headers(),
                    body,
                ))))
            }
            Ok(Err(error)) => Err(unreachable(&url, &error)),
            Err(_elapsed) => Err(Ended::Broken(format!(
                "the server at {} does not answer",
                address(&url)
            ))),
        }
    }

    /// Receives the next message. Cancel safe.
    pub(super) async fn receive(&mut self) -> Result<Received, Ended> {
        match self.socket.next().await {
            Some(Ok(Message::Binary(bytes))) if self.format == Format::Proto => self.unpack(&bytes),
            Some(Ok(Message::Text(text))) if self.format == Format::Json => {
                self.unpack(text.as_bytes())
            }
            Some(Ok(Message::Binary(_) | Message::Text(_))) => {
                Err(Ended::ProtocolViolation(ProtocolViolation::Unreadable))
            }
            Some(Ok(Message::Pong(payload))) => Ok(Received::Pong(payload.to_vec())),
            Some(Ok(Message::Ping(_) | Message::Frame(_))) => Ok(Received::Other),
            Some(Ok(Message::Close(frame))) => {
                // tungstenite has queued the close frame's echo; flush it, so that the server need
                // not wait for it.
                let _ = timeout(CLOSE_TIMEOUT, self.socket.flush()).await;
                Err(frame.map_or_else(
                    || Ended::Closed {
                        code: 1005,
                        reason: String::new(),
                    },
                    |frame| Ended::Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    },
                ))
            }
            Some(Err(error)) => Err(Ended::Broken(error.to_string())),
            None => Err(Ended::Closed {
                code: 1006,
                reason: String::new(),
            }),
        }
    }

    fn unpack(&self, bytes: &[u8]) -> Result<Received, Ended> {
        match decode_server(bytes, self.format) {
            Ok(frame) => Ok(Received::Frame(Box::new(frame))),
            Err(error) => {
                tracing::warn!(%error, "unreadable frame");
                Err(Ended::ProtocolViolation(ProtocolViolation::Unreadable))
            }
        }
    }

    pub(super) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Ended> {
        let message = match encode_client(frame, self.format) {
            Packed::Binary(bytes) => Message::Binary(bytes),
            Packed::Text(text) => Message::Text(Utf8Bytes::from(text)),
        };
        self.write(message).await
    }

    pub(super) async fn ping(&mut self, payload: Vec<u8>) -> Result<(), Ended> {
        self.write(Message::Ping(payload.into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            // The reader has the close code: a write fails first when both sides close at once.
            Ok(Err(_)) => self.close_reason().await,
            Err(_elapsed) => Err(Ended::Broken("the server does not read".into())),
        }
    }

    async fn close_reason(&mut self) -> Result<(), Ended> {
        let drained = timeout(CLOSE_TIMEOUT, async {
            loop {
                match self.receive().await {
                    Ok(_) => {}
                    Err(ended) => return ended,
                }
            }
        });
        Err(drained
            .await
            .unwrap_or_else(|_| Ended::Broken("the connection broke".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::resume_url;
    use crate::stream::order::Position;

    #[test]
    fn the_position_is_in_the_query_whatever_the_epoch_contains() {
        let position = Position {
            epoch: "a&b=c d".into(),
            seq: 7,
        };
        let url = resume_url("ws://h:1/v1/instructions", Some(&position)).expect("a url");
        assert_eq!(
            url.as_str(),
            "ws://h:1/v1/instructions?epoch=a%26b%3Dc+d&seq=7"
        );
        assert_eq!(
            resume_url("ws://h:1/v1/instructions", None)
                .expect("a url")
                .as_str(),
            "ws://h:1/v1/instructions"
        );
    }
}
