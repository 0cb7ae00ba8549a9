//! What is wrong, why it matters and what to do: the story in, findings out.
//!
//! A rule is one file; [`RULES`] lists them in the order in which they are shown. Every finding names
//! the packets that show it, or the damage that an input has.

mod auth_rejected;
mod capture_lossy;
mod capture_one_sided;
mod capture_starts_late;
mod capture_truncated;
mod connections;
mod dns_no_records;
mod dns_srv_foreign_domain;
mod key_does_not_fit;
mod keys_missing;
mod remote_access_denied;
mod server_unavailable;
mod sip_rejected;
mod snaplen_cut;
mod tcp_no_answer;
mod tcp_refused;
mod tls_untrusted_certificate;
mod user_not_found;

use crate::model::At;
use crate::story::Report;
use crate::story::login::{Login, LoginOutcome};

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
    /// The sign-in attempt it is about.
    pub login: Option<u32>,
    /// It explains why that attempt failed.
    pub root_cause: bool,
}

impl Finding {
    /// About the capture, or about no attempt in particular.
    pub fn new(rule: &'static Rule, severity: Severity, what: String, evidence: Vec<At>) -> Self {
        Self { rule, severity, what, evidence, login: None, root_cause: false }
    }

    /// About a sign-in attempt.
    pub fn about(login: &Login, rule: &'static Rule, severity: Severity, what: String, evidence: Vec<At>) -> Self {
        Self { login: Some(login.id), ..Self::new(rule, severity, what, evidence) }
    }
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
    &dns_no_records::RULE,
    &dns_srv_foreign_domain::RULE,
    &tcp_no_answer::RULE,
    &tcp_refused::RULE,
    &tls_untrusted_certificate::RULE,
    &auth_rejected::RULE,
    &remote_access_denied::RULE,
    &user_not_found::RULE,
    &server_unavailable::RULE,
    &sip_rejected::RULE,
    &keys_missing::RULE,
    &key_does_not_fit::RULE,
    &capture_truncated::RULE,
    &capture_lossy::RULE,
    &snaplen_cut::RULE,
    &capture_one_sided::RULE,
    &capture_starts_late::RULE,
];

/// Runs every rule. Of the errors about a failed attempt the first by the order of the rules, which is
/// that of the layers, explains it.
pub fn check(report: &Report) -> Vec<Finding> {
    let mut found: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.check)(rule, report)).collect();
    for login in report.logins.iter().filter(|login| login.outcome() == LoginOutcome::Failed) {
        let errors = found.iter_mut().filter(|finding| finding.severity == Severity::Error);
        if let Some(first) = errors.into_iter().find(|finding| finding.login == Some(login.id)) {
            first.root_cause = true;
        }
    }
    found
}

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
