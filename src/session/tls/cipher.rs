//! Record ciphers: key material in, something that opens records out.
//!
//! All of them stand behind rustls' [`MessageDecrypter`]: its own for AES-GCM and ChaCha20-Poly1305,
//! and the ones below on `RustCrypto`'s ciphers for what rustls leaves out (CBC, RC4, NULL, CCM).
//! Every record is authenticated; one that fails yields nothing.

use std::ops::Range;
use std::sync::LazyLock;

use aes::{Aes128, Aes256};
use camellia::{Camellia128, Camellia256};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, KeyInit, KeyIvInit, StreamCipher};
use ccm::Ccm;
use ccm::aead::AeadInOut;
use ccm::consts::{U8, U12, U16};
use des::TdesEde3;
use hmac::{Hmac, Mac};
use rustls::crypto::cipher::{AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter};
use rustls::crypto::ring as provider;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::quic;
use rustls::{CipherSuiteCommon, Error, SupportedCipherSuite, Tls13CipherSuite};

use crate::crypto::suites::{Block, Bulk, Hash, Suite};
use crate::model::tls::TlsVersion;

/// Opens the records of one direction under one key.
pub trait RecordCipher: MessageDecrypter {
    /// Continues behind a record that cannot be opened, from the end of its ciphertext: the next
    /// record of TLS 1.0 in CBC mode begins from there.
    fn continue_behind(&mut self, _ciphertext: &[u8]) {}

    /// Whether a record can be opened without the one before it.
    fn is_seekable(&self) -> bool {
        true
    }
}

struct Aead(Box<dyn MessageDecrypter>);

impl MessageDecrypter for Aead {
    fn decrypt<'a>(&mut self, message: InboundOpaqueMessage<'a>, seq: u64) -> Result<InboundPlainMessage<'a>, Error> {
        self.0.decrypt(message, seq)
    }
}

impl RecordCipher for Aead {}

/// Lengths of MAC key, key and fixed IV that a session up to TLS 1.2 cuts from its key block.
pub fn key_block_lengths(suite: &Suite, version: TlsVersion) -> (usize, usize, usize) {
    match suite.bulk {
        Bulk::Null => (suite.hash.length(), 0, 0),
        Bulk::Rc4 => (suite.hash.length(), 16, 0),
        Bulk::Cbc(block) => {
            let iv = if version <= TlsVersion::TLS10 { block.length() } else { 0 };
            (suite.hash.length(), block.key_length(), iv)
        }
        Bulk::AesGcm(key) | Bulk::AesCcm(key, _) => (0, key, 4),
        Bulk::ChaCha20Poly1305 => (0, 32, 12),
    }
}

/// A cipher for a session up to TLS 1.2; `None` where the provider has none.
pub fn tls12(
    suite: &Suite,
    version: TlsVersion,
    encrypt_then_mac: bool,
    (mac_key, key, iv): (&[u8], &[u8], &[u8]),
) -> Option<Box<dyn RecordCipher>> {
    let mac = MacKey { hash: suite.hash, key: mac_key.to_vec() };
    Some(match suite.bulk {
        Bulk::Null => Box::new(Legacy { mac, encrypt_then_mac: false, kind: Kind::Null }),
        Bulk::Rc4 => {
            let kind = Kind::Rc4(Box::new(rc4::Rc4::new_from_slice(key).ok()?));
            Box::new(Legacy { mac, encrypt_then_mac: false, kind })
        }
        Bulk::Cbc(block) => {
            let chained = version <= TlsVersion::TLS10;
            let iv = if chained { CbcIv::Chained(Some(iv.to_vec())) } else { CbcIv::Sent };
            Box::new(Legacy { mac, encrypt_then_mac, kind: Kind::Cbc { block, key: key.to_vec(), iv } })
        }
        Bulk::AesCcm(_, tag) => Box::new(CcmCipher { key: key.to_vec(), iv: iv.to_vec(), tag, tls13: false }),
        Bulk::AesGcm(_) | Bulk::ChaCha20Poly1305 => {
            // rustls' cipher knows nothing of the key exchange: any suite with it will do.
            let number = match suite.bulk {
                Bulk::AesGcm(16) => 0xc02f,
                Bulk::AesGcm(_) => 0xc030,
                _ => 0xcca8,
            };
            let SupportedCipherSuite::Tls12(found) = supported(number)? else { return None };
            Box::new(Aead(found.aead_alg.decrypter(aead_key(key)?, iv)))
        }
    })
}

