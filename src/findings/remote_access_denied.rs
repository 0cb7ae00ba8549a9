//! # remote-access-denied

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "remote-access-denied",
    title: "The user may not sign in from outside",
    seen: "REGISTER through an Edge is answered with 403 and ms-diagnostics 4003, or with 403 for a remote user without another reason.",
    why: "Sign-in works inside and fails outside.",
    fix: "Allow remote user access in the external access policy of the user (Set-CsExternalAccessPolicy -EnableOutsideAccess), and on the Edge (Set-CsAccessEdgeConfiguration -AllowOutsideUsers).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let answer = login.rejection().filter(|answer| is_denied(login, answer))?;
    let what = format!("REGISTER was answered with {}", answer.describe());
    let evidence = login.remote.into_iter().chain([answer.mark]).collect();
    Some(Finding::error(login, rule, what, evidence))
}

/// Refused as a remote user, as far as the answer says.
pub(super) fn is_denied(login: &Login, answer: &Answer) -> bool {
    let came_through_edge = login.location().0 == "external";
    let says = answer.has_id(|id| id == 4003) || answer.diagnostics.is_empty() && !answer.refuses_credentials();
    answer.status == 403 && came_through_edge && says
}
