//! # dns-srv-foreign-domain

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::connection::Connection;
use crate::story::login::discovery::AskedName;

/// The rule.
pub static RULE: Rule = Rule {
    id: "dns-srv-foreign-domain",
    title: "The SRV record points outside of the SIP domain",
    seen: "The target of an SRV record of discovery is neither the SIP domain nor a host in it.",
    why: "Clients accept only targets in the domain of the sign-in address, unless a policy says otherwise: they show a question whether to trust the server, or pass the record over.",
    fix: "Point the SRV record to a name in the SIP domain, and put that name into the certificate of the server; or allow it by policy (DisableStrictDNSNaming, TrustModelData).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let domain = login.domain()?.to_ascii_lowercase();
    let asked = login
        .discovery
        .list()
        .find(|asked| asked.targets.iter().any(|target| place(&target.host, &domain) == Place::Outside));
    let deeper = || {
        login
            .discovery
            .list()
            .find(|asked| asked.targets.iter().any(|target| place(&target.host, &domain) == Place::Deeper))
    };
    let evidence = |asked: &AskedName| vec![asked.answered.unwrap_or(asked.asked)];
    if let Some(asked) = asked {
        let target = asked.targets.iter().find(|target| place(&target.host, &domain) == Place::Outside)?;
        let what = format!("{} points to {}, which is not in {domain}", asked.name, target.host);
        let unused = login.is_failed() && !login.connections.iter().any(Connection::has_messages);
        return Some(if unused {
            Finding::error(login, rule, what, evidence(asked))
        } else {
            Finding::warning(login, rule, what, evidence(asked))
        });
    }
    let asked = deeper()?;
    let target = asked.targets.iter().find(|target| place(&target.host, &domain) == Place::Deeper)?;
    let what = format!(
        "{} points to {}, more than one label below {domain}: strict naming may refuse it",
        asked.name, target.host
    );
    Some(Finding::note(login, rule, what, evidence(asked)))
}

/// Where a host stands to a domain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the domain, or one label below.
    Inside,
    /// It is farther below.
    Deeper,
    /// It is not below, nor one of the hosted service, which clients trust.
    Outside,
}

fn place(host: &str, domain: &str) -> Place {
    let below = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
    match below {
        _ if host == domain || is_trusted(host) => Place::Inside,
        Some(labels) if labels.contains('.') => Place::Deeper,
        Some(_) => Place::Inside,
        None => Place::Outside,
    }
}

/// Suffixes that clients trust by default (`TrustModelData`).
pub(super) fn is_trusted(host: &str) -> bool {
    let suffixes = ["lync.com", "outlook.com", "lync.glbdns.microsoft.com", "microsoftonline.com"];
    suffixes.iter().any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_place(host: &str, expected: Place) {
        assert!(place(host, "ex.test") == expected, "{host}");
    }

    #[test]
    fn places() {
        check_place("ex.test", Place::Inside);
        check_place("pool01.ex.test", Place::Inside);
        check_place("pool01.sub.ex.test", Place::Deeper);
        check_place("pool01.fabrikam.test", Place::Outside);
        check_place("badex.test", Place::Outside);
        check_place("sipdir.online.lync.com", Place::Inside);
    }
}
