//! Decides which requests may open a stream, and how others are refused.
//!
//! A client that sends its token in `Authorization` can read a status: it is refused over HTTP. A
//! browser does not see the status of a refused upgrade, so a request with its token in the
//! subprotocol is upgraded and closed at once with the code that says why.

use super::socket::{self, SocketReader, SocketWriter};
use super::stream_permits::{StreamPermit, StreamPermits};
use crate::e::HttpError;
use crate::extract::ClientSite;
use crate::links::host_of;
use crate::middleware::origins::AllowedOrigins;
use auth::{SubprotocolOffer, Token, bearer_from_headers};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use faceshare_api::{SUBPROTOCOL_JSON, SUBPROTOCOL_PROTO};
use faceshare_biz::constants::ENDED_REPLAY;
use faceshare_biz::domain::facesession::SessionClaims;
use faceshare_biz::domain::instruction::{CloseReason, Epoch, Position, Seq, WireFormat};
use faceshare_biz::domain::port::{Clock, TokenRefusal};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_logic::instruction::connclient::{
    Arrival, ConnClients, Connection, FrameSink, FrameSource, refusal,
};
use faceshare_logic::instruction::exec::{self, Access};
use faceshare_logic::instruction::mgr::pointaddresses::{ConnectedFrom, PointAddresses};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// State of the stream handler.
pub struct StreamState {
    /// Runs connections.
    pub clients: ConnClients,
    /// The addresses that points are connected from.
    pub addresses: Arc<PointAddresses>,
    /// Limits the streams of each address, network and prefix, and of all.
    pub permits: Arc<StreamPermits>,
    /// The current time.
    pub clock: Arc<dyn Clock>,
    /// `limits.frame_in`.
    pub frame_max: usize,
    /// Origins whose pages may open a stream.
    pub origins: AllowedOrigins,
    /// Once cancelled, no new streams are opened.
    pub draining: CancellationToken,
    /// Once cancelled, all streams stop at once.
    pub hard: CancellationToken,
    /// Tracks the task of every connection; shutdown waits for it.
    pub tracker: TaskTracker,
}

/// `GET /v1/instructions`.
pub fn routes(state: StreamState) -> Router {
    Router::new()
        .route(crate::links::INSTRUCTIONS_PATH, get(open))
        .with_state(Arc::new(state))
}

async fn open(
    State(state): State<Arc<StreamState>>,
    request: Request,
) -> Result<Response, HttpError> {
    let offer = SubprotocolOffer::from_headers(request.headers()).map_err(|_| {
        Error::new(
            ErrorCode::InvalidArgument,
            "Sec-WebSocket-Protocol cannot be read",
        )
    })?;
    let (protocol, format) = choose(&offer)?;
    let key = websocket_key(request.headers())?;
    state
        .origins
        .check(request.headers(), host_of(request.uri(), request.headers()))?;
    let position = position(request.uri().query().unwrap_or_default());
    let ClientSite(site) = ClientSite::of(request.extensions());
    let arrival = match credentials(request.headers(), &offer)? {
        Credentials::Header(token) => {
            Ok(admit(&state, site.address, token.expose(), format, position).await?)
        }
        Credentials::Subprotocol(token) => {
            admit(&state, site.address, token.expose(), format, position)
                .await
                .map_err(|error| refusal(error.code))
        }
    };
    upgrade(state, request, protocol, format, &key, arrival)
}

enum Credentials {
    Header(Token),
    Subprotocol(Token),
}

/// The header takes precedence over the subprotocol entry.
fn credentials(headers: &HeaderMap, offer: &SubprotocolOffer) -> Result<Credentials> {
    let missing = || Error::new(ErrorCode::Unauthenticated, "a stream needs a session token");
    match (bearer_from_headers(headers), &offer.bearer) {
        (Ok(token), _) => Ok(Credentials::Header(token)),
        (Err(auth::AuthError::Missing), Some(token)) => Ok(Credentials::Subprotocol(token.clone())),
        (Err(_), _) => Err(missing()),
    }
}

