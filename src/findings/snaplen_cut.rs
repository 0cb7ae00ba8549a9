//! # snaplen-cut

use crate::findings::{Check, Finding, Rule, Severity};
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "snaplen-cut",
    title: "Packets were cut when they were captured",
    seen: "Packets of the connections analysed here are longer on the wire than in the file.",
    why: "The missing ends belong to messages; those are shown as incomplete, and TLS cannot be decrypted across them.",
    fix: "Capture whole packets: no -s option, or -s 0 (tcpdump), or no packet size limit (Wireshark).",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    if report.cut.is_empty() {
        return Vec::new();
    }
    let what = "packets of the connections analysed here are cut by the snap length".to_owned();
    vec![Finding::new(rule, Severity::Warning, what, report.cut.clone())]
}
