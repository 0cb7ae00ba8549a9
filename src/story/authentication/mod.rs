//! Authentication of SIP messages ([MS-SIPAE]): tokens opened, signatures verified.
//!
//! In: SIP messages in order, and keys. Out: for each with a challenge, credentials or a signature, what that
//! says. Remembers security associations, bounded. Kerberos signatures need keys that no
//! capture has.

pub mod http;
pub mod ntlm;
pub mod signature;
pub mod tls_dsk;

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use smallvec::SmallVec;

use crate::crypto::KeyStore;
use crate::model::kerberos::KerberosMessage;
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::tls::KeySource;
use crate::model::{Direction, FlowKey, Limits, Recent};
use crate::story::steps::{call_id, clip};
use crate::wire::auth::{Auth, Parameter};
use crate::wire::kerberos;
use crate::wire::ntlm as wire;
use crate::wire::spnego;
use ntlm::{Keys, Ntlm, Proof};
use signature::{Claim, Signature, Verdict};
use tls_dsk::{Flight, Inner};

/// Most challenges or credentials of a message that are looked at: servers know four schemes.
const MOST_HEADERS: usize = 16;

/// Characters by which the ids of associations are told apart: servers write 8 characters in `opaque`, clients up to 80 in
/// Call-ID.
const LONGEST_ID: usize = 256;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Parameters of a challenge or of credentials that matter to the story ([MS-SIPAE] §2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// `realm`.
    pub realm: Option<Cow<'static, str>>,
    /// `version` of the protocol.
    pub version: Option<u32>,
    /// `targetname`, `opaque` and `sts-uri`: nearly every message has some, and one allocation is enough for them.
    texts: Box<str>,
    /// Where the second and the third begin.
    begins: [usize; 2],
}

impl Terms {
    fn of(auth: &Auth<'_>) -> Self {
        let value = |name| auth.parameter(name).filter(|value| !value.is_empty());
        let texts = [Parameter::TargetName, Parameter::Opaque, Parameter::StsUri].map(|name| value(name).unwrap_or(""));
        let [target, opaque, _] = texts.map(str::len);
        Self {
            realm: value(Parameter::Realm).map(named),
            version: auth.parameter(Parameter::Version).and_then(|version| version.trim().parse().ok()),
            texts: texts.concat().into(),
            begins: [target, target + opaque],
        }
    }

    fn text(&self, range: Range<usize>) -> Option<&str> {
        self.texts.get(range).filter(|text| !text.is_empty())
    }

    /// `targetname`: the server, or its service principal name.
    pub fn target(&self) -> Option<&str> {
        self.text(0..self.begins[0])
    }

    /// `opaque`: the server's name of the security association.
    pub fn opaque(&self) -> Option<&str> {
        self.text(self.begins[0]..self.begins[1])
    }

    /// `sts-uri`: where a certificate is to be had.
    pub fn sts_uri(&self) -> Option<&str> {
        self.text(self.begins[1]..self.texts.len())
    }

    fn weight(&self) -> usize {
        self.texts.len() + self.realm.as_ref().map_or(0, |realm| realm.len())
    }
}

/// A name that stands in nearly every message is not kept with each of them.
fn named(name: &str) -> Cow<'static, str> {
    let usual = ["NTLM", "TLS-DSK", "Kerberos", "SIP Communications Service"];
    let known = usual.into_iter().find(|known| *known == name);
    known.map_or_else(|| name.to_owned().into(), Cow::Borrowed)
}

/// A scheme that a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `NTLM`, `Kerberos`, `TLS-DSK` …
    pub scheme: Cow<'static, str>,
    /// Its parameters.
    pub terms: Terms,
}

/// What `gssapi-data` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Nothing: the client asks for a challenge.
    Empty,
    /// A message of NTLM.
    Ntlm(Box<Ntlm>),
    /// Part of a TLS handshake.
    TlsDsk(Box<Flight>),
    /// A message of Kerberos, out of what wraps it.
    Kerberos(Box<KerberosMessage>),
    /// Bytes of any other kind.
    Other(Vec<u8>),
    /// Something that cannot be read, for that reason.
    Unreadable(Cow<'static, str>),
}

