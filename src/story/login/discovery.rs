//! What a client asked the name service for on its way to a server.
//!
//! In: DNS messages of one client. Out: each name asked with what came of it, and what the names together
//! say: the SIP domain, the generation of client that asks in this order, and how long it waited.

use std::net::IpAddr;

use crate::model::dns::{DnsMessage, Record, RecordData, RecordType};
use crate::model::{FlowKey, Span, Timestamp};
use crate::story::login::tracker::host_of;
use crate::story::login::{Login, push_first};
use crate::story::row::{Mark, Row};
use crate::story::steps;

/// Where an SRV record points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvTarget {
    /// Host, lower case.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A name that the client asked for, and what came of it.
#[derive(Clone, Debug)]
pub struct AskedName {
    /// The name, lower case.
    pub name: String,
    /// The type.
    pub rtype: RecordType,
    /// The first query.
    pub asked: Mark,
    /// The last query.
    pub repeated: Timestamp,
    /// A query after the answer, whose own answer has not come.
    again: Option<Mark>,
    /// How often it was asked.
    pub queries: u32,
    /// Resolvers asked.
    pub resolvers: Vec<IpAddr>,
    /// The answer that counts: the first one that has a record, or else the last.
    pub answered: Option<Mark>,
    /// Its response code.
    pub rcode: Option<u16>,
    /// Whether the answering server speaks for the zone (RFC 1035 §4.1.1, AA).
    pub authoritative: bool,
    /// Answers that say that the resolver failed: SERVFAIL or REFUSED.
    pub failures: u32,
    /// Whether the answer has a record of use.
    pub found: bool,
    /// Targets of SRV records in the answer.
    pub targets: Vec<SrvTarget>,
    /// Addresses in the answer.
    pub addresses: Vec<IpAddr>,
}

impl AskedName {
    fn new(name: String, rtype: RecordType, row: &Row) -> Self {
        Self {
            name,
            rtype,
            asked: row.mark(),
            repeated: row.at.time,
            again: None,
            queries: 0,
            resolvers: Vec::new(),
            answered: None,
            rcode: None,
            authoritative: false,
            failures: 0,
            found: false,
            targets: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// What came of it, in a word or two.
    pub fn result(&self) -> String {
        match (self.found, self.rcode) {
            (true, _) if !self.targets.is_empty() => {
                let targets = self.targets.iter().map(|target| format!("{}:{}", target.host, target.port));
                targets.collect::<Vec<_>>().join(", ")
            }
            (true, _) => self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            (false, None) => "no answer".to_owned(),
            (false, Some(0)) => "no such record".to_owned(),
            (false, Some(rcode)) => crate::model::dns::rcode_name(rcode).into_owned(),
        }
    }

    /// Whether the name service said that there is no such name or record.
    pub const fn is_denied(&self) -> bool {
        !self.found && matches!(self.rcode, Some(0 | 3))
    }

    /// Whether no answer came, or only one that says that the resolver failed.
    pub const fn is_unresolved(&self) -> bool {
        !self.found && !matches!(self.rcode, Some(0 | 3))
    }

    /// From the first query to the answer, or to the last query where none came, in seconds.
    pub fn open_for(&self) -> f64 {
        let until = self.answered.map_or(self.repeated, |mark| mark.at.time);
        until.since(self.asked.at.time).as_secs_f64()
    }

    /// Whether it is the host of a CRL or OCSP responder that a server's certificate names.
    pub fn is_revocation(&self, login: &Login) -> bool {
        let shown = login.connections.iter().flat_map(|connection| &connection.tls().chain);
        let mut urls = shown.flat_map(|certificate| &certificate.revocation);
        urls.any(|url| host_of(url).is_some_and(|host| host.eq_ignore_ascii_case(&self.name)))
    }

    fn query(&mut self, flow: &FlowKey, row: &Row) {
        // What was answered and is asked again, perhaps long after, is another look-up, which counts if it finds more.
        if self.found || self.is_denied() {
            self.again = Some(row.mark());
            return;
        }
        self.queries = self.queries.saturating_add(1);
        self.repeated = row.at.time;
        let resolver = flow.server.ip();
        if !self.resolvers.contains(&resolver) && self.resolvers.len() < MOST_RESOLVERS {
            push_first(&mut self.resolvers, resolver);
        }
    }

    fn answer(&mut self, row: &Row, message: &DnsMessage) {
        self.failures += u32::from(matches!(message.rcode, 2 | 5));
        let holds =
            |record: &Record| matches!(record.data, RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Srv { .. });
        if self.found || self.is_denied() && !message.answers.iter().any(holds) {
            return;
        }
        if let Some(again) = self.again.take() {
            (self.asked, self.repeated) = (again, again.at.time);
        }
        self.answered = Some(row.mark());
        self.rcode = Some(message.rcode);
        self.authoritative = message.is_authoritative();
        for record in message.answers.iter().chain(&message.additional).take(MOST_RECORDS) {
            match &record.data {
                RecordData::A(address) => self.addresses.push(IpAddr::V4(*address)),
                RecordData::Aaaa(address) => self.addresses.push(IpAddr::V6(*address)),
                RecordData::Srv { target, port, .. } if self.rtype == RecordType::SRV => {
                    self.targets.push(SrvTarget { host: target.to_ascii_lowercase(), port: *port });
                }
                _ => {}
            }
        }
        self.found = if self.rtype == RecordType::SRV { !self.targets.is_empty() } else { !self.addresses.is_empty() };
    }
}

/// Most names of one attempt, resolvers of a name and records of an answer that are kept.
const MOST_NAMES: usize = 128;
const MOST_RESOLVERS: usize = 4;
const MOST_RECORDS: usize = 64;
/// Negative answers to this many names make a failed discovery; fewer may be another program's.
const FEWEST_NAMES: usize = 3;

/// The look-ups of an attempt.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Names asked for, in order.
    pub names: Vec<AskedName>,
}

impl Discovery {
    /// Takes a DNS message of the client.
    pub fn note(&mut self, flow: &FlowKey, row: &Row, message: &DnsMessage) {
        let Some(question) = message.questions.first() else { return };
        let name = question.name.to_ascii_lowercase();
        let place = self.names.iter().position(|asked| asked.name == name && asked.rtype == question.rtype);
        let place = match place {
            Some(place) => place,
            None if message.is_response() || self.names.len() >= MOST_NAMES => return,
            None => {
                push_first(&mut self.names, AskedName::new(name, question.rtype, row));
                self.names.len() - 1
            }
        };
        let Some(asked) = self.names.get_mut(place) else { return };
        if message.is_response() {
            asked.answer(row, message);
        } else {
            asked.query(flow, row);
        }
    }

