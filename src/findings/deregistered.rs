//! # deregistered

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::steps::describe;

/// The rule.
pub static RULE: Rule = Rule {
    id: "deregistered",
    title: "The server ended the registration",
    seen: "A notification of the registration event says that the registration is over: rejected, unregistered or deactivated.",
    why: "The user is signed out suddenly.",
    fix: "rejected: the account was disabled; deactivated: the user was moved, and the client signs in at the new pool by itself; unregistered: the user signed in elsewhere, or an administrator ended it.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let end = login.deregistered.as_ref()?;
    let meaning = match end.event.as_str() {
        "rejected" => " (the user was disabled)",
        "unregistered" => " (signed in elsewhere, or signed out by the server)",
        "deactivated" => " (the user was moved to another pool)",
        _ => "",
    };
    let said: Vec<String> = end.diagnostics.iter().map(describe).collect();
    let said = if said.is_empty() { String::new() } else { format!("; {}", said.join("; ")) };
    let what = format!("the server says {}{meaning}{said}", end.event);
    Some(Finding::error(login, rule, what, vec![end.mark]))
}
