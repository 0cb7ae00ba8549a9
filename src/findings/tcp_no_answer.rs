//! # tcp-no-answer

use crate::findings::{Finding, Rule, Severity};
use crate::model::TcpEvent;
use crate::story::Report;
use crate::story::login::{Connection, Login, LoginOutcome};

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
    let failed = report.logins.iter().filter(|login| login.outcome() == LoginOutcome::Failed);
    failed.filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let hit = |connection: &&Connection| {
        connection
            .failed
            .is_some_and(|(_, event)| matches!(event, TcpEvent::Unanswered { .. } | TcpEvent::Unreachable { .. }))
    };
    // A server that was tried in vain is no fault where another one answered.
    let connection = login.connections.last().filter(hit)?;
    let named = connection.host.as_ref().map(|host| format!("{host} ")).unwrap_or_default();
    let what = format!("{named}({}) does not answer", connection.flow.server);
    let evidence = login.connections.iter().filter(hit).filter_map(|connection| Some(connection.failed?.0)).collect();
    Some(Finding::about(login, rule, Severity::Error, what, evidence))
}
