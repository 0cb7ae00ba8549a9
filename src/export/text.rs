//! Numbers, addresses and times as text, appended to what is there: `fmt` takes a multiple of the time, and a row has
//! a dozen of them.

use std::io::Write as _;
use std::net::IpAddr;

use jiff::Timestamp as Instant;
use jiff::fmt::temporal::DateTimePrinter;

use crate::model::{Span, Timestamp};

/// A whole number.
pub fn whole(number: u64, out: &mut Vec<u8>) {
    if let Ok(digit @ 0..=9) = u8::try_from(number) {
        return out.push(b'0' + digit);
    }
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The last `DIGITS` digits of a number, with zeros before them.
fn padded<const DIGITS: usize>(number: u64, out: &mut Vec<u8>) {
    let one = const { power(DIGITS) };
    let mut buffer = itoa::Buffer::new();
    // A one before them keeps the zeros.
    if let Some(digits) = buffer.format(one + number % one).as_bytes().last_chunk::<DIGITS>() {
        out.extend_from_slice(digits);
    }
}

/// Ten to the power of `digits`.
const fn power(digits: usize) -> u64 {
    if digits == 0 { 1 } else { 10 * power(digits - 1) }
}

/// A span in units of ten to the power of `DIGITS` nanoseconds, all nanoseconds told: with 9 in seconds, with 6 in
/// milliseconds.
pub fn decimal<const DIGITS: usize>(span: Span, out: &mut Vec<u8>) {
    let nanos = span.as_nanos();
    if nanos < 0 {
        out.push(b'-');
    }
    whole(nanos.unsigned_abs() / const { power(DIGITS) }, out);
    out.push(b'.');
    padded::<DIGITS>(nanos.unsigned_abs(), out);
}

/// An address.
pub fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for octet in address.octets() {
                let Some((text, length)) = OCTETS.get(usize::from(octet)) else { continue };
                // Always four bytes are copied, which takes one instruction, and those too many cut off.
                let end = out.len() + length;
                out.extend_from_slice(text);
                out.truncate(end);
            }
            out.pop();
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => _ = write!(out, "{address}"),
    }
}

/// The octets of addresses as text, each with a point behind it and its length.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut rest: &mut [_] = &mut octets;
    let mut number = 0_u8;
    while let Some((octet, after)) = rest.split_first_mut() {
        let (hundreds, tens, ones) = (b'0' + number / 100, b'0' + number / 10 % 10, b'0' + number % 10);
        *octet = match number {
            0..=9 => ([ones, b'.', 0, 0], 2),
            10..=99 => ([tens, ones, b'.', 0], 3),
            100..=255 => ([hundreds, tens, ones, b'.'], 4),
        };
        number = number.wrapping_add(1);
        rest = after;
    }
    octets
};

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
        padded::<9>(time.as_nanos().rem_euclid(NANOS).unsigned_abs(), out);
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
            let told = |decimal: fn(Span, &mut Vec<u8>)| {
                let mut out = Vec::new();
                decimal(span, &mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(told(decimal::<9>), format!("{:.9}", span.as_secs_f64()));
            assert_eq!(told(decimal::<6>), format!("{:.6}", span.as_secs_f64() * 1e3));
        }
        let mut out = Vec::new();
        decimal::<9>(Span::from_nanos(i64::MIN), &mut out);
        assert_eq!(out, b"-9223372036.854775808");
    }

    #[test]
    fn numbers_are_as_they_print() {
        for number in (0..1100).chain([u64::MAX - 1, u64::MAX]) {
            let mut out = Vec::new();
            whole(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn addresses_are_as_they_print() {
        let each_octet = (0..=u8::MAX).map(|octet| format!("{octet}.9.{octet}.{octet}"));
        let others = ["::", "fe80::1", "::ffff:192.0.2.1"].map(str::to_owned);
        for text in each_octet.chain(others) {
            let mut out = Vec::new();
            address(text.parse().unwrap(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}