fn choose(offer: &SubprotocolOffer) -> Result<(&'static str, WireFormat)> {
    match offer.select(&[SUBPROTOCOL_PROTO, SUBPROTOCOL_JSON]) {
        Some(SUBPROTOCOL_PROTO) => Ok((SUBPROTOCOL_PROTO, WireFormat::Proto)),
        Some(_) => Ok((SUBPROTOCOL_JSON, WireFormat::Json)),
        None => {
            let detail = format!(
                "Sec-WebSocket-Protocol must offer {SUBPROTOCOL_PROTO} or {SUBPROTOCOL_JSON}"
            );
            Err(Error::new(ErrorCode::InvalidArgument, detail))
        }
    }
}

/// The handshake's key; an error unless the request is a WebSocket handshake of version 13.
fn websocket_key(headers: &HeaderMap) -> Result<HeaderValue> {
    let names = |header, token: &str| {
        let values = headers
            .get_all(header)
            .iter()
            .filter_map(|v| v.to_str().ok());
        values
            .flat_map(|v| v.split(','))
            .any(|v| v.trim().eq_ignore_ascii_case(token))
    };
    let handshake = names(CONNECTION, "upgrade")
        && names(UPGRADE, "websocket")
        && names(SEC_WEBSOCKET_VERSION, "13");
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|key| handshake && key.len() == 24);
    key.cloned().ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidArgument,
            "this path speaks WebSocket (RFC 6455, version 13) only",
        )
    })
}

/// The position in `?epoch=…&seq=…`. Any other query gives none, and the stream starts with a
/// snapshot.
fn position(query: &str) -> Option<Position> {
    let field = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    let seq = field("seq")?.parse().ok()?;
    Some(Position {
        epoch: Epoch::new(field("epoch")?)?,
        seq: Seq::new(seq),
    })
}

/// An accepted connection attempt, and its permit for a stream.
type AdmittedStream = (Arrival, StreamPermit);

/// Checks the token and the limits, as far as possible before connecting.
async fn admit(
    state: &StreamState,
    from: IpAddr,
    token: &str,
    format: WireFormat,
    position: Option<Position>,
) -> Result<AdmittedStream> {
    if state.draining.is_cancelled() {
        return Err(Error::new(
            ErrorCode::Unavailable,
            "the server is shutting down; connect again",
        )
        .retry_after(Duration::from_secs(1)));
    }
    let (claims, expires_at) = state
        .clients
        .tokens
        .verify_session(token, state.clock.now())
        .map_err(|refusal| match refusal {
            TokenRefusal::Expired => {
                Error::new(ErrorCode::TokenExpired, "the session token has expired")
            }
            TokenRefusal::Invalid => {
                Error::new(ErrorCode::Unauthenticated, "the session token is not valid")
            }
        })?;
    if state.clients.revocations.is_revoked(claims.family) {
        return Err(Error::new(
            ErrorCode::Unauthenticated,
            "the sign-in of this token has ended",
        ));
    }
    check_access(state, claims).await?;
    let permit = state.permits.take(from)?;
    Ok((
        Arrival {
            claims,
            format,
            position,
            expires_at,
        },
        permit,
    ))
}

/// Tells a client that can read a status, before the upgrade, what connecting would be refused
/// with: a removal, a limit, an end long ago. It changes nothing; what changes before the
/// connection opens is told by a close code.
async fn check_access(state: &StreamState, claims: SessionClaims) -> Result<()> {
    let (now, rules) = (
        state.clock.now(),
        state.clients.sessions.settings().rules.clone(),
    );
    let check = move |session: &exec::State| {
        let SessionClaims { member, point, .. } = claims;
        match (session.access(member), session.ended()) {
            (Access::Removed, _) => Err(Error::new(
                ErrorCode::Forbidden,
                "the host removed you from this session",
            )),
            (Access::Stranger, _) => Err(Error::new(
                ErrorCode::Unauthenticated,
                "you are not in this session",
            )),
            (_, Some(ended)) if now.since(ended.at) > ENDED_REPLAY => {
                Err(Error::new(ErrorCode::SessionEnded, "the session is over"))
            }
            (_, Some(_)) => Ok(()),
            (_, None) => {
                let input = exec::Input::Connect {
                    member,
                    point,
                    incarnation: 0,
                };
                exec::step(session, &rules, now, input)
                    .map(drop)
                    .map_err(Error::from)
            }
        }
    };
    state
        .clients
        .sessions
        .read(claims.session, check)
        .await
        .map_err(|error| match error.code {
            ErrorCode::NotFound => {
                Error::new(ErrorCode::Unauthenticated, "there is no such session")
            }
            _ => error,
        })?
}

