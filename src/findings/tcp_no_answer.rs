//! # tcp-no-answer

use crate::findings::{Finding, Rule, connections};
use crate::model::TcpEvent;
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tcp-no-answer",
    title: "The server does not answer",
    seen: "The SYNs to the server stayed without an answer, or an ICMP error came back.",
    why: "A firewall drops the packets, the address is wrong, or the machine is down.",
    fix: "Check the route and the firewall between client and server for that port, and that the address in DNS is the right one.",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let is_it = |event| matches!(event, TcpEvent::Unanswered { .. } | TcpEvent::Unreachable { .. });
    connections::failures(rule, report, is_it, "does not answer")
}
