//! What stands before the text of a record: time, process and thread, level, component.
//!
//! In: a line. Out: its prefix, and where the text begins; `None` where the line is none that begins a record.

use crate::model::{LogLevel, Timestamp};

/// Time as a log writes it: nanoseconds since 1970-01-01 on the clock face, in whatever zone it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil(i64);

impl Civil {
    /// The clock face as if it were UTC.
    pub const fn as_utc(self) -> Timestamp {
        Timestamp::from_nanos(self.0)
    }

    /// Day and time of day; `None` where there is no such day or time.
    pub fn new(day: (i64, i64, i64), time: (i64, i64, i64), nanos: i64) -> Option<Self> {
        let ((year, month, day), (hour, minute, second)) = (day, time);
        // A leap second is the same second again.
        let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
        if !valid || !(1700..=2200).contains(&year) {
            return None;
        }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59);
        Some(Self(seconds * 1_000_000_000 + nanos))
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. A day that a month lacks is counted on into the next.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + before - 719_468
}

/// The beginning of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// When it was written.
    pub time: Civil,
    /// Process and thread.
    pub thread: (u32, u32),
    /// How bad it is.
    pub level: LogLevel,
    /// Where in the line the text begins.
    pub text_at: usize,
    /// What a server's prefix has besides.
    pub server: Option<Server>,
}

/// Where in the line of a server's prefix its parts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Between the brackets after the flag: a processor number, or `pool\machine`.
    pub machine: std::ops::Range<usize>,
    /// `SIPStack` …
    pub component: std::ops::Range<usize>,
    /// Whether the flag is `TF_DIAG`.
    pub diagnostic: bool,
    /// Whether it is Centralized Logging's form.
    pub centralized: bool,
}

/// A line being read from its front.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == wanted).then_some(())
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    fn take(&mut self, is: impl Fn(&u8) -> bool, most: usize) -> Option<&'a [u8]> {
        let count = self.0.iter().take(most).take_while(|byte| is(byte)).count();
        let (taken, rest) = self.0.split_at_checked(count).filter(|_| count > 0)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, most: usize) -> Option<i64> {
        let digits = self.take(u8::is_ascii_digit, most)?;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    /// Up to eight hexadecimal digits.
    fn hex(&mut self) -> Option<u32> {
        let digits = self.take(u8::is_ascii_hexdigit, 8)?;
        let value =
            |digit: &u8| u32::from(if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20) - b'a' + 10 });
        Some(digits.iter().fold(0, |number, digit| number << 4 | value(digit)))
    }

    /// Digits after a decimal point, as nanoseconds.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.take(u8::is_ascii_digit, 9)?;
        let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some((digits.len()..9).fold(number, |number, _| number * 10))
    }

    /// `MM/DD/YYYY`, `between`, `HH:MM:SS.mmm`.
    fn time(&mut self, between: u8) -> Option<Civil> {
        self.usual_time(between).or_else(|| self.any_time(between))
    }

    /// The same where every number has all its digits, as it always has: at once.
    fn usual_time(&mut self, between: u8) -> Option<Civil> {
        #[rustfmt::skip]
        let ([m0, m1, b'/', d0, d1, b'/', y0, y1, y2, y3, sep, h0, h1, b':', n0, n1, b':', s0, s1, b'.', f0, f1, f2], rest) =
            self.0.split_first_chunk::<23>()?
        else {
            return None;
        };
        let digits = [m0, m1, d0, d1, y0, y1, y2, y3, h0, h1, n0, n1, s0, s1, f0, f1, f2];
        let usual =
            *sep == between && digits.iter().all(|digit| digit.is_ascii_digit()) && !rest.first()?.is_ascii_digit();
        if !usual {
            return None;
        }
        let two = |tens: &u8, ones: &u8| i64::from(*tens - b'0') * 10 + i64::from(*ones - b'0');
        let nanos = (two(f0, f1) * 10 + i64::from(*f2 - b'0')) * 1_000_000;
        let (day, time) =
            ((two(y0, y1) * 100 + two(y2, y3), two(m0, m1), two(d0, d1)), (two(h0, h1), two(n0, n1), two(s0, s1)));
        let civil = Civil::new(day, time, nanos)?;
        self.0 = rest;
        Some(civil)
    }

    fn any_time(&mut self, between: u8) -> Option<Civil> {
        let month = self.number(2)?;
        self.byte(b'/')?;
        let day = self.number(2)?;
        self.byte(b'/')?;
        let year = self.number(4)?;
        self.byte(between)?;
        let hour = self.number(2)?;
        self.byte(b':')?;
        let minute = self.number(2)?;
        self.byte(b':')?;
        let second = self.number(2)?;
        let nanos = if self.0.first() == Some(&b'.') {
            self.byte(b'.')?;
            self.fraction()?
        } else {
            0
        };
        Civil::new((year, month, day), (hour, minute, second), nanos)
    }

    /// What stands between brackets on this line, as a range of `line`.
    fn enclosed(&mut self, line: &[u8], open: u8, close: u8) -> Option<std::ops::Range<usize>> {
        self.byte(open)?;
        let start = line.len() - self.0.len();
        let mut depth = 1_usize;
        let end = self.0.iter().position(|&byte| {
            depth += usize::from(byte == open);
            depth -= usize::from(byte == close);
            depth == 0 || byte == b'\n'
        })?;
        (depth == 0).then_some(())?;
        self.0 = self.0.get(end + 1..)?;
        Some(start..start + end)
    }
}

