//! Bytes that are missing, and bytes that are not what they should be.

use std::borrow::Cow;

/// Bytes that the capture does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// How many; 0 where unknown.
    pub bytes: u64,
    /// Why they are missing, as far as that can be told.
    pub cause: LossCause,
}

/// Why bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// The receiver acknowledged them, so they were sent: the capture lost them.
    NotCaptured,
    /// They were not acknowledged in what the capture holds.
    NotSeen,
    /// A bound on held bytes was reached.
    Bound,
}

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The protocol that could not be read on, as Wireshark names it: `DNS`, `SIP`, `IPv4` …
    pub layer: &'static str,
    /// What is wrong, for people.
    pub what: Cow<'static, str>,
    /// Where, in bytes from the start of that layer.
    pub offset: usize,
    /// How many bytes were passed over for it.
    pub skipped: u64,
}

impl Defect {
    /// A defect of `layer` at `offset`, with nothing skipped.
    pub fn new(layer: &'static str, offset: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self { layer, what: what.into(), offset, skipped: 0 }
    }
}
