//! Sign-ins while they happen: each step as it is done, what is wrong as soon as that is certain, nothing twice.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::findings::{Finding, check_login};
use crate::model::{PacketNo, Span, Timestamp};
use crate::story::Row;
use crate::story::login::tracker::AttemptNo;
use crate::story::login::{Login, LoginOutcome};
use crate::story::steps::{StepKind, StepOutcome};
use crate::story::summary::duration;

/// Sign-ins that are followed at one time; of older ones no more steps are told.
const MOST_FOLLOWED: usize = 1024;
/// Steps of a sign-in that are told.
const MOST_STEPS: usize = 256;
/// A failed attempt is over when so long nothing more was tried.
const QUIET: Span = Span::from_secs(3);
/// Longest sentence of a step, in characters.
const LONGEST: usize = 120;

/// What was told of a sign-in.
struct Followed {
    attempt: AttemptNo,
    /// Something happened since it was last looked at.
    touched: bool,
    steps: Vec<(StepKind, PacketNo, StepOutcome)>,
    is_ready: bool,
    is_decided: bool,
    /// Its revision when the rules last ran.
    revision: Option<u32>,
    findings: Vec<&'static str>,
}

/// Something to show.
pub enum Told {
    /// A step, or that the sign-in is complete.
    Happened(String, StepOutcome),
    /// What is wrong.
    Found(Vec<Finding>),
}

/// The sign-ins that are open.
#[derive(Default)]
pub struct Unfolding {
    followed: BTreeMap<u32, Followed>,
}

impl Unfolding {
    /// How many sign-ins are open.
    pub fn len(&self) -> usize {
        self.followed.len()
    }

    /// Takes a row: its sign-in has something new.
    pub fn touch(&mut self, row: &Row) {
        let (Some(login), Some((attempt, _))) = (row.login, row.attempt) else { return };
        let followed = self.followed.entry(login).or_insert_with(|| Followed {
            attempt,
            touched: true,
            steps: Vec::new(),
            is_ready: false,
            is_decided: false,
            revision: None,
            findings: Vec::new(),
        });
        followed.touched = true;
        if self.followed.len() > MOST_FOLLOWED {
            self.followed.pop_first();
        }
    }

    /// What happened since the last call.
    pub fn tell(&mut self, engine: &mut Engine, now: Timestamp) -> Vec<Told> {
        let mut told = Vec::new();
        for followed in self.followed.values_mut() {
            if !followed.touched && followed.is_decided {
                continue;
            }
            engine.open_login(followed.attempt, |login| followed.look(login, now, &mut told));
        }
        told
    }

    /// A sign-in is over; of its findings those that were not told, and those that were.
    pub fn close(&mut self, login: &Login, findings: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
        let told = self.followed.remove(&login.id).map(|followed| followed.findings).unwrap_or_default();
        findings.into_iter().partition(|finding| !told.contains(&finding.rule.id))
    }
}

impl Followed {
    /// What happened in its sign-in since the last call.
    fn look(&mut self, login: &Login, now: Timestamp, told: &mut Vec<Told>) {
        if std::mem::take(&mut self.touched) {
            self.steps(login, told);
        }
        self.is_decided |= is_decided(login, now);
        if self.is_decided && self.revision != Some(login.revision()) {
            self.revision = Some(login.revision());
            let fresh = self.fresh(check_login(login));
            if !fresh.is_empty() {
                told.push(Told::Found(fresh));
            }
        }
    }

    fn steps(&mut self, login: &Login, told: &mut Vec<Told>) {
        let id = login.id;
        for step in login.steps() {
            let key = (step.kind, step.began.packet, step.outcome);
            let done = matches!(step.outcome, StepOutcome::Ok | StepOutcome::Failed);
            // What is from before it happened then.
            if !done || login.is_of_before(step.began) || self.steps.len() >= MOST_STEPS || self.steps.contains(&key) {
                continue;
            }
            self.steps.push(key);
            let after = duration(step.ended.time.since(login.began.time));
            let what = match (step.kind, step.outcome) {
                (StepKind::Register, StepOutcome::Ok) => "registered".to_owned(),
                (kind, StepOutcome::Failed) => format!("{} failed", kind.id()),
                (kind, _) => kind.id().to_owned(),
            };
            let says = if step.says.chars().count() > LONGEST {
                step.says.chars().take(LONGEST).chain(['…']).collect()
            } else {
                step.says
            };
            let says = if says.is_empty() { says } else { format!(": {says}") };
            told.push(Told::Happened(format!("sign-in {id}: {what} after {after}{says}"), step.outcome));
        }
        if let Some(mark) = login.ready().filter(|_| !self.is_ready) {
            self.is_ready = true;
            let after = duration(login.after(mark));
            told.push(Told::Happened(format!("sign-in {id}: ready after {after}"), StepOutcome::Ok));
        }
    }

    /// Findings that were not told, which now they are.
    fn fresh(&mut self, findings: Vec<Finding>) -> Vec<Finding> {
        let fresh: Vec<_> = findings.into_iter().filter(|finding| !self.findings.contains(&finding.rule.id)).collect();
        self.findings.extend(fresh.iter().map(|finding| finding.rule.id));
        fresh
    }
}

/// Whether what becomes of a sign-in is certain: the client has what it needs, or gave up.
fn is_decided(login: &Login, now: Timestamp) -> bool {
    match login.outcome() {
        LoginOutcome::SignedIn => login.ready().is_some() || login.deregistered.is_some(),
        LoginOutcome::Failed => now.since(login.ended.time) >= QUIET,
        LoginOutcome::Incomplete => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Arguments, Command};
    use crate::cli::run::Run;

    #[test]
    fn what_was_there_before_a_sign_in_did_not_happen_in_it() {
        let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/scenarios/healthy-again-there.pcapng");
        let arguments = Arguments::try_parse_from(["lynccap", "analyze", capture]).unwrap();
        let Command::Analyze(options) = arguments.command else { panic!("it analyses") };
        let mut run = Run::begin(&options.reading, false, None).unwrap();
        let (mut unfolding, mut told) = (Unfolding::default(), Vec::new());
        while let Some(row) = run.next_row() {
            unfolding.touch(&row);
        }
        while let Some((login, _)) = run.next_login() {
            let followed = unfolding.followed.get_mut(&login.id).unwrap();
            followed.look(&login, login.ended.time, &mut told);
        }
        let happened: Vec<_> = told
            .into_iter()
            .filter_map(|told| match told {
                Told::Happened(text, _) => Some(text),
                Told::Found(_) => None,
            })
            .collect();
        assert!(happened.iter().any(|text| text.starts_with("sign-in 1: connect after 6.5 ms")), "{happened:#?}");
        let again: Vec<_> = happened.iter().filter(|text| text.starts_with("sign-in 2")).collect();
        assert!(again.first().is_some_and(|text| text.starts_with("sign-in 2: challenge after 2.1 ms")), "{again:#?}");
        assert!(again.iter().all(|text| !text.contains("after -")), "{again:#?}");
    }
}
