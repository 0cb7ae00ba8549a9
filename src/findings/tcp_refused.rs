//! # tcp-refused

use crate::findings::{Finding, Rule, Severity};
use crate::model::TcpEvent;
use crate::story::Report;
use crate::story::login::{Connection, Login, LoginOutcome};

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
    let failed = report.logins.iter().filter(|login| login.outcome() == LoginOutcome::Failed);
    failed.filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let hit = |connection: &&Connection| {
        connection.failed.is_some_and(|(_, event)| matches!(event, TcpEvent::Refused { .. }))
    };
    // A server that was tried in vain is no fault where another one answered.
    let connection = login.connections.last().filter(hit)?;
    let named = connection.host.as_ref().map(|host| format!("{host} ")).unwrap_or_default();
    let what = format!("{named}({}) refused the connection", connection.flow.server);
    let evidence = login.connections.iter().filter(hit).filter_map(|connection| Some(connection.failed?.0)).collect();
    Some(Finding::about(login, rule, Severity::Error, what, evidence))
}
