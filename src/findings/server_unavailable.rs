//! # server-unavailable

use crate::findings::{Check, Rule, refusal};
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "server-unavailable",
    title: "The server cannot take the user now",
    seen: "REGISTER is answered with 480, 500, 503 or another 5xx.",
    why: "The pool is starting, stopping, overloaded or without its database; or the user is being moved.",
    fix: "Look at the Front End's event log (Lync Server), its services (Get-CsWindowsService), the Fabric quorum and the back-end database; Retry-After says how long clients wait.",
    check: Check::Login(refusal::check),
};

/// Says that it is the server's trouble.
pub(super) fn is_unavailable(answer: &Answer) -> bool {
    answer.status == 480 || (500..600).contains(&answer.status)
}
