//! What is wrong, why it matters and what to do: the story in, findings out.
//!
//! A rule is one file; [`RULES`] lists them in the order in which they are shown. Every finding names
//! the packets that show it, or the damage that an input has.

mod capture_lossy;
mod capture_one_sided;
mod capture_starts_late;
mod capture_truncated;
mod key_does_not_fit;
mod keys_missing;
mod snaplen_cut;

use crate::model::At;
use crate::story::Report;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// May be the trouble, or may hide it.
    Warning,
    /// Is the trouble.
    Error,
}

impl Severity {
    /// As exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// What was seen.
    pub what: String,
    /// The packets that show it.
    pub evidence: Vec<At>,
}

/// A rule, and its explanation.
pub struct Rule {
    /// Its id.
    pub id: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What in a capture shows it.
    pub seen: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Looks for it.
    pub check: fn(&'static Rule, &Report) -> Vec<Finding>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// In the order in which findings are shown.
pub static RULES: &[&Rule] = &[
    &keys_missing::RULE,
    &key_does_not_fit::RULE,
    &capture_truncated::RULE,
    &capture_lossy::RULE,
    &snaplen_cut::RULE,
    &capture_one_sided::RULE,
    &capture_starts_late::RULE,
];

/// Runs every rule.
pub fn check(report: &Report) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| (rule.check)(rule, report)).collect()
}

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