/// A cipher for TLS 1.3 from a traffic secret.
pub fn tls13(suite: &Suite, secret: &[u8]) -> Option<Box<dyn RecordCipher>> {
    let (key_length, tag) = match suite.bulk {
        Bulk::AesGcm(key) => (key, 16),
        Bulk::AesCcm(key, tag) => (key, tag),
        Bulk::ChaCha20Poly1305 => (32, 16),
        _ => return None,
    };
    let expander = expander(suite.hash, secret)?;
    let (mut key, mut iv) = (vec![0; key_length], [0; 12]);
    expand_label(&*expander, b"key", &mut key)?;
    expand_label(&*expander, b"iv", &mut iv)?;
    Some(match suite.bulk {
        Bulk::AesCcm(..) => Box::new(CcmCipher { key, iv: iv.to_vec(), tag, tls13: true }),
        _ => {
            let number = match suite.bulk {
                Bulk::AesGcm(16) => 0x1301,
                Bulk::AesGcm(_) => 0x1302,
                _ => 0x1303,
            };
            let SupportedCipherSuite::Tls13(found) = supported(number)? else { return None };
            Box::new(Aead(found.aead_alg.decrypter(aead_key(&key)?, Iv::from(iv))))
        }
    })
}

/// The traffic secret after a key update (RFC 8446 §7.2).
pub fn next_secret(suite: &Suite, secret: &[u8]) -> Option<Vec<u8>> {
    let expander = expander(suite.hash, secret)?;
    let mut next = vec![0; expander.hash_len()];
    expand_label(&*expander, b"traffic upd", &mut next)?;
    Some(next)
}

fn supported(number: u16) -> Option<SupportedCipherSuite> {
    provider::ALL_CIPHER_SUITES.iter().copied().find(|suite| u16::from(suite.suite()) == number)
}

/// HKDF of the suite's hash, keyed with a secret; `None` where the secret has another length.
fn expander(hash: Hash, secret: &[u8]) -> Option<Box<dyn HkdfExpander>> {
    let number = if hash == Hash::Sha384 { 0x1302 } else { 0x1301 };
    let SupportedCipherSuite::Tls13(suite) = supported(number)? else { return None };
    (secret.len() == hash.length()).then(|| suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret)))
}

/// HKDF-Expand-Label with an empty context (RFC 8446 §7.1).
fn expand_label(expander: &dyn HkdfExpander, label: &[u8], out: &mut [u8]) -> Option<()> {
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    let full = [b"tls13 ", label].concat();
    expander.expand_slice(&[&length, &[u8::try_from(full.len()).ok()?], &full, &[0]], out).ok()
}

/// A key for rustls' ciphers, which take 32 bytes directly and 16 only through its own key schedule.
fn aead_key(key: &[u8]) -> Option<AeadKey> {
    match (<[u8; 32]>::try_from(key), key.len()) {
        (Ok(long), _) => Some(AeadKey::from(long)),
        (_, 16) => short_key(key),
        _ => None,
    }
}

/// Lets rustls cut a key of 16 bytes: its QUIC key schedule hands keys of the length that an algorithm
/// asks for to that algorithm. Ours catches them; our HKDF yields the given bytes for every label.
fn short_key(key: &[u8]) -> Option<AeadKey> {
    static SUITE: LazyLock<Option<Tls13CipherSuite>> = LazyLock::new(|| {
        let SupportedCipherSuite::Tls13(real) = supported(0x1301)? else { return None };
        let common = CipherSuiteCommon {
            suite: real.common.suite,
            hash_provider: real.common.hash_provider,
            confidentiality_limit: real.common.confidentiality_limit,
        };
        Some(Tls13CipherSuite { common, hkdf_provider: &Fixed, aead_alg: real.aead_alg, quic: None })
    });
    CAUGHT.with(std::cell::RefCell::take);
    quic::Keys::initial(quic::Version::V1, SUITE.as_ref()?, &Catch, key, rustls::Side::Client);
    CAUGHT.with(std::cell::RefCell::take)
}

thread_local! {
    static CAUGHT: std::cell::RefCell<Option<AeadKey>> = const { std::cell::RefCell::new(None) };
}

/// HKDF that yields its secret whatever is asked.
struct Fixed;

struct FixedExpander(Vec<u8>);

impl Hkdf for Fixed {
    fn extract_from_zero_ikm(&self, _: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        Box::new(FixedExpander(Vec::new()))
    }

