//! The facts of a sign-in told as its steps: each with its outcome, its rows, its details and one plain sentence.
//!
//! In: a [`Login`]. Out: the steps that the capture shows, in the order in which they began. Changes nothing.

use crate::model::{At, Ports, TcpEvent, TransportKind};
use crate::story::login::connection::Connection;
use crate::story::login::exchange::{Exchange, Fact};
use crate::story::login::ladder::{Answer, Purpose, Rung};
use crate::story::login::web::{self, Web};
use crate::story::login::{Login, LoginOutcome};
use crate::story::row::Mark;
use crate::story::steps::{StepKind, StepOutcome};
use crate::story::summary::duration;

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
    /// Its rows, never none; the first ones where there are many.
    pub rows: Vec<Mark>,
    /// What it says: name and value.
    pub detail: Vec<Fact>,
    /// What an expert would say of it, in a sentence or two.
    pub says: String,
}

/// Most rows that a step cites.
const MOST_CITED: usize = 64;

impl LoginStep {
    /// A step that these rows show; `None` without any.
    fn new(kind: StepKind, outcome: StepOutcome, mut rows: Vec<Mark>) -> Option<Self> {
        rows.sort_unstable_by_key(|mark| (mark.at.packet, mark.row));
        rows.dedup();
        let (began, ended) = (rows.first()?.at, rows.last()?.at);
        rows.truncate(MOST_CITED);
        Some(Self { kind, outcome, began, ended, rows, detail: Vec::new(), says: String::new() })
    }

    /// Began with an earlier packet than its first row was complete with.
    fn from(mut self, began: Option<At>) -> Self {
        self.began = began.map_or(self.began, |began| began.earlier(self.began));
        self
    }

    /// Sets what it says under a name; nothing where there is nothing.
    fn with(mut self, name: &'static str, value: impl Into<Option<String>>) -> Self {
        if let Some(value) = value.into().filter(|value| !value.is_empty()) {
            match self.detail.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => self.detail.push((name, value)),
            }
        }
        self
    }

    fn saying(mut self, says: impl Into<String>) -> Self {
        self.says = says.into();
        self
    }
}

impl Login {
    /// The steps that the capture shows.
    pub fn steps(&self) -> Vec<LoginStep> {
        let early = [self.discover(), self.connect(), self.secure(), self.compress(), self.challenge()];
        let proof = [self.web_step(StepKind::WebTicket), self.web_step(StepKind::Certificate), self.authenticate()];
        let late = [self.register_step(), self.sign_out()];
        let after = AFTER.into_iter().map(|kind| self.exchange_step(kind));
        let mut steps: Vec<_> = early.into_iter().chain(proof).chain(late).chain(after).flatten().collect();
        steps.sort_by_key(|step| (step.began.packet, step.kind));
        steps
    }

    fn discover(&self) -> Option<LoginStep> {
        let names = &self.discovery.names;
        let webs = self.web.iter().filter(|web| web.purpose == web::Purpose::Autodiscover);
        let asked = names.iter().flat_map(|asked| std::iter::once(asked.asked).chain(asked.answered));
        let calls = webs.clone().flat_map(|web| &web.calls).map(web::WebCall::mark);
        let rows = asked.chain(calls).chain(webs.map(|web| web.connection.began)).collect();
        let outcome = match (names.iter().any(|asked| asked.found), self.connections.is_empty()) {
            (_, false) => StepOutcome::Ok,
            (true, true) if self.outcome() != LoginOutcome::Failed => StepOutcome::Ok,
            _ if names.iter().all(|asked| asked.answered.is_none()) => StepOutcome::Unanswered,
            _ => StepOutcome::Failed,
        };
        // A redirection leads on from there; it is no look-up.
        let used = self.connections.iter().rev().find_map(|connection| connection.service());
        let used = used.or_else(|| self.connection().and_then(|connection| connection.host()));
        let results: Vec<String> =
            self.discovery.list().map(|asked| format!("{} {}: {}", asked.rtype, asked.name, asked.result())).collect();
        let step = LoginStep::new(StepKind::Discover, outcome, rows)?
            .with("domain", self.domain().map(str::to_owned))
            .with("names", results.join("; "))
            .with("answered_by", used.map(str::to_owned))
            .with("client", self.discovery.generation().map(str::to_owned))
            .with("waited_s", Some(format!("{:.3}", self.discovery.waited().as_secs_f64())));
        let says = self.say_discovery(used);
        Some(step.saying(says))
    }

