//! Opens the records of one direction: the current key, its sequence number, and the keys that follow.

use std::collections::VecDeque;

use rustls::crypto::cipher::InboundOpaqueMessage;
use rustls::{ContentType, ProtocolVersion};

use crate::crypto::Secret;
use crate::crypto::suites::Suite;
use crate::session::tls::cipher::{self, RecordCipher};
use crate::wire::tls::RecordHeader;

/// Sequence numbers tried for the first record after a hole.
const FARTHEST_SEQUENCE: u64 = 1024;
/// Tries that a direction gets in all, so that many holes cost no more than a few.
const MOST_TRIES: u64 = 1 << 16;

/// Keys of one epoch.
pub struct Epoch {
    cipher: Box<dyn RecordCipher>,
    seq: u64,
    /// Traffic secret of TLS 1.3, from which the next one comes.
    secret: Option<(Suite, Secret)>,
}

impl Epoch {
    /// An epoch up to TLS 1.2.
    pub fn tls12(cipher: Box<dyn RecordCipher>) -> Self {
        Self { cipher, seq: 0, secret: None }
    }

    /// An epoch of TLS 1.3; `None` where the secret does not fit the suite.
    pub fn tls13(suite: &Suite, secret: &[u8]) -> Option<Self> {
        Some(Self { cipher: cipher::tls13(suite, secret)?, seq: 0, secret: Some((*suite, Secret::new(secret))) })
    }

    fn open(&mut self, header: &RecordHeader, seq: u64, payload: &[u8], scratch: &mut Vec<u8>) -> Option<u8> {
        // A failed attempt leaves nothing of the buffer, and the plaintext may begin anywhere in it.
        let mut copy = std::mem::take(scratch);
        copy.clear();
        copy.extend_from_slice(payload);
        let message =
            InboundOpaqueMessage::new(ContentType::from(header.kind), ProtocolVersion::from(header.version), &mut copy);
        let opened = self
            .cipher
            .decrypt(message, seq)
            .ok()
            .map(|plain| (u8::from(plain.typ), plain.payload.as_ptr() as usize, plain.payload.len()));
        let base = copy.as_ptr() as usize;
        let kind = opened.map(|(kind, pointer, length)| {
            let start = pointer.saturating_sub(base);
            copy.truncate(start + length);
            copy.drain(..start.min(copy.len()));
            kind
        });
        *scratch = copy;
        kind
    }
}

/// The keys of one direction.
#[derive(Default)]
pub struct Reader {
    current: Option<Epoch>,
    next: VecDeque<Epoch>,
    tries: u64,
}

impl Reader {
    /// Whether there is any key.
    pub fn has_keys(&self) -> bool {
        self.current.is_some() || !self.next.is_empty()
    }

    /// Whether records are being opened.
    pub const fn is_active(&self) -> bool {
        self.current.is_some()
    }

    /// Replaces all keys.
    pub fn set(&mut self, epochs: impl IntoIterator<Item = Epoch>) {
        self.current = None;
        self.next = epochs.into_iter().collect();
    }

    /// Adds keys behind the current ones.
    pub fn follow_with(&mut self, epochs: impl IntoIterator<Item = Epoch>) {
        self.next = epochs.into_iter().collect();
    }

    /// Goes on with the next keys, if there are any.
    pub fn switch(&mut self) {
        if let Some(epoch) = self.next.pop_front() {
            self.current = Some(epoch);
        }
    }

    /// Drops all keys.
    pub fn clear(&mut self) {
        *self = Self { tries: self.tries, ..Self::default() };
    }

    /// Whether keys follow the current ones.
    pub fn has_next(&self) -> bool {
        !self.next.is_empty()
    }

    /// Opens a record into `scratch`; returns its content type. Tries the next keys where the current
    /// ones fail: the message that announces them may be missing.
    pub fn open(&mut self, header: &RecordHeader, payload: &[u8], scratch: &mut Vec<u8>) -> Option<u8> {
        if let Some(epoch) = &mut self.current {
            let seq = epoch.seq;
            epoch.seq += 1;
            if let Some(kind) = epoch.open(header, seq, payload, scratch) {
                return Some(kind);
            }
        }
        self.open_with_next(header, payload, scratch)
    }

    fn open_with_next(&mut self, header: &RecordHeader, payload: &[u8], scratch: &mut Vec<u8>) -> Option<u8> {
        // Only TLS 1.3 changes keys without a record that says so.
        let candidates = self.next.iter_mut().enumerate().filter(|(_, epoch)| epoch.secret.is_some());
        for (index, epoch) in candidates {
            if let Some(kind) = epoch.open(header, 0, payload, scratch) {
                epoch.seq = 1;
                self.next.drain(..index);
                self.switch();
                return Some(kind);
            }
        }
        None
    }

    /// Opens the first record after a hole: which number it has is searched.
    pub fn open_after_hole(&mut self, header: &RecordHeader, payload: &[u8], scratch: &mut Vec<u8>) -> Option<u8> {
        if let Some(epoch) = self.current.as_mut().filter(|epoch| epoch.cipher.is_seekable()) {
            for seq in epoch.seq..epoch.seq.saturating_add(FARTHEST_SEQUENCE) {
                if self.tries >= MOST_TRIES {
                    return None;
                }
                self.tries += 1;
                if let Some(kind) = epoch.open(header, seq, payload, scratch) {
                    epoch.seq = seq + 1;
                    self.tries = 0; // found: the stream is honest
                    return Some(kind);
                }
            }
            epoch.cipher.continue_behind(payload);
        }
        self.search_next(header, payload, scratch)
    }

    /// The hole may reach over the change to the next keys of TLS 1.3, and records under them.
    fn search_next(&mut self, header: &RecordHeader, payload: &[u8], scratch: &mut Vec<u8>) -> Option<u8> {
        for index in 0..self.next.len() {
            let Some(epoch) = self.next.get_mut(index).filter(|epoch| epoch.secret.is_some()) else { continue };
            for seq in 0..FARTHEST_SEQUENCE {
                if self.tries >= MOST_TRIES {
                    return None;
                }
                self.tries += 1;
                if let Some(kind) = epoch.open(header, seq, payload, scratch) {
                    (epoch.seq, self.tries) = (seq + 1, 0);
                    self.next.drain(..index);
                    self.switch();
                    return Some(kind);
                }
            }
        }
        None
    }

    /// A record is missing or damaged: the next one has the next number.
    pub fn pass_over(&mut self, end_of_ciphertext: &[u8]) {
        if let Some(epoch) = &mut self.current {
            epoch.seq += 1;
            epoch.cipher.continue_behind(end_of_ciphertext);
        }
    }

    /// Where the stream goes on is not known.
    pub fn lose_place(&mut self) {
        if let Some(epoch) = &mut self.current {
            epoch.cipher.continue_behind(&[]);
        }
    }

    /// A record failed, and was counted when it was tried.
    pub fn pass_over_failed(&mut self, ciphertext: &[u8]) {
        if let Some(epoch) = &mut self.current {
            epoch.cipher.continue_behind(ciphertext);
        }
    }

    /// New keys by a key update of TLS 1.3.
    pub fn update(&mut self) {
        let next = self.current.as_ref().and_then(|epoch| {
            let (suite, secret) = epoch.secret.as_ref()?;
            Epoch::tls13(suite, &cipher::next_secret(suite, secret.expose())?)
        });
        if let Some(next) = next {
            self.current = Some(next);
        }
    }
}