    fn extract_from_secret(&self, _: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        Box::new(FixedExpander(secret.to_vec()))
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        Box::new(FixedExpander(okm.as_ref().to_vec()))
    }

    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> rustls::crypto::hmac::Tag {
        // Never asked for here; the real one is right for any caller.
        let real = supported(0x1301).and_then(|suite| suite.tls13().map(|suite| suite.hkdf_provider));
        real.map_or_else(|| rustls::crypto::hmac::Tag::new(&[]), |real| real.hmac_sign(key, message))
    }
}

impl HkdfExpander for FixedExpander {
    fn expand_slice(&self, _: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        output.iter_mut().zip(&self.0).for_each(|(byte, secret)| *byte = *secret);
        Ok(())
    }

    fn expand_block(&self, _: &[&[u8]]) -> OkmBlock {
        OkmBlock::new(&self.0)
    }

    fn hash_len(&self) -> usize {
        self.0.len()
    }
}

/// A QUIC algorithm that keeps the last packet key handed to it.
struct Catch;

impl quic::Algorithm for Catch {
    fn packet_key(&self, key: AeadKey, _: Iv) -> Box<dyn quic::PacketKey> {
        CAUGHT.with(|caught| *caught.borrow_mut() = Some(key));
        Box::new(Unused)
    }

    fn header_protection_key(&self, _: AeadKey) -> Box<dyn quic::HeaderProtectionKey> {
        Box::new(Unused)
    }

    fn aead_key_len(&self) -> usize {
        16
    }
}

/// Stands where rustls wants a QUIC key; nothing is ever sent or received with it.
struct Unused;

impl quic::PacketKey for Unused {
    fn encrypt_in_place(&self, _: u64, _: &[u8], _: &mut [u8]) -> Result<quic::Tag, Error> {
        Err(Error::EncryptError)
    }

    fn decrypt_in_place<'a>(&self, _: u64, _: &[u8], _: &'a mut [u8]) -> Result<&'a [u8], Error> {
        Err(Error::DecryptError)
    }

    fn tag_len(&self) -> usize {
        16
    }

    fn confidentiality_limit(&self) -> u64 {
        0
    }

    fn integrity_limit(&self) -> u64 {
        0
    }
}

impl quic::HeaderProtectionKey for Unused {
    fn encrypt_in_place(&self, _: &[u8], _: &mut u8, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::EncryptError)
    }

    fn decrypt_in_place(&self, _: &[u8], _: &mut u8, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::DecryptError)
    }

    fn sample_len(&self) -> usize {
        16
    }
}

/// The key of a record's MAC.
struct MacKey {
    hash: Hash,
    key: Vec<u8>,
}

impl MacKey {
    /// Whether `tag` is the MAC of a record: sequence number, header, bytes (RFC 5246 §6.2.3.1).
    fn verifies(&self, (seq, kind, version): (u64, u8, u16), bytes: &[u8], tag: &[u8]) -> bool {
        fn verify<M: Mac + KeyInit>(key: &[u8], parts: [&[u8]; 2], tag: &[u8]) -> bool {
            let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
            for part in parts {
                mac.update(part);
            }
            mac.verify_slice(tag).is_ok()
        }
        let Ok(length) = u16::try_from(bytes.len()) else { return false };
        let (seq, version, length) = (seq.to_be_bytes(), version.to_be_bytes(), length.to_be_bytes());
        let header = [&seq[..], &[kind], &version, &length].concat();
        let parts = [header.as_slice(), bytes];
        match self.hash {
            Hash::Md5 => verify::<Hmac<md5::Md5>>(&self.key, parts, tag),
            Hash::Sha1 => verify::<Hmac<sha1::Sha1>>(&self.key, parts, tag),
            Hash::Sha256 => verify::<Hmac<sha2::Sha256>>(&self.key, parts, tag),
            Hash::Sha384 => verify::<Hmac<sha2::Sha384>>(&self.key, parts, tag),
        }
    }
}

/// Where the IV of a record in CBC mode comes from.
enum CbcIv {
    /// TLS 1.0: the end of the record before, where it is known.
    Chained(Option<Vec<u8>>),
    /// Later: it stands before the ciphertext.
    Sent,
}

enum Kind {
    Null,
    Rc4(Box<rc4::Rc4>),
    Cbc { block: Block, key: Vec<u8>, iv: CbcIv },
}

/// NULL, RC4 and CBC with a MAC.
struct Legacy {
    mac: MacKey,
    /// RFC 7366.
    encrypt_then_mac: bool,
    kind: Kind,
}

