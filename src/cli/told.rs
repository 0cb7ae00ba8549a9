//! The sign-ins that are told in full at the end, and what counts of the others.

use crate::findings::{Finding, Severity};
use crate::story::login::{Login, LoginOutcome};

/// Sign-ins for the screen, and what counts of the others.
#[derive(Default)]
pub struct ToldLogins {
    /// The first ones, each with what is wrong with it.
    pub shown: Vec<(Login, Vec<Finding>)>,
    /// Findings of sign-ins that were told before.
    pub told_before: Vec<(u32, Vec<Finding>)>,
    /// How many more there are.
    pub more: u64,
    /// How many of those failed.
    pub more_failed: u64,
    /// The worst severity of all.
    pub worst: Option<Severity>,
}

/// Most sign-ins that are told in full.
const MOST_LOGINS: usize = 20;

impl ToldLogins {
    /// Takes a sign-in that is over.
    pub fn push(&mut self, login: Login, findings: Vec<Finding>) {
        self.weigh(&findings);
        if self.shown.len() < MOST_LOGINS {
            self.shown.push((login, findings));
            return;
        }
        self.more += 1;
        // One that failed is worth more than one that did not.
        let failed = login.outcome() == LoginOutcome::Failed;
        let place = self.shown.iter().rposition(|(shown, _)| failed && shown.outcome() != LoginOutcome::Failed);
        match place.and_then(|place| self.shown.get_mut(place)) {
            Some(shown) => *shown = (login, findings),
            None => self.more_failed += u64::from(failed),
        }
    }

    /// Notes how bad findings are.
    pub fn weigh(&mut self, findings: &[Finding]) {
        self.worst = self.worst.max(findings.iter().map(|finding| finding.severity).max());
    }

    /// Keeps the newest sign-ins for the summary.
    #[cfg(feature = "live")]
    pub fn push_newest(&mut self, login: Login, fresh: Vec<Finding>, known: Vec<Finding>) {
        self.told_before.push((login.id, known));
        self.shown.push((login, fresh));
        if self.shown.len() > MOST_LOGINS {
            self.told_before.remove(0);
            let (oldest, _) = self.shown.remove(0);
            self.more += 1;
            self.more_failed += u64::from(oldest.is_failed());
        }
    }
}
