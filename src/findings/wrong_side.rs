//! # wrong-side

use crate::findings::dns_srv_foreign_domain::is_trusted;
use crate::findings::refusal::explained_by;
use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::{Answer, Purpose};
use crate::story::login::tracker::{host_of, host_of_sip};

/// The rule.
pub static RULE: Rule = Rule {
    id: "wrong-side",
    title: "The client is sent to the other side of a hybrid deployment",
    seen: "Autodiscover or a redirect sends the client from the own servers to the hosted service, or back, and the sign-in fails there; or the server says 1017.",
    why: "The user is homed on one side, and the shared address space says the other.",
    fix: "Check where the user is homed (Get-CsUser: HostingProvider), move the user or correct the shared SIP address space settings and autodiscover's addresses.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let said = explained_by(rule, login);
    if let Some(refusal) = said.filter(|refusal| refusal.of == Purpose::Refresh) {
        return Some(Finding::error(login, rule, refusal.describe(), vec![refusal.answer.mark]));
    }
    if !login.is_failed() {
        return None;
    }
    let domain = login.domain()?.to_ascii_lowercase();
    let online = |host: &str| is_trusted(&host.to_ascii_lowercase());
    let own = |host: &str| host.to_ascii_lowercase().ends_with(&domain);
    let crosses = |from: &str, to: &str| own(from) && online(to) || online(from) && own(to);
    let by_web = login.web.iter().flat_map(|web| &web.calls).find_map(|call| {
        let (from, to) = (host_of(&call.url)?, host_of(call.redirect.as_deref()?)?);
        crosses(from, to).then(|| (call.mark(), format!("autodiscover at {from} sends the client to {to}")))
    });
    let by_sip = || {
        let (mark, to) = login.redirect()?;
        let from = login.connections.iter().find_map(|connection| connection.host())?;
        let to = host_of_sip(to);
        crosses(from, to).then(|| (mark, format!("{from} sends the client to {to}")))
    };
    let by_id = said.map(|refusal| (refusal.answer.mark, refusal.answer.describe()));
    let (mark, what) = by_id.or(by_web).or_else(by_sip)?;
    let refused =
        login.rejection().map(|answer| format!("; there the answer is {}", answer.describe())).unwrap_or_default();
    let evidence = std::iter::once(mark).chain(login.rejection().map(|answer| answer.mark)).collect();
    Some(Finding::error(login, rule, format!("{what}{refused}"), evidence))
}

/// Says that the domains cannot be routed together.
pub(super) fn says(answer: &Answer) -> bool {
    answer.has_id(|id| id == 1017)
}
