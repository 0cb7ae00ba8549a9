//! Numbers, addresses and times as text, appended to what is there: a timeline has thirty of them a row.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp as Instant;
use jiff::fmt::temporal::DateTimePrinter;

use crate::model::{Span, Timestamp};

/// A whole number.
pub fn whole(number: u64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// The last `digits` digits of a number, with zeros before them.
fn padded(number: u64, digits: u32, out: &mut String) {
    let one = 10_u64.pow(digits);
    let mut buffer = itoa::Buffer::new();
    // A one before them keeps the zeros.
    out.push_str(buffer.format(one + number % one).get(1..).unwrap_or_default());
}

/// A span in units of ten to the power of `digits` nanoseconds, all nanoseconds told: with 9 in seconds, with 6 in
/// milliseconds.
pub fn decimal(span: Span, digits: u32, out: &mut String) {
    let nanos = span.as_nanos();
    if nanos < 0 {
        out.push('-');
    }
    whole(nanos.unsigned_abs() / 10_u64.pow(digits), out);
    out.push('.');
    padded(nanos.unsigned_abs(), digits, out);
}

/// An address.
pub fn address(address: IpAddr, out: &mut String) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push('.');
                }
                whole(octet.into(), out);
            }
        }
        IpAddr::V6(address) => _ = write!(out, "{address}"),
    }
}

/// Writes capture times as RFC 3339 in UTC with nine digits; remembers the second, which many of them share.
#[derive(Debug, Default)]
pub struct Times {
    second: Option<i64>,
    /// The second up to its point.
    text: String,
}

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
const NANOS: i64 = 1_000_000_000;

impl Times {
    /// A time.
    pub fn rfc3339(&mut self, time: Timestamp, out: &mut String) {
        let second = time.as_nanos().div_euclid(NANOS);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            // Writing to a string does not fail.
            let _ = PRINTER.print_timestamp(&Instant::from_second(second).unwrap_or_default(), &mut self.text);
            let end = self.text.trim_end_matches('Z').len();
            self.text.truncate(end);
            self.text.push('.');
        }
        out.push_str(&self.text);
        padded(time.as_nanos().rem_euclid(NANOS).unsigned_abs(), 9, out);
        out.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_time(time: Timestamp, expected: &str) {
        let mut out = String::new();
        Times::default().rfc3339(time, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn times_have_nine_digits() {
        check_time(Timestamp::from_nanos(0), "1970-01-01T00:00:00.000000000Z");
        check_time(Timestamp::from_nanos(-1), "1969-12-31T23:59:59.999999999Z");
        check_time(Timestamp::new(1_795_418_857, 699_214_001), "2026-11-23T07:27:37.699214001Z");
        check_time(Timestamp::from_nanos(i64::MIN), "1677-09-21T00:12:43.145224192Z");
        check_time(Timestamp::from_nanos(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        let (mut times, mut out) = (Times::default(), String::new());
        for nanos in [NANOS - 1, NANOS, NANOS + 5] {
            times.rfc3339(Timestamp::from_nanos(nanos), &mut out);
        }
        let expected = ["1970-01-01T00:00:00.999999999Z", "1970-01-01T00:00:01.000000000Z"];
        assert_eq!(out, [expected[0], expected[1], "1970-01-01T00:00:01.000000005Z"].concat());
    }

    #[test]
    fn spans_are_told_to_the_nanosecond() {
        let powers = (0..16).map(|power| 10_i64.pow(power)).chain((0..50).map(|power| 1 << power));
        for nanos in powers.flat_map(|nanos| [nanos - 1, nanos, nanos + 1, -nanos, nanos * 9 / 7]) {
            let span = Span::from_nanos(nanos);
            let told = |digits| {
                let mut out = String::new();
                decimal(span, digits, &mut out);
                out
            };
            assert_eq!(told(9), format!("{:.9}", span.as_secs_f64()));
            assert_eq!(told(6), format!("{:.6}", span.as_secs_f64() * 1e3));
        }
        let mut out = String::new();
        decimal(Span::from_nanos(i64::MIN), 9, &mut out);
        assert_eq!(out, "-9223372036.854775808");
    }

    #[test]
    fn addresses_are_as_they_print() {
        for text in ["0.0.0.0", "10.254.10.13", "255.255.255.255", "::", "fe80::1", "::ffff:192.0.2.1"] {
            let mut out = String::new();
            address(text.parse().unwrap(), &mut out);
            assert_eq!(out, text);
        }
    }
}
