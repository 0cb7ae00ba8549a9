//! # client-version-blocked

use crate::findings::{Check, Rule, refusal};
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "client-version-blocked",
    title: "The server refuses this version of the client",
    seen: "REGISTER is answered with 403 and ms-diagnostics of the client version filter (17000 to 17999).",
    why: "The client version policy blocks it: every client of that version fails.",
    fix: "Update the client, or allow the version (Get-CsClientVersionPolicyRule, Set-CsClientVersionPolicyRule).",
    check: Check::Login(refusal::check),
};

/// Says that the version of the client is blocked ([MS-OCER], 17000 to 17999).
pub(super) fn is_version(answer: &Answer) -> bool {
    answer.has_id(|id| (17_000..18_000).contains(&id))
}
