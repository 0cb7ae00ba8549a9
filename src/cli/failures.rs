//! What `--errors` keeps: rows that failed, each with what its codes mean and what to do.
//!
//! What is normal in a healthy sign-in is no failure: a challenge, a name of discovery that does not exist, a
//! refused location profile, a reset at sign-out.

use crate::model::codes::{Code, dns, http_status, sip_status};
use crate::model::http::HttpStart;
use crate::model::tls::TlsEvent;
use crate::model::{FlowKey, Message, Recent, TcpEvent};
use crate::story::Row;
use crate::story::login::web::Purpose;
use crate::story::narrate::narrate;
use crate::story::steps::{self, StepKind, is_discovery};

/// Connections on which the client signed out that are remembered until they end.
const MOST_SIGNED_OUT: usize = 4096;

/// Tells the rows that failed from the others.
pub struct Failures {
    /// Connections whose last REGISTER signed the client out.
    signed_out: Recent<FlowKey, ()>,
}

impl Default for Failures {
    fn default() -> Self {
        Self { signed_out: Recent::new(MOST_SIGNED_OUT) }
    }
}

impl Failures {
    /// Whether a row failed; all rows, in their order.
    pub fn has(&mut self, row: &Row) -> bool {
        let at_sign_out = row.flow.is_some_and(|flow| self.follows_sign_out(&flow.key, row));
        is_failure(row) && (!at_sign_out || !row.findings.is_empty())
    }

    /// Whether a row is the reset of a connection on which the client had signed out.
    fn follows_sign_out(&mut self, flow: &FlowKey, row: &Row) -> bool {
        match &row.message {
            Message::Sip(message) if message.is_request() && message.method().as_deref() == Some("REGISTER") => {
                if row.step == Some(StepKind::SignOut.id()) {
                    self.signed_out.insert(*flow, ());
                } else {
                    self.signed_out.remove(flow);
                }
                false
            }
            Message::Tcp(event) => {
                let signed_out = self.signed_out.remove(flow).is_some();
                signed_out && matches!(event, TcpEvent::Reset { .. })
            }
            _ => false,
        }
    }
}

/// Whether a row failed, whatever came before it.
fn is_failure(row: &Row) -> bool {
    match &row.message {
        Message::Sip(message) => message.status().is_some_and(|status| {
            status >= 400
                && !matches!(status, 401 | 407)
                && !(status == 403 && row.step == Some(StepKind::LocationProfile.id()))
                || row.findings.iter().any(|id| *id != "voice-not-enabled")
        }),
        Message::Http(message) => match message.start {
            HttpStart::Response { status, .. } => status >= 400 && status != 401,
            HttpStart::Request { .. } => false,
        },
        Message::Dns(message) => {
            let discovers =
                message.questions.first().is_some_and(|asked| is_discovery(&asked.name.to_ascii_lowercase()));
            message.is_response() && message.rcode != 0 && !(message.rcode == 3 && discovers)
        }
        Message::Tcp(event) => !matches!(event, TcpEvent::Open { .. } | TcpEvent::Closed { .. }),
        Message::Tls(event) => match &**event {
            TlsEvent::Alert(Some(alert)) => !alert.is_close_notify(),
            TlsEvent::NotOpened(_) => true,
            _ => false,
        },
        Message::Kerberos(message) => message.error.is_some_and(|error| error.0 != 25),
        Message::Icmp { .. } | Message::Lost(_) | Message::Defect(_) => true,
        _ => !row.findings.is_empty(),
    }
}

/// What a row that failed means, and what to do; a sentence an entry.
pub fn explain(row: &Row) -> Vec<String> {
    let mut texts = vec![narrate(row)];
    let step = row.step.unwrap_or_default();
    match &row.message {
        Message::Sip(message) => {
            let status =
                message.status().and_then(|status| sip_status::at_step(status, step).or(sip_status::of(status)));
            texts.extend(status.map(told));
            texts.extend(steps::diagnostics(message).iter().map(|found| told(found.code())));
        }
        Message::Http(message) => {
            if let HttpStart::Response { status, .. } = message.start {
                // A connection to the web services carries more than what its step is about. Only autodiscover sends
                // clients to URLs of any form.
                let asked = message.url().and_then(|url| Purpose::of_path(&url)).and_then(Purpose::step);
                let asked = asked.or((step == StepKind::Discover.id()).then_some(StepKind::Discover));
                let known = asked.and_then(|asked| http_status::at_step(status, asked.id()));
                let known = known.or(http_status::of(status));
                texts.extend(known.map(told));
            }
            texts.extend(steps::http_diagnostics(message).iter().map(|found| told(found.code())));
        }
        Message::Tls(event) => {
            if let TlsEvent::Alert(Some(alert)) = &**event {
                texts.extend(alert.code().map(told));
            }
        }
        Message::Dns(message) => {
            texts.extend(dns::TABLE.iter().find(|code| code.number == u32::from(message.rcode)).copied().map(told));
        }
        _ => {}
    }
    texts.extend(row.findings.iter().map(|id| format!("finding: {id} (`lynccap explain {id}`)")));
    texts.retain(|text| !text.is_empty());
    texts.dedup();
    texts
}

/// A code in a sentence or two.
fn told(code: Code) -> String {
    let probably = if code.certain { "" } else { "probably: " };
    let fix = code.fix.map(|fix| format!(" — {fix}")).unwrap_or_default();
    format!("{code}: {probably}{}{fix}", code.meaning)
}
