//! # phone-options-missing

use crate::findings::{Check, Finding, Rule};
use crate::story::login::{Lease, Login};

/// The rule.
pub static RULE: Rule = Rule {
    id: "phone-options-missing",
    title: "DHCP does not tell the phone where its server is",
    seen: "A phone (vendor class MS-UC-Client) asks for options 43 and 120, and the answer lacks them.",
    why: "Without DNS the phone finds its registrar by option 120, and the certificate service by option 43: sign-in by PIN cannot begin.",
    fix: "Set the options on the DHCP server with DHCPUtil.exe and DHCPConfigScript.bat: 120 with the registrar's name (encoding 0), 43 for the vendor class MS-UC-Client with the certificate service.",
    check: Check::Login(check),
};

fn check(rule: &'static Rule, login: &Login) -> Option<Finding> {
    let asks = login.leases.iter().rev().find(|lease| lease.is_phone() && lease.asks.contains(&true))?;
    let answers =
        |lease: &&Lease| matches!(lease.kind.as_str(), "ACK" | "OFFER") && lease.transaction == asks.transaction;
    let answer = login.leases.iter().rev().find(answers)?;
    let had = |has: &dyn Fn(&Lease) -> bool| login.leases.iter().any(has);
    let certificate = asks.asks[0] && !had(&|lease| lease.certificate_url.is_some());
    let registrar = asks.asks[1] && !had(&|lease| !lease.sip_servers.is_empty());
    let missing = match (certificate, registrar) {
        (true, true) => "options 43 (certificate service) and 120 (registrar)",
        (true, false) => "option 43 (certificate service)",
        (false, true) => "option 120 (registrar)",
        (false, false) => return None,
    };
    let what = format!("the phone asks for them, and the {} of the DHCP server lacks {missing}", answer.kind);
    let evidence = vec![asks.mark, answer.mark];
    Some(if login.registered.is_some() {
        Finding::note(login, rule, what, evidence)
    } else {
        Finding::error(login, rule, what, evidence)
    })
}
