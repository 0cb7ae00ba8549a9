//! Messages of NTLM ([MS-NLMP] §2.2), leniently: NEGOTIATE, CHALLENGE and AUTHENTICATE.
//!
//! In: the bytes of a token. Out: what they say, together with what is wrong with them. Responses and the
//! session key are told by their length only; who checks them asks for [`responses`]. No state, no keys.

use std::fmt;

use crate::model::{Defect, Timestamp};
use crate::wire::bytes::Reader;

/// How a message begins.
pub const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// The layer that defects name.
const LAYER: &str = "NTLM";

/// Most pairs of target information that are kept: [MS-NLMP] §2.2.2.1 knows eleven kinds.
const MOST_PAIRS: usize = 32;

/// From 1601-01-01, from which Windows counts time, to 1970-01-01, in seconds.
const SECONDS_TO_1970: i64 = 11_644_473_600;

/// Where the part of the NTLMv2 response that the client chose begins: behind the proof.
const PROOF: usize = 16;

/// Where the payload of an AUTHENTICATE begins at the earliest if it has a MIC: behind version and MIC.
const BEHIND_MIC: usize = 88;

/// Negotiated flags ([MS-NLMP] §2.2.2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

/// The flags and their names, from the lowest bit.
static FLAGS: [(u32, &str); 23] = [
    (0x0000_0001, "UNICODE"),
    (0x0000_0002, "OEM"),
    (0x0000_0004, "REQUEST_TARGET"),
    (0x0000_0010, "SIGN"),
    (0x0000_0020, "SEAL"),
    (0x0000_0040, "DATAGRAM"),
    (0x0000_0080, "LM_KEY"),
    (0x0000_0100, "NETWARE"),
    (0x0000_0200, "NTLM"),
    (0x0000_0800, "ANONYMOUS"),
    (0x0000_1000, "OEM_DOMAIN_SUPPLIED"),
    (0x0000_2000, "OEM_WORKSTATION_SUPPLIED"),
    (0x0000_8000, "ALWAYS_SIGN"),
    (0x0001_0000, "TARGET_TYPE_DOMAIN"),
    (0x0002_0000, "TARGET_TYPE_SERVER"),
    (0x0008_0000, "EXTENDED_SESSIONSECURITY"),
    (0x0010_0000, "IDENTIFY"),
    (0x0040_0000, "REQUEST_NON_NT_SESSION_KEY"),
    (0x0080_0000, "TARGET_INFO"),
    (0x0200_0000, "VERSION"),
    (0x2000_0000, "128"),
    (0x4000_0000, "KEY_EXCH"),
    (0x8000_0000, "56"),
];

impl Flags {
    /// Text is UTF-16.
    pub const UNICODE: Self = Self(0x0000_0001);
    /// A version follows.
    pub const VERSION: Self = Self(0x0200_0000);

    /// Whether a flag is set.
    pub const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// The names of those set, without `NTLMSSP_NEGOTIATE_`; unknown ones are not named.
    pub fn names(self) -> Vec<&'static str> {
        FLAGS.iter().filter(|(bit, _)| self.0 & bit != 0).map(|&(_, name)| name).collect()
    }
}

/// Version of the operating system of the sender ([MS-NLMP] §2.2.2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Build.
    pub build: u16,
    /// Revision of NTLM, 15 everywhere.
    pub revision: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{} (NTLM revision {})", self.major, self.minor, self.build, self.revision)
    }
}

/// A pair of target information ([MS-NLMP] §2.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AvPair {
    /// NetBIOS name of the computer.
    NbComputer(String),
    /// NetBIOS name of the domain.
    NbDomain(String),
    /// DNS name of the computer.
    DnsComputer(String),
    /// DNS name of the domain.
    DnsDomain(String),
    /// DNS name of the forest.
    DnsTree(String),
    /// Flags: 1 the account is constrained, 2 a MIC is there, 4 the SPN comes from an untrusted source.
    Flags(u32),
    /// Time of the server.
    Time(Timestamp),
    /// Bytes of the single host data.
    SingleHost(usize),
    /// Service principal name of the target.
    TargetName(String),
    /// Whether a hash of the channel is there; all zeros where there is no channel.
    ChannelBindings(bool),
    /// Any other: number and bytes.
    Other(u16, usize),
}

