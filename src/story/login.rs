//! Sign-in attempts: what a client went through from its first look-up to a working session.
//!
//! In: rows, as they are told. Out: for each row the attempt and the step it belongs to, and the
//! attempts. An attempt belongs to one client; it begins with the look-ups of discovery, a connection
//! to a SIP server or a REGISTER, and takes up every connection that the client opens until one of
//! them is registered. Nothing is guessed: what is not visible has no step.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::dns::{DnsMessage, RecordData, RecordType};
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::tls::{Alert, Certificate, NotOpened, TlsEvent};
use crate::model::watch::is_watched;
use crate::model::{At, DecodeAs, Direction, FlowKey, Message, Ports, Recent, Span, TcpEvent, TransportKind};
use crate::story::names::Origin;
use crate::story::row::Row;
use crate::story::steps::{self, AttemptNo, StepKind, StepOutcome};
use crate::wire::auth::Auth;
use crate::wire::diagnostics::Diagnostics;
use crate::wire::sip::address_uri;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The server accepted the registration.
    SignedIn,
    /// It did not come to that.
    Failed,
    /// The capture does not show how it ended.
    Incomplete,
}

impl LoginOutcome {
    /// As exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "signed-in",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// A step of an attempt.
#[derive(Clone, Debug)]
pub struct LoginStep {
    /// Which.
    pub kind: StepKind,
    /// How it went.
    pub outcome: StepOutcome,
    /// Its first packet.
    pub began: At,
    /// Its last.
    pub ended: At,
    /// The packets of its rows, never empty.
    pub evidence: Vec<At>,
    /// What it says: name and value.
    pub detail: Vec<(&'static str, String)>,
}

/// A name that the client asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedName {
    /// The name, lower case.
    pub name: String,
    /// The type.
    pub rtype: RecordType,
    /// The query.
    pub at: At,
    /// Response code of the answer.
    pub rcode: Option<u16>,
    /// Whether the answer has a record of use.
    pub found: bool,
    /// Targets of SRV records in the answer.
    pub targets: Vec<String>,
}

/// A connection of an attempt.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its ends.
    pub flow: FlowKey,
    /// Its first packet.
    pub at: At,
    /// The name that the client looked up for it.
    pub host: Option<Arc<str>>,
    /// How it failed.
    pub failed: Option<(At, TcpEvent)>,
    /// Whether it was opened.
    pub open: bool,
    /// The TLS handshake ended.
    pub secured: Option<At>,
    /// Own certificate of the server.
    pub certificate: Option<Certificate>,
    /// Alerts other than `close_notify`, and who sent them.
    pub alerts: Vec<(At, Direction, Alert)>,
    /// Why the session stays closed.
    pub not_opened: Option<NotOpened>,
    /// Application data of client and server in bytes, once the session is over.
    pub data: Option<[u64; 2]>,
    /// SIP messages in it.
    pub messages: u64,
}

/// A final answer to a REGISTER that is no success.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The answer.
    pub at: At,
    /// Its status.
    pub status: u16,
    /// Its reason phrase.
    pub reason: String,
    /// What the server says about it.
    pub diagnostics: Vec<Diagnostics>,
}

/// A sign-in attempt.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its number, counted from 1; 0 while it may not be one.
    pub id: u32,
    /// SIP URI of the user, once it is known.
    pub user: Option<String>,
    /// The client.
    pub client: IpAddr,
    /// First packet.
    pub began: At,
    /// Last packet.
    pub ended: At,
    /// Names asked for.
    pub names: Vec<AskedName>,
    /// Connections, in order.
    pub connections: Vec<Connection>,
    /// The authentication scheme that the client chose.
    pub scheme: Option<String>,
    /// 401 and 407 answers, each with whether the request carried a token or signature.
    pub challenges: Vec<(At, bool)>,
    /// Whether the server says that the user came through an Edge.
    pub remote: bool,
    /// The server accepted the registration.
    pub registered: Option<At>,
    /// The client has its settings and has published itself.
    pub ready: Option<At>,
    /// The server refused.
    pub rejection: Option<Rejection>,
    /// Where the server sent the client, and with which answer.
    pub redirect: Option<(At, String)>,
    /// The client signed out.
    pub signed_out: bool,
    /// Steps, in the order in which they began.
    pub steps: Vec<LoginStep>,
}

