//! Which conversation a thing belongs to, and which way it went.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use crate::model::packet::{PacketNo, PointNo};

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransportKind {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

/// `Out` leaves the client, `In` reaches it.
///
/// The client sent the SYN. Without one it is the side whose port is not the known one, else the
/// side that was seen to send first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    Out,
    /// From the server to the client.
    In,
}

impl Direction {
    /// Both, `Out` first.
    pub const BOTH: [Self; 2] = [Self::Out, Self::In];

    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Out => Self::In,
            Self::In => Self::Out,
        }
    }

    /// As rows and exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

/// A thing for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// Of what leaves the client.
    pub out: T,
    /// Of what reaches it.
    pub r#in: T,
}

impl<T> Both<T> {
    /// The one of that direction.
    pub const fn of(&self, direction: Direction) -> &T {
        match direction {
            Direction::Out => &self.out,
            Direction::In => &self.r#in,
        }
    }

    /// The one of that direction, to change it.
    pub const fn of_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::Out => &mut self.out,
            Direction::In => &mut self.r#in,
        }
    }
}

/// One conversation: addresses, ports, where it was captured and with which packet it began, so
/// that ports used again make another flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// Where it was captured.
    pub point: PointNo,
    /// TCP or UDP.
    pub transport: TransportKind,
    /// The side that [`Direction::Out`] leaves.
    pub client: SocketAddr,
    /// The side that [`Direction::In`] leaves.
    pub server: SocketAddr,
    /// The first packet seen of it.
    pub opened: PacketNo,
}

impl Hash for FlowKey {
    /// By the packet that began it, which is hardly ever another flow's.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.opened.hash(state);
    }
}

impl FlowKey {
    /// Whether it is known from trace logs only: their points are counted from the other end.
    pub const fn is_of_log(&self) -> bool {
        self.point.0 & 0x8000 != 0
    }

    /// Sender and receiver of what goes in `direction`.
    pub const fn ends(&self, direction: Direction) -> (SocketAddr, SocketAddr) {
        match direction {
            Direction::Out => (self.client, self.server),
            Direction::In => (self.server, self.client),
        }
    }
}
