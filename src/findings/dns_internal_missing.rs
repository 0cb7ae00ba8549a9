//! # dns-internal-missing

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::connection::is_private;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-internal-missing",
    title: "The name service inside does not know the internal server",
    seen: "Names for clients inside are denied, only those for clients outside are answered, and the server outside cannot be reached from here.",
    why: "A client inside is sent to the Edge by its public address, which firewalls rarely let through from inside. Sign-in works outside and fails inside.",
    fix: "Split-brain DNS: put _sipinternaltls._tcp.<your SIP domain> (SRV, port 5061, to the pool) and the pool's A record, and lyncdiscoverinternal.<your SIP domain>, into the zone that clients inside ask (or into a pin-point zone). If this client is outside, look at the path to the Edge instead.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let inside: Vec<_> =
        login.discovery.of(&["_sipinternaltls._tcp.", "lyncdiscoverinternal.", "sipinternal."]).collect();
    let outside =
        login.discovery.of(&["_sip._tls.", "lyncdiscover.", "sip.", "sipexternal."]).find(|asked| asked.found)?;
    let denied = !inside.is_empty() && inside.iter().all(|asked| asked.is_denied());
    let last = login.connections.last()?;
    let blocked = last.failed.is_some() || last.silence_before_reset().is_some() && !last.has_messages();
    if !denied || !blocked || !login.is_failed() {
        return None;
    }
    let what = format!(
        "only {} is answered ({}), a name for clients outside; {} cannot be reached, and the names for clients inside are denied",
        outside.name,
        outside.result(),
        last.server()
    );
    let evidence = inside
        .iter()
        .filter_map(|asked| asked.answered)
        .chain(outside.answered)
        .chain(last.failed.map(|(mark, _)| mark));
    let evidence = evidence.collect();
    // Outside, a home router resolves as well: only a domain controller, or a resolver that speaks for the SIP
    // domain from a private address, shows that the client is inside.
    let resolvers = inside.iter().filter(|asked| asked.authoritative).flat_map(|asked| &asked.resolvers);
    let own_zone = resolvers.into_iter().any(|&address| is_private(address));
    let is_inside = login.in_domain.is_some() || own_zone;
    (is_inside && !last.is_private()).then(|| Finding::error(login, rule, what, evidence))
}
