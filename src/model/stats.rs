//! Counts of what was read, and of all that was dropped, skipped or not understood, by cause.

/// One cause, or one measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Counter {
    /// Packets read.
    Packets,
    /// Captured bytes read.
    Bytes,
    /// Packets that the sieve passed over.
    Sieved,
    /// Packets with another network protocol than IP.
    NotIp,
    /// Packets whose link type is not decoded.
    LinkUnknown,
    /// Packets whose headers cannot be read.
    Malformed,
    /// Packets cut by the snap length.
    SnapCut,
    /// IP fragments seen.
    Fragments,
    /// Datagrams never completed.
    FragmentsIncomplete,
    /// Datagrams dropped for a bound.
    FragmentsBound,
    /// Segments whose bytes had all been seen.
    Retransmitted,
    /// Segments that waited for an earlier one.
    OutOfOrder,
    /// Segments or resets outside of the window.
    OutOfWindow,
    /// TCP keep-alive probes.
    TcpKeepAlive,
    /// Bytes that the capture lost.
    LostBytes,
    /// Holes given up for a bound.
    ReorderBound,
    /// Flows closed for a bound.
    FlowsEvicted,
    /// SIP keep-alives (CRLF CRLF).
    SipKeepAlive,
    /// SIP bodies not kept for their size.
    SipBodySkipped,
    /// Bytes of SIP streams that belong to no message.
    SipSkippedBytes,
    /// Bytes of compressed SIP that could not be decompressed.
    SipCompressedUnread,
    /// DHCP messages that are not about Lync.
    DhcpOther,
    /// Messages under way dropped for a bound.
    PendingBound,
    /// Rows that left before later ones could come before them.
    RowsLate,
    /// Look-ups, requests or flows forgotten for a bound.
    Forgotten,
    /// Records of trace logs read.
    LogRecords,
    /// Records of trace logs that are of no interest.
    LogOther,
    /// Records of trace logs that were seen before, in another file of a rotation.
    LogRepeated,
    /// Records of trace logs cut for their length, or of which a part is not in the file.
    LogCut,
    /// Packets that the system or the interface dropped while capturing.
    CaptureDropped,
    /// Packets dropped because nothing took them off the capturing thread in time.
    QueueDropped,
    /// Packets that were captured, but not decoded, because decoding was behind.
    NotDecoded,
}

/// What a counter means.
#[derive(Clone, Copy, Debug)]
pub struct CounterText {
    /// Which.
    pub counter: Counter,
    /// In `--json`.
    pub id: &'static str,
    /// In the summary, after the number.
    pub text: &'static str,
    /// Whether it says that something is missing from the analysis.
    pub loss: bool,
}

const fn text(counter: Counter, id: &'static str, text: &'static str, loss: bool) -> CounterText {
    CounterText { counter, id, text, loss }
}

/// In the order of the summary.
pub static COUNTERS: [CounterText; 32] = [
    text(Counter::Packets, "packets", "packets read", false),
    text(Counter::Bytes, "bytes", "bytes captured", false),
    text(Counter::Sieved, "packets_other", "packets of other traffic passed over", false),
    text(Counter::NotIp, "packets_not_ip", "packets that are not IP", false),
    text(Counter::LinkUnknown, "packets_link_unknown", "packets of a link type that is not decoded", true),
    text(Counter::Malformed, "packets_malformed", "packets whose headers cannot be read", true),
    text(Counter::SnapCut, "packets_snaplen_cut", "packets cut by the snap length", true),
    text(Counter::Fragments, "ip_fragments", "IP fragments", false),
    text(Counter::FragmentsIncomplete, "ip_datagrams_incomplete", "IP datagrams with a fragment missing", true),
    text(Counter::FragmentsBound, "ip_datagrams_bound", "IP datagrams dropped for the memory bound", true),
    text(
        Counter::Retransmitted,
        "tcp_retransmitted",
        "TCP segments seen before (retransmitted, or captured twice)",
        false,
    ),
    text(Counter::OutOfOrder, "tcp_out_of_order", "TCP segments that came before an earlier one", false),
    text(Counter::OutOfWindow, "tcp_out_of_window", "TCP segments or resets outside of the window", false),
    text(Counter::TcpKeepAlive, "tcp_keep_alive", "TCP keep-alive probes", false),
    text(Counter::LostBytes, "tcp_lost_bytes", "bytes of TCP streams that the capture does not have", true),
    text(Counter::ReorderBound, "tcp_reorder_bound", "holes given up for the memory bound", true),
    text(Counter::FlowsEvicted, "flows_evicted", "flows closed early for the memory bound", true),
    text(Counter::SipKeepAlive, "sip_keep_alive", "SIP keep-alives (CRLF CRLF)", false),
    text(Counter::SipBodySkipped, "sip_bodies_skipped", "SIP bodies too large to keep", true),
    text(Counter::SipSkippedBytes, "sip_skipped_bytes", "bytes of SIP streams that belong to no message", true),
    text(
        Counter::SipCompressedUnread,
        "sip_compressed_unread",
        "bytes of compressed SIP that could not be decompressed",
        true,
    ),
    text(Counter::DhcpOther, "dhcp_other", "DHCP messages that are not about Lync", false),
    text(Counter::PendingBound, "messages_bound", "messages under way dropped for the memory bound", true),
    text(Counter::RowsLate, "rows_late", "rows that came after later ones had left", false),
    text(Counter::Forgotten, "forgotten", "look-ups, requests or flows forgotten for the memory bound", true),
    text(Counter::LogRecords, "log_records", "log records read", false),
    text(Counter::LogOther, "log_records_other", "log records of other things passed over", false),
    text(Counter::LogRepeated, "log_records_repeated", "log records that were in a file before", false),
    text(Counter::LogCut, "log_records_cut", "log records of which a part is missing", true),
    text(Counter::CaptureDropped, "capture_dropped", "packets dropped by the system before lynccap got them", true),
    text(Counter::QueueDropped, "queue_dropped", "packets dropped by lynccap while capturing", true),
    text(Counter::NotDecoded, "not_decoded", "packets captured but not decoded, because decoding was behind", true),
];

/// The counts.
#[derive(Clone, Debug, Default)]
pub struct Stats([u64; COUNTERS.len()]);

impl Stats {
    /// One more.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// So many more.
    pub fn add(&mut self, counter: Counter, amount: u64) {
        if let Some(cell) = self.0.get_mut(counter as usize) {
            *cell = cell.saturating_add(amount);
        }
    }

    /// How many.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// Adds another lane's counts.
    pub fn merge(&mut self, other: &Self) {
        for (cell, more) in self.0.iter_mut().zip(other.0) {
            *cell = cell.saturating_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_text_in_order() {
        for (index, entry) in COUNTERS.iter().enumerate() {
            assert_eq!(entry.counter as usize, index, "{}", entry.id);
        }
    }
}
