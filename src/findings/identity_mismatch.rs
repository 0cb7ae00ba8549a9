//! # identity-mismatch

use crate::findings::{Check, Rule, refusal};
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-mismatch",
    title: "The credentials belong to another account than the sign-in address",
    seen: "REGISTER is answered with 403 and ms-diagnostics 4004.",
    why: "The client asks for the password again although it is right: the account that proved itself may not use this address.",
    fix: "Give the user name explicitly (DOMAIN\\user), and compare the account's msRTCSIP-PrimaryUserAddress with the sign-in address.",
    check: Check::Login(refusal::check),
};

/// Says that the account may not use this address.
pub(super) fn says(answer: &Answer) -> bool {
    answer.has_id(|id| id == 4004)
}
