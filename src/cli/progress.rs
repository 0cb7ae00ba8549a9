//! A progress bar on standard error for work over a second; nothing where that is no terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// Packets between two looks at the clock.
const STRIDE: u64 = 8192;

/// A bar or a status line on the terminal, where there is one.
#[derive(Default)]
pub struct Line(pub Option<ProgressBar>);

impl Line {
    /// Writes to the terminal without disturbing the line.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The bar, once there is one.
pub struct Progress {
    began: Option<Instant>,
    total: Option<u64>,
    calls: u64,
    bar: Line,
}

impl Progress {
    /// No bar yet; none ever where `wanted` is false or standard error is no terminal.
    pub fn new(wanted: bool, total: Option<u64>) -> Self {
        let began = (wanted && std::io::stderr().is_terminal()).then(now);
        Self { began, total, calls: 0, bar: Line::default() }
    }

    /// Notes how many bytes were read.
    pub fn update(&mut self, read: impl FnOnce() -> u64) {
        let Some(began) = self.began else { return };
        self.calls += 1;
        if !self.calls.is_multiple_of(STRIDE) {
            return;
        }
        if self.bar.0.is_none() && began.elapsed() >= PATIENCE {
            self.bar = Line(Some(bar(self.total)));
        }
        if let Some(bar) = &self.bar.0 {
            bar.set_position(read());
        }
    }

    /// Writes to the terminal without disturbing the bar.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish();
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[expect(clippy::disallowed_methods, reason = "the progress bar shows the user's time, not the capture's")]
fn now() -> Instant {
    Instant::now()
}
