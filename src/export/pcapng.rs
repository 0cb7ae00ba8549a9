//! Packets to pcapng (draft-ietf-opsawg-pcapng), for captures that are under way.
//!
//! In: interfaces, packets, comments, lines of key logs. Out: whole blocks, appended to a buffer, so that a file to
//! which only whole buffers are written can be read at any moment. Little-endian, times in nanoseconds. Opens
//! nothing.

use crate::model::{LinkType, Timestamp};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;
/// TLS key log in a decryption secrets block.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Codes of options, by the block they stand in where they are not the same in all.
mod option {
    pub const COMMENT: u16 = 1;
    pub const SECTION_OS: u16 = 3;
    pub const SECTION_APPLICATION: u16 = 4;
    pub const INTERFACE_NAME: u16 = 2;
    pub const INTERFACE_DESCRIPTION: u16 = 3;
    pub const INTERFACE_RESOLUTION: u16 = 9;
    pub const INTERFACE_FILTER: u16 = 11;
    pub const PACKET_DROPS: u16 = 4;
    pub const STATISTICS_START: u16 = 2;
    pub const STATISTICS_END: u16 = 3;
    pub const STATISTICS_RECEIVED: u16 = 4;
    pub const STATISTICS_INTERFACE_DROPS: u16 = 5;
    pub const STATISTICS_SYSTEM_DROPS: u16 = 7;
}

/// Longest text of an option, in bytes; the format allows 65,535.
const LONGEST_TEXT: usize = 32_768;

/// An interface that packets are captured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// What it is, in words.
    pub description: Option<String>,
    /// The filter in force, as text.
    pub filter: Option<String>,
    /// Link type of its packets.
    pub link: LinkType,
    /// Snap length in bytes.
    pub snaplen: u32,
}

/// What was captured and dropped on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// When capturing began and ended.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Packets that came through the filter.
    pub received: u64,
    /// Packets that the interface or its driver dropped.
    pub interface_drops: u64,
    /// Packets that the system or lynccap dropped.
    pub system_drops: u64,
}

/// A packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Which interface, counted from 0 in the order they were written.
    pub interface: u32,
    /// Capture time.
    pub time: Timestamp,
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Packets dropped on its interface since the one before.
    pub drops: u64,
    /// Words about it.
    pub comment: Option<&'a str>,
}

/// Blocks that were written, one behind the other.
#[derive(Debug, Default)]
pub struct Blocks {
    bytes: Vec<u8>,
}

