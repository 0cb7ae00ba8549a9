//! The language of `--filter`: which rows to show and export.
//!
//! ```text
//! sip and status >= 400 and from contains "alice"
//! dns or (tcp and not tcp_event == closed)
//! ```
//! A field by itself asks whether the row has it; a kind (`dns`, `sip` …) asks for rows of that
//! kind. Snooper's words work beside that, and stand one behind the other without an `and`:
//!
//! ```text
//! from:alice direction:in 403 "not enabled"
//! ```
//! `from:` `to:` `callid:` `cseq:` `method:` `event:` ask whether the field contains the word; `direction:`
//! takes `in`, `out` and `none` (rows that are no messages); a status code asks for answers with it; any other number, text
//! in quotes and `text:` are looked for in the whole message.
//!
//! Operators: `==` `!=` `<` `<=` `>` `>=` (`eq ne lt le gt ge`), `contains`; `and` `or` `not`
//! (`&&` `||` `!`) and parentheses. Text is compared without regard to case. A comparison with a
//! field that the row does not have is false.

use std::cmp::Ordering;

use nom::IResult;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::{map, opt};
use nom::sequence::{delimited, preceded};

use crate::model::Message;
use crate::story::fields::{FIELDS, Field, FieldKind, Getter, Value, find};
use crate::story::row::Row;
use crate::story::steps::STEPS;
use crate::story::summary::summary;

/// Kinds of rows that a filter may name.
pub const KINDS: [&str; 11] = ["dns", "tcp", "icmp", "tls", "sip", "http", "kerberos", "dhcp", "log", "loss", "defect"];

/// Deepest nesting of parentheses and `not`.
const DEEPEST: usize = 64;

/// A filter that can be asked of rows.
#[derive(Debug)]
pub struct Filter(Expr);

#[derive(Debug)]
enum Expr {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Kind(&'static str),
    Has(Getter),
    Compare(Getter, Operator, Literal),
    /// A text anywhere in a message, lower case.
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

#[derive(Debug)]
struct Literal {
    text: String,
    number: Option<f64>,
    /// Nanoseconds since 1970, where the text is a time (RFC 3339).
    time: Option<i64>,
}

/// What is wrong with a filter, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}")]
pub struct FilterError {
    /// Counted from 1.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Says where it cannot be understood.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parse { whole: text, rest: text };
        let expr = parser.any(0)?;
        parser.skip_blanks();
        if parser.rest.is_empty() { Ok(Self(expr)) } else { Err(parser.error("expected `and`, `or` or the end")) }
    }

    /// Whether a row passes.
    pub fn passes(&self, row: &Row) -> bool {
        self.0.holds(row)
    }
}

impl Expr {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Not(part) => !part.holds(row),
            Self::Kind(kind) => row.kind() == *kind,
            Self::Has(get) => get(row).is_some(),
            Self::Text(text) => holds_text(row, text),
            Self::Compare(get, operator, literal) => get(row).is_some_and(|value| literal.compare(&value, *operator)),
        }
    }
}

impl Literal {
    fn compare(&self, value: &Value<'_>, operator: Operator) -> bool {
        match value {
            Value::Bool(yes) => self.text_is(if *yes { "true" } else { "false" }, operator),
            #[expect(clippy::cast_precision_loss, reason = "row and port numbers stay below 2^53")]
            Value::Int(number) => self.number_is(*number as f64, &number.to_string(), operator),
            Value::Seconds(span) => {
                let seconds = span.as_secs_f64();
                self.number_is(seconds, &seconds.to_string(), operator)
            }
            Value::Text(text) => self.text_is(text, operator),
            Value::Address(address) => self.text_is(&address.to_string(), operator),
            Value::Time(time) => self.time.is_some_and(|literal| operator.accepts(time.as_nanos().cmp(&literal))),
            Value::Seen(seen) => seen.changed.iter().any(|name| self.text_is(name, operator)),
            Value::Texts(texts) => texts.iter().any(|text| self.text_is(text, operator)),
            Value::Records(records) => records
                .iter()
                .any(|record| self.text_is(&record.data.to_string(), operator) || self.text_is(&record.name, operator)),
        }
    }

