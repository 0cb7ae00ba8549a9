//! Captured packets and the numbers by which they are cited.

use std::num::NonZeroU64;

use crate::model::time::Timestamp;

/// Position among all packets of all inputs, in the order in which they are analysed, counted from 1.
/// It orders evidence; people are shown the [`FrameNo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketNo(NonZeroU64);

impl PacketNo {
    /// The first packet.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The number as an integer.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// A number that no packet has: records of logs are counted from 2^62 on before they have their place.
    pub const fn beyond_packets(index: u64) -> Self {
        Self(Self::FIRST.0.saturating_add(1 << 62).saturating_add(index))
    }

    /// The packet after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Position within one input, counted from 1 as Wireshark counts frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNo(pub u64);

/// Which of the inputs a packet came from, counted from 0 in the order they were given. That it is a trace
/// log stands in the top bit, so that whatever cites a place knows whether it is a packet or a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputNo(pub u16);

impl InputNo {
    const LOG: u16 = 0x8000;

    /// The input at that place; of more than 32,767 inputs the rest share the last number.
    pub fn new(index: usize, is_log: bool) -> Self {
        let index = u16::try_from(index).unwrap_or(u16::MAX).min(Self::LOG - 1);
        Self(if is_log { index | Self::LOG } else { index })
    }

    /// Its place among the inputs.
    pub const fn index(self) -> usize {
        (self.0 & !Self::LOG) as usize
    }

    /// Whether it is a trace log, whose places are lines.
    pub const fn is_log(self) -> bool {
        self.0 & Self::LOG != 0
    }
}

/// A place where packets were captured. Ring-buffer files of one capture share a point; a client's
/// and a server's capture of the same connection do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointNo(pub u16);

/// When a packet was captured and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Capture time.
    pub time: Timestamp,
    /// Position among all packets.
    pub packet: PacketNo,
    /// Position within its input: the packet, or in a trace log the line.
    pub frame: FrameNo,
    /// The input it came from.
    pub input: InputNo,
}

impl At {
    /// The packet within its input, as Wireshark counts; `None` in a trace log.
    pub const fn frame_no(self) -> Option<u64> {
        if self.input.is_log() { None } else { Some(self.frame.0) }
    }

    /// The line of a trace log, counted from 1; `None` in a capture.
    pub const fn line_no(self) -> Option<u64> {
        if self.input.is_log() { Some(self.frame.0) } else { None }
    }

    /// The place for people: `packet 7`, or `line 7` of a trace log.
    pub fn place(self) -> String {
        format!("{} {}", if self.input.is_log() { "line" } else { "packet" }, self.frame.0)
    }

    /// The later of two packets, by position.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        if other.packet > self.packet { other } else { self }
    }

    /// The earlier of two packets, by position.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        if other.packet < self.packet { other } else { self }
    }
}

/// Link-layer header type: the `LINKTYPE_` registry of tcpdump.org. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: address family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without the HDLC address and control bytes.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC-like framing (RFC 1662).
    pub const PPP_HDLC: Self = Self(50);
    /// `PPPoE` session packets.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP, version from its first four bits.
    pub const RAW: Self = Self(101);
    /// `OpenBSD` loopback: address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// Linux cooked capture v1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture v2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One captured packet, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Time and number.
    pub at: At,
    /// Where it was captured.
    pub point: PointNo,
    /// What its first byte belongs to.
    pub link: LinkType,
    /// Length on the wire in bytes; more than `data` holds where the snap length cut it.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}
