//! The waist: what the flow-wise half tells the half that sees the whole capture.

use crate::model::defect::{Defect, Loss};
use crate::model::dhcp::DhcpMessage;
use crate::model::dns::DnsMessage;
use crate::model::flow::{Direction, FlowKey};
use crate::model::http::HttpMessage;
use crate::model::kerberos::KerberosMessage;
use crate::model::log::LogEvent;
use crate::model::packet::At;
use crate::model::sip::SipMessage;
use crate::model::time::Span;
use crate::model::tls::{TlsEvent, TlsSession};

/// One thing that was seen, owned and in capture order within its flow and direction.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The packet that completed it.
    pub at: At,
    /// The packet in which it began.
    pub began: At,
    /// The conversation, where there is one.
    pub flow: Option<FlowKey>,
    /// Which way it went.
    pub direction: Direction,
    /// What it is.
    pub message: Message,
}

/// What was seen.
#[derive(Clone, Debug)]
pub enum Message {
    /// A DNS, mDNS or LLMNR message.
    Dns(Box<DnsMessage>),
    /// A step in the life of a TCP connection.
    Tcp(TcpEvent),
    /// An ICMP error about a datagram.
    Icmp {
        /// ICMP (or, for IPv6, `ICMPv6`) type.
        icmp_type: u8,
        /// ICMP code.
        icmp_code: u8,
        /// Whether it was `ICMPv6`.
        v6: bool,
    },
    /// A SIP message.
    Sip(Box<SipMessage>),
    /// A step in the life of a TLS session.
    Tls(Box<TlsEvent>),
    /// A TLS session as a whole, when it is over. No row, but part of the report.
    TlsSession(Box<TlsSession>),
    /// An HTTP message.
    Http(Box<HttpMessage>),
    /// A Kerberos message.
    Kerberos(Box<KerberosMessage>),
    /// A DHCP message.
    Dhcp(Box<DhcpMessage>),
    /// What a trace log says besides SIP messages.
    Log(Box<LogEvent>),
    /// Bytes of a followed conversation. No row.
    Payload(Payload),
    /// A record of application data that stays closed, where records are measured. No row.
    Ciphertext(Ciphertext),
    /// Bytes that the capture does not have.
    Lost(Loss),
    /// Bytes that are not what they should be.
    Defect(Defect),
}

impl Message {
    /// About how many bytes of memory it takes besides itself; those of followed conversations are not counted.
    pub fn weight(&self) -> usize {
        match self {
            Self::Sip(message) => message.weight(),
            Self::Dns(message) => message.weight(),
            Self::Http(message) => message.weight(),
            Self::Tls(event) => event.weight(),
            Self::Kerberos(message) => message.weight(),
            Self::Dhcp(message) => message.weight(),
            Self::Log(event) => event.weight(),
            _ => 0,
        }
    }
}

/// Bytes of a followed conversation, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they were decrypted; otherwise they are as on the wire.
    pub decrypted: bool,
}

/// A closed record: how many bytes of plaintext it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    /// At least.
    pub least: u32,
    /// At most; the same where the suite does not pad.
    pub most: u32,
}

/// A step in the life of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpEvent {
    /// The SYN was answered, after this time where both packets are there.
    Open {
        /// From the first SYN to the answer.
        answer_time: Option<Span>,
        /// How many SYNs it took.
        syns: u32,
    },
    /// The SYN was answered with a reset.
    Refused {
        /// From the last SYN to the reset.
        answer_time: Span,
    },
    /// Nothing answered the SYNs.
    Unanswered {
        /// How many SYNs were sent.
        syns: u32,
        /// From the first SYN to the last packet before giving up or to the end of the capture.
        waited: Span,
    },
    /// An ICMP error answered.
    Unreachable {
        /// ICMP (or, for IPv6, `ICMPv6`) type.
        icmp_type: u8,
        /// ICMP code.
        icmp_code: u8,
        /// Whether it was `ICMPv6`.
        v6: bool,
    },
    /// A reset ended it.
    Reset {
        /// Who sent the reset: `Out` is the client.
        by: Direction,
        /// Since the last byte that either side sent.
        idle: Span,
    },
    /// Both sides closed it.
    Closed {
        /// Whose FIN came first: `Out` is the client.
        by: Direction,
    },
}

impl TcpEvent {
    /// As rows and exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Refused { .. } => "refused",
            Self::Unanswered { .. } => "unanswered",
            Self::Unreachable { .. } => "unreachable",
            Self::Reset { .. } => "reset",
            Self::Closed { .. } => "closed",
        }
    }
}
