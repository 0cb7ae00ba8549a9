//! Link-layer headers: from the first byte of a packet to the network layer.
//!
//! In: a packet's bytes and its link type. Out: an Ethernet type (or "IP, look at the version") and
//! what follows, with every VLAN tag, MPLS label, `PPPoE` and LLC header in between taken off.
//! Addresses and tags are not kept. Sources: the `LINKTYPE_` pages of tcpdump.org, IEEE 802.1Q,
//! RFC 3032, RFC 2516, RFC 1661.

use crate::model::{Defect, LinkType};
use crate::wire::bytes::Reader;

/// What a network-layer packet is, before its first byte is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// IPv4 or IPv6: the version field tells.
    Ip(&'a [u8]),
    /// A whole Ethernet frame (GRE, VXLAN, pseudowires).
    Ethernet(&'a [u8]),
    /// ERSPAN header and a mirrored Ethernet frame; the version of ERSPAN is in its first four bits.
    Erspan(&'a [u8]),
    /// No IP.
    Other,
    /// A link type that is not decoded.
    Unknown,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 6] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300, 0x88e7];
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE_SESSION: u16 = 0x8864;
const VN_TAG: u16 = 0x8926;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN: [u16; 2] = [0x88be, 0x22eb];
/// Values of the Ethernet type field up to this are lengths of an LLC frame.
const LARGEST_LLC: u16 = 1500;
/// Cooked captures' ARP hardware types whose protocol field is no Ethernet type.
const ARPHRD_IPGRE: u16 = 778;

/// Takes the link-layer headers off.
///
/// # Errors
/// Where the packet ends within them.
pub fn peel(link: LinkType, data: &[u8]) -> Result<Network<'_>, Defect> {
    let mut reader = Reader::new("link", data);
    match link {
        LinkType::ETHERNET => ethernet(data),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType(12 | 14) => Ok(Network::Ip(data)),
        LinkType::NULL | LinkType::LOOP => {
            // AF_INET is 2 everywhere; AF_INET6 is 24, 28 or 30 on the BSDs and 10 on Linux.
            let family = reader.array::<4>()?;
            let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
            // Some writers put other words there; an IP header shows itself.
            let known = matches!(family, 2 | 10 | 24 | 28 | 30);
            let shown = family > 0xff && matches!(reader.rest().first().map(|byte| byte >> 4), Some(4 | 6));
            Ok(if known || shown { Network::Ip(reader.rest()) } else { Network::Other })
        }
        LinkType::LINUX_SLL => {
            reader.take(2)?;
            let hardware = reader.u16()?;
            reader.take(10)?;
            cooked(hardware, reader.u16()?, reader.rest())
        }
        LinkType::LINUX_SLL2 => {
            let protocol = reader.u16()?;
            reader.take(6)?;
            let hardware = reader.u16()?;
            reader.take(10)?;
            cooked(hardware, protocol, reader.rest())
        }
        LinkType::PPP | LinkType::PPP_HDLC => ppp(data),
        LinkType::C_HDLC => {
            reader.take(2)?;
            ether_type(reader.u16()?, reader.rest())
        }
        LinkType::PPP_ETHER => pppoe(data),
        _ => Ok(Network::Unknown),
    }
}

fn cooked(hardware: u16, protocol: u16, rest: &[u8]) -> Result<Network<'_>, Defect> {
    if hardware == ARPHRD_IPGRE {
        return Ok(Network::Other);
    }
    ether_type(protocol, rest)
}

/// Takes the headers of an Ethernet frame off.
///
/// # Errors
/// Where it ends within them.
pub fn ethernet(data: &[u8]) -> Result<Network<'_>, Defect> {
    let mut reader = Reader::new("Ethernet", data);
    reader.take(12)?;
    let kind = reader.u16()?;
    ether_type(kind, reader.rest())
}

