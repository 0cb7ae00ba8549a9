//! The REGISTER ladder: each REGISTER with what it offered and each answer with what it asked for
//! ([MS-SIPAE] §3.1, [MS-SIPREGE]).
//!
//! In: REGISTER requests and their answers. Out: rungs in their order. One Call-ID, `CSeq` counting up; the
//! healthy number of 401 answers is one for Kerberos, two for NTLM and three for TLS-DSK.

use crate::model::codes::hresult;
use crate::model::sip::{Header, HeaderName, SipMessage, StartLine};
use crate::model::{FlowKey, Span, Timestamp};
use crate::story::login::exchange::Fact;
use crate::story::row::{Mark, Row};
use crate::story::steps::{self, StepKind, clip};
use crate::wire::auth::{Auth, Parameter};
use crate::wire::date;
use crate::wire::diagnostics::Diagnostics;
use crate::wire::sip::{address_uri, parameter};

/// What a scheme is offered or answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheme {
    /// `NTLM`, `Kerberos`, `TLS-DSK` …
    pub name: String,
    /// Who is to be convinced: a host name, for Kerberos a service principal.
    pub targetname: String,
    /// Version of the protocol ([MS-SIPAE] §2.2).
    pub version: String,
    /// The server's id of the security association.
    pub opaque: String,
    /// Where TLS-DSK gets its certificate.
    pub sts_uri: String,
    /// Bytes of the token in base64; `None` where there is no token at all.
    pub token: Option<usize>,
    /// It carries a signature.
    pub signed: bool,
    /// Only the nonce was old: the same proof over the new one will do (RFC 2617 §3.2.1).
    pub stale: bool,
}

impl Scheme {
    /// Reads a challenge or credentials; `None` where there is no scheme.
    pub fn read(value: &str) -> Option<Self> {
        let auth = Auth::parse(value)?;
        let text = |name| clip(auth.parameter(name).unwrap_or_default(), LONGEST_TEXT).to_owned();
        Some(Self {
            name: clip(auth.scheme, LONGEST_TEXT).to_owned(),
            targetname: text(Parameter::TargetName),
            version: text(Parameter::Version),
            opaque: text(Parameter::Opaque),
            sts_uri: text(Parameter::StsUri),
            token: auth.parameter(Parameter::GssapiData).map(str::len),
            signed: auth.parameter(Parameter::Response).is_some(),
            stale: auth.parameter(Parameter::Stale).is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The server goes on with it: it has an association, or a token to answer.
    pub fn goes_on(&self) -> bool {
        self.token.is_some_and(|length| length > 0) || !self.opaque.is_empty()
    }
}

/// Longest text of a parameter that is kept.
const LONGEST_TEXT: usize = 256;
/// Longest header value of a registration that is kept.
const LONGEST_VALUE: usize = 1024;
/// Most schemes of one challenge that are kept.
const MOST_SCHEMES: usize = 8;

/// An answer to a REGISTER.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The row.
    pub mark: Mark,
    /// Status.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Since the request.
    pub response_time: Option<Span>,
    /// What the servers on the way say about it.
    pub diagnostics: Vec<Diagnostics>,
    /// Schemes offered.
    pub offered: Vec<Scheme>,
    /// The server's clock, from `Date`.
    pub date: Option<Timestamp>,
    /// Where it sends the client.
    pub contact: Option<String>,
    /// Which connection the server takes it for (`ms-received-cid`).
    pub received_cid: Option<String>,
    /// `Warning`, as it stands.
    pub warning: Option<String>,
}

impl Answer {
    /// Status, reason and what the servers say, in one line.
    pub fn describe(&self) -> String {
        let said = self.diagnostics.iter().map(steps::describe);
        let warning = self.warning.iter().map(|warning| format!("Warning: {warning}"));
        let mut said: Vec<_> =
            std::iter::once(format!("{} {}", self.status, self.reason)).chain(said).chain(warning).collect();
        // An Edge says it once for the inside, and once for everybody.
        said.dedup();
        said.join("; ")
    }

    /// What the last server that says something says about it.
    pub fn last_reason(&self) -> Option<String> {
        self.diagnostics.last().map(steps::describe)
    }

    /// Whether it refuses because of user name or password for good.
    pub fn refuses_credentials(&self) -> bool {
        refuses_credentials(self.status, &self.reason, &self.diagnostics)
    }

    /// Whether a server on the way gives one of these ids.
    pub fn has_id(&self, ids: impl Fn(u32) -> bool) -> bool {
        self.diagnostics.iter().any(|found| ids(found.id))
    }
}

/// What a REGISTER is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To sign in.
    SignIn,
    /// To keep what is registered.
    Refresh,
    /// To sign out.
    SignOut,
}

/// A REGISTER that was refused for good.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// What it was for.
    pub of: Purpose,
    /// The answer.
    pub answer: &'a Answer,
}