/// Answers the handshake and starts the task that serves the stream, or closes it with the reason
/// for a refusal.
fn upgrade(
    state: Arc<StreamState>,
    mut request: Request,
    protocol: &'static str,
    format: WireFormat,
    key: &HeaderValue,
    arrival: Result<AdmittedStream, CloseReason>,
) -> Result<Response, HttpError> {
    let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let on_upgrade = on_upgrade.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidArgument,
            "this connection cannot be upgraded",
        )
    })?;
    let ClientSite(site) = ClientSite::of(request.extensions());
    let tracker = state.tracker.clone();
    tracker.spawn(serve(
        state,
        Box::new(Upgrading {
            on_upgrade,
            arrival,
            format,
            from: site.address,
        }),
    ));
    let accept = HeaderValue::from_str(&faceshare_websocket::accept_key(key.as_bytes()))
        .map_err(Error::internal)?;
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    *response.body_mut() = Body::empty();
    Ok(response)
}

/// An upgrade in progress and its outcome.
struct Upgrading {
    on_upgrade: OnUpgrade,
    arrival: Result<AdmittedStream, CloseReason>,
    format: WireFormat,
    from: IpAddr,
}

async fn serve(state: Arc<StreamState>, upgrading: Box<Upgrading>) {
    // Boxed apart from the long wait below, so that the memory of the start is free by then.
    let stream = Box::pin(state.hard.run_until_cancelled(begin(&state, upgrading))).await;
    if let Some(mut stream) = stream.flatten() {
        let Stream {
            connection,
            source,
            sink,
            ..
        } = &mut *stream;
        connection
            .run(source, sink, pin!(state.hard.cancelled()))
            .await;
    }
}

/// A connected point, and the halves of its socket.
struct Stream<'a> {
    connection: Connection<'a>,
    source: SocketReader,
    sink: SocketWriter,
    _connected: ConnectedFrom,
    _permit: StreamPermit,
}

/// Waits for the upgrade, then opens the connection, or closes it with the reason.
async fn begin(state: &StreamState, upgrading: Box<Upgrading>) -> Option<Box<Stream<'_>>> {
    let Upgrading {
        on_upgrade,
        arrival,
        format,
        from,
    } = *upgrading;
    let upgraded = on_upgrade
        .await
        .inspect_err(|error| tracing::debug!(%error, "the upgrade failed"))
        .ok()?;
    let (mut source, mut sink) = socket::accept(upgraded, format, state.frame_max);
    // A connection that was accepted just before the drain began would only have to leave again.
    let arrival = if state.draining.is_cancelled() {
        Err(CloseReason::Restarting)
    } else {
        arrival
    };
    match arrival {
        Ok((arrival, permit)) => {
            let SessionClaims {
                session, member, ..
            } = arrival.claims;
            let connected = state
                .addresses
                .connect(session, member, from, state.clock.now());
            let connection = state.clients.open(arrival, &mut source, &mut sink).await?;
            Some(Box::new(Stream {
                connection,
                source,
                sink,
                _connected: connected,
                _permit: permit,
            }))
        }
        Err(reason) => {
            const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
            sink.close(reason).await;
            // A peer that does not close in time is disconnected.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, source.discard()).await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Seq, position};

    #[test]
    fn a_position_is_an_epoch_and_a_number_and_any_other_query_gives_none() {
        let good = position("epoch=abc&seq=7").expect("a position");
        assert_eq!((good.epoch.as_str(), good.seq), ("abc", Seq::new(7)));
        for bad in [
            "",
            "epoch=abc",
            "seq=7",
            "epoch=&seq=7",
            "epoch=abc&seq=-1",
            "epoch=abc&seq=x",
            "epoch=abc&seq=4294967296",
        ] {
            assert!(position(bad).is_none(), "{bad}");
        }
        assert!(position(&format!("epoch={}&seq=1", "e".repeat(33))).is_none());
    }
}
