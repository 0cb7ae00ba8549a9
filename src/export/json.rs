//! The report: one JSON object about the whole capture.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use crate::export::{Choices, Export, Exporter, rfc3339};
use crate::findings::Finding;
use crate::model::dns::rcode_name;
use crate::model::stats::COUNTERS;
use crate::model::tls::{Certificate, TlsSession};
use crate::model::{At, Counter, TransportKind};
use crate::story::login::{Login, LoginStep};
use crate::story::names::{Lookup, Origin};
use crate::story::{FlowReport, Report, Row};

/// Version of the layout: raised when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// The entry in [`crate::export::EXPORTERS`].
pub static EXPORTER: Exporter = Exporter {
    name: "json",
    about: "the report about the whole capture",
    begin: |out, _: Choices| Ok(Box::new(JsonReport { out })),
};

struct JsonReport {
    out: Box<dyn Write>,
}

impl Export for JsonReport {
    fn row(&mut self, _: &Row) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, report: &Report, findings: &[Finding]) -> io::Result<()> {
        let json = json!({
            "schema_version": SCHEMA_VERSION,
            "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "inputs": report.inputs,
            "capture": capture(report),
            "names": report.lookups.iter().map(lookup).collect::<Vec<_>>(),
            "flows": report.flows.iter().map(flow).collect::<Vec<_>>(),
            "tls_sessions": report.tls_sessions.iter().map(|(flow, session)| tls_session(flow.number, session)).collect::<Vec<_>>(),
            "tls_dsk_sessions": report.inner_sessions.iter().map(|(flow, at, flight)| json!({
                "flow": flow.number,
                "frame": at.frame.0,
                "version": flight.version.map(|version| version.to_string()),
                "cipher_suite": flight.suite.map(|suite| suite.to_string()),
                "client_certificate": flight.certificate.as_ref().map(certificate),
                "opened_with": flight.opened.as_deref(),
                "not_opened": flight.not_opened.as_ref().map(ToString::to_string),
            })).collect::<Vec<_>>(),
            "unused_keys": report.unused_keys,
            "logins": report.logins.iter().map(login).collect::<Vec<_>>(),
            "findings": findings.iter().map(|found| finding(found, report)).collect::<Vec<_>>(),
            "unanswered": report.unanswered.iter().map(|request| json!({
                "method": request.method,
                "call_id": request.call_id,
                "frame": request.at.frame.0,
                "direction": request.direction.name(),
                "server": request.flow.server.to_string(),
            })).collect::<Vec<_>>(),
            "stats": stats(report),
        });
        serde_json::to_writer_pretty(&mut self.out, &json)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

fn capture(report: &Report) -> Json {
    json!({
        "packets": report.stats.get(Counter::Packets),
        "bytes": report.stats.get(Counter::Bytes),
        "rows": report.rows,
        "first": report.first.map(|at| rfc3339(at.time)),
        "last": report.last.map(|at| rfc3339(at.time)),
        "truncated": !report.damages.is_empty(),
    })
}

fn lookup(lookup: &Lookup) -> Json {
    json!({
        "client": lookup.client.to_string(),
        "dns_server": lookup.server.to_string(),
        "name": &*lookup.name,
        "type": lookup.rtype.to_string(),
        "asked": rfc3339(lookup.asked.time),
        "frame": lookup.asked.frame.0,
        "queries": lookup.queries,
        "rcode": lookup.rcode.map(rcode_name),
        "answered_after_s": lookup.answered.map(|at| at.time.since(lookup.asked.time).as_secs_f64()),
        "unreachable": lookup.unreachable.is_some(),
        "addresses": lookup.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "aliases": lookup.aliases.iter().map(|alias| &**alias).collect::<Vec<_>>(),
        "targets": lookup.targets.iter().map(|target| json!({
            "priority": target.priority, "weight": target.weight, "port": target.port, "host": &*target.host,
        })).collect::<Vec<_>>(),
        "flows": lookup.flows,
    })
}

fn flow(flow: &FlowReport) -> Json {
    json!({
        "flow": flow.number,
        "transport": if flow.key.transport == TransportKind::Tcp { "tcp" } else { "udp" },
        "client_ip": flow.key.client.ip().to_string(),
        "client_port": flow.key.client.port(),
        "server_ip": flow.key.server.ip().to_string(),
        "server_port": flow.key.server.port(),
        "first_frame": flow.first.frame.0,
        "last_frame": flow.last.frame.0,
        "opened": flow.opened.map(crate::model::TcpEvent::name),
        "ended": flow.ended.map(crate::model::TcpEvent::name),
        "sip_out": flow.sip[0],
        "sip_in": flow.sip[1],
        "lost_bytes": flow.lost_bytes,
        "looked_up": flow.origin.as_ref().map(origin),
    })
}

fn login(login: &Login) -> Json {
    let connection = login.connection();
    let after = |at: Option<At>| at.map(|at| at.time.since(login.began.time).as_secs_f64());
    json!({
        "id": login.id,
        "user": login.user,
        "client_ip": login.client.to_string(),
        "began": rfc3339(login.began.time),
        "ended": rfc3339(login.ended.time),
        "outcome": login.outcome().name(),
        "location": login.location(),
        "server_name": connection.and_then(|connection| connection.host.as_deref()),
        "server_ip": connection.map(|connection| connection.flow.server.ip().to_string()),
        "server_port": connection.map(|connection| connection.flow.server.port()),
        "auth_scheme": login.scheme,
        "registered_after_s": after(login.registered),
        "ready_after_s": after(login.ready),
        "steps": login.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

fn step(step: &LoginStep) -> Json {
    let detail = step.detail.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str())));
    json!({
        "id": step.kind.id(),
        "title": step.kind.title(),
        "outcome": step.outcome.name(),
        "began": rfc3339(step.began.time),
        "duration_s": step.ended.time.since(step.began.time).as_secs_f64(),
        "frames": step.evidence.iter().map(|at| at.frame.0).collect::<Vec<_>>(),
        "detail": Json::Object(detail.collect()),
    })
}

fn tls_session(flow: u32, session: &TlsSession) -> Json {
    let [client, server] = session.data;
    json!({
        "flow": flow,
        "frame": session.began.map(|at| at.frame.0),
        "sni": session.sni,
        "offered": session.offered.map(|version| version.to_string()),
        "version": session.version.map(|version| version.to_string()),
        "cipher_suite": session.suite.map(|suite| suite.to_string()),
        "extended_master_secret": session.extended_master_secret,
        "encrypt_then_mac": session.encrypt_then_mac,
        "certificate": session.certificate.as_ref().map(certificate),
        "resumed": session.resumed,
        "decrypted": session.opened.is_some(),
        "opened_with": session.opened.as_deref(),
        "not_opened": session.not_opened.as_ref().map(ToString::to_string),
        "client_data": { "records": client.0, "bytes": client.1 },
        "server_data": { "records": server.0, "bytes": server.1 },
        "keep_alive_sized_records": session.keep_alives,
        "failed_records": session.failed_records,
        "unreadable_records": session.unreadable_records,
    })
}

fn certificate(certificate: &Certificate) -> Json {
    json!({
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "key": certificate.key_kind,
        "bits": certificate.key_bits,
        "serial": certificate.serial,
        "self_signed": certificate.self_signed,
    })
}

fn origin(origin: &Origin) -> Json {
    match origin {
        Origin::LookedUp { service, host, choice: (which, of), delay } => json!({
            "name": &**host, "service": service.as_deref(), "address": which, "of": of, "before_s": delay.as_secs_f64(),
        }),
        Origin::NotLookedUp => Json::Bool(false),
    }
}

fn finding(finding: &Finding, report: &Report) -> Json {
    let rows: Vec<u64> = finding.evidence.iter().filter_map(|at| report.row_of(*at)).collect();
    json!({
        "id": finding.rule.id,
        "severity": finding.severity.name(),
        "title": finding.rule.title,
        "what": finding.what,
        "why": finding.rule.why,
        "fix": finding.rule.fix,
        "rows": rows,
        "frames": finding.evidence.iter().map(|at| at.frame.0).collect::<Vec<_>>(),
        "login": finding.login,
        "root_cause": finding.root_cause,
    })
}

fn stats(report: &Report) -> Json {
    let counts = COUNTERS.iter().map(|entry| (entry.id.to_owned(), Json::from(report.stats.get(entry.counter))));
    Json::Object(counts.collect())
}
