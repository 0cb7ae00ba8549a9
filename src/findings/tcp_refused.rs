//! # tcp-refused

use crate::findings::{Finding, Rule, connections};
use crate::model::TcpEvent;
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tcp-refused",
    title: "The server refuses the connection",
    seen: "The SYN to the server was answered with a reset.",
    why: "Nothing listens on that port: the service is stopped, or the record names a wrong port or host.",
    fix: "Start the Front End service (RtcSrv), or the Access Edge service on an Edge; check the port in the SRV record (5061 inside, 443 at the Edge).",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let is_it = |event| matches!(event, TcpEvent::Refused { .. });
    connections::failures(rule, report, is_it, "refused the connection")
}
