//! Requests and answers of a sign-in besides its REGISTERs: what was asked, and what came of it.
//!
//! In: SIP messages by flow, Call-ID and `CSeq`. Out: exchanges in their order, each with the facts of its
//! bodies. Notifications belong to the dialog that they are of.

use crate::model::sip::SipMessage;
use crate::model::{Direction, FlowKey, Span};
use crate::story::row::{Mark, Row};
use crate::story::steps::{self, Reading, StepKind, StepOutcome};
use crate::wire::bodies::{Body, CategoryVersions};
use crate::wire::diagnostics::Diagnostics;

/// Name and value of something that a message says.
pub type Fact = (&'static str, String);

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The connection.
    pub flow: FlowKey,
    /// Which step it is of; `None` where it is of none.
    pub kind: Option<StepKind>,
    /// Its method.
    pub method: String,
    /// Its Call-ID.
    pub call_id: String,
    /// Its number.
    pub cseq: u32,
    /// Who asked.
    pub direction: Direction,
    /// It ends a subscription.
    pub ends: bool,
    /// The request.
    pub request: Mark,
    /// What the request says.
    pub asked: Vec<Fact>,
    /// The final answer, and its status.
    pub answer: Option<(Mark, u16)>,
    /// Since the request.
    pub response_time: Option<Span>,
    /// What the answer says.
    pub answered: Vec<Fact>,
    /// One sentence about the answer, or the request where there is none.
    pub says: String,
    /// How it went.
    pub outcome: StepOutcome,
    /// What the servers on the way say about the answer.
    pub diagnostics: Vec<Diagnostics>,
    /// Notifications of its dialog: the row, and what changed.
    pub notified: Vec<(Mark, Vec<String>)>,
    /// What its bodies say is told; else they are read only where that decides how it went.
    tells: bool,
    /// Categories of own presence that the answer told, against which notifications are compared.
    versions: Option<Box<CategoryVersions>>,
}

/// Most notifications of a dialog that are kept.
pub const MOST_NOTIFICATIONS: usize = 32;

impl Exchange {
    /// A request; `reading` is its body where it is to be told what the bodies say.
    pub fn new(
        flow: FlowKey,
        row: &Row,
        message: &SipMessage,
        kind: Option<StepKind>,
        reading: Option<&Reading<'_>>,
    ) -> Self {
        Self {
            flow,
            kind,
            method: steps::clip(&message.method().unwrap_or_default(), 32).to_owned(),
            call_id: steps::call_id(message).into_owned(),
            cseq: message.cseq.map_or(0, |cseq| cseq.number),
            direction: row.direction,
            ends: steps::ends_subscription(message),
            request: row.mark(),
            asked: reading.map(Reading::facts).unwrap_or_default(),
            answer: None,
            response_time: None,
            answered: Vec::new(),
            says: reading.map(Reading::sentence).unwrap_or_default(),
            outcome: StepOutcome::Unanswered,
            diagnostics: Vec::new(),
            notified: Vec::new(),
            tells: reading.is_some(),
            versions: None,
        }
    }

    /// Whether a response, which goes in `direction`, answers it.
    pub fn is_answered_by(&self, flow: &FlowKey, direction: Direction, message: &SipMessage) -> bool {
        self.answer.is_none()
            && self.direction != direction
            && self.flow == *flow
            && message.cseq.is_some_and(|cseq| cseq.number == self.cseq)
            && message.method().is_some_and(|method| method == self.method)
            && self.call_id == steps::call_id(message)
    }

    /// Takes the final answer.
    pub fn answer(&mut self, row: &Row, message: &SipMessage, status: u16) {
        let reading = steps::read(message);
        self.answer = Some((row.mark(), status));
        self.response_time = row.rtt;
        self.outcome = steps::outcome(self.kind, &reading, status);
        // A finding tells what a failure says.
        if self.tells || self.outcome == StepOutcome::Failed {
            self.tell(&reading);
        }
        self.diagnostics = steps::diagnostics(message);
    }

    fn tell(&mut self, answer: &Reading<'_>) {
        if let Some(Body::RoamingData(data)) = answer.body() {
            self.versions.get_or_insert_default().note(data);
        }
        self.answered = answer.facts();
        self.name_static_conferences();
        let says = answer.sentence();
        if !says.is_empty() {
            self.says = says;
        }
    }

    /// What a notification of its dialog says has changed.
    pub fn changes(&mut self, message: &SipMessage) -> Vec<String> {
        if !self.tells {
            return Vec::new();
        }
        let reading = steps::read(message);
        match reading.body() {
            Some(Body::RoamingData(data)) => self.versions.get_or_insert_default().note(data),
            Some(_) => vec![reading.sentence()],
            None => Vec::new(),
        }
    }

    /// Only the request tells that the conferences of an answer are the user's own, standing ones.
    fn name_static_conferences(&mut self) {
        if self.asked.iter().any(|(name, value)| *name == "static" && value == "yes") {
            let count = self.answered.iter_mut().find(|(name, _)| *name == "conferences");
            if let Some((name, _)) = count {
                *name = "static_conferences";
            }
        }
    }

    /// Status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.map(|(_, status)| status)
    }

    /// The row that shows how it went: the answer, or the request where there is none.
    pub fn mark(&self) -> Mark {
        self.answer.map_or(self.request, |(mark, _)| mark)
    }

    /// What the answer says, in one line for a finding.
    pub fn describe(&self) -> String {
        let status = self.status().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let fault = self.answered.iter().filter(|(name, _)| matches!(*name, "code" | "reason_code" | "fault"));
        let said =
            self.diagnostics.iter().map(steps::describe).chain(fault.map(|(name, value)| format!("{name} {value}")));
        std::iter::once(status).chain(said).collect::<Vec<_>>().join("; ")
    }

    /// The value of a fact of the answer, else of the request.
    pub fn fact(&self, name: &str) -> Option<&str> {
        let known = self.answered.iter().chain(&self.asked).find(|(known, _)| *known == name);
        known.map(|(_, value)| value.as_str())
    }
}
