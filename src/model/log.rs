//! What a trace log says besides SIP messages: connections, look-ups and failures, in the log's own words.

use crate::model::codes::{Code, CodeKind};
use crate::model::{Direction, Span, TcpEvent};

/// How bad the writer of the log took it to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Detail, also `NOISE`, `VERBOSE`, `TRACE`.
    Trace,
    /// Normal.
    #[default]
    Info,
    /// A warning.
    Warn,
    /// An error, also `FATAL`.
    Error,
}

impl LogLevel {
    /// As rows and exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// A connection was opened.
    Connected,
    /// A connection was closed; `In` where the other side did it, as far as the record says.
    Closed(Direction),
    /// A connection could not be opened, or broke.
    Failed,
    /// A look-up, or what came of it.
    Dns,
    /// What a server's SIP stack says about a message (`TF_DIAG`).
    Diagnostic,
    /// Another failure with a code.
    Error,
}

impl LogKind {
    /// As rows and exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Closed(_) => "closed",
            Self::Failed => "failed",
            Self::Dns => "dns",
            Self::Diagnostic => "diagnostic",
            Self::Error => "error",
        }
    }
}

/// A record that is no SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// What it is about.
    pub kind: LogKind,
    /// How bad it is.
    pub level: LogLevel,
    /// The component that wrote it, where the log names one.
    pub component: Option<Box<str>>,
    /// What it says, bounded.
    pub text: Box<str>,
    /// The code in it: an HRESULT or a Winsock error.
    pub code: Option<(CodeKind, u32)>,
    /// The name that a look-up is for.
    pub name: Option<Box<str>>,
    /// The SIP dialog that it is about.
    pub call_id: Option<Box<str>>,
    /// `Data` of a diagnostic record: name and value.
    pub data: Vec<(Box<str>, Box<str>)>,
}

/// `WSAECONNRESET`, `WSAETIMEDOUT` and `WSAECONNREFUSED`.
const RESET: u32 = 10_054;
const TIMED_OUT: u32 = 10_060;
const REFUSED: u32 = 10_061;

impl LogEvent {
    /// What the code means, where it is known.
    pub fn explained(&self) -> Option<Code> {
        self.code.and_then(|(kind, number)| kind.find(number))
    }

    /// The step in the life of a connection that it tells. How long anything took no log says.
    pub fn tcp(&self) -> Option<TcpEvent> {
        let winsock = self.code.filter(|(kind, _)| *kind == CodeKind::Winsock).map(|(_, number)| number);
        match (self.kind, winsock) {
            (LogKind::Connected, _) => Some(TcpEvent::Open { answer_time: None, syns: 1 }),
            (LogKind::Failed, Some(REFUSED)) => Some(TcpEvent::Refused { answer_time: Span::default() }),
            (LogKind::Failed, Some(TIMED_OUT | 10_051 | 10_064 | 10_065)) => {
                Some(TcpEvent::Unanswered { syns: 1, waited: Span::default() })
            }
            (LogKind::Failed | LogKind::Closed(_), Some(RESET)) => {
                Some(TcpEvent::Reset { by: Direction::In, idle: Span::default() })
            }
            (LogKind::Closed(by), _) => Some(TcpEvent::Closed { by }),
            _ => None,
        }
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let data: usize = self.data.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>() + self.text.len() + data + 128
    }
}
