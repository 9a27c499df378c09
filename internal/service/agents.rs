//! Errors of agents.

use agentclient::AgentError;
use faceshare_biz::Error;

/// Every failure of an agent is `UNAVAILABLE`, with the time to wait that its client says.
pub(crate) fn unavailable(error: AgentError) -> Error {
    let retry_after = error.retry_after();
    Error::unavailable(error).retry_after(retry_after)
}
