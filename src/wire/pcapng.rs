//! pcapng blocks (draft-ietf-opsawg-pcapng).
//!
//! In: one whole block. Out: what it says. Packet blocks are read here, without allocation; the
//! rarer blocks go through `pcap-parser`. Time is computed here from the raw options, because
//! resolutions in powers of two and negative offsets occur.

use pcap_parser::{Block as Parsed, OptionCode, parse_block_be, parse_block_le};

use crate::model::{Defect, LinkType, Timestamp};
use crate::wire::pcap::ByteOrder;

/// Type of a section header block, the same in both byte orders.
pub const SECTION_HEADER: u32 = 0x0a0d_0d0a;

/// Largest block that is believed, in bytes.
pub const LARGEST_BLOCK: usize = 32 << 20;

const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// A capturing interface of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Link type of its packets.
    pub link: LinkType,
    /// Snap length in bytes; 0 where not limited.
    pub snaplen: u32,
    /// Its name, where given.
    pub name: Option<String>,
    units: Units,
    offset_secs: i64,
}

/// How many time units make a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Units {
    /// Ten to this power.
    Decimal(u8),
    /// Two to this power.
    Binary(u8),
}

impl Interface {
    /// Capture time of `ticks` units.
    fn time(&self, ticks: u64) -> Timestamp {
        let nanos = match self.units {
            Units::Decimal(power) if power <= 9 => i128::from(ticks).saturating_mul(10_i128.pow(9 - u32::from(power))),
            Units::Decimal(power) => {
                10_i128.checked_pow(u32::from(power) - 9).map_or(0, |unit| i128::from(ticks) / unit)
            }
            Units::Binary(power) => i128::from(ticks).saturating_mul(1_000_000_000) >> u32::from(power).min(127),
        };
        let nanos = nanos.saturating_add(i128::from(self.offset_secs).saturating_mul(1_000_000_000));
        let clamped = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Timestamp::from_nanos(i64::try_from(clamped).unwrap_or_default())
    }
}

/// A packet block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketBlock<'a> {
    /// Index of its interface within the section.
    pub interface: u32,
    /// Capture time; `None` in a simple packet block, which has none.
    pub time: Option<Timestamp>,
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

/// What a block says.
#[derive(PartialEq, Eq)]
pub enum Block<'a> {
    /// A packet.
    Packet(PacketBlock<'a>),
    /// An interface that packets may refer to from now on.
    Interface(Interface),
    /// Lines of a TLS key log.
    KeyLog(&'a [u8]),
    /// Anything that is of no use here.
    Other,
}

/// Type, total length and, for a section header, byte order of the block that `bytes` begin with.
/// `order` is that of the section so far. `None` where fewer than 12 bytes are there.
///
/// # Errors
/// Where the length cannot be one of a block.
pub fn block_header(bytes: &[u8], order: ByteOrder) -> Option<Result<(u32, usize, ByteOrder), Defect>> {
    let head = bytes.first_chunk::<12>()?;
    let mut kind = order.u32(head, 0)?;
    let mut order = order;
    if kind == SECTION_HEADER {
        order = match ByteOrder::Little.u32(head, 8)? {
            0x1a2b_3c4d => ByteOrder::Little,
            0x4d3c_2b1a => ByteOrder::Big,
            _ => return Some(Err(Defect::new("pcapng", 8, "a section header without its byte-order magic"))),
        };
        kind = SECTION_HEADER;
    }
    let length = usize::try_from(order.u32(head, 4)?).unwrap_or(usize::MAX);
    if !(12..=LARGEST_BLOCK).contains(&length) {
        return Some(Err(Defect::new("pcapng", 4, format!("a block that claims {length} bytes"))));
    }
    Some(Ok((kind, length.next_multiple_of(4), order)))
}

/// Reads a whole block of the given type. `interfaces` are those of the section so far.
///
/// # Errors
/// Where the block contradicts itself.
pub fn block<'a>(bytes: &'a [u8], kind: u32, order: ByteOrder, interfaces: &[Interface]) -> Result<Block<'a>, Defect> {
    match kind {
        ENHANCED_PACKET | OBSOLETE_PACKET => packet(bytes, kind, order, interfaces).map(Block::Packet),
        SIMPLE_PACKET => simple_packet(bytes, order, interfaces).map(Block::Packet),
        INTERFACE => interface(bytes, order).map(Block::Interface),
        DECRYPTION_SECRETS => Ok(secrets(bytes, order)),
        _ => Ok(Block::Other),
    }
}

