//! Every bound on what is held while decoding, in one place.
//!
//! Reaching one is never silent: it is counted in [`crate::model::Stats`], and where evidence is
//! lost an observation says so.

use crate::model::recent::full;
use crate::model::time::Span;

/// Least memory that [`Limits::within`] shares out: below it a bound would cut ordinary messages.
pub const LEAST_MEMORY: usize = 4 << 20;

/// Bounds on what is held. `Limits::default()` keeps to 256 MiB; [`Limits::within`] scales.
///
/// Of the memory a quarter goes to messages under way, an eighth each to segments that wait, to rows, to sign-ins and to
/// flows with their decoders, the rest to fragments, look-ups and what else is remembered. A flood fills some
/// of them (`tests/memory.rs`); with all full at once they take about an eighth more.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Flows at one time. Default 28,672: 0.6 KB each, and 0.7 to 2 KB for the decoder of one that carried something;
    /// then the one idle for longest is closed. A server's capture of thousands of clients stays far below.
    pub flows: usize,
    /// Bytes held per direction while a segment is missing. Default 1 MiB: a 64 KiB window scaled by 16.
    pub reorder_bytes: usize,
    /// Segments held per direction while one is missing. Default 8,192: `reorder_bytes` in small segments.
    pub reorder_segments: usize,
    /// Bytes held for missing segments in all flows together. Default 32 MiB: those of 512 full windows of 64 KiB.
    pub reorder_total: usize,
    /// Capture time that a hole is waited for where no acknowledgement tells more. Default 10 s:
    /// beyond the third retransmission of every common stack.
    pub hole_age: Span,
    /// Capture time that a hole is waited for once the receiver acknowledged it, in case the capture
    /// wrote packets out of order. Default 1 s.
    pub acked_hole_age: Span,
    /// Silence after which an unanswered SYN is told. Default 15 s: the Windows client gives up after 21 s.
    pub syn_age: Span,
    /// Silence after which a closed connection, a datagram flow or a connection that nothing asked for
    /// is forgotten. Default 20 s: below `row_age`, so that what is told then still finds its place.
    pub transient_age: Span,
    /// IP datagrams being put together. Default 4,096.
    pub fragment_datagrams: usize,
    /// Bytes of IP fragments held. Default 8 MiB.
    pub fragment_bytes: usize,
    /// Capture time that an incomplete datagram is kept. Default 30 s (RFC 791 suggests 15, Linux uses 30).
    pub fragment_age: Span,
    /// Longest head (start line and header fields) of a SIP message. Default 1 MiB: certificate chains
    /// ride in header fields and pass 8 KiB.
    pub sip_head: usize,
    /// Longest body of a SIP message that is kept. Default 8 MiB: Lync bodies pass 16 KiB; a contact
    /// list of 1,000 entries is about 200 KiB.
    pub sip_body: usize,
    /// Bytes of messages under way in all flows together. Default 64 MiB: eight of the longest bodies, 16 sessions that wait
    /// for keys. A body in segments of one byte takes its size 48 times over.
    pub pending_bytes: usize,
    /// Longest record of a trace log. Default 8 MiB: as much as a SIP body; a longer record is cut.
    pub log_record: usize,
    /// Rows that wait to be put in order. Default 65,536: more of the least size than `row_bytes` holds.
    pub rows: usize,
    /// Bytes of rows that wait, with their messages. Default 21 MiB: 30 s of two hundred messages a second.
    pub row_bytes: usize,
    /// Capture time that a row waits at most. Default 30 s.
    pub row_age: Span,
    /// Capture time that the records of a TLS session wait for a key log that grows; 0 (the default) where the
    /// keys are all there, as with a file. They wait within `pending_bytes`.
    pub key_wait: Span,
    /// Bytes of a TLS session that wait for its keys. Default 4 MiB: what a sign-in carries many times over.
    pub key_wait_bytes: usize,
    /// Sign-in attempts that are open, in bytes. Default 32 MiB: 20,000 that got no further than to connect, 1,000 that
    /// were registered; then the quietest is closed.
    pub login_bytes: usize,
    /// Look-ups remembered, in bytes. Default 16 MiB: about 30,000 with an address each.
    pub lookup_bytes: usize,
    /// Flows, and what else is remembered by number: each table holds at most twice as many, those of large entries
    /// a part of it. Default 28,672, which fills tables to their room: 2 KB in all tables together for each.
    pub remembered: usize,
    /// Batches of at most 1,024 packets or 128 KiB that are under way between several lanes. Default 8: with what it
    /// leads to each takes about 1 MB, and several where every packet ends a sign-in.
    pub batches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::within(256 << 20)
    }
}

impl Limits {
    /// What one of several lanes may hold of what is bounded in total: twice its part, since the flows between two
    /// busy addresses are all in one lane, and at least what the largest messages need.
    #[must_use]
    pub fn share(&self, lanes: usize) -> Self {
        let part = |total: usize, least: usize| (total / lanes.max(1) * 2).max(least).min(total);
        Self {
            flows: part(self.flows, 4096),
            reorder_total: part(self.reorder_total, 4 * self.reorder_bytes),
            pending_bytes: part(self.pending_bytes, 2 * self.sip_body),
            remembered: part(self.remembered, 1024),
            ..self.clone()
        }
    }

    /// Bounds that together keep to about `bytes` ([`LEAST_MEMORY`] is taken at least).
    pub fn within(bytes: usize) -> Self {
        let bytes = bytes.max(LEAST_MEMORY);
        let share = |part: usize, most: usize| (bytes / part).min(most);
        Self {
            flows: full(share(8192, 1 << 20)),
            reorder_bytes: share(256, 16 << 20),
            reorder_segments: 8192,
            reorder_total: share(8, 1 << 30),
            hole_age: Span::from_secs(10),
            acked_hole_age: Span::from_secs(1),
            syn_age: Span::from_secs(15),
            transient_age: Span::from_secs(20),
            fragment_datagrams: 4096,
            fragment_bytes: share(32, 64 << 20),
            fragment_age: Span::from_secs(30),
            sip_head: share(64, 1 << 20),
            sip_body: share(32, 64 << 20),
            pending_bytes: share(4, 1 << 30),
            log_record: share(32, 64 << 20),
            rows: share(4096, 65_536),
            row_bytes: share(12, 256 << 20),
            row_age: Span::from_secs(30),
            key_wait: Span::from_secs(0),
            key_wait_bytes: share(64, 4 << 20),
            login_bytes: share(8, 256 << 20),
            lookup_bytes: share(16, 128 << 20),
            remembered: full(share(8192, 1 << 18)),
            batches: share(32 << 20, 8).max(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_the_documentation_states() {
        let limits = Limits::default();
        assert_eq!((limits.flows, limits.reorder_bytes, limits.rows), (28_672, 1 << 20, 65_536));
        assert_eq!((limits.reorder_total, limits.fragment_bytes, limits.sip_body), (32 << 20, 8 << 20, 8 << 20));
        assert_eq!((limits.sip_head, limits.pending_bytes), (1 << 20, 64 << 20));
        assert_eq!((limits.row_bytes >> 20, limits.batches), (21, 8));
        assert_eq!((limits.login_bytes, limits.lookup_bytes, limits.remembered), (32 << 20, 16 << 20, 28_672));
    }
}
