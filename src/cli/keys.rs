//! Keys that the user gives, and `lynccap keys`: what every TLS session would need.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use crate::cli::args::{Keys, Reading};
use crate::cli::output::visible;
use crate::cli::run::Run;
use crate::cli::{Failure, Outcome, output};
use crate::crypto::{KeyStore, RsaKey};
use crate::model::tls::{KeySource, NotOpened, TlsSession};
use crate::wire::keylog;

/// Most bad lines of a key log that are told one by one.
const MOST_BAD_LINES: usize = 5;

/// Reads the key files.
///
/// # Errors
/// Where one cannot be read, or is none.
pub fn load(reading: &Reading) -> Result<KeyStore, Failure> {
    let mut store = KeyStore::default();
    for path in &reading.keylog {
        add_lines(&mut store, &file_name(path), &read(path)?);
    }
    let password = match &reading.tls_key_password_file {
        Some(path) => Some(password(&read(path)?)),
        None => None,
    };
    for path in &reading.tls_key {
        let bytes = read(path)?;
        let key = RsaKey::parse(&bytes, password.as_deref(), file_name(path).into())
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        store.add_rsa(key);
    }
    Ok(store)
}

/// Adds the lines of a key log; tells the ones that cannot be read by number, never by content.
pub fn add_lines(store: &mut KeyStore, name: &str, bytes: &[u8]) {
    let file: Arc<str> = name.into();
    let (lines, bad) = keylog::parse(bytes);
    for line in lines {
        store.add_secret(line.label, &line.id, line.secret, &file, line.number);
    }
    for line in bad.iter().take(MOST_BAD_LINES) {
        output::complain(&format!("{name}: line {}: {}; passed over", line.number, line.what));
    }
    if bad.len() > MOST_BAD_LINES {
        output::complain(&format!("{name}: {} more lines cannot be read", bad.len() - MOST_BAD_LINES));
    }
    store.add_key_log(file);
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The first line, without its end.
fn password(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().to_owned()
}

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
        print(format!("flow {}  inside TLS-DSK, complete with frame {}", flow.number, at.frame.0))?;
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
        (Some(source), _) => ("opened with", source.to_string()),
        (None, Some(why)) => ("closed", why.to_string()),
        (None, None) => ("closed", "the handshake did not end".to_owned()),
    }
}
