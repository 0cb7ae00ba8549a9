//! Sign-in attempts: what a client went through from its first look-up to a working session.
//!
//! [`tracker`] gives each row to the attempt it belongs to. A [`Login`] holds facts, each with the row that
//! shows it; [`steps`] tells them as steps, [`waterfall`] as time. Nothing is guessed: what is not visible
//! has no step.

pub mod connection;
pub mod discovery;
pub mod exchange;
pub mod ladder;
pub mod steps;
pub mod tracker;
pub mod waterfall;
pub mod web;

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::tls::Certificate;
use crate::model::{At, FlowKey, Ports, Span};
use crate::story::row::{Mark, RowId};
use crate::story::steps::{StepKind, StepOutcome};
use connection::Connection;
use discovery::{AskedName, Discovery};
use exchange::Exchange;
use ladder::{Answer, Purpose, Refusal, Rung, Scheme};
use web::Web;

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

/// Who signs in, from what.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// `epid` of the `From` header.
    pub epid: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// User and domain, and workstation, of an NTLM token.
    pub account: Option<(String, String)>,
    /// The certificate with which TLS-DSK authenticates the user.
    pub certificate: Option<Box<(Mark, Certificate)>>,
    /// The alert with which the TLS inside TLS-DSK ended.
    pub certificate_alert: Option<(Mark, String)>,
}

/// The server told the client that its registration is over.
#[derive(Clone, Debug)]
pub struct Deregistration {
    /// The message.
    pub mark: Mark,
    /// `rejected`, `unregistered`, `deactivated` …
    pub event: String,
    /// What the server says about it.
    pub diagnostics: Vec<crate::wire::diagnostics::Diagnostics>,
}

/// What Kerberos said about a ticket for SIP.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The answer of the key distribution centre.
    pub mark: Mark,
    /// The principal asked for.
    pub service: String,
    /// The error, where there was one: number and name.
    pub error: Option<(i32, String)>,
}

/// What DHCP said to a phone.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The request or answer.
    pub mark: Mark,
    /// `DISCOVER`, `OFFER`, `ACK` …
    pub kind: String,
    /// Number of the exchange.
    pub transaction: u32,
    /// Vendor class of the client.
    pub vendor_class: Option<String>,
    /// Options 43 and 120 were asked for.
    pub asks: [bool; 2],
    /// Names in option 120.
    pub sip_servers: Vec<String>,
    /// URL of the certificate service from option 43.
    pub certificate_url: Option<String>,
}

impl Lease {
    /// Whether a phone or other device of Lync asks.
    pub fn is_phone(&self) -> bool {
        self.vendor_class.as_deref() == Some("MS-UC-Client")
    }
}

/// A signature that does not fit.
#[derive(Clone, Debug)]
pub struct BadSignature {
    /// The message.
    pub mark: Mark,
    /// What it is.
    pub what: String,
}

/// The same sign-in, captured at another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameAs {
    /// Its number.
    pub login: u32,
    /// The file or interface.
    pub input: Arc<str>,
}

