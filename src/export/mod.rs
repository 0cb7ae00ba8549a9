//! Rows and the report to bytes, row by row, into the `Write` it is given.
//!
//! One file a format; [`EXPORTERS`] lists them. Text from a capture is escaped for its format.

pub mod csv;
pub mod escape;
pub mod json;
pub mod jsonl;
pub mod pcapng;
pub mod text;

use std::io::{self, Write};

use crate::findings::Finding;
use crate::model::Timestamp;
use crate::story::login::Login;
use crate::story::{Asked, Kept, Report, Row};

/// Writes a timeline in one format.
pub trait Export {
    /// Writes a row.
    ///
    /// # Errors
    /// What the writer says.
    fn row(&mut self, row: &Row) -> io::Result<()>;

    /// What it asks of SIP messages.
    fn asks(&self) -> Asked {
        Asked { told: false, kept: Kept::Whole }
    }

    /// Takes a sign-in that is over, and what is wrong with it.
    ///
    /// # Errors
    /// What the writer says.
    fn login(&mut self, _login: &Login, _findings: &[Finding]) -> io::Result<()> {
        Ok(())
    }

    /// Hands on what was written so far.
    ///
    /// # Errors
    /// What the writer says.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Writes what comes at the end; `findings` are those about the capture.
    ///
    /// # Errors
    /// What the writer says.
    fn finish(&mut self, report: &Report, findings: &[Finding]) -> io::Result<()>;
}

/// What a user may choose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// Whole SIP messages in JSON lines.
    pub raw: bool,
    /// Dialect of CSV.
    pub dialect: csv::Dialect,
}

/// Begins a file in a format. It is written in small pieces, which the `Write` gathers.
pub type Begin = fn(Box<dyn Write>, Choices) -> io::Result<Box<dyn Export>>;

/// A format.
pub struct Exporter {
    /// Its option, without dashes.
    pub name: &'static str,
    /// What it writes.
    pub about: &'static str,
    /// Begins a file.
    pub begin: Begin,
}

/// The formats.
pub static EXPORTERS: &[&Exporter] = &[&csv::EXPORTER, &jsonl::EXPORTER, &json::EXPORTER];

/// Capture time as RFC 3339 in UTC with nine digits.
pub fn rfc3339(time: Timestamp) -> String {
    let mut text = Vec::with_capacity(30);
    text::Times::default().rfc3339(time, &mut text);
    String::from_utf8(text).unwrap_or_default()
}
