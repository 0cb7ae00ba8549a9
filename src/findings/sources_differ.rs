//! # sources-differ

use crate::findings::{Check, Finding, Rule, Severity};
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "sources-differ",
    title: "A trace log tells a message differently than the capture",
    seen: "The same message, by connection, Call-ID, CSeq and direction, has other header fields or another body in the log than in the packets.",
    why: "One of them is not what was sent: the log was edited or cut, or something between the machine that logs and the place of the capture changes messages.",
    fix: "Compare both (`lynccap show`, and the line of the log); look for a proxy, an Edge or a balancer between the two places.",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let Some((_, first)) = report.differences.first() else { return Vec::new() };
    let name = report.inputs.get(first.input.index()).map_or("the log", String::as_str);
    let what = format!("{} messages differ, the first one at line {} of {name}", report.differences.len(), first.line);
    let evidence = report.differences.iter().map(|(at, _)| *at).take(16).collect();
    vec![Finding::new(rule, Severity::Warning, what, evidence)]
}