/// What follows an Ethernet type, through any number of tags.
///
/// # Errors
/// Where the packet ends within a tag.
pub fn ether_type(mut kind: u16, data: &[u8]) -> Result<Network<'_>, Defect> {
    let mut reader = Reader::new("Ethernet", data);
    loop {
        match kind {
            IPV4 | IPV6 => return Ok(Network::Ip(reader.rest())),
            _ if VLAN.contains(&kind) => {
                reader.take(if kind == 0x88e7 { 16 } else { 2 })?; // 802.1ah carries two addresses more
                kind = reader.u16()?;
            }
            VN_TAG => {
                reader.take(4)?;
                kind = reader.u16()?;
            }
            _ if MPLS.contains(&kind) => return mpls(reader.rest()),
            PPPOE_SESSION => return pppoe(reader.rest()),
            TRANSPARENT_ETHERNET => return Ok(Network::Ethernet(reader.rest())),
            _ if ERSPAN.contains(&kind) => return Ok(Network::Erspan(reader.rest())),
            0..=LARGEST_LLC => {
                // LLC with a SNAP header: AA AA 03, organisation 0, Ethernet type.
                let Ok(snap) = reader.array::<8>() else { return Ok(Network::Other) };
                let [0xaa, 0xaa, 3, 0, 0, 0, high, low] = snap else { return Ok(Network::Other) };
                kind = u16::from_be_bytes([high, low]);
                if kind <= LARGEST_LLC {
                    return Ok(Network::Other);
                }
            }
            _ => return Ok(Network::Other),
        }
    }
}

/// Takes label stack entries off up to the bottom of the stack; the first four bits behind tell what follows.
///
/// # Errors
/// Where the packet ends within the stack.
pub fn mpls(data: &[u8]) -> Result<Network<'_>, Defect> {
    let mut reader = Reader::new("MPLS", data);
    while reader.u32()? & 0x100 == 0 {}
    Ok(match reader.rest().first().map(|byte| byte >> 4) {
        Some(4 | 6) => Network::Ip(reader.rest()),
        Some(0) if reader.rest().len() > 4 => Network::Ethernet(reader.rest().get(4..).unwrap_or_default()),
        Some(_) => Network::Ethernet(reader.rest()),
        None => Network::Other,
    })
}

fn pppoe(data: &[u8]) -> Result<Network<'_>, Defect> {
    let mut reader = Reader::new("PPPoE", data);
    reader.take(6)?;
    ppp(reader.rest())
}

fn ppp(data: &[u8]) -> Result<Network<'_>, Defect> {
    let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
    let mut reader = Reader::new("PPP", data);
    let mut protocol = u16::from(reader.u8()?);
    if protocol & 1 == 0 {
        protocol = protocol << 8 | u16::from(reader.u8()?); // RFC 1661 §6.5: one byte where it is odd
    }
    match protocol {
        0x21 | 0x57 => Ok(Network::Ip(reader.rest())),
        0x281 | 0x283 => mpls(reader.rest()),
        _ => Ok(Network::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: &[u8] = &[0x45, 1, 2];

    #[track_caller]
    fn check(link: LinkType, header: &[u8]) {
        let packet = [header, IP].concat();
        assert_eq!(peel(link, &packet), Ok(Network::Ip(IP)), "{header:02x?}");
        for length in 0..header.len() {
            let _ = peel(link, &packet[..length]);
        }
    }

    #[test]
    fn headers_come_off() {
        let mac = [0; 12];
        check(LinkType::ETHERNET, &[&mac[..], &[8, 0]].concat());
        check(LinkType::ETHERNET, &[&mac[..], &[0x81, 0, 0, 42, 0x86, 0xdd]].concat());
        let stacked = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x91, 0, 0, 3, 0x81, 0, 0, 4, 8, 0];
        check(LinkType::ETHERNET, &[&mac[..], &stacked].concat());
        check(LinkType::ETHERNET, &[&mac[..], &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]].concat());
        check(LinkType::ETHERNET, &[&mac[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0, 0x21]].concat());
        check(LinkType::ETHERNET, &[&mac[..], &[0, 40, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat());
        check(LinkType::LINUX_SLL, &[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0]);
        check(LinkType::LINUX_SLL2, &[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0]);
        check(LinkType::NULL, &[2, 0, 0, 0]);
        check(LinkType::LOOP, &[0, 0, 0, 30]);
        check(LinkType::PPP, &[0xff, 3, 0x21]);
        check(LinkType::RAW, &[]);
        check(LinkType::C_HDLC, &[0x0f, 0, 8, 0]);
        check(LinkType::NULL, &[0x0f, 0, 8, 0]);
    }

    #[test]
    fn what_is_no_ip_is_said() {
        assert_eq!(peel(LinkType(147), IP), Ok(Network::Unknown));
        let arp = [&[0; 12][..], &[8, 6, 0, 1]].concat();
        assert_eq!(peel(LinkType::ETHERNET, &arp), Ok(Network::Other));
        assert!(peel(LinkType::ETHERNET, &[0; 13]).is_err());
    }
}
