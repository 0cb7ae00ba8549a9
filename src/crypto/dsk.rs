//! Signing keys of TLS-DSK authentication ([MS-SIPAE] §3.2.5.1).

use crate::crypto::prf::Prf;
use crate::crypto::secret::Secret;

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
}
