//! # edge-next-hop-failed

use crate::findings::{Check, Rule, refusal};
use crate::story::login::Login;
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "edge-next-hop-failed",
    title: "The server in front cannot reach the one behind",
    seen: "REGISTER is answered with 504, or with ms-diagnostics about the next hop (1007, 1008, 1010, 1014, 1046, 1047).",
    why: "The Edge or Director takes the client and cannot pass it on: sign-in fails from outside.",
    fix: "On the Edge, check name resolution and route to the next hop pool, port 5061 on the internal edge, and that both trust each other's certificates (the HRESULT in the header says what failed).",
    check: Check::Login(refusal::check),
};

/// Says that the next hop failed.
pub(super) fn is_next_hop(login: &Login, answer: &Answer) -> bool {
    if login.location().0 != "external" {
        return false;
    }
    answer.status == 504
        || answer.status >= 500 && answer.has_id(|id| matches!(id, 1007 | 1008 | 1010 | 1014 | 1046 | 1047))
}
