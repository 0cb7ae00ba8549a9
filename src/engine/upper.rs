//! The half of the engine that sees the whole capture: observations in, rows and sign-ins with their findings out.
//!
//! What goes in goes in in capture order, and rows leave before the next thing comes: so what they say does not
//! depend on who asks for them, and when.

use std::collections::VecDeque;

use crate::engine::join::Seen;
use crate::engine::join::seam::InLog;
use crate::engine::sieve::Host;
use crate::findings::{self, Cited, Finding};
use crate::model::{At, Observation, PacketNo, Timestamp};
use crate::story::login::Login;
use crate::story::row::LogCopy;
use crate::story::{Row, Story};

/// What leaves.
pub enum Told {
    /// The next row, with the findings that cite it as far as they are known.
    Row(Box<Row>),
    /// A sign-in that is over, and what is wrong with it.
    Login(Box<Login>, Vec<Finding>),
}

/// The story and its findings.
pub struct Upper {
    /// The story.
    pub story: Story,
    cited: Cited,
    /// What has left the story.
    ready: VecDeque<Told>,
    hosts: Vec<Host>,
}

/// Most hosts that wait to be watched.
pub const MOST_HOSTS: usize = 1024;

impl Upper {
    /// Nothing has happened.
    pub fn new(story: Story) -> Self {
        Self { story, cited: Cited::default(), ready: VecDeque::new(), hosts: Vec::new() }
    }

    /// Takes what a packet shows.
    pub fn take(&mut self, at: At, observations: &mut Vec<Observation>) {
        if observations.is_empty() {
            return;
        }
        self.settle();
        self.story.saw(at);
        self.push(observations);
    }

    fn push(&mut self, observations: &mut Vec<Observation>) {
        for observation in observations.drain(..) {
            self.story.push(observation);
        }
        for host in self.story.take_hosts() {
            keep_host(&mut self.hosts, host);
        }
    }

    /// Takes what flows show because time passed.
    pub fn sweep(&mut self, now: Timestamp, observations: &mut Vec<Observation>) {
        self.settle();
        sort_by_flow(observations);
        self.push(observations);
        self.story.advance(now);
    }

    /// Takes what a trace log says.
    pub fn observe(&mut self, observation: Observation) {
        self.take(observation.at, &mut vec![observation]);
    }

    /// Takes a message of a trace log that has its place in packets that were pushed.
    pub fn observe_placed(&mut self, observation: Observation, in_log: InLog) {
        self.settle();
        let InLog { input, line, seen } = in_log;
        let copy = LogCopy { input, line, differs: seen == Seen::Different };
        if seen == Seen::Closed || !self.story.note_copy(&observation, copy) {
            self.story.push_copy(observation, copy);
        }
    }

    /// Takes what flows show at the end; `last` is the packet seen last.
    pub fn finish(&mut self, last: Option<At>, observations: &mut Vec<Observation>) {
        self.settle();
        if let Some(last) = last {
            self.story.saw(last);
        }
        sort_by_flow(observations);
        self.push(observations);
        self.story.finish();
    }

    /// Hosts that sign-ins were told to go to, since the last call.
    pub fn take_hosts(&mut self) -> Vec<Host> {
        std::mem::take(&mut self.hosts)
    }

    /// The next row or sign-in that is final, in order.
    pub fn next_told(&mut self) -> Option<Told> {
        if self.ready.is_empty() {
            self.step();
        }
        self.ready.pop_front()
    }

    /// What may leave leaves before something else happens.
    fn settle(&mut self) {
        while self.step() {}
    }

    /// Lets the next row leave, behind the sign-ins that are over with it; whether anything left.
    fn step(&mut self) -> bool {
        let before = self.ready.len();
        let row = self.story.next_row(|row, login| self.cited.of(row, login));
        while let Some(login) = self.story.next_login() {
            let found = findings::check_login(&login);
            self.ready.push_back(Told::Login(Box::new(login), found));
        }
        self.ready.extend(row.map(Told::Row));
        self.ready.len() > before
    }
}

/// Keeps a host that waits to be watched. A sign-in is told the same again and again.
pub fn keep_host(hosts: &mut Vec<Host>, host: Host) {
    if hosts.len() < MOST_HOSTS && !hosts.contains(&host) {
        hosts.push(host);
    }
}

/// What flows tell because time passed has no order among them: they come as they were opened, whichever lane
/// each is in.
fn sort_by_flow(observations: &mut [Observation]) {
    observations.sort_by_key(|observation| observation.flow.map_or(PacketNo::FIRST, |flow| flow.opened));
}
