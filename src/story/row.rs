//! A row of the timeline.

use std::sync::Arc;

use crate::model::{At, Defect, Direction, FlowKey, Message, Span};
use crate::story::names::Origin;
use crate::story::steps::{AttemptNo, StepKind};
use crate::story::tls_dsk::Flight;

/// Which conversation a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowFlow {
    /// Its number, counted from 1.
    pub number: u32,
    /// Its ends.
    pub key: FlowKey,
}

/// One thing that happened, with what the whole capture knows of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Position in the timeline, counted from 1; 0 until the row is final.
    pub number: u64,
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
    /// What the message carries of the handshake inside TLS-DSK authentication.
    pub flight: Option<Box<Flight>>,
    /// What may become a sign-in attempt, and its step.
    pub attempt: Option<(AttemptNo, StepKind)>,
    /// The sign-in attempt it belongs to.
    pub login: Option<u32>,
    /// The step of that attempt.
    pub step: Option<&'static str>,
    /// Ids of the findings that cite it.
    pub findings: Vec<&'static str>,
}

impl Row {
    /// A row that says nothing yet.
    pub fn new(at: At) -> Self {
        Self {
            number: 0,
            at,
            began: at,
            elapsed: Span::default(),
            delta: Span::default(),
            input: None,
            flow: None,
            direction: Direction::Out,
            message: Message::Defect(Defect::new("", 0, "")),
            rtt: None,
            note: None,
            origin: None,
            flight: None,
            attempt: None,
            login: None,
            step: None,
            findings: Vec::new(),
        }
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
            Message::Payload(_) => "payload",
            Message::Lost(_) => "loss",
            Message::Defect(_) => "defect",
        }
    }

    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        let message = match &self.message {
            Message::Sip(message) => message.raw.len() + message.headers.len() * 20 + 128,
            Message::Dns(message) => message.weight(),
            Message::Http(message) => message.weight(),
            Message::Tls(event) => event.weight(),
            Message::Kerberos(message) => message.weight(),
            Message::Dhcp(message) => message.weight(),
            _ => 0,
        };
        size_of::<Self>() + message
    }
}
