//! # sip-rejected

use crate::findings::{
    Check, Finding, Rule, client_version_blocked, edge_next_hop_failed, remote_access_denied, server_unavailable,
    user_not_found,
};
use crate::story::login::Login;
use crate::story::login::ladder::Answer;

/// The rule.
pub static RULE: Rule = Rule {
    id: "sip-rejected",
    title: "The server refuses the registration",
    seen: "REGISTER gets a final answer that is no success, and no other rule knows why.",
    why: "The answer says why, where the server tells it: `lynccap explain` knows the numbers.",
    fix: "Read the ms-diagnostics of the answer (`lynccap explain NUMBER`), and look at the server's log for the same Call-ID.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let registering = login.rejection().map(|answer| ("REGISTER", answer));
    let refreshing = login.refresh_rejection().map(|answer| ("the refresh of the registration", answer));
    let (what, answer) = registering.or(refreshing)?;
    let explained = remote_access_denied::is_denied(login, answer)
        || answer.has_id(|id| matches!(id, 1013 | 1017 | 4004))
        || user_not_found::is_unknown(answer)
        || client_version_blocked::is_version(answer)
        || edge_next_hop_failed::is_next_hop(login, answer)
        || server_unavailable::is_unavailable(answer)
        || login.rejection().is_some_and(Answer::refuses_credentials);
    if explained {
        return None;
    }
    let what = format!("{what} was answered with {}", answer.describe());
    Some(Finding::error(login, rule, what, vec![answer.mark]))
}
