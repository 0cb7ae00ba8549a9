//! # publish-conflict

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::steps::StepKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "publish-conflict",
    title: "Two endpoints publish the same thing at the same time",
    seen: "A publication is answered with 409, which tells the current version; the client publishes again with that.",
    why: "Once or twice it is a harmless race. Where it does not end, own presence is wrong, and the server is kept busy.",
    fix: "Where it loops, sign out every endpoint of the user, and look whether a program publishes presence with a stale version.",
    check: Check::Login(check),
};

/// So many conflicts in a row are no race any more.
const LOOP: usize = 3;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let published: Vec<_> = login
        .exchanges
        .iter()
        .filter(|exchange| matches!(exchange.kind, Some(StepKind::PublishState | StepKind::PublishDevice)))
        .collect();
    let conflicts: Vec<_> = published.iter().filter(|exchange| exchange.status() == Some(409)).collect();
    conflicts.first()?;
    let in_a_row =
        published.iter().rev().take_while(|exchange| exchange.status().is_none_or(|status| status == 409)).count();
    let evidence = conflicts.iter().map(|exchange| exchange.mark()).collect();
    let what = format!("{} of {} publications are answered with 409", conflicts.len(), published.len());
    let loops = conflicts.len() >= LOOP && in_a_row >= LOOP;
    Some(if loops { Finding::error(login, rule, what, evidence) } else { Finding::note(login, rule, what, evidence) })
}
