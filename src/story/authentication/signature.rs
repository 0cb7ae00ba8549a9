//! Signatures of SIP messages ([MS-SIPAE] §3.2.5.2, §3.3.5.2): what is signed, and whether the signature fits.
//!
//! In: a message, the header that signs it, the keys of its security association. Out: a verdict. A wrong
//! signature is evidence, not an error.

use std::borrow::Cow;
use std::fmt;

use crate::crypto::dsk::{self, SigningKeys};
use crate::crypto::ntlm::{SessionKeys, bytes_of_hex};
use crate::model::Direction;
use crate::model::sip::{HeaderName, SipMessage};
use crate::wire::auth::{Auth, Parameter};
use crate::wire::sip::{parameter, split_outside, whole_uri};

/// Whether a signature is that of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// It is not.
    Wrong,
    /// That cannot be told, for that reason.
    NotCheckable(Cow<'static, str>),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::Wrong => f.write_str("wrong"),
            Self::NotCheckable(why) => write!(f, "not checkable: {why}"),
        }
    }
}

/// The signature of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who signed: `Out` the client, `In` the server.
    pub signer: Direction,
    /// Whether it fits.
    pub verdict: Verdict,
    /// What a wrong one fails for, where more is known than that it does not fit.
    pub why: Option<Cow<'static, str>>,
    /// Its algorithm.
    pub algorithm: &'static str,
    /// Number of the message in its security association: `cnum` or `snum`.
    pub number: Option<u32>,
}

/// Why a signature of NTLM is wrong where the password given is.
pub const NO_PROOF: &str = "the proof does not fit the password given";

impl Signature {
    /// Whether it is wrong only because the password given is not the user's.
    pub fn is_for_want_of_proof(&self) -> bool {
        self.why.as_deref() == Some(NO_PROOF)
    }
}

/// What a header claims.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    auth: &'a Auth<'a>,
    /// Who signs: `Out` the client, `In` the server.
    pub signer: Direction,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    /// The signature in credentials of a client, or in the information of a server; `None` where there is none.
    pub fn of(auth: &'a Auth<'a>, signer: Direction) -> Option<Self> {
        let name = if signer == Direction::Out { Parameter::Response } else { Parameter::Rspauth };
        let signature = auth.parameter(name).filter(|signature| !signature.is_empty())?;
        Some(Self { auth, signer, signature })
    }

    /// `crand` or `srand`, `cnum` or `snum`.
    fn salt(&self) -> [Option<&'a str>; 2] {
        use Parameter::{Cnum, Crand, Snum, Srand};
        let names = if self.signer == Direction::Out { [Crand, Cnum] } else { [Srand, Snum] };
        names.map(|name| self.auth.parameter(name))
    }

    /// The verdict by the keys of NTLM.
    pub fn check_ntlm(&self, buffer: &str, keys: &SessionKeys) -> Signature {
        let expected = keys.signature(self.signer, buffer.as_bytes());
        self.compare(NTLM, |claimed| (claimed.len() == expected.len()).then(|| expected.to_vec()))
    }

    /// The verdict by the keys of TLS-DSK; the length tells the hash.
    pub fn check_tls_dsk(&self, buffer: &str, keys: &SigningKeys) -> Signature {
        let named = dsk::algorithm(self.signature.len() / 2);
        let signature = |hash| keys.signature(self.signer, hash, buffer.as_bytes());
        self.compare(self.tls_dsk_algorithm(), |_| named.map(|(hash, _)| signature(hash)))
    }

    /// The algorithm of a signature of TLS-DSK.
    pub fn tls_dsk_algorithm(&self) -> &'static str {
        dsk::algorithm(self.signature.len() / 2).map_or("unknown", |(_, name)| name)
    }

    fn compare(&self, algorithm: &'static str, expected: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Signature {
        let claimed = bytes_of_hex(self.signature);
        let (verdict, why) = match claimed.as_deref().map(|claimed| expected(claimed).map(|found| found == claimed)) {
            Some(Some(true)) => (Verdict::Right, None),
            Some(Some(false)) => (Verdict::Wrong, None),
            Some(None) => (Verdict::Wrong, Some("its length is that of no signature".into())),
            None => (Verdict::Wrong, Some("it is not hexadecimal".into())),
        };
        Signature { why, ..self.verdict(verdict, algorithm) }
    }

    /// A verdict that needs no keys.
    pub fn verdict(&self, verdict: Verdict, algorithm: &'static str) -> Signature {
        let number = self.salt()[1].and_then(|number| number.parse().ok());
        Signature { signer: self.signer, verdict, why: None, algorithm, number }
    }
}

