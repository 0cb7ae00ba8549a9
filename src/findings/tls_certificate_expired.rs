//! # tls-certificate-expired

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::summary::day;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-certificate-expired",
    title: "The certificate of the server is not valid at this time",
    seen: "The certificate that the server shows had expired, or was not valid yet, when the capture was made.",
    why: "Clients refuse it: sign-in ends with \"problem verifying the certificate from the server\".",
    fix: "Renew the certificate and assign it (Set-CsCertificate), on every server of the pool; where it is not valid yet, check the clocks.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    login.connections.iter().rev().find_map(|connection| {
        let (shown, own) = connection.tls().shown.zip(connection.tls().certificate())?;
        let when = match shown.at.time {
            now if now > own.not_after => format!("expired on {}", day(own.not_after)),
            now if now < own.not_before => format!("is valid only from {}", day(own.not_before)),
            _ => return None,
        };
        let what = format!("the certificate of {} ({}) {when}", connection.server(), own.subject);
        let evidence: Vec<_> =
            std::iter::once(shown).chain(connection.tls().alerts.iter().map(|(mark, ..)| *mark)).collect();
        let refused = connection.was_refused_by_client() && login.is_failed();
        Some(if refused {
            Finding::error(login, rule, what, evidence)
        } else {
            Finding::warning(login, rule, what, evidence)
        })
    })
}
