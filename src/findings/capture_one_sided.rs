//! # capture-one-sided

use crate::findings::{Check, Finding, Rule, Severity};
use crate::model::{TcpEvent, TransportKind};
use crate::story::{FlowReport, Report};

/// The rule.
pub static RULE: Rule = Rule {
    id: "capture-one-sided",
    title: "Only one direction was captured",
    seen: "Connections with messages of one side only, whose handshake lacks the other side, too.",
    why: "Requests look unanswered that were answered.",
    fix: "Mirror both directions of the port, or capture on the client or the server itself.",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let one_sided: Vec<_> = report.flows.iter().filter(|flow| is_one_sided(flow)).collect();
    let Some(first) = one_sided.first() else { return Vec::new() };
    let what = match one_sided.len() {
        1 => format!("of the connection to {} only one direction is in the capture", first.key.server),
        count => format!("of {count} connections only one direction is in the capture"),
    };
    let evidence = one_sided.iter().take(16).map(|flow| flow.first).collect();
    vec![Finding::new(rule, Severity::Warning, what, evidence)]
}

/// Messages one way only, and nothing of the other side even in the handshake.
fn is_one_sided(flow: &FlowReport) -> bool {
    let [out, r#in] =
        [0, 1].map(|way: usize| flow.sip.get(way).max(flow.handshake.get(way)).is_some_and(|&count| count > 0));
    let one_way = out != r#in;
    // A server that only notifies gets no messages; requests of a client get answers.
    let handshake = match flow.opened {
        Some(event) => matches!(event, TcpEvent::Open { answer_time: None, .. }),
        None => out,
    };
    flow.key.transport == TransportKind::Tcp && one_way && handshake && !flow.first.input.is_log()
}
