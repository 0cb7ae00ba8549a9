//! # dns-no-records

use crate::findings::{Finding, Rule, Severity};
use crate::model::dns::rcode_name;
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-no-records",
    title: "The domain has no record for its Lync server",
    seen: "Every name of the discovery list was denied (NXDOMAIN, or no record of the type), and no connection followed.",
    why: "Without a record the client cannot find a server: sign-in ends with \"server is temporarily unavailable\" or \"cannot find a server\".",
    fix: "Create the SRV record _sipinternaltls._tcp.DOMAIN, port 5061, pointing to the pool, and the A record of the pool; for clients outside _sip._tls.DOMAIN, port 443, pointing to the Access Edge; or lyncdiscoverinternal and lyncdiscover. Or set the server by hand in the client (Options, Personal, Advanced).",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let empty = report.logins.iter().filter(|login| login.connections.is_empty() && login.found_nothing());
    let found = empty.map(|login| {
        let mut names: Vec<String> = Vec::new();
        for asked in &login.names {
            let result = asked.rcode.map_or_else(
                || "no answer".into(),
                |rcode| match rcode {
                    0 => "no such record".into(),
                    rcode => rcode_name(rcode),
                },
            );
            let line = format!("{} {}: {result}", asked.rtype, asked.name);
            if !names.contains(&line) {
                names.push(line);
            }
        }
        let domain = login.domain().unwrap_or("the domain");
        let what = format!("nothing is known of a server for {domain}: {}", names.join("; "));
        let evidence = login.names.iter().map(|asked| asked.at).collect();
        Finding::about(login, rule, Severity::Error, what, evidence)
    });
    found.collect()
}