    fn number_is(&self, number: f64, text: &str, operator: Operator) -> bool {
        match self.number.and_then(|literal| number.partial_cmp(&literal)) {
            Some(order) if operator != Operator::Contains => operator.accepts(order),
            _ => self.text_is(text, operator),
        }
    }

    fn text_is(&self, text: &str, operator: Operator) -> bool {
        let text = text.to_lowercase();
        if operator == Operator::Contains { text.contains(&self.text) } else { operator.accepts(text.cmp(&self.text)) }
    }
}

impl Operator {
    const fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Contains => false,
        }
    }
}

/// Whether a row's message, or what is said of it, holds a text (lower case).
fn holds_text(row: &Row, text: &str) -> bool {
    let in_message = match &row.message {
        Message::Sip(message) => String::from_utf8_lossy(&message.raw).to_lowercase().contains(text),
        _ => false,
    };
    in_message || summary(row).to_lowercase().contains(text)
}

/// Words of Snooper before a colon, and the field that each asks.
const SNOOPER: [(&str, &str); 8] = [
    ("from", "from"),
    ("to", "to"),
    ("callid", "call_id"),
    ("call-id", "call_id"),
    ("cseq", "cseq"),
    ("method", "method"),
    ("event", "event"),
    ("direction", "direction"),
];

fn word(input: &str) -> IResult<&str, &str> {
    take_while1(|char: char| char.is_alphanumeric() || "_-.:@/*".contains(char)).parse(input)
}

fn literal(input: &str) -> IResult<&str, &str> {
    let double = delimited(char('"'), map(opt(is_not("\"")), Option::unwrap_or_default), char('"'));
    let single = delimited(char('\''), map(opt(is_not("'")), Option::unwrap_or_default), char('\''));
    alt((double, single, word)).parse(input)
}

fn symbol(input: &str) -> IResult<&str, Operator> {
    alt((
        map(tag("=="), |_| Operator::Equal),
        map(tag("!="), |_| Operator::NotEqual),
        map(tag("<="), |_| Operator::LessOrEqual),
        map(tag(">="), |_| Operator::GreaterOrEqual),
        map(tag("<"), |_| Operator::Less),
        map(tag(">"), |_| Operator::Greater),
        map(tag("="), |_| Operator::Equal),
    ))
    .parse(input)
}

fn operator_word(word: &str) -> Option<Operator> {
    Some(match word {
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "lt" => Operator::Less,
        "le" => Operator::LessOrEqual,
        "gt" => Operator::Greater,
        "ge" => Operator::GreaterOrEqual,
        "contains" => Operator::Contains,
        _ => return None,
    })
}

