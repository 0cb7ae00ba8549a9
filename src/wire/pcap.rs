//! Classic pcap files: the file header and the header of a record.
//!
//! In: the bytes of a header. Out: its numbers. Both byte orders, microseconds and nanoseconds, and
//! the variant with longer record headers that patched kernels of 1999 wrote.

use crate::model::{Defect, LinkType, Timestamp};

/// Length of the file header in bytes.
pub const FILE_HEADER: usize = 24;

/// Largest record that is believed. tcpdump writes at most 256 KiB; USB and loopback captures of
/// other programs pass that.
pub const LARGEST_RECORD: usize = 16 << 20;

/// Order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant first.
    Little,
    /// Most significant first.
    Big,
}

impl ByteOrder {
    const fn number(self, raw: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        }
    }

    /// The 32-bit number at `offset`; `None` where the bytes end before it.
    pub fn u32(self, bytes: &[u8], offset: usize) -> Option<u32> {
        Some(self.number(*bytes.get(offset..)?.first_chunk()?))
    }

    /// The 16-bit number at `offset`; `None` where the bytes end before it.
    pub fn u16(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let raw = *bytes.get(offset..)?.first_chunk::<2>()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }
}

/// What the file header says of all records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Byte order of all numbers.
    pub order: ByteOrder,
    /// Whether fractions of a second are nanoseconds.
    pub nanos: bool,
    /// Length of a record header in bytes: 16, or 24 in the Kuznetzov variant.
    pub record_header: usize,
    /// Link type of every packet.
    pub link: LinkType,
    /// Snap length in bytes; 0 where not limited.
    pub snaplen: u32,
}

/// What a record header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Capture time.
    pub time: Timestamp,
    /// Bytes that follow in the file.
    pub captured: usize,
    /// Bytes on the wire.
    pub wire_len: u32,
}

/// Reads the file header; `None` where the bytes are no pcap file.
pub fn file_header(bytes: &[u8]) -> Option<FileHeader> {
    let (order, magic) = match ByteOrder::Little.u32(bytes, 0)? {
        magic @ (0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34) => (ByteOrder::Little, magic),
        swapped => (ByteOrder::Big, swapped.swap_bytes()),
    };
    let (nanos, record_header) = match magic {
        0xa1b2_c3d4 => (false, 16),
        0xa1b2_3c4d => (true, 16),
        0xa1b2_cd34 => (false, 24),
        _ => return None,
    };
    let [low, high, ..] = order.u32(bytes, 20)?.to_le_bytes(); // the high half tells of the frame check sequence
    Some(FileHeader {
        order,
        nanos,
        record_header,
        link: LinkType(u16::from_le_bytes([low, high])),
        snaplen: order.u32(bytes, 16)?,
    })
}

/// Reads a record header.
///
/// # Errors
/// Where it claims more than [`LARGEST_RECORD`]; the file is damaged there.
pub fn record_header(file: &FileHeader, bytes: &[u8]) -> Result<RecordHeader, Defect> {
    let cut_off = || Defect::new("pcap", bytes.len(), "record header cut off");
    let fields = bytes.as_chunks().0.first_chunk().ok_or_else(cut_off)?;
    let [seconds, fraction, captured, wire_len] = fields.map(|raw| file.order.number(raw));
    let captured = usize::try_from(captured).unwrap_or(usize::MAX);
    if captured > LARGEST_RECORD {
        return Err(Defect::new("pcap", 8, format!("a record that claims {captured} bytes")));
    }
    let nanos = if file.nanos { fraction } else { fraction.saturating_mul(1000) };
    Ok(RecordHeader { time: Timestamp::new(i64::from(seconds), nanos), captured, wire_len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(magic: u32, order: ByteOrder, expected: Option<(bool, usize)>) {
        let write = |number: u32| match order {
            ByteOrder::Little => number.to_le_bytes(),
            ByteOrder::Big => number.to_be_bytes(),
        };
        let bytes = [write(magic), write(0), write(0), write(0), write(65535), write(0x2000_0001)].concat();
        let header = file_header(&bytes);
        assert_eq!(header.map(|header| (header.nanos, header.record_header)), expected);
        if let Some(header) = header {
            assert_eq!((header.link, header.snaplen, header.order), (LinkType::ETHERNET, 65535, order));
        }
    }

    #[test]
    fn magics() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            check(0xa1b2_c3d4, order, Some((false, 16)));
            check(0xa1b2_3c4d, order, Some((true, 16)));
            check(0xa1b2_cd34, order, Some((false, 24)));
            check(0x0a0d_0d0a, order, None);
        }
        assert_eq!(file_header(&[0xd4, 0xc3, 0xb2]), None);
    }
}
