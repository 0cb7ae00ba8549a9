//! # auth-rejected

use crate::findings::{Finding, Rule, Severity};
use crate::story::Report;
use crate::story::login::{Login, LoginOutcome};

/// The rule.
pub static RULE: Rule = Rule {
    id: "auth-rejected",
    title: "The server does not accept the credentials",
    seen: "A request that carries credentials is challenged again, and no registration follows.",
    why: "Sign-in ends with a question for the password.",
    fix: "Check user name (DOMAIN\\user or user principal name) and password, whether the account is locked or expired, and the clocks of client and server.",
    check,
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let failed = report.logins.iter().filter(|login| login.outcome() == LoginOutcome::Failed);
    failed.filter_map(|login| about(rule, login)).collect()
}

fn about(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let answered: Vec<_> = login.challenges.iter().filter(|(_, answered)| *answered).map(|(at, _)| *at).collect();
    if answered.is_empty() || login.rejection.is_some() {
        return None;
    }
    let scheme = login.scheme.as_deref().unwrap_or("the scheme chosen");
    let user = login.user.as_deref().unwrap_or("the user");
    let what = format!("{} challenges, the last one after {user} had answered with {scheme}", login.challenges.len());
    Some(Finding::about(login, rule, Severity::Error, what, answered))
}
