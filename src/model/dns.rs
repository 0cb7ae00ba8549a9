//! A DNS message as RFC 1035 has it, with the record types that a sign-in meets.

use std::fmt;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A whole message, or as much of it as could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsMessage {
    /// Transaction id.
    pub id: u16,
    /// The flags word of the header.
    pub flags: u16,
    /// Response code with the high bits of EDNS (RFC 6891).
    pub rcode: u16,
    /// Question section.
    pub questions: Vec<Question>,
    /// Answer section.
    pub answers: Vec<Record>,
    /// Authority section.
    pub authority: Vec<Record>,
    /// Additional section.
    pub additional: Vec<Record>,
}

impl DnsMessage {
    /// Whether it is a response (QR).
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Whether the server speaks for the zone (RFC 1035 §4.1.1, AA).
    pub const fn is_authoritative(&self) -> bool {
        self.flags & 0x0400 != 0
    }

    /// Whether it was truncated by its sender (TC).
    pub const fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// 0 is a standard query.
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let questions: usize = self.questions.iter().map(|question| question.name.len() + 48).sum();
        let records = self.records().map(|record| record.name.len() + size_of::<Record>() + record.data.weight());
        questions + records.sum::<usize>()
    }

    /// All records of all sections, in order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.answers.iter().chain(&self.authority).chain(&self.additional)
    }
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Name in zone-file form without the final dot; the root is `.`.
    pub name: String,
    /// Type asked for.
    pub rtype: RecordType,
    /// Class; the top bit is mDNS' wish for a unicast answer.
    pub class: u16,
}

/// One resource record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner name, as [`Question::name`].
    pub name: String,
    /// Type.
    pub rtype: RecordType,
    /// Class; the top bit is mDNS' cache flush.
    pub class: u16,
    /// Time to live in seconds.
    pub ttl: u32,
    /// The data.
    pub data: RecordData,
}

/// The data of a record, by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// A.
    A(Ipv4Addr),
    /// AAAA.
    Aaaa(Ipv6Addr),
    /// CNAME, NS, PTR, DNAME: a name.
    Name(String),
    /// MX.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// Mail host.
        exchange: String,
    },
    /// SOA.
    Soa {
        /// Primary server.
        mname: String,
        /// Mailbox of who is responsible.
        rname: String,
        /// Serial, refresh, retry, expire, minimum.
        numbers: [u32; 5],
    },
    /// SRV (RFC 2782).
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among equal priorities.
        weight: u16,
        /// Port of the service.
        port: u16,
        /// Host of the service.
        target: String,
    },
    /// NAPTR (RFC 3403).
    Naptr {
        /// Order.
        order: u16,
        /// Preference within an order.
        preference: u16,
        /// Flags, services, regular expression.
        texts: [Vec<u8>; 3],
        /// Replacement.
        replacement: String,
    },
    /// TXT, SPF: character strings.
    Txt(Vec<Vec<u8>>),
    /// SVCB, HTTPS (RFC 9460).
    Svcb {
        /// 0 is alias form.
        priority: u16,
        /// Target; `.` is the owner.
        target: String,
        /// Parameters by number, uninterpreted.
        params: Vec<(u16, Vec<u8>)>,
    },
    /// Anything else, and data that does not fit its type.
    Other(Vec<u8>),
}

impl RecordData {
    /// About how many bytes of memory it takes besides itself.
    fn weight(&self) -> usize {
        match self {
            Self::A(_) | Self::Aaaa(_) => 0,
            Self::Name(name) | Self::Mx { exchange: name, .. } | Self::Srv { target: name, .. } => name.len(),
            Self::Soa { mname, rname, .. } => mname.len() + rname.len(),
            Self::Naptr { texts, replacement, .. } => texts.iter().map(Vec::len).sum::<usize>() + replacement.len(),
            Self::Txt(texts) => texts.iter().map(|text| text.len() + 24).sum(),
            Self::Svcb { target, params, .. } => {
                target.len() + params.iter().map(|(_, value)| value.len() + 32).sum::<usize>()
            }
            Self::Other(data) => data.len(),
        }
    }
}

/// Resource record type (IANA "Resource Record (RR) TYPEs"). Unknown numbers print as `TYPE65280` (RFC 3597).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordType(pub u16);

/// IANA's names of record types, by number.
static TYPE_NAMES: [(u16, &str); 54] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (24, "SIG"),
    (25, "KEY"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (32769, "DLV"),
];

