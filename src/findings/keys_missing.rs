//! # keys-missing

use crate::findings::{Check, Finding, Rule, Severity};
use crate::model::Ports;
use crate::model::tls::{NotOpened, TlsSession};
use crate::story::{Report, RowFlow};

/// The rule.
pub static RULE: Rule = Rule {
    id: "keys-missing",
    title: "TLS sessions are not decrypted for want of keys",
    seen: "A TLS session that carried data, and no key that was given opens it.",
    why: "The SIP messages in it cannot be read: what the client asked and what the server answered is not known.",
    fix: "`lynccap keys` lists what each session needs. A key log (SSLKEYLOGFILE) opens every session; the server's RSA private key opens those with RSA key exchange; the client's trace log has the same messages in the clear.",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let closed = report.tls_sessions.iter().filter(|(flow, session)| is_closed(flow, session));
    let closed: Vec<_> = closed.filter(|(flow, _)| !report.is_told_by_log(flow)).collect();
    let Some((flow, session)) = closed.first() else { return Vec::new() };
    let why = session.not_opened.as_ref().map(ToString::to_string).unwrap_or_default();
    let what = match closed.len() {
        1 => format!("the session with {} is not decrypted: {why}", flow.key.server),
        count => format!("{count} sessions are not decrypted, the first one with {}: {why}", flow.key.server),
    };
    let evidence = closed.iter().take(16).filter_map(|(_, session)| session.began).collect();
    vec![Finding::new(rule, Severity::Warning, what, evidence)]
}

/// Carried data that nobody can read, where SIP is expected or a key would help.
fn is_closed(flow: &RowFlow, session: &TlsSession) -> bool {
    let data = session.has_data();
    let fits_badly = matches!(session.not_opened, Some(NotOpened::OtherCertificate | NotOpened::WrongKey(_)));
    let sip = flow.key.server.port() == Ports::SIPS || flow.key.server.port() == 443;
    session.opened.is_none() && session.not_opened.is_some() && data && sip && !fits_badly
}