impl Token {
    /// In one line.
    pub fn line(&self) -> String {
        match self {
            Self::Empty => "empty".to_owned(),
            Self::Ntlm(ntlm) if ntlm.proof == Some(Proof::DoesNotFit) => {
                format!("{}, which does not prove the password given", ntlm.message.line())
            }
            Self::Ntlm(ntlm) => ntlm.message.line(),
            Self::TlsDsk(flight) => flight.messages.join(", "),
            Self::Kerberos(message) => kerberos_line(message),
            Self::Other(bytes) => format!("{} bytes", bytes.len()),
            Self::Unreadable(why) => why.to_string(),
        }
    }

    /// About how many bytes of memory it takes.
    fn weight(&self) -> usize {
        match self {
            Self::Ntlm(ntlm) => ntlm.message.weight(),
            Self::TlsDsk(flight) => {
                2048 + flight.messages.len() * 24 + flight.authorities.iter().map(String::len).sum::<usize>()
            }
            Self::Kerberos(message) => message.weight(),
            Self::Other(bytes) => bytes.len(),
            Self::Empty | Self::Unreadable(_) => 0,
        }
    }
}

/// Opens a token that needs no keys and no state, whatever wraps it (RFC 4178, RFC 2743); `None` where it is of
/// no kind that is known.
fn open(bytes: &[u8]) -> Option<Token> {
    match spnego::open(bytes).inner {
        spnego::Inner::Ntlm(inner) => Some(Token::Ntlm(Box::new(Ntlm { message: wire::parse(inner)?, proof: None }))),
        spnego::Inner::Kerberos(inner) => Some(Token::Kerberos(Box::new(kerberos::parse(inner).ok()?.message))),
        spnego::Inner::Unknown => None,
    }
}

/// A message of Kerberos in one line.
fn kerberos_line(message: &KerberosMessage) -> String {
    let error = message.error.map(|error| format!(" {error}")).unwrap_or_default();
    let service = message.service.as_ref().map(|service| format!(" for {service}")).unwrap_or_default();
    let realm = message.realm.as_ref().map(|realm| format!("@{realm}")).unwrap_or_default();
    let etype = message.etypes.first().map(|etype| format!(", {}", etype.name())).unwrap_or_default();
    format!("{}{error}{service}{realm}{etype}", message.kind.name())
}

/// What a message says of authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// The scheme in use; of several offered, the first.
    pub scheme: Cow<'static, str>,
    /// Its parameters.
    pub terms: Terms,
    /// Its token; `None` where the message has no `gssapi-data`.
    pub token: Option<Token>,
    /// All schemes that a 401 or 407 offers, in order.
    pub offers: Vec<Offer>,
    /// The signature of the message; `None` where it has none.
    pub signature: Option<Signature>,
}

impl Authentication {
    /// What it carries of the handshake inside TLS-DSK.
    pub fn flight(&self) -> Option<&Flight> {
        if let Some(Token::TlsDsk(flight)) = &self.token { Some(flight) } else { None }
    }

    /// The scheme in use, or all that are offered.
    pub fn schemes(&self) -> Cow<'_, str> {
        if self.offers.len() < 2 {
            return Cow::Borrowed(&self.scheme);
        }
        self.offers.iter().map(|offer| &*offer.scheme).collect::<Vec<_>>().join(", ").into()
    }

    /// Whether the signature is wrong.
    pub fn is_wrong(&self) -> bool {
        self.signature.as_ref().is_some_and(|signature| signature.verdict == Verdict::Wrong)
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let offers = self.offers.iter().map(|offer| size_of::<Offer>() + offer.scheme.len() + offer.terms.weight());
        let token = self.token.as_ref().map_or(0, Token::weight);
        size_of::<Self>() + self.scheme.len() + self.terms.weight() + offers.sum::<usize>() + token
    }
}

/// What a security association is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    flow: FlowKey,
    scheme: Scheme,
    /// Its name; else the Call-ID of its handshake, before the server names it.
    is_named: bool,
    id: String,
}