impl AvPair {
    /// Its name, without `MsvAv`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NbComputer(_) => "NbComputerName",
            Self::NbDomain(_) => "NbDomainName",
            Self::DnsComputer(_) => "DnsComputerName",
            Self::DnsDomain(_) => "DnsDomainName",
            Self::DnsTree(_) => "DnsTreeName",
            Self::Flags(_) => "Flags",
            Self::Time(_) => "Timestamp",
            Self::SingleHost(_) => "SingleHost",
            Self::TargetName(_) => "TargetName",
            Self::ChannelBindings(_) => "ChannelBindings",
            Self::Other(..) => "unknown",
        }
    }

    fn weight(&self) -> usize {
        let text = match self {
            Self::NbComputer(text)
            | Self::NbDomain(text)
            | Self::DnsComputer(text)
            | Self::DnsDomain(text)
            | Self::DnsTree(text)
            | Self::TargetName(text) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + text
    }

    fn parse(id: u16, value: &[u8]) -> Self {
        let text = || unicode(value);
        match (id, value) {
            (1, _) => Self::NbComputer(text()),
            (2, _) => Self::NbDomain(text()),
            (3, _) => Self::DnsComputer(text()),
            (4, _) => Self::DnsDomain(text()),
            (5, _) => Self::DnsTree(text()),
            (6, &[a, b, c, d]) => Self::Flags(u32::from_le_bytes([a, b, c, d])),
            (7, _) if value.len() == 8 => Self::Time(time(value.first_chunk().copied().unwrap_or_default())),
            (8, _) => Self::SingleHost(value.len()),
            (9, _) => Self::TargetName(text()),
            (10, _) => Self::ChannelBindings(value.iter().any(|&byte| byte != 0)),
            _ => Self::Other(id, value.len()),
        }
    }
}

/// How a client answered the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// Not at all: it comes as nobody.
    Anonymous,
    /// NTLMv1, or with the client's challenge in the LM response.
    V1,
    /// NTLMv2: it holds the time of the client.
    V2,
}

/// What an AUTHENTICATE says ([MS-NLMP] §2.2.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    /// Domain of the user, possibly empty.
    pub domain: String,
    /// User name.
    pub user: String,
    /// NetBIOS name of the client's computer.
    pub workstation: String,
    /// Bytes of the LM response.
    pub lm_response: usize,
    /// Bytes of the NT response.
    pub nt_response: usize,
    /// How the challenge was answered.
    pub kind: ResponseKind,
    /// Time of the client, or the server's as the client repeats it; NTLMv2 only.
    pub time: Option<Timestamp>,
    /// Target information as the client repeats and extends it; NTLMv2 only.
    pub info: Vec<AvPair>,
    /// Whether an encrypted session key is there.
    pub session_key: bool,
    /// Whether a MIC over all three messages is there.
    pub mic: bool,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The client's offer; datagram authentication goes without ([MS-NLMP] §2.2.1.1).
    Negotiate {
        /// Domain, possibly empty.
        domain: String,
        /// Workstation, possibly empty.
        workstation: String,
    },
    /// The server's challenge ([MS-NLMP] §2.2.1.2).
    Challenge {
        /// Name of the server or its domain.
        target: String,
        /// The challenge; no secret.
        challenge: [u8; 8],
        /// Target information.
        info: Vec<AvPair>,
    },
    /// The client's answer.
    Authenticate(Box<Authenticate>),
    /// A type that is not known.
    Unknown(u32),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Flags; zero where they are cut off.
    pub flags: Flags,
    /// Operating system of the sender.
    pub version: Option<Version>,
    /// What it says.
    pub body: Body,
    /// What is not as it should be.
    pub defects: Vec<Defect>,
}

impl Message {
    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let pairs = |info: &[AvPair]| info.iter().map(AvPair::weight).sum::<usize>();
        let body = match &self.body {
            Body::Negotiate { domain, workstation } => domain.len() + workstation.len(),
            Body::Challenge { target, info, .. } => target.len() + pairs(info),
            Body::Authenticate(said) => {
                let names = said.domain.len() + said.user.len() + said.workstation.len();
                size_of::<Authenticate>() + names + pairs(&said.info)
            }
            Body::Unknown(_) => 0,
        };
        size_of::<Self>() + body + self.defects.len() * 128
    }

    /// In one line.
    pub fn line(&self) -> String {
        match &self.body {
            Body::Negotiate { .. } => "negotiate".to_owned(),
            Body::Challenge { target, info, .. } => format!("challenge from {}", server(target, info)),
            Body::Authenticate(said) if said.kind == ResponseKind::Anonymous => "authenticate as nobody".to_owned(),
            Body::Authenticate(said) => {
                let from = if said.workstation.is_empty() { "" } else { " from " };
                format!("authenticate {}{from}{}", said.account(), said.workstation)
            }
            Body::Unknown(number) => format!("message of type {number}"),
        }
    }
}