impl Refusal<'_> {
    /// What was refused, for the beginning of a clause.
    pub const fn what(&self) -> &'static str {
        match self.of {
            Purpose::Refresh => "the refresh of the registration",
            Purpose::SignIn | Purpose::SignOut => "REGISTER",
        }
    }

    /// In one line for a finding.
    pub fn describe(&self) -> String {
        format!("{} was answered with {}", self.what(), self.answer.describe())
    }
}

/// A REGISTER and its answer.
#[derive(Clone, Debug)]
pub struct Rung {
    /// The connection.
    pub flow: FlowKey,
    /// The request; the answer's row where the request is not in the capture.
    pub request: Mark,
    /// Its Call-ID.
    pub call_id: String,
    /// Its number.
    pub cseq: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// The credentials in it.
    pub credentials: Option<Scheme>,
    /// The final answer.
    pub answer: Option<Answer>,
}

impl Rung {
    /// A request.
    pub fn new(flow: FlowKey, row: &Row, message: &SipMessage, purpose: Purpose) -> Self {
        let credentials = message.header(HeaderName::Authorization).or(message.header(HeaderName::ProxyAuthorization));
        Self {
            flow,
            request: row.mark(),
            call_id: steps::call_id(message).into_owned(),
            cseq: message.cseq.map_or(0, |cseq| cseq.number),
            purpose,
            credentials: credentials.as_deref().and_then(Scheme::read),
            answer: None,
        }
    }

    /// The step that it is of.
    pub fn step(&self) -> StepKind {
        match (self.purpose, &self.credentials) {
            (Purpose::SignOut, _) => StepKind::SignOut,
            (Purpose::Refresh, _) => StepKind::Register,
            (Purpose::SignIn, Some(scheme)) if scheme.token.is_some() => StepKind::Authenticate,
            (Purpose::SignIn, Some(scheme)) if scheme.signed => StepKind::Register,
            (Purpose::SignIn, _) => StepKind::Challenge,
        }
    }

    /// The step that its answer is of, and no other: that of the request, but where the server took the proof and
    /// decides on the registration, it is the registration's. There the request stands in both, for it asks for both.
    pub fn answer_step(&self) -> Option<StepKind> {
        let answer = self.answer.as_ref()?;
        let step = self.step();
        let decides = match step {
            StepKind::Challenge => (200..300).contains(&answer.status),
            StepKind::Authenticate => !self.is_challenged() && !answer.refuses_credentials(),
            _ => false,
        };
        Some(if decides { StepKind::Register } else { step })
    }

    /// The rows of it that are of a step.
    pub fn marks(&self, kind: StepKind) -> impl Iterator<Item = Mark> {
        let answer_step = self.answer_step();
        let answer = self.answer.as_ref().map(|answer| answer.mark);
        let request = (self.step() == kind || answer_step == Some(kind)).then_some(self.request);
        request.into_iter().chain(answer.filter(|_| answer_step == Some(kind)))
    }

    /// Whether a response answers it.
    pub fn is_answered_by(&self, flow: &FlowKey, message: &SipMessage) -> bool {
        self.answer.is_none()
            && self.flow == *flow
            && message.cseq.is_some_and(|cseq| cseq.number == self.cseq)
            && self.call_id == steps::call_id(message)
    }

    /// Status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// Whether it carries a token or a signature.
    pub fn proves(&self) -> bool {
        self.credentials.as_ref().is_some_and(|scheme| scheme.token.is_some() || scheme.signed)
    }

    /// Whether it was challenged.
    pub fn is_challenged(&self) -> bool {
        matches!(self.status(), Some(401 | 407))
    }

    /// Whether the server begins anew after the proof in it: it neither goes on with the handshake nor says that only
    /// the nonce was old.
    pub fn is_challenged_anew(&self) -> bool {
        let name = self.credentials.as_ref().map(|proof| proof.name.as_str());
        let goes_on = |scheme: &Scheme| scheme.token.is_some_and(|length| length > 0) || scheme.stale;
        let offers = self.answer.iter().flat_map(|answer| &answer.offered);
        let mut same = offers.filter(|scheme| name.is_some_and(|name| scheme.name.eq_ignore_ascii_case(name)));
        self.is_challenged() && self.proves() && !same.any(goes_on)
    }

