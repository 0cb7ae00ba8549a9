//! # sip-rejected

use crate::findings::{Finding, Rule, Severity};
use crate::findings::{remote_access_denied, server_unavailable, user_not_found};
use crate::story::Report;
use crate::story::login::{Login, Rejection};

/// The rule.
pub static RULE: Rule = Rule {
    id: "sip-rejected",
    title: "The server refuses the registration",
    seen: "REGISTER gets a final answer that is no success and for which no other rule stands.",
    why: "Sign-in ends there; the status and ms-diagnostics of the answer say why.",
    fix: "Read the reason in the answer (`lynccap show`), and look at the server that its source parameter names.",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    report.logins.iter().filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let rejection = login.rejection.as_ref().filter(|rejection| !is_explained(login, rejection))?;
    let what = format!("REGISTER was answered with {}", rejection.describe());
    Some(Finding::about(login, rule, Severity::Error, what, vec![rejection.at]))
}

/// Another rule says more.
fn is_explained(login: &Login, rejection: &Rejection) -> bool {
    login.remote && remote_access_denied::is_denied(rejection)
        || user_not_found::is_unknown(rejection)
        || server_unavailable::is_unavailable(rejection)
}
