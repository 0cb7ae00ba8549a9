//! Which attempt each row belongs to.
//!
//! In: rows, as they are told. Out: for each row its attempt and step, and attempts as they close. An
//! attempt belongs to one user at one endpoint of one client address. It begins with the look-ups of
//! discovery, a connection to a SIP server or a REGISTER, and takes up every connection that the client
//! opens until one of them is registered. Where a REGISTER shows that a connection is another user's or
//! endpoint's, the connection goes into an attempt of its own.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::dhcp::{DhcpMessage, SIP_SERVERS, VENDOR_SPECIFIC};
use crate::model::dns::DnsMessage;
use crate::model::kerberos::KerberosMessage;
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::tls::TlsEvent;
use crate::model::watch::is_watched;
use crate::model::{
    At, DecodeAs, Defect, Direction, FlowKey, Limits, Message, PointNo, Ports, Recent, Span, TcpEvent, Timestamp,
    TransportKind,
};
use crate::story::Asked;
use crate::story::authentication::Token;
use crate::story::authentication::signature::{Signature, Verdict};
use crate::story::login::connection::Connection;
use crate::story::login::exchange::{Exchange, MOST_NOTIFICATIONS};
use crate::story::login::ladder::{self, Purpose, Rung};
use crate::story::login::web::{self, Web};
use crate::story::login::{
    BadSignature, Deregistration, Lease, Login, MOST_CONNECTIONS, MOST_EXCHANGES, MOST_OF_A_STEP, MOST_OTHERS,
    MOST_RUNGS, SameAs, Ticket, push_first,
};
use crate::story::names::Origin;
use crate::story::row::{Mark, Row, RowId};
use crate::story::steps::{self, StepKind};
use crate::wire::ntlm::Body;
use crate::wire::sip::{address_uri, parameter};

/// Which of the attempts that were begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptNo(u64);

/// Silence after which a client's look-ups begin another attempt, and an attempt without a connection closes.
const NEW_ATTEMPT: Span = Span::from_secs(60);
/// Silence after which an attempt closes whose connection is still there: registrations are refreshed
/// every two hours at least ([MS-SIPREGE] §3.1.1.4).
const LONGEST_SILENCE: Span = Span::from_secs(4 * 3600);
/// A closed connection that carries data for so long is another attempt's or user's.
const BUSY: Span = Span::from_secs(5);
/// `KRB_AP_ERR_SKEW` (RFC 4120 §7.5.9).
const SKEW: i32 = 37;
/// Connections that are of no attempt are remembered in this part of what is: each takes half a kilobyte and more.
const PART: usize = 4;
/// Most hosts that wait to be watched.
const MOST_HOSTS: usize = 256;

/// The attempts of a capture.
pub struct Logins {
    ports: Ports,
    open: HashMap<AttemptNo, Box<Login>, foldhash::fast::RandomState>,
    /// Bytes of the open attempts, and most of them.
    held: usize,
    most: usize,
    begun: u64,
    numbered: u32,
    /// The attempt of a client that takes up its next connection.
    current: Recent<(PointNo, IpAddr), AttemptNo>,
    by_flow: Recent<FlowKey, AttemptNo>,
    /// Connections that are of no attempt so far.
    drafts: Recent<FlowKey, Box<Connection>>,
    /// Numbers of attempts that are closed, for rows that leave later.
    numbers: Recent<AttemptNo, u32>,
    /// When to look whether an attempt is over.
    due: BinaryHeap<Reverse<(Timestamp, AttemptNo)>>,
    closed: VecDeque<Box<Login>>,
    /// Bytes of those.
    closed_held: usize,
    /// Clients that talked to a domain controller.
    domain_members: Recent<(PointNo, IpAddr), Mark>,
    /// What DHCP said to clients whose address is not known so far, by hardware address.
    leases: Recent<String, Vec<Lease>>,
    /// Rows that were given to an attempt after they had been told.
    late: Recent<RowId, AttemptNo>,
    /// Hosts that a sign-in was told to go to, for the reader to watch.
    hosts: Vec<Arc<str>>,
    dropped: u64,
    /// What the bodies of sign-ins say is told.
    tells: bool,
}

impl Logins {
    /// No attempts.
    pub fn new(ports: Ports, limits: &Limits) -> Self {
        let some = limits.remembered;
        Self {
            ports,
            open: HashMap::default(),
            held: 0,
            most: limits.login_bytes,
            begun: 0,
            numbered: 0,
            current: Recent::new(some),
            by_flow: Recent::new(some),
            drafts: Recent::new(some / PART),
            numbers: Recent::new(some),
            due: BinaryHeap::new(),
            closed: VecDeque::new(),
            closed_held: 0,
            domain_members: Recent::new(some / 2),
            leases: Recent::new(some / (PART * MOST_OTHERS)),
            late: Recent::new(some / 2),
            hosts: Vec::new(),
            dropped: 0,
            tells: true,
        }
    }

