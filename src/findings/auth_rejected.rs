//! # auth-rejected

use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "auth-rejected",
    title: "The server does not accept the credentials",
    seen: "A request that carries credentials is challenged again, and no registration follows.",
    why: "Sign-in ends with a question for the password.",
    fix: "Check user name (DOMAIN\\user or user principal name) and password, whether the account is locked or expired, and the clocks of client and server.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    if !login.is_challenged_in_vain() {
        return None;
    }
    let last = login.ladder.iter().rev().find(|rung| rung.is_challenged() && rung.proves())?;
    let answer = last.answer.as_ref()?;
    // The server goes on with the handshake: what is missing is the client's next step.
    let unfinished = answer
        .offered
        .iter()
        .any(|scheme| Some(scheme.name.as_str()) == login.scheme() && scheme.token.is_some_and(|length| length > 0));
    if unfinished {
        return None;
    }
    let challenges = login.ladder.iter().filter(|rung| rung.is_challenged()).count();
    let scheme = login.scheme().unwrap_or("the scheme chosen");
    let user = login.user.as_deref().unwrap_or("the user");
    let account = login.endpoint.account.as_ref().map(|(account, _)| format!(" (as {account})")).unwrap_or_default();
    let said =
        answer.diagnostics.first().map(|_| format!("; the server says {}", answer.describe())).unwrap_or_default();
    let what = format!("{challenges} challenges, the last one after {user}{account} had answered with {scheme}{said}");
    // A challenge that goes on with the handshake is no refusal.
    let refused = login.ladder.iter().filter(|rung| {
        let begins_anew =
            |answer: &Answer| answer.offered.iter().all(|scheme| scheme.token.is_none_or(|length| length == 0));
        rung.is_challenged() && rung.proves() && rung.answer.as_ref().is_some_and(begins_anew)
    });
    let evidence = refused.flat_map(|rung| [Some(rung.request), rung.answer.as_ref().map(|answer| answer.mark)]);
    let evidence = evidence.flatten().collect();
    Some(Finding::error(login, rule, what, evidence))
}