impl Authenticate {
    /// The user as Windows writes it: `DOMAIN\user`, or as the client wrote it where there is no domain.
    pub fn account(&self) -> String {
        if self.domain.is_empty() { self.user.clone() } else { format!("{}\\{}", self.domain, self.user) }
    }
}

/// The computer that a challenge comes from, by the best name.
fn server<'a>(target: &'a str, info: &'a [AvPair]) -> &'a str {
    let computer = |pair: &'a AvPair| if let AvPair::NbComputer(name) = pair { Some(name.as_str()) } else { None };
    info.iter().find_map(computer).unwrap_or(target)
}

/// The parts of an AUTHENTICATE that prove the password, as bytes of it.
#[derive(Clone, Copy)]
pub struct Responses<'a> {
    /// The NT response.
    pub nt: &'a [u8],
    /// The encrypted session key; empty where there is none.
    pub session_key: &'a [u8],
}

/// The responses of an AUTHENTICATE; `None` where `bytes` are none, or a part lies outside.
pub fn responses(bytes: &[u8]) -> Option<Responses<'_>> {
    bytes.starts_with(SIGNATURE).then_some(())?;
    (number(bytes, 8)? == 3).then_some(())?;
    let part = |at| Field::at(bytes, at)?.of(bytes);
    Some(Responses { nt: part(20)?, session_key: if is_old(bytes) { &[] } else { part(52)? } })
}

/// Reads a message; `None` where it does not begin like one.
pub fn parse(bytes: &[u8]) -> Option<Message> {
    bytes.starts_with(SIGNATURE).then_some(())?;
    let mut view = View { bytes, flags: Flags::default(), defects: Vec::new() };
    let kind = view.number(8)?;
    let (flags_at, version_at) = match kind {
        1 => (12, 32),
        2 => (20, 48),
        _ => (60, 64),
    };
    let old = kind == 3 && is_old(bytes);
    if !old && (1..=3).contains(&kind) {
        view.flags = Flags(view.number(flags_at).unwrap_or_default());
    }
    let version = view.flags.has(Flags::VERSION).then(|| version(bytes, version_at)).flatten();
    let body = match kind {
        1 => view.negotiate(),
        2 => view.challenge(),
        3 => Body::Authenticate(Box::new(view.authenticate(old))),
        other => Body::Unknown(other),
    };
    Some(Message { flags: view.flags, version, body, defects: view.defects })
}

/// Length and offset of a part of the payload.
#[derive(Clone, Copy)]
struct Field {
    length: usize,
    offset: usize,
}

impl Field {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let &[low, high, _, _, a, b, c, d] = bytes.get(at..)?.first_chunk::<8>()?;
        let offset = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        Some(Self { length: usize::from(u16::from_le_bytes([low, high])), offset })
    }

    fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        if self.length == 0 {
            return Some(&[]);
        }
        bytes.get(self.offset..self.offset.checked_add(self.length)?)
    }
}

/// Where the payload of an AUTHENTICATE begins: at the first part that is not empty.
fn payload_begins(bytes: &[u8]) -> usize {
    let fields = [12, 20, 28, 36, 44].into_iter().filter_map(|at| Field::at(bytes, at));
    fields.filter(|field| field.length > 0).map(|field| field.offset).min().unwrap_or(bytes.len())
}

/// Whether an AUTHENTICATE is of the oldest form: without session key and flags, in whose place its payload begins.
fn is_old(bytes: &[u8]) -> bool {
    payload_begins(bytes) < 64
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn version(bytes: &[u8], at: usize) -> Option<Version> {
    let &[major, minor, low, high, _, _, _, revision] = bytes.get(at..)?.first_chunk::<8>()?;
    Some(Version { major, minor, build: u16::from_le_bytes([low, high]), revision })
}

/// A message that is being read.
struct View<'a> {
    bytes: &'a [u8],
    flags: Flags,
    defects: Vec<Defect>,
}

impl<'a> View<'a> {
    fn defect(&mut self, at: usize, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.defects.push(Defect::new(LAYER, at, what));
    }

    fn number(&mut self, at: usize) -> Option<u32> {
        let found = number(self.bytes, at);
        if found.is_none() {
            self.defect(at.min(self.bytes.len()), "the message is cut off");
        }
        found
    }