struct Parse<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Parse<'a> {
    fn error(&self, what: impl Into<String>) -> FilterError {
        let read = self.whole.get(..self.whole.len() - self.rest.len()).unwrap_or_default();
        FilterError { at: read.chars().count() + 1, what: what.into() }
    }

    fn skip_blanks(&mut self) {
        let blanks: IResult<&str, &str> = multispace0.parse(self.rest);
        if let Ok((rest, _)) = blanks {
            self.rest = rest;
        }
    }

    fn take<T>(&mut self, parser: impl Parser<&'a str, Output = T, Error = nom::error::Error<&'a str>>) -> Option<T> {
        let (rest, value) = preceded(multispace0, parser).parse(self.rest).ok()?;
        self.rest = rest;
        Some(value)
    }

    fn take_word(&mut self, wanted: &[&str]) -> bool {
        let before = self.rest;
        if let Some(found) = self.take(word)
            && wanted.contains(&found)
        {
            return true;
        }
        self.rest = before;
        false
    }

    fn any(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all(depth)?];
        while self.take_word(&["or"]) || self.take(tag("||")).is_some() {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one(depth)?];
        loop {
            if self.take_word(&["and"]) || self.take(tag("&&")).is_some() {
                parts.push(self.one(depth)?);
            } else if let Some(part) = self.snooper() {
                parts.push(part);
            } else {
                break;
            }
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expr, FilterError> {
        if depth > DEEPEST {
            return Err(self.error("nested too deep"));
        }
        if self.take_word(&["not"]) || self.take(char('!')).is_some() {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take(char('(')).is_some() {
            let inner = self.any(depth + 1)?;
            return self.take(char(')')).map(|_| inner).ok_or_else(|| self.error("expected `)`"));
        }
        if let Some(part) = self.snooper() {
            return Ok(part);
        }
        self.skip_blanks();
        let start = self.rest;
        let Some(name) = self.take(word) else { return Err(self.error("expected a field or a kind of row")) };
        if let Some(kind) = KINDS.iter().find(|kind| **kind == name) {
            return Ok(Expr::Kind(kind));
        }
        let Some(field) = find(name) else {
            self.rest = start;
            return Err(self.error(unknown(name)));
        };
        self.comparison(field)
    }

    /// A word in Snooper's way; `None`, and nothing taken, where the next is none.
    fn snooper(&mut self) -> Option<Expr> {
        let before = self.rest;
        let found = self.snooper_word();
        if found.is_none() {
            self.rest = before;
        }
        found
    }

    fn snooper_word(&mut self) -> Option<Expr> {
        self.skip_blanks();
        if self.rest.starts_with(['"', '\'']) {
            return self.take(literal).map(|text| Expr::Text(text.to_lowercase()));
        }
        let word = self.take(word)?;
        if let Ok(number) = word.parse::<u32>() {
            let status = find("status").filter(|_| (100..700).contains(&number));
            let literal = Literal { text: word.to_owned(), number: Some(f64::from(number)), time: None };
            return Some(match status {
                Some(field) => Expr::Compare(field.value, Operator::Equal, literal),
                None => Expr::Text(word.to_owned()),
            });
        }
        let (name, value) = word.split_once(':')?;
        // The value may stand in quotes behind the colon.
        let value = if value.is_empty() { self.take(literal)? } else { value };
        let name = name.to_lowercase();
        if name == "text" {
            return Some(Expr::Text(value.to_lowercase()));
        }
        let (_, field) = SNOOPER.iter().find(|(known, _)| *known == name)?;
        if name == "direction" && value.eq_ignore_ascii_case("none") {
            return Some(Expr::Not(Box::new(Expr::Kind("sip"))));
        }
        let literal = Literal { text: value.to_lowercase(), number: None, time: None };
        Some(Expr::Compare(find(field)?.value, Operator::Contains, literal))
    }

    fn comparison(&mut self, field: &Field) -> Result<Expr, FilterError> {
        let before = self.rest;
        let by_word = self.take(word).and_then(operator_word);
        let operator = by_word.or_else(|| {
            self.rest = before;
            self.take(symbol)
        });
        let Some(operator) = operator else {
            self.rest = before;
            return Ok(Expr::Has(field.value));
        };
        self.skip_blanks();
        let value = self.rest;
        let Some(text) = self.take(literal) else { return Err(self.error("expected a value")) };
        let instant: Option<jiff::Timestamp> = text.parse().ok();
        let time = instant.and_then(|instant| i64::try_from(instant.as_nanosecond()).ok());
        if field.name == "time" && time.is_none() {
            return Err(self.error("expected a time such as 2026-11-23T07:35:04Z"));
        }
        let literal = Literal { text: text.to_lowercase(), number: text.parse().ok(), time };
        if operator != Operator::Contains
            && let Some(wanted) = wanted(field.kind, &literal)
        {
            self.rest = value;
            return Err(self.error(format!("`{}` is compared with {wanted}", field.name)));
        }
        Ok(Expr::Compare(field.value, operator, literal))
    }
}

/// What values of a kind are compared with, where the literal is nothing of it: no row could ever pass.
fn wanted(kind: FieldKind, literal: &Literal) -> Option<&'static str> {
    let (fits, wanted) = match kind {
        FieldKind::Text => return None,
        FieldKind::Number => (literal.number.is_some(), "a number"),
        FieldKind::Truth => (matches!(&*literal.text, "true" | "false"), "true or false"),
        FieldKind::Address => {
            (literal.text.parse::<std::net::IpAddr>().is_ok(), "an address; for a part of it use `contains`")
        }
        FieldKind::Step => {
            (STEPS.iter().any(|(_, id, _)| *id == literal.text), "the id of a step (`lynccap explain steps`)")
        }
        FieldKind::Direction => (matches!(&*literal.text, "out" | "in"), "out or in"),
    };
    (!fits).then_some(wanted)
}