impl Key {
    /// By `opaque`, where it has a name, or by the Call-ID; `room` is where the id is written.
    fn new(room: String, flow: FlowKey, scheme: Scheme, opaque: Option<&str>, call_id: &str) -> Self {
        let mut id = room;
        id.clear();
        id.push_str(clip(opaque.unwrap_or(call_id), LONGEST_ID));
        Self { flow, scheme, is_named: opaque.is_some(), id }
    }
}

/// The schemes whose tokens are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Ntlm,
    TlsDsk,
    Kerberos,
    Other,
}

impl Scheme {
    fn of(name: &str) -> Self {
        let known = [("NTLM", Self::Ntlm), ("TLS-DSK", Self::TlsDsk), ("Kerberos", Self::Kerberos)];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(Self::Other, |(_, scheme)| scheme)
    }
}

/// What is known of a security association.
#[derive(Debug)]
enum Kind {
    Ntlm(ntlm::Association),
    TlsDsk(Box<Inner>),
}

#[derive(Debug)]
struct Association {
    /// Version of the protocol, which not every message repeats.
    version: Option<u32>,
    kind: Kind,
}

impl Association {
    const fn is_large(&self) -> bool {
        matches!(&self.kind, Kind::TlsDsk(inner) if inner.is_large())
    }
}

/// The security associations of a capture.
#[derive(Debug)]
pub struct Tracker {
    /// Those whose handshake is under way: large, and few at one time.
    handshakes: Recent<Key, Association>,
    /// All others.
    associations: Recent<Key, Association>,
    proven: Vec<KeySource>,
    /// Room for the id of the next message.
    id: String,
}

/// A header with a challenge, credentials or a signature.
struct Carried<'a> {
    auth: Auth<'a>,
    /// Who wrote it: `Out` the client, `In` the server. A request of the server has the server's, and the
    /// client's response to it the client's.
    writer: Direction,
    is_challenge: bool,
}

impl Carried<'_> {
    fn data(&self) -> Option<&str> {
        self.auth.parameter(Parameter::GssapiData)
    }

    /// How much it says; of several headers the one that says most counts.
    fn rank(&self) -> u8 {
        match self.data() {
            Some(data) if !data.is_empty() => 3,
            _ if Claim::of(&self.auth, self.writer).is_some() => 2,
            Some(_) => 1,
            None => 0,
        }
    }
}

impl Tracker {
    /// Knows no association.
    pub fn new(limits: &Limits) -> Self {
        Self {
            // Twice as many may be held.
            handshakes: Recent::new(limits.pending_bytes / (2 * tls_dsk::LARGEST)),
            associations: Recent::new(limits.remembered),
            proven: Vec::new(),
            id: String::new(),
        }
    }

    /// How many associations were forgotten.
    pub const fn forgotten(&self) -> u64 {
        self.handshakes.forgotten() + self.associations.forgotten()
    }

    /// Where the passwords stand that an answer proved.
    pub fn take_proven(&mut self) -> Vec<KeySource> {
        std::mem::take(&mut self.proven)
    }

    /// The TLS session inside TLS-DSK of that name.
    pub fn inner(&self, flow: &FlowKey, opaque: &str) -> Option<&Inner> {
        let key = Key::new(String::new(), *flow, Scheme::TlsDsk, Some(opaque), "");
        match &self.handshakes.peek(&key).or_else(|| self.associations.peek(&key))?.kind {
            Kind::TlsDsk(inner) => Some(inner),
            Kind::Ntlm(_) => None,
        }
    }

