//! The status line on a terminal: how fast packets come, what was dropped, which sign-ins are open.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::progress::Line;
use crate::model::{Span, Timestamp};

/// How often the rate is counted anew.
const PERIOD: Span = Span::from_secs(1);

/// The line, where standard error is a terminal.
pub struct Status {
    bar: Line,
    since: Timestamp,
    packets: u64,
}

impl Status {
    /// A line that says nothing yet; none where it is not wanted.
    pub fn new(wanted: bool, now: Timestamp) -> Self {
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self { bar: Line(bar), since: now, packets: 0 }
    }

    /// Says how things are: packets, drops and open sign-ins so far.
    pub fn update(&mut self, now: Timestamp, packets: u64, drops: u64, open: usize) {
        let Some(bar) = &self.bar.0 else { return };
        let passed = now.since(self.since);
        if passed < PERIOD && passed >= Span::from_secs(0) {
            bar.tick();
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = packets.saturating_sub(self.packets) as f64 / passed.as_secs_f64().max(0.001);
        (self.since, self.packets) = (now, packets);
        bar.set_message(format!("{packets} packets, {rate:.0}/s · {drops} dropped · {open} sign-ins open"));
        bar.tick();
    }

    /// Writes to the terminal without disturbing the line.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish();
    }
}
