//! Numbers, addresses and times as text, appended to what is there: `fmt` takes a multiple of the time, and a row has
//! a dozen of them.

use std::io::Write as _;
use std::net::IpAddr;

use jiff::Timestamp as Instant;
use jiff::fmt::temporal::DateTimePrinter;

use crate::model::{Span, Timestamp};

/// A whole number.
pub fn whole(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The last `digits` digits of a number, with zeros before them.
fn padded(number: u64, digits: u32, out: &mut Vec<u8>) {
    let one = 10_u64.pow(digits);
    let mut buffer = itoa::Buffer::new();
    // A one before them keeps the zeros.
    out.extend_from_slice(buffer.format(one + number % one).as_bytes().get(1..).unwrap_or_default());
}

/// A span in units of ten to the power of `digits` nanoseconds, all nanoseconds told: with 9 in seconds, with 6 in
/// milliseconds.
pub fn decimal(span: Span, digits: u32, out: &mut Vec<u8>) {
    let nanos = span.as_nanos();
    if nanos < 0 {
        out.push(b'-');
    }
    whole(nanos.unsigned_abs() / 10_u64.pow(digits), out);
    out.push(b'.');
    padded(nanos.unsigned_abs(), digits, out);
}

/// An address.
pub fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                whole(octet.into(), out);
            }
        }
        // Writing to memory does not fail.
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
    pub fn rfc3339(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        let second = time.as_nanos().div_euclid(NANOS);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            let _ = PRINTER.print_timestamp(&Instant::from_second(second).unwrap_or_default(), &mut self.text);
            let end = self.text.trim_end_matches('Z').len();
            self.text.truncate(end);
            self.text.push('.');
        }
        out.extend_from_slice(self.text.as_bytes());
        padded(time.as_nanos().rem_euclid(NANOS).unsigned_abs(), 9, out);
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_time(time: Timestamp, expected: &str) {
        let mut out = Vec::new();
        Times::default().rfc3339(time, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn times_have_nine_digits() {
        check_time(Timestamp::from_nanos(0), "1970-01-01T00:00:00.000000000Z");
        check_time(Timestamp::from_nanos(-1), "1969-12-31T23:59:59.999999999Z");
        check_time(Timestamp::new(1_795_418_857, 699_214_001), "2026-11-23T07:27:37.699214001Z");
        check_time(Timestamp::from_nanos(i64::MIN), "1677-09-21T00:12:43.145224192Z");
        check_time(Timestamp::from_nanos(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        let (mut times, mut out) = (Times::default(), Vec::new());
        for nanos in [NANOS - 1, NANOS, NANOS + 5] {
            times.rfc3339(Timestamp::from_nanos(nanos), &mut out);
        }
        let expected = ["00.999999999Z", "01.000000000Z", "01.000000005Z"].map(|end| format!("1970-01-01T00:00:{end}"));
        assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
    }

    #[test]
    fn spans_are_told_to_the_nanosecond() {
        let powers = (0..16).map(|power| 10_i64.pow(power)).chain((0..50).map(|power| 1 << power));
        for nanos in powers.flat_map(|nanos| [nanos - 1, nanos, nanos + 1, -nanos, nanos * 9 / 7]) {
            let span = Span::from_nanos(nanos);
            let told = |digits| {
                let mut out = Vec::new();
                decimal(span, digits, &mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(told(9), format!("{:.9}", span.as_secs_f64()));
            assert_eq!(told(6), format!("{:.6}", span.as_secs_f64() * 1e3));
        }
        let mut out = Vec::new();
        decimal(Span::from_nanos(i64::MIN), 9, &mut out);
        assert_eq!(out, b"-9223372036.854775808");
    }

    #[test]
    fn addresses_are_as_they_print() {
        for text in ["0.0.0.0", "10.254.10.13", "255.255.255.255", "::", "fe80::1", "::ffff:192.0.2.1"] {
            let mut out = Vec::new();
            address(text.parse().unwrap(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}
