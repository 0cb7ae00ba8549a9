//! What is wrong, why it matters and what to do: the story in, findings out.
//!
//! A rule is one file; [`RULES`] lists them in the order of the layers, in which they are shown. A rule about
//! sign-ins looks at one of them, when it is over and before its rows leave; a rule about the capture at the
//! report. Every finding names the rows or packets that show it, or the damage that an input has. What is
//! normal in a healthy sign-in is at most a note.

mod auth_ladder_split;
mod auth_rejected;
mod autodiscover_loop;
mod backend_unavailable;
mod capture_lossy;
mod capture_one_sided;
mod capture_starts_late;
mod capture_truncated;
mod cited;
mod client_certificate_invalid;
mod client_version_blocked;
mod clock_skew;
mod compression_unreadable;
mod conferencing_failed;
mod deregistered;
mod dns_external_missing;
mod dns_internal_missing;
mod dns_no_records;
mod dns_server_failure;
mod dns_slow;
mod dns_srv_foreign_domain;
mod dns_target_missing;
mod edge_next_hop_failed;
mod identity_mismatch;
mod idle_timeout;
mod kerberos_principal;
mod key_does_not_fit;
mod keys_missing;
mod phone_options_missing;
mod publish_conflict;
mod redirect_dead_end;
mod refusal;
mod remote_access_denied;
mod server_closed;
mod server_unavailable;
mod signature_invalid;
mod sip_rejected;
mod snaplen_cut;
mod sources_differ;
mod tcp_no_answer;
mod tcp_refused;
mod tcp_reset;
mod tls_certificate_expired;
mod tls_intercepted;
mod tls_name_mismatch;
mod tls_no_common_parameters;
mod tls_revocation_unreachable;
mod tls_trust_prompt;
mod tls_untrusted_certificate;
mod user_not_found;
mod voice_not_enabled;
mod web_service_unreachable;
mod web_ticket_rejected;
mod wrong_side;

use std::borrow::Cow;

use crate::model::At;
use crate::story::Report;
use crate::story::login::exchange::Exchange;
use crate::story::login::{Login, LoginOutcome};
use crate::story::row::Mark;
use crate::story::steps::StepOutcome;

pub use cited::Cited;

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

/// Stands in the texts of rules for the SIP domain of the user.
const YOUR_DOMAIN: &str = "<your SIP domain>";

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// What was seen.
    pub what: String,
    /// What shows it, in order.
    pub evidence: Vec<Mark>,
    /// Numbers of the rows among it, as far as they are known.
    pub rows: Vec<u64>,
    /// The sign-in attempt it is about.
    pub login: Option<u32>,
    /// The SIP domain of that attempt, where it is known.
    pub domain: Option<String>,
    /// It explains why that attempt failed.
    pub root_cause: bool,
}

/// Most rows or packets that a finding cites.
const MOST_EVIDENCE: usize = 32;

impl Finding {
    /// About the capture, or about no attempt in particular.
    pub fn new(rule: &'static Rule, severity: Severity, what: String, evidence: Vec<At>) -> Self {
        let evidence = evidence.into_iter().map(Mark::from).collect();
        Self { rule, severity, what, evidence, rows: Vec::new(), login: None, domain: None, root_cause: false }
    }

    /// About a sign-in attempt.
    fn about(login: &Login, rule: &'static Rule, severity: Severity, what: String, mut evidence: Vec<Mark>) -> Self {
        evidence.sort_unstable_by_key(|mark| (mark.at.packet, mark.row));
        evidence.dedup();
        evidence.truncate(MOST_EVIDENCE);
        let rows = evidence.iter().filter_map(|mark| login.row_number(*mark)).collect();
        let domain = login.domain().map(str::to_owned);
        Self { rule, severity, what, evidence, rows, login: Some(login.id), domain, root_cause: false }
    }

    /// Why it matters.
    pub fn why(&self) -> Cow<'static, str> {
        self.with_domain(self.rule.why)
    }

    /// What to do.
    pub fn fix(&self) -> Cow<'static, str> {
        self.with_domain(self.rule.fix)
    }

    /// A text of the rule with the SIP domain in its place.
    fn with_domain(&self, text: &'static str) -> Cow<'static, str> {
        match &self.domain {
            Some(domain) if text.contains(YOUR_DOMAIN) => text.replace(YOUR_DOMAIN, domain).into(),
            _ => text.into(),
        }
    }

    fn error(login: &Login, rule: &'static Rule, what: String, evidence: Vec<Mark>) -> Self {
        Self::about(login, rule, Severity::Error, what, evidence)
    }

    fn warning(login: &Login, rule: &'static Rule, what: String, evidence: Vec<Mark>) -> Self {
        Self::about(login, rule, Severity::Warning, what, evidence)
    }

    fn note(login: &Login, rule: &'static Rule, what: String, evidence: Vec<Mark>) -> Self {
        Self::about(login, rule, Severity::Note, what, evidence)
    }
}

