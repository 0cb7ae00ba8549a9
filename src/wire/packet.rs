//! A packet, from its first byte to the payload of its innermost transport header.

use std::net::IpAddr;

use crate::model::{At, Packet, PointNo};
use crate::wire::ip::{self, Body, Unusable};
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

/// Decodes a packet down to its transport payload.
///
/// # Errors
/// Says why there is nothing to decode.
pub fn decode<'a>(packet: &Packet<'a>, wanted: bool) -> Result<Frame<'a>, Unusable> {
    let decoded = ip::decode(link::peel(packet.link, packet.data)?)?;
    let ip::Decoded { src, dst, body } = decoded;
    Ok(Frame { at: packet.at, point: packet.point, wanted, src, dst, body })
}
