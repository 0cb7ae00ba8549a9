//! Who looked up what, and which connection followed.
//!
//! In: DNS messages, and flows as they begin. Out: each query with its answers and their round-trip
//! time, and for a flow the chain of look-ups of its client that led to its server: SRV to target,
//! aliases, address. Only answers that came before the flow count.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::dns::{DnsMessage, RecordData, RecordType};
use crate::model::{At, Direction, FlowKey, Limits, PointNo, Recent, Span};

/// What a client asked and what it was told.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Who asked.
    pub client: IpAddr,
    /// Who was asked.
    pub server: SocketAddr,
    /// The name, lower case.
    pub name: Arc<str>,
    /// The type.
    pub rtype: RecordType,
    /// The first query.
    pub asked: At,
    /// How often it was asked.
    pub queries: u32,
    /// The first answer.
    pub answered: Option<At>,
    /// Its response code.
    pub rcode: Option<u16>,
    /// An ICMP error came in its place.
    pub unreachable: Option<At>,
    /// Addresses in the answer, in its order.
    pub addresses: Vec<IpAddr>,
    /// Whose address each is, lower case.
    pub owners: Vec<Arc<str>>,
    /// Targets of SRV records in the answer, in the order in which they are to be tried (RFC 2782:
    /// by priority, and among equals here by weight).
    pub targets: Vec<Target>,
    /// Aliases in the answer, in its order.
    pub aliases: Vec<Arc<str>>,
    /// Flows that followed it.
    pub flows: Vec<u32>,
}

impl Lookup {
    /// About how many bytes of memory it takes. What names it elsewhere shares its name.
    fn weight(&self) -> usize {
        let texts = self.owners.iter().chain(&self.aliases).chain(self.targets.iter().map(|target| &target.host));
        let text = |text: &Arc<str>| text.len() + TEXT_COST;
        size_of::<Self>()
            + text(&self.name)
            + texts.map(text).sum::<usize>()
            + self.addresses.capacity() * size_of::<IpAddr>()
            + self.targets.capacity() * size_of::<Target>()
    }

    fn followed_by(&mut self, flow: u32) {
        if self.flows.len() < MOST_FLOWS {
            self.flows.push(flow);
        }
    }
}

/// A text takes this besides its bytes: the pointer to it, its counts and the allocation.
const TEXT_COST: usize = 48;

/// Where an SRV record points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Lower is tried first.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// Port of the service.
    pub port: u16,
    /// Host of the service, lower case.
    pub host: Arc<str>,
}

/// How the client of a flow came to know its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By look-ups in the capture.
    LookedUp {
        /// The name of the SRV look-up whose target it is, where there is one.
        service: Option<Arc<str>>,
        /// The name whose address it is.
        host: Arc<str>,
        /// Which of the answer's addresses it is, counted from 1, and of how many.
        choice: (usize, usize),
        /// Since the address was answered.
        delay: Span,
    },
    /// No look-up in the capture gave this address: known from before, or configured.
    NotLookedUp,
}

type LookupId = u64;

/// A query that may still be answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct QueryKey {
    flow: FlowKey,
    id: u16,
    name: Arc<str>,
    rtype: RecordType,
}

/// The look-ups of a capture.
pub struct Names {
    lookups: VecDeque<Lookup>,
    first_id: LookupId,
    /// Bytes of the look-ups, and most of them.
    held: usize,
    most: usize,
    dropped: u64,
    queries: Recent<QueryKey, LookupId>,
    /// The last few look-ups that gave an address to a client, the latest last.
    by_address: Recent<(PointNo, IpAddr, IpAddr), Vec<LookupId>>,
    /// Queries to a group, whose answers come from elsewhere: by who asked.
    multicast: Recent<(PointNo, SocketAddr, u16, Arc<str>), LookupId>,
    by_target: Recent<(PointNo, IpAddr, Arc<str>), LookupId>,
}

/// Most targets, addresses and aliases of one answer that are remembered, each.
const MOST_RECORDS: usize = 64;
/// Newest look-ups that are searched for a host's addresses.
const MOST_SEARCHED: usize = 512;
/// Most flows of one look-up that are remembered.
const MOST_FLOWS: usize = 4096;
/// Most look-ups of one address that are remembered.
const MOST_LOOKUPS: usize = 4;

const LATE: &str = "answered before";
const AGAIN: &str = "asked again";
const UNASKED: &str = "the query is not in the capture";

impl Names {
    /// No look-ups.
    pub fn new(limits: &Limits) -> Self {
        let some = limits.remembered;
        Self {
            lookups: VecDeque::new(),
            first_id: 0,
            held: 0,
            most: limits.lookup_bytes,
            dropped: 0,
            queries: Recent::new(some / 2),
            by_address: Recent::new(some),
            multicast: Recent::new(some / 4),
            by_target: Recent::new(some / 2),
        }
    }

