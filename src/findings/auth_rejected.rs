//! # auth-rejected

use crate::findings::refusal::explained_by;
use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::{Purpose, Rung};

/// The rule.
pub static RULE: Rule = Rule {
    id: "auth-rejected",
    title: "The server does not accept the credentials",
    seen: "A request that carries credentials is challenged from the beginning, or refused with a 403 that speaks of the logon (ms-diagnostics 1000) or the password, and no registration follows.",
    why: "Sign-in ends with a question for the password.",
    fix: "Check user name (DOMAIN\\user or user principal name) and password, whether the account is locked or expired, and the clocks of client and server.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let scheme = login.scheme().unwrap_or("the scheme chosen");
    let user = login.user.as_deref().unwrap_or("the user");
    let account = login.endpoint.account.as_ref().map(|(account, _)| format!(" (as {account})")).unwrap_or_default();
    if let Some(refusal) = explained_by(rule, login) {
        let answer = refusal.answer;
        let of = if refusal.of == Purpose::Refresh { format!("{} of ", refusal.what()) } else { String::new() };
        let what = format!("{of}{user}{account}, with a proof by {scheme}, was answered with {}", answer.describe());
        return Some(Finding::error(login, rule, what, vec![answer.mark]));
    }
    let of_refresh = login.is_refresh_challenged_in_vain();
    if !of_refresh && !login.is_challenged_in_vain() {
        return None;
    }
    let is_taken = |rung: &Rung| matches!(rung.status(), Some(200..=299));
    let start = login.ladder.iter().rposition(is_taken).map_or(0, |place| place + 1);
    let since = || login.ladder.iter().skip(start);
    let refused = || since().filter(|rung| rung.is_challenged_anew());
    let answer = refused().next_back()?.answer.as_ref()?;
    let challenges = since().filter(|rung| rung.is_challenged()).count();
    let said =
        answer.diagnostics.first().map(|_| format!("; the server says {}", answer.describe())).unwrap_or_default();
    let plural = if challenges == 1 { "" } else { "s" };
    let of = if of_refresh { " of a refresh" } else { "" };
    let what = format!(
        "{challenges} challenge{plural}{of}, the last one after {user}{account} had answered with {scheme}{said}"
    );
    let evidence = refused().flat_map(|rung| [Some(rung.request), rung.answer.as_ref().map(|answer| answer.mark)]);
    Some(Finding::error(login, rule, what, evidence.flatten().collect()))
}