/// Says that there is no such field, and which is meant.
fn unknown(name: &str) -> String {
    let near = FIELDS.iter().map(|field| field.name).find(|known| known.contains(name) || name.contains(known));
    match near {
        Some(near) => format!("no field or kind is called `{name}`; did you mean `{near}`?"),
        None => format!(
            "no field or kind is called `{name}`; `lynccap explain fields` lists them; to look for text, put it in quotes"
        ),
    }
}

/// For the fuzzer: any text.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Filter::parse(&text) {
        assert!(error.at <= text.chars().count() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dns::{DnsMessage, Question, RecordType};
    use crate::model::{At, FrameNo, InputNo, Message, PacketNo, Span, Timestamp};
    use proptest::prelude::*;

    fn row() -> Row {
        let question = Question { name: "sip.Ex.test".into(), rtype: RecordType::A, class: 1 };
        let message = DnsMessage { id: 7, flags: 0x8183, rcode: 3, questions: vec![question], ..DnsMessage::default() };
        let at = At { time: Timestamp::new(1, 0), packet: PacketNo::FIRST, frame: FrameNo(5), input: InputNo(0) };
        Row { message: Message::Dns(Box::new(message)), rtt: Some(Span::from_millis(20)), ..Row::new(at) }
    }

    #[track_caller]
    fn check(filter: &str, expected: bool) {
        assert_eq!(Filter::parse(filter).unwrap().passes(&row()), expected, "{filter}");
    }

    #[test]
    fn literals_are_of_the_fields_kind() {
        let filters = [
            "status >= abc",
            "step == regsiter",
            "decrypted == maybe",
            "src_ip == 300.1.1.1",
            "src_ip == 10.77.0.0/16",
            "direction == up",
        ];
        for filter in filters {
            let error = Filter::parse(filter).unwrap_err();
            assert_eq!(error.at, filter.rfind(' ').unwrap() + 2, "{filter}: {error}");
        }
        for filter in ["status contains 40", "step == register", "src_ip == ::1", "decrypted == TRUE", "dns_rtt > .5"] {
            assert!(Filter::parse(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn filters() {
        check("dns", true);
        check("sip", false);
        check("not sip", true);
        check("dns and dns_rcode == nxdomain", true);
        check("dns_name contains EX and (tcp or frame<=5)", true);
        check("dns_rtt > 0.01 && dns_rtt lt 1", true);
        check("dns_response == true", true);
        check("status", false);
        check("status != 200", false);
        check("dns_name", true);
        check("frame = 5 or sip", true);
        check("dns_name == 'sip.ex.test'", true);
        check("!(dns)||dns_type==A", true);
        check("dns_name == \"\"", false);
        check("\"NXDOMAIN\"", true);
        check("text:nxdomain", true);
        check("dns \"nxdomain\"", true);
        check("dns direction:none", true);
        check("direction:in", false);
        check("dns 403", false);
        check("dns from:alice", false);
        check("time >= 1970-01-01T00:00:01Z and time < \"1970-01-01T00:00:02Z\"", true);
    }

    #[track_caller]
    fn check_error(filter: &str, at: usize) {
        assert_eq!(Filter::parse(filter).unwrap_err().at, at, "{filter}");
    }

    #[test]
    fn errors_say_where() {
        check_error("", 1);
        check_error("dns and", 8);
        check_error("dns nonsense", 5);
        check_error("stat == 1", 1);
        check_error("status ==", 10);
        check_error("(dns", 5);
        check_error(&"(".repeat(100), 66);
        assert!(Filter::parse("stat == 1").unwrap_err().what.contains("`status`"));
    }

    proptest! {
        #[test]
        fn any_text_ends(text in ".{0,60}") {
            fuzz(text.as_bytes());
        }
    }
}
