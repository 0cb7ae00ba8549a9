//! # redirect-dead-end

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::tracker::host_of_sip;

/// The rule.
pub static RULE: Rule = Rule {
    id: "redirect-dead-end",
    title: "The client is sent to a server that does not take it",
    seen: "REGISTER is answered with 301 or 302, and the server named there has no address, does not answer, or does not know the user.",
    why: "The user was moved, or the Director names a pool that is gone: no sign-in succeeds until both agree.",
    fix: "Finish the move of the user (Move-CsUser), check DNS and firewall for the pool that is named, and whether its Front End service runs.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let (mark, to) = login.redirect().filter(|_| login.is_failed())?;
    let host = host_of_sip(to).to_ascii_lowercase();
    let after: Vec<_> =
        login.connections.iter().filter(|connection| connection.began.at.packet > mark.at.packet).collect();
    let mut denied = login.discovery.names.iter().filter(|asked| asked.name == host && asked.is_denied());
    let (why, shown) = if let Some(answer) =
        login.rejection().filter(|answer| matches!(answer.status, 301 | 302 | 404 | 480 | 503 | 504))
    {
        (format!("there the answer is {}", answer.describe()), answer.mark)
    } else if let Some((shown, _)) = after.last().and_then(|connection| connection.failed) {
        ("it cannot be reached".to_owned(), shown)
    } else if let (Some(asked), true) = (denied.next_back(), after.is_empty()) {
        (format!("its address is not known: {}", asked.result()), asked.answered?)
    } else {
        return None;
    };
    let what = format!("the client is sent to {to}; {why}");
    Some(Finding::error(login, rule, what, vec![mark, shown]))
}
