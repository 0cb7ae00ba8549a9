//! # compression-unreadable

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::exchange::Exchange;

/// The rule.
pub static RULE: Rule = Rule {
    id: "compression-unreadable",
    title: "Compressed SIP cannot be read",
    seen: "Both sides agreed on LZ77-8K, and what follows fits none of the packet header forms that are known.",
    why: "The messages on that connection are not visible: the story ends where compression begins.",
    fix: "Sign in without compression (inside the network, where clients do not ask for it), or read the client's trace log, which has the messages in the clear.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let unread = login.compression_unread?;
    let agreed = login.exchanges.iter().find(|exchange| exchange.method == "NEGOTIATE").map(Exchange::mark);
    let lost = login.connections.iter().any(|connection| connection.lost_bytes > 0);
    let what = "packets after the agreement could not be decompressed".to_owned();
    let evidence = agreed.into_iter().chain([unread]).collect();
    // What is missing in the capture takes the history with it, up to the next packet that begins anew.
    Some(if lost { Finding::note(login, rule, what, evidence) } else { Finding::warning(login, rule, what, evidence) })
}
