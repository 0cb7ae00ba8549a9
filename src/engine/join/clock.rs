//! The clock of a log beside that of the captures.
//!
//! In: pairs of times of the same message. Out: the zone and the offset that explain them, how far they spread, and
//! for any time of the log the time that the capture would have: that of the nearest pair, so that a clock that
//! drifts is followed.

use crate::model::{Span, Timestamp};

/// Zones lie a multiple of this apart.
const QUARTER: i64 = 15 * 60 * 1_000_000_000;
/// Farthest zone from UTC.
const FARTHEST: i64 = 14 * 3600 * 1_000_000_000;

/// How a log's clock stands to the captures'.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Time of the log, and what has to be added to it; by time.
    pairs: Vec<(Timestamp, Span)>,
}

impl Clock {
    /// The clock that pairs of times show: of the log, of the capture.
    pub fn new(pairs: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().map(|(logged, seen)| (logged, seen.since(logged))).collect();
        pairs.sort_unstable();
        Self { pairs }
    }

    /// The same clock, taken not to drift: the median for all times.
    #[must_use]
    pub fn constant(&self) -> Self {
        let middle = self.pairs.get(self.pairs.len() / 2).map(|&(time, _)| time);
        Self { pairs: middle.zip(self.median()).into_iter().collect() }
    }

    /// How many messages show it.
    pub const fn matches(&self) -> usize {
        self.pairs.len()
    }

    /// What has to be added to a time of the log; `None` where nothing shows it.
    pub fn correction(&self, logged: Timestamp) -> Option<Span> {
        let after = self.pairs.partition_point(|&(time, _)| time <= logged);
        let before = after.checked_sub(1).and_then(|index| self.pairs.get(index));
        let nearest = match (before, self.pairs.get(after)) {
            (Some(before), Some(next)) if next.0.since(logged) < logged.since(before.0) => next,
            (Some(before), _) => before,
            (None, next) => next?,
        };
        Some(nearest.1)
    }

    /// What has to be added at the middle of all pairs.
    pub fn median(&self) -> Option<Span> {
        self.at(1, 2)
    }

    /// The zone that the log's times are in, in minutes east of UTC, and how far its clock is ahead of the captures'.
    pub fn zone_and_offset(&self) -> Option<(i64, Span)> {
        let ahead = -self.median()?.as_nanos();
        let zone = (ahead + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
        let zone = if zone.abs() > FARTHEST { 0 } else { zone };
        Some((zone / 60_000_000_000, Span::from_nanos(ahead - zone)))
    }

    /// Between the corrections of which one in ten is smaller, and one in ten larger.
    pub fn spread(&self) -> Option<Span> {
        let (low, high) = (self.at(1, 10)?, self.at(9, 10)?);
        Some(Span::from_nanos(high.as_nanos() - low.as_nanos()))
    }

    /// The correction at a share of all of them, in order of size.
    fn at(&self, part: usize, of: usize) -> Option<Span> {
        let mut corrections: Vec<Span> = self.pairs.iter().map(|&(_, correction)| correction).collect();
        corrections.sort_unstable();
        corrections.get((corrections.len().checked_sub(1)? * part + of / 2) / of).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 0)
    }

    #[track_caller]
    fn check(pairs: &[(i64, i64)], zone: i64, offset: i64) {
        let clock = Clock::new(pairs.iter().map(|&(logged, seen)| (at(logged), at(seen))));
        assert_eq!(clock.zone_and_offset(), Some((zone, Span::from_secs(offset))));
    }

    #[test]
    fn zones_and_offsets() {
        check(&[(3600, 0), (3610, 10)], 60, 0);
        check(&[(3607, 0), (3617, 10)], 60, 7);
        check(&[(0, 5 * 3600 + 1800)], -330, 0);
        check(&[(100, 101)], 0, -1);
        check(&[(400_000, 0)], 0, 400_000); // no zone is that far
        assert_eq!(Clock::default().zone_and_offset(), None);
    }

    #[test]
    fn a_clock_that_drifts_is_followed() {
        let clock = Clock::new([(at(0), at(0)), (at(1000), at(1001)), (at(2000), at(2002))]);
        let correction = |seconds| clock.correction(at(seconds)).map(Span::as_nanos);
        assert_eq!(correction(-5), Some(0));
        assert_eq!(correction(400), Some(0));
        assert_eq!(correction(900), Some(1_000_000_000));
        assert_eq!(correction(9000), Some(2_000_000_000));
        assert_eq!(clock.spread(), Some(Span::from_secs(2)));
    }
}
