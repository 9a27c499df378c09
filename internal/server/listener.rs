//! A listener: takes connections for as long as it may, and sees them to their end.

use crate::connection::{self, ConnectionPolicy};
use crate::lifecycle::Lifecycle;
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// After a failure to accept (most likely too many open files), some of what is open may close meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the soft end, then waits for its connections; at the hard end they stop by themselves.
pub(crate) async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, policy: ConnectionPolicy, lifecycle: Lifecycle) {
    let room = Arc::new(Semaphore::new(policy.connections));
    let connections = TaskTracker::new();
    while let Some((accepted, permit)) = lifecycle.soft.run_until_cancelled(accept(&listener, &room)).await {
        match accepted {
            Ok((stream, peer)) => {
                let (tls, router, lifecycle) = (tls.clone(), router.clone(), lifecycle.clone());
                connections.spawn(async move {
                    connection::accept(stream, peer, tls, router, policy, lifecycle).await;
                    drop(permit);
                });
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                lifecycle.soft.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The room comes first: a connection that nobody would serve stays with the operating system.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (io::Result<(TcpStream, SocketAddr)>, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("invariant: nobody closes this semaphore");
    (listener.accept().await, permit)
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}
