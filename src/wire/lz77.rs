//! LZ77-8K, the compression of SIP (MS-SIPCOMP): MPPC with a history of 8 KiB (RFC 2118).
//!
//! In: the payload of one compressed packet, and the history that packets before it left. Out: its
//! plain bytes, which join the history. What cannot be decompressed leaves the history as it was.
//! Knows nothing of packet headers.

use crate::model::Defect;

/// Bytes of the history, and most plain bytes of a packet (RFC 2118 §3).
pub const HISTORY: usize = 8192;

/// Ones before the zero of the longest length code: 4,096 to 8,191.
const MOST_ONES: u32 = 11;
/// Bits of the shortest code; what is left below it is padding.
const SHORTEST_CODE: usize = 8;

/// What was decompressed since the history began anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    bytes: Vec<u8>,
}

impl History {
    /// Begins anew, as `PACKET_FLUSHED` and `PACKET_AT_FRONT` say. What stood before is out of reach
    /// of any offset.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Bytes that it takes.
    pub const fn cost(&self) -> usize {
        self.bytes.capacity()
    }

    /// How far it is filled.
    pub const fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the history back to an earlier [`History::position`].
    pub fn take_back(&mut self, position: usize) {
        self.bytes.truncate(position);
    }

    /// Decompresses a payload.
    ///
    /// # Errors
    /// Says what is wrong with the payload; the history is then as it was.
    pub fn decompress(&mut self, payload: &[u8]) -> Result<&[u8], Defect> {
        let start = self.bytes.len();
        let mut bits = Bits { bytes: payload, at: 0 };
        match self.read(&mut bits) {
            Ok(()) => Ok(self.bytes.get(start..).unwrap_or_default()),
            Err(what) => {
                self.bytes.truncate(start);
                Err(Defect::new("SIP compression", bits.at / 8, what))
            }
        }
    }

    fn read(&mut self, bits: &mut Bits<'_>) -> Result<(), &'static str> {
        while bits.left() >= SHORTEST_CODE {
            match bits.ones(4)? {
                0 => self.literal(bits.take(7)?)?,
                1 => self.literal(0x80 | bits.take(7)?)?,
                2 => self.copy(320 + bits.take(13)?, bits)?,
                3 => self.copy(64 + bits.take(8)?, bits)?,
                _ => self.copy(bits.take(6)?, bits)?,
            }
        }
        match bits.left() {
            0 => Ok(()),
            left if bits.take(left)? == 0 => Ok(()),
            _ => Err("the padding is not zero"),
        }
    }

    fn literal(&mut self, byte: usize) -> Result<(), &'static str> {
        if self.bytes.len() >= HISTORY {
            return Err(TOO_LONG);
        }
        self.bytes.push(u8::try_from(byte).unwrap_or(u8::MAX));
        Ok(())
    }

    fn copy(&mut self, offset: usize, bits: &mut Bits<'_>) -> Result<(), &'static str> {
        let length = bits.length()?;
        if offset == 0 || offset > self.bytes.len() {
            return Err("an offset to before the history");
        }
        if self.bytes.len() + length > HISTORY {
            return Err(TOO_LONG);
        }
        // A copy may reach into itself: what repeats grows with each round.
        let (start, end) = (self.bytes.len() - offset, self.bytes.len() + length);
        while self.bytes.len() < end {
            let count = (end - self.bytes.len()).min(self.bytes.len() - start);
            self.bytes.extend_from_within(start..start + count);
        }
        Ok(())
    }
}

const TOO_LONG: &str = "more than the history holds";
const CUT: &str = "the payload ends within a code";

/// Reads bits, the most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that have been read.
    at: usize,
}

