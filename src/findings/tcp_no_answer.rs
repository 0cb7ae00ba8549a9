//! # tcp-no-answer

use crate::findings::{Check, Finding, Rule};
use crate::model::TcpEvent;
use crate::story::login::Login;
use crate::story::login::connection::Connection;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tcp-no-answer",
    title: "The server does not answer",
    seen: "SYNs to the server are repeated and never answered, or a router says that it cannot be reached.",
    why: "The client waits up to 21 seconds for each address and then gives up.",
    fix: "Check the firewalls between client and server for the port (5061 to a pool, 443 to an Edge), whether the server is up, and whether the record names the right address.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let hit = |connection: &&Connection| {
        matches!(connection.failed, Some((_, TcpEvent::Unanswered { .. } | TcpEvent::Unreachable { .. })))
    };
    // A server that was tried in vain is no fault where another one answered.
    let last = login.connections.last().filter(hit).filter(|_| login.is_failed())?;
    let what = last.server() + " does not answer";
    let evidence = login.connections.iter().filter(hit).filter_map(|connection| Some(connection.failed?.0)).collect();
    Some(Finding::error(login, rule, what, evidence))
}
