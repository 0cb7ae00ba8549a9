//! Keys: what was given, and what is derived from it. Secrets do not print.
//!
//! Knows nothing of packets, files or protocols' state: a key is looked up by what a handshake shows.

pub mod account;
pub mod dsk;
pub mod master;
pub mod ntlm;
pub mod prf;
pub mod rsa_key;
pub mod secret;
pub mod store;
pub mod suites;

pub use account::Account;
pub use prf::Prf;
pub use rsa_key::{KeyError, RsaKey};
pub use secret::Secret;
pub use store::KeyStore;
