//! # dns-target-missing

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-target-missing",
    title: "The SRV record points to a host without an address",
    seen: "The SRV record of discovery is answered, the A (and AAAA) record of its target is denied, and no connection followed.",
    why: "The client knows the name of the server and not where it is: it cannot connect.",
    fix: "Create the A record of the host that the SRV record names (the pool), or correct the name in the SRV record.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let names = &login.discovery.names;
    let missing = names.iter().find(|asked| {
        login.discovery.is_target(&asked.name)
            && !names.iter().any(|other| other.name == asked.name && !other.addresses.is_empty())
            && asked.is_denied()
    })?;
    let pointer = names.iter().find(|asked| asked.targets.iter().any(|target| target.host == missing.name))?;
    let what = format!(
        "SRV {} points to {}, and {} {}: {}",
        pointer.name,
        missing.name,
        missing.rtype,
        missing.name,
        missing.result()
    );
    let evidence = pointer.answered.into_iter().chain(missing.answered).collect();
    Some(if login.is_failed() {
        Finding::error(login, rule, what, evidence)
    } else {
        Finding::note(login, rule, what, evidence)
    })
}
