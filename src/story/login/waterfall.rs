//! Where the time of a sign-in went: its phases, and in each the waiting for a server apart from the client's own.

use crate::model::{At, Span};
use crate::story::login::{Connection, Exchange, Login, Rung};
use crate::story::row::Mark;
use crate::story::steps::StepKind;

/// A phase of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseKind {
    /// From the first look-up to the last before a connection.
    Discover,
    /// From the first SYN to the answer of the server that registers the client; other tries and redirects count.
    Connect,
    /// The TLS handshake.
    Secure,
    /// From the first REGISTER there to its 200.
    Authenticate,
    /// From there to settings and own presence.
    Provision,
    /// From there until the client has published itself.
    Ready,
}

impl PhaseKind {
    /// As exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Connect => "connect",
            Self::Secure => "secure",
            Self::Authenticate => "authenticate",
            Self::Provision => "provision",
            Self::Ready => "ready",
        }
    }
}

/// A phase, and how long it took.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// Which.
    pub kind: PhaseKind,
    /// Since the attempt began.
    pub began: Span,
    /// How long it took.
    pub took: Span,
    /// Of that, the time in which at least one request was open: the waiting for a server.
    pub server: Span,
}

impl Phase {
    /// The time in which nothing was asked: the client's own, and the user's.
    pub fn client(&self) -> Span {
        Span::from_nanos((self.took.as_nanos() - self.server.as_nanos()).max(0))
    }
}

/// The longest single wait for an answer.
#[derive(Clone, Debug)]
pub struct Slowest {
    /// Its step.
    pub kind: StepKind,
    /// What was waited for.
    pub what: String,
    /// How long.
    pub took: Span,
    /// The row that ended it.
    pub mark: Mark,
}

/// A wait for an answer: from, to.
type Wait = (i64, i64);

impl Login {
    /// The phases that the capture shows, in order. A connection that carried another sign-in before took none of the
    /// time of this one.
    pub fn phases(&self) -> Vec<Phase> {
        let waits = self.waits();
        let mut phases = Vec::new();
        let mut add = |kind: PhaseKind, span: Option<(At, At)>| {
            let Some((from, to)) = span.filter(|&(from, _)| !self.is_of_before(from)) else { return };
            let (began, took) = (from.time.since(self.began.time), to.time.since(from.time));
            if took.as_nanos() >= 0 {
                let server = open_time(&waits, (from.time.as_nanos(), to.time.as_nanos()));
                phases.push(Phase { kind, began, took, server });
            }
        };
        let connection = self.connection();
        add(PhaseKind::Discover, self.discovery_span());
        let first_try = self.connections.first().map(|first| first.began.at);
        let open = connection.and_then(|known| Some(known.open?.0.at));
        add(PhaseKind::Connect, first_try.zip(open));
        add(PhaseKind::Secure, connection.and_then(|known| Some((known.tls().hello?.at, known.tls().secured?.at))));
        let on_it = |rung: &&Rung| connection.is_some_and(|known| known.flow == rung.flow);
        let first = self.ladder.iter().find(on_it).map(|rung| rung.request.at);
        add(PhaseKind::Authenticate, first.zip(self.registered.map(|mark| mark.at)));
        let provisioned = self.provisioned();
        add(PhaseKind::Provision, self.registered.map(|mark| mark.at).zip(provisioned));
        add(PhaseKind::Ready, provisioned.zip(self.ready().map(|mark| mark.at)).filter(|(from, to)| from != to));
        phases
    }

    /// Whether a packet is from before it began: of a connection that it found open.
    pub fn is_of_before(&self, at: At) -> bool {
        at.packet < self.began.packet
    }

    /// The first look-up and the last answer before the connection that mattered, or the last answer at all.
    fn discovery_span(&self) -> Option<(At, At)> {
        let names = &self.discovery.names;
        let first = names.iter().map(|asked| asked.asked.at).min_by_key(|at| at.packet)?;
        let limit = self.connections.first().map(|connection| connection.began.at.packet);
        let answers = names.iter().filter_map(|asked| asked.answered).map(|mark| mark.at);
        let last = answers.filter(|at| limit.is_none_or(|limit| at.packet < limit)).max_by_key(|at| at.packet)?;
        Some((first, last))
    }

    /// When settings and own presence were there.
    fn provisioned(&self) -> Option<At> {
        let done = |kind: StepKind| {
            let answered = self.of_step(kind).find(|exchange| exchange.status().is_some_and(|status| status < 300));
            answered.map(|exchange| exchange.mark().at)
        };
        let (settings, presence) = (done(StepKind::Provisioning)?, done(StepKind::OwnPresence)?);
        Some(settings.later(presence))
    }

