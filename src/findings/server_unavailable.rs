//! # server-unavailable

use crate::findings::{Finding, Rule, Severity};
use crate::story::Report;
use crate::story::login::{Login, Rejection};

/// The rule.
pub static RULE: Rule = Rule {
    id: "server-unavailable",
    title: "The server cannot take the registration now",
    seen: "REGISTER is answered with 480, 500, 503 or 504.",
    why: "The server, or the one behind it, is down, starting, draining or out of reach.",
    fix: "Look at the services and event log of the server that answers; behind an Edge, at the connection from the Edge to the pool (port 5061, certificates).",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    report.logins.iter().filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let rejection = login.rejection.as_ref().filter(|rejection| is_unavailable(rejection))?;
    let what = format!("REGISTER was answered with {}", rejection.describe());
    Some(Finding::about(login, rule, Severity::Error, what, vec![rejection.at]))
}

/// Refused because the server has its own trouble.
pub(super) const fn is_unavailable(rejection: &Rejection) -> bool {
    matches!(rejection.status, 480 | 500 | 503 | 504)
}