    fn say_discovery(&self, used: Option<&str>) -> String {
        let list: Vec<_> = self.discovery.list().collect();
        let denied = list.iter().filter(|asked| asked.is_denied()).count();
        let waited = self.say_waited();
        let calls = self.web.iter().flat_map(|web| &web.calls);
        let autodiscover = calls.filter_map(|call| call.fact("sip_server")).next_back();
        if self.connections.is_empty() {
            let domain = self.domain().unwrap_or("the domain");
            let total = list.len();
            if self.discovery.found_nothing() {
                return format!(
                    "The name service knows no server for {domain}: {denied} of {total} look-ups are denied{waited}."
                );
            }
            return format!("{denied} of {total} look-ups are denied, and no connection to a server follows{waited}.");
        }
        let others = match denied {
            0 => String::new(),
            1 => "; one other name does not exist, which is normal".to_owned(),
            _ => format!("; {denied} other names do not exist, which is normal"),
        };
        match (autodiscover, used) {
            (Some(server), _) => format!("Autodiscover names the server {server}{waited}."),
            (None, Some(name)) if list.is_empty() => {
                format!("No look-up of discovery is in the capture; the client goes to {name}.")
            }
            (None, Some(name)) => format!("{name} leads to the server{others}{waited}."),
            (None, None) => "No look-up leads to the server: it is configured, or known from before.".to_owned(),
        }
    }

    fn say_waited(&self) -> String {
        let waited = self.discovery.waited();
        if waited.as_secs_f64() < 0.5 {
            String::new()
        } else {
            format!("; waiting for the name service took {}", duration(waited))
        }
    }

    fn connect(&self) -> Option<LoginStep> {
        let rows = self.connections.iter().flat_map(|connection| {
            let ends = [connection.open, connection.failed].into_iter().flatten().map(|(mark, _)| mark);
            ends.collect::<Vec<_>>()
        });
        let shown = self.connection().filter(|connection| connection.flow.transport == TransportKind::Tcp)?;
        let outcome = match (shown.open, shown.failed) {
            (None, Some((_, TcpEvent::Unanswered { .. }))) => StepOutcome::Unanswered,
            (None, Some(_)) => StepOutcome::Failed,
            _ => StepOutcome::Ok,
        };
        let failed = self.connections.iter().filter(|connection| connection.failed.is_some()).count();
        let rows: Vec<Mark> = rows.collect();
        let rows = if rows.is_empty() { vec![shown.began] } else { rows };
        let began = self.connections.iter().map(|connection| connection.began.at).min_by_key(|at| at.packet);
        let step = LoginStep::new(StepKind::Connect, outcome, rows)?
            .from(began)
            .with("server", shown.flow.server.to_string())
            .with("host", shown.host().map(str::to_owned))
            .with("connections", (self.connections.len() > 1).then(|| self.connections.len().to_string()))
            .with("failed", (failed > 0).then(|| failed.to_string()));
        let from = self.connections.first().filter(|first| first.flow != shown.flow && self.redirect().is_some());
        let sent = from.map(|first| format!(" {} had sent it there.", first.server())).unwrap_or_default();
        let says = format!("{}{sent}", say_connection(shown, self.connections.len(), failed));
        Some(step.saying(says))
    }