    /// What is asked of SIP messages.
    pub const fn set_asked(&mut self, asked: Asked) {
        self.tells = asked.told;
    }

    /// How many attempts were closed early or forgotten, for the bound.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes a row; says to which attempt and step it belongs, as far as that is known.
    pub fn row(&mut self, row: &Row) -> Option<(AttemptNo, StepKind)> {
        let flow = row.flow?.key;
        let place = match &row.message {
            Message::Dns(message) => self.dns(&flow, row, message),
            Message::Sip(message) => self.sip(&flow, row, message),
            Message::Tcp(_) | Message::Tls(_) | Message::Http(_) | Message::Log(_) | Message::Lost(_) => {
                self.connection(&flow, row)
            }
            Message::Kerberos(message) => self.kerberos(&flow, row, message),
            Message::Dhcp(message) => self.dhcp(&flow, row, message),
            Message::Defect(defect) => self.defect(&flow, row, defect),
            _ => None,
        };
        let (attempt, kind) = place?;
        self.touch(attempt, row);
        Some((attempt, kind))
    }

    /// The attempt and step of a row whose connection was taken up only later.
    pub fn place(&self, row: &Row) -> Option<(AttemptNo, StepKind)> {
        let late = || Some((*self.late.peek(&row.id)?, StepKind::Discover));
        row.attempt.or_else(late).or_else(|| {
            let flow = row.flow?.key;
            let attempt = *self.by_flow.peek(&flow)?;
            Some((attempt, self.step_of(attempt, &flow, row)?))
        })
    }

    fn step_of(&self, attempt: AttemptNo, flow: &FlowKey, row: &Row) -> Option<StepKind> {
        let login = self.open.get(&attempt);
        if let Some(web) = login.and_then(|login| login.web.iter().find(|web| web.connection.flow == *flow)) {
            return web.purpose.step();
        }
        match &row.message {
            Message::Tcp(_) | Message::Log(_) => Some(StepKind::Connect),
            Message::Tls(_) => Some(StepKind::Secure),
            _ => None,
        }
    }

    /// The number of an attempt, given to it when it is first asked for and it is one.
    fn number(&mut self, attempt: AttemptNo) -> Option<u32> {
        let Some(login) = self.open.get_mut(&attempt) else { return self.numbers.peek(&attempt).copied() };
        number_of(login, &mut self.numbered)
    }

    /// An attempt is the same as another one, which was seen in `input`; what is known of that stays.
    pub fn same(&mut self, attempt: AttemptNo, other: AttemptNo, input: &Arc<str>) {
        if attempt == other || self.open.get(&attempt).is_none_or(|login| login.same_as.is_some()) {
            return;
        }
        let Some(number) = self.number(other) else { return };
        if let Some(login) = self.open.get_mut(&attempt) {
            login.same_as = Some(SameAs { login: number, input: input.clone() });
        }
    }

    /// A row of an attempt got its number. Returns that of the attempt, and the attempt if it is not closed.
    pub fn numbered(&mut self, attempt: AttemptNo, row: RowId, number: u64) -> (Option<u32>, Option<&Login>) {
        let Some(login) = self.open.get_mut(&attempt) else { return (self.numbers.peek(&attempt).copied(), None) };
        login.numbered(row, number);
        (number_of(login, &mut self.numbered), Some(login))
    }

    /// An attempt that is not closed.
    pub fn login(&self, attempt: AttemptNo) -> Option<&Login> {
        self.open.get(&attempt).map(|login| &**login)
    }