/// Whether a line may begin a record of a client's log, by its first bytes.
pub fn may_be_client(line: &[u8]) -> bool {
    matches!(line.first_chunk::<11>(), Some([_, _, b'/', _, _, b'/', _, _, _, _, b'|']))
}

/// `MM/DD/YYYY|HH:MM:SS.mmm PPPP:TTTT LEVEL  :: text`
pub fn client(line: &[u8]) -> Option<Prefix> {
    if !may_be_client(line) {
        return None;
    }
    let mut rest = Rest(line);
    let time = rest.time(b'|')?;
    rest.blanks();
    let process = rest.hex()?;
    rest.byte(b':')?;
    let thread = rest.hex()?;
    rest.blanks();
    let level = level(rest.take(u8::is_ascii_alphabetic, 12)?);
    rest.blanks();
    rest.byte(b':')?;
    rest.byte(b':')?;
    // One blank belongs to the prefix; others are the text's.
    let blank = usize::from(matches!(rest.0, [b' ', ..]));
    let text_at = line.len() - rest.0.len() + blank;
    Some(Prefix { time, thread: (process, thread), level, text_at, server: None })
}

/// `TL_INFO(TF_PROTOCOL) [0]0A10.0B20::01/18/2030-05:00:43.101.00001234 (SIPStack,Class::Function:file.cpp(125)) text`
pub fn server(line: &[u8]) -> Option<Prefix> {
    let mut rest = Rest(line.strip_prefix(b"TL_")?);
    let level = level(rest.take(u8::is_ascii_alphabetic, 12)?);
    rest.blanks();
    let flag = rest.enclosed(line, b'(', b')')?;
    let diagnostic = line.get(flag) == Some(b"TF_DIAG");
    rest.blanks();
    let machine = rest.enclosed(line, b'[', b']')?;
    rest.blanks();
    let process = rest.hex()?;
    rest.byte(b'.')?;
    let thread = rest.hex()?;
    rest.byte(b':')?;
    rest.byte(b':')?;
    let time = rest.time(b'-')?;
    if rest.0.first() == Some(&b'.') {
        rest.byte(b'.')?;
        rest.hex()?;
    }
    rest.blanks();
    let place = if rest.0.first() == Some(&b'(') { rest.enclosed(line, b'(', b')')? } else { 0..0 };
    rest.blanks();
    // The correlation id of Centralized Logging.
    let correlated = rest.0.first() == Some(&b'[') && rest.enclosed(line, b'[', b']').is_some();
    rest.blanks();
    let written = line.get(place.clone()).unwrap_or_default();
    let length = written.iter().position(|&byte| byte == b',').unwrap_or(written.len());
    let is_number = line.get(machine.clone()).is_some_and(|machine| machine.iter().all(u8::is_ascii_digit));
    let server = Server {
        component: place.start..place.start + length,
        diagnostic,
        centralized: correlated || !is_number,
        machine,
    };
    let text_at = line.len() - rest.0.len();
    Some(Prefix { time, thread: (process, thread), level, text_at, server: Some(server) })
}