    fn secure(&self) -> Option<LoginStep> {
        let shown =
            self.connection().filter(|connection| connection.tls().hello.or(connection.tls().secured).is_some())?;
        let tls = shown.tls();
        let rows = [tls.hello, tls.server_hello, tls.shown, tls.secured].into_iter().flatten();
        let rows = rows.chain(tls.alerts.iter().map(|(mark, ..)| *mark)).collect();
        let outcome = if shown.was_refused_by_client()
            || shown.found_nothing_common().is_some()
            || !tls.alerts.is_empty() && tls.secured.is_none()
        {
            StepOutcome::Failed
        } else if tls.secured.is_some() {
            StepOutcome::Ok
        } else {
            StepOutcome::Unanswered
        };
        let parameters = tls.parameters.map(|(version, suite)| format!("{version}, {suite}"));
        let certificate = tls.certificate();
        let step = LoginStep::new(StepKind::Secure, outcome, rows)?
            .with("parameters", parameters)
            .with("name", tls.sni.clone())
            .with("certificate", certificate.map(|own| own.subject.clone()))
            .with("issuer", certificate.map(|own| own.issuer.clone()))
            .with("resumed", tls.resumed.then(|| "yes".to_owned()))
            .with("opened_with", tls.opened.as_deref().map(str::to_owned))
            .with("not_opened", tls.not_opened.as_ref().map(ToString::to_string));
        let says = say_security(shown, outcome);
        Some(step.saying(says))
    }

    /// NEGOTIATE ([MS-SIPCOMP] §3.1).
    fn compress(&self) -> Option<LoginStep> {
        let asked = self.exchanges.iter().find(|exchange| exchange.method == "NEGOTIATE")?;
        let (outcome, says) = match asked.answer {
            Some((_, 200..=299)) if self.compression_unread.is_none() => {
                (StepOutcome::Ok, "Both sides compress from here on.")
            }
            Some((_, 200..=299)) => {
                (StepOutcome::Info, "Both sides compress from here on; what follows could not be read.")
            }
            Some(_) => (StepOutcome::Info, "The server does not compress; the client goes on without."),
            None => (StepOutcome::Unanswered, "The client asked for compression."),
        };
        let rows = [Some(asked.request), asked.answer.map(|(mark, _)| mark), self.compression_unread];
        Some(LoginStep::new(StepKind::Compress, outcome, rows.into_iter().flatten().collect())?.saying(says))
    }

    /// REGISTERs of signing in that are of this step.
    fn rungs(&self, kind: StepKind) -> Vec<&Rung> {
        self.ladder.iter().filter(|rung| rung.purpose == Purpose::SignIn && rung.step() == kind).collect()
    }

    fn challenge(&self) -> Option<LoginStep> {
        let rungs = self.rungs(StepKind::Challenge);
        let answer = rungs.iter().rev().find_map(|rung| rung.answer.as_ref());
        let outcome = answer.map_or(StepOutcome::Unanswered, |answer| match answer.status {
            401 | 407 | 200..=299 => StepOutcome::Ok,
            300..=399 => StepOutcome::Info,
            _ => StepOutcome::Failed,
        });
        let offered: Vec<String> =
            answer.map(|answer| answer.offered.iter().map(|scheme| scheme.name.clone()).collect()).unwrap_or_default();
        let sts = answer.and_then(|answer| answer.offered.iter().find(|scheme| !scheme.sts_uri.is_empty()));
        let targets = answer.and_then(|answer| answer.offered.first()).map(|scheme| scheme.targetname.clone());
        let redirected = answer.and_then(|answer| answer.contact.clone());
        let says = match answer {
            None => "The first REGISTER was not answered in the capture.".to_owned(),
            Some(answer) if !offered.is_empty() => {
                let proof = if offered.len() > 1 { "one of " } else { "" };
                format!(
                    "The server asks for a proof by {proof}{}, which is how a sign-in begins (CSeq {}, {}).",
                    offered.join(", "),
                    rungs.last().map_or(0, |rung| rung.cseq),
                    answer.status
                )
            }
            Some(answer) if redirected.is_some() => {
                format!(
                    "The server sends the client to {} ({}).",
                    redirected.clone().unwrap_or_default(),
                    answer.status
                )
            }
            Some(answer) => format!("The first REGISTER was answered with {}.", answer.describe()),
        };
        let last = answer.filter(|answer| answer.status >= 300 && !matches!(answer.status, 401 | 407));
        let step = LoginStep::new(StepKind::Challenge, outcome, marks(&rungs, StepKind::Challenge))?
            .with("status", last.map(|answer| answer.status.to_string()))
            .with("reason", last.and_then(Answer::last_reason))
            .with("schemes", offered.join(", "))
            .with("realm_target", targets)
            .with("certificate_service", sts.map(|scheme| scheme.sts_uri.clone()))
            .with("redirected_to", redirected);
        Some(step.saying(says))
    }

