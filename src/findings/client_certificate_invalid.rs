//! # client-certificate-invalid

use crate::findings::{Check, Finding, Rule};
use crate::model::tls::Certificate;
use crate::story::login::Login;
use crate::story::login::ladder::Scheme;
use crate::story::summary::day;

/// The rule.
pub static RULE: Rule = Rule {
    id: "client-certificate-invalid",
    title: "The server does not accept the user's certificate",
    seen: "The certificate in the TLS-DSK handshake has expired or is another user's, and the server begins anew with its offer, or ends the inner handshake with an alert.",
    why: "The client holds on to a certificate that no server accepts: sign-in fails until it is deleted.",
    fix: "Delete the user's certificate from the client (certmgr.msc, Personal, issued by Communications Server) or revoke it (Revoke-CsClientCertificate); the client then asks for a new one.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    if login.registered.is_some() {
        return None;
    }
    if let Some((mark, alert)) = &login.endpoint.certificate_alert {
        let evidence =
            login.endpoint.certificate.as_deref().into_iter().map(|(shown, _)| *shown).chain([*mark]).collect();
        return Some(Finding::error(
            login,
            rule,
            format!("the TLS inside TLS-DSK ends with the alert {alert}"),
            evidence,
        ));
    }
    let (shown, own) = login.endpoint.certificate.as_deref()?;
    let refused = login.ladder.iter().find_map(|rung| {
        let answer = rung.answer.as_ref().filter(|answer| answer.mark.at.packet > shown.at.packet)?;
        let anew = rung.is_challenged() && !answer.offered.iter().any(Scheme::goes_on);
        (anew || rung.is_rejected()).then_some(answer.mark)
    })?;
    let now = shown.at.time;
    let reason = if now > own.not_after {
        format!("it expired on {}", day(own.not_after))
    } else if now < own.not_before {
        format!("it is valid only from {}", day(own.not_before))
    } else if login.user.as_ref().is_some_and(|user| !names_user(own, user)) {
        format!("it is not {}'s", login.user.as_deref().unwrap_or("the user"))
    } else {
        return None;
    };
    let what = format!("the client shows the certificate of {} (issued by {}); {reason}", own.subject, own.issuer);
    Some(Finding::error(login, rule, what, vec![*shown, refused]))
}

/// Whether a certificate is the user's: its subject or one of its names has the address.
fn names_user(own: &Certificate, user: &str) -> bool {
    let user = user.to_ascii_lowercase();
    let has = |name: &str| name.to_ascii_lowercase().contains(&user);
    has(&own.subject) || own.names.iter().any(|name| has(name))
}