impl Bits<'_> {
    const fn left(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// Takes up to 16 bits as a number.
    fn take(&mut self, count: usize) -> Result<usize, &'static str> {
        if count > self.left() {
            return Err(CUT);
        }
        let word = self.bytes.iter().skip(self.at / 8).chain([0; 3].iter()).take(3);
        let word = word.fold(0, |word, &byte| word << 8 | usize::from(byte));
        let behind = 24 - self.at % 8 - count;
        self.at += count;
        Ok(word >> behind & ((1 << count) - 1))
    }

    /// Takes ones up to a zero, which goes with them, or up to `most` of them.
    fn ones(&mut self, most: u32) -> Result<u32, &'static str> {
        for count in 0..most {
            if self.take(1)? == 0 {
                return Ok(count);
            }
        }
        Ok(most)
    }

    /// Takes the length of a copy.
    fn length(&mut self) -> Result<usize, &'static str> {
        match self.ones(MOST_ONES + 1)? {
            0 => Ok(3),
            ones if ones > MOST_ONES => Err("a length of more than 8,191"),
            ones => Ok(1 << (ones + 1) | self.take(ones as usize + 1)?),
        }
    }
}

/// Any bytes, twice in a row, leave a history within its bound.
pub fn fuzz(bytes: &[u8]) {
    let mut history = History::default();
    for _ in 0..2 {
        let before = history.clone();
        let read = history.decompress(bytes).map(<[u8]>::to_vec);
        match read {
            Ok(plain) => assert_eq!(history.position(), before.position() + plain.len(), "the plain bytes join"),
            Err(_) => assert_eq!(history, before, "what fails changes nothing"),
        }
        assert!(history.position() <= HISTORY);
    }
}

/// The other direction, for tests.
#[cfg(test)]
pub(crate) mod encoder {
    use super::HISTORY;

    /// Compresses packets with one history.
    #[derive(Default)]
    pub(crate) struct Encoder {
        history: Vec<u8>,
    }

    impl Encoder {
        /// Forgets the history.
        pub(crate) fn clear(&mut self) {
            self.history.clear();
        }

        /// Compresses; returns whether it began at the front, and the payload.
        pub(crate) fn compress(&mut self, plain: &[u8]) -> (bool, Vec<u8>) {
            let at_front = self.history.is_empty() || self.history.len() + plain.len() > HISTORY;
            if at_front {
                self.history.clear();
            }
            let (mut bits, mut at) = (Vec::new(), 0);
            while at < plain.len() {
                match self.longest_match(&plain[at..]) {
                    (offset, length @ 3..) => {
                        copy(&mut bits, offset, length);
                        self.history.extend(&plain[at..at + length]);
                        at += length;
                    }
                    _ => {
                        literal(&mut bits, plain[at]);
                        self.history.push(plain[at]);
                        at += 1;
                    }
                }
            }
            let bytes =
                bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at)));
            (at_front, bytes.collect())
        }

        /// Offset and length of the longest match, the nearest of equals.
        fn longest_match(&self, plain: &[u8]) -> (usize, usize) {
            let end = self.history.len();
            let byte = |at: usize| if at < end { self.history[at] } else { plain[at - end] };
            let length =
                |from: usize| plain.iter().enumerate().take_while(|&(at, &next)| byte(from + at) == next).count();
            (1..=end.min(8191))
                .map(|offset| (offset, length(end - offset)))
                .fold((0, 0), |best, next| if next.1 > best.1 { next } else { best })
        }
    }

    fn push(bits: &mut Vec<u8>, value: usize, count: usize) {
        bits.extend((0..count).rev().map(|place| u8::from(value >> place & 1 == 1)));
    }

    fn literal(bits: &mut Vec<u8>, byte: u8) {
        if byte < 0x80 { push(bits, byte.into(), 8) } else { push(bits, 0x100 | usize::from(byte & 0x7f), 9) }
    }

    fn copy(bits: &mut Vec<u8>, offset: usize, length: usize) {
        match offset {
            0..64 => push(bits, 0b1111 << 6 | offset, 10),
            64..320 => push(bits, 0b1110 << 8 | (offset - 64), 12),
            _ => push(bits, 0b110 << 13 | (offset - 320), 16),
        }
        if length == 3 {
            return push(bits, 0, 1);
        }
        let ones = length.ilog2() as usize - 1;
        push(bits, (1 << ones) - 1, ones);
        push(bits, length & ((1 << (ones + 1)) - 1), ones + 2);
    }
}

#[cfg(test)]
mod tests {
    use super::encoder::Encoder;
    use super::*;
    use proptest::prelude::*;