impl Legacy {
    /// Opens a record in place; returns where the plaintext lies.
    fn open(&mut self, header: (u64, u8, u16), payload: &mut [u8]) -> Option<Range<usize>> {
        let tag_length = self.mac.hash.length();
        let range = match &mut self.kind {
            Kind::Null => 0..payload.len(),
            Kind::Rc4(cipher) => {
                cipher.apply_keystream(payload);
                0..payload.len()
            }
            Kind::Cbc { block, key, iv: chain } => {
                let mut end = payload.len();
                if self.encrypt_then_mac {
                    end = end.checked_sub(tag_length)?;
                    let (bytes, tag) = payload.split_at_checked(end)?;
                    if !self.mac.verifies(header, bytes, tag) {
                        return None;
                    }
                }
                let (start, iv) = match chain {
                    CbcIv::Chained(known) => (0, known.clone()?),
                    CbcIv::Sent => (block.length(), payload.get(..block.length())?.to_vec()),
                };
                let ciphertext = payload.get_mut(start..end)?;
                let last = ciphertext.get(ciphertext.len().checked_sub(block.length())?..)?.to_vec();
                decrypt_cbc(*block, key, &iv, ciphertext)?;
                let padding = unpadded_length(ciphertext)?;
                let range = start..start + padding;
                if !self.encrypt_then_mac {
                    let text = range.start..range.end.checked_sub(tag_length)?;
                    let tag = payload.get(text.end..range.end)?;
                    if !self.mac.verifies(header, payload.get(text.clone())?, tag) {
                        return None;
                    }
                    if let CbcIv::Chained(known) = chain {
                        *known = Some(last);
                    }
                    return Some(text);
                }
                if let CbcIv::Chained(known) = chain {
                    *known = Some(last);
                }
                return Some(range);
            }
        };
        let text = range.start..range.end.checked_sub(tag_length)?;
        let verified = self.mac.verifies(header, payload.get(text.clone())?, payload.get(text.end..range.end)?);
        verified.then_some(text)
    }
}

/// Length without the padding of TLS: its last byte tells, and every byte of it is the same (RFC 5246 §6.2.3.2).
fn unpadded_length(bytes: &[u8]) -> Option<usize> {
    let &padding = bytes.last()?;
    let length = bytes.len().checked_sub(usize::from(padding) + 1)?;
    bytes.get(length..)?.iter().all(|&byte| byte == padding).then_some(length)
}

fn decrypt_cbc(block: Block, key: &[u8], iv: &[u8], bytes: &mut [u8]) -> Option<()> {
    fn run<D: KeyIvInit + BlockModeDecrypt>(key: &[u8], iv: &[u8], bytes: &mut [u8]) -> Option<()> {
        D::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(bytes).ok().map(|_| ())
    }
    match block {
        Block::Aes128 => run::<cbc::Decryptor<Aes128>>(key, iv, bytes),
        Block::Aes256 => run::<cbc::Decryptor<Aes256>>(key, iv, bytes),
        Block::Camellia128 => run::<cbc::Decryptor<Camellia128>>(key, iv, bytes),
        Block::Camellia256 => run::<cbc::Decryptor<Camellia256>>(key, iv, bytes),
        Block::TripleDes => run::<cbc::Decryptor<TdesEde3>>(key, iv, bytes),
    }
}

impl MessageDecrypter for Legacy {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let header = (seq, u8::from(message.typ), u16::from(message.version));
        let range = self.open(header, &mut message.payload).ok_or(Error::DecryptError)?;
        Ok(message.into_plain_message_range(range))
    }
}

impl RecordCipher for Legacy {
    fn continue_behind(&mut self, ciphertext: &[u8]) {
        let tag = if self.encrypt_then_mac { self.mac.hash.length() } else { 0 };
        let ciphertext = ciphertext.get(..ciphertext.len().saturating_sub(tag)).unwrap_or_default();
        if let Kind::Cbc { block, iv: CbcIv::Chained(known), .. } = &mut self.kind {
            *known =
                ciphertext.len().checked_sub(block.length()).and_then(|at| ciphertext.get(at..)).map(<[u8]>::to_vec);
        }
    }

    fn is_seekable(&self) -> bool {
        !matches!(self.kind, Kind::Rc4(_))
    }
}

/// AES-CCM (RFC 6655, RFC 8446 §B.4).
struct CcmCipher {
    key: Vec<u8>,
    iv: Vec<u8>,
    tag: usize,
    tls13: bool,
}

