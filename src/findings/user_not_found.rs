//! # user-not-found

use crate::findings::{Check, Rule, refusal};
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "user-not-found",
    title: "The server does not know the user",
    seen: "REGISTER is answered with 404, or with ms-diagnostics 1003, 4005 or 4006.",
    why: "The address is not enabled for Lync or Skype for Business here, is spelled differently, or the directory has not replicated yet.",
    fix: "Enable the user (Enable-CsUser), check the sign-in address, and wait for Active Directory replication (User Replicator, event 30061).",
    check: Check::Login(refusal::check),
};

/// Says that there is no such user.
pub(super) fn is_unknown(answer: &Answer) -> bool {
    answer.status == 404 || answer.has_id(|id| matches!(id, 1003 | 4005 | 4006))
}
