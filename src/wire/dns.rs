//! DNS messages (RFC 1035), also as mDNS (RFC 6762) and LLMNR (RFC 4795) use them.
//!
//! In: the bytes of one message, without the length prefix of TCP. Out: everything before the first
//! damage, and the damage. Compressed names follow pointers strictly backwards, so they end.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take;
use nom::combinator::map;
use nom::error::{Error, ErrorKind};
use nom::multi::{length_data, many0};
use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::model::Defect;
use crate::model::dns::{DnsMessage, Question, Record, RecordData, RecordType};

/// Longest name in zone-file form that is kept: 255 bytes on the wire, each at most four characters.
const LONGEST_NAME: usize = 1020;

/// Most pointers in one name: a name has at most 127 labels.
const MOST_JUMPS: u32 = 127;

/// Length of the header in bytes.
pub const HEADER: usize = 12;

/// What could be read of a message.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The readable part.
    pub message: DnsMessage,
    /// Why reading stopped, or what was odd.
    pub defect: Option<Defect>,
}

type Bytes<'a> = &'a [u8];

/// Reads a message.
///
/// # Errors
/// Where not even the header is there.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Defect> {
    let header: IResult<Bytes<'_>, (u16, u16, [u16; 4])> =
        (be_u16, be_u16, (be_u16, be_u16, be_u16, be_u16).map(<[u16; 4]>::from)).parse(bytes);
    let Ok((rest, (id, flags, counts))) = header else {
        return Err(Defect::new("DNS", bytes.len(), format!("a header has 12 bytes, this has {}", bytes.len())));
    };
    let mut message = DnsMessage { id, flags, rcode: flags & 0xf, ..DnsMessage::default() };
    let defect = sections(bytes, rest, counts, &mut message).err();
    if let Some(opt) = message.additional.iter().find(|record| record.rtype == RecordType::OPT) {
        message.rcode |= u16::try_from(opt.ttl >> 24).unwrap_or(0) << 4;
    }
    Ok(Parsed { message, defect })
}

/// Reads the four sections into `message` until the first damage.
fn sections<'a>(whole: &'a [u8], mut rest: &'a [u8], counts: [u16; 4], message: &mut DnsMessage) -> Result<(), Defect> {
    let [questions, answers, authority, additional] = counts;
    for index in 0..questions {
        let (after, found) = question(whole, rest).map_err(|_| damage(whole, rest, "question", index))?;
        message.questions.push(found);
        rest = after;
    }
    for (name, count, section) in [
        ("answer", answers, &mut message.answers),
        ("authority record", authority, &mut message.authority),
        ("additional record", additional, &mut message.additional),
    ] {
        for index in 0..count {
            let (after, found) = record(whole, rest).map_err(|_| damage(whole, rest, name, index))?;
            section.push(found);
            rest = after;
        }
    }
    if rest.is_empty() {
        return Ok(());
    }
    Err(Defect::new("DNS", whole.len() - rest.len(), format!("{} bytes after the last record", rest.len())))
}

fn damage(whole: &[u8], rest: &[u8], what: &str, index: u16) -> Defect {
    let number = u32::from(index) + 1;
    Defect::new("DNS", whole.len().saturating_sub(rest.len()), format!("{what} {number} cannot be read"))
}

fn question<'a>(whole: &[u8], input: Bytes<'a>) -> IResult<Bytes<'a>, Question> {
    let (input, name) = name(whole, input)?;
    let (input, (rtype, class)) = (be_u16, be_u16).parse(input)?;
    Ok((input, Question { name, rtype: RecordType(rtype), class }))
}

fn record<'a>(whole: &'a [u8], input: Bytes<'a>) -> IResult<Bytes<'a>, Record> {
    let (input, name) = name(whole, input)?;
    let (input, (rtype, class, ttl)) = (be_u16, be_u16, be_u32).parse(input)?;
    let rtype = RecordType(rtype);
    let (after, data) = length_data(be_u16).parse(input)?;
    let data = match record_data(whole, rtype, data) {
        Ok(([], typed)) => typed,
        _ => RecordData::Other(data.to_vec()),
    };
    Ok((after, Record { name, rtype, class, ttl, data }))
}