    /// Hosts that sign-ins were told to go to since the last call.
    pub fn take_hosts(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.hosts)
    }

    /// The next attempt that is over.
    pub fn next_closed(&mut self) -> Option<Login> {
        let login = self.closed.pop_front()?;
        self.closed_held -= login.counted;
        Some(*login)
    }

    /// Lets capture time pass: attempts that are over close.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(&Reverse((time, attempt))) = self.due.peek() {
            if time > now {
                break;
            }
            self.due.pop();
            let Some(login) = self.open.get(&attempt) else { continue };
            let due = deadline(login);
            if due <= now { self.close(attempt) } else { self.due.push(Reverse((due, attempt))) }
        }
    }

    /// Nothing follows: all attempts close, in the order in which they began.
    pub fn finish(&mut self) {
        let mut left: Vec<AttemptNo> = self.open.keys().copied().collect();
        left.sort_unstable();
        for attempt in left {
            self.close(attempt);
        }
    }

    fn close(&mut self, attempt: AttemptNo) {
        let number = self.number(attempt);
        let Some(login) = self.open.remove(&attempt) else { return };
        self.held -= login.counted;
        if let Some(number) = number {
            self.numbers.insert(attempt, number);
            self.closed_held += login.counted;
            self.closed.push_back(login);
            // Whoever does not ask for them must not hold them all.
            if self.closed_held > self.most && self.closed.len() > 1 {
                self.next_closed();
                self.dropped += 1;
            }
        }
    }

    fn touch(&mut self, attempt: AttemptNo, row: &Row) {
        if let Some(login) = self.open.get_mut(&attempt) {
            login.ended = login.ended.later(row.at);
            let notable = is_notable(row);
            login.cite(row.id, notable);
            login.revision = login.revision.saturating_add(u32::from(notable));
            let weight = login.weight();
            self.held = self.held + weight - login.counted;
            login.counted = weight;
        }
        while self.held > self.most && self.close_quietest(attempt) {}
    }

    /// The client's attempt that is under way, or a new one.
    fn current(&mut self, flow: &FlowKey, client: IpAddr, row: &Row) -> AttemptNo {
        let under_way = self.current.get_mut(&(flow.point, client)).copied().filter(|attempt| {
            self.open
                .get(attempt)
                .is_some_and(|login| !has_signed_in(login) && row.began.time.since(login.ended.time) < NEW_ATTEMPT)
        });
        under_way.unwrap_or_else(|| self.begin(flow, client, row.began))
    }

    /// Makes room: closes an attempt other than `busy` that has been silent for long, as the deadlines show without a
    /// look at all of them. `false` where there is none.
    fn close_quietest(&mut self, busy: AttemptNo) -> bool {
        let mut of_busy = None;
        let mut found = None;
        for tries_left in (0..MOST_RENEWED).rev() {
            let Some(Reverse((time, attempt))) = self.due.pop() else { break };
            let Some(login) = self.open.get(&attempt) else { continue };
            if attempt == busy {
                of_busy = Some(Reverse((time, attempt)));
                continue;
            }
            let due = deadline(login);
            if due <= time || tries_left == 0 {
                found = Some(attempt);
                break;
            }
            self.due.push(Reverse((due, attempt)));
        }
        self.due.extend(of_busy);
        if let Some(attempt) = found {
            self.dropped += 1;
            self.close(attempt);
        }
        found.is_some()
    }

    fn begin(&mut self, flow: &FlowKey, client: IpAddr, at: At) -> AttemptNo {
        self.begun += 1;
        let attempt = AttemptNo(self.begun);
        let before = self.current.peek(&(flow.point, client)).copied();
        if let Some(before) = before.and_then(|before| self.open.get_mut(&before)) {
            before.superseded.get_or_insert(at.into());
        }
        let in_domain = self.domain_members.peek(&(flow.point, client)).copied();
        let login = Box::new(Login { in_domain, tells: self.tells, ..Login::new(client, at) });
        self.due.push(Reverse((deadline(&login), attempt)));
        self.open.insert(attempt, login);
        self.current.insert((flow.point, client), attempt);
        attempt
    }

    fn dns(&mut self, flow: &FlowKey, row: &Row, message: &DnsMessage) -> Option<(AttemptNo, StepKind)> {
        let question = message.questions.first()?;
        let name = question.name.to_ascii_lowercase();
        let client = flow.ends(if message.is_response() { row.direction.reverse() } else { row.direction }).0.ip();
        let known =
            self.current.peek(&(flow.point, client)).and_then(|attempt| Some((*attempt, self.open.get(attempt)?)));
        let concerns = known.is_some_and(|(_, login)| {
            let named = login.offered().any(|scheme| host_of(&scheme.sts_uri) == Some(name.as_str()));
            let redirected = login.redirect().is_some_and(|(_, to)| host_of_sip(to) == name);
            (login.registered.is_none() && login.discovery.is_target(&name))
                || named
                || redirected
                || login.expects(&name)
        });
        if !(steps::is_discovery(&name) || concerns) {
            return None;
        }
        // A client that is signed in looks names up now and then: that alone is no new attempt.
        if let Some((_, login)) = known
            && login.registered.is_some()
            && login.connections.iter().any(Connection::is_in_use)
            && row.began.time.since(login.ended.time) < LONGEST_SILENCE
        {
            return None;
        }
        let attempt = self.current(flow, client, row);
        self.open.get_mut(&attempt)?.discovery.note(flow, row, message);
        Some((attempt, StepKind::Discover))
    }

    /// A row about a connection as such: TCP, TLS, HTTP, or bytes that are missing.
    fn connection(&mut self, flow: &FlowKey, row: &Row) -> Option<(AttemptNo, StepKind)> {
        if flow.transport != TransportKind::Tcp {
            return None;
        }
        let known = self.by_flow.get_mut(flow).copied();
        if let Some(attempt) = known {
            // Where a capture shows the connection, it knows better than a log.
            let shown = matches!(row.message, Message::Log(_)) && !flow.is_of_log();
            if !shown {
                self.note(attempt, flow, row);
            }
        } else {
            let begins = match &row.message {
                Message::Tcp(_) => true,
                Message::Log(event) => event.tcp().is_some(),
                _ => false,
            };
            if begins && self.is_sip(flow, row.origin.as_ref()) {
                let attempt = self.take_up(flow, row)?;
                self.note(attempt, flow, row);
            } else {
                self.draft(flow, row);
                self.take_up_web(flow, row)?;
            }
        }
        let attempt = *self.by_flow.peek(flow)?;
        if let Message::Tls(event) = &row.message {
            self.watch_revocation(event);
        }
        Some((attempt, self.step_of(attempt, flow, row)?))
    }

    fn draft(&mut self, flow: &FlowKey, row: &Row) {
        if self.drafts.peek(flow).is_none() {
            self.drafts.insert(*flow, Box::new(Connection::new(*flow, row)));
        }
        if let Some(draft) = self.drafts.get_mut(flow) {
            draft.note(row);
        }
    }

    /// Gives a row to the connection that it is of.
    fn note(&mut self, attempt: AttemptNo, flow: &FlowKey, row: &Row) {
        let redirect = self.open.get_mut(&attempt).and_then(|login| login.note(flow, row));
        if let Some(host) = redirect.filter(|_| self.hosts.len() < MOST_HOSTS) {
            self.hosts.push(host.into());
        }
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
        by_port || by_name
    }

    /// Takes a connection up into the attempt that it continues, or a new one.
    fn take_up(&mut self, flow: &FlowKey, row: &Row) -> Option<AttemptNo> {
        let client = flow.client.ip();
        let under_way = self.current(flow, client, row);
        let busy = self.open.get(&under_way).is_some_and(|login| is_busy(login, row));
        let attempt = if busy { self.begin(flow, client, row.began) } else { under_way };
        let draft = self.drafts.remove(flow).map_or_else(|| Connection::new(*flow, row), |draft| *draft);
        self.by_flow.insert(*flow, attempt);
        let login = self.open.get_mut(&attempt)?;
        if login.connections.len() >= MOST_CONNECTIONS {
            login.connections.remove(0);
        }
        login.began = login.began.earlier(draft.began.at);
        push_first(&mut login.connections, draft);
        Some(attempt)
    }

    /// Takes a connection to a web service up, where it belongs to what the client is doing.
    fn take_up_web(&mut self, flow: &FlowKey, row: &Row) -> Option<AttemptNo> {
        let draft = self.drafts.peek(flow)?;
        let attempt = *self.current.peek(&(flow.point, flow.client.ip()))?;
        let login = self.open.get_mut(&attempt)?;
        let by_url = match &row.message {
            Message::Http(message) => message.url().and_then(|url| web::Purpose::of_path(&url)),
            _ => None,
        };
        let purpose = by_url.or_else(|| login.web_purpose(draft.host()?))?;
        // What a client fetches once it is signed in is no part of signing in.
        let late = login.registered.is_some() || login.ended.time < draft.began.at.time && is_stale(login, row);
        let purpose = if late { web::Purpose::Service } else { purpose };
        if late && login.registered.is_none() || login.web.len() >= MOST_CONNECTIONS {
            return None;
        }
        let draft = *self.drafts.remove(flow)?;
        login.began = login.began.earlier(draft.began.at);
        push_first(&mut login.web, Web::new(purpose, draft));
        if let (Message::Http(message), Some(web)) = (&row.message, login.web_mut(flow)) {
            web.http(row, message);
        }
        self.by_flow.insert(*flow, attempt);
        Some(attempt)
    }

    /// The hosts where the client may ask whether the server's certificate was revoked.
    fn watch_revocation(&mut self, event: &TlsEvent) {
        let TlsEvent::Certificate(chain) = event else { return };
        let urls = chain.iter().flat_map(|certificate| &certificate.revocation);
        let hosts = urls.filter_map(|url| host_of(url)).map(Arc::from);
        let room = MOST_HOSTS.saturating_sub(self.hosts.len());
        self.hosts.extend(hosts.take(room));
    }

    /// A ticket for SIP that the client asks for while it signs in.
    fn kerberos(&mut self, flow: &FlowKey, row: &Row, message: &KerberosMessage) -> Option<(AttemptNo, StepKind)> {
        self.domain_members.insert((flow.point, flow.client.ip()), row.mark());
        let attempt = *self.current.peek(&(flow.point, flow.client.ip()))?;
        let login = self.open.get_mut(&attempt).filter(|login| login.registered.is_none())?;
        let service = message.service.clone().unwrap_or_default();
        let for_sip = service.get(..4).is_some_and(|class| class.eq_ignore_ascii_case("sip/"));
        let skew = message.error.is_some_and(|error| error.0 == SKEW);
        if !(for_sip || skew) || login.tickets.len() >= MOST_OTHERS {
            return None;
        }
        if !message.kind.is_request() {
            let error = message.error.map(|error| (error.0, error.name().into_owned()));
            login.tickets.push(Ticket { mark: row.mark(), service, error });
        }
        Some((attempt, StepKind::Authenticate))
    }

    /// What a phone asks DHCP, and what it is told. Requests are of a hardware address; the answer tells whose
    /// sign-in they belong to.
    fn dhcp(&mut self, flow: &FlowKey, row: &Row, message: &DhcpMessage) -> Option<(AttemptNo, StepKind)> {
        let lease = Lease {
            mark: row.mark(),
            kind: message.name().trim_start_matches("DHCP").to_owned(),
            transaction: message.xid,
            vendor_class: message.vendor_class.clone(),
            asks: [VENDOR_SPECIFIC, SIP_SERVERS].map(|code| message.requested.contains(&code)),
            sip_servers: message.sip_servers.clone(),
            certificate_url: message.certificate_url(),
        };
        if self.leases.peek(&message.client_mac).is_none() {
            self.leases.insert(message.client_mac.clone(), Vec::new());
        }
        let leases = self.leases.get_mut(&message.client_mac)?;
        if leases.len() < MOST_OTHERS {
            leases.push(lease);
        }
        let address = message.your_address.filter(|address| !address.is_unspecified() && !message.is_request)?;
        if !leases.iter().any(Lease::is_phone) {
            return None;
        }
        let leases = std::mem::take(leases);
        let attempt = self.current(flow, IpAddr::V4(address), row);
        let login = self.open.get_mut(&attempt)?;
        for lease in leases {
            login.began = login.began.earlier(lease.mark.at);
            login.cite(lease.mark.row, true);
            self.late.insert(lease.mark.row, attempt);
            if login.leases.len() < MOST_OTHERS {
                login.leases.push(lease);
            }
        }
        Some((attempt, StepKind::Discover))
    }

    /// Compressed SIP that could not be read.
    fn defect(&mut self, flow: &FlowKey, row: &Row, defect: &Defect) -> Option<(AttemptNo, StepKind)> {
        let attempt = *self.by_flow.get_mut(flow)?;
        let login = self.open.get_mut(&attempt)?;
        if !(defect.layer == "SIP" && defect.what.contains("compressed SIP")) {
            return None;
        }
        login.compression_unread.get_or_insert(row.mark());
        Some((attempt, StepKind::Compress))
    }

    fn sip(&mut self, flow: &FlowKey, row: &Row, message: &SipMessage) -> Option<(AttemptNo, StepKind)> {
        let registers = message.method()? == "REGISTER";
        let mut attempt = match self.by_flow.get_mut(flow) {
            Some(attempt) => *attempt,
            // On a connection of which only this is known, or over UDP.
            None if !registers && !is_of_endpoint(row, message) => {
                self.draft(flow, row);
                return None;
            }
            None => {
                let attempt = self.take_up(flow, row)?;
                if let (false, Some(login)) = (registers, self.open.get_mut(&attempt)) {
                    let from = message.header(HeaderName::From).unwrap_or_default();
                    login.user.get_or_insert(user_of(&from));
                }
                attempt
            }
        };
        if registers && message.is_request() {
            attempt = self.owner(attempt, flow, row, message);
        }
        let login = self.open.get_mut(&attempt)?;
        login.note(flow, row);
        login.authentication(row, message);
        let place = match (registers, message.is_request()) {
            (true, true) => Some(login.register(flow, row, message)),
            (true, false) => login.registered_answer(flow, row, message),
            (false, true) => login.request(flow, row, message),
            (false, false) => login.response(flow, row, message),
        };
        // Told again and again: what is known of a host's addresses grows.
        self.watch_offered(attempt);
        Some((attempt, place?))
    }

    /// Hosts of the certificate service, which the client goes to next.
    fn watch_offered(&mut self, attempt: AttemptNo) {
        let Some(login) = self.open.get(&attempt) else { return };
        let Some(answer) = login.ladder.last().and_then(|rung| rung.answer.as_ref()) else { return };
        let urls = answer.offered.iter().map(|scheme| scheme.sts_uri.as_str());
        let hosts = urls.filter_map(host_of).map(Arc::from).filter(|host| !self.hosts.contains(host));
        let room = MOST_HOSTS.saturating_sub(self.hosts.len());
        let hosts: Vec<Arc<str>> = hosts.take(room).collect();
        self.hosts.extend(hosts);
    }

    /// The attempt that a REGISTER belongs to: another one where it is of another user or endpoint, or where it
    /// begins after the client signed out.
    fn owner(&mut self, attempt: AttemptNo, flow: &FlowKey, row: &Row, message: &SipMessage) -> AttemptNo {
        let Some(login) = self.open.get_mut(&attempt) else { return attempt };
        let from = message.header(HeaderName::From).unwrap_or_default();
        let user = user_of(&from);
        let epid = parameter(&from, "epid").map(str::to_owned);
        let other_user = login.user.as_ref().is_some_and(|known| !known.eq_ignore_ascii_case(&user));
        let other_endpoint = login
            .endpoint
            .epid
            .as_ref()
            .zip(epid.as_ref())
            .is_some_and(|(known, epid)| !known.eq_ignore_ascii_case(epid));
        let again = login.signed_out.is_some() && !steps::expires_at_once(message);
        if other_user || other_endpoint || again {
            let moved = login.split_off(flow, again);
            let new = self.begin(flow, flow.client.ip(), row.began);
            self.by_flow.insert(*flow, new);
            if let (Some(login), Some(moved)) = (self.open.get_mut(&new), moved) {
                login.began = login.began.earlier(if again { row.began } else { moved.began.at });
                push_first(&mut login.connections, moved);
                (login.user, login.endpoint.epid) = (Some(user), epid);
            }
            return new;
        }
        login.user.get_or_insert(user);
        if login.endpoint.epid.is_none() {
            login.endpoint.epid = epid;
        }
        attempt
    }
}