/// Negative answers to this many names make a failed discovery; fewer may be another program's.
const FEWEST_NAMES: usize = 3;
/// Silence after which a client's look-ups begin another attempt.
const NEW_ATTEMPT: Span = Span::from_secs(60);
/// Most names, connections and alerts of one attempt that are kept; of connections the last ones.
const MOST_NAMES: usize = 128;
const MOST_CONNECTIONS: usize = 32;
const MOST_ALERTS: usize = 8;
/// Call-IDs are told apart by so many characters.
const LONGEST_CALL_ID: usize = 256;
/// Most packets that a step cites.
const MOST_CITED: usize = 64;

impl Login {
    fn new(client: IpAddr, at: At) -> Self {
        Self {
            id: 0,
            user: None,
            client,
            began: at,
            ended: at,
            names: Vec::new(),
            connections: Vec::new(),
            scheme: None,
            challenges: Vec::new(),
            remote: false,
            registered: None,
            ready: None,
            rejection: None,
            redirect: None,
            signed_out: false,
            steps: Vec::new(),
        }
    }

    /// How it ended.
    pub fn outcome(&self) -> LoginOutcome {
        if self.registered.is_some() {
            return LoginOutcome::SignedIn;
        }
        let last = self.connections.last();
        let tls_refused = last.is_some_and(Connection::was_refused_by_client);
        let connection_failed = last.is_some_and(|connection| connection.failed.is_some() && connection.messages == 0);
        let unauthenticated = self.challenges.iter().any(|&(_, answered)| answered);
        let failed = self.rejection.is_some()
            || unauthenticated
            || tls_refused
            || connection_failed
            || self.connections.is_empty() && self.found_nothing();
        if failed { LoginOutcome::Failed } else { LoginOutcome::Incomplete }
    }

    /// Whether every name was denied, and enough of them were asked.
    pub fn found_nothing(&self) -> bool {
        let mut names: Vec<_> = self.names.iter().map(|asked| asked.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len() >= FEWEST_NAMES && self.names.iter().all(|asked| !asked.found)
    }

    /// The domain that discovery was for: what stands behind the first labels.
    pub fn domain(&self) -> Option<&str> {
        let of_user = self.user.as_deref().and_then(|user| user.rsplit_once('@')).map(|(_, domain)| domain);
        of_user.or_else(|| self.names.iter().find_map(|asked| steps::domain_of(&asked.name)))
    }

    /// Where the client takes itself to be: `internal`, `external` or `unknown`.
    pub fn location(&self) -> &'static str {
        let port = self
            .connections
            .iter()
            .rev()
            .find(|connection| connection.messages > 0)
            .map(|connection| connection.flow.server.port());
        match port {
            _ if self.remote => "external",
            Some(443) => "external",
            Some(Ports::SIP | Ports::SIPS) => "internal",
            _ => "unknown",
        }
    }

    /// The connection that carried the registration, or else the last one.
    pub fn connection(&self) -> Option<&Connection> {
        self.connections.iter().rev().find(|connection| connection.messages > 0).or(self.connections.last())
    }

    /// Says of the proof what only the end shows: challenged again and nothing more, it was not accepted.
    fn settle(&mut self) {
        let challenged = self.challenges.iter().any(|&(_, answered)| answered);
        if self.registered.is_none() && challenged {
            let proofs = self.steps.iter_mut().filter(|step| step.kind == StepKind::Authenticate);
            proofs.for_each(|step| step.outcome = StepOutcome::Failed);
        }
    }

