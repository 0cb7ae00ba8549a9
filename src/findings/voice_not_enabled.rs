//! # voice-not-enabled

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::steps::StepKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "voice-not-enabled",
    title: "The user has no Enterprise Voice",
    seen: "The location profile is refused with 403.",
    why: "The client shows no dial pad. For users of presence, messages and meetings this is as it should be.",
    fix: "Nothing, unless the user is to make calls: then enable Enterprise Voice (Set-CsUser -EnterpriseVoiceEnabled $true) and assign a line.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let refused: Vec<_> =
        login.of_step(StepKind::LocationProfile).filter(|exchange| exchange.status() == Some(403)).collect();
    let first = refused.first()?;
    let what = format!("the location profile is answered with {}", first.describe());
    let evidence = refused.iter().map(|exchange| exchange.mark()).collect();
    Some(Finding::note(login, rule, what, evidence))
}
