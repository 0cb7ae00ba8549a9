//! Rows wait here until they can no longer change and nothing can come before them.

use std::collections::VecDeque;
use std::hint::black_box;

use crate::model::{Limits, Message, PacketNo, Span, Timestamp};
use crate::story::Row;

/// Rows in the order of the packets that completed them.
pub struct Queue {
    /// Each with its weight, and in its own allocation: a flood makes the ring grow, and a row in it would be moved often.
    rows: VecDeque<(Box<Row>, usize)>,
    weight: usize,
    most_rows: usize,
    most_weight: usize,
    longest: Span,
    finished: bool,
    released: u64,
    late: u64,
    last: Option<Timestamp>,
    newest: Option<PacketNo>,
}

/// How many rows before it leaves a row is looked into.
const AHEAD: usize = 5;
/// Bytes that a processor fetches at once.
const CACHE_LINE: usize = 64;

impl Queue {
    /// An empty queue.
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows: VecDeque::new(),
            weight: 0,
            most_rows: limits.rows,
            most_weight: limits.row_bytes,
            longest: limits.row_age,
            finished: false,
            released: 0,
            late: 0,
            last: None,
            newest: None,
        }
    }

    /// Takes a row that counts as so many bytes. Rows of one packet keep the order in which they come.
    pub fn push(&mut self, row: Box<Row>, weight: usize) {
        self.weight += weight;
        let key = super::by_packet(row.at);
        let in_order = self.rows.back().is_none_or(|(newest, _)| super::by_packet(newest.at) <= key);
        let place = if in_order {
            self.rows.len()
        } else {
            self.rows.partition_point(|(other, _)| super::by_packet(other.at) <= key)
        };
        self.late += u64::from(self.newest.is_some_and(|newest| newest > key));
        self.rows.insert(place, (row, weight));
    }

    /// Whether the rows that wait take more than an eighth of their room.
    pub const fn is_long(&self) -> bool {
        self.weight > self.most_weight / 8
    }

    /// The latest row of that packet of which `is_it` holds, while it waits.
    pub fn find_mut(&mut self, packet: PacketNo, is_it: impl Fn(&Row) -> bool) -> Option<&mut Row> {
        let end = self.rows.partition_point(|(row, _)| super::by_packet(row.at) <= packet);
        let rows = self.rows.range_mut(..end).rev().map(|(row, _)| &mut **row);
        rows.take_while(|row| super::by_packet(row.at) == packet).find(|row| is_it(row))
    }

    /// Whether a row may leave; `now` is the time of the newest packet.
    pub fn is_ready(&self, now: Option<Timestamp>) -> bool {
        let Some((oldest, _)) = self.rows.front() else { return false };
        let aged = now.is_some_and(|now| now.since(oldest.at.time) >= self.longest);
        let full = self.rows.len() > self.most_rows || self.weight > self.most_weight;
        self.finished || aged || full
    }

    /// The next row that may leave; `now` is the time of the newest packet.
    pub fn pop(&mut self, now: Option<Timestamp>) -> Option<Box<Row>> {
        if !self.is_ready(now) {
            return None;
        }
        if self.is_long() {
            self.fetch_next();
        }
        let (mut row, weight) = self.rows.pop_front()?;
        self.weight -= weight;
        self.released += 1;
        row.number = self.released;
        row.delta = row.at.time.since(self.last.unwrap_or(row.at.time));
        self.last = Some(row.at.time);
        self.newest = Some(super::by_packet(row.at)).max(self.newest);
        Some(row)
    }

    /// Looks into rows that leave soon. They came thousands of rows ago and are in no cache of the processor any longer:
    /// it waits for memory less where it is asked early, what stands in a row first and what a row points to later.
    fn fetch_next(&self) {
        let sip = |ahead: usize| match self.rows.get(ahead).map(|(row, _)| &row.message) {
            Some(Message::Sip(message)) => Some(message),
            _ => None,
        };
        black_box(self.rows.get(3 * AHEAD).map(|(row, _)| row.look()));
        black_box(
            sip(2 * AHEAD)
                .map(|message| (message.body_at, message.raw.len(), message.headers.len(), message.defects.len())),
        );
        if let Some(message) = sip(AHEAD) {
            black_box(message.headers.last().map(|field| field.id));
            black_box(message.raw.iter().step_by(CACHE_LINE).take(8).fold(0, |all, byte| all | byte));
        }
    }

    /// Nothing follows.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Whether nothing follows and every row has left.
    pub fn is_done(&self) -> bool {
        self.finished && self.rows.is_empty()
    }

    /// How many rows left.
    pub const fn released(&self) -> u64 {
        self.released
    }

    /// How many rows came after later ones had left.
    pub const fn late(&self) -> u64 {
        self.late
    }
}