    fn authenticate(&self) -> Option<LoginStep> {
        let rungs = self.rungs(StepKind::Authenticate);
        let scheme = rungs.last()?.credentials.as_ref()?.name.clone();
        let last = rungs.last()?.answer.as_ref();
        let outcome = match last.map(|answer| answer.status) {
            _ if self.registered.is_some() => StepOutcome::Ok,
            _ if self.is_proof_refused() => StepOutcome::Failed,
            None => StepOutcome::Unanswered,
            _ if self.is_asked_for_more() => StepOutcome::Unanswered,
            // Whoever refuses for another reason has been told who it is.
            Some(_) => StepOutcome::Ok,
        };
        let challenges = self.challenges();
        let account = self.endpoint.account.as_ref().map(|(user, workstation)| {
            if workstation.is_empty() { user.clone() } else { format!("{user} on {workstation}") }
        });
        let certificate = self.endpoint.certificate.as_deref().map(|(_, own)| own);
        let says = self.say_proof(&scheme, challenges, account.as_deref(), outcome);
        let refused = last.filter(|answer| answer.refuses_credentials());
        let says = match refused {
            Some(answer) => format!("{says} The server refuses: {}.", answer.describe()),
            None => says,
        };
        let mut all = marks(&rungs, StepKind::Authenticate);
        all.extend(self.tickets.iter().map(|ticket| ticket.mark));
        let step = LoginStep::new(StepKind::Authenticate, outcome, all)?
            .with("status", refused.map(|answer| answer.status.to_string()))
            .with("reason", refused.and_then(Answer::last_reason))
            .with("scheme", scheme)
            .with("challenges", challenges.to_string())
            .with("account", account)
            .with("certificate", certificate.map(|own| own.subject.clone()))
            .with("certificate_valid_until", certificate.map(|own| crate::story::summary::day(own.not_after)))
            .with("signatures_right", (self.good_signatures > 0).then(|| self.good_signatures.to_string()))
            .with("signatures_wrong", (!self.bad_signatures.is_empty()).then(|| self.bad_signatures.len().to_string()));
        Some(step.saying(says))
    }

    /// Whether the last word of the server is a challenge.
    fn is_asked_for_more(&self) -> bool {
        let last = self.ladder.iter().rev().find(|rung| rung.purpose == Purpose::SignIn);
        last.is_some_and(Rung::is_challenged)
    }

    fn say_signatures(&self) -> String {
        match (self.good_signatures, self.bad_signatures.len()) {
            (0, 0) => String::new(),
            (right, 0) => format!(" {right} signatures were checked, and all are right."),
            (right, wrong) => format!(" {right} signatures are right, {wrong} wrong."),
        }
    }

    /// Challenges of the last ladder: from the last REGISTER without credentials on.
    fn challenges(&self) -> usize {
        let rungs: Vec<&Rung> = self.ladder.iter().filter(|rung| rung.purpose == Purpose::SignIn).collect();
        let start = rungs.iter().rposition(|rung| rung.credentials.is_none()).unwrap_or(0);
        rungs.iter().skip(start).filter(|rung| rung.is_challenged()).count()
    }

    fn say_proof(&self, scheme: &str, challenges: usize, account: Option<&str>, outcome: StepOutcome) -> String {
        let healthy = match scheme.to_ascii_uppercase().as_str() {
            "TLS-DSK" => 3,
            "NTLM" => 2,
            _ => 1,
        };
        let who = account.map(|account| format!(" as {account}")).unwrap_or_default();
        let with = match (scheme, self.endpoint.certificate.as_deref()) {
            ("TLS-DSK", Some((_, own))) => format!(" with the certificate of {}", common_name(&own.subject)),
            _ => String::new(),
        };
        let count = format!("{challenges} challenge{}", if challenges == 1 { "" } else { "s" });
        let normal = if challenges == healthy {
            format!(", as many as {scheme} takes")
        } else {
            format!(" ({scheme} takes {healthy})")
        };
        match outcome {
            StepOutcome::Ok => {
                format!("The client proves itself by {scheme}{who}{with}: {count}{normal}.{}", self.say_signatures())
            }
            StepOutcome::Failed => format!("The proof by {scheme}{who}{with} was not accepted: {count}{normal}."),
            _ if self.is_asked_for_more() => format!(
                "The proof by {scheme}{who}{with} is under way: {count}{normal}; the capture shows no more of it."
            ),
            _ => format!("The client sent a proof by {scheme}{who}{with}; the capture shows no answer."),
        }
    }

