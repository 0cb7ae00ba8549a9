//! # tls-name-mismatch

use crate::findings::{Check, Finding, Rule};
use crate::model::tls::Certificate;
use crate::story::login::Login;
use crate::story::login::connection::Connection;
use crate::story::login::steps::common_name;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-name-mismatch",
    title: "The certificate does not have the name that the client connects to",
    seen: "None of the names in the server's certificate is the one that the client asked for, and the client ends the connection.",
    why: "Clients compare them: sign-in ends with \"problem verifying the certificate from the server\".",
    fix: "Issue the certificate anew with the missing name as subject alternative name (the pool's name, and sip.<your SIP domain>, as for every other SIP domain), or correct the record that leads there.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let connection = login.connections.iter().rev().find(|connection| is_mismatch(connection))?;
    let own = connection.tls().certificate()?;
    let name = connection.checked_name()?;
    let names: Vec<&str> = names(own).take(MOST_NAMES).collect();
    let what = format!("the client connects to {name}; the certificate is for {}", names.join(", "));
    let evidence =
        connection.tls().shown.into_iter().chain(connection.tls().alerts.iter().map(|(mark, ..)| *mark)).collect();
    let refused = connection.was_refused_by_client() && login.is_failed();
    Some(if refused { Finding::error(login, rule, what, evidence) } else { Finding::note(login, rule, what, evidence) })
}

/// Most names of a certificate that are told.
const MOST_NAMES: usize = 8;

/// Whether the certificate lacks the name that the client connects to.
pub(super) fn is_mismatch(connection: &Connection) -> bool {
    match (connection.tls().certificate(), connection.checked_name()) {
        (Some(own), Some(name)) => !names(own).any(|known| matches_name(known, name)),
        _ => false,
    }
}

/// Names that count: the subject alternative names, or the common name where there are none.
fn names(own: &Certificate) -> impl Iterator<Item = &str> {
    let common = own.names.is_empty().then(|| common_name(&own.subject));
    own.names.iter().map(String::as_str).chain(common)
}

/// Whether a name of a certificate covers a host (RFC 6125 §6.4): a wildcard stands for one whole label.
fn matches_name(known: &str, host: &str) -> bool {
    let (known, host) = (known.trim_end_matches('.'), host.trim_end_matches('.'));
    match known.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, tail)| tail.eq_ignore_ascii_case(rest)),
        None => known.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(known: &str, host: &str, expected: bool) {
        assert_eq!(matches_name(known, host), expected, "{known} for {host}");
    }

    #[test]
    fn names_of_certificates() {
        check_name("pool01.ex.test", "POOL01.ex.test", true);
        check_name("pool01.ex.test", "pool02.ex.test", false);
        check_name("*.ex.test", "sip.ex.test", true);
        check_name("*.ex.test", "a.sip.ex.test", false);
        check_name("*.ex.test", "ex.test", false);
    }
}
