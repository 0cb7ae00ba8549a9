//! Records of a session that wait for a key log that grows: in live mode a client may write its keys after the
//! packets that need them.
//!
//! From the first record that needs keys on, everything of the session waits in its order, for
//! [`crate::model::Limits::key_wait`] and within [`crate::model::Limits::key_wait_bytes`]. Then it goes on as if it had
//! just come, with the keys or without. Early data of TLS 1.3 does not wait.

use std::collections::VecDeque;

use crate::crypto::suites::{KeyExchange, Suite};
use crate::model::tls::{NotOpened, SecretLabel, TlsVersion};
use crate::model::{At, Direction, Loss, Span as Length};
use crate::session::tls::{Span, Tls, keys};
use crate::session::{Decoder as _, Output};
use crate::wire::tls::{RecordHeader, content};

/// What happened to a stream.
pub enum Event {
    /// Bytes came.
    Data(Direction, Vec<u8>),
    /// Bytes are missing.
    Gap(Direction, Loss),
    /// No byte of this direction can follow.
    Finish(Direction),
    /// The stream is over.
    End,
}

/// A session's events since the record that needs keys.
pub struct Waiting {
    since: At,
    /// The direction whose held bytes begin with that record.
    direction: Direction,
    /// The server's hello of TLS 1.3, behind which everything is encrypted.
    hello: Option<Span>,
    events: VecDeque<(At, Event)>,
    bytes: usize,
}

impl Waiting {
    /// The packet with the record that needs keys.
    pub const fn since(&self) -> At {
        self.since
    }

    /// Takes bytes.
    pub fn data(&mut self, at: At, direction: Direction, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.push(at, Event::Data(direction, bytes.to_vec()));
    }

    /// Takes what is no bytes.
    pub fn push(&mut self, at: At, event: Event) {
        self.events.push_back((at, event));
    }

    /// About how many bytes of memory it takes.
    pub fn cost(&self) -> usize {
        self.bytes + self.events.len() * size_of::<(At, Event)>()
    }
}

/// Whether a session waits for keys.
#[derive(Default)]
pub enum Patience {
    /// It may.
    #[default]
    Fresh,
    /// It will with the first record behind the server's hello of TLS 1.3.
    Tls13(Span),
    /// It does.
    Waiting(Box<Waiting>),
    /// It did in vain; where the keys come now, that is told. The record that needed them.
    Lost(Span),
    /// It did.
    Spent,
}

impl Patience {
    /// What waits, if anything.
    pub fn waiting(&mut self) -> Option<&mut Waiting> {
        if let Self::Waiting(waiting) = self { Some(waiting) } else { None }
    }
}

/// How often a session waits at most: for its first keys, and those of handshakes that follow.
const MOST_WAITS: u8 = 4;

impl Tls {
    /// Whether waiting may bring keys for this session.
    pub(super) fn can_wait(&self, out: &Output<'_>) -> bool {
        let fresh = matches!(self.patience, Patience::Fresh | Patience::Tls13(_));
        let suite = Suite::of(self.shown.suite());
        let fits = suite.is_some_and(|suite| {
            (suite.exchange == KeyExchange::Tls13) == (self.shown.version() >= TlsVersion::TLS13)
                && self.shown.version() >= TlsVersion::TLS10
        });
        let fits = fits && self.waits < MOST_WAITS;
        fresh && fits && out.limits.key_wait > Length::from_secs(0) && out.keys.has_key_log()
    }

    /// Whether the keys of the handshake under way are there, as far as they will be.
    pub(super) fn has_keys(&self, out: &mut Output<'_>) -> bool {
        let Some(random) = self.shown.client.as_ref().map(|hello| hello.random) else { return true };
        if self.shown.version() >= TlsVersion::TLS13 {
            let secrets = [SecretLabel::ClientTraffic, SecretLabel::ServerTraffic];
            return secrets.iter().all(|label| out.keys.secret(*label, &random).is_some());
        }
        let derived = keys::derive(&self.shown, &out.flow, out.keys, out.resumptions);
        !matches!(
            derived,
            Err(NotOpened::NoKeys { .. }
                | NotOpened::NotInKeyLog { .. }
                | NotOpened::Ephemeral
                | NotOpened::OtherCertificate
                | NotOpened::ResumedUnknown)
        )
    }

    /// Whether the key log has the client's random.
    pub(super) fn knows_random(&self, out: &Output<'_>) -> bool {
        self.shown.client.as_ref().is_some_and(|hello| out.keys.knows_random(&hello.random))
    }

    /// Whether a record needs keys that are not there yet; from it on everything waits.
    pub(super) fn must_wait(
        &mut self,
        direction: Direction,
        span: Span,
        header: &RecordHeader,
        out: &mut Output<'_>,
    ) -> bool {
        let hello = if let Patience::Tls13(hello) = &self.patience { Some(*hello) } else { None };
        let begins = header.kind == content::CHANGE_CIPHER_SPEC
            && self.shown.client.is_some()
            && self.shown.server.is_some()
            && self.shown.version() < TlsVersion::TLS13
            && self.master.is_none()
            && self.not_opened.is_none()
            && self.can_wait(out)
            && !self.has_keys(out);
        if hello.is_none() && !begins {
            return false;
        }
        self.waits += 1;
        let waiting = Waiting { since: span.1, direction, hello, events: VecDeque::new(), bytes: 0 };
        self.patience = Patience::Waiting(Box::new(waiting));
        true
    }

    /// Goes on with what waited, with the keys or without.
    pub(super) fn resume(&mut self, out: &mut Output<'_>) {
        let Patience::Waiting(waiting) = std::mem::replace(&mut self.patience, Patience::Spent) else { return };
        let since = (waiting.since, waiting.since);
        if self.knows_random(out) {
            out.keep = true;
        } else {
            self.patience = Patience::Lost(since);
        }
        if let Some(hello) = waiting.hello {
            self.begin_tls13(hello, out);
        }
        let half = self.half(waiting.direction);
        let held = half.held.take();
        let used = self.read(&held.bytes, &held.marks, waiting.direction, out);
        self.half(waiting.direction).held = held.behind(used, out.spares);
        for (at, event) in waiting.events {
            match event {
                Event::Data(direction, bytes) => self.data(at, direction, bytes.into(), out),
                Event::Gap(direction, loss) => self.gap(at, direction, loss, out),
                Event::Finish(direction) => self.finish(at, direction, out),
                Event::End => self.end(at, out),
            }
        }
    }
}