/// The algorithm of NTLM.
pub const NTLM: &str = "NTLM MAC";

/// The text that is signed. From protocol version 3 on it has more in it ([MS-SIPAE] §3.2.5.2; before, [MS-SIP]
/// §3.1.4.2). What is missing is empty.
pub fn buffer(message: &SipMessage, claim: &Claim<'_>, version: u32) -> String {
    let header = |id| message.header(id).unwrap_or_default();
    let (from, to, cseq) = (header(HeaderName::From), header(HeaderName::To), header(HeaderName::CSeq));
    let call_id = header(HeaderName::CallId);
    let (number, method) = cseq.split_once(char::is_whitespace).unwrap_or((&cseq, ""));
    let [rand, count] = claim.salt();
    let own = |name| claim.auth.parameter(name).unwrap_or_default();
    let mut text = String::with_capacity(256);
    let mut add = |value: &str| text.extend(["<", value, ">"]);
    add(claim.auth.scheme);
    add(rand.unwrap_or_default());
    add(count.unwrap_or_default());
    add(own(Parameter::Realm));
    add(own(Parameter::TargetName));
    add(&call_id);
    add(number);
    add(method.trim());
    add(whole_uri(&from));
    add(parameter(&from, "tag").unwrap_or_default());
    if version >= 3 {
        add(whole_uri(&to));
    }
    add(parameter(&to, "tag").unwrap_or_default());
    if version >= 3 {
        let (sip, tel) = asserted(message);
        add(&sip);
        add(&tel);
    }
    add(&message.header(HeaderName::Expires).unwrap_or_default());
    if let Some(status) = message.status() {
        add(&status.to_string());
    }
    text
}

/// The SIP and the tel URI that a message asserts, else those that it prefers; empty where there are none.
fn asserted(message: &SipMessage) -> (String, String) {
    let (mut sip, mut tel) = (String::new(), String::new());
    let named = |name: &str| {
        let values = message.headers_where(|_, known| known.eq_ignore_ascii_case(name.as_bytes()));
        values.map(|header| header.value.into_owned()).collect::<Vec<_>>()
    };
    let mut values = named("P-Asserted-Identity");
    if values.is_empty() {
        values = named("P-Preferred-Identity");
    }
    for uri in values.iter().flat_map(|value| split_outside(value, ',')).map(identity) {
        let begins = |scheme: &str| uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        if begins("sip:") && sip.is_empty() {
            uri.clone_into(&mut sip);
        } else if begins("tel:") && tel.is_empty() {
            uri.clone_into(&mut tel);
        }
    }
    (sip, tel)
}

/// The URI of an identity; without brackets, all of it.
fn identity(value: &str) -> &str {
    if value.contains('<') { whole_uri(value) } else { value.trim() }
}

