//! Bars the address of each caller that a host denies, over HTTP or over the stream.

use super::Projector;
use super::admission::bar;
use crate::instruction::SessionObserver;
use crate::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::{GuessBudgets, SessionRecord};
use faceshare_biz::domain::instruction::Profile;
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;

/// Observes sessions: bars addresses after a denial, and passes changes on to the projector.
#[derive(Clone)]
pub struct AdmissionObserver {
    /// Receives every change of a session.
    pub projector: Projector,
    /// Keeps the barred addresses.
    pub budgets: Arc<dyn GuessBudgets>,
    /// The addresses of connected points and of callers who knock.
    pub addresses: Arc<PointAddresses>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

impl SessionObserver for AdmissionObserver {
    fn changed(&self, record: &SessionRecord) {
        self.projector.changed(record);
    }

    /// Runs in a task of its own: the session does not wait for the budgets, which may be remote.
    fn denied(&self, session: SessionId, who: &Profile) {
        let addresses = self.addresses.all_of(session, who.id);
        let (budgets, now) = (self.budgets.clone(), self.clock.now());
        tokio::spawn(async move {
            for address in addresses {
                if let Err(error) = bar(&*budgets, session, address, now).await {
                    tracing::warn!(%session, %error, cause = ?error.cause(), "the address of a denied caller could not be barred");
                }
            }
        });
    }
}