    fn register_step(&self) -> Option<LoginStep> {
        let rungs: Vec<&Rung> = self.ladder.iter().filter(|rung| rung.purpose != Purpose::SignOut).collect();
        let last_unanswered = rungs.last().filter(|rung| rung.answer.is_none() && rung.step() == StepKind::Register);
        let is_final = |rung: &&&Rung| rung.answer_step() == Some(StepKind::Register) && !rung.is_challenged();
        let finals: Vec<_> = rungs.iter().filter(is_final).filter_map(|rung| rung.answer.as_ref()).collect();
        let rows = marks(&rungs, StepKind::Register).into_iter().chain(self.deregistered.iter().map(|end| end.mark));
        let last = finals.last();
        let outcome = match last {
            _ if self.deregistered.is_some() || self.is_refresh_challenged_in_vain() => StepOutcome::Failed,
            Some(answer) if answer.status >= 400 => StepOutcome::Failed,
            Some(answer) if answer.status >= 300 && self.registered.is_none() => StepOutcome::Info,
            Some(_) => StepOutcome::Ok,
            None if last_unanswered.is_some() => StepOutcome::Unanswered,
            None => return None,
        };
        let refreshes =
            rungs.iter().filter(|rung| rung.purpose == Purpose::Refresh && rung.status() == Some(200)).count();
        let mut step = LoginStep::new(StepKind::Register, outcome, rows.collect())?
            .with("status", last.map(|answer| answer.status.to_string()))
            .with("redirected_to", finals.iter().rev().find_map(|answer| answer.contact.clone()))
            .with("refreshes", (refreshes > 0).then(|| refreshes.to_string()));
        for (name, value) in &self.registration {
            step = step.with(name, value.clone());
        }
        step = step.with("reason", finals.iter().rev().find_map(|answer| answer.last_reason()));
        let says = self.say_registration(refreshes, last.copied());
        Some(step.saying(says))
    }

    fn say_registration(&self, refreshes: usize, last: Option<&Answer>) -> String {
        let fact =
            |name: &str| self.registration.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        if let Some(end) = &self.deregistered {
            return format!("The server ended the registration: {}.", end.event);
        }
        if self.registered.is_none() {
            return match last.map(|answer| (answer, &answer.contact)) {
                Some((_, Some(to))) => format!("The server sends the client to {to}."),
                Some((answer, None)) => format!("The server refuses: {}.", answer.describe()),
                None => "The registration was not answered in the capture.".to_owned(),
            };
        }
        let expires = fact("expires_s").map(|seconds| format!(" for {seconds} s")).unwrap_or_default();
        let server = fact("server").map(|server| format!("; the server is {server}")).unwrap_or_default();
        let others = fact("endpoints")
            .filter(|&count| count != "1")
            .map(|count| format!("; the user has {count} endpoints"))
            .unwrap_or_default();
        let again = if refreshes > 0 {
            format!("; refreshed {}", if refreshes == 1 { "once".to_owned() } else { format!("{refreshes} times") })
        } else {
            String::new()
        };
        let refused = match self.refresh_rejection() {
            _ if self.is_refresh_challenged_in_vain() => " The proof in a refresh was not accepted.".to_owned(),
            Some(answer) => format!(" The server refuses a refresh: {}.", answer.describe()),
            None => String::new(),
        };
        format!("The endpoint is registered{expires}{server}{others}{again}.{refused}")
    }