    /// Takes a message; `None` where it has nothing to do with authentication.
    pub fn message(&mut self, flow: &FlowKey, message: &SipMessage, keys: &KeyStore) -> Option<Authentication> {
        let values = carriers(message);
        let mut carried = SmallVec::<[Carried<'_>; 1]>::new();
        for (value, writer, is_challenge) in &values {
            if let Some(auth) = Auth::parse(value) {
                carried.push(Carried { auth, writer: *writer, is_challenge: *is_challenge });
            }
        }
        // The first of those that say most.
        let main = carried.iter().rev().max_by_key(|carried| carried.rank())?;
        let offer =
            |carried: &Carried<'_>| Offer { scheme: named(carried.auth.scheme), terms: Terms::of(&carried.auth) };
        let offers = carried.iter().filter(|carried| carried.is_challenge).map(offer).collect();
        let Offer { scheme, terms } = offer(main);
        let room = std::mem::take(&mut self.id);
        let named = Key::new(room, *flow, Scheme::of(&scheme), terms.opaque(), &call_id(message));
        let place = Place { named, message, version: terms.version };
        let token = main.data().map(|data| self.token(&place, main.writer, data, keys));
        let signature = Claim::of(&main.auth, main.writer).map(|claim| self.verify(&place, &claim));
        self.id = place.named.id;
        Some(Authentication { scheme, terms, token, offers, signature })
    }

    fn token(&mut self, place: &Place<'_>, writer: Direction, data: &str, keys: &KeyStore) -> Token {
        if data.is_empty() {
            return Token::Empty;
        }
        let text: Cow<'_, str> = if data.bytes().all(|byte| byte.is_ascii_graphic()) {
            data.into()
        } else {
            data.split_whitespace().collect::<Vec<_>>().concat().into()
        };
        let Ok(bytes) = BASE64.decode(text.as_bytes()) else {
            return Token::Unreadable("gssapi-data that is no base64".into());
        };
        match place.named.scheme {
            Scheme::Ntlm => {
                let inner = match spnego::open(&bytes).inner {
                    spnego::Inner::Ntlm(inner) => inner,
                    _ => &bytes,
                };
                match wire::parse(inner) {
                    Some(message) => self.ntlm(place, message, inner, keys),
                    None => Token::Other(bytes),
                }
            }
            Scheme::TlsDsk => {
                let begins = writer == Direction::Out && tls_dsk::begins(&bytes);
                let new = || Kind::TlsDsk(Box::default());
                let mut association = self.take(place, begins, new);
                let Kind::TlsDsk(inner) = &mut association.kind else { return Token::Other(bytes) };
                let flight = inner.flight(writer, &bytes, keys);
                self.keep(place, association);
                Token::TlsDsk(Box::new(flight))
            }
            Scheme::Kerberos | Scheme::Other => open(&bytes).unwrap_or(Token::Other(bytes)),
        }
    }

    fn ntlm(&mut self, place: &Place<'_>, message: wire::Message, bytes: &[u8], keys: &KeyStore) -> Token {
        let mut association = self.take(place, false, || Kind::Ntlm(ntlm::Association::default()));
        let Kind::Ntlm(exchange) = &mut association.kind else { return Token::Other(bytes.to_vec()) };
        let ntlm = exchange.message(message, bytes, keys);
        if let Some(Proof::Fits(source)) = &ntlm.proof
            && !self.proven.contains(source)
        {
            self.proven.push(source.clone());
        }
        self.keep(place, association);
        Token::Ntlm(Box::new(ntlm))
    }

    /// Takes an association out to be changed, or a new one where there is none or a new one `begins`. The
    /// one that the Call-ID stood for gets its name.
    fn take(&mut self, place: &Place<'_>, begins: bool, new: impl FnOnce() -> Kind) -> Association {
        let mut remove = |key: &Key| self.handshakes.remove(key).or_else(|| self.associations.remove(key));
        let found = remove(&place.named).or_else(|| remove(&place.call()));
        let version = place.version.or(found.as_ref().and_then(|found| found.version));
        match found.filter(|_| !begins) {
            Some(found) => Association { version, ..found },
            None => Association { version, kind: new() },
        }
    }

    fn keep(&mut self, place: &Place<'_>, association: Association) {
        let map = if association.is_large() { &mut self.handshakes } else { &mut self.associations };
        map.insert(place.named.clone(), association);
    }

    /// The association of a signed message, which counts as used.
    fn find(&mut self, place: &Place<'_>) -> Option<&mut Association> {
        let is_known = |key: &Key| self.associations.peek(key).is_some() || self.handshakes.peek(key).is_some();
        let call = if is_known(&place.named) { None } else { Some(place.call()).filter(is_known) };
        let key = call.as_ref().unwrap_or(&place.named);
        if self.associations.peek(key).is_some() {
            self.associations.get_mut(key)
        } else {
            self.handshakes.get_mut(key)
        }
    }

