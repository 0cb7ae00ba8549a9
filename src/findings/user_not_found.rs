//! # user-not-found

use crate::findings::{Finding, Rule, Severity};
use crate::story::Report;
use crate::story::login::{Login, Rejection};

/// The rule.
pub static RULE: Rule = Rule {
    id: "user-not-found",
    title: "The server does not know the user",
    seen: "REGISTER is answered with 404, or with ms-diagnostics 1003, 4005 or 4006.",
    why: "The sign-in address is not enabled for Lync, has not been replicated yet, or is misspelt.",
    fix: "Check the SIP address of the user (Get-CsUser), enable the user, and wait for or force the replication of the directory (event 30061 of LS User Replicator tells).",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    report.logins.iter().filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let rejection = login.rejection.as_ref().filter(|rejection| is_unknown(rejection))?;
    let what = format!("REGISTER was answered with {}", rejection.describe());
    Some(Finding::about(login, rule, Severity::Error, what, vec![rejection.at]))
}

/// Refused because the user is not known.
pub(super) fn is_unknown(rejection: &Rejection) -> bool {
    rejection.status == 404 || rejection.diagnostics.iter().any(|found| matches!(found.id, 1003 | 4005 | 4006))
}
