//! # dns-no-records

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-no-records",
    title: "The domain has no record for its Lync server",
    seen: "Every name of the discovery list was denied (NXDOMAIN, or no record of the type), and no connection followed.",
    why: "Without a record the client cannot find a server: sign-in ends with \"server is temporarily unavailable\" or \"cannot find a server\".",
    fix: "Create the SRV record _sipinternaltls._tcp.<your SIP domain>, port 5061, pointing to the pool, and the A record of the pool; for clients outside _sip._tls.<your SIP domain>, port 443, pointing to the Access Edge; or lyncdiscoverinternal.<your SIP domain> and lyncdiscover.<your SIP domain>. Or set the server by hand in the client (Options, Personal, Advanced).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    if !login.connections.is_empty()
        || !login.discovery.found_nothing()
        || login.discovery.list().all(|asked| !asked.is_denied())
    {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for asked in login.discovery.list() {
        let line = format!("{} {}: {}", asked.rtype, asked.name, asked.result());
        if !names.contains(&line) {
            names.push(line);
        }
    }
    let domain = login.domain().unwrap_or("the domain");
    let what = format!("nothing is known of a server for {domain}: {}", names.join("; "));
    let evidence = login.discovery.list().map(|asked| asked.answered.unwrap_or(asked.asked)).collect();
    Some(Finding::error(login, rule, what, evidence))
}
