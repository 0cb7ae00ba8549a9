//! # dns-server-failure

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-server-failure",
    title: "The name service fails",
    seen: "Look-ups of discovery are answered with SERVFAIL or REFUSED, or not at all.",
    why: "The client waits and tries other resolvers; where none answers, it finds no server.",
    fix: "Check the resolvers of the client: whether they run, reach their forwarders and serve the zone. Remove dead ones from the client's settings.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let failed: Vec<_> = login
        .discovery
        .list()
        .filter(|asked| asked.is_unresolved() && (asked.failures > 0 || asked.queries > 1))
        .collect();
    let first = failed.first()?;
    let resolvers: Vec<String> = first.resolvers.iter().map(ToString::to_string).collect();
    let what = format!(
        "{} of {} look-ups failed, the first one {} {} at {}: {}",
        failed.len(),
        login.discovery.list().count(),
        first.rtype,
        first.name,
        resolvers.join(", "),
        first.result()
    );
    let evidence = failed.iter().map(|asked| asked.answered.unwrap_or(asked.asked)).collect();
    let blocks = login.is_failed() && login.connections.is_empty();
    Some(if blocks { Finding::error(login, rule, what, evidence) } else { Finding::note(login, rule, what, evidence) })
}
