//! TLS records and handshake messages (RFC 5246, RFC 8446), and the hello of SSL 2.0 (RFC 5246 §E.2).
//!
//! In: bytes. Out: views of records, and what hellos say. Putting records together, order and keys
//! are `session::tls`. Unknown numbers and extensions are kept or passed over, never an error.

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::multi::{length_data, many0};
use nom::number::complete::{be_u8, be_u16, be_u24, be_u32};

use crate::model::tls::{Alert, ClientHello, ServerHello};
use crate::wire::sip::Likeness;

type Bytes<'a> = &'a [u8];

/// Length of a record header in bytes.
pub const RECORD_HEADER: usize = 5;

/// Longest fragment of a record: 2^14 and 2048 bytes of expansion (RFC 5246 §6.2.3).
pub const LONGEST_FRAGMENT: usize = (1 << 14) + 2048;

/// Longest handshake message that is believed: certificate chains of Windows stay below 64 KiB.
pub const LONGEST_HANDSHAKE: usize = 256 << 10;

/// Content types of records.
pub mod content {
    /// Change cipher spec.
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    /// Alert.
    pub const ALERT: u8 = 21;
    /// Handshake.
    pub const HANDSHAKE: u8 = 22;
    /// Application data.
    pub const APPLICATION_DATA: u8 = 23;
    /// Heartbeat (RFC 6520).
    pub const HEARTBEAT: u8 = 24;
}

/// Types of handshake messages.
pub mod handshake {
    /// Server asks for a new handshake.
    pub const HELLO_REQUEST: u8 = 0;
    /// Client's offer.
    pub const CLIENT_HELLO: u8 = 1;
    /// Server's choice.
    pub const SERVER_HELLO: u8 = 2;
    /// Ticket to resume with.
    pub const NEW_SESSION_TICKET: u8 = 4;
    /// Early data is over (TLS 1.3).
    pub const END_OF_EARLY_DATA: u8 = 5;
    /// Extensions behind encryption (TLS 1.3).
    pub const ENCRYPTED_EXTENSIONS: u8 = 8;
    /// Certificate chain.
    pub const CERTIFICATE: u8 = 11;
    /// Parameters of an ephemeral key exchange.
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    /// Server asks for a certificate.
    pub const CERTIFICATE_REQUEST: u8 = 13;
    /// Server has no more to say.
    pub const SERVER_HELLO_DONE: u8 = 14;
    /// Client proves its certificate.
    pub const CERTIFICATE_VERIFY: u8 = 15;
    /// Client's half of the key exchange.
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
    /// End of a handshake.
    pub const FINISHED: u8 = 20;
    /// New keys (TLS 1.3).
    pub const KEY_UPDATE: u8 = 24;
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Content type.
    pub kind: u8,
    /// Version field, which lies from TLS 1.3 on.
    pub version: u16,
    /// Bytes of the fragment.
    pub length: usize,
}

/// Reads a record header; `None` where fewer than five bytes are there.
pub fn record_header(bytes: &[u8]) -> Option<RecordHeader> {
    let &[kind, major, minor, high, low] = bytes.first_chunk::<5>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    Some(RecordHeader { kind, version: u16::from_be_bytes([major, minor]), length })
}

impl RecordHeader {
    /// Whether it can be the header of a record.
    pub const fn is_plausible(&self) -> bool {
        matches!(self.kind, 20..=24)
            && self.version >> 8 == 3
            && self.version & 0xff <= 4
            && self.length <= LONGEST_FRAGMENT
    }
}

/// Whether bytes begin a TLS stream: a hello of either side.
pub fn begins(bytes: &[u8]) -> Likeness {
    match bytes {
        [22, 3, 0..=4, _, _, 1 | 2, ..] => Likeness::Yes,
        [22] | [22, 3] | [22, 3, 0..=4] | [22, 3, 0..=4, _] | [22, 3, 0..=4, _, _] => Likeness::Unsure,
        _ if sslv2_length(bytes).is_some() => Likeness::Yes,
        _ => Likeness::No,
    }
}

/// Whether bytes can be in the middle of a TLS stream, at the start of a record.
pub fn continues(bytes: &[u8]) -> bool {
    record_header(bytes).is_some_and(|header| header.is_plausible() && header.length > 0)
}

