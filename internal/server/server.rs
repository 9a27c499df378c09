//! The listeners of the process, from binding to shutdown.

use crate::connection::ConnectionPolicy;
use crate::jobs::Jobs;
use crate::lifecycle::Lifecycle;
use crate::listener::{self, Listener};
use crate::tls::Tls;
use axum::Router;
use socket2::SockRef;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The addresses to listen on. Port 0: any free port.
#[derive(Debug, Clone, Copy)]
pub struct Bind {
    /// For clients.
    pub http: SocketAddr,
    /// For operators; `None`: no such listener.
    pub ops: Option<SocketAddr>,
    /// For other services; `None`: no such listener.
    pub grpc: Option<SocketAddr>,
}

/// The addresses that the server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// For clients.
    pub http: SocketAddr,
    /// For operators.
    pub ops: Option<SocketAddr>,
    /// For other services.
    pub grpc: Option<SocketAddr>,
}

/// The router of each listener. The router of a listener that is not bound is not used.
pub struct Services {
    /// For clients.
    pub http: Router,
    /// For operators.
    pub ops: Router,
    /// For other services.
    pub grpc: Router,
    /// TLS for clients and other services, never for operators; `None`: clear text.
    pub tls: Option<Tls>,
}

/// Why the server could not start or continue.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is in use, or does not belong to this machine.
    #[error("cannot listen on {address} ({key})")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// The configuration key of the address.
        key: &'static str,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}

/// Bound listeners.
#[derive(Debug)]
pub struct Listeners {
    http: TcpListener,
    ops: Option<TcpListener>,
    grpc: Option<TcpListener>,
    addresses: Addresses,
}

impl Listeners {
    /// Binds all listeners.
    ///
    /// # Errors
    /// [`ServerError::Bind`] names the first address that could not be bound.
    pub async fn bind(to: &Bind) -> Result<Self, ServerError> {
        let (http, http_address) = bind(to.http, "http.listen").await?;
        let ops = bind_optional(to.ops, "http.ops_listen").await?;
        let grpc = bind_optional(to.grpc, "grpc.listen").await?;
        let addresses = Addresses {
            http: http_address,
            ops: ops.as_ref().map(|o| o.1),
            grpc: grpc.as_ref().map(|g| g.1),
        };
        Ok(Self {
            http,
            ops: ops.map(|o| o.0),
            grpc: grpc.map(|g| g.0),
            addresses,
        })
    }

    /// The addresses that they listen on.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until the lifecycle ends. Each listener is an essential job.
    ///
    /// Once the lifecycle drains, `close_streams` runs (it should notify and close every upgraded
    /// connection); then the listeners close, requests in service are finished and the lifecycle's
    /// tracked tasks are waited for. All of this happens within `drain_timeout`; then everything
    /// stops.
    pub async fn serve(
        self,
        services: Services,
        policy: ConnectionPolicy,
        jobs: &Jobs,
        lifecycle: Lifecycle,
        drain_timeout: Duration,
        close_streams: impl Future<Output = ()>,
    ) {
        let listen = |name, listener, tls, router, policy| {
            jobs.run_essential(
                name,
                lifecycle.soft.clone(),
                listener::run(listener, tls, router, policy, lifecycle.clone()),
            )
        };
        let tls = |protocols: &[&[u8]]| services.tls.as_ref().map(|tls| tls.acceptor(protocols));
        let http = Listener {
            name: "http",
            socket: self.http,
        };
        let mut listeners = vec![listen(
            "http listener",
            http,
            tls(&[b"h2", b"http/1.1"]),
            services.http,
            policy.clone(),
        )];
        if let Some(socket) = self.ops {
            let ops = Listener {
                name: "ops",
                socket,
            };
            listeners.push(listen(
                "ops listener",
                ops,
                None,
                services.ops,
                policy.clone(),
            ));
        }
        if let Some(socket) = self.grpc {
            let grpc = Listener {
                name: "grpc",
                socket,
            };
            let policy = ConnectionPolicy {
                http2_only: true,
                ..policy
            };
            listeners.push(listen(
                "grpc listener",
                grpc,
                tls(&[b"h2"]),
                services.grpc,
                policy,
            ));
        }
        lifecycle.draining.cancelled().await;
        drain(&mut listeners, &lifecycle, drain_timeout, close_streams).await;
        lifecycle.stop_now();
        join(&mut listeners).await;
    }
}

