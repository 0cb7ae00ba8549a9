//! Kerberos messages (RFC 4120).
//!
//! In: the DER of one message. Out: what of it is readable without a key. A message that is not as the
//! RFC says is read field by field as far as it goes, with a defect beside it. Decrypts nothing and
//! keeps no ciphertext.

use kerberos_parser::krb5::{ApRep, ApReq, KdcRep, KdcReq, KrbError, PrincipalName, Ticket};
use kerberos_parser::krb5_parser::{parse_as_rep, parse_as_req, parse_tgs_rep, parse_tgs_req};
// The trait of asn1-rs, which both crates build on and only this one passes on.
use x509_parser::prelude::FromDer;

use crate::model::kerberos::{EncryptionType, ErrorCode, KerberosKind, KerberosMessage, PreAuthentication};
use crate::model::{Defect, Timestamp};
use crate::wire::der;

/// Most encryption or pre-authentication types that are kept: no client lists more than a dozen.
const MOST_LISTED: usize = 64;
/// Longest name or text that is kept, in characters. Principals of real directories are far below.
const LONGEST_TEXT: usize = 1024;

const SEQUENCE: u8 = 0x30;
const APPLICATION: u8 = 0x60;

/// What was read of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The message.
    pub message: KerberosMessage,
    /// What was wrong with it.
    pub defect: Option<Defect>,
}

/// Which message begins here, by its tag and the sequence in it.
pub fn begins(bytes: &[u8]) -> Option<KerberosKind> {
    let (element, _) = der::take(bytes)?;
    let kind = KerberosKind::of_tag(element.tag.checked_sub(APPLICATION)?)?;
    element.content.first().is_none_or(|&tag| tag == SEQUENCE).then_some(kind)
}

/// Bytes of the message that begins here, by its own length; may be more than there are.
pub fn whole_length(bytes: &[u8]) -> usize {
    der::take(bytes).map_or(0, |(element, _)| element.length)
}

/// Reads a message.
///
/// # Errors
/// The bytes begin no Kerberos message.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Defect> {
    let kind = begins(bytes).ok_or_else(|| Defect::new("Kerberos", 0, "no Kerberos message"))?;
    if let Some(message) = strictly(kind, bytes) {
        return Ok(Parsed { message, defect: None });
    }
    let cut = der::take(bytes).is_some_and(|(element, _)| element.length > bytes.len());
    let what = if cut { "the message is cut" } else { "the message is not as RFC 4120 says" };
    Ok(Parsed { message: leniently(kind, bytes), defect: Some(Defect::new("Kerberos", 0, what)) })
}

fn strictly(kind: KerberosKind, bytes: &[u8]) -> Option<KerberosMessage> {
    let mut message = KerberosMessage::new(kind);
    match kind {
        KerberosKind::AsReq => request(&parse_as_req(bytes).ok()?.1, &mut message),
        KerberosKind::TgsReq => request(&parse_tgs_req(bytes).ok()?.1, &mut message),
        KerberosKind::AsRep => answer(&parse_as_rep(bytes).ok()?.1, &mut message),
        KerberosKind::TgsRep => answer(&parse_tgs_rep(bytes).ok()?.1, &mut message),
        KerberosKind::ApReq => ticket(&ApReq::from_der(bytes).ok()?.1.ticket, &mut message),
        KerberosKind::ApRep => message.etypes.push(EncryptionType(ApRep::from_der(bytes).ok()?.1.enc_part.etype.0)),
        KerberosKind::Error => error(&KrbError::from_der(bytes).ok()?.1, &mut message),
    }
    Some(message)
}

fn request(request: &KdcReq<'_>, message: &mut KerberosMessage) {
    let body = &request.req_body;
    message.realm = bounded(&body.realm.0);
    message.client = body.cname.as_ref().and_then(principal);
    message.service = body.sname.as_ref().and_then(principal);
    message.etypes = body.etype.iter().take(MOST_LISTED).map(|etype| EncryptionType(etype.0)).collect();
    let padata = request.padata.iter().take(MOST_LISTED);
    message.preauthentication = padata.map(|data| PreAuthentication(data.padata_type.0)).collect();
}

fn answer(answer: &KdcRep<'_>, message: &mut KerberosMessage) {
    ticket(&answer.ticket, message);
    message.client = principal(&answer.cname);
    let padata = answer.padata.iter().take(MOST_LISTED);
    message.preauthentication = padata.map(|data| PreAuthentication(data.padata_type.0)).collect();
}

