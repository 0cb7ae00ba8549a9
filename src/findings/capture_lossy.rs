//! # capture-lossy

use crate::findings::{Check, Finding, Rule, Severity};
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "capture-lossy",
    title: "The capture lacks packets",
    seen: "Bytes of a TCP stream that its receiver acknowledged, or that later bytes follow, are not in the capture.",
    why: "Messages in those bytes cannot be shown, and a TLS stream may not be readable after them. The network did carry them: this is no fault of the connection.",
    fix: "Capture with a larger buffer (dumpcap -B 64, tcpdump -B 65536), with a filter for the client's address, or at a mirror port that is not overloaded.",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let lossy: Vec<_> = report.flows.iter().filter(|flow| flow.lost_bytes > 0).collect();
    if lossy.is_empty() {
        return Vec::new();
    }
    let bytes: u64 = lossy.iter().map(|flow| flow.lost_bytes).fold(0, u64::saturating_add);
    let flows = if lossy.len() == 1 { "one connection".to_owned() } else { format!("{} connections", lossy.len()) };
    let what = format!("{bytes} bytes of {flows} are not in the capture");
    vec![Finding::new(rule, Severity::Warning, what, report.losses.clone())]
}
