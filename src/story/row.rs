//! A row of the timeline.

use std::fmt;
use std::sync::Arc;

use crate::model::{At, Defect, Direction, FlowKey, InputNo, Message, PointNo, Span};
use crate::story::Kept;
use crate::story::authentication::Authentication;
use crate::story::login::tracker::AttemptNo;
use crate::story::names::Origin;
use crate::story::steps::StepKind;
use crate::story::summary;

/// Which conversation a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFlow {
    /// Its number, counted from 1.
    pub number: u32,
    /// Its ends.
    pub key: FlowKey,
}

/// Which row, before it has its number: in the order in which rows are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u64);

/// A row that shows something, and its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The packet that completed it.
    pub at: At,
    /// Which row.
    pub row: RowId,
}

impl From<At> for Mark {
    /// A packet, whatever row it has.
    fn from(at: At) -> Self {
        Self { at, row: RowId::default() }
    }
}

/// A message that a trace log has, too, or alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCopy {
    /// The log.
    pub input: InputNo,
    /// Its line.
    pub line: u64,
    /// It says something else than the capture.
    pub differs: bool,
}

/// Another place where the same message was captured before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoSeen {
    /// Its row there.
    pub row: u64,
    /// Its packet there.
    pub at: At,
    /// The place.
    pub point: PointNo,
    /// The file or interface.
    pub input: Option<Arc<str>>,
    /// How much later this one is, each by the clock of its own capture; negative where it is earlier.
    pub delta: Span,
    /// Names of the header fields that differ; `start line` and `body`, where they do.
    pub changed: Vec<Arc<str>>,
}

impl fmt::Display for AlsoSeen {
    /// For people, in a few words.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = self.input.as_deref().map(|input| format!(" of {input}")).unwrap_or_default();
        write!(out, "row {}, {}{input}, {:+.6} s", self.row, self.at.place(), self.delta.as_secs_f64())?;
        if self.changed.is_empty() { Ok(()) } else { write!(out, "; changed: {}", self.changed.join(", ")) }
    }
}

/// One thing that happened, with what the whole capture knows of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Position in the timeline, counted from 1; 0 until the row is final.
    pub number: u64,
    /// Which it is among all that are told.
    pub id: RowId,
    /// The packet that completed it.
    pub at: At,
    /// The packet in which it began.
    pub began: At,
    /// Since the first packet of the capture.
    pub elapsed: Span,
    /// Since the row before.
    pub delta: Span,
    /// The file or interface, where there are several.
    pub input: Option<Arc<str>>,
    /// The conversation.
    pub flow: Option<RowFlow>,
    /// Whether no row of its conversation that was told before it began earlier.
    pub begins: bool,
    /// Which way it went.
    pub direction: Direction,
    /// What it is.
    pub message: Message,
    /// Since the query or request that it answers.
    pub rtt: Option<Span>,
    /// What is remarkable about it.
    pub note: Option<&'static str>,
    /// How the server of a connection was found; on the row with which the connection begins.
    pub origin: Option<Origin>,
    /// What the message says of authentication.
    pub authentication: Option<Box<Authentication>>,
    /// What may become a sign-in attempt, and its step.
    pub attempt: Option<(AttemptNo, StepKind)>,
    /// The sign-in attempt it belongs to.
    pub login: Option<u32>,
    /// The step of that attempt.
    pub step: Option<&'static str>,
    /// The same message in a trace log.
    pub copy: Option<LogCopy>,
    /// Where else it was captured before.
    pub also_seen: Option<Box<AlsoSeen>>,
    /// Ids of the findings that cite it.
    pub findings: Vec<&'static str>,
}

impl Row {
    /// A row that says nothing yet.
    pub fn new(at: At) -> Self {
        Self {
            number: 0,
            id: RowId::default(),
            at,
            began: at,
            elapsed: Span::default(),
            delta: Span::default(),
            input: None,
            flow: None,
            begins: false,
            direction: Direction::Out,
            message: Message::Defect(Defect::new("", 0, "")),
            rtt: None,
            note: None,
            origin: None,
            authentication: None,
            attempt: None,
            login: None,
            step: None,
            copy: None,
            also_seen: None,
            findings: Vec::new(),
        }
    }

    /// The row as something that shows something.
    pub const fn mark(&self) -> Mark {
        Mark { at: self.at, row: self.id }
    }

    /// What the row is, as `kind` spells it.
    pub const fn kind(&self) -> &'static str {
        match self.message {
            Message::Dns(_) => "dns",
            Message::Tcp(_) => "tcp",
            Message::Icmp { .. } => "icmp",
            Message::Sip(_) => "sip",
            Message::Tls(_) | Message::TlsSession(_) => "tls",
            Message::Http(_) => "http",
            Message::Kerberos(_) => "kerberos",
            Message::Dhcp(_) => "dhcp",
            Message::Payload(_) | Message::Ciphertext(_) => "payload",
            Message::Log(_) => "log",
            Message::Lost(_) => "loss",
            Message::Defect(_) => "defect",
        }
    }

    /// Something of everything that stands in it, so that all of it is fetched.
    pub(super) const fn look(&self) -> impl Sized {
        let places = (self.number, self.id, self.at.time, self.began.time, self.elapsed, self.delta, self.direction);
        let known = (self.flow.is_some(), self.rtt.is_some(), self.note.is_some(), self.copy.is_some());
        let told =
            (self.attempt.is_some(), self.login, self.step.is_some(), self.findings.len(), self.origin.is_some());
        (places, known, told)
    }

    /// Lets go of what nobody asks of a SIP message.
    pub(super) fn keep(&mut self, kept: Kept) {
        let Message::Sip(message) = &mut self.message else { return };
        match kept {
            Kept::Whole => {}
            Kept::Head => message.let_body_go(),
            Kept::Fields(names) => {
                message.abridge(names);
                self.authentication.take_if(|said| !summary::tells(said));
            }
        }
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        let authentication = self.authentication.as_ref().map_or(0, |authentication| authentication.weight());
        size_of::<Self>() + self.message.weight() + authentication
    }
}