/// Length of a client hello in the frame of SSL 2.0, header included, where `bytes` begin one.
pub fn sslv2_length(bytes: &[u8]) -> Option<usize> {
    let &[high, low, 1, major, minor, ..] = bytes.first_chunk::<11>()? else { return None };
    let length = usize::from(u16::from_be_bytes([high & 0x7f, low]));
    (high & 0x80 != 0 && (major == 3 || (major, minor) == (0, 2)) && (9..=4096).contains(&length)).then_some(length + 2)
}

/// A handshake message: type and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// Type.
    pub kind: u8,
    /// Body.
    pub body: &'a [u8],
    /// The whole, header included, as the transcript needs it.
    pub whole: &'a [u8],
}

/// Takes a handshake message off the front; `None` where it is not whole.
pub fn take_handshake(bytes: &[u8]) -> Option<(Handshake<'_>, &[u8])> {
    let header: IResult<Bytes<'_>, (u8, u32)> = (be_u8, be_u24).parse(bytes);
    let (rest, (kind, length)) = header.ok()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let whole = bytes.get(..4 + body.len())?;
    Some((Handshake { kind, body, whole }, rest))
}

/// Length that a handshake message claims; `None` where its header is not whole.
pub fn handshake_length(bytes: &[u8]) -> Option<usize> {
    let header: IResult<Bytes<'_>, (u8, u32)> = (be_u8, be_u24).parse(bytes);
    usize::try_from(header.ok()?.1.1).ok()
}

fn random(input: Bytes<'_>) -> IResult<Bytes<'_>, [u8; 32]> {
    map(take(32_usize), |bytes: Bytes<'_>| bytes.try_into().unwrap_or_default()).parse(input)
}

/// Extensions as number and data; an absent block is an empty list.
fn extensions(input: Bytes<'_>) -> Vec<(u16, Bytes<'_>)> {
    let block: IResult<Bytes<'_>, Bytes<'_>> = length_data(be_u16).parse(input);
    let Ok((_, block)) = block else { return Vec::new() };
    let list: IResult<Bytes<'_>, Vec<(u16, Bytes<'_>)>> = many0((be_u16, length_data(be_u16))).parse(block);
    list.map_or_else(|_| Vec::new(), |(_, list)| list)
}

fn numbers(input: Bytes<'_>) -> Vec<u16> {
    input.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Protocol names of an ALPN extension (RFC 7301).
fn alpn(data: Bytes<'_>) -> Vec<String> {
    let list: IResult<Bytes<'_>, Bytes<'_>> = length_data(be_u16).parse(data);
    let Ok((_, list)) = list else { return Vec::new() };
    let names: IResult<Bytes<'_>, Vec<Bytes<'_>>> = many0(length_data(be_u8)).parse(list);
    names.map_or_else(|_| Vec::new(), |(_, names)| names.into_iter().map(text).collect())
}

/// Host name of a server name extension (RFC 6066 §3).
fn server_name(data: Bytes<'_>) -> Option<String> {
    let list: IResult<Bytes<'_>, Bytes<'_>> = length_data(be_u16).parse(data);
    let names: IResult<Bytes<'_>, Vec<(u8, Bytes<'_>)>> = many0((be_u8, length_data(be_u16))).parse(list.ok()?.1);
    names.ok()?.1.into_iter().find(|(kind, _)| *kind == 0).map(|(_, name)| text(name))
}

/// Reads a client hello; `None` where its fixed part is cut.
pub fn client_hello(body: &[u8]) -> Option<ClientHello> {
    let fixed: IResult<Bytes<'_>, (u16, [u8; 32], Bytes<'_>, Bytes<'_>, Bytes<'_>)> =
        (be_u16, random, length_data(be_u8), length_data(be_u16), length_data(be_u8)).parse(body);
    let (rest, (legacy_version, random, session_id, suites, _compression)) = fixed.ok()?;
    let mut hello = ClientHello {
        legacy_version,
        random,
        session_id: session_id.to_vec(),
        suites: numbers(suites),
        ..ClientHello::default()
    };
    for (number, data) in extensions(rest) {
        match number {
            0 => hello.sni = server_name(data),
            16 => hello.alpn = alpn(data),
            22 => hello.encrypt_then_mac = true,
            23 => hello.extended_master_secret = true,
            35 => hello.ticket = (!data.is_empty()).then(|| data.to_vec()),
            42 => hello.early_data = true,
            43 => hello.versions = numbers(data.get(1..).unwrap_or_default()),
            _ => {}
        }
    }
    Some(hello)
}