fn ticket(ticket: &Ticket<'_>, message: &mut KerberosMessage) {
    message.realm = bounded(&ticket.realm.0);
    message.service = principal(&ticket.sname);
    message.etypes.push(EncryptionType(ticket.enc_part.etype.0));
    message.kvno = ticket.enc_part.kvno;
}

fn error(error: &KrbError<'_>, message: &mut KerberosMessage) {
    message.realm = bounded(&error.realm.0);
    message.client = error.cname.as_ref().and_then(principal);
    message.service = principal(&error.sname);
    message.error = Some(ErrorCode(error.error_code.0));
    message.error_text = error.etext.as_deref().and_then(bounded);
    message.server_time = parts(&error.stime.0, error.susec);
    message.client_time = error.ctime.as_ref().and_then(|time| parts(&time.0, error.cusec.unwrap_or(0)));
}

fn bounded(text: &str) -> Option<String> {
    let text: String = text.trim_end_matches('\0').chars().take(LONGEST_TEXT).collect();
    (!text.is_empty()).then_some(text)
}

fn principal(name: &PrincipalName) -> Option<String> {
    bounded(&name.to_string())
}

/// A time with its microseconds; `None` where there is no such date.
fn parts(time: &x509_parser::der_parser::asn1_rs::ASN1DateTime, micros: u32) -> Option<Timestamp> {
    timestamp([time.year, time.month.into(), time.day.into(), time.hour.into(), time.minute.into(), time.second.into()])
        .map(|time| Timestamp::from_nanos(time.as_nanos() + i64::from(micros) * 1000))
}

fn timestamp([year, month, day, hour, minute, second]: [u32; 6]) -> Option<Timestamp> {
    let small = |number| i8::try_from(number).ok();
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    // A leap second is told as the one before it.
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second.min(59))?, 0).ok()?;
    let instant = jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    let nanos = i64::try_from(instant.as_nanosecond()).ok()?;
    Some(Timestamp::from_nanos(nanos))
}

/// Reads field by field what the strict parser refuses: names that are no ASCII, a message that is cut.
fn leniently(kind: KerberosKind, bytes: &[u8]) -> KerberosMessage {
    let mut message = KerberosMessage::new(kind);
    let tag = der::take(bytes).map_or(0, |(element, _)| element.tag);
    let Some(fields) = sequence(bytes, tag) else { return message };
    match kind {
        KerberosKind::AsReq | KerberosKind::TgsReq => {
            message.preauthentication = types(fields, 3, 1).map(PreAuthentication).collect();
            let Some(body) = field(fields, 4).and_then(|body| der::open(body, SEQUENCE)) else { return message };
            message.client = field(body, 1).and_then(name);
            message.realm = field(body, 2).and_then(text);
            message.service = field(body, 3).and_then(name);
            let etypes = field(body, 8).and_then(|list| der::open(list, SEQUENCE)).unwrap_or_default();
            let etypes = der::elements(etypes).take(MOST_LISTED).filter_map(|element| der::int32(element.content));
            message.etypes = etypes.map(EncryptionType).collect();
        }
        KerberosKind::AsRep | KerberosKind::TgsRep => {
            message.preauthentication = types(fields, 2, 1).map(PreAuthentication).collect();
            message.client = field(fields, 4).and_then(name);
            lenient_ticket(fields, 5, &mut message);
        }
        KerberosKind::ApReq => lenient_ticket(fields, 3, &mut message),
        KerberosKind::ApRep => {}
        KerberosKind::Error => {
            message.error = field(fields, 6).and_then(|code| der::int32(der::take(code)?.0.content)).map(ErrorCode);
            message.client = field(fields, 8).and_then(name);
            message.realm = field(fields, 9).and_then(text);
            message.service = field(fields, 10).and_then(name);
            message.error_text = field(fields, 11).and_then(text);
        }
    }
    message
}

fn lenient_ticket(fields: &[u8], number: u8, message: &mut KerberosMessage) {
    let ticket = field(fields, number).and_then(|ticket| sequence(ticket, APPLICATION | 1));
    message.realm = ticket.and_then(|ticket| field(ticket, 1)).and_then(text);
    message.service = ticket.and_then(|ticket| field(ticket, 2)).and_then(name);
}

/// The fields of a sequence inside an application tag.
fn sequence(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    der::open(der::open(bytes, tag)?, SEQUENCE)
}

fn field(fields: &[u8], number: u8) -> Option<&[u8]> {
    der::find(fields, 0xa0 | number)
}

