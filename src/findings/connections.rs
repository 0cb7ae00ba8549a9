//! What the rules about connections share.

use crate::findings::{Finding, Rule, Severity};
use crate::model::TcpEvent;
use crate::story::Report;
use crate::story::login::{Connection, Login, LoginOutcome};

/// A finding for each failed attempt whose last connection failed in one of the ways that `is_it` names.
/// A server that was tried in vain is no fault where another one answered.
pub(super) fn failures(rule: &'static Rule, report: &Report, is_it: fn(TcpEvent) -> bool, says: &str) -> Vec<Finding> {
    let failed = report.logins.iter().filter(|login| login.outcome() == LoginOutcome::Failed);
    failed.filter_map(|login| failure(rule, login, is_it, says)).collect()
}

fn failure(rule: &'static Rule, login: &Login, is_it: fn(TcpEvent) -> bool, says: &str) -> Option<Finding> {
    let hit = |connection: &&Connection| connection.failed.is_some_and(|(_, event)| is_it(event));
    let connection = login.connections.last().filter(hit)?;
    let named = connection.host.as_ref().map(|host| format!("{host} ")).unwrap_or_default();
    let what = format!("{named}({}) {says}", connection.flow.server);
    let evidence = login.connections.iter().filter(hit).filter_map(|connection| Some(connection.failed?.0)).collect();
    Some(Finding::about(login, rule, Severity::Error, what, evidence))
}
