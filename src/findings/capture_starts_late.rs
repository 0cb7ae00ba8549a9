//! # capture-starts-late

use crate::findings::{Check, Finding, Rule, Severity};
use crate::model::TransportKind;
use crate::model::tls::NotOpened;
use crate::story::{FlowReport, Report};

/// The rule.
pub static RULE: Rule = Rule {
    id: "capture-starts-late",
    title: "A connection is older than the capture",
    seen: "Messages on a connection whose handshake is not in the capture.",
    why: "What was said before is not known: how the server was found, how the client authenticated. TLS cannot be decrypted without its handshake.",
    fix: "Start the capture first, then sign out and in again (or end and start the client).",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let late: Vec<_> = report
        .flows
        .iter()
        // A trace log has messages only.
        .filter(|flow| !flow.first.input.is_log())
        .filter(|flow| flow.key.transport == TransportKind::Tcp && flow.opened.is_none())
        .filter(|flow| flow.sip != [0, 0] || has_closed_session(report, flow))
        .collect();
    let Some(first) = late.first() else { return Vec::new() };
    let what = match late.len() {
        1 => format!("the connection to {} began before the capture", first.key.server),
        count => format!("{count} connections began before the capture"),
    };
    let evidence = late.iter().take(16).map(|flow| flow.first).collect();
    vec![Finding::new(rule, Severity::Note, what, evidence)]
}

/// TLS on it is closed to the reader because its handshake is not there.
fn has_closed_session(report: &Report, flow: &FlowReport) -> bool {
    let of_flow = report.tls_sessions.iter().filter(|(session, _)| session.key == flow.key);
    of_flow.into_iter().any(|(_, session)| session.not_opened == Some(NotOpened::NoHandshake))
}