/// The numbers in field `inner` of each sequence in the list that is field `outer`.
fn types(fields: &[u8], outer: u8, inner: u8) -> impl Iterator<Item = i32> {
    let list = field(fields, outer).and_then(|list| der::open(list, SEQUENCE)).unwrap_or_default();
    let numbers = move |element: der::Element<'_>| der::int32(der::take(field(element.content, inner)?)?.0.content);
    der::elements(list).take(MOST_LISTED).filter_map(numbers)
}

/// A string of any kind.
fn text(bytes: &[u8]) -> Option<String> {
    bounded(&String::from_utf8_lossy(der::take(bytes)?.0.content))
}

/// A principal name.
fn name(bytes: &[u8]) -> Option<String> {
    let strings = field(der::open(bytes, SEQUENCE)?, 1).and_then(|list| der::open(list, SEQUENCE))?;
    let strings = der::elements(strings).take(MOST_LISTED);
    let strings = strings.map(|string| String::from_utf8_lossy(string.content).into_owned());
    bounded(&strings.collect::<Vec<_>>().join("/"))
}

/// Any bytes are read within the bounds.
pub fn fuzz(bytes: &[u8]) {
    let Ok(Parsed { message, defect }) = parse(bytes) else { return assert_eq!(begins(bytes), None) };
    assert_eq!(begins(bytes), Some(message.kind));
    assert!(defect.is_none_or(|defect| defect.layer == "Kerberos"));
    assert!(message.etypes.len() <= MOST_LISTED && message.preauthentication.len() <= MOST_LISTED);
    for text in [&message.realm, &message.client, &message.service, &message.error_text].into_iter().flatten() {
        assert!((1..=LONGEST_TEXT).contains(&text.chars().count()));
    }
}