/// A sign-in attempt.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its number, counted from 1; 0 while it may not be one.
    pub id: u32,
    /// Address of the user without `sip:`, once it is known.
    pub user: Option<String>,
    /// The client.
    pub client: IpAddr,
    /// First packet.
    pub began: At,
    /// Last packet.
    pub ended: At,
    /// Look-ups.
    pub discovery: Discovery,
    /// Connections to SIP servers, in order; the last ones where there are many.
    pub connections: Vec<Connection>,
    /// Connections to web services.
    pub web: Vec<Web>,
    /// REGISTERs.
    pub ladder: Vec<Rung>,
    /// Other requests.
    pub exchanges: Vec<Exchange>,
    /// Tickets asked for.
    pub tickets: Vec<Ticket>,
    /// What DHCP said.
    pub leases: Vec<Lease>,
    /// Who signs in, from what.
    pub endpoint: Endpoint,
    /// The server says that the user came through an Edge.
    pub remote: Option<Mark>,
    /// Facts of the 200 that registered.
    pub registration: Vec<exchange::Fact>,
    /// The server accepted the registration.
    pub registered: Option<Mark>,
    /// The registration was ended by the server.
    pub deregistered: Option<Deregistration>,
    /// The client signed out.
    pub signed_out: Option<Mark>,
    /// Signatures that do not fit, and how many were right.
    pub bad_signatures: Vec<BadSignature>,
    /// How many signatures were found right.
    pub good_signatures: u64,
    /// The client began another sign-in while this one seemed to stand.
    pub superseded: Option<Mark>,
    /// The client talks to a domain controller: it is a member of the domain, and reaches it.
    pub in_domain: Option<Mark>,
    /// Bytes on a connection after compression was agreed on that could not be read.
    pub compression_unread: Option<Mark>,
    /// The same sign-in as another place has it.
    pub same_as: Option<SameAs>,
    /// Rows that show its facts, in their order, and their numbers as they become known.
    rows: Vec<(RowId, u64)>,
    /// Where among them the row stands that gets its number next, unless another one does.
    next_row: usize,
    /// What bodies say is told.
    tells: bool,
    /// Bytes that the bound on all attempts counts for it.
    counted: usize,
    /// Raised when something happens by which a rule may judge otherwise.
    pub(crate) revision: u32,
}

/// Names by which a client goes to a server, and whether it takes itself to be inside then. `sip.` is for both.
const SIDES: [(&str, bool); 6] = [
    ("_sipinternaltls._tcp.", true),
    ("_sipinternal._tcp.", true),
    ("sipinternal.", true),
    ("_sip._tls.", false),
    ("_sip._tcp.", false),
    ("sipexternal.", false),
];
/// Most connections, REGISTERs and other requests of an attempt that are kept.
const MOST_CONNECTIONS: usize = 32;
const MOST_RUNGS: usize = 256;
const MOST_EXCHANGES: usize = 256;
/// Most requests of one step that are kept.
const MOST_OF_A_STEP: usize = 32;
/// Most tickets, leases and wrong signatures that are kept, each.
const MOST_OTHERS: usize = 32;
/// About what the texts of a request, and of a look-up's name and addresses, take.
const TEXTS: usize = 768;
const NAME: usize = 192;
/// Most rows whose numbers are remembered; twice as many of those by which rules may judge.
const MOST_ROWS: usize = 4096;

/// Appends to a list of which most have one element: a `Vec` makes room for four at once.
fn push_first<T>(list: &mut Vec<T>, value: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(value);
}

impl Login {
    fn new(client: IpAddr, at: At) -> Self {
        Self {
            id: 0,
            user: None,
            client,
            began: at,
            ended: at,
            discovery: Discovery::default(),
            connections: Vec::new(),
            web: Vec::new(),
            ladder: Vec::new(),
            exchanges: Vec::new(),
            tickets: Vec::new(),
            leases: Vec::new(),
            endpoint: Endpoint::default(),
            remote: None,
            registration: Vec::new(),
            registered: None,
            deregistered: None,
            signed_out: None,
            bad_signatures: Vec::new(),
            good_signatures: 0,
            superseded: None,
            in_domain: None,
            compression_unread: None,
            same_as: None,
            rows: Vec::new(),
            next_row: 0,
            tells: true,
            counted: 0,
            revision: 0,
        }
    }

    /// How it ended.
    pub fn outcome(&self) -> LoginOutcome {
        if self.registered.is_some() {
            return LoginOutcome::SignedIn;
        }
        let last = self.connections.last();
        let connection_failed = last.is_some_and(|connection| {
            connection.was_refused_by_client()
                || connection.found_nothing_common().is_some()
                || connection.failed.is_some() && !connection.has_messages()
                || connection.ended.is_some() && connection.open.is_some() && self.is_readable() && !self.goes_on()
                    // Who never asked to be registered was not refused.
                    && (!self.ladder.is_empty() || !connection.has_messages())
        });
        let failed = self.rejection().is_some()
            || self.is_challenged_in_vain()
            || connection_failed
            || self.connections.is_empty() && self.found_no_way();
        if failed { LoginOutcome::Failed } else { LoginOutcome::Incomplete }
    }

    /// Whether it failed.
    pub fn is_failed(&self) -> bool {
        self.outcome() == LoginOutcome::Failed
    }