    fn step(&mut self, kind: StepKind, row: &Row, outcome: StepOutcome) -> &mut LoginStep {
        let index = self.steps.iter().rposition(|step| step.kind == kind).unwrap_or_else(|| {
            self.steps.push(LoginStep {
                kind,
                outcome,
                began: row.began,
                ended: row.at,
                evidence: Vec::new(),
                detail: Vec::new(),
            });
            self.steps.len() - 1
        });
        self.ended = self.ended.later(row.at);
        #[expect(clippy::indexing_slicing, reason = "the position was found or made just above")]
        let step = &mut self.steps[index];
        step.began = step.began.earlier(row.began);
        step.ended = step.ended.later(row.at);
        step.outcome = outcome;
        if step.evidence.len() < MOST_CITED {
            step.evidence.push(row.at);
        }
        step
    }
}

impl Connection {
    /// TLS came up and the client went away without a word, or said that it does not accept the certificate.
    pub fn was_refused_by_client(&self) -> bool {
        let alert = self
            .alerts
            .iter()
            .any(|(_, direction, alert)| *direction == Direction::Out && matches!(alert.description, 42..=49));
        let silent = self.secured.is_some() && self.messages == 0 && self.data == Some([0, 0]);
        alert || silent
    }
}

impl Rejection {
    /// Status, reason and what the servers say, in one line.
    pub fn describe(&self) -> String {
        let said = self.diagnostics.iter().map(|found| {
            let reason = found.reason.as_deref().unwrap_or("no text");
            let source = found.source.as_ref().map(|source| format!(", from {source}")).unwrap_or_default();
            format!("ms-diagnostics {}: {reason}{source}", found.id)
        });
        let said: Vec<_> = std::iter::once(format!("{} {}", self.status, self.reason)).chain(said).collect();
        said.join("; ")
    }
}

impl LoginStep {
    /// Sets what the step says under a name.
    fn say(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        match self.detail.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.detail.push((name, value)),
        }
    }
}

/// The attempts of a capture.
pub struct Logins {
    ports: Ports,
    all: Vec<Login>,
    numbered: u32,
    most: usize,
    /// The attempt of a client that takes up its next connection.
    current: Recent<IpAddr, usize>,
    by_flow: Recent<FlowKey, usize>,
    /// What a request on a connection asked, by Call-ID.
    asked: Recent<(FlowKey, String), StepKind>,
    dropped: u64,
}

impl Logins {
    /// No attempts; keeps `most`.
    pub fn new(ports: Ports, most: usize) -> Self {
        Self {
            ports,
            all: Vec::new(),
            numbered: 0,
            most,
            current: Recent::new(most),
            by_flow: Recent::new(most),
            asked: Recent::new(most),
            dropped: 0,
        }
    }

    /// How many attempts were not kept.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All attempts that deserve the name, by number.
    pub fn take(&mut self) -> Vec<Login> {
        for attempt in 0..self.all.len() {
            self.number(AttemptNo(attempt));
        }
        let mut logins = std::mem::take(&mut self.all);
        logins.retain(|login| login.id > 0);
        for login in &mut logins {
            login.settle();
        }
        logins.sort_by_key(|login| login.id);
        logins
    }

    /// The number of an attempt, given to it when it is first asked for. Look-ups alone make one only
    /// where discovery went through its names in vain.
    pub fn number(&mut self, attempt: AttemptNo) -> Option<u32> {
        let next = self.numbered + 1;
        let login = self.all.get_mut(attempt.0)?;
        if login.id == 0 && (!login.connections.is_empty() || login.found_nothing()) {
            login.id = next;
            self.numbered = next;
        }
        (login.id > 0).then_some(login.id)
    }

    /// Takes a row; says to which attempt and step it may belong.
    pub fn row(&mut self, row: &Row) -> Option<(AttemptNo, StepKind)> {
        let flow = row.flow?.key;
        let (index, kind) = match &row.message {
            Message::Dns(message) => self.dns(&flow, row, message)?,
            Message::Tcp(event) => self.tcp(&flow, row, *event)?,
            Message::Tls(event) => self.tls(&flow, row, event)?,
            Message::Sip(message) => self.sip(&flow, row, message)?,
            _ => return None,
        };
        Some((AttemptNo(index), kind))
    }

    /// The client's attempt that is under way, or a new one.
    fn current(&mut self, client: IpAddr, row: &Row) -> Option<usize> {
        let under_way = self.current.get_mut(&client).copied().filter(|&index| {
            self.all
                .get(index)
                .is_some_and(|login| login.registered.is_none() && row.began.time.since(login.ended.time) < NEW_ATTEMPT)
        });
        under_way.or_else(|| self.begin(client, row))
    }

