//! # tls-untrusted-certificate

use crate::findings::{Finding, Rule, Severity};
use crate::story::Report;
use crate::story::login::{Connection, Login, LoginOutcome};

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-untrusted-certificate",
    title: "The client does not accept the certificate of the server",
    seen: "The client answers the certificate with an alert, or ends the connection after the handshake without sending anything.",
    why: "Sign-in ends with \"problem verifying the certificate from the server\".",
    fix: "Install the root certificate of the issuer (and missing intermediates) on the client; check that the certificate has the name that the client connects to and has not expired.",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let failed = report.logins.iter().filter(|login| login.outcome() == LoginOutcome::Failed);
    failed.filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let connection = login.connections.iter().rev().find(|connection| connection.was_refused_by_client())?;
    let certificate = connection.certificate.as_ref().map_or_else(
        || "a certificate that is not visible".to_owned(),
        |own| {
            let by = if own.self_signed { "self-signed".to_owned() } else { format!("issued by {}", own.issuer) };
            format!("{} ({by})", own.subject)
        },
    );
    let how = connection.alerts.first().map_or_else(
        || "the client ended the connection without a word".to_owned(),
        |(_, _, alert)| format!("the client sent the alert {} ({})", alert.name(), alert.meaning()),
    );
    let what = format!("{} showed {certificate}; {how}", connection.flow.server);
    Some(Finding::about(login, rule, Severity::Error, what, evidence(connection)))
}

fn evidence(connection: &Connection) -> Vec<crate::model::At> {
    let alerts = connection.alerts.iter().map(|(at, ..)| *at);
    let mut evidence: Vec<_> = connection.secured.into_iter().chain(alerts).collect();
    if evidence.is_empty() {
        evidence.push(connection.at);
    }
    evidence
}
