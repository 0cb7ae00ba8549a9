//! Authentication tokens: GSS-API framing (RFC 2743 §3.1), SPNEGO (RFC 4178), and what is inside.
//!
//! In: one token. Out: the mechanisms it offers or chooses, how far the negotiation is, and the NTLM
//! or Kerberos message in it. What cannot be read is [`Inner::Unknown`].

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::wire::der;

/// What a token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Mechanisms that are offered, or the one that is chosen or used, by name.
    pub mechanisms: Vec<Cow<'static, str>>,
    /// How far the negotiation is.
    pub state: Option<NegState>,
    /// The message inside.
    pub inner: Inner<'a>,
}

/// `negState` of a `NegTokenResp` (RFC 4178 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name in the RFC")]
pub enum NegState {
    AcceptCompleted,
    AcceptIncomplete,
    Reject,
    RequestMic,
}

impl NegState {
    /// As the RFC spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcceptCompleted => "accept-completed",
            Self::AcceptIncomplete => "accept-incomplete",
            Self::Reject => "reject",
            Self::RequestMic => "request-mic",
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AcceptCompleted),
            1 => Some(Self::AcceptIncomplete),
            2 => Some(Self::Reject),
            3 => Some(Self::RequestMic),
            _ => None,
        }
    }
}

/// The message inside a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner<'a> {
    /// An NTLM message (MS-NLMP).
    Ntlm(&'a [u8]),
    /// A Kerberos message: AP-REQ, AP-REP or KRB-ERROR (RFC 4121 §4.1).
    Kerberos(&'a [u8]),
    /// None, or none that is known.
    Unknown,
}

/// Tokens within tokens that are opened: GSS-API, SPNEGO, GSS-API once more, and one to spare.
const DEEPEST: u8 = 4;
/// Most mechanisms that are kept; Windows offers five.
const MOST_MECHANISMS: usize = 16;

const SPNEGO: &[u8] = &[0x2b, 6, 1, 5, 5, 2];

/// Object identifiers as DER has them, with their names.
const MECHANISMS: [(&[u8], &str); 6] = [
    (SPNEGO, "SPNEGO"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2], "Kerberos"),
    (&[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2], "MS-Kerberos"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 3], "Kerberos user-to-user"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10], "NTLMSSP"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 30], "NEGOEX"),
];

/// Token identifiers of AP-REQ, AP-REP and KRB-ERROR (RFC 4121 §4.1).
const TOKEN_IDS: [[u8; 2]; 3] = [[1, 0], [2, 0], [3, 0]];

/// Opens a token.
pub fn open(token: &[u8]) -> Opened<'_> {
    let mut opened = Opened { mechanisms: Vec::new(), state: None, inner: Inner::Unknown };
    let mut next = Some(token);
    for _ in 0..DEEPEST {
        let Some(token) = next else { break };
        next = step(token, &mut opened);
    }
    opened
}

/// Opens one layer; returns the token inside of it.
fn step<'a>(token: &'a [u8], opened: &mut Opened<'a>) -> Option<&'a [u8]> {
    if token.starts_with(b"NTLMSSP\0") {
        opened.inner = Inner::Ntlm(token);
        return None;
    }
    let (element, _) = der::take(token)?;
    match element.tag {
        0x60 => framed(element.content, opened),
        0xa0 => offer(element.content, opened),
        0xa1 => answer(element.content, opened),
        0x6e | 0x6f | 0x7e => {
            opened.inner = Inner::Kerberos(token);
            None
        }
        _ => None,
    }
}

/// GSS-API: a mechanism, and its token.
fn framed<'a>(content: &'a [u8], opened: &mut Opened<'a>) -> Option<&'a [u8]> {
    let (mechanism, rest) = der::take(content)?;
    if mechanism.tag != 6 {
        return None;
    }
    if mechanism.content != SPNEGO && opened.mechanisms.is_empty() {
        opened.mechanisms.push(name(mechanism.content));
    }
    match rest.split_first_chunk::<2>() {
        Some((id, message)) if TOKEN_IDS.contains(id) => Some(message),
        _ => Some(rest),
    }
}

/// `NegTokenInit` (RFC 4178 §4.2.1).
fn offer<'a>(content: &'a [u8], opened: &mut Opened<'a>) -> Option<&'a [u8]> {
    let fields = der::open(content, 0x30)?;
    let list = der::find(fields, 0xa0).and_then(|list| der::open(list, 0x30)).unwrap_or_default();
    let names = der::elements(list).filter(|element| element.tag == 6).map(|element| name(element.content));
    opened.mechanisms = names.take(MOST_MECHANISMS).collect();
    der::find(fields, 0xa2).and_then(|token| der::open(token, 4))
}

/// `NegTokenResp` (RFC 4178 §4.2.2).
fn answer<'a>(content: &'a [u8], opened: &mut Opened<'a>) -> Option<&'a [u8]> {
    let fields = der::open(content, 0x30)?;
    let state = der::find(fields, 0xa0).and_then(|state| der::open(state, 10));
    opened.state = state.and_then(<[u8]>::first).and_then(|&state| NegState::of(state));
    opened.mechanisms.extend(der::find(fields, 0xa1).and_then(|chosen| der::open(chosen, 6)).map(name));
    opened.mechanisms.truncate(MOST_MECHANISMS);
    der::find(fields, 0xa2).and_then(|token| der::open(token, 4))
}

