//! Lines of an SSLKEYLOGFILE (NSS key log format, draft-ietf-tls-keylogfile).
//!
//! In: the text. Out: labelled secrets with their line numbers, and the lines that cannot be read.
//! CRLF and LF, comments, any case, any blanks. Secrets are lent as bytes and not kept here.

use std::fmt;

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take_while1;
use nom::character::complete::space1;
use nom::sequence::separated_pair;

use crate::model::tls::SecretLabel as Label;

/// A line. Does not print its secret.
#[derive(PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: u32,
    /// What it holds.
    pub label: Label,
    /// By what it is found: a random, a session id, the beginning of an encrypted premaster secret.
    pub id: Vec<u8>,
    /// The secret.
    pub secret: Vec<u8>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({}, {:?}, {} bytes)", self.number, self.label, self.secret.len())
    }
}

/// A line that cannot be read. Never holds the line itself.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub number: u32,
    /// What is wrong.
    pub what: &'static str,
}

/// Labels that name no secret of interest here, or of the future.
const KNOWN_OTHER: [&str; 3] = ["EXPORTER_SECRET", "EARLY_EXPORTER_SECRET", "ECH_SECRET"];

/// Reads all lines. Unknown labels are passed over.
pub fn parse(text: &[u8]) -> (Vec<Line>, Vec<BadLine>) {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match parse_line(line) {
            Ok(Some((label, id, secret))) => lines.push(Line { number, label, id, secret }),
            Ok(None) => {}
            Err(what) => bad.push(BadLine { number, what }),
        }
    }
    (lines, bad)
}

type Fields = (Label, Vec<u8>, Vec<u8>);

fn parse_line(line: &[u8]) -> Result<Option<Fields>, &'static str> {
    let words: IResult<&[u8], (&[u8], &[u8])> = separated_pair(word, space1, nom::combinator::rest).parse(line);
    let Ok((_, (label, rest))) = words else { return Err("a label and nothing else") };
    let label = String::from_utf8_lossy(label).to_ascii_uppercase();
    if label == "RSA" && rest.to_ascii_lowercase().starts_with(b"session-id:") {
        return session_id_line(rest).map(Some).ok_or("no session id and master key in hex");
    }
    let label = match label.as_str() {
        "CLIENT_RANDOM" => Label::ClientRandom,
        "PMS_CLIENT_RANDOM" => Label::Premaster,
        "RSA" => Label::Rsa,
        "CLIENT_EARLY_TRAFFIC_SECRET" => Label::ClientEarly,
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshake,
        "SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshake,
        "CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic,
        "SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic,
        other if KNOWN_OTHER.contains(&other) || is_label(other) => return Ok(None),
        _ => return Err("no label of a key log"),
    };
    let hex: IResult<&[u8], (&[u8], &[u8])> = separated_pair(word, space1, word).parse(rest);
    let Ok((_, (id, secret))) = hex else { return Err("fewer than three fields") };
    let (Some(id), Some(secret)) = (unhex(id), unhex(secret)) else { return Err("a field that is not hex") };
    let fits = match label {
        Label::Rsa => id.len() == 8 && secret.len() == 48,
        Label::ClientRandom => id.len() == 32 && secret.len() == 48,
        Label::Premaster => id.len() == 32 && !secret.is_empty(),
        Label::SessionId => true,
        _ => id.len() == 32 && matches!(secret.len(), 32 | 48),
    };
    if fits { Ok(Some((label, id, secret))) } else { Err("a field of the wrong length") }
}

/// `RSA Session-ID:… Master-Key:…`, as OpenSSL's `s_client` prints it.
fn session_id_line(rest: &[u8]) -> Option<Fields> {
    let (mut id, mut secret) = (None, None);
    for word in rest.split(u8::is_ascii_whitespace) {
        let Some(colon) = word.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (word.get(..colon)?, word.get(colon + 1..)?);
        if name.eq_ignore_ascii_case(b"session-id") {
            id = unhex(value);
        } else if name.eq_ignore_ascii_case(b"master-key") {
            secret = unhex(value).filter(|secret| secret.len() == 48);
        }
    }
    Some((Label::SessionId, id?, secret?))
}

fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|byte: u8| !byte.is_ascii_whitespace()).parse(input)
}

/// Whether a word has the form of a label.
fn is_label(word: &str) -> bool {
    word.contains('_') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// For the fuzzer: any text.
pub fn fuzz(bytes: &[u8]) {
    let (lines, bad) = parse(bytes);
    assert!(lines.len() + bad.len() <= bytes.split(|&byte| byte == b'\n').count());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<Option<(Label, usize, usize)>, &'static str>) {
        let read =
            parse_line(line.as_bytes()).map(|fields| fields.map(|(label, id, secret)| (label, id.len(), secret.len())));
        assert_eq!(read, expected, "{line}");
    }

    #[test]
    fn lines() {
        let (random, master) = ("0a".repeat(32), "Fe".repeat(48));
        check(&format!("CLIENT_RANDOM {random} {master}"), Ok(Some((Label::ClientRandom, 32, 48))));
        check(&format!("client_random  {random}\t{master}"), Ok(Some((Label::ClientRandom, 32, 48))));
        check(&format!("RSA 0011223344556677 {master}"), Ok(Some((Label::Rsa, 8, 48))));
        check(&format!("RSA Session-ID:{random} Master-Key:{master}"), Ok(Some((Label::SessionId, 32, 48))));
        check(&format!("SERVER_TRAFFIC_SECRET_0 {random} {random}"), Ok(Some((Label::ServerTraffic, 32, 32))));
        check(&format!("EXPORTER_SECRET {random} {random}"), Ok(None));
        check("SOME_FUTURE_LABEL 00 11", Ok(None));
        check(&format!("CLIENT_RANDOM {random}"), Err("fewer than three fields"));
        check(&format!("CLIENT_RANDOM {random} {random}"), Err("a field of the wrong length"));
        check(&format!("CLIENT_RANDOM {random}0 {master}"), Err("a field that is not hex"));
        check("-----BEGIN RSA PRIVATE KEY-----", Err("no label of a key log"));
        check("hello", Err("a label and nothing else"));
    }

    #[test]
    fn comments_and_line_ends() {
        let line = format!("CLIENT_RANDOM {} {}", "00".repeat(32), "11".repeat(48));
        let (lines, bad) = parse(format!("\u{feff}# key log\r\n\r\n{line}\r\nnonsense here\n{line}").as_bytes());
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(bad, [BadLine { number: 4, what: "no label of a key log" }]);
        fuzz(line.as_bytes());
    }
}
