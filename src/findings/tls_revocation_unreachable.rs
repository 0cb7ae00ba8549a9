//! # tls-revocation-unreachable

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::connection::Connection;
use crate::story::login::web::{Purpose, Web};
use crate::story::row::Mark;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-revocation-unreachable",
    title: "The client cannot ask whether the certificate was revoked",
    seen: "After the server showed its certificate, the client looks for the CRL or the OCSP responder named in it and gets no answer.",
    why: "The client waits, up to 15 seconds for each place, and then refuses the certificate or goes on: sign-in fails or takes long.",
    fix: "Publish the CRL where clients can reach it by HTTP, or open the way to the addresses named in the certificate.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let shown = login.connections.iter().find_map(|connection| connection.tls().shown)?;
    let failed = login.web.iter().filter(|web| web.purpose == Purpose::Revocation).find_map(|web| {
        let (mark, how) = web.failure().or_else(|| unanswered(web))?;
        (mark.at.packet >= shown.at.packet).then_some((mark, how))
    });
    let denied = || {
        let host = login
            .discovery
            .names
            .iter()
            .find(|asked| asked.is_revocation(login) && !asked.found && asked.asked.at.packet > shown.at.packet)?;
        Some((host.answered.unwrap_or(host.asked), format!("{} {}: {}", host.rtype, host.name, host.result())))
    };
    let (mark, how) = failed.or_else(denied)?;
    let refused = login.connections.iter().any(Connection::was_refused_by_client) && login.is_failed();
    let waited = login
        .connection()
        .and_then(|connection| connection.first_message)
        .map(|first| first.at.time.since(shown.at.time));
    let slow = waited.is_some_and(|waited| waited.as_secs_f64() >= SLOW);
    let evidence = vec![shown, mark];
    Some(match (refused, slow) {
        (true, _) => Finding::error(login, rule, how, evidence),
        (false, true) => Finding::warning(login, rule, how, evidence),
        (false, false) => Finding::note(login, rule, how, evidence),
    })
}

/// A wait that users notice.
const SLOW: f64 = 3.0;

/// The first request without an answer.
fn unanswered(web: &Web) -> Option<(Mark, String)> {
    let call = web.calls.iter().find(|call| call.answer.is_none_or(|(_, status)| status >= 400))?;
    let how = call.status().map_or_else(|| "is not answered".to_owned(), |status| format!("is answered with {status}"));
    Some((call.mark(), format!("{} {} {how}", call.method, call.url)))
}
