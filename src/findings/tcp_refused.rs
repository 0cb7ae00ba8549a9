//! # tcp-refused

use crate::findings::{Check, Finding, Rule};
use crate::model::TcpEvent;
use crate::story::login::Login;
use crate::story::login::connection::Connection;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tcp-refused",
    title: "The server refuses the connection",
    seen: "The SYN to the server was answered with a reset.",
    why: "Nothing listens on that port: the service is stopped, or the record names a wrong port or host.",
    fix: "Start the Front End service (RtcSrv), or the Access Edge service on an Edge; check the port in the SRV record (5061 inside, 443 at the Edge).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let hit = |connection: &&Connection| matches!(connection.failed, Some((_, TcpEvent::Refused { .. })));
    // A server that was tried in vain is no fault where another one answered.
    let last = login.connections.last().filter(hit).filter(|_| login.is_failed())?;
    let what = format!("{} refuses the connection", last.server());
    let evidence = login.connections.iter().filter(hit).filter_map(|connection| Some(connection.failed?.0)).collect();
    Some(Finding::error(login, rule, what, evidence))
}
