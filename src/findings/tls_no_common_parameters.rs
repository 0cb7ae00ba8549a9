//! # tls-no-common-parameters

use crate::findings::{Check, Finding, Rule};
use crate::model::Direction;
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-no-common-parameters",
    title: "Client and server have no TLS version or cipher suite in common",
    seen: "The server answers the client's hello with handshake_failure, protocol_version or insufficient_security, or with a reset.",
    why: "No connection comes about: typical for old clients without TLS 1.2 where the server has nothing older, or the reverse.",
    fix: "Enable TLS 1.2 on the older side (SChannel registry keys, .NET and WinHTTP defaults, updates), or the suites that both have.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let connection = login.connections.last().filter(|_| login.is_failed())?;
    let mark = connection.found_nothing_common()?;
    let offered =
        connection.tls().offered.map(|version| format!("the client offers up to {version}; ")).unwrap_or_default();
    let how = connection.tls().alerts.first().map_or_else(
        || "the server ends the connection on the hello".to_owned(),
        |(_, direction, alert)| {
            let who = if *direction == Direction::Out { "client" } else { "server" };
            format!("the {who} answers with the alert {} ({})", alert.name(), alert.meaning())
        },
    );
    let evidence = connection.tls().hello.into_iter().chain([mark]).collect();
    Some(Finding::error(login, rule, format!("{}: {offered}{how}", connection.server()), evidence))
}
