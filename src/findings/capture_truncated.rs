//! # capture-truncated

use crate::findings::{Check, Finding, Rule, Severity};
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "capture-truncated",
    title: "A capture cannot be read to its end",
    seen: "A record or block that claims more than the file has, or that contradicts itself; a compressed file that ends early.",
    why: "Everything before that place was analysed; what came after it is missing, so what looks unanswered may have been answered.",
    fix: "Copy the file again, or let the capture program end by itself before copying. Wireshark's reordercap or editcap can rewrite what is readable.",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let found = report.damages.iter().map(|damage| {
        let after =
            damage.after.map_or_else(|| "before its first packet".to_owned(), |at| format!("after {}", at.place()));
        let what = format!("{} cannot be read on {after}: {}", damage.name, damage.what);
        Finding::new(rule, Severity::Warning, what, damage.after.into_iter().collect())
    });
    found.collect()
}