/// The number of an attempt that is open: the one after the last, where it has none and is one.
fn number_of(login: &mut Login, last: &mut u32) -> Option<u32> {
    if login.id == 0 && login.is_one() {
        *last += 1;
        login.id = *last;
    }
    (login.id > 0).then_some(login.id)
}

/// Attempts that were busy since their deadline was set and that are passed over where room is made.
const MOST_RENEWED: usize = 64;

/// When to look again whether an attempt is over.
fn deadline(login: &Login) -> Timestamp {
    let silence = if login.connections.iter().any(Connection::is_in_use) { LONGEST_SILENCE } else { NEW_ATTEMPT };
    Timestamp::from_nanos(login.ended.time.as_nanos().saturating_add(silence.as_nanos()))
}

/// Whether the last connection of an attempt is in use, so that another one is another user's or attempt's.
fn is_busy(login: &Login, row: &Row) -> bool {
    let Some(last) = login.connections.last().filter(|last| last.is_in_use()) else { return false };
    let redirected = login.redirect().is_some();
    let opaque = last.tls().secured.is_some_and(|secured| row.began.time.since(secured.at.time) > BUSY);
    !redirected && (last.has_messages() || opaque && last.tls().not_opened.is_some())
}

/// Whether an attempt came to a registration, so that what the client begins next is another one; without keys, by what
/// its last connection carried.
fn has_signed_in(login: &Login) -> bool {
    login.registered.is_some() || login.connections.last().is_some_and(Connection::carried_more_than_a_ladder)
}

