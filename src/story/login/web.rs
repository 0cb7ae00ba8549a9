//! The web services of a sign-in: autodiscover, web ticket, certificate; and where the client looks
//! whether a certificate was revoked.
//!
//! In: rows of HTTP and HTTPS connections that belong to a sign-in. Out: each connection with its requests
//! and answers where they can be read, and what it was for where they cannot.

use crate::model::http::{HttpMessage, HttpStart};
use crate::model::{Span, TcpEvent};
use crate::story::authentication::Token;
use crate::story::login::connection::Connection;
use crate::story::login::exchange::Fact;
use crate::story::row::{Mark, Row};
use crate::story::steps::{self, StepKind};
use crate::wire::diagnostics::Diagnostics;
use crate::wire::ntlm::Body;

/// What a web connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Finds the user's home.
    Autodiscover,
    /// Proves who the user is, for a web ticket.
    WebTicket,
    /// Fetches the user's certificate.
    Certificate,
    /// Asks whether a certificate was revoked (CRL, OCSP).
    Revocation,
    /// What a client fetches once it is signed in: address book, groups, photos.
    Service,
    /// Web ticket or certificate: the connection cannot be read, and it is the host that the server named.
    Provisioning,
}

impl Purpose {
    /// The step it is of.
    pub const fn step(self) -> Option<StepKind> {
        match self {
            Self::Autodiscover => Some(StepKind::Discover),
            Self::WebTicket => Some(StepKind::WebTicket),
            Self::Certificate | Self::Provisioning => Some(StepKind::Certificate),
            Self::Revocation => Some(StepKind::Secure),
            Self::Service => None,
        }
    }

    /// By the path of a URL.
    pub fn of_path(url: &str) -> Option<Self> {
        let url = url.to_ascii_lowercase();
        let has = |part: &str| url.contains(part);
        if has("webticketservice.svc") || has("rst2.srf") || has("getuserrealm.srf") {
            Some(Self::WebTicket)
        } else if has("certprovisioningservice.svc") {
            Some(Self::Certificate)
        } else if has("lyncdiscover")
            || has("autodiscoverservice.svc")
            || has("/autodiscover/") && !has("autodiscover.xml")
        {
            Some(Self::Autodiscover)
        } else if has(".crl") || has("/ocsp") {
            Some(Self::Revocation)
        } else {
            None
        }
    }
}

/// A request to a web service, and its answer.
#[derive(Clone, Debug)]
pub struct WebCall {
    /// What it is for.
    pub purpose: Purpose,
    /// Method.
    pub method: String,
    /// URL.
    pub url: String,
    /// The request.
    pub request: Mark,
    /// The answer, and its status.
    pub answer: Option<(Mark, u16)>,
    /// Since the request.
    pub response_time: Option<Span>,
    /// What request and answer say.
    pub facts: Vec<Fact>,
    /// One sentence about the answer.
    pub says: String,
    /// Where the answer sends the client: a `Location`, or a link of autodiscover.
    pub redirect: Option<String>,
    /// What the server says about a failure.
    pub diagnostics: Vec<Diagnostics>,
}

impl WebCall {
    /// The value of a fact.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.map(|(_, status)| status)
    }

    /// The row that shows how it went.
    pub fn mark(&self) -> Mark {
        self.answer.map_or(self.request, |(mark, _)| mark)
    }
}

/// A web connection of a sign-in.
#[derive(Clone, Debug)]
pub struct Web {
    /// What it is for, by its host or by what was asked.
    pub purpose: Purpose,
    /// TCP and TLS of it.
    pub connection: Connection,
    /// Requests, where they can be read.
    pub calls: Vec<WebCall>,
}

/// Most requests of a connection, and longest URL, that are kept.
const MOST_CALLS: usize = 32;
const LONGEST_URL: usize = 1024;

impl Web {
    /// A connection of that purpose.
    pub const fn new(purpose: Purpose, connection: Connection) -> Self {
        Self { purpose, connection, calls: Vec::new() }
    }

    /// Takes an HTTP message.
    pub fn http(&mut self, row: &Row, message: &HttpMessage) {
        let url: String = message.url().unwrap_or_default().chars().take(LONGEST_URL).collect();
        let purpose = Purpose::of_path(&url);
        self.purpose = purpose.unwrap_or(self.purpose);
        match &message.start {
            HttpStart::Request { method, .. } if self.calls.len() < MOST_CALLS => {
                let reading = steps::read_http(message);
                let mut facts = reading.facts();
                facts.extend(account(row));
                self.calls.push(WebCall {
                    purpose: self.purpose,
                    method: method.chars().take(32).collect(),
                    url,
                    request: row.mark(),
                    answer: None,
                    response_time: None,
                    facts,
                    says: reading.sentence(),
                    redirect: None,
                    diagnostics: Vec::new(),
                });
            }
            HttpStart::Response { status, .. } if *status >= 200 => {
                if let Some(call) = self.calls.iter_mut().find(|call| call.answer.is_none()) {
                    call.take_answer(row, message, *status);
                }
            }
            _ => {}
        }
    }

    /// How the connection itself failed, where it did: no way there, or TLS did not come up.
    pub fn failure(&self) -> Option<(Mark, String)> {
        if let Some((mark, event)) = self.connection.failed {
            let how = match event {
                TcpEvent::Refused { .. } => "refuses the connection",
                TcpEvent::Unreachable { .. } => "is unreachable",
                _ => "does not answer",
            };
            return Some((mark, format!("{} {how}", self.connection.server())));
        }
        if let Some((mark, _, alert)) = self.connection.tls().alerts.first() {
            return Some((*mark, format!("TLS to {} ends with the alert {}", self.connection.server(), alert.name())));
        }
        self.connection
            .found_nothing_common()
            .map(|mark| (mark, format!("TLS to {} does not come up", self.connection.server())))
    }
}

/// Who proves itself in a request.
fn account(row: &Row) -> Option<Fact> {
    match row.authentication.as_ref()?.token.as_ref()? {
        Token::Ntlm(ntlm) => match &ntlm.message.body {
            Body::Authenticate(answer) => Some(("account", answer.account())),
            _ => None,
        },
        _ => None,
    }
}

impl WebCall {
    fn take_answer(&mut self, row: &Row, message: &HttpMessage, status: u16) {
        let reading = steps::read_http(message);
        self.answer = Some((row.mark(), status));
        self.response_time = row.rtt;
        let location = message.header("location").map(|location| location.chars().take(LONGEST_URL).collect());
        let facts = reading.facts();
        let linked = facts.iter().find(|(name, _)| *name == "redirect").map(|(_, url)| url.clone());
        self.redirect = location.filter(|_| (300..400).contains(&status)).or(linked);
        self.facts.extend(facts);
        let says = reading.sentence();
        if !says.is_empty() {
            self.says = says;
        }
        self.diagnostics = steps::http_diagnostics(message);
    }
}
