//! An NTLM exchange in `gssapi-data`: a challenge, the answer to it, and whether a password that was given fits.

use std::borrow::Cow;

use crate::crypto::KeyStore;
use crate::crypto::ntlm::{Exchange, SessionKeys};
use crate::model::tls::KeySource;
use crate::wire::ntlm::{self, Authenticate, Body, Message, ResponseKind};

/// Whether the answer proves a password that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It proves the password that stands there.
    Fits(KeySource),
    /// It proves none of those given for the user.
    DoesNotFit,
    /// That cannot be told.
    NotCheckable(Cow<'static, str>),
}

/// What one message carries of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ntlm {
    /// The message of NTLM.
    pub message: Message,
    /// For an answer: whether it proves a password.
    pub proof: Option<Proof>,
}

/// What messages of an association are signed with.
#[derive(Debug)]
pub enum Keys {
    /// These keys.
    Known(SessionKeys),
    /// The password given does not fit, and so no signature does.
    DoNotFit,
    /// Nothing can be told.
    Unknown(Cow<'static, str>),
}

/// An exchange.
#[derive(Debug)]
pub struct Association {
    challenge: Option<[u8; 8]>,
    /// What its messages are signed with.
    pub keys: Keys,
}

impl Default for Association {
    fn default() -> Self {
        Self { challenge: None, keys: Keys::Unknown("the NTLM answer is not in the capture".into()) }
    }
}

impl Association {
    /// Takes a message of NTLM, and the bytes that it was read from.
    pub fn message(&mut self, message: Message, bytes: &[u8], store: &KeyStore) -> Ntlm {
        let proof = match &message.body {
            Body::Challenge { challenge, .. } => {
                *self = Self { challenge: Some(*challenge), ..Self::default() };
                None
            }
            Body::Authenticate(said) => {
                let (proof, keys) = self.answer(said, message.flags.0, bytes, store);
                self.keys = keys;
                Some(proof)
            }
            Body::Negotiate { .. } | Body::Unknown(_) => None,
        };
        Ntlm { message, proof }
    }

    fn answer(&self, said: &Authenticate, flags: u32, bytes: &[u8], store: &KeyStore) -> (Proof, Keys) {
        let exchange = match self.exchange(said, flags, bytes) {
            Ok(exchange) => exchange,
            Err(why) => return not_checkable(why),
        };
        if !store.has_accounts() {
            return not_checkable("no password given");
        }
        let mut accounts = store.accounts_of(&said.domain, &said.user).peekable();
        if accounts.peek().is_none() {
            return not_checkable(format!("no password given for {}", said.account()));
        }
        match accounts.find_map(|account| Some((exchange.prove(&account.hash)?, &account.source))) {
            None => (Proof::DoesNotFit, Keys::DoNotFit),
            Some((base, source)) => {
                let keys = SessionKeys::derive(&exchange, &base);
                let keys = keys.map_or_else(|why| Keys::Unknown(why.into()), Keys::Known);
                (Proof::Fits(source.clone()), keys)
            }
        }
    }

    /// What is proven, where it is all there.
    fn exchange<'a>(&self, said: &'a Authenticate, flags: u32, bytes: &'a [u8]) -> Result<Exchange<'a>, &'static str> {
        match said.kind {
            ResponseKind::Anonymous => return Err("the client comes as nobody"),
            ResponseKind::V1 => return Err("responses of NTLMv1 are not checked"),
            ResponseKind::V2 => {}
        }
        let challenge = self.challenge.ok_or("the NTLM challenge is not in the capture")?;
        let responses = ntlm::responses(bytes).ok_or("the NTLM answer is damaged")?;
        let (user, domain) = (said.user.as_str(), said.domain.as_str());
        let (nt_response, session_key) = (responses.nt, responses.session_key);
        Ok(Exchange { challenge, user, domain, nt_response, session_key, flags })
    }
}

fn not_checkable(why: impl Into<Cow<'static, str>>) -> (Proof, Keys) {
    let why = why.into();
    (Proof::NotCheckable(why.clone()), Keys::Unknown(why))
}
