//! A listener accepts connections, and serves each in a task of its own until it ends.

use crate::admission::Admission;
use crate::connection::{self, ConnectionPolicy};
use crate::lifecycle::Lifecycle;
use axum::Router;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// The pause after a failure to accept. Most often no descriptor is free, and the connection that is
/// evicted for one closes within this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener and its name in metrics.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) socket: TcpListener,
}

/// Accepts until the soft stage, then waits for its connections, which stop by themselves at the
/// hard stage. Every connection is accepted at once, and closed when it gets no permit, so that no
/// new connection waits in the kernel's backlog behind one that is never served.
pub(crate) async fn run(
    listener: Listener,
    tls: Option<TlsAcceptor>,
    router: Router,
    policy: ConnectionPolicy,
    lifecycle: Lifecycle,
) {
    let admission = Admission::new(listener.name, policy.limits.clone());
    let policy = Arc::new(policy);
    let connections = TaskTracker::new();
    while let Some(accepted) = lifecycle
        .soft
        .run_until_cancelled(listener.socket.accept())
        .await
    {
        match accepted {
            Ok((stream, peer)) => {
                let Some(permit) = admission.admit(peer.ip()) else {
                    continue;
                };
                let (tls, router, policy, lifecycle) = (
                    tls.clone(),
                    router.clone(),
                    policy.clone(),
                    lifecycle.clone(),
                );
                connections.spawn(connection::accept(
                    stream, peer, tls, router, policy, permit, lifecycle,
                ));
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if !admission.make_room() {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                lifecycle
                    .soft
                    .run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE))
                    .await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