fn is_stale(login: &Login, row: &Row) -> bool {
    row.began.time.since(login.ended.time) >= NEW_ATTEMPT
}

/// Whether a row may change what a rule says of its attempt.
fn is_notable(row: &Row) -> bool {
    match &row.message {
        Message::Dns(message) => message.is_response() && message.rcode != 0,
        Message::Tcp(event) => !matches!(event, TcpEvent::Open { .. }),
        Message::Log(event) => !matches!(event.tcp(), None | Some(TcpEvent::Open { .. })),
        Message::Tls(event) => matches!(**event, TlsEvent::Alert(_) | TlsEvent::Closed { .. } | TlsEvent::NotOpened(_)),
        Message::Sip(message) => {
            message.status().is_some_and(|status| status >= 300)
                || message.is_request()
                    && row.direction == Direction::In
                    && message.header(HeaderName::MsDiagnostics).is_some()
        }
        Message::Http(message) => {
            matches!(message.start, crate::model::http::HttpStart::Response { status: 300.., .. })
        }
        Message::Kerberos(message) => message.error.is_some(),
        Message::Lost(_) | Message::Dhcp(_) | Message::Defect(_) => true,
        _ => false,
    }
}

/// The host in an HTTP URL, lower case as long as the URL is.
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

/// The host in a SIP URI: `sip:pool02.ex.test:5061`.
pub fn host_of_sip(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    rest.split([':', ';', '>']).next().unwrap_or_default()
}

