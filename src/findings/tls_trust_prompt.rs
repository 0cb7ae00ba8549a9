//! # tls-trust-prompt

use crate::findings::{Check, Finding, Rule, dns_srv_foreign_domain};
use crate::story::login::Login;
use crate::story::login::connection::Connection;
use crate::story::summary::duration;

/// The rule.
pub static RULE: Rule = Rule {
    id: "tls-trust-prompt",
    title: "The client asks whether to trust the server",
    seen: "The server's name is outside of the SIP domain, and after the TLS handshake the client waits, as for an answer of the user, or goes away.",
    why: "The client shows \"cannot verify that the server is trusted for your sign-in address\"; users do not know what to answer, and sign-in stands still until they do.",
    fix: "Use server names in the SIP domain, or list the domain in the TrustModelData policy.",
    check: Check::Login(check),
};

/// A pause that only a person makes.
const PAUSE: f64 = 2.0;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    login.connections.iter().rev().find_map(|connection| {
        let secured = connection.tls().secured.filter(|_| is_foreign(login, connection))?;
        let pause = connection.first_message.map(|first| first.at.time.since(secured.at.time));
        let name = connection.checked_name()?;
        let domain = login.domain()?;
        if connection.went_silent() && login.is_failed() {
            let end = connection.tls().close_notify.map_or(connection.last, |(mark, _)| mark);
            let what = format!("{name} is not in {domain}; TLS came up, and the client went away without a word");
            return Some(Finding::error(login, rule, what, vec![secured, end]));
        }
        let (pause, first) = pause.zip(connection.first_message).filter(|(pause, _)| pause.as_secs_f64() >= PAUSE)?;
        let what = format!(
            "{name} is not in {domain}; TLS came up, and the client waited {} before it went on",
            duration(pause)
        );
        Some(Finding::warning(login, rule, what, vec![secured, first]))
    })
}

/// Whether the server's name is outside of the SIP domain and not trusted by default.
pub(super) fn is_foreign(login: &Login, connection: &Connection) -> bool {
    let Some((name, domain)) = connection.checked_name().zip(login.domain()) else { return false };
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    let inside = name == domain || name.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
    !inside && !dns_srv_foreign_domain::is_trusted(&name) && name.parse::<std::net::IpAddr>().is_err()
}
