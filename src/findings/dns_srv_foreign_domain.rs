//! # dns-srv-foreign-domain

use crate::findings::{Finding, Rule, Severity};
use crate::story::Report;
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-srv-foreign-domain",
    title: "The SRV record points outside of the SIP domain",
    seen: "The target of an SRV record of discovery is neither the SIP domain nor a host in it.",
    why: "Clients accept only targets in the domain of the sign-in address, unless a policy says otherwise: they show a question whether to trust the server, or pass the record over.",
    fix: "Point the SRV record to a name in the SIP domain, and put that name into the certificate of the server; or allow it by policy (DisableStrictDNSNaming, TrustModelData).",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    report.logins.iter().filter_map(|login| foreign(rule, login)).collect()
}

fn foreign(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let domain = login.domain()?.to_ascii_lowercase();
    let inside = |target: &str| target == domain || target.ends_with(&format!(".{domain}"));
    let asked = login.names.iter().find(|asked| asked.targets.iter().any(|target| !inside(target)))?;
    let target = asked.targets.iter().find(|target| !inside(target))?;
    let what = format!("{} points to {target}, which is not in {domain}", asked.name);
    Some(Finding::about(login, rule, Severity::Warning, what, vec![asked.at]))
}
