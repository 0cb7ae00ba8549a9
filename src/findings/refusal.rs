//! Which rule explains a REGISTER that was refused for good.
//!
//! In: a refusal, of a sign-in or of a refresh. Out: exactly one rule, the first by the order of [`RULES`] that fits
//! what the answer says, and `sip-rejected` where none does. So no refusal is left without a finding, and none has two.
//!
//! [`RULES`]: super::RULES

use crate::findings::{
    Finding, Rule, auth_rejected, client_version_blocked, clock_skew, edge_next_hop_failed, identity_mismatch,
    remote_access_denied, server_unavailable, sip_rejected, user_not_found, wrong_side,
};
use crate::story::login::Login;
use crate::story::login::ladder::Refusal;

/// A rule of which nothing but such a refusal is evidence.
pub(super) fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let refusal = explained_by(rule, login)?;
    Some(Finding::error(login, rule, refusal.describe(), vec![refusal.answer.mark]))
}

/// The refusal that stands at the end of the REGISTERs, where this rule is the one that explains it.
pub(super) fn explained_by<'a>(rule: &Rule, login: &'a Login) -> Option<Refusal<'a>> {
    login.refusal().filter(|refusal| std::ptr::eq(rule_of(login, refusal), rule))
}

fn rule_of(login: &Login, refusal: &Refusal<'_>) -> &'static Rule {
    let answer = refusal.answer;
    let reasons: [(bool, &'static Rule); 9] = [
        (wrong_side::says(answer), &wrong_side::RULE),
        (clock_skew::says(answer), &clock_skew::RULE),
        (remote_access_denied::is_denied(login, refusal), &remote_access_denied::RULE),
        (identity_mismatch::says(answer), &identity_mismatch::RULE),
        (user_not_found::is_unknown(answer), &user_not_found::RULE),
        (client_version_blocked::is_version(answer), &client_version_blocked::RULE),
        (edge_next_hop_failed::is_next_hop(login, answer), &edge_next_hop_failed::RULE),
        (server_unavailable::is_unavailable(answer), &server_unavailable::RULE),
        (answer.refuses_credentials(), &auth_rejected::RULE),
    ];
    reasons.into_iter().find(|(fits, _)| *fits).map_or(&sip_rejected::RULE, |(_, rule)| rule)
}
