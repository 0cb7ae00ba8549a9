//! Several logs as one sequence of observations, by time.
//!
//! Files of a rotation are put in order by their first time, whatever their names; one that begins in the middle of
//! a record goes on where another one ends. A record that was there before, in whichever file, is told once.

use std::collections::VecDeque;
use std::io::{self, Read};

use crate::logs::conversations::Conversations;
use crate::logs::reader::{LogReader, Next, Record, What};
use crate::logs::{Beginning, Format, Zone};
use crate::model::{
    At, Counter, FrameNo, InputNo, Limits, Message, Observation, PacketNo, Recent, Span, Stats, Timestamp,
};

/// Between the last record of a file and the first of the one that goes on with it.
const LONGEST_PAUSE: Span = Span::from_secs(60);

/// A log to be read.
pub struct LogInput {
    /// Its bytes from the first on.
    pub reader: Box<dyn Read + Send>,
    /// What it begins with.
    pub beginning: Beginning,
    /// Which input it is.
    pub number: InputNo,
    /// What its clock is behind.
    pub offset: Span,
}

/// A log under way.
struct Active {
    log: LogReader,
    format: Format,
    /// Number and offset of each file of it.
    parts: Vec<(InputNo, Span)>,
    record: Option<Box<Record>>,
    /// Never before the time of an earlier record, so that a clock stepping back does not reorder.
    due: Timestamp,
    last: Option<At>,
}

/// All logs.
pub struct Logs {
    zone: Zone,
    most: usize,
    /// In the order of their first times.
    waiting: VecDeque<LogInput>,
    active: Vec<Active>,
    conversations: Conversations,
    seen: Recent<u64, ()>,
    stats: Stats,
    damages: Vec<(InputNo, Option<At>, io::Error)>,
}

impl Logs {
    /// Begins to read logs, whose times are in `zone`.
    pub fn new(inputs: Vec<LogInput>, zone: Zone, limits: &Limits) -> Self {
        let mut waiting: Vec<LogInput> = inputs;
        let begins = |input: &LogInput| {
            instant(&zone, input.beginning.format, input.beginning.time.unwrap_or_default(), input.offset)
        };
        waiting.sort_by_key(|input| (begins(input), input.number));
        Self {
            zone,
            most: limits.log_record,
            waiting: waiting.into(),
            active: Vec::new(),
            conversations: Conversations::new(limits.remembered),
            seen: Recent::new(limits.remembered),
            stats: Stats::default(),
            damages: Vec::new(),
        }
    }

    /// Counts of what was read since the last call.
    pub fn take_stats(&mut self) -> Stats {
        let mut stats = std::mem::take(&mut self.stats);
        for active in &mut self.active {
            stats.merge(&active.log.take_stats());
        }
        stats
    }

    /// A log that cannot be read on: which, after what, and why.
    pub fn take_damage(&mut self) -> Option<(InputNo, Option<At>, io::Error)> {
        self.damages.pop()
    }

    /// The time of the next observation; `None` at the end.
    pub fn due(&mut self) -> Option<Timestamp> {
        let index = self.settle()?;
        self.active.get(index).map(|active| active.due)
    }

    /// Which log has the next record that is new. Of records of one time that of the file that began first comes
    /// first.
    fn settle(&mut self) -> Option<usize> {
        loop {
            self.begin_due();
            let (index, active) = self.active.iter().enumerate().min_by_key(|(_, active)| active.due)?;
            if active.record.as_ref().is_none_or(|record| self.seen.peek(&record.hash).is_none()) {
                return Some(index);
            }
            self.stats.count(Counter::LogRepeated);
            self.step(index);
        }
    }

    /// The next observation, which gets the number `packet` among all.
    pub fn advance(&mut self, packet: PacketNo) -> Option<Observation> {
        let index = self.settle()?;
        let active = self.active.get_mut(index)?;
        let record = *active.record.take()?;
        let (input, offset) = active.parts.get(record.part).copied().unwrap_or_default();
        let time = instant(&self.zone, active.format, record.time, offset);
        let at = At { time, packet, frame: FrameNo(record.line), input };
        active.last = Some(at);
        self.seen.insert(record.hash, ());
        let (flow, direction) = self.conversations.place(&record, active.format == Format::Client, packet);
        let message = match record.what {
            What::Sip(_, message) => Message::Sip(message),
            What::Event(event) => Message::Log(event),
        };
        self.step(index);
        Some(Observation { at, began: at, flow, direction, message })
    }

    /// Begins the logs that may be due.
    fn begin_due(&mut self) {
        loop {
            let earliest = self.active.iter().map(|active| active.due).min();
            let Some((begins, inside)) = self.waiting.front().map(|input| (self.begins(input), input.beginning.inside))
            else {
                return;
            };
            // One that begins within a record waits for another that may end within it.
            if earliest.is_some_and(|earliest| earliest < begins || inside && earliest == begins) {
                return;
            }
            let Some(input) = self.waiting.pop_front() else { return };
            let (format, encoding) = (input.beginning.format, input.beginning.encoding);
            let log = LogReader::new(input.reader, (format, encoding), self.most);
            let parts = vec![(input.number, input.offset)];
            self.active.push(Active {
                log,
                format,
                parts,
                record: None,
                due: Timestamp::from_nanos(i64::MIN),
                last: None,
            });
            self.step(self.active.len() - 1);
        }
    }

    fn begins(&self, input: &LogInput) -> Timestamp {
        instant(&self.zone, input.beginning.format, input.beginning.time.unwrap_or_default(), input.offset)
    }

    /// Moves a log on to its next record; takes it away where there is none.
    fn step(&mut self, index: usize) {
        loop {
            let Some(active) = self.active.get_mut(index) else { return };
            match active.log.advance() {
                Ok(Next::Record(record)) => {
                    let offset = active.parts.get(record.part).copied().unwrap_or_default().1;
                    active.due = active.due.max(instant(&self.zone, active.format, record.time, offset));
                    active.record = Some(record);
                    return;
                }
                Ok(Next::Open) => self.go_on(index),
                Ok(Next::End) => {
                    self.stats.merge(&active.log.take_stats());
                    self.active.remove(index);
                    return;
                }
                Err(error) => {
                    let number = active.parts.last().copied().unwrap_or_default().0;
                    self.damages.push((number, active.last, error));
                }
            }
        }
    }

    /// A log ends within a record: goes on with the file that begins within one, or closes it.
    fn go_on(&mut self, index: usize) {
        let Some((format, last)) = self.active.get(index).map(|active| {
            let offset = active.parts.last().copied().unwrap_or_default().1;
            (active.format, instant(&self.zone, active.format, active.log.last(), offset))
        }) else {
            return;
        };
        let goes_on = |input: &LogInput| {
            let pause = self.begins(input).since(last);
            let follows = Span::default() <= pause && pause <= LONGEST_PAUSE;
            input.beginning.inside && input.beginning.format == format && follows
        };
        let place = self.waiting.iter().position(goes_on);
        let next = place.and_then(|place| self.waiting.remove(place));
        let Some(active) = self.active.get_mut(index) else { return };
        match next {
            Some(input) => {
                active.parts.push((input.number, input.offset));
                active.log.follow(input.reader, input.beginning.encoding);
            }
            None => active.log.close(),
        }
    }
}

/// Capture time of a record. Centralized Logging writes UTC, whatever zone the others are in.
fn instant(zone: &Zone, format: Format, time: super::Civil, offset: Span) -> Timestamp {
    let instant = if format == Format::Centralized { time.as_utc() } else { zone.instant(time) };
    instant.after(offset)
}