    /// Whether something was said that only an endpoint says that is registered, or bytes are missing.
    fn goes_on(&self) -> bool {
        let asked = self.exchanges.iter().any(|exchange| exchange.kind.is_some_and(|kind| kind > StepKind::Register));
        let lost = self.connections.iter().any(|connection| connection.lost_bytes > 0);
        asked || lost || self.signed_out.is_some()
    }

    /// Whether what was said on its connections can be read: SIP was, or nothing was said at all.
    pub fn is_readable(&self) -> bool {
        self.connections.iter().any(Connection::has_messages)
            || self.connections.iter().all(|connection| connection.tls().not_opened.is_none())
    }

    /// Whether the look-ups led nowhere: no name, no address behind a name, a web service that knows no server, or
    /// names to the end of the list.
    pub fn found_no_way(&self) -> bool {
        let names = &self.discovery.names;
        let has_address = names.iter().any(|asked| !asked.addresses.is_empty());
        let without_address = !names.is_empty() && !has_address && self.asked_enough();
        self.discovery.found_nothing() || without_address || self.web_leads_nowhere() || self.discovery.is_exhausted()
    }

    /// Whether autodiscover was asked and names no server: it fails, or its last word is to go elsewhere.
    fn web_leads_nowhere(&self) -> bool {
        let of_discovery = |web: &&Web| web.purpose == web::Purpose::Autodiscover;
        let calls: Vec<_> = self.web.iter().filter(of_discovery).flat_map(|web| &web.calls).collect();
        let led = calls.iter().any(|call| call.fact("sip_server").is_some());
        let failed = self.web.iter().filter(of_discovery).any(|web| web.failure().is_some());
        let sent_on =
            calls.iter().max_by_key(|call| call.request.at.packet).is_some_and(|call| call.redirect.is_some());
        !led && (failed || sent_on)
    }

    /// Whether the client went on to another name after one that led nowhere, or asked for the target of a record.
    fn asked_enough(&self) -> bool {
        let failed = self.discovery.names.iter().filter(|asked| !asked.found && asked.answered.is_some()).count();
        let unanswered = self.discovery.names.iter().filter(|asked| asked.answered.is_none() && asked.queries > 1);
        failed + unanswered.count() >= 2
            || self.discovery.names.iter().any(|asked| self.discovery.is_target(&asked.name))
    }

    /// The final refusal that stands at the end of the REGISTERs, where no registration followed.
    pub fn rejection(&self) -> Option<&Answer> {
        let last = self.ladder.iter().rev().find(|rung| rung.purpose == Purpose::SignIn && rung.answer.is_some())?;
        last.answer.as_ref().filter(|_| self.registered.is_none() && last.is_rejected())
    }

    /// The refusal of a refresh that stands at the end: nothing but challenges follows.
    pub fn refresh_rejection(&self) -> Option<&Answer> {
        let is_final =
            |rung: &&Rung| rung.purpose == Purpose::Refresh && rung.answer.is_some() && !rung.is_challenged();
        let last = self.ladder.iter().rev().find(is_final)?;
        last.answer.as_ref().filter(|_| last.is_rejected())
    }