/// What a rule looks at.
pub enum Check {
    /// One sign-in attempt.
    Login(fn(&'static Rule, &Login) -> Option<Finding>),
    /// The capture as a whole.
    Capture(fn(&'static Rule, &Report) -> Vec<Finding>),
}

/// A rule, and its explanation.
pub struct Rule {
    /// Its id.
    pub id: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What in a capture shows it.
    pub seen: &'static str,
    /// Why it matters; as in `fix`, `<your SIP domain>` stands for that of the user.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Looks for it.
    pub check: Check,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

/// In the order of the layers, in which findings are shown.
pub static RULES: &[&Rule] = &[
    &dns_no_records::RULE,
    &dns_target_missing::RULE,
    &dns_internal_missing::RULE,
    &dns_external_missing::RULE,
    &dns_server_failure::RULE,
    &phone_options_missing::RULE,
    &dns_srv_foreign_domain::RULE,
    &dns_slow::RULE,
    &redirect_dead_end::RULE,
    &tcp_no_answer::RULE,
    &tcp_refused::RULE,
    &tls_certificate_expired::RULE,
    &tls_name_mismatch::RULE,
    &tls_intercepted::RULE,
    &tls_no_common_parameters::RULE,
    &tls_revocation_unreachable::RULE,
    &tls_trust_prompt::RULE,
    &tls_untrusted_certificate::RULE,
    &tcp_reset::RULE,
    &autodiscover_loop::RULE,
    &wrong_side::RULE,
    &clock_skew::RULE,
    &kerberos_principal::RULE,
    &web_service_unreachable::RULE,
    &web_ticket_rejected::RULE,
    &client_certificate_invalid::RULE,
    &auth_ladder_split::RULE,
    &remote_access_denied::RULE,
    &identity_mismatch::RULE,
    &user_not_found::RULE,
    &client_version_blocked::RULE,
    &edge_next_hop_failed::RULE,
    &server_unavailable::RULE,
    &auth_rejected::RULE,
    &sip_rejected::RULE,
    &server_closed::RULE,
    &signature_invalid::RULE,
    &deregistered::RULE,
    &idle_timeout::RULE,
    &backend_unavailable::RULE,
    &voice_not_enabled::RULE,
    &conferencing_failed::RULE,
    &publish_conflict::RULE,
    &compression_unreadable::RULE,
    &sources_differ::RULE,
    &keys_missing::RULE,
    &key_does_not_fit::RULE,
    &capture_truncated::RULE,
    &capture_lossy::RULE,
    &snaplen_cut::RULE,
    &capture_one_sided::RULE,
    &capture_starts_late::RULE,
];

/// What requests of a signed-in client show that were refused: an error, or a note where the step succeeded later.
fn refused(rule: &'static Rule, login: &Login, failed: &[&Exchange], how: &str) -> Option<Finding> {
    let last = failed.last()?;
    let kind = last.kind?;
    let mended = login
        .of_step(kind)
        .any(|exchange| exchange.outcome == StepOutcome::Ok && exchange.request.at.packet > last.request.at.packet);
    let what = format!("{} ({}) is answered with {}{how}", kind.title(), kind.id(), last.describe());
    let evidence = failed.iter().map(|exchange| exchange.mark()).collect();
    Some(if mended { Finding::note(login, rule, what, evidence) } else { Finding::error(login, rule, what, evidence) })
}

/// What is wrong with a sign-in, the worst and earliest first. Of the errors about a failed attempt the first by
/// the order of the rules, which is that of the layers, explains it.
pub fn check_login(login: &Login) -> Vec<Finding> {
    let rules = RULES.iter().filter_map(|rule| match rule.check {
        Check::Login(check) => check(rule, login),
        Check::Capture(_) => None,
    });
    let mut found: Vec<Finding> = rules.collect();
    if login.outcome() == LoginOutcome::Failed
        && let Some(first) = found.iter_mut().find(|finding| finding.severity == Severity::Error)
    {
        first.root_cause = true;
    }
    found.sort_by_key(|finding| (!finding.root_cause, std::cmp::Reverse(finding.severity)));
    found
}

/// What is wrong with the capture.
pub fn check_capture(report: &Report) -> Vec<Finding> {
    let rules = RULES.iter().map(|rule| match rule.check {
        Check::Capture(check) => check(rule, report),
        Check::Login(_) => Vec::new(),
    });
    let mut found: Vec<Finding> = rules.flatten().collect();
    for finding in &mut found {
        finding.rows = finding.evidence.iter().filter_map(|mark| report.row_of(mark.at)).collect();
    }
    found
}

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_not_known_stands_as_one_to_fill_in() {
        for rule in RULES {
            let Rule { id, seen, why, fix, .. } = rule;
            for text in [*seen, *why, *fix].map(|text| text.replace("DOMAIN\\user", "").replace("NXDOMAIN", "")) {
                assert!(!text.contains("DOMAIN"), "{id}: {text}");
                assert!(!text.replace(YOUR_DOMAIN, "").contains(['<', '>']), "{id}: {text}");
            }
        }
        let rule = find("dns-external-missing").unwrap();
        let mut finding = Finding::new(rule, Severity::Error, String::new(), Vec::new());
        assert_eq!((&*finding.why(), &*finding.fix()), (rule.why, rule.fix));
        finding.domain = Some("ex.test".to_owned());
        assert!(finding.why().contains("sip.ex.test and sipexternal.ex.test, which"), "{}", finding.why());
        assert!(finding.fix().contains("_sip._tls.ex.test, port 443"), "{}", finding.fix());
    }
}
