//! # web-service-unreachable

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::tracker::host_of;
use crate::story::login::web::{Purpose, Web, WebCall};
use crate::story::row::Mark;

/// The rule.
pub static RULE: Rule = Rule {
    id: "web-service-unreachable",
    title: "The certificate service cannot be reached",
    seen: "The server offers TLS-DSK and names its certificate service; the way there fails: DNS, connection, TLS or HTTP.",
    why: "Without a certificate the client cannot prove itself by TLS-DSK; it falls back to NTLM or Kerberos where they are offered, else the sign-in fails or loops.",
    fix: "Create the record of the web services' name, check the port (443), the certificate and IIS on the Front End, and the reverse proxy for clients outside.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let offered = login.ladder.iter().find_map(|rung| {
        let answer = rung.answer.as_ref()?;
        let scheme = answer.offered.iter().find(|scheme| !scheme.sts_uri.is_empty())?;
        Some((answer.mark, scheme.sts_uri.as_str()))
    })?;
    let (offer, url) = offered;
    let host = host_of(url)?.to_ascii_lowercase();
    if login.registered.is_some_and(|mark| mark.at.packet < offer.at.packet) {
        return None;
    }
    let (mark, how) = by_web(login).or_else(|| by_name(login, &host))?;
    let what = format!("the server names {url}; {how}");
    Some(if login.registered.is_some() {
        Finding::note(login, rule, what, vec![offer, mark])
    } else {
        Finding::error(login, rule, what, vec![offer, mark])
    })
}

/// The connection or request that failed for good.
fn by_web(login: &Login) -> Option<(Mark, String)> {
    let of_certificate =
        |web: &&Web| matches!(web.purpose, Purpose::WebTicket | Purpose::Certificate | Purpose::Provisioning);
    let webs: Vec<&Web> = login.web.iter().filter(of_certificate).collect();
    let served = webs
        .iter()
        .flat_map(|web| &web.calls)
        .any(|call| call.purpose == Purpose::Certificate && call.status().is_some_and(|status| status < 300));
    if served {
        return None;
    }
    let refused = |call: &&WebCall| {
        call.purpose != Purpose::WebTicket && call.status().is_some_and(|status| status >= 400 && status != 401)
    };
    let call = webs.iter().flat_map(|web| &web.calls).rfind(refused);
    let answered =
        call.map(|call| (call.mark(), format!("{} is answered with {}", call.url, call.status().unwrap_or_default())));
    answered.or_else(|| webs.iter().rev().find_map(|web| web.failure()))
}

/// The name that is not known.
fn by_name(login: &Login, host: &str) -> Option<(Mark, String)> {
    let mut asked = login.discovery.names.iter().filter(|asked| asked.name == host);
    let known = asked.clone().any(|asked| asked.found);
    let asked =
        asked.find(|asked| !asked.found && (asked.answered.is_some() || asked.queries > 1)).filter(|_| !known)?;
    Some((asked.answered.unwrap_or(asked.asked), format!("{} {}: {}", asked.rtype, asked.name, asked.result())))
}
