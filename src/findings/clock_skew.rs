//! # clock-skew

use crate::findings::refusal::explained_by;
use crate::findings::{Check, Finding, Rule};
use crate::story::login::Login;
use crate::story::login::ladder::Answer;
use crate::story::row::Mark;

/// The rule.
pub static RULE: Rule = Rule {
    id: "clock-skew",
    title: "The clocks of client and server differ",
    seen: "The Date of the server's answer is more than five minutes away from the capture's time, or the server or Kerberos complain about the time.",
    why: "Kerberos refuses tickets beyond five minutes, NTLM beyond fifteen; certificates seem expired or not yet valid.",
    fix: "Compare both machines with the domain's time source (w32tm /query /status); check the clock of the capturing machine, too, if it is another one.",
    check: Check::Login(check),
};

/// What Kerberos tolerates, in seconds (RFC 4120 §1.6, [MS-SIP] §3.1).
const TOLERANCE: f64 = 300.0;

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let answers: Vec<_> = login.ladder.iter().filter_map(|rung| rung.answer.as_ref()).collect();
    let refusal = explained_by(rule, login).map(|refusal| refusal.answer);
    if let Some(answer) = refusal.or_else(|| answers.iter().copied().find(|answer| says(answer))) {
        return Some(judged(login, rule, (format!("the server says {}", answer.describe()), true), vec![answer.mark]));
    }
    if let Some(ticket) = login.tickets.iter().find(|ticket| matches!(ticket.error, Some((37, _)))) {
        let what = format!("Kerberos refuses the ticket for {}: KRB_AP_ERR_SKEW", ticket.service);
        return Some(judged(login, rule, (what, true), vec![ticket.mark]));
    }
    let (answer, date) = answers.iter().find_map(|answer| Some((answer, answer.date?)))?;
    let skew = answer.mark.at.time.since(date).as_secs_f64();
    if skew.abs() < TOLERANCE {
        return None;
    }
    let way = if skew > 0.0 { "ahead of" } else { "behind" };
    let what = format!("the capture's clock is {:.0} s {way} the server's Date", skew.abs());
    Some(judged(login, rule, (what, false), vec![answer.mark]))
}

/// Where the sign-in succeeds, or fails for another reason, only the capturing machine's clock may be wrong.
fn judged(login: &Login, rule: &'static Rule, (what, said): (String, bool), evidence: Vec<Mark>) -> Finding {
    let refused = login.is_failed() || explained_by(rule, login).is_some();
    if login.is_proof_refused() || said && refused {
        Finding::error(login, rule, what, evidence)
    } else {
        Finding::note(login, rule, what, evidence)
    }
}

/// Says that the clocks differ.
pub(super) fn says(answer: &Answer) -> bool {
    answer.has_id(|id| id == 1013)
}