    fn web_step(&self, kind: StepKind) -> Option<LoginStep> {
        let of_kind = |web: &&Web| web.purpose.step() == Some(kind);
        let calls: Vec<_> =
            self.web.iter().flat_map(|web| &web.calls).filter(|call| call.purpose.step() == Some(kind)).collect();
        let closed: Vec<&Web> = self.web.iter().filter(of_kind).filter(|web| web.calls.is_empty()).collect();
        let failure = closed.iter().find_map(|web| web.failure());
        let rows = calls.iter().flat_map(|call| [Some(call.request), call.answer.map(|(mark, _)| mark)]).flatten();
        let rows = rows.chain(closed.iter().flat_map(|web| [web.connection.began, web.connection.last])).collect();
        let ok = calls.iter().any(|call| {
            call.status().is_some_and(|status| (200..300).contains(&status)) && call.fact("fault").is_none()
        });
        let outcome = match (calls.is_empty(), ok, &failure) {
            (false, true, _) | (true, _, None) => StepOutcome::Ok,
            (_, _, Some(_)) => StepOutcome::Failed,
            _ if calls.iter().all(|call| call.answer.is_none()) => StepOutcome::Unanswered,
            _ => StepOutcome::Failed,
        };
        let mut step = LoginStep::new(kind, outcome, rows)?
            .with(
                "host",
                calls
                    .first()
                    .and_then(|call| super::tracker::host_of(&call.url))
                    .map(str::to_owned)
                    .or_else(|| closed.first()?.connection.host().map(str::to_owned)),
            )
            .with("requests", (!calls.is_empty()).then(|| calls.len().to_string()))
            .with("status", calls.last().and_then(|call| call.status()).map(|status| status.to_string()));
        for (name, value) in calls.iter().flat_map(|call| &call.facts) {
            step = step.with(name, value.clone());
        }
        let took = step.ended.time.since(step.began.time);
        let said = calls.iter().rev().find(|call| !call.says.is_empty()).map(|call| call.says.clone());
        let says = match (said, failure) {
            (Some(said), _) => said,
            (None, Some((_, how))) => format!("{how}."),
            (None, None) if calls.is_empty() => {
                format!("The client talked to the web service for {}; the connection cannot be read.", duration(took))
            }
            (None, None) => {
                format!("{} request{} in {}.", calls.len(), if calls.len() == 1 { "" } else { "s" }, duration(took))
            }
        };
        Some(step.saying(says))
    }

    fn exchange_step(&self, kind: StepKind) -> Option<LoginStep> {
        // What a client asks on its way out need not be answered.
        let counts = |exchange: &&Exchange| {
            !exchange.ends && self.signed_out.is_none_or(|out| exchange.request.at.packet < out.at.packet)
        };
        let all: Vec<&Exchange> = self.of_step(kind).filter(counts).collect();
        let last = all.iter().rev().find(|exchange| exchange.answer.is_some()).or(all.last())?;
        let rows = all.iter().flat_map(|exchange| [Some(exchange.request), exchange.answer.map(|(mark, _)| mark)]);
        let mut step = LoginStep::new(kind, last.outcome, rows.flatten().collect())?
            .with("status", last.status().map(|status| status.to_string()))
            .with("times", (all.len() > 1).then(|| all.len().to_string()));
        for exchange in &all {
            for (name, value) in exchange.asked.iter().chain(&exchange.answered) {
                step = step.with(name, value.clone());
            }
            for found in &exchange.diagnostics {
                step = step.with("reason", found.reason.clone());
            }
        }
        let notified: Vec<&(Mark, Vec<String>)> = all.iter().flat_map(|exchange| &exchange.notified).collect();
        let changes: Vec<&str> = notified.iter().flat_map(|(_, changes)| changes).map(String::as_str).collect();
        let room = MOST_CITED.saturating_sub(step.rows.len());
        step.rows.extend(notified.iter().map(|(mark, _)| *mark).take(room));
        let says = format!(
            "{}{}{}{}",
            say_exchange(kind, &all, last),
            self.say_operation(&all, last),
            self.say_silence(last),
            say_notifications(notified.len(), &changes)
        );
        let step = step
            .with("notifications", (!notified.is_empty()).then(|| notified.len().to_string()))
            .with("changes", changes.join("; "));
        Some(step.saying(says))
    }