    fn verify(&mut self, place: &Place<'_>, claim: &Claim<'_>) -> Signature {
        let scheme = place.named.scheme;
        let algorithm = match scheme {
            Scheme::Ntlm => signature::NTLM,
            Scheme::TlsDsk => claim.tls_dsk_algorithm(),
            Scheme::Kerberos => "GSS_GetMIC",
            Scheme::Other => "unknown",
        };
        let not_checkable = |why: Cow<'static, str>| claim.verdict(Verdict::NotCheckable(why), algorithm);
        match scheme {
            Scheme::Kerberos => return not_checkable("Kerberos signatures need the session key".into()),
            Scheme::Other => return not_checkable("signatures of this scheme are not checked".into()),
            Scheme::Ntlm | Scheme::TlsDsk => {}
        }
        let Some(association) = self.find(place) else {
            return not_checkable("the handshake of its security association is not in the capture".into());
        };
        association.version = place.version.or(association.version);
        // TLS-DSK came with version 4; where NTLM names no version, it is that of LCS 2005.
        let version = association.version.unwrap_or(if scheme == Scheme::TlsDsk { 4 } else { 2 });
        let buffer = || signature::buffer(place.message, claim, version);
        match &association.kind {
            Kind::TlsDsk(inner) => match &inner.keys {
                Some(keys) => claim.check_tls_dsk(&buffer(), keys),
                None => not_checkable("no key for the TLS inside TLS-DSK".into()),
            },
            Kind::Ntlm(exchange) => match &exchange.keys {
                Keys::Known(keys) => claim.check_ntlm(&buffer(), keys),
                Keys::Unknown(why) => not_checkable(why.clone()),
                Keys::DoNotFit => {
                    Signature { why: Some(signature::NO_PROOF.into()), ..claim.verdict(Verdict::Wrong, algorithm) }
                }
            },
        }
    }
}

/// Where an association stands.
struct Place<'a> {
    /// By its name, where it has one; else by its Call-ID.
    named: Key,
    message: &'a SipMessage,
    version: Option<u32>,
}

impl Place<'_> {
    /// By its Call-ID.
    fn call(&self) -> Key {
        Key::new(String::new(), self.named.flow, self.named.scheme, None, &call_id(self.message))
    }
}

/// A value of a header that carries a challenge, credentials or a signature; who wrote it, and whether it is a
/// challenge.
type Carrier<'a> = (Cow<'a, str>, Direction, bool);