    /// Test data of `FreeRDP` for RDP 4.0, which has the same codes.
    const BELL: &[u8] = b"\x66\x6f\x72\x2e\x77\x68\x6f\x6d\x2e\x74\x68\x65\x2e\x62\x65\x6c\x6c\x2e\x74\x6f\x6c\x6c\x73\
        \x2c\xf4\x37\x2e\x66\xfa\x1f\x19\x94\x84";
    const OK: &[u8] = b"\x53\x49\x50\x2f\x32\x2e\x30\x20\x32\x30\x30\x20\x4f\x4b\x0d\x0a\x46\x72\x6f\x6d\x3a\x20\x3c\x73\
        \x69\x70\x3a\x61\x6e\x6e\x40\x65\x78\x2e\x74\x65\x73\x74\x3e\x3b\x74\x61\x67\x3d\x61\x31\x0d\x0a\x54\x6f\xf7\xb8\
        \xc3\x42\x83\x42\x80";

    #[track_caller]
    fn check(payloads: &[&[u8]], expected: &[&[u8]]) {
        let mut history = History::default();
        for (payload, expected) in payloads.iter().zip(expected) {
            assert_eq!(history.decompress(payload), Ok(*expected));
        }
        assert_eq!(history.position(), expected.concat().len());
    }

    #[test]
    fn vectors() {
        check(&[BELL], &[b"for.whom.the.bell.tolls,.the.bell.tolls.for.thee!"]);
        let ok = b"SIP/2.0 200 OK\r\nFrom: <sip:ann@ex.test>;tag=a1\r\nTo: <sip:ann@ex.test>\r\n\r\n";
        check(&[OK, b"\xe0\x9e\x00\xd0\xa0"], &[ok, b"SIP/2.0 200 OK\r\n\r\n"]);
        check(&[b"\xb4\xf8\x3c\x60"], &[&[0xe9; 20]]);
        check(&[b""], &[b""]);
    }

    #[track_caller]
    fn check_refused(payload: &[u8], why: &str) {
        let mut history = History::default();
        assert_eq!(history.decompress(payload).unwrap_err().what, why);
        assert_eq!(history, History::default());
    }

    #[test]
    fn what_no_encoder_writes() {
        check_refused(b"a\xf0\x00", "an offset to before the history"); // offset 0
        check_refused(b"a\xf0\x80", "an offset to before the history"); // offset 2 behind one byte
        check_refused(b"a\xf0\x7f\xff", "a length of more than 8,191");
        check_refused(b"a\xf0\x78", CUT); // the length code lacks its bits
        check_refused(b"\xe9", CUT);
        check_refused(b"\xb4\x81", "the padding is not zero");
        check_refused(b"aa\xf0\x7f\xfb\xff\xc0", TOO_LONG); // 2 and 8,191
    }

    #[test]
    fn the_history_takes_its_bound_and_no_byte_more() {
        let mut history = History::default();
        // A literal, then copy(1, 8,191): 11 ones, a zero and 12 ones.
        let whole = b"a\xf0\x7f\xfb\xff\xc0";
        assert_eq!(history.decompress(whole).unwrap().len(), HISTORY);
        assert_eq!(history.decompress(b"b").unwrap_err().what, TOO_LONG);
        history.clear();
        assert_eq!(history.decompress(b"b"), Ok(&b"b"[..]));
    }

    #[test]
    fn any_bytes_end() {
        for sample in [BELL, OK, b"\xb4\xf8\x3c\x60", b"a\xf0\x7f\xfb\xff\xc0"] {
            for length in 0..=sample.len() {
                fuzz(&sample[..length]);
            }
            for place in 0..sample.len() {
                for flip in [1, 0x80, 0xff, 0x18] {
                    let mut bent = sample.to_vec();
                    bent[place] ^= flip;
                    fuzz(&bent);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn packets_come_back(packets in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), any::<u8>()], 1..700), 1..20)) {
            let (mut encoder, mut history) = (Encoder::default(), History::default());
            for plain in &packets {
                let (at_front, payload) = encoder.compress(plain);
                if at_front {
                    history.clear();
                }
                prop_assert_eq!(history.decompress(&payload).unwrap(), plain.as_slice());
            }
        }

        #[test]
        fn noise_ends(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            fuzz(&bytes);
        }
    }
}