    fn sign_out(&self) -> Option<LoginStep> {
        let rungs: Vec<&Rung> = self.ladder.iter().filter(|rung| rung.purpose == Purpose::SignOut).collect();
        let says = match rungs.last()?.status() {
            Some(200..=299) => "The client signs out, and the server takes it.",
            Some(_) => "The client signs out; the server does not take it, which changes nothing.",
            None => "The client signs out and does not wait for the answer.",
        };
        Some(LoginStep::new(StepKind::SignOut, StepOutcome::Ok, marks(&rungs, StepKind::SignOut))?.saying(says))
    }
}

/// Steps that are an exchange each, in their usual order.
const AFTER: [StepKind; 12] = [
    StepKind::LocationProfile,
    StepKind::Contacts,
    StepKind::Provisioning,
    StepKind::OwnPresence,
    StepKind::ConferencingCapabilities,
    StepKind::PublishState,
    StepKind::PublishDevice,
    StepKind::Conferences,
    StepKind::AddConference,
    StepKind::ConferenceKey,
    StepKind::Buddies,
    StepKind::MediaRelay,
];

fn marks(rungs: &[&Rung], kind: StepKind) -> Vec<Mark> {
    rungs.iter().flat_map(|rung| rung.marks(kind)).collect()
}

fn say_connection(shown: &Connection, all: usize, failed: usize) -> String {
    let server = shown.server();
    let tried = if all > 1 { format!(" {all} connections, {failed} of them failed.") } else { String::new() };
    let port = match shown.flow.server.port() {
        Ports::SIPS => "the port of SIP over TLS",
        Ports::SIP => "the port of SIP in the clear",
        443 => "the port of an Access Edge",
        _ => "an unusual port",
    };
    let how = match (shown.open, shown.failed) {
        (Some((_, TcpEvent::Open { answer_time: Some(time), .. })), _) => {
            format!("connected in {}, {port}", duration(time))
        }
        (Some(_), _) => format!("connected, {port}"),
        (None, Some((_, TcpEvent::Refused { .. }))) => "refuses the connection".to_owned(),
        // A log says neither how often a SYN was sent nor for how long.
        (None, Some((mark, TcpEvent::Unanswered { .. }))) if mark.at.input.is_log() => "does not answer".to_owned(),
        (None, Some((_, TcpEvent::Unanswered { syns, waited }))) => {
            format!("does not answer: {syns} SYNs in {}", duration(waited))
        }
        (None, Some(_)) => "is unreachable".to_owned(),
        (None, None) if shown.began.at.input.is_log() => "the log does not tell how it was opened".to_owned(),
        (None, None) => "the connection was there before the capture began".to_owned(),
    };
    format!("{server}: {how}.{tried}")
}

fn say_security(shown: &Connection, outcome: StepOutcome) -> String {
    let tls = shown.tls();
    let parameters = tls.parameters.map(|(version, _)| version.to_string()).unwrap_or_default();
    let issuer = tls
        .certificate()
        .map(|own| format!(", certificate of {} by {}", common_name(&own.subject), common_name(&own.issuer)));
    let closed = match &tls.not_opened {
        Some(_) if shown.messages != [0, 0] => " No key opens it; what was said is told by the trace log.".to_owned(),
        Some(why) => format!(" What was said cannot be read: {why}."),
        None => String::new(),
    };
    match (outcome, tls.alerts.first()) {
        (StepOutcome::Failed, Some((_, direction, alert))) => {
            let who = if *direction == crate::model::Direction::Out { "client" } else { "server" };
            format!("The {who} ends it with the alert {}: {}.", alert.name(), alert.meaning())
        }
        (StepOutcome::Failed, None) if shown.was_refused_by_client() => {
            let how = if tls.close_notify.is_some() { " with close_notify" } else { "" };
            format!(
                "TLS came up, and the client ended it{how} before it had asked anything: it does not accept the server."
            )
        }
        (StepOutcome::Failed, None) => "The server breaks the handshake off.".to_owned(),
        (StepOutcome::Ok, _) if tls.resumed => format!("An earlier session was resumed with {parameters}.{closed}"),
        (StepOutcome::Ok, _) => format!("{parameters} came up{}.{closed}", issuer.unwrap_or_default()),
        _ => format!("The handshake is not complete in the capture.{closed}"),
    }
}

