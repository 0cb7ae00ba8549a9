//! `lynccap keys`: every TLS session, and what it would need to be opened.

use std::io::{self, Write as _};

use crate::cli::args::Keys;
use crate::cli::output::visible;
use crate::cli::run::Run;
use crate::cli::{Failure, Outcome};
use crate::model::tls::{KeySource, NotOpened, TlsSession};

/// Runs `lynccap keys`.
///
/// # Errors
/// Where an input cannot be used.
pub fn keys(options: &Keys) -> Result<Outcome, Failure> {
    let mut run = Run::begin(&options.reading, true, None)?;
    while run.next_row().is_some() {}
    let (report, _) = run.report();
    let mut out = io::stdout().lock();
    let mut print = |line: String| {
        writeln!(out, "{}", visible(&line))
            .map_err(|error| Failure::Write { name: "standard output".to_owned(), error })
    };
    if report.tls_sessions.is_empty() {
        print("no TLS session that a sign-in could be in".to_owned())?;
    }
    for (flow, session) in &report.tls_sessions {
        print(format!("flow {}  {} → {}", flow.number, flow.key.client, flow.key.server))?;
        for (label, text) in details(session) {
            print(format!("  {label:<14} {text}"))?;
        }
    }
    for (flow, at, flight) in &report.inner_sessions {
        print(format!("flow {}  inside TLS-DSK, complete with {}", flow.number, at.place()))?;
        if let (Some(version), Some(suite)) = (flight.version, flight.suite) {
            print(format!("  {:<14} {version}, {suite}", "parameters"))?;
        }
        if let Some(certificate) = &flight.certificate {
            print(format!("  {:<14} {}, issued by {}", "client", certificate.subject, certificate.issuer))?;
        }
        let (label, text) = opened(flight.opened.as_ref(), flight.not_opened.as_ref());
        print(format!("  {label:<14} {text}"))?;
    }
    for name in &report.unused_keys {
        print(format!("{name}: opened nothing"))?;
    }
    Ok(if report.damages.is_empty() { Outcome::Done } else { Outcome::Damaged })
}

/// What a session is and what it needs.
fn details(session: &TlsSession) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(name) = &session.sni {
        lines.push(("server name", name.clone()));
    }
    if let (Some(version), Some(suite)) = (session.version, session.suite) {
        lines.push(("parameters", format!("{version}, {suite}")));
    }
    if let Some(certificate) = &session.certificate {
        lines.push(("certificate", format!("{}, serial {}", certificate.subject, certificate.serial)));
    }
    if let Some(random) = &session.client_random {
        lines.push(("client random", random.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()));
    }
    lines.push(opened(session.opened.as_ref(), session.not_opened.as_ref()));
    lines
}

/// What opened a session, or why nothing did.
fn opened(source: Option<&KeySource>, why: Option<&NotOpened>) -> (&'static str, String) {
    match (source, why) {
        (Some(source), Some(why)) => ("opened with", format!("{source}, in part: {why}")),
        (Some(source), None) => ("opened with", source.to_string()),
        (None, Some(why)) => ("closed", why.to_string()),
        (None, None) => ("closed", "the handshake did not end".to_owned()),
    }
}
