//! SIP requests and their responses (RFC 3261 §17): by flow, Call-ID, `CSeq` and direction, never by order.
//! Those of HTTP and Kerberos have nothing that ties them, and go by their order within a flow.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use crate::model::http::{HttpMessage, HttpStart};
use crate::model::kerberos::KerberosMessage;
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::{At, Direction, FlowKey, Recent, Span, Timestamp, TransportKind};

/// A request that waits for its final response.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// The request.
    pub at: At,
    /// The conversation.
    pub flow: FlowKey,
    /// Which way it went.
    pub direction: Direction,
    /// Its method.
    pub method: String,
    /// Its Call-ID.
    pub call_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    flow: FlowKey,
    /// Of the request.
    direction: Direction,
    number: u32,
    /// Method and Call-ID in one allocation.
    name: String,
}

#[derive(Debug)]
struct Request {
    at: At,
    final_seen: bool,
    method_len: usize,
}

/// Longest text of a message that is remembered; longer ones are told apart by their hash.
const LONGEST_NAME: usize = 256;

/// The text, or its beginning and a hash of the whole.
pub(super) fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_NAME {
        return text.into();
    }
    let hash = foldhash::quality::FixedState::default().hash_one(text);
    let beginning: String = text.chars().take(LONGEST_NAME / 4).collect();
    format!("{beginning}…{hash:016x}").into()
}

/// The requests of a capture.
pub struct Transactions {
    requests: Recent<Key, Request>,
    /// HTTP requests of a connection without a response so far; responses come in their order.
    http: Recent<FlowKey, VecDeque<Timestamp>>,
    /// Kerberos requests of a flow without an answer so far.
    kerberos: Recent<FlowKey, VecDeque<Timestamp>>,
    /// Room for the name of the next message.
    room: String,
}

/// Requests are remembered in this part of what is, of each protocol: a name is several hundred bytes at most.
const PART: usize = 2;
/// Most HTTP or Kerberos requests of a connection that wait at one time.
const MOST_PIPELINED: usize = 64;

const AGAIN: &str = "sent again";
const LATE: &str = "answered before";
const UNASKED: &str = "the request is not in the capture";

/// Notes a request that waits for its answer.
fn wait(requests: &mut Recent<FlowKey, VecDeque<Timestamp>>, flow: &FlowKey, at: Timestamp) {
    match requests.get_mut(flow) {
        Some(waiting) if waiting.len() < MOST_PIPELINED => waiting.push_back(at),
        Some(_) => {}
        None => _ = requests.insert(*flow, VecDeque::from([at])),
    }
}

impl Transactions {
    /// No requests; remembers `limit`.
    pub fn new(limit: usize) -> Self {
        let some = limit / PART;
        Self { requests: Recent::new(some), http: Recent::new(some), kerberos: Recent::new(some), room: String::new() }
    }

    /// How much was forgotten.
    pub const fn forgotten(&self) -> u64 {
        self.requests.forgotten()
    }

    /// Takes a message; returns the response time of a response and what is remarkable.
    pub fn message(
        &mut self,
        flow: &FlowKey,
        direction: Direction,
        at: At,
        message: &SipMessage,
    ) -> (Option<Span>, Option<&'static str>) {
        let Some(cseq) = message.cseq else { return (None, None) };
        let method = message.text(cseq.method);
        if matches!(&*method, "BENOTIFY" | "ACK") {
            return (None, None); // have no response
        }
        let Some(call_id) = message.header(HeaderName::CallId) else { return (None, None) };
        let method = bounded(&method);
        let asker = if message.is_request() { direction } else { direction.reverse() };
        let mut name = std::mem::take(&mut self.room);
        name.clear();
        name.extend([&*method, " ", &*bounded(&call_id)]);
        let key = Key { flow: *flow, direction: asker, number: cseq.number, name };
        let found = if message.is_request() {
            let again = self.requests.peek(&key).is_some();
            if !again {
                self.requests.insert(key.clone(), Request { at, final_seen: false, method_len: method.len() });
            }
            (None, again.then_some(AGAIN))
        } else if let Some(request) = self.requests.get_mut(&key) {
            let late = request.final_seen;
            request.final_seen |= message.status().is_none_or(|status| status >= 200);
            (Some(at.time.since(request.at.time)), late.then_some(LATE))
        } else {
            (None, Some(UNASKED))
        };
        self.room = key.name;
        found
    }

    /// Takes an HTTP message; returns the response time of a final response.
    pub fn http(&mut self, flow: &FlowKey, at: At, message: &HttpMessage) -> Option<Span> {
        match message.start {
            HttpStart::Request { .. } => {
                wait(&mut self.http, flow, at.time);
                None
            }
            HttpStart::Response { status: 0..200, .. } => None,
            HttpStart::Response { .. } => {
                let asked = self.http.get_mut(flow)?.pop_front()?;
                Some(at.time.since(asked))
            }
        }
    }

    /// Takes a Kerberos message; returns since when an answer was waited for. Over UDP a request that
    /// is sent again is answered once.
    pub fn kerberos(&mut self, flow: &FlowKey, at: At, message: &KerberosMessage) -> Option<Span> {
        if !message.kind.is_request() {
            let asked = self.kerberos.get_mut(flow)?.pop_front()?;
            return Some(at.time.since(asked));
        }
        let again = self.kerberos.peek(flow).is_some_and(|waiting| !waiting.is_empty());
        if !(again && flow.transport == TransportKind::Udp) {
            wait(&mut self.kerberos, flow, at.time);
        }
        None
    }

    /// Requests without a final response, in order, at most `most`.
    pub fn take_unanswered(&mut self, most: usize) -> Vec<Unanswered> {
        let unanswered = self.requests.drain().filter(|(_, request)| !request.final_seen);
        let mut unanswered: Vec<_> = unanswered
            .map(|(key, request)| {
                let (method, call_id) = key.name.split_at_checked(request.method_len).unwrap_or_default();
                Unanswered {
                    at: request.at,
                    flow: key.flow,
                    direction: key.direction,
                    method: method.to_owned(),
                    call_id: call_id.trim_start().to_owned(),
                }
            })
            .collect();
        unanswered.sort_by(|one, other| {
            let key = |request: &Unanswered| (super::by_packet(request.at), request.direction);
            key(one).cmp(&key(other)).then_with(|| (&one.call_id, &one.method).cmp(&(&other.call_id, &other.method)))
        });
        unanswered.truncate(most);
        unanswered
    }
}