    fn begin(&mut self, client: IpAddr, row: &Row) -> Option<usize> {
        if self.all.len() >= self.most {
            self.dropped += 1;
            return None;
        }
        self.all.push(Login::new(client, row.began));
        self.current.insert(client, self.all.len() - 1);
        Some(self.all.len() - 1)
    }

    fn dns(&mut self, flow: &FlowKey, row: &Row, message: &DnsMessage) -> Option<(usize, StepKind)> {
        let question = message.questions.first()?;
        let name = question.name.to_ascii_lowercase();
        let client = flow.ends(if message.is_response() { row.direction.reverse() } else { row.direction }).0.ip();
        let known = self.current.peek(&client).and_then(|&index| self.all.get(index));
        let is_target = known.is_some_and(|login| {
            login.registered.is_none() && login.names.iter().any(|asked| asked.targets.contains(&name))
        });
        if !(steps::is_discovery(&name) || is_target) {
            return None;
        }
        // A client that is signed in looks names up now and then: that alone is no new attempt.
        let signed_in = known.is_some_and(|login| login.registered.is_some() && !login.signed_out);
        let index = if signed_in { return None } else { self.current(client, row)? };
        let login = self.all.get_mut(index)?;
        let place = login.names.iter_mut().find(|asked| asked.name == name && asked.rtype == question.rtype);
        if !message.is_response() {
            if place.is_none() && login.names.len() < MOST_NAMES {
                let (rtype, at) = (question.rtype, row.at);
                login.names.push(AskedName { name, rtype, at, rcode: None, found: false, targets: Vec::new() });
            }
        } else if let Some(asked) = place {
            asked.rcode = Some(message.rcode);
            for record in &message.answers {
                match &record.data {
                    RecordData::A(_) | RecordData::Aaaa(_) => asked.found = true,
                    RecordData::Srv { target, .. } => {
                        asked.found = true;
                        asked.targets.push(target.to_ascii_lowercase());
                    }
                    _ => {}
                }
            }
        }
        let found = login.names.iter().any(|asked| asked.found);
        let outcome = if found { StepOutcome::Ok } else { StepOutcome::Failed };
        let summary = login.names.iter().find(|asked| asked.found).map(|asked| asked.name.clone());
        let step = login.step(StepKind::Discover, row, outcome);
        step.say("answered_by", summary.unwrap_or_default());
        Some((index, StepKind::Discover))
    }

    /// Whether a connection is one to a SIP server: its port says so, or the name that led to it.
    fn is_sip(&self, flow: &FlowKey, origin: Option<&Origin>) -> bool {
        let by_port = matches!(self.ports.kind(flow.server.port()), Some(DecodeAs::Sip | DecodeAs::SipTls));
        let by_name = match origin {
            Some(Origin::LookedUp { service, host, .. }) => {
                let name = service.as_deref().unwrap_or(host);
                is_watched(name) && (name.starts_with("_sip") || name.starts_with("sip")) && flow.server.port() == 443
            }
            _ => false,
        };
        flow.transport == TransportKind::Tcp && (by_port || by_name)
    }

    fn tcp(&mut self, flow: &FlowKey, row: &Row, event: TcpEvent) -> Option<(usize, StepKind)> {
        if let Some(&mut index) = self.by_flow.get_mut(flow) {
            let login = self.all.get_mut(index)?;
            login.ended = login.ended.later(row.at);
            return Some((index, StepKind::Connect));
        }
        if !self.is_sip(flow, row.origin.as_ref()) {
            return None;
        }
        let index = self.connect(flow, row)?;
        let login = self.all.get_mut(index)?;
        let open = matches!(event, TcpEvent::Open { .. });
        let outcome = match event {
            TcpEvent::Open { .. } => StepOutcome::Ok,
            TcpEvent::Unanswered { .. } => StepOutcome::Unanswered,
            _ => StepOutcome::Failed,
        };
        if let Some(connection) = login.connections.last_mut() {
            connection.open = open;
            connection.failed = (!open).then_some((row.at, event));
        }
        let server = flow.server.to_string();
        let step = login.step(StepKind::Connect, row, outcome);
        step.say("server", server);
        Some((index, StepKind::Connect))
    }

