//! What the flow layer says of a conversation, and a TLS session of the plaintext inside it.

use std::borrow::Cow;

use crate::model::defect::Loss;
use crate::model::flow::{Direction, FlowKey};
use crate::model::observation::TcpEvent;
use crate::model::packet::At;

/// Place of a flow in its lane's tables, free to be used again after [`Change::Forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowSlot(pub u32);

/// One step in the life of a flow. Events of one flow come in stream order; `at` is the packet
/// that carried the bytes, which is earlier than the packet that released them where it had to wait.
#[derive(Clone, Debug)]
pub struct StreamEvent<'a> {
    /// The packet that carried it.
    pub at: At,
    /// Where the flow's state is.
    pub slot: FlowSlot,
    /// The flow.
    pub flow: FlowKey,
    /// A port, an address or the user asks for this flow, whatever its content.
    pub wanted: bool,
    /// What happened.
    pub change: Change<'a>,
}

/// What happened to a flow.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// The connection was answered. `began` is the first SYN, where there is one.
    Open(TcpStep),
    /// The next bytes of one direction (TCP), or one datagram (UDP).
    Data(Direction, Cow<'a, [u8]>),
    /// Bytes of one direction are not in the capture; what follows comes after them.
    Gap(Direction, Loss),
    /// One direction was closed by its sender: no byte can follow.
    Finish(Direction),
    /// How the connection ended or failed, or an ICMP error about a datagram. Late bytes may still follow.
    Close(TcpStep),
    /// The flow's state is released; whatever is pending must be told now.
    Forget,
}

/// A step in the life of a connection, and the packet with which that began (the first SYN of a failed one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpStep {
    /// What the row says.
    pub event: TcpEvent,
    /// The first packet of the evidence.
    pub began: At,
}
