//! DHCP (RFC 2131, RFC 2132) with the options of Lync's phones.
//!
//! In: a datagram. Out: the message, options in several parts put together (RFC 3396) and those in
//! the fields `file` and `sname` (option 52) taken from there. An option that cannot be read is a
//! defect, and the others stay.

use std::net::Ipv4Addr;

use crate::model::Defect;
use crate::model::dhcp::{CertificateService, DhcpMessage, SIP_SERVERS, VENDOR_SPECIFIC};
use crate::wire::bytes::Reader;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Most SIP servers that are kept: more than a name each two bytes could not fill an option.
const MOST_SERVERS: usize = 128;

const PAD: u8 = 0;
const END: u8 = 255;
const HOST_NAME: u8 = 12;
const LEASE: u8 = 51;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
const SERVER_ID: u8 = 54;
const REQUESTED: u8 = 55;
const VENDOR_CLASS: u8 = 60;

/// What was read of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The message.
    pub message: DhcpMessage,
    /// What was wrong with it.
    pub defects: Vec<Defect>,
}

/// Reads a datagram.
///
/// # Errors
/// It ends before the options, or is no DHCP message.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Defect> {
    let mut reader = Reader::new("DHCP", bytes);
    let [op, _, hardware_length, _] = reader.array()?;
    let xid = reader.u32()?;
    reader.take(4)?; // seconds, flags
    let client: [u8; 4] = reader.array()?;
    let your: [u8; 4] = reader.array()?;
    reader.take(8)?; // next server, relay
    let hardware = reader.take(16)?;
    let sname = reader.take(64)?;
    let file = reader.take(128)?;
    if reader.array::<4>()? != COOKIE || !matches!(op, 1 | 2) {
        return Err(Defect::new("DHCP", 236, "no DHCP message"));
    }
    let mut options = Options::default();
    options.read(reader.rest(), reader.offset());
    let overload = options.of(OVERLOAD).first().copied().unwrap_or(0);
    // RFC 3396 §5: the options field, then file, then sname.
    if overload & 1 != 0 {
        options.read(file, 108);
    }
    if overload & 2 != 0 {
        options.read(sname, 44);
    }
    let hardware = hardware.get(..usize::from(hardware_length)).unwrap_or(hardware);
    let address = [your, client].into_iter().map(Ipv4Addr::from).find(|address| !address.is_unspecified());
    let message = DhcpMessage {
        is_request: op == 1,
        xid,
        client_mac: hardware.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
        your_address: address,
        ..options.message()
    };
    options.check(&message);
    Ok(Parsed { message, defects: options.defects })
}

/// The options of a message, those of one code put together.
#[derive(Default)]
struct Options {
    options: Vec<(u8, Vec<u8>)>,
    defects: Vec<Defect>,
}

impl Options {
    /// Reads one field of options, which stands at `offset`.
    fn read(&mut self, field: &[u8], offset: usize) {
        let mut reader = Reader::new("DHCP", field);
        while let Ok(code) = reader.u8() {
            match code {
                PAD => {}
                END => return,
                code => match reader.u8().and_then(|length| reader.take(length.into())) {
                    Ok(value) => self.add(code, value),
                    Err(defect) => {
                        let what = format!("option {code} {}", defect.what);
                        return self.defects.push(Defect::new("DHCP", offset + defect.offset, what));
                    }
                },
            }
        }
    }

    fn add(&mut self, code: u8, value: &[u8]) {
        match self.options.iter_mut().find(|(known, _)| *known == code) {
            Some((_, whole)) => whole.extend_from_slice(value),
            None => self.options.push((code, value.to_vec())),
        }
    }

    /// The value of an option; empty where there is none.
    fn of(&self, code: u8) -> &[u8] {
        self.options.iter().find(|(known, _)| *known == code).map_or(&[], |(_, value)| value)
    }

    fn message(&self) -> DhcpMessage {
        let word = |code| self.of(code).first_chunk::<4>().copied();
        let vendor_specific = self.of(VENDOR_SPECIFIC);
        DhcpMessage {
            message_type: self.of(MESSAGE_TYPE).first().copied().unwrap_or(0),
            server_id: word(SERVER_ID).map(Ipv4Addr::from),
            lease: word(LEASE).map(u32::from_be_bytes),
            host_name: text(self.of(HOST_NAME)),
            vendor_class: text(self.of(VENDOR_CLASS)),
            requested: self.of(REQUESTED).to_vec(),
            sip_servers: sip_servers(self.of(SIP_SERVERS)).unwrap_or_else(|servers| servers),
            vendor_specific_bytes: vendor_specific.len(),
            certificate_service: certificate_service(vendor_specific),
            ..DhcpMessage::default()
        }
    }