/// Most changes that are told in a sentence.
const MOST_CHANGES: usize = 3;

/// The operation that a request to the focus factory belongs to (MS-CONFBAS, `requestId`).
fn request_id(exchange: &Exchange) -> Option<&str> {
    exchange.asked.iter().find(|(name, _)| *name == "request_id").map(|(_, value)| value.as_str())
}

impl Login {
    /// Whether a request goes on with an operation that an earlier one began, and how often it was asked.
    fn say_operation(&self, all: &[&Exchange], last: &Exchange) -> String {
        let Some(id) = request_id(last) else { return String::new() };
        let mut ids: Vec<&str> = all.iter().filter_map(|exchange| request_id(exchange)).collect();
        let times = ids.len();
        ids.dedup();
        let again = match (times, ids.len()) {
            (0 | 1, _) => String::new(),
            (_, 1) => format!(" It was asked {times} times, each time as request {id}."),
            (_, _) => format!(" It was asked {times} times, the last time as a new request, {id}."),
        };
        let before = |other: &&Exchange| other.request.at.packet < last.request.at.packet && other.kind != last.kind;
        let goes_on = self.exchanges.iter().filter(before).any(|other| request_id(other) == Some(id));
        let goes_on = if goes_on { format!(" It goes on with request {id}.") } else { String::new() };
        format!("{again}{goes_on}")
    }

    /// That there is no answer, and whether it may be in what the capture lacks.
    fn say_silence(&self, exchange: &Exchange) -> String {
        if exchange.outcome != StepOutcome::Unanswered {
            return String::new();
        }
        let carrier = self.connections.iter().find(|connection| connection.flow == exchange.flow);
        match carrier.map_or(0, |connection| connection.lost_bytes) {
            0 => " No answer is in the capture.".to_owned(),
            bytes => format!(" No answer is in the capture, which lacks {bytes} bytes of this connection."),
        }
    }
}

fn say_notifications(count: usize, changes: &[&str]) -> String {
    if count == 0 {
        return String::new();
    }
    let told: Vec<&str> = changes.iter().take(MOST_CHANGES).copied().collect();
    let more = changes.len().saturating_sub(MOST_CHANGES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let told =
        if told.is_empty() { String::new() } else { format!(": {}{more}", told.join("; ").trim_end_matches('.')) };
    format!(" {count} notification{} followed{told}.", if count == 1 { "" } else { "s" })
}

fn say_exchange(kind: StepKind, all: &[&Exchange], last: &Exchange) -> String {
    let failed = all.iter().rev().find(|exchange| exchange.outcome == StepOutcome::Failed);
    if kind == StepKind::LocationProfile && last.status() == Some(403) {
        return "Refused, as for every user without Enterprise Voice: no dial plan, and nothing is wrong.".to_owned();
    }
    if let Some(failed) = failed.filter(|_| last.outcome == StepOutcome::Failed) {
        return format!("It failed: {} was answered with {}.", failed.method, failed.describe());
    }
    let told = all.iter().rev().find(|exchange| !exchange.says.is_empty() && exchange.answer.is_some());
    let told = told.or_else(|| all.iter().rev().find(|exchange| !exchange.says.is_empty()));
    let says = told.map(|exchange| exchange.says.clone()).unwrap_or_default();
    match (last.status(), says.is_empty()) {
        (None, true) => String::new(),
        (Some(409), _) => {
            "Another endpoint published first; the client does so again with the new version, which is normal."
                .to_owned()
        }
        (_, false) => says,
        (Some(status), true) => format!("Answered with {status}."),
    }
}

/// The common name in a distinguished name, or all of it.
pub fn common_name(name: &str) -> &str {
    name.split(',').find_map(|part| part.trim().strip_prefix("CN=")).unwrap_or(name)
}
