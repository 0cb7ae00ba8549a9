//! # dns-external-missing

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-external-missing",
    title: "The name service outside does not know the Edge",
    seen: "The SRV record for clients outside (_sip._tls) is denied, as are the names for clients inside; a fallback name is answered, and the server behind it does not take the client.",
    why: "Without the record a client outside guesses: sip.<your SIP domain> and sipexternal.<your SIP domain>, which often lead to another machine. Sign-in works inside and fails outside.",
    fix: "Create the public SRV record _sip._tls.<your SIP domain>, port 443, pointing to the Access Edge, and the public A record of that host; lyncdiscover.<your SIP domain> for newer clients.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let service: Vec<_> = login.discovery.of(&["_sip._tls."]).collect();
    let inside: Vec<_> = login
        .discovery
        .of(&["_sipinternaltls._tcp.", "_sipinternal._tcp.", "lyncdiscoverinternal.", "sipinternal."])
        .collect();
    let denied = !service.is_empty() && service.iter().chain(&inside).all(|asked| asked.is_denied());
    let guess = login.discovery.of(&["sip.", "sipexternal."]).find(|asked| asked.found)?;
    let last = login.connections.last()?;
    if !denied || !login.is_failed() || login.ladder.iter().any(|rung| rung.answer.is_some()) {
        return None;
    }
    let first = service.first()?;
    let what = format!(
        "SRV {}: {}; the client falls back on {} ({}), where it is not let in: {}",
        first.name,
        first.result(),
        guess.name,
        guess.result(),
        last.server()
    );
    let evidence = service.iter().filter_map(|asked| asked.answered).chain(guess.answered).chain([last.last]).collect();
    Some(Finding::error(login, rule, what, evidence))
}
