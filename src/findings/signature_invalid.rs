//! # signature-invalid

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "signature-invalid",
    title: "A message is signed wrongly",
    seen: "The signature of a message was checked with the keys of its security association, and does not fit.",
    why: "The message was changed on the way (a proxy, a balancer, a gateway that rewrites), or signed with another key: the receiver drops it.",
    fix: "Compare the message on both sides of what stands between client and server; nothing may change To, From, Call-ID, CSeq, Expires and the identity headers.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let first = login.bad_signatures.first()?;
    let (wrong, right) = (login.bad_signatures.len(), login.good_signatures);
    let what = format!(
        "{wrong} of {} signatures that could be checked are wrong, the first one of {}",
        wrong as u64 + right,
        first.what
    );
    let evidence = login.bad_signatures.iter().map(|bad| bad.mark).collect();
    Some(Finding::error(login, rule, what, evidence))
}