    /// The refusal that stands: of the sign-in, or of a refresh where it had come to a registration.
    pub fn refusal(&self) -> Option<Refusal<'_>> {
        let of = |of| move |answer| Refusal { of, answer };
        let signing_in = self.rejection().map(of(Purpose::SignIn));
        signing_in.or_else(|| self.refresh_rejection().map(of(Purpose::Refresh)))
    }

    /// A redirect that no registration followed, or the last one that did.
    pub fn redirect(&self) -> Option<(Mark, &str)> {
        self.ladder.iter().rev().find_map(|rung| {
            let answer = rung.answer.as_ref()?;
            Some((answer.mark, answer.contact.as_deref()?))
        })
    }

    /// Whether the last REGISTER proved something and the server began anew, and nothing followed.
    pub fn is_challenged_in_vain(&self) -> bool {
        let mut rungs = self.ladder.iter().rev().filter(|rung| rung.purpose == Purpose::SignIn);
        let Some(last) = rungs.next().filter(|last| self.registered.is_none() && last.is_challenged_anew()) else {
            return false;
        };
        // Keys of a handshake of before its time: the server does not know them any more, and asks for another one.
        !last.is_of_association() || rungs.any(|rung| rung.step() == StepKind::Authenticate)
    }

    /// Whether the last refresh proved something anew and the server began anew, and nothing followed. What is signed by
    /// keys of before only says that their time is over.
    pub fn is_refresh_challenged_in_vain(&self) -> bool {
        let last = self.ladder.iter().rev().find(|rung| rung.purpose == Purpose::Refresh);
        last.is_some_and(|last| last.is_challenged_anew() && !last.is_of_association())
    }

    /// Whether the server does not accept the proof: it asks for another one, or refuses for good because of it.
    pub fn is_proof_refused(&self) -> bool {
        self.is_challenged_in_vain() || self.rejection().is_some_and(Answer::refuses_credentials)
    }

    /// The scheme that the client chose last.
    pub fn scheme(&self) -> Option<&str> {
        let chosen = |rung: &&Rung| rung.purpose != Purpose::SignOut;
        let credentials = self.ladder.iter().rev().filter(chosen).find_map(|rung| rung.credentials.as_ref());
        credentials.map(|scheme| scheme.name.as_str())
    }

    /// Every scheme that the server offered.
    pub fn offered(&self) -> impl Iterator<Item = &Scheme> {
        self.ladder.iter().filter_map(|rung| rung.answer.as_ref()).flat_map(|answer| &answer.offered)
    }

    /// The SIP domain: of the user, or else what discovery was for.
    pub fn domain(&self) -> Option<&str> {
        let of_user = self.user.as_deref().and_then(|user| user.rsplit_once('@')).map(|(_, domain)| domain);
        of_user.or_else(|| self.discovery.domain())
    }

    /// The connection that carried the registration, or else the last one with SIP, or the last one.
    pub fn connection(&self) -> Option<&Connection> {
        let registered =
            self.ladder.iter().find(|rung| rung.answer.as_ref().map(|answer| answer.mark) == self.registered);
        let of_flow = |flow: FlowKey| self.connections.iter().find(|connection| connection.flow == flow);
        let by_ladder = registered.filter(|_| self.registered.is_some()).and_then(|rung| of_flow(rung.flow));
        let by_messages = || self.connections.iter().rev().find(|connection| connection.has_messages());
        by_ladder.or_else(by_messages).or(self.connections.last())
    }

    /// Where the client takes itself to be, `internal`, `external` or `unknown`, and what says so.
    pub fn location(&self) -> (&'static str, String) {
        if self.remote.is_some() {
            return ("external", "the server says ms-user-logon-data: RemoteUser".to_owned());
        }
        let access = self.web.iter().flat_map(|web| &web.calls).find_map(|call| call.fact("access_location"));
        match access {
            Some(access) if access.eq_ignore_ascii_case("internal") => {
                return ("internal", "autodiscover says AccessLocation Internal".to_owned());
            }
            Some(access) if access.eq_ignore_ascii_case("external") => {
                return ("external", "autodiscover says AccessLocation External".to_owned());
            }
            _ => {}
        }
        let Some(connection) = self.connections.iter().rev().find(|connection| connection.failed.is_none()) else {
            return ("unknown", String::new());
        };
        // What the name is for tells more than the port: phones try every name on 5061 and on 443.
        let name = connection.service().or_else(|| connection.host()).unwrap_or_default();
        let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
        if let Some((prefix, inside)) = SIDES.into_iter().find(|(prefix, _)| begins(prefix)) {
            let (place, side) = if inside { ("internal", "inside") } else { ("external", "outside") };
            return (place, format!("{} is for clients {side}", prefix.trim_end_matches('.')));
        }
        match connection.flow.server.port() {
            443 => ("external", "SIP on port 443, as an Edge has it".to_owned()),
            port @ (Ports::SIP | Ports::SIPS) => ("internal", format!("port {port}, as a pool has it")),
            _ => ("unknown", String::new()),
        }
    }

    /// When the client had its settings and its own presence, and had published itself where it did so:
    /// the sign-in is complete.
    pub fn ready(&self) -> Option<Mark> {
        self.registered?;
        let done = |kind: StepKind| {
            let mut of = self.exchanges.iter().filter(|exchange| exchange.kind == Some(kind));
            of.find(|exchange| exchange.outcome == StepOutcome::Ok).map(Exchange::mark)
        };
        let (settings, presence) = (done(StepKind::Provisioning)?, done(StepKind::OwnPresence)?);
        let publishes = self.exchanges.iter().any(|exchange| exchange.kind == Some(StepKind::PublishState));
        let own_state = if publishes { done(StepKind::PublishState)? } else { presence };
        [settings, presence, own_state].into_iter().max_by_key(|mark| mark.at.packet)
    }

    /// Exchanges of a step.
    pub fn of_step(&self, kind: StepKind) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.kind == Some(kind))
    }

    /// Capture time since it began.
    pub fn after(&self, mark: Mark) -> Span {
        mark.at.time.since(self.began.time)
    }

    /// The number of a row that shows one of its facts; `None` while the row has none.
    pub fn row_number(&self, mark: Mark) -> Option<u64> {
        let place = self.place_of(mark.row).ok()?;
        self.rows.get(place).map(|&(_, number)| number).filter(|&number| number > 0)
    }

    /// Whether it deserves the name: it connected to a SIP server, or discovery was a Lync client's.
    pub fn is_one(&self) -> bool {
        let phone = self.leases.iter().any(Lease::is_phone);
        !self.connections.is_empty() || self.discovery.found_nothing() || self.discovery.is_of_lync() || phone
    }

    /// Raised when something happens by which a rule may judge otherwise.
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// A row may be cited: its number is remembered once it has one.
    fn cite(&mut self, row: RowId, notable: bool) {
        let most = if notable { 2 * MOST_ROWS } else { MOST_ROWS };
        if let Err(place) = self.place_of(row)
            && self.rows.len() < most
        {
            self.rows.insert(place, (row, 0));
        }
    }

    /// Where a row stands among those that may be cited, or would stand. Nearly all come in their order.
    fn place_of(&self, row: RowId) -> Result<usize, usize> {
        if self.rows.last().is_none_or(|&(last, _)| last < row) {
            return Err(self.rows.len());
        }
        self.rows.binary_search_by_key(&row, |&(known, _)| known)
    }

    /// A row got its number. Nearly all leave in the order in which they came.
    fn numbered(&mut self, row: RowId, number: u64) {
        let is_next = self.rows.get(self.next_row).is_some_and(|&(next, _)| next == row);
        let place = if is_next { Ok(self.next_row) } else { self.place_of(row) };
        if let Ok(place) = place
            && let Some((_, known)) = self.rows.get_mut(place)
        {
            (*known, self.next_row) = (number, place + 1);
        }
    }

    /// About how many bytes of memory it takes.
    fn weight(&self) -> usize {
        let webs =
            self.web.iter().map(|web| web.calls.len() * (size_of::<web::WebCall>() + TEXTS) + web.connection.weight());
        size_of::<Self>()
            + self.connections.capacity() * size_of::<Connection>()
            + self.connections.iter().map(Connection::weight).sum::<usize>()
            + self.web.capacity() * size_of::<Web>()
            + webs.sum::<usize>()
            + self.ladder.capacity() * size_of::<Rung>()
            + self.ladder.len() * TEXTS
            + self.exchanges.capacity() * size_of::<Exchange>()
            + self.exchanges.len() * TEXTS
            + self.discovery.names.capacity() * (size_of::<AskedName>() + NAME)
            + (self.tickets.len() + self.leases.len() + self.bad_signatures.len()) * TEXTS
            + self.rows.capacity() * size_of::<(RowId, u64)>()
    }

    fn connection_mut(&mut self, flow: &FlowKey) -> Option<&mut Connection> {
        self.connections.iter_mut().rev().find(|connection| connection.flow == *flow)
    }

    fn web_mut(&mut self, flow: &FlowKey) -> Option<&mut Web> {
        self.web.iter_mut().rev().find(|web| web.connection.flow == *flow)
    }
}