    /// Notes what of the options is not as it should be.
    fn check(&mut self, message: &DhcpMessage) {
        if message.message_type == 0 {
            self.defects.push(Defect::new("DHCP", 240, "no message type (option 53)"));
        }
        if sip_servers(self.of(SIP_SERVERS)).is_err() {
            self.defects.push(Defect::new("DHCP", 240, "option 120 is not as RFC 3361 says"));
        }
    }
}

fn text(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// The servers of option 120; as an error those before what cannot be read.
fn sip_servers(value: &[u8]) -> Result<Vec<String>, Vec<String>> {
    match value.split_first() {
        None => Ok(Vec::new()),
        Some((0, names)) => server_names(names),
        Some((1, addresses)) => {
            let (whole, rest) = addresses.as_chunks::<4>();
            let servers = whole.iter().take(MOST_SERVERS).map(|&address| Ipv4Addr::from(address).to_string()).collect();
            if rest.is_empty() && !whole.is_empty() { Ok(servers) } else { Err(servers) }
        }
        Some(_) => Err(Vec::new()),
    }
}

/// Names in the form of DNS labels, without compression.
fn server_names(value: &[u8]) -> Result<Vec<String>, Vec<String>> {
    let (mut names, mut labels) = (Vec::new(), Vec::new());
    let mut reader = Reader::new("DHCP", value);
    while let Ok(length) = reader.u8() {
        match (length, reader.take(length.into())) {
            (0, _) if names.len() < MOST_SERVERS => names.push(std::mem::take(&mut labels).join(".")),
            (1..64, Ok(label)) => labels.push(String::from_utf8_lossy(label).into_owned()),
            _ => return Err(names),
        }
    }
    let whole = labels.is_empty() && !names.is_empty() && !names.iter().any(String::is_empty);
    if whole { Ok(names) } else { Err(names) }
}

/// Option 43 as phones of the vendor class `MS-UC-Client` take it; `None` where it is another's.
fn certificate_service(value: &[u8]) -> Option<CertificateService> {
    let mut options = Options::default();
    options.read(value, 0);
    let part = |code| text(options.of(code));
    (options.of(1) == b"MS-UC-Client").then(|| CertificateService {
        scheme: part(2),
        host: part(3),
        port: part(4),
        path: part(5),
    })
}

/// Any bytes are read within the bounds.
pub fn fuzz(bytes: &[u8]) {
    let Ok(Parsed { message, .. }) = parse(bytes) else { return };
    assert!(bytes.len() >= 240, "a message has its fixed fields and the cookie");
    assert!(message.sip_servers.len() <= MOST_SERVERS);
    assert!(message.requested.len() + message.vendor_specific_bytes <= bytes.len());
    assert!(message.client_mac.len() < 16 * 3);
}

/// Messages for tests.
#[cfg(test)]
pub(crate) mod samples {
    /// A message with those options behind the cookie.
    pub(crate) fn message(op: u8, options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![op, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0];
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(if op == 2 { [192, 0, 2, 55] } else { [0; 4] });
        bytes.extend([0; 8]);
        bytes.extend([0, 4, 0xf2, 0x11, 0x22, 0x33]);
        bytes.extend([0; 10 + 64 + 128]);
        bytes.extend(super::COOKIE);
        bytes.extend(options);
        bytes
    }

    /// An option.
    pub(crate) fn option(code: u8, value: &[u8]) -> Vec<u8> {
        [&[code, u8::try_from(value.len()).unwrap()][..], value].concat()
    }

    /// Option 43 of a server that knows Lync.
    pub(crate) fn certificates() -> Vec<u8> {
        let parts: [(u8, &[u8]); 5] = [
            (1, b"MS-UC-Client"),
            (2, b"https"),
            (3, b"pool01.ex.test"),
            (4, b"443"),
            (5, b"/CertProv/CertProvisioningService.svc"),
        ];
        option(43, &parts.iter().flat_map(|&(code, value)| option(code, value)).collect::<Vec<_>>())
    }

    /// Options of the answer to a phone.
    pub(crate) fn answer() -> Vec<u8> {
        let sip = option(120, b"\0\x06pool01\x02ex\x04test\0\x06pool02\x02ex\x04test\0");
        [option(53, &[5]), option(54, &[192, 0, 2, 1]), option(51, &[0, 1, 0x51, 0x80]), certificates(), sip, vec![255]]
            .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{answer, certificates, message, option};
    use super::*;

    fn read(bytes: &[u8]) -> DhcpMessage {
        let Parsed { message, defects } = parse(bytes).unwrap();
        assert_eq!(defects, []);
        message
    }

    #[test]
    fn a_phone_asks() {
        let options = [
            option(53, &[8]),
            vec![0, 0],
            option(60, b"MS-UC-Client"),
            option(12, b"phone1"),
            option(55, &[43, 120, 6]),
            vec![255, 7],
        ];
        let message = read(&message(1, &options.concat()));
        assert_eq!((message.name().as_ref(), message.xid, message.is_request), ("DHCPINFORM", 0xdead_beef, true));
        assert_eq!(message.client_mac, "00:04:f2:11:22:33");
        assert_eq!(
            (message.vendor_class.as_deref(), message.host_name.as_deref()),
            (Some("MS-UC-Client"), Some("phone1"))
        );
        assert_eq!((message.requested.as_slice(), message.your_address), (&[43, 120, 6][..], None));
        assert!(message.is_about_lync());
    }

    #[test]
    fn a_server_answers() {
        let message = read(&message(2, &answer()));
        assert_eq!(message.name(), "DHCPACK");
        assert_eq!(message.your_address, Some(Ipv4Addr::new(192, 0, 2, 55)));
        assert_eq!((message.server_id, message.lease), (Some(Ipv4Addr::new(192, 0, 2, 1)), Some(86_400)));
        assert_eq!(message.sip_servers, ["pool01.ex.test", "pool02.ex.test"]);
        let url = "https://pool01.ex.test:443/CertProv/CertProvisioningService.svc";
        assert_eq!(message.certificate_url().as_deref(), Some(url));
    }

    #[test]
    fn options_in_parts_and_elsewhere() {
        let whole = certificates();
        let (one, other) = whole[2..].split_at(20);
        let mut bytes = message(2, &[option(52, &[3]), option(53, &[2]), option(43, one), vec![255]].concat());
        bytes[108..108 + 2 + other.len()].copy_from_slice(&option(43, other));
        bytes[44..51].copy_from_slice(&option(120, b"\x01\xc0\0\x02\x0a"));
        let message = read(&bytes);
        assert_eq!(
            message.certificate_url().unwrap(),
            "https://pool01.ex.test:443/CertProv/CertProvisioningService.svc"
        );
        assert_eq!(message.sip_servers, ["192.0.2.10"]);
    }

    #[test]
    fn others_are_not_about_lync() {
        let message =
            read(&message(1, &[option(53, &[1]), option(55, &[1, 3, 6]), option(60, b"ms-uc-client")].concat()));
        assert!(!message.is_about_lync(), "the vendor class is case-sensitive");
        assert_eq!(message.certificate_url(), None);
    }

    #[track_caller]
    fn check_servers(value: &[u8], expected: &[&str], whole: bool) {
        let read = sip_servers(value);
        assert_eq!(read.is_ok(), whole, "{read:?}");
        assert_eq!(read.unwrap_or_else(|servers| servers), expected);
    }

    #[test]
    fn sip_servers_that_are_not_as_they_should_be() {
        check_servers(b"", &[], true);
        check_servers(b"\0", &[], false);
        check_servers(b"\x02abc", &[], false);
        check_servers(b"pool01.ex.test", &[], false);
        check_servers(b"\0\x01a\0\x03b", &["a"], false);
        check_servers(b"\0\x01a\0\xc0\x00", &["a"], false);
        check_servers(b"\x01\x01\x02\x03\x04\x05", &["1.2.3.4"], false);
    }

    #[test]
    fn what_is_cut_keeps_what_stands_before() {
        let parsed = parse(&message(2, &[option(53, &[5]), vec![120, 200, 0]].concat())).unwrap();
        assert_eq!(parsed.message.name(), "DHCPACK");
        assert_eq!(
            (parsed.defects[0].what.as_ref(), parsed.defects[0].offset),
            ("option 120 needs 200 bytes, has 1", 245)
        );
        assert!(parse(&[1; 239]).is_err() && parse(&[1; 400]).is_err());
    }

    #[test]
    fn any_bytes_end() {
        let sample = message(2, &answer());
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
