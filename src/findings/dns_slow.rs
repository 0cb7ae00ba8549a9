//! # dns-slow

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::summary::duration;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-slow",
    title: "The sign-in waits for the name service",
    seen: "Look-ups are repeated, answered late or not at all, and the client waits for them for more than two seconds in all.",
    why: "Sign-in takes long, without any error to be seen.",
    fix: "Find the resolver that does not answer (in the evidence), repair it or its forwarder, or take it out of the client's settings.",
    check: Check::Login(check),
};

/// Waiting that users notice.
const SLOW: f64 = 2.0;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let waited = login.discovery.waited();
    let slow: Vec<_> = login
        .discovery
        .names
        .iter()
        .filter(|asked| asked.open_for() >= SLOW / 4.0 || asked.queries > 1 && asked.answered.is_none())
        .collect();
    if waited.as_secs_f64() < SLOW || slow.is_empty() {
        return None;
    }
    let worst = slow.iter().max_by(|one, other| one.open_for().total_cmp(&other.open_for()))?;
    let resolvers: Vec<String> = worst.resolvers.iter().map(ToString::to_string).collect();
    let what = format!(
        "waiting for the name service took {}; the longest was {} {} at {}: {} queries, {}",
        duration(waited),
        worst.rtype,
        worst.name,
        resolvers.join(", "),
        worst.queries,
        worst.result()
    );
    let evidence = slow.iter().flat_map(|asked| std::iter::once(asked.asked).chain(asked.answered)).collect();
    Some(Finding::warning(login, rule, what, evidence))
}
