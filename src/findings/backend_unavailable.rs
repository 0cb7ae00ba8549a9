//! # backend-unavailable

use crate::findings::{Check, Finding, Rule, refused};
use crate::story::login::Login;
use crate::story::steps::StepKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "backend-unavailable",
    title: "The user is signed in, and the services behind do not answer",
    seen: "The registration is accepted, and contacts, settings or own presence are answered with 5xx.",
    why: "The client works with limited functionality: no contacts, no presence, no settings.",
    fix: "Check the back-end database and the Windows Fabric quorum of the pool (Get-CsPoolUpgradeReadinessState, Reset-CsPoolRegistrarState), and start the servers that are missing.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    login.registered?;
    let behind = [StepKind::Contacts, StepKind::Provisioning, StepKind::OwnPresence];
    let failed: Vec<_> = login
        .exchanges
        .iter()
        .filter(|exchange| {
            exchange.kind.is_some_and(|kind| behind.contains(&kind))
                && exchange.status().is_some_and(|status| status >= 500)
        })
        .collect();
    refused(rule, login, &failed, "")
}
