//! # autodiscover-loop

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::web::Purpose;

/// The rule.
pub static RULE: Rule = Rule {
    id: "autodiscover-loop",
    title: "Autodiscover sends the client in a circle",
    seen: "A web service redirects to an address that the client has already been sent to, or redirects do not end.",
    why: "The client gives up after some rounds and finds no server by autodiscover.",
    fix: "Correct the external and internal web service addresses (Set-CsWebServer), and in a hybrid deployment the ProxyFqdn of the hosting provider.",
    check: Check::Login(check),
};

/// So many redirects are no way to anywhere.
const TOO_MANY: usize = 10;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let mut calls: Vec<_> =
        login.web.iter().flat_map(|web| &web.calls).filter(|call| call.purpose == Purpose::Autodiscover).collect();
    calls.sort_by_key(|call| call.request.at.packet);
    let redirects: Vec<_> = calls.iter().filter_map(|call| Some((call, address(call.redirect.as_deref()?)))).collect();
    // Back where a redirect came from, or to one that was followed before.
    let closes = redirects
        .iter()
        .enumerate()
        .find(|(index, (_, to))| redirects.iter().take(index + 1).any(|(earlier, _)| address(&earlier.url) == *to));
    let circle = closes.map(|(_, (call, _))| call.mark());
    let last = circle
        .or_else(|| (redirects.len() >= TOO_MANY).then(|| redirects.last().map(|(call, _)| call.mark())).flatten())?;
    let hops: Vec<String> =
        redirects.iter().take(TOO_MANY).map(|(call, to)| format!("{} → {to}", address(&call.url))).collect();
    let evidence: Vec<_> = redirects.iter().take(TOO_MANY).map(|(call, _)| call.mark()).chain([last]).collect();
    let what = hops.join("; ");
    Some(if login.registered.is_some() {
        Finding::warning(login, rule, what, evidence)
    } else {
        Finding::error(login, rule, what, evidence)
    })
}

/// A URL without what changes from call to call: its query, and the case of its host.
fn address(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/').to_ascii_lowercase()
}