/// IANA's names of response codes, by number.
static RCODE_NAMES: [(u16, &str); 20] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADVERS"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

impl RecordType {
    /// IPv4 address.
    pub const A: Self = Self(1);
    /// Name server.
    pub const NS: Self = Self(2);
    /// Alias.
    pub const CNAME: Self = Self(5);
    /// Start of authority.
    pub const SOA: Self = Self(6);
    /// Pointer.
    pub const PTR: Self = Self(12);
    /// Mail exchange.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Service location.
    pub const SRV: Self = Self(33);
    /// Naming authority pointer.
    pub const NAPTR: Self = Self(35);
    /// Subtree alias.
    pub const DNAME: Self = Self(39);
    /// EDNS pseudo record.
    pub const OPT: Self = Self(41);
    /// Service binding.
    pub const SVCB: Self = Self(64);
    /// Service binding for HTTPS.
    pub const HTTPS: Self = Self(65);
    /// Sender policy, as TXT.
    pub const SPF: Self = Self(99);
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TYPE_NAMES.binary_search_by_key(&self.0, |&(number, _)| number) {
            Ok(index) => f.write_str(TYPE_NAMES.get(index).map_or("", |&(_, name)| name)),
            Err(_) => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A response code by its IANA name, unknown ones as `RCODE24`.
pub fn rcode_name(rcode: u16) -> std::borrow::Cow<'static, str> {
    RCODE_NAMES
        .iter()
        .find(|&&(number, _)| number == rcode)
        .map_or_else(|| format!("RCODE{rcode}").into(), |&(_, name)| name.into())
}

/// Writes a character string of a TXT-like record in zone-file form: quoted, other bytes as `\DDD`.
fn quoted(text: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for &byte in text {
        match byte {
            b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
            0x20..=0x7e => f.write_char(char::from(byte))?,
            _ => write!(f, "\\{byte:03}")?,
        }
    }
    f.write_char('"')
}

/// RFC 3597 form of data that has no other.
fn generic(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\\# {}", data.len())?;
    if !data.is_empty() {
        f.write_char(' ')?;
    }
    data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for RecordData {
    /// Zone-file form (RFC 1035 §5), names without the final dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => write!(f, "{address}"),
            Self::Aaaa(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
            Self::Mx { preference, exchange } => write!(f, "{preference} {exchange}"),
            Self::Soa { mname, rname, numbers } => {
                write!(f, "{mname} {rname}")?;
                numbers.iter().try_for_each(|number| write!(f, " {number}"))
            }
            Self::Srv { priority, weight, port, target } => write!(f, "{priority} {weight} {port} {target}"),
            Self::Naptr { order, preference, texts, replacement } => {
                write!(f, "{order} {preference}")?;
                for text in texts {
                    f.write_char(' ')?;
                    quoted(text, f)?;
                }
                write!(f, " {replacement}")
            }
            Self::Txt(texts) => texts.iter().enumerate().try_for_each(|(index, text)| {
                if index > 0 {
                    f.write_char(' ')?;
                }
                quoted(text, f)
            }),
            Self::Svcb { priority, target, params } => {
                write!(f, "{priority} {target}")?;
                for (key, value) in params {
                    write!(f, " key{key}")?;
                    if !value.is_empty() {
                        f.write_char('=')?;
                        quoted(value, f)?;
                    }
                }
                Ok(())
            }
            Self::Other(data) => generic(data, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_numbers_survive() {
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        assert_eq!(RecordType::SRV.to_string(), "SRV");
        assert_eq!(rcode_name(3), "NXDOMAIN");
        assert_eq!(rcode_name(999), "RCODE999");
        assert!(TYPE_NAMES.is_sorted());
    }

    #[test]
    fn data_prints_in_zone_file_form() {
        let srv = RecordData::Srv { priority: 0, weight: 5, port: 5061, target: "pool.ex.test".into() };
        assert_eq!(srv.to_string(), "0 5 5061 pool.ex.test");
        assert_eq!(RecordData::Txt(vec![b"a\"b".to_vec(), vec![0x1b]]).to_string(), r#""a\"b" "\027""#);
        assert_eq!(RecordData::Other(vec![1, 0xab]).to_string(), r"\# 2 01ab");
        assert_eq!(RecordData::Other(vec![]).to_string(), r"\# 0");
    }
}