/// Bytes that the kernel accepts before it has sent them. Without a bound, up to 4 MiB of old
/// positions are queued there before a slow receiver is noticed, and newer ones wait behind them.
/// The progress of a slow client is noticed in steps of this size.
const UNSENT_BYTES: u32 = 16 * 1024;

/// Drains. The whole drain takes at most `timeout`, and the hard stage ends it at once.
async fn drain(
    listeners: &mut [JoinHandle<()>],
    lifecycle: &Lifecycle,
    timeout: Duration,
    close_streams: impl Future<Output = ()>,
) {
    let began = Instant::now();
    let finish = async {
        close_streams.await;
        // The listeners stay open until the last stream has ended: clients that connect meanwhile
        // are told to come back later instead of being refused without a reason.
        lifecycle.tracker.close();
        lifecycle.tracker.wait().await;
        lifecycle.soft.cancel();
        join(listeners).await;
    };
    match lifecycle
        .hard
        .run_until_cancelled(tokio::time::timeout(timeout, finish))
        .await
    {
        Some(Ok(())) => tracing::info!(took = ?began.elapsed(), "drained"),
        Some(Err(_)) => tracing::warn!(?timeout, "the drain did not finish in time; stopping now"),
        None => {}
    }
}

/// Waits for the listeners. The supervisor has already logged one that failed.
async fn join(listeners: &mut [JoinHandle<()>]) {
    for listener in listeners
        .iter_mut()
        .filter(|listener| !listener.is_finished())
    {
        let _ = listener.await;
    }
}