    /// A part of the payload whose length and offset stand at `at`; empty where it lies outside.
    fn part(&mut self, at: usize, name: &'static str) -> &'a [u8] {
        let found = Field::at(self.bytes, at).map(|field| field.of(self.bytes));
        match found {
            Some(Some(part)) => part,
            Some(None) => {
                self.defect(at, format!("{name} lies beyond the message"));
                &[]
            }
            None => {
                self.defect(at.min(self.bytes.len()), format!("the message is cut off before {name}"));
                &[]
            }
        }
    }

    /// Text in the negotiated form.
    fn text(&mut self, at: usize, name: &'static str) -> String {
        let part = self.part(at, name);
        if self.flags.has(Flags::UNICODE) { unicode(part) } else { oem(part) }
    }

    fn negotiate(&mut self) -> Body {
        // Names in it are OEM whatever the flags say, and stand there only where flags say so.
        let mut name = |flag: u32, at: usize, name: &'static str| {
            if self.flags.0 & flag == 0 { String::new() } else { oem(self.part(at, name)) }
        };
        Body::Negotiate { domain: name(0x1000, 16, "the domain"), workstation: name(0x2000, 24, "the workstation") }
    }

    fn challenge(&mut self) -> Body {
        let target = self.text(12, "the target name");
        let challenge = self.bytes.get(24..).and_then(|rest| rest.first_chunk()).copied();
        if challenge.is_none() {
            self.defect(self.bytes.len(), "the message is cut off before the challenge");
        }
        let has_info = self.flags.0 & 0x0080_0000 != 0;
        let info = if has_info { self.part(40, "the target information") } else { &[] };
        let info = self.pairs(info);
        Body::Challenge { target, challenge: challenge.unwrap_or_default(), info }
    }

    fn authenticate(&mut self, old: bool) -> Authenticate {
        if old {
            // Without flags, text is UTF-16 as in all of Windows NT.
            self.flags = Flags::UNICODE;
        }
        let (lm, nt) = (self.part(12, "the LM response"), self.part(20, "the NT response"));
        let blob = nt.get(PROOF..).filter(|_| nt.len() > 24).unwrap_or_default();
        let kind = match nt.len() {
            0 => ResponseKind::Anonymous,
            1..=24 => ResponseKind::V1,
            _ => ResponseKind::V2,
        };
        let info = self.pairs(blob.get(28..).unwrap_or_default());
        let promises_mic = info.iter().any(|pair| matches!(pair, AvPair::Flags(flags) if flags & 2 != 0));
        let domain = self.text(28, "the domain");
        let user = self.text(36, "the user name");
        let workstation = self.text(44, "the workstation");
        let session_key = !old && !self.part(52, "the session key").is_empty();
        let time = blob.get(8..).and_then(|rest| rest.first_chunk()).map(|ticks| time(*ticks));
        Authenticate {
            domain,
            user,
            workstation,
            lm_response: lm.len(),
            nt_response: nt.len(),
            kind,
            time,
            info,
            session_key,
            mic: promises_mic && payload_begins(self.bytes) >= BEHIND_MIC,
        }
    }

    fn pairs(&mut self, bytes: &[u8]) -> Vec<AvPair> {
        let (mut pairs, mut reader) = (Vec::new(), Reader::new(LAYER, bytes));
        while !reader.rest().is_empty() && pairs.len() < MOST_PAIRS {
            match pair(&mut reader) {
                Ok(Some(pair)) => pairs.push(pair),
                Ok(None) => break,
                Err(defect) => {
                    self.defects.push(Defect { what: "target information is cut off".into(), ..defect });
                    break;
                }
            }
        }
        pairs
    }
}

/// Takes a pair; `None` for the one that ends the list.
fn pair(reader: &mut Reader<'_>) -> Result<Option<AvPair>, Defect> {
    // Numbers are little-endian here.
    let (id, length) = (reader.u16()?.swap_bytes(), reader.u16()?.swap_bytes());
    let value = reader.take(usize::from(length))?;
    Ok((id != 0).then(|| AvPair::parse(id, value)))
}

