//! Which conversation a record of a log belongs to, and which way it went.
//!
//! In: records. Out: flow keys as packets have them. A conversation is new after it was closed, or where an end of
//! it has another port. A client's log is told from its machine; of a server the client is whoever it speaks with.
//! What a log does not say stays unspecified: `0.0.0.0`, port 0.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::logs::event::{Ends, Peer};
use crate::logs::message;
use crate::logs::reader::{Record, What};
use crate::model::sip::Carrier;
use crate::model::{Direction, FlowKey, LogKind, PacketNo, PointNo, Recent, TransportKind};

/// Most machines of which each is a point of its own; the rest share one.
const MOST_MACHINES: u16 = 1024;

const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

type Machine = Option<Box<str>>;

/// A conversation as the machine that logs sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    machine: Machine,
    local: Option<SocketAddr>,
    remote: Peer,
}

/// The conversations of all logs.
pub struct Conversations {
    open: Recent<Key, FlowKey>,
    /// The last one with that other side, for records that do not name their own end.
    latest: Recent<(Machine, Peer), Key>,
    points: Recent<Machine, PointNo>,
    machines: u16,
    /// The address of the client that logs.
    own: Option<IpAddr>,
}

impl Conversations {
    /// None so far; remembers `most`.
    pub fn new(most: usize) -> Self {
        Self { open: Recent::new(most), latest: Recent::new(most), points: Recent::new(most), machines: 0, own: None }
    }

    /// The conversation and direction of a record that is the packet `number` of all; `client` tells whose log it is.
    pub fn place(&mut self, record: &Record, client: bool, number: PacketNo) -> (Option<FlowKey>, Direction) {
        let direction = direction(record, client);
        let Ends { local, remote: Some(remote) } = &record.ends else { return (None, direction) };
        if let (true, Some(local)) = (client, local) {
            self.own = Some(local.ip());
        }
        let machine = record.machine.clone();
        // A server's protocol records name the other side only.
        let local_key = local.filter(|_| client);
        let mut key = Key { machine: machine.clone(), local: local_key, remote: remote.clone() };
        let other = (machine, remote.clone());
        if key.local.is_none()
            && let Some(latest) = self.latest.peek(&other)
        {
            key = latest.clone();
        }
        let event = if let What::Event(event) = &record.what { Some(event.kind) } else { None };
        let known = self.open.get_mut(&key).copied();
        let known = known.filter(|_| !(event == Some(LogKind::Connected) && local.is_some()));
        let flow = match (known, event) {
            (Some(flow), _) => flow,
            // Only what is said on a connection, or that it could not be opened, shows that there is one.
            (None, None | Some(LogKind::Failed)) => self.begin(record, (&key, *local), client, number),
            (None, Some(LogKind::Connected)) if local.is_some() => self.begin(record, (&key, *local), client, number),
            (None, Some(_)) => return (None, direction),
        };
        if matches!(event, Some(LogKind::Closed(_) | LogKind::Failed)) {
            self.open.remove(&key);
            self.latest.remove(&other);
        } else {
            self.open.insert(key.clone(), flow);
            self.latest.insert(other, key);
        }
        (Some(flow), direction)
    }

    fn begin(
        &mut self,
        record: &Record,
        (key, local): (&Key, Option<SocketAddr>),
        client: bool,
        number: PacketNo,
    ) -> FlowKey {
        let point = self.point(&key.machine);
        let message = if let What::Sip(_, message) = &record.what { Some(message) } else { None };
        let remote = match key.remote {
            Peer::Address(address) => address,
            Peer::Name(_, port) => {
                let sender = message.and_then(|message| message::sender(message, direction(record, client)));
                SocketAddr::new(sender.filter(|_| !client).unwrap_or(UNKNOWN.ip()), port)
            }
        };
        let own = self.own.filter(|_| client).map_or(UNKNOWN, |ip| SocketAddr::new(ip, 0));
        let local = local.or(key.local).unwrap_or(own);
        let is_udp = message.is_some_and(|message| message.carrier == Carrier::Udp);
        let transport = if is_udp { TransportKind::Udp } else { TransportKind::Tcp };
        let (client, server) = if client { (local, remote) } else { (remote, local) };
        FlowKey { point, transport, client, server, opened: number }
    }

    /// The point of a machine. Points of captures are counted from 0, those of logs from the other end.
    fn point(&mut self, machine: &Machine) -> PointNo {
        if let Some(point) = self.points.get_mut(machine) {
            return *point;
        }
        let point = PointNo(u16::MAX - self.machines);
        self.machines = (self.machines + 1).min(MOST_MACHINES);
        self.points.insert(machine.clone(), point);
        point
    }
}

/// What a client sends goes out; so does what reaches a server.
fn direction(record: &Record, client: bool) -> Direction {
    match &record.what {
        What::Sip(Some(sent), _) if *sent == client => Direction::Out,
        What::Sip(None, message) if message.is_request() => Direction::Out,
        What::Event(event) if !matches!(event.kind, LogKind::Closed(Direction::In)) => Direction::Out,
        _ => Direction::In,
    }
}