    /// Whether it is signed by the keys of a handshake that was before it, and carries none of its own.
    pub fn is_of_association(&self) -> bool {
        let has_handshake =
            |name: &str| ["NTLM", "Kerberos", "TLS-DSK"].iter().any(|known| name.eq_ignore_ascii_case(known));
        self.credentials
            .as_ref()
            .is_some_and(|proof| proof.token.is_none() && proof.signed && has_handshake(&proof.name))
    }

    /// Whether it was refused for good.
    pub fn is_rejected(&self) -> bool {
        matches!(self.status(), Some(400 | 402..=406 | 408..))
    }
}

/// The last step of the handshake failed ([MS-OCER] §2.2.1).
const HANDSHAKE_FAILED: u32 = 1000;

/// Whether a final answer refuses because of user name or password: by HRESULT, by error id, or in words.
pub fn refuses_credentials(status: u16, reason: &str, diagnostics: &[Diagnostics]) -> bool {
    let speaks_of_password = |text: &str| text.to_ascii_lowercase().contains("password");
    let says = |found: &Diagnostics| match found.hresult() {
        Some(number) => hresult::is_of_credentials(number),
        None => found.id == HANDSHAKE_FAILED || found.reason.as_deref().is_some_and(speaks_of_password),
    };
    status == 403 && (diagnostics.iter().any(says) || diagnostics.is_empty() && speaks_of_password(reason))
}

/// The reason phrase of an answer.
pub fn reason(message: &SipMessage) -> String {
    match message.start {
        StartLine::Response { reason, .. } => clip(&message.text(reason), LONGEST_TEXT).to_owned(),
        StartLine::Request { .. } => String::new(),
    }
}

/// Reads a final answer.
pub fn answer(row: &Row, message: &SipMessage, status: u16) -> Answer {
    let challenges =
        message.headers_where(|id, _| matches!(id, HeaderName::WwwAuthenticate | HeaderName::ProxyAuthenticate));
    let redirected = matches!(status, 301 | 302 | 305);
    let via = message.header(HeaderName::Via);
    Answer {
        mark: row.mark(),
        status,
        reason: reason(message),
        response_time: row.rtt,
        diagnostics: steps::diagnostics(message),
        offered: challenges.filter_map(|header| Scheme::read(&header.value)).take(MOST_SCHEMES).collect(),
        date: message.header(HeaderName::Date).and_then(|value| date::parse(&value)),
        contact: message
            .header(HeaderName::Contact)
            .filter(|_| redirected)
            .map(|contact| address_uri(&contact).to_owned()),
        received_cid: via.as_deref().and_then(|via| parameter(via, "ms-received-cid")).map(str::to_owned),
        warning: message.header(HeaderName::Warning).map(|warning| clip(&warning, LONGEST_TEXT).to_owned()),
    }
}

/// What the 200 says that registered: own contact, other endpoints, how long it holds, what may be asked for.
pub fn registration(message: &SipMessage, epid: Option<&str>) -> Vec<Fact> {
    let named = |name: &str| message.header_named(name).map(|value| clip(&value, LONGEST_VALUE).to_owned());
    let contacts: Vec<_> = message.headers_where(|id, _| id == HeaderName::Contact).collect();
    let own = own_contact(message, &contacts).unwrap_or_default();
    let mut facts: Vec<Fact> = Vec::new();
    let mut say = |name, value: Option<String>| {
        facts.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    };
    say("epid", epid.map(str::to_owned));
    say("gruu", parameter(own, "gruu").map(str::to_owned));
    say("endpoints", Some(contacts.len().to_string()).filter(|_| !contacts.is_empty()));
    say("expires_s", named("Expires").or_else(|| parameter(own, "expires").map(str::to_owned)));
    say("server", named("Server"));
    say("presence_state", named("presence-state"));
    say("keep_alive_s", named("ms-keep-alive").and_then(|value| parameter(&value, "timeout").map(str::to_owned)));
    say("allowed_events", named("Allow-Events"));
    facts
}

/// The contact of the endpoint that the answer is for: the one at the address that its own `Via` names, or the last.
fn own_contact<'a>(message: &SipMessage, contacts: &'a [Header<'_>]) -> Option<&'a str> {
    let via = message.header(HeaderName::Via).unwrap_or_default();
    let sent_by = via.split(';').next().and_then(|head| head.split_whitespace().nth(1)).unwrap_or("?");
    let mut values = contacts.iter().map(|header| &*header.value);
    let own =
        values.clone().find(|value| address_uri(value).split_once(':').is_some_and(|(_, address)| address == sent_by));
    own.or_else(|| values.next_back())
}
