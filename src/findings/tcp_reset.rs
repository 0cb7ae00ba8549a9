//! # tcp-reset

use crate::findings::{Check, Finding, Rule};
use crate::model::{Direction, TcpEvent};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tcp-reset",
    title: "The connection is reset while the client signs in",
    seen: "A connection that was answered ends with a reset before the registration.",
    why: "The server, or a firewall or balancer on the way, drops the connection; the client tries again or gives up.",
    fix: "Look at the side that sent the reset: the server's event log (service crash, throttling, a port that is not for clients), or what stands between (TTL and MAC address of the reset tell where it comes from).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let last = login.connections.last().filter(|last| login.registered.is_none() && last.open.is_some())?;
    let Some((mark, TcpEvent::Reset { by: Direction::In, .. })) = last.ended else { return None };
    if last.found_nothing_common().is_some() || login.rejection().is_some() || last.was_refused_by_client() {
        return None;
    }
    // Without keys nobody knows whether the client had signed in before.
    let talked = last.carried_more_than_a_ladder();
    let when = match (last.has_messages(), last.tls().secured, last.tls().hello) {
        (true, ..) => "between SIP messages",
        (false, Some(_), _) => "after TLS came up",
        (false, None, Some(_)) => "in the TLS handshake",
        (false, None, None) => "before anything was sent",
    };
    let what = format!("{} resets the connection {when}", last.server());
    Some(if talked {
        Finding::note(login, rule, what, vec![mark])
    } else {
        Finding::error(login, rule, what, vec![mark])
    })
}
