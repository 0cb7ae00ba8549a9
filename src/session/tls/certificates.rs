//! Certificates that were read lately: thousands of clients are shown the same ones by their server.
//!
//! In: certificates as bytes. Out: what they say, shared where the same bytes came before. Bounded.

use std::sync::Arc;

use crate::model::tls::Certificate;
use crate::wire::certificate;

/// Certificates that are remembered: a few servers' with those above them.
const MOST: usize = 16;
/// Longest one that is remembered, in bytes; usual are 1 to 2 KB.
const LONGEST: usize = 8 << 10;

/// Certificates, each with its bytes.
#[derive(Debug, Default)]
pub struct Certificates {
    known: Vec<(Box<[u8]>, Arc<Certificate>)>,
    /// The one that makes room for the next.
    oldest: usize,
}

impl Certificates {
    /// What a certificate says; `None` where it is none.
    pub fn read(&mut self, der: &[u8]) -> Option<Arc<Certificate>> {
        if let Some((_, known)) = self.known.iter().find(|(bytes, _)| **bytes == *der) {
            return Some(known.clone());
        }
        let read = Arc::new(certificate::parse(der)?);
        if der.len() <= LONGEST {
            let entry = (der.into(), read.clone());
            match self.known.get_mut(self.oldest) {
                Some(oldest) => *oldest = entry,
                None => self.known.push(entry),
            }
            self.oldest = (self.oldest + 1) % MOST;
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tls::wire::certificates;

    /// Certificates of a capture: what stands behind the header of each such message.
    fn some() -> Vec<Vec<u8>> {
        let capture = include_bytes!("../../../captures/login.pcapng");
        let starts = capture.windows(4).enumerate().filter(|(_, bytes)| bytes[0] == 0x0b && bytes[1] == 0);
        let chains = starts.filter_map(|(at, _)| {
            let length = usize::from(u16::from_be_bytes([capture[at + 2], capture[at + 3]]));
            Some(certificates(capture.get(at + 4..at + 4 + length)?, false))
        });
        chains.flatten().filter(|der| certificate::parse(der).is_some()).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn the_same_bytes_are_read_once() {
        let ders = some();
        let (first, mut certificates) = (ders.first().expect("a certificate"), Certificates::default());
        let read = certificates.read(first).unwrap();
        assert_eq!(*read, certificate::parse(first).unwrap());
        assert!(Arc::ptr_eq(&read, &certificates.read(first).unwrap()));
        // Another one differs in its signature, which is not read.
        let mut other = first.clone();
        *other.last_mut().unwrap() ^= 1;
        assert!(!Arc::ptr_eq(&read, &certificates.read(&other).unwrap()));
        assert_eq!(certificates.read(b"none"), None);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let der = some().swap_remove(0);
        let mut certificates = Certificates::default();
        for number in 0..=u8::try_from(2 * MOST).unwrap() {
            let mut other = der.clone();
            *other.last_mut().unwrap() ^= number;
            let read = certificates.read(&other).unwrap();
            assert!(Arc::ptr_eq(&read, &certificates.read(&other).unwrap()), "the newest is remembered");
            assert!(certificates.known.len() <= MOST);
        }
    }
}