/// The name of a mechanism, or its object identifier in hexadecimal.
fn name(identifier: &[u8]) -> Cow<'static, str> {
    if let Some((_, name)) = MECHANISMS.iter().find(|(known, _)| *known == identifier) {
        return (*name).into();
    }
    let hex = identifier.iter().take(32).fold(String::from("OID "), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    hex.into()
}

/// Any token is opened within the bounds, and what is inside lies at its end.
pub fn fuzz(token: &[u8]) {
    let opened = open(token);
    assert!(opened.mechanisms.len() <= MOST_MECHANISMS);
    match opened.inner {
        Inner::Ntlm(inner) => assert!(inner.starts_with(b"NTLMSSP\0") && inner.len() <= token.len()),
        Inner::Kerberos(inner) => assert!(!inner.is_empty() && inner.len() <= token.len()),
        Inner::Unknown => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::kerberos::samples::{self, der};

    const NTLM: &[u8] = b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2";

    fn oid(name: &str) -> Vec<u8> {
        der(6, MECHANISMS.iter().find(|(_, known)| *known == name).unwrap().0)
    }

    fn framed(mechanism: &str, token: &[u8]) -> Vec<u8> {
        der(0x60, &[oid(mechanism), token.to_vec()].concat())
    }

    fn offer(mechanisms: &[&str], token: &[u8]) -> Vec<u8> {
        let list: Vec<u8> = mechanisms.iter().flat_map(|name| oid(name)).collect();
        let fields = [der(0xa0, &der(0x30, &list)), der(0xa2, &der(4, token))].concat();
        framed("SPNEGO", &der(0xa0, &der(0x30, &fields)))
    }

    fn answer(state: u8, mechanism: &str, token: &[u8]) -> Vec<u8> {
        let fields = [der(0xa0, &der(10, &[state])), der(0xa1, &oid(mechanism)), der(0xa2, &der(4, token))].concat();
        der(0xa1, &der(0x30, &fields))
    }

    fn kerberos(mechanism: &str, id: u8, message: &[u8]) -> Vec<u8> {
        framed(mechanism, &[&[id, 0][..], message].concat())
    }

    #[track_caller]
    fn check(token: &[u8], mechanisms: &[&str], state: Option<NegState>, inner: Inner<'_>) {
        let opened = open(token);
        assert_eq!(
            (opened.mechanisms.as_slice(), opened.state, opened.inner),
            (&*mechanisms.iter().map(|&name| Cow::from(name.to_owned())).collect::<Vec<_>>(), state, inner)
        );
    }

    #[test]
    fn tokens() {
        let (request, reply) = (samples::ap_request(), samples::ap_answer());
        check(NTLM, &[], None, Inner::Ntlm(NTLM));
        check(&request, &[], None, Inner::Kerberos(&request));
        check(&kerberos("Kerberos", 1, &request), &["Kerberos"], None, Inner::Kerberos(&request));
        check(&kerberos("MS-Kerberos", 2, &reply), &["MS-Kerberos"], None, Inner::Kerberos(&reply));
        let offered = ["MS-Kerberos", "Kerberos", "NTLMSSP"];
        let token = offer(&offered, &kerberos("Kerberos", 1, &request));
        check(&token, &offered, None, Inner::Kerberos(&request));
        check(&offer(&["NTLMSSP"], NTLM), &["NTLMSSP"], None, Inner::Ntlm(NTLM));
        let token = answer(1, "NTLMSSP", NTLM);
        check(&token, &["NTLMSSP"], Some(NegState::AcceptIncomplete), Inner::Ntlm(NTLM));
        let token = answer(0, "Kerberos", &kerberos("Kerberos", 2, &reply));
        check(&token, &["Kerberos"], Some(NegState::AcceptCompleted), Inner::Kerberos(&reply));
        check(&kerberos("Kerberos", 9, &reply), &["Kerberos"], None, Inner::Unknown);
        check(b"", &[], None, Inner::Unknown);
        check(&der(0x60, &der(6, &[1, 2])), &["OID 0102"], None, Inner::Unknown);
    }

    /// Written out byte by byte, not with the builders above.
    #[test]
    fn a_token_by_hand() {
        let token =
            b"\x60\x20\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x16\x30\x14\xa0\x0e\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\
            \x37\x02\x02\x0a\xa2\x02\x04\x00";
        check(token, &["NTLMSSP"], None, Inner::Unknown);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = (0..50).fold(NTLM.to_vec(), |token, _| offer(&["NTLMSSP"], &token));
        check(&nested, &["NTLMSSP"], None, Inner::Unknown);
    }

    #[test]
    fn any_bytes_end() {
        let request = samples::ap_request();
        for sample in [offer(&["NTLMSSP", "Kerberos"], &kerberos("Kerberos", 1, &request)), answer(2, "NTLMSSP", NTLM)]
        {
            for length in 0..sample.len() {
                fuzz(&sample[..length]);
                for flip in [0xff, 0x01, 0x80] {
                    let mut bent = sample.clone();
                    bent[length] ^= flip;
                    fuzz(&bent);
                }
            }
        }
    }
}