/// Reads a client hello in the frame of SSL 2.0; `bytes` are the whole frame.
pub fn sslv2_client_hello(bytes: &[u8]) -> Option<ClientHello> {
    let fixed: IResult<Bytes<'_>, (u16, u8, u16, u16, u16, u16)> =
        (be_u16, be_u8, be_u16, be_u16, be_u16, be_u16).parse(bytes);
    let (rest, (_, _, legacy_version, suites, session, challenge)) = fixed.ok()?;
    let (suites, rest) = rest.split_at_checked(usize::from(suites))?;
    let (session_id, rest) = rest.split_at_checked(usize::from(session))?;
    let challenge = rest.get(..usize::from(challenge))?;
    let mut random = [0; 32];
    let challenge = challenge.get(challenge.len().saturating_sub(32)..)?;
    random.get_mut(32 - challenge.len()..)?.copy_from_slice(challenge);
    // Suites of TLS have a leading zero in their three bytes.
    let suites = suites.as_chunks::<3>().0.iter().filter(|suite| suite[0] == 0);
    let suites = suites.map(|suite| u16::from_be_bytes([suite[1], suite[2]])).collect();
    let session_id = session_id.to_vec();
    Some(ClientHello { legacy_version, random, session_id, suites, sslv2_framed: true, ..ClientHello::default() })
}

/// Random of a server hello that asks for another client hello (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Reads a server hello; `None` where its fixed part is cut.
pub fn server_hello(body: &[u8]) -> Option<ServerHello> {
    let fixed: IResult<Bytes<'_>, (u16, [u8; 32], Bytes<'_>, u16, u8)> =
        (be_u16, random, length_data(be_u8), be_u16, be_u8).parse(body);
    let (rest, (version, random, session_id, suite, _compression)) = fixed.ok()?;
    let mut hello = ServerHello {
        version,
        random,
        session_id: session_id.to_vec(),
        suite,
        retry: random == RETRY_RANDOM,
        ..ServerHello::default()
    };
    for (number, data) in extensions(rest) {
        match number {
            16 => hello.alpn = alpn(data).into_iter().next(),
            22 => hello.encrypt_then_mac = true,
            23 => hello.extended_master_secret = true,
            35 => hello.ticket = true,
            41 => hello.pre_shared_key = true,
            43 => hello.version = numbers(data).first().copied().unwrap_or(version),
            _ => {}
        }
    }
    Some(hello)
}

/// Application protocol in encrypted extensions (TLS 1.3).
pub fn encrypted_extensions_alpn(body: &[u8]) -> Option<String> {
    extensions(body).into_iter().find(|(number, _)| *number == 16).and_then(|(_, data)| alpn(data).into_iter().next())
}