    /// Every wait for an answer.
    fn waits(&self) -> Vec<Wait> {
        let between = |from: At, to: At| (from.time.as_nanos(), to.time.as_nanos());
        let names = self.discovery.names.iter().filter_map(|asked| Some(between(asked.asked.at, asked.answered?.at)));
        let webs = self.web.iter().map(|web| &web.connection);
        let connections = self.connections.iter().chain(webs).flat_map(|connection| {
            let tcp = connection.open.map(|(mark, _)| between(connection.began.at, mark.at));
            let tls = connection.tls().hello.zip(connection.tls().secured).map(|(from, to)| between(from.at, to.at));
            tcp.into_iter().chain(tls)
        });
        let rungs = self.ladder.iter().filter_map(|rung| Some(between(rung.request.at, rung.answer.as_ref()?.mark.at)));
        let asked =
            self.exchanges.iter().filter_map(|exchange| Some(between(exchange.request.at, exchange.answer?.0.at)));
        let calls = self.web.iter().flat_map(|web| &web.calls);
        let calls = calls.filter_map(|call| Some(between(call.request.at, call.answer?.0.at)));
        let mut waits: Vec<Wait> = names.chain(connections).chain(rungs).chain(asked).chain(calls).collect();
        waits.sort_unstable();
        waits
    }

    /// The longest single wait before the sign-in was complete.
    pub fn slowest(&self) -> Option<Slowest> {
        let end = self.ready().or(self.registered).map(|mark| mark.at.packet);
        let in_time = |mark: &Mark| end.is_none_or(|end| mark.at.packet <= end) && !self.is_of_before(mark.at);
        let names = self.discovery.names.iter().filter_map(|asked| {
            let mark = asked.answered?;
            let what = format!("{} {}", asked.rtype, asked.name);
            Some((StepKind::Discover, what, mark.at.time.since(asked.asked.at.time), mark))
        });
        let connections = self.connections.iter().flat_map(slow_parts);
        let rungs = self.ladder.iter().filter_map(|rung| {
            let answer = rung.answer.as_ref()?;
            Some((rung.step(), format!("REGISTER (CSeq {})", rung.cseq), answer.response_time?, answer.mark))
        });
        let asked = self.exchanges.iter().filter_map(slow_exchange);
        let calls = self.web.iter().flat_map(|web| &web.calls).filter_map(|call| {
            Some((call.purpose.step()?, format!("{} {}", call.method, call.url), call.response_time?, call.answer?.0))
        });
        let all = names.chain(connections).chain(rungs).chain(asked).chain(calls);
        let (kind, what, took, mark) = all.filter(|(.., mark)| in_time(mark)).max_by_key(|(_, _, took, _)| *took)?;
        Some(Slowest { kind, what, took, mark })
    }
}

type Part = (StepKind, String, Span, Mark);

fn slow_parts(connection: &Connection) -> Vec<Part> {
    let tcp = connection.open.map(|(mark, _)| {
        (
            StepKind::Connect,
            format!("TCP to {}", connection.server()),
            mark.at.time.since(connection.began.at.time),
            mark,
        )
    });
    let tls = connection.tls().hello.zip(connection.tls().secured).map(|(from, to)| {
        (StepKind::Secure, format!("TLS with {}", connection.server()), to.at.time.since(from.at.time), to)
    });
    tcp.into_iter().chain(tls).collect()
}

fn slow_exchange(exchange: &Exchange) -> Option<Part> {
    let (mark, _) = exchange.answer?;
    Some((exchange.kind?, format!("{} (CSeq {})", exchange.method, exchange.cseq), exchange.response_time?, mark))
}

/// How much of a span at least one of the waits covers; they are in order of their beginning.
fn open_time(waits: &[Wait], (from, to): Wait) -> Span {
    let (mut total, mut until) = (0_i64, from);
    for &(began, ended) in waits {
        let (began, ended) = (began.max(until), ended.min(to));
        if ended > began {
            total = total.saturating_add(ended - began);
            until = ended;
        }
    }
    Span::from_nanos(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(waits: &[Wait], span: Wait, expected: i64) {
        assert_eq!(open_time(waits, span).as_nanos(), expected, "{waits:?} in {span:?}");
    }

    #[test]
    fn waits_that_overlap_count_once() {
        check(&[(0, 5), (2, 8), (20, 30)], (0, 25), 13);
        check(&[(0, 100)], (10, 20), 10);
        check(&[(0, 3), (1, 2)], (0, 10), 3);
        check(&[], (0, 10), 0);
        check(&[(5, 1)], (0, 10), 0); // a clock that stepped back
    }
}
