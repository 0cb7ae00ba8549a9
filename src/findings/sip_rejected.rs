//! # sip-rejected

use crate::findings::{Check, Rule, refusal};

/// The rule.
pub static RULE: Rule = Rule {
    id: "sip-rejected",
    title: "The server refuses the registration",
    seen: "REGISTER gets a final answer that is no success, and no other rule knows why.",
    why: "The answer says why, where the server tells it: `lynccap explain` knows the numbers.",
    fix: "Read the ms-diagnostics of the answer (`lynccap explain NUMBER`), and look at the server's log for the same Call-ID.",
    check: Check::Login(refusal::check),
};