fn level(word: &[u8]) -> LogLevel {
    let begins = |known: &str| word.get(..known.len()).is_some_and(|word| word.eq_ignore_ascii_case(known.as_bytes()));
    if begins("ERR") || begins("FATAL") {
        LogLevel::Error
    } else if begins("WARN") {
        LogLevel::Warn
    } else if begins("INFO") {
        LogLevel::Info
    } else {
        LogLevel::Trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_client(line: &str, expected: Option<(i64, (u32, u32), LogLevel, &str)>) {
        let found = client(line.as_bytes());
        let found =
            found.map(|found| (found.time.as_utc().as_nanos(), found.thread, found.level, &line[found.text_at..]));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn prefixes_of_clients() {
        // 2030-04-16 03:17:30 UTC is 1902539850 (date -u -d).
        let at = 1_902_539_850_168_000_000;
        let info = |text| Some((at, (0x1f68, 0xc14), LogLevel::Info, text));
        check_client("04/16/2030|03:17:30.168 1F68:C14 INFO  :: Sending", info("Sending"));
        check_client("04/16/2030|03:17:30.168 1F68:C14 INFO :: Sending", info("Sending"));
        check_client("04/16/2030|03:17:30.168  1f68:c14  INFO   ::  Sending", info(" Sending"));
        check_client("04/16/2030|03:17:30.168 1F68:C14 INFO  ::", info(""));
        check_client("13/16/2030|03:17:30.168 1F68:C14 INFO  :: x", None);
        check_client("04/16/2030|03:17:30.168 1F68 INFO  :: x", None);
        check_client("04/16/2030 03:17:30.168 1F68:C14 INFO  :: x", None);
        check_client("04/16/2030|03:17", None);
        check_client("", None);
    }

    #[track_caller]
    fn check_server(line: &str, expected: Option<(&str, &str, bool, bool, &str)>) {
        let found = server(line.as_bytes());
        let found = found.map(|found| {
            let server = found.server.unwrap();
            let (machine, component) = (&line[server.machine], &line[server.component]);
            (machine, component, server.diagnostic, server.centralized, &line[found.text_at..])
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn prefixes_of_servers() {
        check_server(
            "TL_INFO(TF_PROTOCOL) [0]0A10.0B20::01/18/2030-05:00:43.101.00001234 (SIPStack,SIPAdminLog::TraceProtocolRecord:SIPAdminLog.cpp(125))$$begin_record",
            Some(("0", "SIPStack", false, false, "$$begin_record")),
        );
        check_server(
            "TL_WARN(TF_DIAG) [edge\\edge01]0A10.0B20::03/02/2030-07:10:46.230.00001235 (SIPStack,SIPAdminLog::WriteDiagnosticEvent:SIPAdminLog.cpp(830)) [123456789] $$begin_record",
            Some(("edge\\edge01", "SIPStack", true, true, "$$begin_record")),
        );
        check_server(
            "TL_INFO(TF_CONNECTION) [1]A.B::01/18/2030-05:00:43.101 text",
            Some(("1", "", false, false, "text")),
        );
        check_server("TL_INFO is a level", None);
        check_server("TL_INFO(TF_PROTOCOL [0]0A10.0B20::01/18/2030-05:00:43.101", None);
    }

    #[test]
    fn days_are_counted_as_everyone_does() {
        // From `date -u -d DAY +%s`, divided by 86,400.
        for (year, month, day, expected) in
            [(1970, 1, 1, 0), (2000, 2, 29, 11_016), (2030, 4, 16, 22_020), (1969, 12, 31, -1)]
        {
            assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
        }
        assert_eq!(Civil::new((2030, 1, 1), (24, 0, 0), 0), None);
        assert_eq!(Civil::new((0, 1, 1), (0, 0, 0), 0), None);
    }
}