impl CcmCipher {
    /// Opens a record in place; returns where the plaintext lies.
    fn open(&self, (seq, kind, version): (u64, u8, u16), payload: &mut [u8]) -> Option<Range<usize>> {
        let seq_bytes = seq.to_be_bytes();
        let mut nonce = [0; 12];
        let start = if self.tls13 { 0 } else { 8 };
        let end = payload.len().checked_sub(self.tag)?;
        let length = u16::try_from(end.checked_sub(start)?).ok()?;
        let aad = if self.tls13 {
            nonce.copy_from_slice(self.iv.get(..12)?);
            nonce.iter_mut().skip(4).zip(seq_bytes).for_each(|(byte, seq)| *byte ^= seq);
            let outer = u16::try_from(payload.len()).ok()?.to_be_bytes();
            [&[kind][..], &version.to_be_bytes(), &outer].concat()
        } else {
            let (fixed, explicit) = nonce.split_at_mut(4);
            fixed.copy_from_slice(self.iv.get(..4)?);
            explicit.copy_from_slice(payload.get(..8)?);
            [&seq_bytes[..], &[kind], &version.to_be_bytes(), &length.to_be_bytes()].concat()
        };
        let (bytes, tag) = payload.get_mut(start..)?.split_at_mut_checked(usize::from(length))?;
        match (self.key.len(), self.tag) {
            (16, 16) => open_ccm::<Ccm<Aes128, U16, U12>>(&self.key, &nonce, &aad, bytes, tag),
            (16, 8) => open_ccm::<Ccm<Aes128, U8, U12>>(&self.key, &nonce, &aad, bytes, tag),
            (32, 16) => open_ccm::<Ccm<Aes256, U16, U12>>(&self.key, &nonce, &aad, bytes, tag),
            (32, 8) => open_ccm::<Ccm<Aes256, U8, U12>>(&self.key, &nonce, &aad, bytes, tag),
            _ => None,
        }?;
        Some(start..end)
    }
}

fn open_ccm<C: AeadInOut + KeyInit>(key: &[u8], nonce: &[u8], aad: &[u8], bytes: &mut [u8], tag: &[u8]) -> Option<()> {
    let cipher = C::new_from_slice(key).ok()?;
    cipher.decrypt_inout_detached(nonce.try_into().ok()?, aad, bytes.into(), tag.try_into().ok()?).ok()
}

impl MessageDecrypter for CcmCipher {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let header = (seq, u8::from(message.typ), u16::from(message.version));
        let range = self.open(header, &mut message.payload).ok_or(Error::DecryptError)?;
        if self.tls13 {
            message.payload.truncate(range.end);
            return message.into_tls13_unpadded_message();
        }
        Ok(message.into_plain_message_range(range))
    }
}

impl RecordCipher for CcmCipher {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tls::CipherSuite;

    #[test]
    fn keys_of_both_lengths_reach_rustls() {
        let key: Vec<u8> = (1..=32).collect();
        assert_eq!(aead_key(&key).unwrap().as_ref(), &key[..]);
        assert_eq!(aead_key(&key[..16]).unwrap().as_ref(), &key[..16]);
        assert!(aead_key(&key[..20]).is_none());
    }

    #[test]
    fn every_supported_suite_has_a_cipher() {
        let bytes = [7; 64];
        let mut made = 0;
        for &(number, name) in &crate::model::suite_names::SUITE_NAMES {
            let Some(suite) = Suite::of(CipherSuite(number)) else { continue };
            if name.contains("_WITH_") {
                let (mac, key, iv) = key_block_lengths(&suite, TlsVersion::TLS12);
                assert!(
                    tls12(&suite, TlsVersion::TLS12, false, (&bytes[..mac], &bytes[..key], &bytes[..iv])).is_some(),
                    "{name}"
                );
            } else {
                assert!(tls13(&suite, &bytes[..suite.hash.length()]).is_some(), "{name}");
            }
            made += 1;
        }
        assert!(made > 150, "{made}");
    }

    #[test]
    fn padding_must_be_whole() {
        assert_eq!(unpadded_length(&[9, 9, 1, 1]), Some(2));
        assert_eq!(unpadded_length(&[9, 0]), Some(1));
        assert_eq!(unpadded_length(&[9, 2, 1]), None);
        assert_eq!(unpadded_length(&[3, 3]), None);
        assert_eq!(unpadded_length(&[]), None);
    }
}
