//! # client-version-blocked

use crate::findings::refusal::explained_by;
use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "client-version-blocked",
    title: "The server refuses this version of the client",
    seen: "REGISTER is answered with 403 and ms-diagnostics of the client version filter (17000 to 17999).",
    why: "The client version policy blocks it: every client of that version fails.",
    fix: "Update the client, or allow the version (Get-CsClientVersionPolicyRule, Set-CsClientVersionPolicyRule).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let refusal = explained_by(rule, login)?;
    Some(Finding::error(login, rule, refusal.describe(), vec![refusal.answer.mark]))
}

/// Says that the version of the client is blocked ([MS-OCER], 17000 to 17999).
pub(super) fn is_version(answer: &Answer) -> bool {
    answer.has_id(|id| (17_000..18_000).contains(&id))
}