/// Values of the headers that carry challenges, credentials and signatures, with what they are.
fn carriers(message: &SipMessage) -> SmallVec<[Carrier<'_>; 1]> {
    use HeaderName as H;
    let mut found = SmallVec::new();
    for field in message.headers.iter() {
        let (writer, is_challenge) = match field.id {
            H::Authorization | H::ProxyAuthorization => (Direction::Out, false),
            H::WwwAuthenticate | H::ProxyAuthenticate => (Direction::In, true),
            H::AuthenticationInfo | H::ProxyAuthenticationInfo => (Direction::In, false),
            _ => continue,
        };
        if found.len() < MOST_HEADERS {
            found.push((message.value(field), writer, is_challenge));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sip::Carrier;
    use crate::model::{PacketNo, PointNo, TransportKind};
    use crate::wire::sip;

    fn message(text: &str) -> SipMessage {
        let text = format!("{text}\r\nCall-ID: c\r\n\r\n");
        let head = sip::parse_head(text.as_bytes()).unwrap();
        sip::message(text.as_bytes().into(), text.len(), head, Carrier::Tcp, true)
    }

    fn flow() -> FlowKey {
        let end = |port| ([10, 0, 0, 1], port).into();
        let (point, opened) = (PointNo(0), PacketNo::FIRST);
        FlowKey { point, transport: TransportKind::Tcp, client: end(9), server: end(5060), opened }
    }

    fn told(text: &str) -> Option<Authentication> {
        Tracker::new(&Limits::default()).message(&flow(), &message(text), &KeyStore::default())
    }

    #[track_caller]
    fn check(text: &str, scheme: &str, token: Option<&str>, signature: Option<&str>) {
        let told = told(text).unwrap();
        assert_eq!(told.schemes(), scheme);
        assert_eq!(told.token.as_ref().map(Token::line).as_deref(), token);
        assert_eq!(told.signature.map(|signature| signature.verdict.to_string()).as_deref(), signature);
        assert!(told.offers.len() <= MOST_HEADERS);
    }

    #[test]
    fn what_headers_say() {
        let request = "REGISTER sip:a SIP/2.0\r\n";
        let answer = "SIP/2.0 401 Unauthorized\r\n";
        assert!(told(&format!("{request}X: y")).is_none());
        check(&format!("{request}Authorization: NTLM gssapi-data=\"\""), "NTLM", Some("empty"), None);
        check(
            &format!("{request}Proxy-Authorization: Kerberos gssapi-data=\"YII\""),
            "Kerberos",
            Some("2 bytes"),
            None,
        );
        let bad = "gssapi-data that is no base64";
        check(&format!("{request}Authorization: NTLM gssapi-data=\"!\""), "NTLM", Some(bad), None);
        check(&format!("{request}Authorization: NTLM gssapi-data=\"YIIB\""), "NTLM", Some("3 bytes"), None);
        let folded = "Authorization: ntlm gssapi-data=\"TlRMTVNT\r\n  UAAJAAAA\"";
        check(&format!("{request}{folded}"), "ntlm", Some("message of type 9"), None);
        let offers =
            "WWW-Authenticate: NTLM realm=\"r\"\r\nWWW-Authenticate: TLS-DSK sts-uri=\"https://s/\", version=4";
        check(&format!("{answer}{offers}"), "NTLM, TLS-DSK", None, None);
        assert_eq!(told(&format!("{answer}{offers}")).unwrap().offers[1].terms.sts_uri(), Some("https://s/"));
        check(
            &format!("{answer}{}", "WWW-Authenticate: X\r\n".repeat(40).trim_end()),
            &["X"; 16].join(", "),
            None,
            None,
        );
        let missing = "not checkable: the handshake of its security association is not in the capture";
        check(&format!("{request}Authorization: TLS-DSK response=\"00\""), "TLS-DSK", None, Some(missing));
        let kerberos = "not checkable: Kerberos signatures need the session key";
        check(&format!("{answer}Proxy-Authentication-Info: Kerberos rspauth=\"00\""), "Kerberos", None, Some(kerberos));
        let other = "not checkable: signatures of this scheme are not checked";
        check(&format!("{request}Authorization: Digest response=\"00\""), "Digest", None, Some(other));
        // The header that says most counts.
        let two = "Authorization: Digest a=b\r\nProxy-Authorization: Kerberos response=\"00\"";
        check(&format!("{request}{two}"), "Kerberos", None, Some(kerberos));
    }

    #[test]
    fn associations_are_bounded() {
        let limits = Limits::within(4 << 20);
        let mut tracker = Tracker::new(&limits);
        let hello = "FgMBAAQBAAAA"; // a record with an empty client hello
        let challenge = "TlRMTVNTUAACAAAAAAAAAAAAAAAAAAAAAQIDBAUGBwg=";
        let long = "é".repeat(1000);
        for number in 0..5000 {
            for (scheme, data) in [("TLS-DSK", hello), ("NTLM", challenge)] {
                let text = format!(
                    "REGISTER sip:a SIP/2.0\r\nAuthorization: {scheme} opaque=\"{number}{long}\", gssapi-data=\"{data}\""
                );
                let told = tracker.message(&flow(), &message(&text), &KeyStore::default()).unwrap();
                assert!(matches!(told.token, Some(Token::TlsDsk(_) | Token::Ntlm(_))), "{told:?}");
            }
        }
        assert!(tracker.handshakes.len() * tls_dsk::LARGEST <= limits.pending_bytes.max(2 * tls_dsk::LARGEST));
        assert!(tracker.associations.len() <= 2 * limits.remembered);
        assert!(tracker.forgotten() > 0);
        let mut keys = tracker.associations.drain().map(|(key, _)| key);
        assert!(keys.all(|key| key.is_named && key.id.chars().count() == LONGEST_ID));
    }
}