async fn bind(
    address: SocketAddr,
    key: &'static str,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Bind {
        address,
        key,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    // Accepted connections inherit the option.
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::warn!(
            %error,
            "TCP_NOTSENT_LOWAT cannot be set: slow followers will get older positions"
        );
    }
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn bind_optional(
    address: Option<SocketAddr>,
    key: &'static str,
) -> Result<Option<(TcpListener, SocketAddr)>, ServerError> {
    match address {
        Some(address) => bind(address, key).await.map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, Bind, Listeners, Services, UNSENT_BYTES};
    use crate::{ConnectionLimits, ConnectionPolicy, Jobs, Lifecycle};
    use axum::Router;
    use axum::extract::ConnectInfo;
    use axum::http::StatusCode;
    use axum::http::header::{CONNECTION, UPGRADE};
    use axum::routing::get;
    use faceshare_routes::ProblemResponses;
    use hyper_util::rt::TokioIo;
    use hyper_util::server::conn::auto::upgrade::downcast;
    use socket2::SockRef;
    use std::future::{pending, ready};
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::{Notify, mpsc};
    use tokio::task::JoinHandle;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    struct Running {
        addresses: Addresses,
        lifecycle: Lifecycle,
        jobs: Jobs,
        served: JoinHandle<()>,
    }

    async fn start(
        http: Router,
        header_timeout: Duration,
        drain_timeout: Duration,
        close_streams: impl Future<Output = ()> + Send + 'static,
    ) -> Running {
        let any = || SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::bind(&Bind {
            http: any(),
            ops: Some(any()),
            grpc: None,
        })
        .await
        .expect("binds");
        let (addresses, lifecycle) = (listeners.addresses(), Lifecycle::new());
        let services = Services {
            http,
            ops: Router::new().route("/", get(async || "ops")),
            grpc: Router::new(),
            tls: None,
        };
        let limits = ConnectionLimits {
            connections: 16,
            answer_timeout: LONG,
            unread_bytes: 1 << 20,
            ..ConnectionLimits::default()
        };
        let policy = ConnectionPolicy {
            header_timeout,
            request_timeout: Duration::from_millis(20),
            header_bytes: 8_192,
            limits,
            http2_only: false,
        };
        let jobs = Jobs::new(lifecycle.clone());
        let (supervisor, life) = (jobs.clone(), lifecycle.clone());
        let serving = async move {
            listeners
                .serve(
                    services,
                    policy,
                    &supervisor,
                    life,
                    drain_timeout,
                    close_streams,
                )
                .await
        };
        Running {
            addresses,
            lifecycle,
            jobs,
            served: tokio::spawn(serving),
        }
    }

    /// A router that answers "done" once it is released (the last value), and notifies when a
    /// request is in service (the second).
    fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, go) = (entered.clone(), release.clone());
        let answer = async move || {
            inside.notify_one();
            go.notified().await;
            "done"
        };
        (Router::new().route("/", get(answer)), entered, release)
    }

    const LONG: Duration = Duration::from_secs(60);

    async fn connect(to: SocketAddr, send: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(to).await.expect("connects");
        stream.write_all(send).await.expect("sends");
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.expect("reads");
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn handlers_know_the_peer_and_each_listener_serves_its_own() {
        let router = Router::new().route(
            "/",
            get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
        );
        let running = start(router, LONG, LONG, ready(())).await;
        let http = connect(running.addresses.http, REQUEST).await;
        let ops = connect(running.addresses.ops.expect("bound"), REQUEST).await;
        let mine = http.local_addr().expect("an address").to_string();
        http.readable().await.expect("answered");
        ops.readable().await.expect("answered");
        running.lifecycle.stop();
        running.served.await.expect("joined");
        assert!(rest(http).await.ends_with(&mine));
        assert!(rest(ops).await.ends_with("ops"));
    }

    /// The stream handler writes to a plain connection's socket without hyper. A socket that cannot
    /// be unwrapped would make every delivery slower.
    #[tokio::test]
    async fn an_upgraded_connection_in_clear_text_gives_the_socket_back() {
        let (told, mut plain) = mpsc::channel(1);
        let router = Router::new().route(
            "/",
            get(async move |mut request: axum::extract::Request| {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let upgraded = upgrade.await.expect("upgraded");
                    let socket = downcast::<TokioIo<ProblemResponses<TcpStream>>>(upgraded)
                        .map(|parts| parts.io.into_inner().into_inner());
                    let unsent = socket.ok().map(|socket| {
                        SockRef::from(&socket)
                            .tcp_notsent_lowat()
                            .expect("an option")
                    });
                    told.send(unsent).await.expect("the test waits for it");
                });
                (
                    StatusCode::SWITCHING_PROTOCOLS,
                    [(UPGRADE, "any"), (CONNECTION, "upgrade")],
                )
            }),
        );
        let running = start(router, LONG, LONG, ready(())).await;
        let _stream = connect(
            running.addresses.http,
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: any\r\n\r\n",
        )
        .await;
        assert_eq!(
            plain.recv().await,
            Some(Some(UNSENT_BYTES)),
            "the socket, with what it inherited"
        );
        running.lifecycle.stop_now();
        running.served.await.expect("joined");
    }

    #[tokio::test]
    async fn a_drain_finishes_requests_in_service_and_accepts_no_new_ones() {
        let (router, entered, release) = held();
        let running = start(router, LONG, LONG, ready(())).await;
        let stream = connect(running.addresses.http, REQUEST).await;
        entered.notified().await;
        running.lifecycle.stop();
        running.lifecycle.soft.cancelled().await;
        release.notify_one();
        assert!(rest(stream).await.ends_with("done"));
        running.served.await.expect("joined");
        assert!(TcpStream::connect(running.addresses.http).await.is_err());
    }

    #[tokio::test]
    async fn a_drain_is_bounded() {
        let entered = Arc::new(Notify::new());
        let inside = entered.clone();
        let router = Router::new().route(
            "/",
            get(async move || {
                inside.notify_one();
                pending::<()>().await;
            }),
        );
        let running = start(router, LONG, Duration::from_millis(20), ready(())).await;
        let stream = connect(running.addresses.http, REQUEST).await;
        entered.notified().await;
        running.lifecycle.stop();
        running.served.await.expect("joined");
        assert_eq!(rest(stream).await, "");
    }

    #[tokio::test]
    async fn a_second_stop_does_not_wait() {
        let running = start(Router::new(), LONG, LONG, pending()).await;
        running.lifecycle.stop();
        running.lifecycle.stop();
        running.served.await.expect("joined");
    }

    #[tokio::test]
    async fn tracked_tasks_are_waited_for_and_new_connections_are_answered_meanwhile() {
        let router = Router::new().route("/", get(async || "still here"));
        let running = start(router, LONG, LONG, ready(())).await;
        let release = Arc::new(Notify::new());
        let go = release.clone();
        let task = running
            .lifecycle
            .tracker
            .spawn(async move { go.notified().await });
        running.lifecycle.stop();
        running.lifecycle.draining.cancelled().await;
        let late = connect(running.addresses.http, REQUEST).await;
        late.readable().await.expect("answered");
        assert!(!running.lifecycle.soft.is_cancelled() && !running.served.is_finished());
        release.notify_one();
        assert!(rest(late).await.ends_with("still here"));
        running.served.await.expect("joined");
        assert!(task.is_finished());
    }

    #[tokio::test]
    async fn a_silent_client_is_not_waited_for() {
        let running = start(Router::new(), Duration::from_millis(20), LONG, ready(())).await;
        assert_eq!(rest(connect(running.addresses.http, b"").await).await, "");
        // The first letter of both POST and of HTTP/2's preface.
        assert_eq!(rest(connect(running.addresses.http, b"P").await).await, "");
        running.lifecycle.stop_now();
        running.served.await.expect("joined");
    }

    /// A frame of HTTP/2.
    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// Reads frames up to one of this kind.
    async fn until_frame(stream: &mut TcpStream, kind: u8) {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.expect("a frame");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("a size")];
            stream.read_exact(&mut payload).await.expect("its payload");
            if head[3] == kind {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_connection_whose_client_never_acknowledges_its_end_and_begins_requests_is_cut_off() {
        const HEADERS: u8 = 1;
        const GOAWAY: u8 = 7;
        let (router, _, release) = held();
        let router = router.route("/index.html", get(pending::<()>).post(pending::<()>));
        let running = start(router, Duration::from_millis(20), LONG, ready(())).await;
        let mut stream = connect(running.addresses.http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        release.notify_one();
        // Of the static table: GET (0x82) or POST (0x83), http, and the path. The flags: the headers end, and for GET the request.
        let first = [
            frame(4, 0, 0, &[]),
            frame(HEADERS, 5, 1, &[0x82, 0x86, 0x84]),
        ]
        .concat();
        stream.write_all(&first).await.expect("sent");
        until_frame(&mut stream, GOAWAY).await;
        let post = frame(HEADERS, 4, 3, &[0x83, 0x86, 0x85]);
        stream.write_all(&post).await.expect("sent");
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = tokio::time::timeout(LONG / 2, stream.read_to_end(&mut rest))
            .await
            .expect("the server closes the connection");
        running.lifecycle.stop_now();
        running.served.await.expect("joined");
    }

    #[tokio::test]
    async fn oversized_headers_end_in_431() {
        let running = start(Router::new(), LONG, LONG, ready(())).await;
        let mut request = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ".to_vec();
        request.resize(10_000, b'y');
        let mut stream = connect(running.addresses.http, &request).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.expect("answered");
        assert_eq!(&start, b"HTTP/1.1 431");
        running.lifecycle.stop_now();
        running.served.await.expect("joined");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let any = Bind {
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            ops: None,
            grpc: None,
        };
        let first = Listeners::bind(&any).await.expect("binds");
        let taken = first.addresses().http;
        let error = Listeners::bind(&Bind { http: taken, ..any })
            .await
            .expect_err("taken");
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {taken} (http.listen)")
        );
        let error = Listeners::bind(&Bind {
            grpc: Some(taken),
            ..any
        })
        .await
        .expect_err("taken");
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {taken} (grpc.listen)")
        );
    }

    #[tokio::test]
    async fn a_lost_essential_job_drains_the_server_and_ends_it() {
        let (router, entered, release) = held();
        let running = start(router, LONG, LONG, ready(())).await;
        let stream = connect(running.addresses.http, REQUEST).await;
        entered.notified().await;
        running
            .jobs
            .run_essential("session log", running.lifecycle.hard.clone(), async {
                panic!("broken")
            });
        running.lifecycle.soft.cancelled().await;
        release.notify_one();
        assert!(rest(stream).await.ends_with("done"));
        running.served.await.expect("joined");
        assert_eq!(running.jobs.lost(), Some("session log"));
    }
}
