//! # web-ticket-rejected

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::web::Purpose;

/// The rule.
pub static RULE: Rule = Rule {
    id: "web-ticket-rejected",
    title: "The web ticket service refuses the user",
    seen: "The web ticket service answers 401 again after the client proved itself, or 403, or a fault.",
    why: "Without a web ticket there is no certificate, and no proof by TLS-DSK.",
    fix: "Check user name and password, Windows authentication on the WebTicket virtual directory in IIS, and AD FS where it is used.",
    check: Check::Login(check),
};

/// 401 answers of a healthy proof by NTLM over HTTP: one for the offer, one with the challenge.
const HEALTHY: usize = 2;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let calls: Vec<_> =
        login.web.iter().flat_map(|web| &web.calls).filter(|call| call.purpose == Purpose::WebTicket).collect();
    let served = calls.iter().any(|call| {
        call.status().is_some_and(|status| status < 300) && call.fact("fault").is_none() && call.method == "POST"
    });
    if served {
        return None;
    }
    let challenges = calls.iter().filter(|call| call.status() == Some(401)).count();
    let refused = calls.iter().rev().find(|call| {
        call.status().is_some_and(|status| status >= 400 && status != 401) || call.fact("fault").is_some()
    });
    let (mark, how) = match refused {
        Some(call) => {
            let fault = call.fact("fault").map(|fault| format!(": {fault}")).unwrap_or_default();
            (call.mark(), format!("{} is answered with {}{fault}", call.url, call.status().unwrap_or_default()))
        }
        None if challenges > HEALTHY => {
            let last = calls.iter().rev().find(|call| call.status() == Some(401))?;
            (last.mark(), format!("{} is answered with 401 {challenges} times", last.url))
        }
        None => return None,
    };
    let evidence = calls
        .iter()
        .filter(|call| call.status().is_some_and(|status| status >= 400))
        .map(|call| call.mark())
        .chain([mark])
        .collect();
    Some(if login.registered.is_some() {
        Finding::note(login, rule, how, evidence)
    } else {
        Finding::error(login, rule, how, evidence)
    })
}