/// The user in a `From` header: without scheme and parameters.
fn user_of(from: &str) -> String {
    let uri = address_uri(from);
    let bare =
        uri.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("sip:")).map_or(uri, |_| uri.get(4..).unwrap_or(uri));
    steps::clip(bare, 256).to_owned()
}

/// Whether a request is one that only a registered endpoint sends, straight from it: where the capture began after
/// the REGISTER, it is all that shows the sign-in.
fn is_of_endpoint(row: &Row, message: &SipMessage) -> bool {
    let of_endpoint = |kind| {
        use StepKind::{Contacts, LocationProfile, OwnPresence, Provisioning, PublishDevice, PublishState};
        matches!(kind, Contacts | LocationProfile | OwnPresence | Provisioning | PublishDevice | PublishState)
    };
    row.direction == Direction::Out
        && message.is_request()
        && message.headers_where(|id, _| id == HeaderName::Via).take(2).count() == 1
        && steps::asked(message, &steps::read(message)).is_some_and(of_endpoint)
}

impl Login {
    /// Gives a row to the connection that it is of; returns the host that a web service sends the client to.
    fn note(&mut self, flow: &FlowKey, row: &Row) -> Option<&str> {
        if let Some(connection) = self.connection_mut(flow) {
            connection.note(row);
            return None;
        }
        let web = self.web_mut(flow)?;
        web.connection.note(row);
        let Message::Http(message) = &row.message else { return None };
        web.http(row, message);
        host_of(web.calls.last()?.redirect.as_deref()?)
    }

