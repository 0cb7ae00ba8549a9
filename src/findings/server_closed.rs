//! # server-closed

use crate::findings::{Check, Finding, Rule};
use crate::model::{Direction, TcpEvent};
use crate::story::login::Login;

/// The rule.
pub static RULE: Rule = Rule {
    id: "server-closed",
    title: "The server closes the connection in the middle of the sign-in",
    seen: "A request of the sign-in has no answer, and the server ends the connection.",
    why: "The server has no further use for the client: a proxy or balancer that is not for clients, a service that stops, a limit that is reached.",
    fix: "Look at the server's event log at this time, and at balancers on the way: their timeouts, and whether they speak TLS themselves.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let last = login.connections.last().filter(|_| login.registered.is_none())?;
    let by_server = |event: TcpEvent| matches!(event, TcpEvent::Closed { by: Direction::In });
    let by_tls = last.tls().close_notify.map(|(mark, by)| (mark, by == Direction::In));
    let by_tcp = last.ended.map(|(mark, event)| (mark, by_server(event)));
    let (closed, _) = by_tls.or(by_tcp).filter(|&(_, by_server)| by_server)?;
    let open = login.ladder.last().filter(|rung| rung.flow == last.flow && rung.answer.is_none());
    let silent = last.tls().data.is_some_and(|[_, server]| server == 0) && last.tls().secured.is_some();
    if open.is_none() && !silent || last.found_nothing_common().is_some() {
        return None;
    }
    let asked = open.map_or_else(
        || "without having said anything".to_owned(),
        |rung| format!("with REGISTER (CSeq {}) unanswered", rung.cseq),
    );
    let what = format!("{} closes the connection {asked}", last.server());
    let evidence = open.map(|rung| rung.request).into_iter().chain([closed]).collect();
    Some(Finding::error(login, rule, what, evidence))
}
