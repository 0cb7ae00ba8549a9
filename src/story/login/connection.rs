//! What one connection of a sign-in went through, below its messages: TCP, TLS, silence, its end.
//!
//! In: rows of one flow. Holds the facts with the rows that show them; judges only what one connection
//! alone can show.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::tls::{Alert, Certificate, CipherSuite, NotOpened, TlsEvent, TlsVersion};
use crate::model::{Direction, FlowKey, Message, Span, TcpEvent};
use crate::story::names::Origin;
use crate::story::row::{Mark, Row};

/// Most certificates of a chain and alerts that are kept.
const MOST_CERTIFICATES: usize = 6;
const MOST_ALERTS: usize = 8;
/// About what a certificate takes with its names and addresses.
const CERTIFICATE_COST: usize = 1024;

/// Ciphertext of either side that is more than the ladder of a sign-in takes, in bytes.
const MUCH: u64 = 16 << 10;

/// Silence between messages that is worth noting.
const SILENCE: Span = Span::from_secs(60);

/// TLS on a connection.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The client's hello.
    pub hello: Option<Mark>,
    /// The name in it.
    pub sni: Option<String>,
    /// The highest version in it.
    pub offered: Option<TlsVersion>,
    /// The server's hello.
    pub server_hello: Option<Mark>,
    /// Version and suite, once they are chosen.
    pub parameters: Option<(TlsVersion, CipherSuite)>,
    /// The server's certificates, its own first, and the row that shows them.
    pub chain: Vec<Arc<Certificate>>,
    /// Where they were shown.
    pub shown: Option<Mark>,
    /// The handshake ended.
    pub secured: Option<Mark>,
    /// A session was resumed.
    pub resumed: bool,
    /// What opened it.
    pub opened: Option<Arc<str>>,
    /// Alerts other than `close_notify`, and who sent them.
    pub alerts: Vec<(Mark, Direction, Alert)>,
    /// Who said first that it will send no more.
    pub close_notify: Option<(Mark, Direction)>,
    /// Why the session stays closed to the reader.
    pub not_opened: Option<NotOpened>,
    /// Application data of client and server in bytes, once the session is over.
    pub data: Option<[u64; 2]>,
    /// When it was over.
    pub over: Option<Mark>,
}

impl Security {
    const NONE: &'static Self = &Self {
        hello: None,
        sni: None,
        offered: None,
        server_hello: None,
        parameters: None,
        chain: Vec::new(),
        shown: None,
        secured: None,
        resumed: false,
        opened: None,
        alerts: Vec::new(),
        close_notify: None,
        not_opened: None,
        data: None,
        over: None,
    };

    /// The server's own certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.chain.first().map(|own| &**own)
    }

    fn note(&mut self, row: &Row, event: &TlsEvent) {
        let mark = row.mark();
        match event {
            TlsEvent::ClientHello(hello) => {
                self.hello.get_or_insert(Mark { at: row.began, ..mark });
                self.sni.clone_from(&hello.sni);
                self.offered = Some(hello.version());
            }
            TlsEvent::ServerHello(hello) => {
                self.server_hello.get_or_insert(mark);
                self.parameters = Some((TlsVersion(hello.version), CipherSuite(hello.suite)));
            }
            TlsEvent::Certificate(chain) if row.direction == Direction::In => {
                self.shown = Some(mark);
                self.chain = chain.iter().take(MOST_CERTIFICATES).cloned().collect();
            }
            TlsEvent::Established { resumed, opened, version, suite, .. } => {
                self.secured.get_or_insert(mark);
                self.resumed |= resumed;
                self.opened.clone_from(opened);
                self.parameters = Some((*version, *suite));
            }
            TlsEvent::Alert(Some(alert)) if alert.is_close_notify() => {
                self.close_notify.get_or_insert((mark, row.direction));
            }
            TlsEvent::Alert(Some(alert)) if self.alerts.len() < MOST_ALERTS => {
                self.alerts.push((mark, row.direction, *alert));
            }
            TlsEvent::NotOpened(why) => self.not_opened = Some(why.clone()),
            TlsEvent::Closed { data: [client, server] } => {
                self.data = Some([client.1, server.1]);
                self.over = Some(mark);
            }
            _ => {}
        }
    }
}