    /// Takes a connection out for another attempt; leaves a copy where this attempt used it.
    fn split_off(&mut self, flow: &FlowKey, used: bool) -> Option<Connection> {
        let place = self.connections.iter().position(|connection| connection.flow == *flow)?;
        let connection = self.connections.get(place)?.clone();
        if !used {
            self.connections.remove(place);
        }
        Some(connection)
    }

    /// What a connection to that host would be for.
    fn web_purpose(&self, host: &str) -> Option<web::Purpose> {
        if host.starts_with("lyncdiscover.") || host.starts_with("lyncdiscoverinternal.") {
            return Some(web::Purpose::Autodiscover);
        }
        let named = |url: &str| host_of(url).is_some_and(|named| named.eq_ignore_ascii_case(host));
        if self.offered().any(|scheme| named(&scheme.sts_uri)) {
            return Some(web::Purpose::Provisioning);
        }
        if self.web.iter().flat_map(|web| &web.calls).any(|call| call.redirect.as_deref().is_some_and(named)) {
            return Some(web::Purpose::Autodiscover);
        }
        let shown = self.connections.iter().flat_map(|connection| &connection.tls().chain);
        if shown.flat_map(|certificate| &certificate.revocation).any(|url| named(url)) {
            return Some(web::Purpose::Revocation);
        }
        let inside =
            self.domain().is_some_and(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
        (inside && self.registered.is_some()).then_some(web::Purpose::Service)
    }

    /// Whether the client was told of that host by a web service or a certificate.
    fn expects(&self, host: &str) -> bool {
        self.web_purpose(host).is_some_and(|purpose| purpose != web::Purpose::Service)
    }

    /// Notes what a message's token and signature say of who signs in.
    fn authentication(&mut self, row: &Row, message: &SipMessage) {
        let Some(said) = row.authentication.as_deref() else { return };
        if let Some(signature) = &said.signature {
            self.signature(row, message, signature);
        }
        match &said.token {
            Some(Token::Ntlm(ntlm)) => {
                if let Body::Authenticate(answer) = &ntlm.message.body {
                    self.endpoint.account = Some((answer.account(), answer.workstation.clone()));
                }
            }
            Some(Token::TlsDsk(flight)) => {
                if let (Direction::Out, Some(own)) = (row.direction, &flight.certificate) {
                    self.endpoint.certificate = Some(Box::new((row.mark(), own.clone())));
                }
                if let Some(alert) = flight.messages.iter().find_map(|name| name.strip_prefix("alert ")) {
                    self.endpoint.certificate_alert = Some((row.mark(), alert.to_owned()));
                }
            }
            _ => {}
        }
    }

    fn signature(&mut self, row: &Row, message: &SipMessage, signature: &Signature) {
        match signature.verdict {
            Verdict::Right => self.good_signatures += 1,
            // With a mistaken password no signature fits, which says nothing of the messages.
            Verdict::Wrong if !signature.is_for_want_of_proof() && self.bad_signatures.len() < MOST_OTHERS => {
                let who = if signature.signer == Direction::Out { "the client" } else { "the server" };
                let number = message.cseq.map_or(0, |cseq| cseq.number);
                let what = format!("{} (CSeq {number}) by {who}", message.method().unwrap_or_default());
                self.bad_signatures.push(BadSignature { mark: row.mark(), what });
                self.revision = self.revision.saturating_add(1);
            }
            _ => {}
        }
    }

    /// A REGISTER.
    fn register(&mut self, flow: &FlowKey, row: &Row, message: &SipMessage) -> StepKind {
        if self.endpoint.user_agent.is_none() {
            self.endpoint.user_agent =
                message.header(HeaderName::UserAgent).map(|agent| steps::clip(&agent, 256).to_owned());
        }
        let purpose = match (steps::expires_at_once(message), self.registered) {
            (true, _) => Purpose::SignOut,
            (false, Some(_)) => Purpose::Refresh,
            (false, None) => Purpose::SignIn,
        };
        if purpose == Purpose::SignOut {
            self.signed_out.get_or_insert(row.mark());
        }
        let rung = Rung::new(*flow, row, message, purpose);
        let kind = rung.step();
        if self.ladder.len() < MOST_RUNGS {
            push_first(&mut self.ladder, rung);
        } else if let Some(last) = self.ladder.last_mut() {
            *last = rung;
        }
        kind
    }

    /// An answer to a REGISTER.
    fn registered_answer(&mut self, flow: &FlowKey, row: &Row, message: &SipMessage) -> Option<StepKind> {
        let remote = message
            .header(HeaderName::MsUserLogonData)
            .is_some_and(|data| data.trim().eq_ignore_ascii_case("RemoteUser"));
        if remote {
            self.remote.get_or_insert(row.mark());
        }
        let status = message.status()?;
        let rung = self.ladder.iter_mut().rev().find(|rung| rung.is_answered_by(flow, message));
        let Some(rung) = rung else { return Some(StepKind::Register) };
        if status < 200 {
            return Some(rung.step());
        }
        rung.answer = Some(ladder::answer(row, message, status));
        let (purpose, kind) = (rung.purpose, rung.answer_step());
        if (200..300).contains(&status) && purpose == Purpose::SignIn && self.registered.is_none() {
            self.registered = Some(row.mark());
            self.registration = ladder::registration(message, self.endpoint.epid.as_deref());
        }
        kind
    }

    /// A request that is no REGISTER.
    fn request(&mut self, flow: &FlowKey, row: &Row, message: &SipMessage) -> Option<StepKind> {
        let method = message.method()?;
        if matches!(&*method, "NOTIFY" | "BENOTIFY") {
            return self.notification(row, message);
        }
        if matches!(&*method, "ACK" | "CANCEL") {
            return None;
        }
        let reading = steps::read(message);
        let kind = steps::asked(message, &reading).or_else(|| self.step_of_dialog(message));
        let of_step = self.exchanges.iter().filter(|exchange| exchange.kind == kind).count();
        if self.exchanges.len() < MOST_EXCHANGES && of_step < MOST_OF_A_STEP {
            self.exchanges.push(Exchange::new(*flow, row, message, kind, self.tells.then_some(&reading)));
        }
        kind
    }

    /// The step of the dialog that a message is of.
    fn step_of_dialog(&self, message: &SipMessage) -> Option<StepKind> {
        let call_id = steps::call_id(message);
        self.exchanges.iter().rev().find(|exchange| exchange.call_id == call_id)?.kind
    }

    fn notification(&mut self, row: &Row, message: &SipMessage) -> Option<StepKind> {
        if let Some(event) = steps::deregistration(message)
            && self.signed_out.is_none()
            && self.deregistered.is_none()
        {
            let diagnostics = steps::diagnostics(message);
            self.deregistered = Some(Deregistration { mark: row.mark(), event, diagnostics });
            self.revision = self.revision.saturating_add(1);
            return Some(StepKind::Register);
        }
        let call_id = steps::call_id(message);
        let exchange = self.exchanges.iter_mut().find(|exchange| exchange.call_id == call_id)?;
        if exchange.notified.len() < MOST_NOTIFICATIONS {
            let changes = exchange.changes(message);
            exchange.notified.push((row.mark(), changes));
        }
        exchange.kind
    }

    /// An answer that is of no REGISTER.
    fn response(&mut self, flow: &FlowKey, row: &Row, message: &SipMessage) -> Option<StepKind> {
        let status = message.status()?;
        let direction = row.direction;
        let exchange =
            self.exchanges.iter_mut().rev().find(|exchange| exchange.is_answered_by(flow, direction, message));
        let Some(exchange) = exchange else { return self.step_of_dialog(message) };
        if status >= 200 {
            exchange.answer(row, message, status);
        }
        exchange.kind
    }
}