/// The certificates of a chain as sent, own first, DER; `tls13` has a context before and extensions between.
pub fn certificates(body: &[u8], tls13: bool) -> Vec<&[u8]> {
    let list: IResult<Bytes<'_>, Bytes<'_>> = if tls13 {
        (length_data(be_u8), length_data(be_u24)).map(|(_, list): (Bytes<'_>, _)| list).parse(body)
    } else {
        length_data(be_u24).parse(body)
    };
    let Ok((_, list)) = list else { return Vec::new() };
    let certificates: IResult<Bytes<'_>, Vec<Bytes<'_>>> = if tls13 {
        many0((length_data(be_u24), length_data(be_u16)).map(|(der, _): (Bytes<'_>, Bytes<'_>)| der)).parse(list)
    } else {
        many0(length_data(be_u24)).parse(list)
    };
    certificates.map_or_else(|_| Vec::new(), |(_, certificates)| certificates)
}

/// The names, DER, of the authorities in a certificate request up to TLS 1.2 (RFC 5246 §7.4.4); TLS 1.2 has
/// signature algorithms before them.
pub fn certificate_authorities(body: &[u8], tls12: bool) -> Vec<&[u8]> {
    let types: IResult<Bytes<'_>, Bytes<'_>> = length_data(be_u8).parse(body);
    let Ok((mut rest, _)) = types else { return Vec::new() };
    let list = |input| -> IResult<Bytes<'_>, Bytes<'_>> { length_data(be_u16).parse(input) };
    if tls12 {
        let Ok((behind, _)) = list(rest) else { return Vec::new() };
        rest = behind;
    }
    let Ok((_, names)) = list(rest) else { return Vec::new() };
    let names: IResult<Bytes<'_>, Vec<Bytes<'_>>> = many0(length_data(be_u16)).parse(names);
    names.map_or_else(|_| Vec::new(), |(_, names)| names)
}

/// The encrypted premaster secret of a client key exchange by RSA (RFC 5246 §7.4.7.1); SSL 3.0 has no length.
pub fn encrypted_premaster(body: &[u8], ssl3: bool) -> Option<&[u8]> {
    if ssl3 {
        return Some(body);
    }
    let data: IResult<Bytes<'_>, Bytes<'_>> = length_data(be_u16).parse(body);
    data.ok().map(|(_, data)| data)
}

/// The ticket of a new session ticket message up to TLS 1.2 (RFC 5077 §3.3).
pub fn new_session_ticket(body: &[u8]) -> Option<&[u8]> {
    let ticket: IResult<Bytes<'_>, (u32, Bytes<'_>)> = (be_u32, length_data(be_u16)).parse(body);
    ticket.ok().map(|(_, (_, ticket))| ticket)
}

/// Reads an alert; `None` where it is not two bytes, as where it is encrypted.
pub fn alert(body: &[u8]) -> Option<Alert> {
    match *body {
        [level @ (1 | 2), description] => Some(Alert { fatal: level == 2, description }),
        _ => None,
    }
}

/// For the fuzzer: any bytes, as each of the messages.
pub fn fuzz(bytes: &[u8]) {
    let _ = (begins(bytes), continues(bytes), record_header(bytes), client_hello(bytes), server_hello(bytes));
    let _ = (sslv2_client_hello(bytes), encrypted_premaster(bytes, false), new_session_ticket(bytes), alert(bytes));
    assert!(certificates(bytes, true).len() <= bytes.len() && certificates(bytes, false).len() <= bytes.len());
    for tls12 in [false, true] {
        assert!(certificate_authorities(bytes, tls12).iter().map(|name| name.len() + 2).sum::<usize>() <= bytes.len());
    }
    let mut rest = bytes;
    while let Some((message, after)) = take_handshake(rest) {
        assert!(message.whole.len() + after.len() == rest.len());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hello() -> Vec<u8> {
        let name = b"\0\0\0\x0c\0\x0a\0\0\x07sip.tst";
        let rest = b"\0\x17\0\0\0\x23\0\0\0\x2b\0\x03\x02\x03\x04\0\x10\0\x05\0\x03\x02h2";
        let extensions = [&name[..], rest].concat();
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        [&[3, 3], &[7; 32][..], &[0, 0, 4, 0x13, 1, 0xc0, 0x2f, 1, 0], &length, &extensions].concat()
    }

    #[test]
    fn a_client_hello_says_what_it_offers() {
        let hello = client_hello(&hello()).unwrap();
        assert_eq!(hello.sni.as_deref(), Some("sip.tst"));
        assert_eq!(hello.suites, [0x1301, 0xc02f]);
        assert!(hello.extended_master_secret && hello.ticket.is_none() && !hello.encrypt_then_mac);
        assert_eq!((hello.alpn, hello.versions), (vec!["h2".to_owned()], vec![0x304]));
    }

    #[test]
    fn an_old_client_hello_in_the_frame_of_ssl_2() {
        let bytes = [&[0x80, 28, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 4][..], &[9; 16]].concat();
        assert_eq!(sslv2_length(&bytes), Some(30));
        let hello = sslv2_client_hello(&bytes).unwrap();
        assert_eq!((hello.suites, hello.legacy_version), (vec![4], 0x301));
        assert_eq!((&hello.random[..16], &hello.random[16..]), (&[0; 16][..], &[9; 16][..]));
    }

    #[test]
    fn a_certificate_request_names_authorities() {
        let before = certificate_authorities(b"\x02\x01\x40\0\x07\0\x02ab\0\x01c", false);
        assert_eq!(before, [b"ab", &b"c"[..]]);
        assert_eq!(certificate_authorities(b"\x01\x01\0\x02\x04\x01\0\x04\0\x02ab", true), [b"ab"]);
        assert!(certificate_authorities(b"\x01\x01\0\x02", true).is_empty());
    }

    #[test]
    fn what_begins_a_stream() {
        assert_eq!(begins(&[22, 3, 1, 0, 200, 1]), Likeness::Yes);
        assert_eq!(begins(&[22, 3]), Likeness::Unsure);
        assert_eq!(begins(&[23, 3, 3, 0, 9]), Likeness::No);
        assert!(continues(&[23, 3, 3, 0, 9]) && !continues(&[23, 3, 3, 255, 9]) && !continues(b"REGISTER"));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
        }
    }
}