/// A connection of an attempt.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its ends.
    pub flow: FlowKey,
    /// The row with which it begins.
    pub began: Mark,
    /// How the client came to know the server.
    pub origin: Option<Origin>,
    /// It was opened.
    pub open: Option<(Mark, TcpEvent)>,
    /// It could not be opened.
    pub failed: Option<(Mark, TcpEvent)>,
    /// How it ended.
    pub ended: Option<(Mark, TcpEvent)>,
    /// TLS on it, once there is any: it is as big as the rest.
    tls: Option<Box<Security>>,
    /// SIP messages of client and server in it.
    pub messages: [u64; 2],
    /// The first of them.
    pub first_message: Option<Mark>,
    /// The last of them, and which way it went.
    pub last_message: Option<(Mark, Direction)>,
    /// A message of the client that came after a silence: the message, how long, and whether anything came back.
    pub after_silence: Option<(Mark, Span, bool)>,
    /// The last row of it.
    pub last: Mark,
    /// Bytes that the capture does not have.
    pub lost_bytes: u64,
}

impl Connection {
    /// A connection that begins with this row.
    pub fn new(flow: FlowKey, row: &Row) -> Self {
        let began = Mark { at: row.began, ..row.mark() };
        Self {
            flow,
            began,
            origin: None,
            open: None,
            failed: None,
            ended: None,
            tls: None,
            messages: [0; 2],
            first_message: None,
            last_message: None,
            after_silence: None,
            last: row.mark(),
            lost_bytes: 0,
        }
    }

    /// TLS on it.
    pub fn tls(&self) -> &Security {
        self.tls.as_deref().unwrap_or(Security::NONE)
    }

    /// About how many bytes of memory it takes besides itself.
    pub fn weight(&self) -> usize {
        let Some(tls) = self.tls.as_deref() else { return 0 };
        size_of::<Security>()
            + tls.chain.len() * CERTIFICATE_COST
            + tls.alerts.capacity() * size_of::<(Mark, Direction, Alert)>()
    }

