//! Remembers from where those came whom a host did not let in, however the host said so.

use super::Projector;
use super::door::bar;
use crate::instruction::SessionObserver;
use crate::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::{FaceSession, GuessBudgets};
use faceshare_biz::domain::instruction::Profile;
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;

/// Observes sessions for the door, and for the directory.
#[derive(Clone)]
pub struct DoorKeeper {
    /// Told of what is listed.
    pub projector: Projector,
    /// Where the bars are kept.
    pub budgets: Arc<dyn GuessBudgets>,
    /// From where people come.
    pub addresses: Arc<PointAddresses>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl SessionObserver for DoorKeeper {
    fn changed(&self, session: &FaceSession, log_index: u64) {
        self.projector.changed(session, log_index);
    }

    /// A session does not wait for the budgets, which may be elsewhere.
    fn denied(&self, session: SessionId, who: &Profile) {
        let addresses = self.addresses.all_of(session, who.id);
        let (budgets, now) = (self.budgets.clone(), self.clock.now());
        tokio::spawn(async move {
            for address in addresses {
                if let Err(error) = bar(&*budgets, session, address, now).await {
                    tracing::warn!(%session, %error, cause = ?error.cause(), "unproven callers from where one was denied come in as before");
                }
            }
        });
    }
}
