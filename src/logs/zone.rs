//! The zone in which the times of a log are to be read: nothing in a log says it.

use jiff::tz::TimeZone;

use crate::logs::Civil;
use crate::model::Timestamp;

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// `utc`, `local`, an IANA name such as `Europe/Berlin`, or an offset such as `+02:00`.
    ///
    /// # Errors
    /// Where it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no zone; utc, local, Europe/Berlin and +02:00 are");
        let zone = match text.to_ascii_lowercase().as_str() {
            "utc" | "z" => TimeZone::UTC,
            "local" => TimeZone::system(),
            _ if text.starts_with(['+', '-']) => TimeZone::fixed(offset(text).ok_or_else(wrong)?),
            _ => TimeZone::get(text).map_err(|_| wrong())?,
        };
        Ok(Self(zone))
    }

    /// The instant at which a clock in the zone shows that time. Of two the earlier one; where there is none, what
    /// the clock would show had it not been put forward.
    pub fn instant(&self, civil: Civil) -> Timestamp {
        let shown = civil.as_utc();
        let date = jiff::Timestamp::from_nanosecond(i128::from(shown.as_nanos())).ok();
        let date = date.map(|date| TimeZone::UTC.to_datetime(date));
        let instant = date.and_then(|date| self.0.to_timestamp(date).ok());
        let nanos = instant.and_then(|instant| i64::try_from(instant.as_nanosecond()).ok());
        nanos.map_or(shown, Timestamp::from_nanos)
    }
}

/// `+02:00`, `-0530`, `+2`.
fn offset(text: &str) -> Option<jiff::tz::Offset> {
    let (sign, digits) = if let Some(digits) = text.strip_prefix('-') { (-1, digits) } else { (1, text.get(1..)?) };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| {
        text.parse::<i32>().ok().filter(|_| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|&minutes| minutes < 60)?);
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, (day, hour): (i64, i64), utc_hours: i64) {
        let civil = Civil::new((2030, 7, day), (hour, 0, 0), 5).unwrap();
        let midnight = Civil::new((2030, 7, 1), (0, 0, 0), 5).unwrap();
        let since = Zone::parse(zone).unwrap().instant(civil).since(midnight.as_utc());
        assert_eq!(since.as_nanos() / 3_600_000_000_000, utc_hours, "{zone}");
    }

    #[test]
    fn zones() {
        check("utc", (1, 12), 12);
        check("+02:00", (1, 12), 10);
        check("-0500", (1, 12), 17);
        check("+2", (2, 0), 22);
        check("Europe/Berlin", (1, 12), 10);
        for wrong in ["", "+", "+99:00", "+02:60", "Nowhere/Else", "+1x"] {
            assert!(Zone::parse(wrong).is_err(), "{wrong}");
        }
    }
}