/// Reads the data by its type; bytes left over mean that it does not fit.
fn record_data<'a>(whole: &'a [u8], rtype: RecordType, data: Bytes<'a>) -> IResult<Bytes<'a>, RecordData> {
    match rtype {
        RecordType::A => map(be_u32, |bits| RecordData::A(Ipv4Addr::from_bits(bits))).parse(data),
        RecordType::AAAA => {
            map(nom::number::complete::be_u128, |bits| RecordData::Aaaa(Ipv6Addr::from_bits(bits))).parse(data)
        }
        RecordType::CNAME | RecordType::NS | RecordType::PTR | RecordType::DNAME => {
            let (rest, target) = name(whole, data)?;
            Ok((rest, RecordData::Name(target)))
        }
        RecordType::MX => {
            let (rest, preference) = be_u16.parse(data)?;
            let (rest, exchange) = name(whole, rest)?;
            Ok((rest, RecordData::Mx { preference, exchange }))
        }
        RecordType::SOA => {
            let (rest, mname) = name(whole, data)?;
            let (rest, rname) = name(whole, rest)?;
            let (rest, numbers) = (be_u32, be_u32, be_u32, be_u32, be_u32).map(<[u32; 5]>::from).parse(rest)?;
            Ok((rest, RecordData::Soa { mname, rname, numbers }))
        }
        RecordType::SRV => {
            let (rest, (priority, weight, port)) = (be_u16, be_u16, be_u16).parse(data)?;
            let (rest, target) = name(whole, rest)?;
            Ok((rest, RecordData::Srv { priority, weight, port, target }))
        }
        RecordType::NAPTR => {
            let (rest, (order, preference)) = (be_u16, be_u16).parse(data)?;
            let (rest, texts) = (string, string, string).map(<[Vec<u8>; 3]>::from).parse(rest)?;
            let (rest, replacement) = name(whole, rest)?;
            Ok((rest, RecordData::Naptr { order, preference, texts, replacement }))
        }
        RecordType::TXT | RecordType::SPF => many0(string).map(RecordData::Txt).parse(data),
        RecordType::SVCB | RecordType::HTTPS => {
            let (rest, priority) = be_u16.parse(data)?;
            let (rest, target) = name(whole, rest)?;
            let param = (be_u16, length_data(be_u16)).map(|(key, value): (u16, Bytes<'_>)| (key, value.to_vec()));
            let (rest, params) = many0(param).parse(rest)?;
            Ok((rest, RecordData::Svcb { priority, target, params }))
        }
        _ => Ok((&[], RecordData::Other(data.to_vec()))),
    }
}

/// A character string: a length byte and so many bytes.
fn string(input: Bytes<'_>) -> IResult<Bytes<'_>, Vec<u8>> {
    length_data(be_u8).map(|bytes: Bytes<'_>| bytes.to_vec()).parse(input)
}

/// Reads a name in zone-file form without the final dot; the root is `.`.
///
/// `input` must lie within `whole`. A pointer must point before the place where the name (or the
/// part that the last pointer led to) began, so that following them ends.
fn name<'a>(whole: &[u8], input: Bytes<'a>) -> IResult<Bytes<'a>, String> {
    let fail = || nom::Err::Error(Error::new(input, ErrorKind::Verify));
    let mut text = String::new();
    let mut after = None;
    let mut here = input;
    let mut jumps = 0;
    let mut floor = whole.len().checked_sub(input.len()).ok_or_else(fail)?;
    loop {
        let Some((&length, rest)) = here.split_first() else { return Err(fail()) };
        match length {
            0 => {
                let root = if text.is_empty() { ".".to_owned() } else { text };
                let end = after.unwrap_or_else(|| tail_of(input, rest));
                return Ok((end, root));
            }
            1..=63 => {
                let (tail, label) = take::<_, _, Error<_>>(usize::from(length)).parse(rest).map_err(|_| fail())?;
                if !text.is_empty() {
                    text.push('.');
                }
                push_label(label, &mut text);
                if text.len() > LONGEST_NAME {
                    return Err(fail());
                }
                here = tail;
            }
            0xc0..=0xff => {
                let Some((&low, tail)) = rest.split_first() else { return Err(fail()) };
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                jumps += 1;
                if target >= floor || jumps > MOST_JUMPS {
                    return Err(fail());
                }
                after.get_or_insert(tail_of(input, tail));
                floor = target;
                here = whole.get(target..).ok_or_else(fail)?;
            }
            _ => return Err(fail()),
        }
    }
}

/// The part of `input` that is as long as `rest`, which was read from it.
fn tail_of<'a>(input: &'a [u8], rest: &[u8]) -> &'a [u8] {
    input.get(input.len().saturating_sub(rest.len())..).unwrap_or_default()
}