    /// How much was forgotten.
    pub const fn forgotten(&self) -> u64 {
        self.dropped
    }

    /// All look-ups that are remembered, in the order in which they were asked.
    pub fn take_lookups(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.lookups).into()
    }

    /// Addresses that were answered for a name, by the newest answers; at most a few.
    pub fn addresses_of(&self, name: &str) -> Vec<IpAddr> {
        let newest = self.lookups.iter().rev().take(MOST_SEARCHED);
        let answered =
            newest.filter(|lookup| lookup.owners.iter().any(|owner| **owner == *name) || *lookup.name == *name);
        let mut addresses: Vec<IpAddr> = answered.flat_map(|lookup| lookup.addresses.iter().copied()).collect();
        addresses.truncate(MOST_RECORDS);
        addresses
    }

    fn get(&mut self, id: LookupId) -> Option<&mut Lookup> {
        self.lookups.get_mut(usize::try_from(id.checked_sub(self.first_id)?).ok()?)
    }

    /// Takes a DNS message; returns the round-trip time of an answer and what is remarkable.
    pub fn message(
        &mut self,
        flow: &FlowKey,
        direction: Direction,
        at: At,
        message: &DnsMessage,
    ) -> (Option<Span>, Option<&'static str>) {
        let Some(question) = message.questions.first() else {
            return (None, None); // mDNS announcements, and answers without a question
        };
        let name: Arc<str> = question.name.to_ascii_lowercase().into();
        let key = QueryKey { flow: *flow, id: message.id, name, rtype: question.rtype };
        let (src, dst) = flow.ends(direction);
        if message.is_response() {
            let known = self.queries.get_mut(&key).copied();
            let asked = (flow.point, dst, message.id, key.name.clone());
            let id = known.or_else(|| self.multicast.get_mut(&asked).copied());
            return self.answer(id, flow.point, at, message);
        }
        let open = |lookup: &&mut Lookup| lookup.answered.is_none();
        if let Some(lookup) = self.queries.get_mut(&key).copied().and_then(|id| self.get(id)).filter(open) {
            lookup.queries = lookup.queries.saturating_add(1);
            return (None, Some(AGAIN));
        }
        let lookup = Lookup {
            client: src.ip(),
            server: dst,
            name: key.name.clone(),
            rtype: key.rtype,
            asked: at,
            queries: 1,
            answered: None,
            rcode: None,
            unreachable: None,
            addresses: Vec::new(),
            owners: Vec::new(),
            targets: Vec::new(),
            aliases: Vec::new(),
            flows: Vec::new(),
        };
        let id = self.add(lookup);
        if dst.ip().is_multicast() {
            self.multicast.insert((flow.point, src, message.id, key.name.clone()), id);
        }
        self.queries.insert(key, id);
        (None, None)
    }

    fn add(&mut self, lookup: Lookup) -> LookupId {
        self.hold(lookup.weight());
        self.lookups.push_back(lookup);
        self.first_id + self.lookups.len() as u64 - 1
    }

    /// Makes room for so many bytes more: the oldest look-ups are forgotten.
    fn hold(&mut self, more: usize) {
        self.held += more;
        while self.held > self.most
            && let Some(oldest) = self.lookups.pop_front()
        {
            self.held = self.held.saturating_sub(oldest.weight());
            self.first_id += 1;
            self.dropped += 1;
        }
    }

    fn answer(
        &mut self,
        id: Option<LookupId>,
        point: PointNo,
        at: At,
        message: &DnsMessage,
    ) -> (Option<Span>, Option<&'static str>) {
        let Some(id) = id else { return (None, Some(UNASKED)) };
        let Some(lookup) = self.get(id) else { return (None, None) };
        if lookup.answered.is_some() {
            return (None, Some(LATE));
        }
        let before = lookup.weight();
        lookup.answered = Some(at);
        lookup.rcode = Some(message.rcode);
        for record in &message.answers {
            match &record.data {
                RecordData::Srv { priority, weight, port, target } if lookup.targets.len() < MOST_RECORDS => {
                    lookup.targets.push(Target {
                        priority: *priority,
                        weight: *weight,
                        port: *port,
                        host: target.to_ascii_lowercase().into(),
                    });
                }
                RecordData::Name(alias) if record.rtype == RecordType::CNAME && lookup.aliases.len() < MOST_RECORDS => {
                    lookup.aliases.push(alias.to_ascii_lowercase().into());
                }
                _ => {}
            }
        }
        // An address counts where its owner is on the way: the name itself, an alias, a target. Name
        // servers' addresses come along, too.
        for record in message.answers.iter().chain(&message.additional).take(4 * MOST_RECORDS) {
            let address = match &record.data {
                RecordData::A(address) => IpAddr::V4(*address),
                RecordData::Aaaa(address) => IpAddr::V6(*address),
                _ => continue,
            };
            let owner: Arc<str> = record.name.to_ascii_lowercase().into();
            let on_the_way = owner == lookup.name
                || lookup.aliases.contains(&owner)
                || lookup.targets.iter().any(|target| target.host == owner);
            if on_the_way && lookup.addresses.len() < MOST_RECORDS {
                lookup.addresses.push(address);
                lookup.owners.push(owner);
            }
        }
        lookup.targets.sort_by_key(|target| (target.priority, u16::MAX - target.weight));
        let rtt = at.time.since(lookup.asked.time);
        let (client, addresses) = (lookup.client, lookup.addresses.clone());
        let targets: Vec<_> = lookup.targets.iter().map(|target| target.host.clone()).collect();
        let more = lookup.weight().saturating_sub(before);
        self.hold(more);
        for address in addresses {
            let key = (point, client, address);
            match self.by_address.get_mut(&key) {
                Some(ids) => {
                    ids.retain(|known| *known != id);
                    ids.push(id);
                    let surplus = ids.len().saturating_sub(MOST_LOOKUPS);
                    ids.drain(..surplus);
                }
                None => _ = self.by_address.insert(key, vec![id]),
            }
        }
        for host in targets {
            self.by_target.insert((point, client, host), id);
        }
        (Some(rtt), None)
    }

    /// An ICMP error answered the queries of a flow.
    pub fn unreachable(&mut self, flow: &FlowKey, at: At) {
        let asked = self.lookups.iter_mut().rev().take(64);
        for lookup in asked {
            if lookup.server == flow.server && lookup.client == flow.client.ip() && lookup.answered.is_none() {
                lookup.unreachable.get_or_insert(at);
            }
        }
    }

    /// How the client of a flow that began at `began` came to know its server; the look-ups note the flow.
    pub fn origin(&mut self, flow: &FlowKey, began: At, number: u32) -> Option<Origin> {
        if flow.server.ip().is_multicast() || is_name_service(flow) {
            return None;
        }
        let (client, server) = (flow.client.ip(), flow.server.ip());
        let ids = self.by_address.get_mut(&(flow.point, client, server)).cloned().unwrap_or_default();
        // The newest answer that came before the connection.
        let before = |lookup: &Lookup| lookup.answered.is_some_and(|answered| answered.packet < began.packet);
        let id = ids.into_iter().rev().find(|&id| self.get(id).is_some_and(|lookup| before(lookup)));
        let Some(lookup) = id.and_then(|id| self.get(id)) else { return Some(Origin::NotLookedUp) };
        let Some(answered) = lookup.answered else { return Some(Origin::NotLookedUp) };
        lookup.followed_by(number);
        let position = lookup.addresses.iter().position(|&address| address == server).map_or(1, |index| index + 1);
        let choice = (position, lookup.addresses.len().max(1));
        let (delay, is_srv) = (began.time.since(answered.time), lookup.rtype == RecordType::SRV);
        let asked_name = lookup.name.clone();
        let mut hosts = vec![asked_name.clone()];
        hosts.extend(lookup.aliases.iter().cloned());
        if is_srv {
            // The address came along with the SRV answer.
            let host = lookup.owners.get(position - 1).cloned().unwrap_or_else(|| asked_name.clone());
            return Some(Origin::LookedUp { service: Some(asked_name), host, choice, delay });
        }
        let service = hosts.iter().find_map(|host| self.service(flow, host, began, number));
        Some(Origin::LookedUp { service, host: asked_name, choice, delay })
    }

    /// The SRV look-up whose answer points to `host` and the flow's port.
    fn service(&mut self, flow: &FlowKey, host: &Arc<str>, began: At, number: u32) -> Option<Arc<str>> {
        let key = (flow.point, flow.client.ip(), host.clone());
        let id = self.by_target.get_mut(&key).copied()?;
        let lookup = self.get(id)?;
        let fits = |target: &Target| target.host == *host && target.port == flow.server.port();
        let before = lookup.answered.is_some_and(|answered| answered.packet < began.packet);
        if !before || !lookup.targets.iter().any(fits) {
            return None;
        }
        lookup.followed_by(number);
        Some(lookup.name.clone())
    }
}

fn is_name_service(flow: &FlowKey) -> bool {
    use crate::model::Ports;
    matches!(flow.server.port(), Ports::DNS | Ports::MDNS | Ports::LLMNR)
}