/// Enhanced packet block, and the obsolete one, which differs in its first word only.
fn packet<'a>(
    bytes: &'a [u8],
    kind: u32,
    order: ByteOrder,
    interfaces: &[Interface],
) -> Result<PacketBlock<'a>, Defect> {
    let cut = || Defect::new("pcapng", 0, "a packet block that is too short");
    let field = |offset| order.u32(bytes, offset).ok_or_else(cut);
    let number = if kind == ENHANCED_PACKET { field(8)? } else { u32::from(order.u16(bytes, 8).ok_or_else(cut)?) };
    let ticks = u64::from(field(12)?) << 32 | u64::from(field(16)?);
    let captured = usize::try_from(field(20)?).unwrap_or(usize::MAX);
    let body = bytes.get(28..bytes.len().saturating_sub(4)).ok_or_else(cut)?;
    let data = body.get(..captured).ok_or_else(|| {
        Defect::new("pcapng", 20, format!("a packet of {captured} bytes in a block that has room for {}", body.len()))
    })?;
    let interface = usize::try_from(number).ok().and_then(|index| interfaces.get(index));
    let interface = interface
        .ok_or_else(|| Defect::new("pcapng", 8, format!("a packet of interface {number}, which is not described")))?;
    Ok(PacketBlock { interface: number, time: Some(interface.time(ticks)), wire_len: field(24)?, data })
}

fn simple_packet<'a>(bytes: &'a [u8], order: ByteOrder, interfaces: &[Interface]) -> Result<PacketBlock<'a>, Defect> {
    let cut = || Defect::new("pcapng", 0, "a simple packet block that is too short");
    let wire_len = order.u32(bytes, 8).ok_or_else(cut)?;
    let interface =
        interfaces.first().ok_or_else(|| Defect::new("pcapng", 0, "a simple packet block without an interface"))?;
    let body = bytes.get(12..bytes.len().saturating_sub(4)).ok_or_else(cut)?;
    let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
    let captured = usize::try_from(wire_len.min(limit)).unwrap_or(usize::MAX).min(body.len());
    let data = body.get(..captured).ok_or_else(cut)?;
    Ok(PacketBlock { interface: 0, time: None, wire_len, data })
}

fn parsed(bytes: &[u8], order: ByteOrder) -> Option<Parsed<'_>> {
    let result = match order {
        ByteOrder::Little => parse_block_le(bytes),
        ByteOrder::Big => parse_block_be(bytes),
    };
    result.ok().map(|(_, block)| block)
}

fn interface(bytes: &[u8], order: ByteOrder) -> Result<Interface, Defect> {
    let Some(Parsed::InterfaceDescription(block)) = parsed(bytes, order) else {
        return Err(Defect::new("pcapng", 0, "an interface description that cannot be read"));
    };
    let link = order.u16(bytes, 8).unwrap_or_default();
    let option = |code: OptionCode| {
        block.options.iter().find(|option| option.code == code).map(pcap_parser::PcapNGOption::value)
    };
    let units = match option(OptionCode::IfTsresol).and_then(<[u8]>::first) {
        Some(&power) if power & 0x80 != 0 => Units::Binary(power & 0x7f),
        Some(&power) => Units::Decimal(power),
        None => Units::Decimal(6),
    };
    let offset_secs =
        option(OptionCode::IfTsoffset).and_then(|raw| raw.first_chunk::<8>()).map_or(0, |raw| match order {
            ByteOrder::Little => i64::from_le_bytes(*raw),
            ByteOrder::Big => i64::from_be_bytes(*raw),
        });
    let name = option(OptionCode::IfName).map(|raw| String::from_utf8_lossy(raw).trim_end_matches('\0').to_owned());
    Ok(Interface { link: LinkType(link), snaplen: block.snaplen, name, units, offset_secs })
}

fn secrets(bytes: &[u8], order: ByteOrder) -> Block<'_> {
    let (kind, length) = (order.u32(bytes, 8), order.u32(bytes, 12).and_then(|length| usize::try_from(length).ok()));
    match (kind, length.and_then(|length| bytes.get(16..)?.get(..length))) {
        (Some(TLS_KEY_LOG), Some(lines)) => Block::KeyLog(lines),
        _ => Block::Other,
    }
}

/// For the fuzzer: any bytes as one block of either order.
pub fn fuzz(bytes: &[u8]) {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        if let Some(Ok((kind, length, order))) = block_header(bytes, order) {
            let whole = bytes.get(..length).unwrap_or(bytes);
            let _ = block(whole, kind, order, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(units: Units, offset_secs: i64, ticks: u64, expected: i64) {
        let interface = Interface { link: LinkType::ETHERNET, snaplen: 0, name: None, units, offset_secs };
        assert_eq!(interface.time(ticks).as_nanos(), expected);
    }

    #[test]
    fn time_units() {
        check(Units::Decimal(6), 0, 1_500_000, 1_500_000_000);
        check(Units::Decimal(9), 0, 7, 7);
        check(Units::Decimal(0), 0, 2, 2_000_000_000);
        check(Units::Decimal(12), 0, 5_000, 5);
        check(Units::Decimal(60), 0, u64::MAX, 0);
        check(Units::Binary(10), 0, 512, 500_000_000);
        check(Units::Binary(127), 0, u64::MAX, 0);
        check(Units::Decimal(6), -3, 1_000_000, -2_000_000_000);
        check(Units::Decimal(0), i64::MAX, u64::MAX, i64::MAX);
    }

    #[test]
    fn any_bytes_end() {
        let block: Vec<u8> =
            [6u32, 44, 0, 0, 0, 4, 4, 0xdead_beef, 0, 44, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
        for length in 0..block.len() {
            fuzz(&block[..length]);
        }
    }
}
