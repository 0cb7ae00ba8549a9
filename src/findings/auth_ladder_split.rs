//! # auth-ladder-split

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::{Answer, Purpose, Rung};

/// The rule.
pub static RULE: Rule = Rule {
    id: "auth-ladder-split",
    title: "The steps of one proof reach different servers",
    seen: "Within one ladder the server that challenges changes (targetname), or the connection id it reports does, and the ladder begins anew.",
    why: "Each server knows only its own steps: the proof never completes, or only by chance.",
    fix: "Set source affinity on the load balancer for the SIP port, and keep one connection for the whole sign-in.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let rungs: Vec<_> =
        login.ladder.iter().filter(|rung| rung.purpose == Purpose::SignIn && rung.is_challenged()).collect();
    let split = rungs.iter().zip(rungs.iter().skip(1)).find_map(|(one, other)| {
        let (first, second) = (one.answer.as_ref()?, other.answer.as_ref()?);
        // A redirect, or a new connection of the client's own, begins a ladder of its own.
        if one.flow != other.flow {
            return None;
        }
        let (before, after) = (target(first, other), target(second, other));
        let targets = before.zip(after).filter(|(before, after)| !before.eq_ignore_ascii_case(after));
        let ids =
            first.received_cid.as_deref().zip(second.received_cid.as_deref()).filter(|(before, after)| before != after);
        let (name, (before, after)) = match (targets, ids) {
            (Some(pair), _) => ("targetname", pair),
            (None, Some(pair)) => ("ms-received-cid", pair),
            (None, None) => return None,
        };
        Some((
            vec![first.mark, second.mark],
            format!("{name} changes from {before} to {after} between two challenges on one connection"),
        ))
    })?;
    let (evidence, what) = split;
    Some(if login.registered.is_some() {
        Finding::warning(login, rule, what, evidence)
    } else {
        Finding::error(login, rule, what, evidence)
    })
}

/// Who is to be convinced by the scheme that the client chose.
fn target<'a>(answer: &'a Answer, rung: &Rung) -> Option<&'a str> {
    let chosen = rung.credentials.as_ref()?;
    let scheme = answer.offered.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(&chosen.name))?;
    (!scheme.targetname.is_empty()).then_some(scheme.targetname.as_str())
}