    /// Takes a connection up into the attempt that it continues, or a new one.
    fn connect(&mut self, flow: &FlowKey, row: &Row) -> Option<usize> {
        let client = flow.client.ip();
        // A connection of that client that is still in use is another user's, or another attempt's.
        let busy = self.current.peek(&client).and_then(|&index| self.all.get(index)).is_some_and(|login| {
            login
                .connections
                .last()
                .is_some_and(|last| last.messages > 0 && last.data.is_none() && login.redirect.is_none())
        });
        let index = if busy { self.begin(client, row)? } else { self.current(client, row)? };
        let host = match &row.origin {
            Some(Origin::LookedUp { host, .. }) => Some(host.clone()),
            _ => None,
        };
        self.by_flow.insert(*flow, index);
        let login = self.all.get_mut(index)?;
        if login.connections.len() >= MOST_CONNECTIONS {
            login.connections.remove(0);
        }
        login.connections.push(Connection {
            flow: *flow,
            at: row.began,
            host,
            failed: None,
            open: true,
            secured: None,
            certificate: None,
            alerts: Vec::new(),
            not_opened: None,
            data: None,
            messages: 0,
        });
        Some(index)
    }

    fn tls(&mut self, flow: &FlowKey, row: &Row, event: &TlsEvent) -> Option<(usize, StepKind)> {
        let index = *self.by_flow.get_mut(flow)?;
        let login = self.all.get_mut(index)?;
        let connection = login.connections.iter_mut().rev().find(|connection| connection.flow == *flow)?;
        let mut outcome = StepOutcome::Ok;
        match event {
            TlsEvent::Established { .. } => connection.secured = Some(row.at),
            TlsEvent::Certificate(chain) if row.direction == Direction::In => {
                connection.certificate = chain.first().cloned();
            }
            TlsEvent::Alert(Some(alert)) if !alert.is_close_notify() => {
                if connection.alerts.len() < MOST_ALERTS {
                    connection.alerts.push((row.at, row.direction, *alert));
                }
                outcome = StepOutcome::Failed;
            }
            TlsEvent::NotOpened(why) => connection.not_opened = Some(why.clone()),
            TlsEvent::Closed { data: [client, server] } => connection.data = Some([client.1, server.1]),
            _ => {}
        }
        if connection.was_refused_by_client() {
            outcome = StepOutcome::Failed;
        } else if matches!(event, TlsEvent::Closed { .. } | TlsEvent::Alert(_)) && outcome == StepOutcome::Ok {
            return Some((index, StepKind::Secure)); // the ordinary end, not part of the step
        }
        let step = login.step(StepKind::Secure, row, outcome);
        if let TlsEvent::Established { version, suite, .. } = event {
            step.say("parameters", format!("{version}, {suite}"));
        }
        Some((index, StepKind::Secure))
    }

    fn sip(&mut self, flow: &FlowKey, row: &Row, message: &SipMessage) -> Option<(usize, StepKind)> {
        let index = match self.by_flow.get_mut(flow) {
            Some(&mut index) => index,
            // Over UDP, or on a connection of which only this is known.
            None if message.method()? == "REGISTER" => self.connect(flow, row)?,
            None => return None,
        };
        let call_id: String = message.header(HeaderName::CallId)?.chars().take(LONGEST_CALL_ID).collect();
        let login = self.all.get_mut(index)?;
        login.ended = login.ended.later(row.at);
        if let Some(connection) = login.connections.iter_mut().rev().find(|connection| connection.flow == *flow) {
            connection.messages += 1;
        }
        if message.method()? == "REGISTER" {
            return Some((index, register(login, row, message)));
        }
        let asked = self.asked.get_mut(&(*flow, call_id.clone())).copied();
        let kind = match (message.is_request(), asked) {
            (true, _) => {
                let kind = steps::asked(message).or(asked)?;
                self.asked.insert((*flow, call_id), kind);
                kind
            }
            (false, asked) => asked?,
        };
        let outcome = steps::outcome(kind, message);
        let step = login.step(kind, row, outcome);
        if let Some(status) = message.status().filter(|&status| status >= 200) {
            step.say("status", status.to_string());
        }
        for (name, value) in steps::details(kind, message) {
            step.say(name, value);
        }
        let done = |kind| login.steps.iter().any(|step| step.kind == kind && step.outcome == StepOutcome::Ok);
        let needed = [StepKind::Provisioning, StepKind::OwnPresence];
        if login.ready.is_none() && login.registered.is_some() && needed.into_iter().all(done) {
            login.ready = Some(row.at);
        }
        Some((index, kind))
    }
}

