//! # conferencing-failed

use crate::findings::{Check, Finding, Rule, refused};
use crate::story::login::Login;
use crate::story::login::exchange::Exchange;
use crate::story::steps::{StepKind, StepOutcome};

/// The rule.
pub static RULE: Rule = Rule {
    id: "conferencing-failed",
    title: "Conferencing does not work for the user",
    seen: "A request to the focus factory is answered with 4xx or 5xx, or with 200 and code=\"failure\" inside.",
    why: "The user cannot make or join meetings from this client; everything else works.",
    fix: "Check the conferencing policy of the user, and the conferencing services of the pool (Get-CsWindowsService: RTCCAA, RTCIMMCU, RTCDATAMCU …).",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let kinds =
        [StepKind::ConferencingCapabilities, StepKind::Conferences, StepKind::AddConference, StepKind::ConferenceKey];
    let of_focus = |exchange: &&Exchange| exchange.kind.is_some_and(|kind| kinds.contains(&kind));
    let failed: Vec<_> = login
        .exchanges
        .iter()
        .filter(of_focus)
        .filter(|exchange| exchange.outcome == StepOutcome::Failed && exchange.answer.is_some())
        .collect();
    let inside = failed.last()?.status().is_some_and(|status| status < 300);
    refused(rule, login, &failed, if inside { ", with a failure inside" } else { "" })
}