/// Appends a label; dots, backslashes and bytes that do not print are escaped (RFC 4343 §2.1).
fn push_label(label: &[u8], text: &mut String) {
    for &byte in label {
        match byte {
            b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x21..=0x7e => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
}

/// For the fuzzer: any bytes.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(parsed) = parse(bytes) {
        let names = parsed.message.records().map(|record| record.name.len() + record.data.to_string().len());
        assert!(names.sum::<usize>() <= 8 * LONGEST_NAME * (bytes.len() + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRV_ANSWER: &[u8] = b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\x01\
        \x0f_sipinternaltls\x04_tcp\x02ex\x04test\0\0\x21\0\x01\
        \xc0\x0c\0\x21\0\x01\0\0\0\x3c\0\x0d\0\0\0\x05\x13\xc5\x04pool\xc0\x21\
        \xc0\x40\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x0a";

    #[test]
    fn an_srv_answer_with_a_compressed_target() {
        let parsed = parse(SRV_ANSWER).unwrap();
        assert_eq!(parsed.defect, None);
        assert_eq!(parsed.message.questions[0].name, "_sipinternaltls._tcp.ex.test");
        assert_eq!(parsed.message.answers[0].data.to_string(), "0 5 5061 pool.ex.test");
        assert!(parsed.message.is_response());
    }

    #[track_caller]
    fn check_name(wire: &[u8], expected: Option<&str>) {
        let whole = [&[0; 12], wire].concat();
        let read = name(&whole, &whole[12..]).ok().map(|(_, text)| text);
        assert_eq!(read.as_deref(), expected, "{wire:02x?}");
    }

    #[test]
    fn names() {
        check_name(b"\x03sip\x02ex\0", Some("sip.ex"));
        check_name(b"\0", Some("."));
        check_name(b"\x03a.b\0", Some("a\\.b"));
        check_name(b"\x02\xff \0", Some("\\255\\032"));
        check_name(b"\xc0\x0c", None); // points at itself
        check_name(b"\xc0\x20", None); // points ahead
        check_name(b"\x01a\xc0\x0c", None); // runs in a circle
        check_name(b"\x05ab", None);
        check_name(b"\x40a", None);
        check_name(b"", None);
        check_name(&[[1, b'a']; 600].concat(), None);
    }

    #[test]
    fn what_precedes_the_damage_is_kept() {
        let mut bytes = b"\0\x01\x81\x80\0\x01\0\x02\0\0\0\0\x02ex\0\0\x01\0\x01".to_vec();
        bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0");
        let parsed = parse(&bytes).unwrap();
        assert_eq!(parsed.message.answers.len(), 1);
        assert_eq!(parsed.defect.unwrap().what, "answer 2 cannot be read");
        assert!(parse(&bytes[..11]).is_err());
    }

    #[test]
    fn data_that_does_not_fit_its_type_is_kept_as_bytes() {
        let mut bytes = b"\0\x01\x81\x80\0\0\0\x01\0\0\0\0".to_vec();
        bytes.extend(b"\x02ex\0\0\x01\0\x01\0\0\0\x3c\0\x05\xc0\0\x02\x01\x09");
        let parsed = parse(&bytes).unwrap();
        assert_eq!(parsed.message.answers[0].data.to_string(), "\\# 5 c000020109");
    }

    #[test]
    fn any_bytes_end() {
        for length in 0..SRV_ANSWER.len() {
            fuzz(&SRV_ANSWER[..length]);
            let mut bent = SRV_ANSWER.to_vec();
            for value in [0, 0xc0, 0xff, 0x3f] {
                bent[length] = value;
                fuzz(&bent);
            }
        }
    }
}