    /// Takes a row of it.
    pub fn note(&mut self, row: &Row) {
        self.last = row.mark();
        if row.origin.is_some() {
            self.origin.clone_from(&row.origin);
        }
        match &row.message {
            Message::Tcp(event) => self.step(row, *event),
            Message::Log(event) => {
                if let Some(event) = event.tcp() {
                    self.step(row, event);
                }
            }
            Message::Tls(event) => self.tls.get_or_insert_default().note(row, event),
            Message::Sip(_) => {
                let [out, r#in] = &mut self.messages;
                *(if row.direction == Direction::Out { out } else { r#in }) += 1;
                self.note_silence(row);
                self.first_message.get_or_insert(row.mark());
                self.last_message = Some((row.mark(), row.direction));
            }
            Message::Lost(loss) => self.lost_bytes = self.lost_bytes.saturating_add(loss.bytes),
            _ => {}
        }
    }

    fn note_silence(&mut self, row: &Row) {
        match (row.direction, self.last_message) {
            (Direction::Out, Some((last, _))) => {
                let silence = row.at.time.since(last.at.time);
                if silence >= SILENCE {
                    self.after_silence = Some((row.mark(), silence, false));
                }
            }
            (Direction::In, _) => {
                if let Some((.., answered)) = &mut self.after_silence {
                    *answered = true;
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, row: &Row, event: TcpEvent) {
        let mark = row.mark();
        match event {
            TcpEvent::Open { .. } => (self.open, self.failed) = (Some((mark, event)), None),
            TcpEvent::Refused { .. } | TcpEvent::Unanswered { .. } | TcpEvent::Unreachable { .. } => {
                self.failed = Some((mark, event));
            }
            TcpEvent::Reset { .. } | TcpEvent::Closed { .. } => self.ended = Some((mark, event)),
        }
    }

    /// The name that the client looked up for it, else the one in its hello.
    pub fn host(&self) -> Option<&str> {
        match &self.origin {
            Some(Origin::LookedUp { host, .. }) => Some(host),
            _ => self.tls().sni.as_deref(),
        }
    }

    /// The SRV record that led to it.
    pub fn service(&self) -> Option<&str> {
        match &self.origin {
            Some(Origin::LookedUp { service, .. }) => service.as_deref(),
            _ => None,
        }
    }

    /// The name that the client checks the certificate against: the one in its hello, else the one it looked up.
    pub fn checked_name(&self) -> Option<&str> {
        self.tls().sni.as_deref().or_else(|| self.host())
    }

    /// The server, by name where there is one.
    pub fn server(&self) -> String {
        let mut server = String::with_capacity(64);
        // Writing to a string cannot fail.
        _ = match self.host() {
            Some(host) => write!(server, "{host} ({})", self.flow.server),
            None => write!(server, "{}", self.flow.server),
        };
        server
    }

    /// Whether SIP went through it, as far as it can be read.
    pub const fn has_messages(&self) -> bool {
        self.messages[0] + self.messages[1] > 0
    }

    /// Whether it is still there as far as the capture goes.
    pub fn is_in_use(&self) -> bool {
        self.failed.is_none() && self.ended.is_none() && self.tls().over.is_none()
    }

    /// Whether it is over, was never opened to the reader, and carried more both ways than the ladder of a sign-in
    /// takes: the client had signed in, as far as ciphertext can tell.
    pub fn carried_more_than_a_ladder(&self) -> bool {
        let much = self.tls().data.is_some_and(|[client, server]| client > MUCH && server > MUCH);
        much && self.tls().not_opened.is_some() && !self.has_messages()
    }

    /// TLS came up and the client went away without a word, or said that it does not accept the certificate.
    pub fn was_refused_by_client(&self) -> bool {
        let refuses = |direction: Direction, alert: Alert| {
            direction == Direction::Out && matches!(alert.description, 42..=46 | 48 | 49)
        };
        let alert = self.tls().alerts.iter().any(|&(_, direction, alert)| refuses(direction, alert));
        alert || self.went_silent()
    }

    /// TLS came up, or the certificate was shown, and the client went away without sending anything.
    pub fn went_silent(&self) -> bool {
        let over = self.tls().data == Some([0, 0]) && !self.has_messages() && self.lost_bytes == 0;
        let by_client = match (self.tls().close_notify, self.ended) {
            (Some((_, by)), _) | (None, Some((_, TcpEvent::Closed { by } | TcpEvent::Reset { by, .. }))) => {
                by == Direction::Out
            }
            _ => false,
        };
        over && by_client && self.tls().shown.or(self.tls().secured).is_some()
    }

    /// The server has no parameters in common with the client: it says so, or resets the connection on the hello.
    pub fn found_nothing_common(&self) -> Option<Mark> {
        let common = |&&(_, direction, alert): &&(Mark, Direction, Alert)| match direction {
            Direction::In => matches!(alert.description, 40 | 47 | 70 | 71 | 86 | 120),
            Direction::Out => matches!(alert.description, 40 | 47 | 70 | 71) && self.tls().shown.is_none(),
        };
        if let Some((mark, ..)) = self.tls().alerts.iter().find(common) {
            return Some(*mark);
        }
        let reset = self.ended.filter(|(_, event)| {
            matches!(event, TcpEvent::Reset { by: Direction::In, .. } | TcpEvent::Closed { by: Direction::In })
        });
        let unanswered = self.tls().hello.is_some() && self.tls().server_hello.is_none() && self.lost_bytes == 0;
        reset.filter(|_| unanswered).map(|(mark, _)| mark)
    }

    /// How long nothing was sent before it was reset, where it was.
    pub const fn silence_before_reset(&self) -> Option<(Mark, Span)> {
        match self.ended {
            Some((mark, TcpEvent::Reset { idle, .. })) => Some((mark, idle)),
            _ => None,
        }
    }

    /// Whether the server's address is of a private or local range (RFC 1918, RFC 4193, RFC 3927, RFC 6598).
    pub fn is_private(&self) -> bool {
        is_private(self.flow.server.ip())
    }
}

/// Whether an address is of a private or local range (RFC 1918, RFC 4193, RFC 3927, RFC 6598).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || matches!(v6.segments(), [0xfc00..=0xfdff | 0xfe80..=0xfebf, ..]),
    }
}
