//! A packet, from its first byte to the payload of its innermost transport header.

use std::net::IpAddr;

use crate::model::{At, Packet, PointNo};
use crate::wire::ip::{self, Body, Datagram, Fragment, Segment, Unusable};
use crate::wire::link;

/// A decoded packet.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Time and number.
    pub at: At,
    /// Where it was captured.
    pub point: PointNo,
    /// A port, an address or the user asks for its flow, whatever its content.
    pub wanted: bool,
    /// Sender.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// What it is.
    pub body: Body<'a>,
}

impl<'a> Frame<'a> {
    /// The payload above the transport header.
    pub const fn payload(&self) -> &'a [u8] {
        match self.body {
            Body::Tcp(Segment { payload, .. })
            | Body::Udp(Datagram { payload, .. })
            | Body::Fragment(Fragment { payload, .. }) => payload,
            Body::Icmp(_) | Body::Other => &[],
        }
    }

    /// The same frame whose payload stands elsewhere.
    pub const fn with_payload<'b>(&self, payload: &'b [u8]) -> Frame<'b> {
        let body = match self.body {
            Body::Tcp(segment) => Body::Tcp(Segment { payload, ..segment }),
            Body::Udp(datagram) => Body::Udp(Datagram { payload, ..datagram }),
            Body::Fragment(fragment) => Body::Fragment(Fragment { payload, ..fragment }),
            Body::Icmp(error) => Body::Icmp(error),
            Body::Other => Body::Other,
        };
        let Self { at, point, wanted, src, dst, .. } = *self;
        Frame { at, point, wanted, src, dst, body }
    }
}

/// Decodes a packet down to its transport payload.
///
/// # Errors
/// Says why there is nothing to decode.
pub fn decode<'a>(packet: &Packet<'a>, wanted: bool) -> Result<Frame<'a>, Unusable> {
    let decoded = ip::decode(link::peel(packet.link, packet.data)?)?;
    let ip::Decoded { src, dst, body } = decoded;
    Ok(Frame { at: packet.at, point: packet.point, wanted, src, dst, body })
}