    /// Names by which clients look for servers: neither targets nor tries with a search suffix.
    pub fn list(&self) -> impl Iterator<Item = &AskedName> {
        let domain = self.domain();
        self.names.iter().filter(move |asked| {
            let of = steps::domain_of(&asked.name);
            of.is_some() && of == domain
        })
    }

    /// The SIP domain: what stands behind the first labels. Tries with a search suffix name a longer one.
    pub fn domain(&self) -> Option<&str> {
        self.names.iter().filter_map(|asked| steps::domain_of(&asked.name)).min_by_key(|domain| domain.len())
    }

    /// Whether a name is a try with a search suffix: the resolver put the machine's own domain behind it.
    pub fn is_suffix_try(&self, asked: &AskedName) -> bool {
        match (steps::domain_of(&asked.name), self.domain()) {
            (Some(of), Some(domain)) => of != domain && of.starts_with(domain),
            _ => false,
        }
    }

    /// Whether every name was denied, and enough of them were asked.
    pub fn found_nothing(&self) -> bool {
        let mut names: Vec<_> = self.list().map(|asked| asked.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len() >= FEWEST_NAMES && self.names.iter().all(|asked| !asked.found)
    }

    /// Whether the client went through the list to its end: the last name that it asked for is not there.
    pub fn is_exhausted(&self) -> bool {
        let mut names: Vec<_> = self.list().map(|asked| asked.name.as_str()).collect();
        let last = self.list().last().is_some_and(|asked| !asked.found && asked.answered.is_some());
        names.sort_unstable();
        names.dedup();
        last && names.len() >= FEWEST_NAMES
    }

    /// Whether the client asked for a name that only Lync and Skype for Business clients ask for.
    pub fn is_of_lync(&self) -> bool {
        let own = ["lyncdiscoverinternal.", "lyncdiscover.", "_sipinternaltls._tcp."];
        self.names.iter().any(|asked| own.iter().any(|prefix| asked.name.starts_with(prefix)))
    }

    /// Whether a name is the target of an SRV record that was answered.
    pub fn is_target(&self, name: &str) -> bool {
        self.names.iter().any(|asked| asked.targets.iter().any(|target| target.host == name))
    }

    /// The names that begin with one of `prefixes`.
    pub fn of<'a>(&'a self, prefixes: &'a [&str]) -> impl Iterator<Item = &'a AskedName> {
        self.list().filter(move |asked| prefixes.iter().any(|prefix| asked.name.starts_with(prefix)))
    }

    /// Which clients ask in this order.
    pub fn generation(&self) -> Option<&'static str> {
        let first = self.list().next()?;
        let asked = |prefix: &str| self.list().any(|asked| asked.name.starts_with(prefix));
        let autodiscover = asked("lyncdiscover");
        let srv = self.list().any(|asked| asked.rtype == RecordType::SRV);
        Some(match (autodiscover, srv) {
            (true, _) if asked("_sip._tcp.") => {
                "autodiscover, then SRV records, also _sip._tcp: SIPE, or an old client"
            }
            (true, true) => "autodiscover, then SRV records: Lync 2010 with updates, Lync 2013 or Skype for Business",
            (true, false) => "autodiscover only: a mobile or Store client, or one that found what it needed there",
            (false, true) if first.name.starts_with("_sip") => {
                "SRV records, no autodiscover: Communicator or Lync 2010"
            }
            _ => return None,
        })
    }

    /// How long the client waited for the name service: the time in which at least one look-up was open.
    /// One that was never answered counts up to its last repetition, or to the next thing the client did.
    pub fn waited(&self) -> Span {
        let mut spans: Vec<(i64, i64)> = self.names.iter().map(|asked| self.open_time(asked)).collect();
        spans.sort_unstable();
        let (mut total, mut until) = (0_i64, i64::MIN);
        for (from, to) in spans {
            total = total.saturating_add(to.saturating_sub(from.max(until)).max(0));
            until = until.max(to);
        }
        Span::from_nanos(total)
    }

    /// From a look-up's first query to its answer, in nanoseconds of capture time.
    fn open_time(&self, asked: &AskedName) -> (i64, i64) {
        let from = asked.asked.at.time;
        let next = || {
            let later = self.names.iter().map(|other| other.asked.at.time).filter(|&time| time > asked.repeated);
            later.min().unwrap_or(asked.repeated)
        };
        let to = asked.answered.map_or_else(next, |mark| mark.at.time);
        (from.as_nanos(), to.as_nanos())
    }
}
