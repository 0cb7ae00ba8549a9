//! # remote-access-denied

use crate::findings::refusal::explained_by;
use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::{Purpose, Refusal};

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
    let refusal = explained_by(rule, login)?;
    let evidence = login.remote.into_iter().chain([refusal.answer.mark]).collect();
    Some(Finding::error(login, rule, refusal.describe(), evidence))
}

/// Refused as a remote user, as far as the answer says. Whoever was let in from outside before is refused for that
/// only where the server says so.
pub(super) fn is_denied(login: &Login, refusal: &Refusal<'_>) -> bool {
    let answer = refusal.answer;
    let came_through_edge = login.location().0 == "external";
    let without_reason =
        || refusal.of == Purpose::SignIn && answer.diagnostics.is_empty() && !answer.refuses_credentials();
    answer.status == 403 && came_through_edge && (answer.has_id(|id| id == 4003) || without_reason())
}
