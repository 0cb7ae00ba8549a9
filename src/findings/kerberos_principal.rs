//! # kerberos-principal

use crate::findings::{Check, Finding, Rule};
use crate::story::login::{Login, Ticket};

/// The rule.
pub static RULE: Rule = Rule {
    id: "kerberos-principal",
    title: "Kerberos does not know the server's service principal",
    seen: "The ticket for sip/HOST is refused with KDC_ERR_S_PRINCIPAL_UNKNOWN (or as not unique).",
    why: "The client cannot prove itself by Kerberos; where nothing else is offered, the sign-in fails.",
    fix: "Set the service principal names of the pool (Enable-CsComputer, or setspn -S sip/POOL), and remove duplicates (setspn -X).",
    check: Check::Login(check),
};

/// `KDC_ERR_C_PRINCIPAL_UNKNOWN` is the client's; these are the server's (RFC 4120 §7.5.9).
const UNKNOWN: [i32; 2] = [7, 8];

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let refused: Vec<_> = login.tickets.iter().filter(|ticket| is_refused(ticket)).collect();
    let first = refused.first()?;
    let (_, name) = first.error.as_ref()?;
    let what = format!("the ticket for {} is refused: {name}", first.service);
    let evidence = refused.iter().map(|ticket| ticket.mark).collect();
    Some(if login.registered.is_some() {
        Finding::warning(login, rule, what, evidence)
    } else {
        Finding::error(login, rule, what, evidence)
    })
}

fn is_refused(ticket: &Ticket) -> bool {
    let sip = ticket.service.get(..4).is_some_and(|class| class.eq_ignore_ascii_case("sip/"));
    sip && ticket.error.as_ref().is_some_and(|(code, _)| UNKNOWN.contains(code))
}
