//! Signing keys and signatures of TLS-DSK authentication ([MS-SIPAE] §3.2.5.1).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use crate::crypto::prf::Prf;
use crate::crypto::secret::Secret;
use crate::crypto::suites::Hash;
use crate::model::Direction;

/// What client and server sign their messages with.
#[derive(Debug)]
pub struct SigningKeys {
    /// Keys the `response` of client messages.
    pub client: Secret,
    /// Keys the `rspauth` of server messages.
    pub server: Secret,
}

impl SigningKeys {
    /// Derives them from the master secret of the TLS session inside `gssapi-data`: bytes 64 to 127 of
    /// what the label of EAP-TLS yields.
    pub fn derive(prf: Prf, master: &Secret, client_random: &[u8; 32], server_random: &[u8; 32]) -> Self {
        let mut block = [0; 128];
        let seed = [*client_random, *server_random].concat();
        prf.expand(master.expose(), b"client EAP encryption", &seed, &mut block);
        let (_, signing) = block.split_at(64);
        let (client, server) = signing.split_at(32);
        Self { client: Secret::new(client), server: Secret::new(server) }
    }

    /// The signature of a buffer: `Out` the client's, `In` the server's.
    pub fn signature(&self, signer: Direction, hash: Hash, buffer: &[u8]) -> Vec<u8> {
        let key = if signer == Direction::Out { &self.client } else { &self.server };
        match hash {
            Hash::Md5 => mac::<Hmac<Md5>>(key, buffer),
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, buffer),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, buffer),
            Hash::Sha384 => mac::<Hmac<Sha384>>(key, buffer),
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &Secret, buffer: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key.expose()) else { return Vec::new() };
    mac.update(buffer);
    mac.finalize().into_bytes().to_vec()
}

/// The hash of a signature of so many bytes, and the name of the algorithm. The suite would tell it, too, but
/// for AEAD suites only by a guess, which is the hash of their PRF; the length always tells.
pub const fn algorithm(length: usize) -> Option<(Hash, &'static str)> {
    match length {
        16 => Some((Hash::Md5, "HMAC-MD5")),
        20 => Some((Hash::Sha1, "HMAC-SHA-1")),
        32 => Some((Hash::Sha256, "HMAC-SHA-256")),
        48 => Some((Hash::Sha384, "HMAC-SHA-384")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "<TLS-DSK><5f0c11aa><1><SIP Communications Service><fe01.ex.test><4f6e0c0ffee><4><REGISTER>\
        <sip:ann@ex.test><a1b2c3><sip:ann@ex.test><><><><>";
    const RESPONSE: &str = "<TLS-DSK><9A7B33D0><1><SIP Communications Service><fe01.ex.test><4f6e0c0ffee><4><REGISTER>\
        <sip:ann@ex.test><a1b2c3><sip:ann@ex.test><0D0E0F><><><7200><200>";

    /// A signature picks its hash by its length.
    #[track_caller]
    fn check(prf: Prf, signer: Direction, expected: &str) {
        let master = Secret::new((0..48).collect::<Vec<u8>>());
        let keys = SigningKeys::derive(prf, &master, &[0x11; 32], &[0x22; 32]);
        let (hash, _) = algorithm(expected.len() / 2).unwrap();
        let buffer = if signer == Direction::Out { REQUEST } else { RESPONSE };
        let found: Vec<_> =
            keys.signature(signer, hash, buffer.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found.concat(), expected);
    }

    #[test]
    fn known_vectors() {
        use Direction::{In, Out};
        check(Prf::Md5Sha1, Out, "f314b30e11a718a73380157f84fe7e7f9633e087");
        check(Prf::Md5Sha1, In, "4d9bca18de9da082b34483e0766e74a17ef1ec02");
        check(Prf::Sha256, Out, "4b1342aeebe4a074f479702d0128a19425f1d1f018f703c189abbc9f2e34a853");
        check(Prf::Sha256, In, "03dd2c628691e5856412788766b45375c05311a31a0b22986b650ee2d492e82c");
        check(Prf::Sha256, Out, "820e65b4be88b79d960bb1e66c9c055ae083aedf");
        let request =
            "b80753b613dc92889aaf08b8b6298fbc8b3c1c42ba5ef879585715a483feddd2aab1b9e2c01637d2a5f4fd3f7f795ce4";
        check(Prf::Sha384, Out, request);
        let response =
            "fcf6730af46aff7b453f9b2c9db4d0421fa277e216c3bde09688706dc1adc459835d8ad84fd3a80503ab23a748b964f7";
        check(Prf::Sha384, In, response);
    }

    #[test]
    fn other_lengths_are_no_signatures() {
        assert!([0, 1, 8, 28, 64].into_iter().all(|length| algorithm(length).is_none()));
        assert_eq!(algorithm(16).map(|(_, name)| name), Some("HMAC-MD5"));
    }
}
