//! What follows from a password in NTLMv2 ([MS-NLMP] §3.3.2, §3.4): whether an AUTHENTICATE proves it, and the
//! keys that messages are signed with.
//!
//! In: the parts of the exchange. Out: keys, signatures. Parses no message. SIP signs in datagram mode, each
//! message for itself with the sequence number 100 ([MS-SIPAE] §3.2.5.2).

use hmac::{Hmac, KeyInit as _, Mac as _};
use md4::Md4;
use md5::{Digest as _, Md5};
use rc4::{Rc4, StreamCipher as _};

use crate::crypto::secret::Secret;
use crate::model::Direction;

/// Messages are signed as [MS-NLMP] §3.4.4.2 says, not as §3.4.4.1.
const EXTENDED_SESSIONSECURITY: u32 = 0x0008_0000;
/// Sealing keys have 128 bits.
const SEAL_128: u32 = 0x2000_0000;
/// The client chose the session key.
const KEY_EXCH: u32 = 0x4000_0000;
/// Sealing keys have 56 bits.
const SEAL_56: u32 = 0x8000_0000;

/// Bytes of the proof with which an NTLMv2 response begins.
const PROOF: usize = 16;

/// The sequence number of every SIP message, little-endian.
const SEQUENCE: [u8; 4] = 100_u32.to_le_bytes();

/// Bytes of a signature.
pub const SIGNATURE: usize = 16;

/// The NT hash of a password: MD4 of it in UTF-16 (`NTOWFv1`).
#[derive(Debug)]
pub struct NtHash(Secret);

impl NtHash {
    /// The hash of a password.
    pub fn of_password(password: &str) -> Self {
        let bytes: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
        Self(Secret::new(Md4::digest(&bytes).to_vec()))
    }

    /// The hash that 32 hexadecimal digits spell; `None` where they do not.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let bytes = bytes_of_hex(digits)?;
        (bytes.len() == 16).then(|| Self(Secret::new(bytes)))
    }

    /// `NTOWFv2`: the hash bound to a user and a domain.
    fn bind(&self, user: &str, domain: &str) -> Secret {
        let name = user.chars().map(upper).chain(domain.chars());
        let mut units = [0; 2];
        let bytes: Vec<u8> =
            name.flat_map(|char| char.encode_utf16(&mut units).to_vec()).flat_map(u16::to_le_bytes).collect();
        Secret::new(hmac_md5(self.0.expose(), &[&bytes]))
    }
}

/// Bytes in hexadecimal; `None` where there is any other character.
pub fn bytes_of_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.1.is_empty().then_some(())?;
    pairs.0.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// The capital letter as Windows has it: one for one.
fn upper(char: char) -> char {
    let mut capitals = char.to_uppercase();
    capitals.next().filter(|_| capitals.next().is_none()).unwrap_or(char)
}

/// What a server and a client said to each other.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The server's challenge.
    pub challenge: [u8; 8],
    /// User, as the client wrote it.
    pub user: &'a str,
    /// Domain, as the client wrote it.
    pub domain: &'a str,
    /// The NT response of NTLMv2: the proof and what it proves.
    pub nt_response: &'a [u8],
    /// The session key that the client chose, encrypted; empty where it did not.
    pub session_key: &'a [u8],
    /// Flags of the AUTHENTICATE.
    pub flags: u32,
}

impl Exchange<'_> {
    /// The session base key, where the response proves that password; `None` where it does not.
    pub fn prove(&self, hash: &NtHash) -> Option<Secret> {
        let (proof, blob) = self.nt_response.split_at_checked(PROOF)?;
        let key = hash.bind(self.user, self.domain);
        let expected = hmac_md5(key.expose(), &[&self.challenge, blob]);
        (proof == expected).then(|| Secret::new(hmac_md5(key.expose(), &[proof])))
    }
}

/// What one side signs with.
#[derive(Debug)]
struct SideKeys {
    sign: Secret,
    seal: Secret,
}

/// What both sides sign with.
#[derive(Debug)]
pub struct SessionKeys {
    client: SideKeys,
    server: SideKeys,
    key_exchange: bool,
}

