//! Dates of SIP and HTTP header fields (RFC 3261 §20.17, RFC 9110 §5.6.7): `Sat, 13 Nov 2010 23:29:00 GMT`.

use jiff::fmt::rfc2822::DateTimeParser;

use crate::model::Timestamp;

const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// Reads a date; `None` where it is none, or outside of the years that capture time covers.
pub fn parse(value: &str) -> Option<Timestamp> {
    let instant = PARSER.parse_timestamp(value.trim()).ok()?;
    i64::try_from(instant.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// For the fuzzer: any text.
pub fn fuzz(bytes: &[u8]) {
    if let Some(time) = parse(&String::from_utf8_lossy(bytes)) {
        assert_eq!(time.as_nanos() % 1_000_000_000, 0, "a date has whole seconds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, seconds: Option<i64>) {
        assert_eq!(parse(value), seconds.map(|seconds| Timestamp::new(seconds, 0)), "{value}");
        fuzz(value.as_bytes());
    }

    #[test]
    fn dates() {
        check("Sat, 13 Nov 2010 23:29:00 GMT", Some(1_289_690_940));
        check(" Sun, 13 Nov 2010 23:29:00 GMT ", Some(1_289_690_940)); // a wrong weekday says nothing
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("13 Nov 2010", None);
        check("", None);
    }
}