/// A REGISTER or an answer to one.
fn register(login: &mut Login, row: &Row, message: &SipMessage) -> StepKind {
    if let Some(from) = message.header(HeaderName::From) {
        login.user.get_or_insert_with(|| address_uri(&from).trim_start_matches("sip:").to_owned());
    }
    let credentials = message.header(HeaderName::Authorization).or(message.header(HeaderName::ProxyAuthorization));
    let signs_out = message.header_named("Expires").is_some_and(|expires| expires.trim() == "0");
    login.remote |=
        message.header_named("ms-user-logon-data").is_some_and(|data| data.eq_ignore_ascii_case("RemoteUser"));
    let Some(status) = message.status() else {
        if let Some(auth) = credentials.as_deref().and_then(Auth::parse) {
            login.scheme = Some(auth.scheme.to_owned());
        }
        if signs_out && login.registered.is_some() {
            login.signed_out = true;
            login.step(StepKind::SignOut, row, StepOutcome::Ok);
            return StepKind::SignOut;
        }
        let kind = if credentials.is_some() { StepKind::Authenticate } else { StepKind::Challenge };
        let outcome = if login.registered.is_some() { StepOutcome::Ok } else { StepOutcome::Unanswered };
        login.step(kind, row, outcome);
        return kind;
    };
    match status {
        100..=199 => StepKind::Register,
        200..=299 => {
            if login.signed_out {
                return StepKind::SignOut;
            }
            login.registered.get_or_insert(row.at);
            login.rejection = None;
            for kind in [StepKind::Challenge, StepKind::Authenticate] {
                if let Some(step) = login.steps.iter_mut().find(|step| step.kind == kind) {
                    step.outcome = StepOutcome::Ok;
                }
            }
            let step = login.step(StepKind::Register, row, StepOutcome::Ok);
            if let Some(server) = message.header_named("Server") {
                step.say("server", server.into_owned());
            }
            if let Some(expires) = message.header_named("Expires") {
                step.say("expires_s", expires.into_owned());
            }
            StepKind::Register
        }
        301 | 302 => {
            let contact = message.header(HeaderName::Contact);
            let target = contact.as_deref().map(address_uri).unwrap_or_default().to_owned();
            login.step(StepKind::Register, row, StepOutcome::Info).say("redirected_to", target.clone());
            login.redirect = Some((row.at, target));
            StepKind::Register
        }
        401 | 407 => {
            let answered = login.steps.iter().any(|step| step.kind == StepKind::Authenticate);
            if login.challenges.len() < MOST_CITED {
                login.challenges.push((row.at, answered));
            }
            let kind = if answered { StepKind::Authenticate } else { StepKind::Challenge };
            login.step(kind, row, if answered { StepOutcome::Unanswered } else { StepOutcome::Ok });
            kind
        }
        _ => {
            let reason = match message.start {
                crate::model::sip::StartLine::Response { reason, .. } => message.text(reason).into_owned(),
                crate::model::sip::StartLine::Request { .. } => String::new(),
            };
            let diagnostics = steps::diagnostics(message);
            login.step(StepKind::Register, row, StepOutcome::Failed).say("status", status.to_string());
            if login.registered.is_none() {
                login.rejection = Some(Rejection { at: row.at, status, reason, diagnostics });
            }
            StepKind::Register
        }
    }
}