impl SessionKeys {
    /// Derives them from the session base key of a proven exchange.
    ///
    /// # Errors
    /// Says what is not there for it.
    pub fn derive(exchange: &Exchange<'_>, base: &Secret) -> Result<Self, &'static str> {
        let has = |flag| exchange.flags & flag != 0;
        if !has(EXTENDED_SESSIONSECURITY) {
            return Err("signatures without extended session security are not checked");
        }
        let exported = match (has(KEY_EXCH), exchange.session_key.len()) {
            (true, 16) => Secret::new(rc4(base.expose(), exchange.session_key)),
            (true, _) => return Err("the encrypted session key is not there"),
            (false, _) => Secret::new(base.expose()),
        };
        let length = if has(SEAL_128) {
            16
        } else if has(SEAL_56) {
            7
        } else {
            5
        };
        let short = exported.expose().get(..length).unwrap_or_default();
        let side = |name: &str, other: &str| {
            let (sign, seal) = (format!("{name}-to-{other} signing"), format!("{name}-to-{other} sealing"));
            let key = |start: &[u8], what: &str| {
                let magic = format!("session key to {what} key magic constant\0");
                Secret::new(Md5::digest([start, magic.as_bytes()].concat()).to_vec())
            };
            SideKeys { sign: key(exported.expose(), &sign), seal: key(short, &seal) }
        };
        let (client, server) = (side("client", "server"), side("server", "client"));
        Ok(Self { client, server, key_exchange: has(KEY_EXCH) })
    }

    /// The signature of a buffer: `Out` the client's, `In` the server's.
    pub fn signature(&self, signer: Direction, buffer: &[u8]) -> [u8; SIGNATURE] {
        let keys = if signer == Direction::Out { &self.client } else { &self.server };
        let mac = hmac_md5(keys.sign.expose(), &[&SEQUENCE, buffer]);
        let checksum = mac.get(..8).unwrap_or_default();
        let checksum = if self.key_exchange {
            // In datagram mode each message has a sealing key of its own.
            let seal = Md5::digest([keys.seal.expose(), &SEQUENCE].concat());
            rc4(&seal, checksum)
        } else {
            checksum.to_vec()
        };
        let parts = [&[1, 0, 0, 0][..], &checksum, &SEQUENCE].concat();
        parts.first_chunk().copied().unwrap_or_default()
    }
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn rc4(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if let Ok(mut cipher) = <Rc4 as rc4::KeyInit>::new_from_slice(key) {
        cipher.apply_keystream(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digits: &str) -> Vec<u8> {
        bytes_of_hex(digits).unwrap()
    }

    /// [MS-NLMP] §4.2.4.
    const BLOB: &str = "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e0001000c00\
        5300650072007600650072000000000000000000";
    /// A published exchange of Communicator 2007 R2 with its server.
    const R2_RESPONSE: &str = "8dc0c800ae76eca606d2b9fbebd04731010100000000000059519a1727b9ca01d6ae875cb0fdaa4100000000\
        02000a0043004f0053004d004f000100180043004f0053004d004f002d004f00430053002d00520032000400160063006f0073006d006f00\
        2e006c006f00630061006c000300300063006f0073006d006f002d006f00630073002d00720032002e0063006f0073006d006f002e006c00\
        6f00630061006c000500160063006f0073006d006f002e006c006f00630061006c000000000000000000";

    #[test]
    fn hashes_of_a_password() {
        let hash = NtHash::of_password("Password");
        assert_eq!(hash.0.expose(), hex("a4f49c406510bdcab6824ee7c30fd852"));
        assert_eq!(hash.bind("User", "Domain").expose(), hex("0c868a403bfd7a93a3001ef22ef02e3f"));
        let same = NtHash::from_hex("A4F49C406510BDCAB6824EE7C30FD852").unwrap();
        assert_eq!(same.0.expose(), hash.0.expose());
        for bad in ["", "a4f4", "a4f49c406510bdcab6824ee7c30fd85", "a4f49c406510bdcab6824ee7c30fd85z", "é"] {
            assert!(NtHash::from_hex(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_exchange_of_the_specification() {
        let response = [hex("68cd0ab851e51c96aabc927bebef6a1c"), hex(BLOB)].concat();
        let mut exchange = Exchange {
            challenge: [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef],
            user: "User",
            domain: "Domain",
            nt_response: &response,
            session_key: &hex("c5dad2544fc9799094ce1ce90bc9d03e"),
            flags: 0xe288_8235,
        };
        let base = exchange.prove(&NtHash::of_password("Password")).unwrap();
        assert_eq!(base.expose(), hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
        let keys = SessionKeys::derive(&exchange, &base).unwrap();
        assert_eq!(keys.client.sign.expose(), hex("4788dc861b4782f35d43fd98fe1a2d39"));
        assert_eq!(keys.client.seal.expose(), hex("59f600973cc4960a25480a7c196e4c58"));
        assert!(exchange.prove(&NtHash::of_password("password")).is_none());
        exchange.domain = "domain";
        assert!(exchange.prove(&NtHash::of_password("Password")).is_none(), "the domain is taken as it stands");
        exchange.session_key = &[];
        assert!(SessionKeys::derive(&exchange, &base).is_err());
        exchange.flags = 0;
        assert!(SessionKeys::derive(&exchange, &base).is_err());
        exchange.nt_response = &[];
        assert!(exchange.prove(&NtHash::of_password("Password")).is_none());
    }

    #[test]
    fn a_published_exchange_both_ways() {
        let exchange = Exchange {
            challenge: [0xdd, 0x1b, 0xaa, 0xf4, 0xe7, 0xe2, 0x18, 0xd1],
            user: "User",
            domain: "COSMO",
            nt_response: &hex(R2_RESPONSE),
            session_key: &hex("31cb739e1ca80a498591e8ae797115e4"),
            flags: 0x6298_8255,
        };
        let base = exchange.prove(&NtHash::of_password("Pa$$word")).unwrap();
        let keys = SessionKeys::derive(&exchange, &base).unwrap();
        let request = "<NTLM><13317733><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
            <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52><sip:user@cosmo.local>\
            <><><><>";
        let response = "<NTLM><9616454F><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
            <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52><sip:user@cosmo.local>\
            <5E61CCD925D17E043D9A74835A88F664><><><7200><200>";
        let signature = keys.signature(Direction::Out, request.as_bytes());
        assert_eq!(signature.to_vec(), hex("0100000029618e9651b65a7764000000"));
        let signature = keys.signature(Direction::In, response.as_bytes());
        assert_eq!(signature.to_vec(), hex("01000000E615438A917661BE64000000"));
    }

    #[test]
    fn capitals_are_one_for_one() {
        assert_eq!("straße jürgen".chars().map(upper).collect::<String>(), "STRAßE JÜRGEN");
    }
}