impl Blocks {
    /// The blocks since the last [`Blocks::clear`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each block by itself, and whether it is a packet.
    pub fn each(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let kind = u32::from_le_bytes(*rest.first_chunk()?);
            let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?);
            let (block, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some((block, kind == ENHANCED_PACKET))
        })
    }

    /// Forgets the blocks; their room is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Begins a section: what a file begins with.
    pub fn section(&mut self, application: &str, system: &str, comment: Option<&str>) {
        let start = self.begin(SECTION_HEADER);
        self.u32(0x1a2b_3c4d);
        self.bytes.extend_from_slice(&[1, 0, 0, 0]); // version 1.0
        self.bytes.extend_from_slice(&[0xff; 8]); // length unknown
        self.text(option::COMMENT, comment);
        self.text(option::SECTION_OS, Some(system));
        self.text(option::SECTION_APPLICATION, Some(application));
        self.end(start);
    }

    /// Describes the next interface.
    pub fn interface(&mut self, interface: &Interface) {
        let start = self.begin(INTERFACE_DESCRIPTION);
        self.bytes.extend_from_slice(&interface.link.0.to_le_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        self.u32(interface.snaplen);
        self.text(option::INTERFACE_NAME, Some(&interface.name));
        self.text(option::INTERFACE_DESCRIPTION, interface.description.as_deref());
        self.option(option::INTERFACE_RESOLUTION, &[9]);
        if let Some(filter) = &interface.filter {
            let text = shortened(filter);
            self.option(option::INTERFACE_FILTER, &[&[0], text.as_bytes()].concat()); // 0: as text
        }
        self.end(start);
    }

    /// A packet.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let start = self.begin(ENHANCED_PACKET);
        self.u32(packet.interface);
        self.time(packet.time);
        self.u32(u32::try_from(packet.data.len()).unwrap_or(u32::MAX));
        self.u32(packet.wire_len);
        self.bytes.extend_from_slice(packet.data);
        self.pad();
        self.text(option::COMMENT, packet.comment);
        if packet.drops > 0 {
            self.option(option::PACKET_DROPS, &packet.drops.to_le_bytes());
        }
        self.end(start);
    }

    /// Lines of a TLS key log.
    pub fn key_log(&mut self, lines: &[u8]) {
        let start = self.begin(DECRYPTION_SECRETS);
        self.u32(TLS_KEY_LOG);
        self.u32(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(lines);
        self.pad();
        self.end(start);
    }

    /// What was captured and dropped on an interface; `now` is the time of the latest packet.
    pub fn statistics(&mut self, interface: u32, now: Timestamp, statistics: &Statistics) {
        let start = self.begin(INTERFACE_STATISTICS);
        self.u32(interface);
        self.time(now);
        if let Some((began, ended)) = statistics.span {
            self.option(option::STATISTICS_START, &halves(began));
            self.option(option::STATISTICS_END, &halves(ended));
        }
        self.option(option::STATISTICS_RECEIVED, &statistics.received.to_le_bytes());
        self.option(option::STATISTICS_INTERFACE_DROPS, &statistics.interface_drops.to_le_bytes());
        self.option(option::STATISTICS_SYSTEM_DROPS, &statistics.system_drops.to_le_bytes());
        self.end(start);
    }

    fn begin(&mut self, kind: u32) -> usize {
        let start = self.bytes.len();
        self.u32(kind);
        self.u32(0); // its length, known at the end
        start
    }

    fn end(&mut self, start: usize) {
        let length = u32::try_from(self.bytes.len() + 4 - start).unwrap_or(u32::MAX);
        self.u32(length);
        if let Some(place) = self.bytes.get_mut(start + 4..start + 8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn time(&mut self, time: Timestamp) {
        self.bytes.extend_from_slice(&halves(time));
    }

    fn text(&mut self, code: u16, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.option(code, shortened(text).as_bytes());
        }
    }

    /// The end of options needs no mark: the block ends there.
    fn option(&mut self, code: u16, value: &[u8]) {
        self.bytes.extend_from_slice(&code.to_le_bytes());
        self.bytes.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    /// Everything begins at a multiple of four bytes.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A time as two halves, the high one first. Times before 1970 cannot be told.
fn halves(time: Timestamp) -> [u8; 8] {
    u64::try_from(time.as_nanos()).unwrap_or(0).rotate_left(32).to_le_bytes()
}

fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(LONGEST_TEXT)).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Blocks), expected: &[u8]) {
        let mut blocks = Blocks::default();
        write(&mut blocks);
        assert_eq!(blocks.bytes(), expected);
        blocks.clear();
        assert!(blocks.bytes().is_empty());
    }

    /// Laid out by hand after sections 4.1 to 4.7 of the draft.
    #[test]
    fn blocks_are_laid_out_as_the_draft_has_it() {
        #[rustfmt::skip]
        check(|blocks| blocks.section("a", "b", Some("why")), &[
            0x0a, 0x0d, 0x0d, 0x0a, 52, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            1, 0, 3, 0, b'w', b'h', b'y', 0, 3, 0, 1, 0, b'b', 0, 0, 0, 4, 0, 1, 0, b'a', 0, 0, 0, 52, 0, 0, 0,
        ]);
        let interface = Interface {
            name: "lo".to_owned(),
            description: None,
            filter: Some("tcp".to_owned()),
            link: LinkType::ETHERNET,
            snaplen: 0x0102,
        };
        #[rustfmt::skip]
        check(|blocks| blocks.interface(&interface), &[
            1, 0, 0, 0, 44, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0,
            2, 0, 2, 0, b'l', b'o', 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 11, 0, 4, 0, 0, b't', b'c', b'p', 44, 0, 0, 0,
        ]);
        let packet = Packet {
            interface: 2,
            time: Timestamp::from_nanos(0x0102_0304_0506_0708),
            wire_len: 9,
            data: &[1, 2, 3, 4, 5],
            drops: 7,
            comment: None,
        };
        #[rustfmt::skip]
        check(|blocks| blocks.packet(&packet), &[
            6, 0, 0, 0, 52, 0, 0, 0, 2, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 5, 0, 0, 0, 9, 0, 0, 0,
            1, 2, 3, 4, 5, 0, 0, 0, 4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0,
        ]);
        #[rustfmt::skip]
        check(|blocks| blocks.key_log(b"X\n"), &[
            10, 0, 0, 0, 24, 0, 0, 0, 0x4b, 0x53, 0x4c, 0x54, 2, 0, 0, 0, b'X', b'\n', 0, 0, 24, 0, 0, 0,
        ]);
    }

    #[test]
    fn blocks_can_be_taken_one_by_one() {
        let packet = Packet {
            interface: 0,
            time: Timestamp::from_nanos(0),
            wire_len: 3,
            data: b"abc",
            drops: 0,
            comment: Some("seen twice"),
        };
        let mut blocks = Blocks::default();
        blocks.key_log(b"X");
        blocks.packet(&packet);
        blocks.statistics(0, Timestamp::from_nanos(5), &Statistics::default());
        let each: Vec<_> = blocks.each().collect();
        assert_eq!(each.iter().map(|(_, is_packet)| *is_packet).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(each.iter().flat_map(|(block, _)| *block).copied().collect::<Vec<_>>(), blocks.bytes());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(LONGEST_TEXT);
        assert_eq!(shortened(&long).len(), LONGEST_TEXT);
        assert_eq!(shortened(&format!("x{long}")).len(), LONGEST_TEXT - 1);
        assert_eq!(shortened("short"), "short");
    }
}