/// Messages for tests, written from the definitions of RFC 4120 §5.
#[cfg(test)]
pub(crate) mod samples {
    /// An element of DER.
    pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let header = match length {
            0..128 => vec![tag, u8::try_from(length).unwrap()],
            _ => [&[tag, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [header, content.to_vec()].concat()
    }

    fn fields(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
        der(0x30, &fields.iter().flat_map(|(number, content)| der(0xa0 | number, content)).collect::<Vec<_>>())
    }

    fn int(number: u8) -> Vec<u8> {
        der(2, &[number])
    }

    fn string(text: &str) -> Vec<u8> {
        der(0x1b, text.as_bytes())
    }

    fn time(text: &str) -> Vec<u8> {
        der(0x18, text.as_bytes())
    }

    fn name(kind: u8, parts: &[&str]) -> Vec<u8> {
        let strings: Vec<u8> = parts.iter().flat_map(|part| string(part)).collect();
        fields(&[(0, int(kind)), (1, der(0x30, &strings))])
    }

    fn encrypted(etype: u8, kvno: u8) -> Vec<u8> {
        fields(&[(0, int(etype)), (1, int(kvno)), (2, der(4, &[0x5a; 200]))])
    }

    fn ticket(service: &[&str]) -> Vec<u8> {
        let content = fields(&[(0, int(5)), (1, string("EX.TEST")), (2, name(2, service)), (3, encrypted(18, 4))]);
        der(0x61, &content)
    }

    /// A TGS-REQ or AS-REQ.
    pub(crate) fn request(kind: u8, client: Option<&str>, service: &[&str]) -> Vec<u8> {
        let mut body = vec![(0, der(3, &[0, 0x40, 0x81, 0, 0x10]))];
        body.extend(client.map(|client| (1, name(1, &[client]))));
        body.extend([
            (2, string("EX.TEST")),
            (3, name(2, service)),
            (5, time("20370913024805Z")),
            (7, der(2, &[0x12, 0x34, 0x56, 0x78])),
            (8, der(0x30, &[int(18), int(17), int(23)].concat())),
        ]);
        let padata = fields(&[(1, int(if kind == 12 { 1 } else { 2 })), (2, der(4, b"secret"))]);
        let request = [(1, int(5)), (2, int(kind)), (3, der(0x30, &padata)), (4, fields(&body))];
        der(0x60 | kind, &fields(&request))
    }

    /// A TGS-REP or AS-REP.
    pub(crate) fn answer(kind: u8, service: &[&str]) -> Vec<u8> {
        let answer = [
            (0, int(5)),
            (1, int(kind)),
            (3, string("EX.TEST")),
            (4, name(1, &["ann"])),
            (5, ticket(service)),
            (6, encrypted(18, 2)),
        ];
        der(0x60 | kind, &fields(&answer))
    }

    /// An AP-REQ.
    pub(crate) fn ap_request() -> Vec<u8> {
        let request = [
            (0, int(5)),
            (1, int(14)),
            (2, der(3, &[0, 0x20, 0, 0, 0])),
            (3, ticket(&["sip", "pool01.ex.test"])),
            (4, encrypted(18, 1)),
        ];
        der(0x6e, &fields(&request))
    }

    /// An AP-REP.
    pub(crate) fn ap_answer() -> Vec<u8> {
        der(0x6f, &fields(&[(0, int(5)), (1, int(15)), (2, encrypted(17, 1))]))
    }

    /// A KRB-ERROR.
    pub(crate) fn error(code: u8, service: &[&str]) -> Vec<u8> {
        let error = [
            (0, int(5)),
            (1, int(30)),
            (4, time("20260102030405Z")),
            (5, der(2, &[0x01, 0xe2, 0x40])),
            (6, int(code)),
            (9, string("EX.TEST")),
            (10, name(2, service)),
            (11, string("no such service")),
        ];
        der(0x7e, &fields(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &[&str] = &["sip", "pool01.ex.test"];

    fn all() -> Vec<Vec<u8>> {
        vec![
            samples::request(10, Some("ann"), &["krbtgt", "EX.TEST"]),
            samples::answer(11, &["krbtgt", "EX.TEST"]),
            samples::request(12, None, POOL),
            samples::answer(13, POOL),
            samples::ap_request(),
            samples::ap_answer(),
            samples::error(7, POOL),
        ]
    }

    fn read(bytes: &[u8]) -> KerberosMessage {
        let Parsed { message, defect } = parse(bytes).unwrap();
        assert_eq!(defect, None);
        message
    }

    #[test]
    fn requests() {
        let message = read(&samples::request(12, None, POOL));
        assert_eq!(message.kind.name(), "TGS-REQ");
        assert_eq!(
            (message.realm.as_deref(), message.service.as_deref()),
            (Some("EX.TEST"), Some("sip/pool01.ex.test"))
        );
        assert_eq!(message.etypes, [18, 17, 23].map(EncryptionType));
        assert_eq!(message.preauthentication, [PreAuthentication(1)]);
        assert_eq!(read(&samples::request(10, Some("ann"), POOL)).client.as_deref(), Some("ann"));
    }

    #[test]
    fn answers() {
        let message = read(&samples::answer(13, POOL));
        assert_eq!((message.kind.name(), message.client.as_deref()), ("TGS-REP", Some("ann")));
        assert_eq!((message.service.as_deref(), message.kvno), (Some("sip/pool01.ex.test"), Some(4)));
        assert_eq!(message.etypes, [EncryptionType(18)]);
        let message = read(&samples::ap_request());
        assert_eq!((message.kind.name(), message.kvno), ("AP-REQ", Some(4)));
        assert_eq!(read(&samples::ap_answer()).etypes, [EncryptionType(17)]);
    }

    #[test]
    fn errors() {
        let message = read(&samples::error(7, POOL));
        assert_eq!(message.error.unwrap().name(), "KDC_ERR_S_PRINCIPAL_UNKNOWN");
        assert_eq!(message.error_text.as_deref(), Some("no such service"));
        // 2026-01-02 03:04:05 UTC and 123,456 microseconds.
        assert_eq!(message.server_time, Some(Timestamp::from_nanos(1_767_323_045_123_456_000)));
        assert_eq!(message.client_time, None);
    }

    #[test]
    fn what_is_not_as_the_rfc_says_keeps_what_can_be_read() {
        let parsed = parse(&samples::request(10, Some("änn"), POOL)).unwrap();
        assert_eq!(parsed.defect.unwrap().what, "the message is not as RFC 4120 says");
        assert_eq!(parsed.message.client.as_deref(), Some("änn"));
        assert_eq!(parsed.message.service.as_deref(), Some("sip/pool01.ex.test"));
        assert_eq!(parsed.message.etypes.len(), 3);
        let whole = samples::answer(13, POOL);
        let parsed = parse(&whole[..300]).unwrap();
        assert_eq!(parsed.defect.unwrap().what, "the message is cut");
        assert_eq!(parsed.message.service.as_deref(), Some("sip/pool01.ex.test"));
        let error = samples::error(7, POOL);
        let parsed = parse(&error[..error.len() - 20]).unwrap();
        assert_eq!(parsed.message.error, Some(ErrorCode(7)));
        assert!(parse(b"\x16\x03\x01").is_err() && parse(b"").is_err() && parse(b"\x6a\x03\x02\x01\x05").is_err());
    }

    #[test]
    fn any_bytes_end() {
        for sample in all() {
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
