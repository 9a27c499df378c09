//! Planted bugs, which show that the invariants find them.

use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    Decoded, Event, FrameCodec, ServerFrame, Statement, WireFormat,
};
use faceshare_codec::WireCodec;
use faceshare_exec::PlantedFault;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// No bug.
    None,
    /// At times the store acknowledges entries without writing them.
    LostAck,
    /// Edges that end at a member's own target are sent with the follower as their root.
    WrongRoot,
    /// At times an ordered frame is written twice.
    DoubleDelivery,
    /// A fault of the kernel.
    Kernel(PlantedFault),
}

impl Bug {
    /// What is wrong with the kernel.
    pub(crate) const fn of_kernel(self) -> Option<PlantedFault> {
        match self {
            Self::Kernel(fault) => Some(fault),
            _ => None,
        }
    }
}

/// The real codec; with [`Bug::WrongRoot`] it writes wrong edges.
#[derive(Debug)]
pub(crate) struct PlantedCodec {
    pub(crate) codec: WireCodec,
    pub(crate) bug: Bug,
}

impl FrameCodec for PlantedCodec {
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes {
        match &frame.statement {
            Statement::Event(Event::FollowChange { presenting, edges })
                if self.bug == Bug::WrongRoot =>
            {
                let edges = edges.iter().map(|edge| {
                    let mut edge = *edge;
                    edge.root = edge.root.map(|_| edge.member);
                    edge
                });
                let event = Event::FollowChange {
                    presenting: *presenting,
                    edges: edges.collect(),
                };
                self.codec.encode(
                    format,
                    &ServerFrame {
                        statement: Statement::Event(event),
                        ..frame.clone()
                    },
                )
            }
            _ => self.codec.encode(format, frame),
        }
    }

    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded {
        self.codec.decode(format, message)
    }
}
