//! # idle-timeout

use crate::findings::{Check, Finding, Rule};
use crate::model::Span;
use crate::story::login::Login;
use crate::story::login::connection::Connection;
use crate::story::row::Mark;
use crate::story::summary::duration;

/// The rule.
pub static RULE: Rule = Rule {
    id: "idle-timeout",
    title: "The connection is cut after a silence",
    seen: "After the sign-in nothing was sent for a while, not even a keep-alive (CRLF CRLF), and then the connection was reset.",
    why: "A firewall or balancer forgets idle connections sooner than the client sends keep-alives: users drop out every few minutes and sign in again.",
    fix: "Raise the idle timeout of firewalls, NAT and balancers on the way above the keep-alive timeout that the server announces (ms-keep-alive, usually 300 s).",
    check: Check::Login(check),
};

/// Shorter silences are no idle time that anybody cuts.
const SHORTEST: f64 = 25.0;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    login.registered.filter(|_| login.signed_out.is_none())?;
    if let Some(dead) = gone_dead(login) {
        let (connection, mark, silence, again) = dead;
        let what = format!(
            "after {} of silence nothing comes back from {}, and the client signs in again",
            duration(silence),
            connection.server()
        );
        return Some(Finding::warning(login, rule, what, vec![mark, again]));
    }
    let dropped = login.connections.iter().rev().find_map(|connection| {
        let (mark, idle) = connection.silence_before_reset()?;
        (idle.as_secs_f64() >= SHORTEST && connection.has_messages()).then_some((connection, mark, idle))
    });
    let (connection, mark, idle) = dropped?;
    let announced = login.registration.iter().find(|(name, _)| *name == "keep_alive_s").map(|(_, seconds)| seconds);
    let announced =
        announced.map(|seconds| format!("; the server asks for a keep-alive every {seconds} s")).unwrap_or_default();
    let what = format!("{} was reset after {} of silence{announced}", connection.server(), duration(idle));
    let evidence = connection.last_message.map(|(mark, _)| mark).into_iter().chain([mark]).collect();
    Some(Finding::warning(login, rule, what, evidence))
}

/// A connection that looks alive, on which nothing comes back after a silence, so that the client begins anew.
fn gone_dead(login: &Login) -> Option<(&Connection, Mark, Span, Mark)> {
    let again = login.superseded?;
    login.connections.iter().rev().find_map(|connection| {
        let (mark, silence, answered) = connection.after_silence?;
        (!answered && connection.lost_bytes == 0).then_some((connection, mark, silence, again))
    })
}