/// For the fuzzer: any bytes as a message, with each of its header fields as the one that signs it.
pub fn fuzz(bytes: &[u8]) {
    use crate::model::sip::Carrier;
    let Some(head) = crate::wire::sip::parse_head(bytes) else { return };
    let message = crate::wire::sip::message(bytes.into(), bytes.len(), head, Carrier::Tcp, true);
    for header in message.headers() {
        let Some(auth) = Auth::parse(&header.value) else { continue };
        for signer in Direction::BOTH {
            let Some(claim) = Claim::of(&auth, signer) else { continue };
            let (old, new) = (buffer(&message, &claim, 2), buffer(&message, &claim, 4));
            assert!(old.starts_with('<') && new.starts_with('<') && old.len() <= new.len() && new.ends_with('>'));
            assert!(claim.compare("none", |_| None).verdict == Verdict::Wrong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sip::Carrier;
    use crate::wire::sip::{self, parse_head};

    fn message(text: &str) -> SipMessage {
        let text = text.replace('\n', "\r\n");
        let head = parse_head(text.as_bytes()).unwrap();
        sip::message(text.as_bytes().into(), text.len(), head, Carrier::Tcp, true)
    }

    #[track_caller]
    fn check(text: &str, signer: Direction, version: u32, expected: &str) {
        let message = message(text);
        let value = message
            .headers()
            .find(|header| header.name.contains("Auth"))
            .map(|header| header.value.into_owned())
            .unwrap();
        let auth = Auth::parse(&value).unwrap();
        assert_eq!(buffer(&message, &Claim::of(&auth, signer).unwrap(), version), expected);
        fuzz(text.as_bytes());
    }

    /// A published answer of a server of version 2, and what it signs.
    const OLD: &str = "SIP/2.0 200 OK\nAuthentication-Info: NTLM rspauth=\"0100000000000000BF2E52667DDF6DED\", \
        srand=\"0878F41B\", snum=\"1\", opaque=\"4452DFB0\", qop=\"auth\", targetname=\"ocs1.ocs.provo.novell.com\", \
        realm=\"SIP Communications Service\"\n\
        From: \"Gabriel Burt\"<sip:gabriel@ocs.provo.novell.com>;tag=2947328781;epid=1234567890\n\
        To: <sip:gabriel@ocs.provo.novell.com>;tag=B816D65C2300A32CFA6D371F2AF537FD\n\
        Call-ID: 8592g5DCBa1694i5887m0D0Bt2247b3F38xAE9Fx\nCSeq: 3 REGISTER\nExpires: 900\n\n";

    /// A published request of Communicator 2007 R2.
    const NEW: &str = "REGISTER sip:cosmo.local SIP/2.0\nFrom: <sip:user@cosmo.local>;tag=3e49177a52;epid=c8ca638a15\n\
        To: <sip:user@cosmo.local>\nCall-ID: 4037df9284354df39065195bd57a4b14\nCSeq: 3 REGISTER\n\
        Proxy-Authorization: NTLM qop=\"auth\", realm=\"SIP Communications Service\", opaque=\"2BDBAC9D\", \
        targetname=\"cosmo-ocs-r2.cosmo.local\", version=4, crand=\"13317733\", cnum=\"1\", \
        response=\"0100000029618e9651b65a7764000000\"\n\n";

    #[test]
    fn published_buffers() {
        check(
            OLD,
            Direction::In,
            2,
            "<NTLM><0878F41B><1><SIP Communications Service><ocs1.ocs.provo.novell.com>\
            <8592g5DCBa1694i5887m0D0Bt2247b3F38xAE9Fx><3><REGISTER><sip:gabriel@ocs.provo.novell.com><2947328781>\
            <B816D65C2300A32CFA6D371F2AF537FD><900><200>",
        );
        check(
            NEW,
            Direction::Out,
            4,
            "<NTLM><13317733><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
            <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52><sip:user@cosmo.local>\
            <><><><>",
        );
    }

    /// The middle of the buffer: From URI to the tel URI.
    #[track_caller]
    fn check_ends(headers: &str, expected: &str) {
        let text = format!("BENOTIFY sip:a@b SIP/2.0\n{headers}Authentication-Info: X rspauth=\"00\"\n\n");
        check(&text, Direction::In, 4, &format!("<X><><><><><><><>{expected}<>"));
    }

    #[test]
    fn identities_and_addresses() {
        check_ends(
            "f: \"A <b>, c\" <sip:a@b;gruu;opaque=x>;tag=1\nt: sip:c@d;tag=2\n",
            "<sip:a@b;gruu;opaque=x><1><sip:c@d><2><><>",
        );
        check_ends(
            "P-Asserted-Identity: \"Lunch, Lucas\" <sip:llucas@cisco.com>,<tel:+420123456;ext=88463>\n",
            "<><><><><sip:llucas@cisco.com><tel:+420123456;ext=88463>",
        );
        check_ends(
            "P-Asserted-Identity: tel:+14085264000\nP-Preferred-Identity: <sip:no@b>\n",
            "<><><><><><tel:+14085264000>",
        );
        check_ends("P-Preferred-Identity: <SIP:Ann@b>\n", "<><><><><SIP:Ann@b><>");
    }

    #[test]
    fn what_is_no_signature_is_wrong() {
        let message = message(OLD);
        for (value, why) in [("xyz", "it is not hexadecimal"), ("0100", "its length is that of no signature")] {
            let value = format!("TLS-DSK rspauth=\"{value}\", snum=\"7\"");
            let auth = Auth::parse(&value).unwrap();
            let claim = Claim::of(&auth, Direction::In).unwrap();
            let keys =
                SigningKeys { client: crate::crypto::Secret::new(*b"a"), server: crate::crypto::Secret::new(*b"b") };
            let found = claim.check_tls_dsk(&buffer(&message, &claim, 4), &keys);
            assert_eq!((found.verdict, found.why.as_deref(), found.number), (Verdict::Wrong, Some(why), Some(7)));
        }
        assert!(Claim::of(&Auth::parse("NTLM response=\"\"").unwrap(), Direction::Out).is_none());
    }

    #[test]
    fn any_bytes_end() {
        for sample in [OLD, NEW] {
            for length in 0..sample.len() {
                fuzz(&sample.as_bytes()[..length]);
                let mut bent = sample.as_bytes().to_vec();
                for value in [0, b'<', b'"', b',', 0xff] {
                    bent[length] = value;
                    fuzz(&bent);
                }
            }
        }
    }
}
