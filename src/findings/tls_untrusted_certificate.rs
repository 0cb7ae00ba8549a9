//! # tls-untrusted-certificate

use crate::findings::{Check, Finding, Rule, tls_intercepted, tls_name_mismatch, tls_trust_prompt};
use crate::model::Direction;
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-untrusted-certificate",
    title: "The client does not accept the certificate of the server",
    seen: "The client answers the certificate with an alert, or ends the connection after the handshake without sending anything.",
    why: "Sign-in ends with \"problem verifying the certificate from the server\".",
    fix: "Install the root certificate of the issuer (and missing intermediates) on the client; check that the certificate has the name that the client connects to and has not expired.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let connection = login
        .connections
        .iter()
        .rev()
        .find(|connection| connection.was_refused_by_client())
        .filter(|_| login.is_failed())?;
    // A better reason has a finding of its own.
    let explained = tls_name_mismatch::is_mismatch(connection)
        || tls_intercepted::product(connection).is_some()
        || connection.went_silent() && tls_trust_prompt::is_foreign(login, connection)
        || connection
            .tls()
            .shown
            .zip(connection.tls().certificate())
            .is_some_and(|(shown, own)| shown.at.time > own.not_after || shown.at.time < own.not_before);
    if explained {
        return None;
    }
    let certificate = connection.tls().certificate().map_or_else(
        || "a certificate that is not visible".to_owned(),
        |own| {
            let by = if own.self_signed { "self-signed".to_owned() } else { format!("issued by {}", own.issuer) };
            format!("{} ({by})", own.subject)
        },
    );
    let alert = connection.tls().alerts.iter().find(|(_, direction, _)| *direction == Direction::Out);
    let how = alert.map_or_else(
        || "the client ended the session before it had asked anything".to_owned(),
        |(_, _, alert)| format!("the client sent the alert {} ({})", alert.name(), alert.meaning()),
    );
    let what = format!("{} showed {certificate}; {how}", connection.server());
    let ends = alert
        .map(|(mark, ..)| *mark)
        .or(connection.tls().close_notify.map(|(mark, _)| mark))
        .or(connection.ended.map(|(mark, _)| mark));
    let evidence: Vec<_> = connection.tls().shown.into_iter().chain(ends).collect();
    let evidence = if evidence.is_empty() { vec![connection.last] } else { evidence };
    Some(Finding::error(login, rule, what, evidence))
}
