//! # remote-access-denied

use crate::findings::{Finding, Rule, Severity};
use crate::story::Report;
use crate::story::login::{Login, Rejection};

/// The rule.
pub static RULE: Rule = Rule {
    id: "remote-access-denied",
    title: "The user may not sign in from outside",
    seen: "REGISTER through an Edge is answered with 403 and ms-diagnostics 4003, or with 403 for a remote user without another reason.",
    why: "Sign-in works inside and fails outside.",
    fix: "Allow remote user access in the external access policy of the user (Set-CsExternalAccessPolicy -EnableOutsideAccess).",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    report.logins.iter().filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let rejection = login.rejection.as_ref().filter(|rejection| login.remote && is_denied(rejection))?;
    let what = format!("REGISTER was answered with {}", rejection.describe());
    Some(Finding::about(login, rule, Severity::Error, what, vec![rejection.at]))
}

/// Refused as a remote user, as far as the answer says.
pub(super) fn is_denied(rejection: &Rejection) -> bool {
    let ids: Vec<u32> = rejection.diagnostics.iter().map(|found| found.id).collect();
    rejection.status == 403 && (ids.is_empty() || ids.contains(&4003))
}
