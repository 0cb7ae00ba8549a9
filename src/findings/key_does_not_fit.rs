//! # key-does-not-fit

use crate::findings::{Check, Finding, Rule, Severity};
use crate::model::tls::{NotOpened, TlsSession};
use crate::story::Report;

/// The rule.
pub static RULE: Rule = Rule {
    id: "key-does-not-fit",
    title: "A key that was given opens nothing here",
    seen: "An RSA key whose public part no certificate in the capture has, a key log without a line for any session, or records that fail their check with the key found.",
    why: "The key is of another server, another time or another capture, so the sessions stay closed.",
    fix: "Take the key of the certificate that `lynccap keys` shows for the session, or the key log that was written while this capture ran.",
    check: Check::Capture(check),
};

fn check(rule: &'static Rule, report: &Report) -> Vec<Finding> {
    let mut found = Vec::new();
    let sessions = report.tls_sessions.iter();
    let bad = sessions.filter(|(_, session)| {
        matches!(session.not_opened, Some(NotOpened::OtherCertificate | NotOpened::WrongKey(_)))
    });
    for (flow, session) in bad {
        let why = session.not_opened.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = format!("the session with {}: {why}", flow.key.server);
        found.push(Finding::new(rule, Severity::Warning, what, session.began.into_iter().collect()));
    }
    // A session that broke off before it had all its keys was known to the log all the same.
    let is_known = |session: &TlsSession| matches!(session.not_opened, Some(NotOpened::SecretMissing(_)));
    let known = report.tls_sessions.iter().any(|(_, session)| is_known(session));
    // Nothing can open a session that never carried anything.
    let with_data = report.tls_sessions.iter().filter(|(_, session)| session.has_data());
    let evidence: Vec<_> = with_data.filter_map(|(_, session)| session.began).take(16).collect();
    if found.is_empty() && !known && !evidence.is_empty() {
        for name in &report.unused_keys {
            // A file for the sessions inside TLS-DSK, or for another capture, is no harm.
            let what = format!("{name} opened none of the TLS sessions");
            found.push(Finding::new(rule, Severity::Note, what, evidence.clone()));
        }
    }
    found
}