/// Text in UTF-16, little-endian; what is none is replaced.
fn unicode(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Text in the sender's code page, of which only ASCII is certain; the rest is taken for Latin-1.
fn oem(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Tenths of microseconds since 1601, little-endian.
fn time(ticks: [u8; 8]) -> Timestamp {
    let ticks = u64::from_le_bytes(ticks);
    let seconds = i64::try_from(ticks / 10_000_000).unwrap_or(i64::MAX);
    let rest = u32::try_from(ticks % 10_000_000).unwrap_or_default();
    Timestamp::new(seconds.saturating_sub(SECONDS_TO_1970), rest * 100)
}

/// For the fuzzer: any bytes.
pub fn fuzz(bytes: &[u8]) {
    let Some(message) = parse(bytes) else { return };
    assert!(message.defects.len() <= 16);
    assert!(message.line().len() <= 64 + 6 * bytes.len());
    assert!(message.flags.names().len() <= 32);
    // Three names may lie on the same bytes, and UTF-16 may grow by half.
    assert!(message.weight() <= 8192 + 6 * bytes.len());
    if let Body::Authenticate(said) = &message.body {
        assert!(said.nt_response <= bytes.len() && said.info.len() <= MOST_PAIRS);
        if let Some(found) = responses(bytes) {
            assert_eq!(found.nt.len(), said.nt_response);
            assert_eq!(!found.session_key.is_empty(), said.session_key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [MS-NLMP] §4.2.4: NTLMv2 authentication.
    const CHALLENGE: &str = "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000\
        060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c0053006500720076006500720000000000";
    const AUTHENTICATE: &str = "4e544c4d5353500003000000180018006c00000054005400840000000c000c004800000008000800540000001000100\
        05c00000010001000d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f004d00500055005400\
        4500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927bebef6a1c0101000000000000000000000\
        0000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000c5\
        dad2544fc9799094ce1ce90bc9d03e";
    /// A published exchange of Communicator 2007 R2 with its server.
    const R2_CHALLENGE: &str = "4e544c4d53535000020000000000000038000000f38298e2dd1baaf4e7e218d100000000000000009600960038000\
        0000502ce0e0000000f02000a0043004f0053004d004f000100180043004f0053004d004f002d004f00430053002d00520032000400160063\
        006f0073006d006f002e006c006f00630061006c000300300063006f0073006d006f002d006f00630073002d00720032002e0063006f00730\
        06d006f002e006c006f00630061006c000500160063006f0073006d006f002e006c006f00630061006c0000000000";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[track_caller]
    fn check(bytes: &[u8], line: &str, flags: &[&str], defects: usize) -> Message {
        let message = parse(bytes).unwrap();
        assert_eq!(message.line(), line);
        for flag in flags {
            assert!(message.flags.names().contains(flag), "{flag} in {:?}", message.flags.names());
        }
        assert_eq!(message.defects.len(), defects, "{:?}", message.defects);
        message
    }

    #[test]
    fn a_challenge() {
        let message = check(&hex(CHALLENGE), "challenge from Server", &["UNICODE", "KEY_EXCH", "TARGET_INFO"], 0);
        assert_eq!(message.version.unwrap().to_string(), "6.0.6000 (NTLM revision 15)");
        let Body::Challenge { target, challenge, info } = message.body else { panic!("a challenge") };
        assert_eq!((target.as_str(), challenge), ("Server", [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]));
        assert_eq!(info, [AvPair::NbDomain("Domain".into()), AvPair::NbComputer("Server".into())]);
        let message = check(&hex(R2_CHALLENGE), "challenge from COSMO-OCS-R2", &["DATAGRAM", "IDENTIFY", "56"], 0);
        let Body::Challenge { target, info, .. } = message.body else { panic!("a challenge") };
        assert_eq!((target.as_str(), info.len()), ("", 5));
        assert_eq!(info[3], AvPair::DnsComputer("cosmo-ocs-r2.cosmo.local".into()));
        assert_eq!(info[4].name(), "DnsTreeName");
    }

    #[test]
    fn an_answer() {
        let bytes = hex(AUTHENTICATE);
        let message = check(&bytes, "authenticate Domain\\User from COMPUTER", &["128", "KEY_EXCH"], 0);
        let Body::Authenticate(said) = message.body else { panic!("an answer") };
        assert_eq!((said.lm_response, said.nt_response, said.kind), (24, 84, ResponseKind::V2));
        assert_eq!(said.time, Some(Timestamp::new(-SECONDS_TO_1970, 0)));
        assert!(said.session_key && !said.mic);
        assert_eq!(said.info, [AvPair::NbDomain("Domain".into()), AvPair::NbComputer("Server".into())]);
        let found = responses(&bytes).unwrap();
        assert_eq!((found.nt.len(), found.session_key), (84, &hex("c5dad2544fc9799094ce1ce90bc9d03e")[..]));
        assert!(responses(&hex(CHALLENGE)).is_none());
    }

    /// An AUTHENTICATE of parts: LM, NT, domain, user, workstation, key; the payload begins at `begins`.
    fn answer(flags: u32, begins: usize, parts: [&[u8]; 6]) -> Vec<u8> {
        let mut bytes = [&SIGNATURE[..], &[3, 0, 0, 0]].concat();
        let mut at = begins;
        let flags = (begins >= 64).then_some(flags.to_le_bytes());
        for part in parts {
            let length = u16::try_from(part.len()).unwrap().to_le_bytes();
            bytes.extend([length, length].concat());
            bytes.extend(u32::try_from(at).unwrap().to_le_bytes());
            at += part.len();
        }
        bytes.extend(flags.into_iter().flatten());
        bytes.resize(begins, 0);
        bytes.extend(parts.concat());
        bytes
    }

    #[test]
    fn old_and_odd_answers() {
        let parts: [&[u8]; 6] = [&[1; 24], &[2; 24], b"DOM", b"ann", b"PC", b""];
        let message = check(&answer(0x202, 64, parts), "authenticate DOM\\ann from PC", &["OEM", "NTLM"], 0);
        let Body::Authenticate(said) = message.body else { panic!("an answer") };
        assert_eq!((said.kind, said.time, said.session_key), (ResponseKind::V1, None, false));
        check(&answer(1, 64, [b"", b"", b"", b"", b"", b""]), "authenticate as nobody", &["UNICODE"], 0);
        let oldest = answer(0, 52, [&[1; 24], &[2; 24], b"D\0", b"a\0", b"P\0", b""]);
        check(&oldest, "authenticate D\\a from P", &["UNICODE"], 0);
        // Without a domain the name stands alone; without a workstation nothing follows.
        let upn: Vec<u8> = "ann@ex.test".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&answer(1, 72, [&[], &[2; 24], &[], &upn, &[], &[]]), "authenticate ann@ex.test", &[], 0);
        // A MIC is there where the client says so and there is room for it.
        let av =
            [&[0; 44][..], &[6, 0, 4, 0, 2, 0, 0, 0, 7, 0, 8, 0, 0, 0x80, 0x3e, 0xd5, 0xde, 0xb1, 0x9d, 1, 0, 0, 0, 0]]
                .concat();
        for (begins, mic) in [(88, true), (72, false)] {
            let bytes = answer(1, begins, [&[], &av, &[], &upn, &[], &[7; 16]]);
            let Body::Authenticate(said) = parse(&bytes).unwrap().body else { panic!("an answer") };
            assert_eq!((said.mic, said.session_key), (mic, true));
            // 116444736000000000 is 1970 in tenths of microseconds since 1601.
            assert_eq!(said.info, [AvPair::Flags(2), AvPair::Time(Timestamp::new(0, 0))]);
        }
    }

    #[test]
    fn what_lies_beyond_the_message_is_a_defect() {
        let mut bytes = hex(AUTHENTICATE);
        bytes[32..36].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        let message = check(&bytes, "authenticate User from COMPUTER", &[], 1);
        assert_eq!(message.defects[0].what, "the domain lies beyond the message");
        bytes[24] = 0xfe;
        bytes[25] = 0xff;
        assert!(responses(&bytes).is_none());
        check(b"NTLMSSP\0\x09\0\0\0", "message of type 9", &[], 0);
        assert_eq!(parse(b"NTLMSSP\0\x03"), None);
        assert_eq!(parse(b"`\x82\x01"), None);
        let offer =
            [&SIGNATURE[..], &[1, 0, 0, 0, 2, 0x10, 0, 0], &[3, 0, 3, 0, 32, 0, 0, 0], &[0; 8], b"DOM"].concat();
        let Body::Negotiate { domain, workstation } = check(&offer, "negotiate", &["OEM"], 0).body else {
            panic!("an offer")
        };
        assert_eq!((domain.as_str(), workstation.as_str()), ("DOM", ""));
    }

    #[test]
    fn any_bytes_end() {
        for sample in [CHALLENGE, AUTHENTICATE, R2_CHALLENGE].map(hex) {
            for length in 0..sample.len() {
                fuzz(&sample[..length]);
                let mut bent = sample.clone();
                for value in [0, 1, 2, 0x7f, 0xff] {
                    bent[length] = value;
                    fuzz(&bent);
                }
            }
        }
    }
}
