//! The report: one JSON object about the whole capture.
//!
//! Sign-ins are written as they close, to memory and beyond a bound to a temporary file, so that their number
//! does not matter.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write};

use serde_json::{Value as Json, json};
use tempfile::SpooledTempFile;

use crate::export::{Choices, Export, Exporter, escape, rfc3339};
use crate::findings::Finding;
use crate::model::dns::rcode_name;
use crate::model::stats::COUNTERS;
use crate::model::tls::{Certificate, TlsSession};
use crate::model::{At, Counter, Span, TransportKind};
use crate::story::authentication::tls_dsk::Flight;
use crate::story::login::Login;
use crate::story::login::steps::LoginStep;
use crate::story::login::waterfall::Phase;
use crate::story::names::{Lookup, Origin};
use crate::story::report::ClockReport;
use crate::story::transactions::Unanswered;
use crate::story::{Asked, FlowReport, Mark, PointPair, Report, Row, RowFlow};

/// Version of the layout: raised when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// The entry in [`crate::export::EXPORTERS`].
pub static EXPORTER: Exporter = Exporter {
    name: "json",
    about: "the report about the whole capture",
    begin: |out, _: Choices| Ok(Box::new(JsonReport { out, logins: Spool::new(), findings: Spool::new() })),
};

/// Bytes of sign-ins that stay in memory before they go to a temporary file.
const IN_MEMORY: usize = 1 << 20;

/// JSON values that wait for the end, by number.
struct Spool {
    file: SpooledTempFile,
    /// Number, place and length of each value.
    places: Vec<(u32, u64, u64)>,
    end: u64,
}

impl Spool {
    fn new() -> Self {
        Self { file: SpooledTempFile::new(IN_MEMORY), places: Vec::new(), end: 0 }
    }

    fn push(&mut self, number: u32, value: &Json) -> io::Result<()> {
        let bytes = escape::to_vec(value)?;
        self.file.write_all(&bytes)?;
        self.places.push((number, self.end, bytes.len() as u64));
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes all values as an array, in the order of their numbers.
    fn write(&mut self, more: &[Json], out: &mut dyn Write) -> io::Result<()> {
        self.places.sort_by_key(|&(number, ..)| number);
        let mut separator = "[\n    ";
        for &(_, place, length) in &self.places {
            out.write_all(std::mem::replace(&mut separator, ",\n    ").as_bytes())?;
            self.file.seek(SeekFrom::Start(place))?;
            io::copy(&mut (&mut self.file).take(length), out)?;
        }
        for value in more {
            out.write_all(std::mem::replace(&mut separator, ",\n    ").as_bytes())?;
            out.write_all(&escape::to_vec(value)?)?;
        }
        out.write_all(if separator.starts_with('[') { b"[]" } else { b"\n  ]" })
    }
}

struct JsonReport {
    out: Box<dyn Write>,
    logins: Spool,
    findings: Spool,
}

impl Export for JsonReport {
    fn row(&mut self, _: &Row) -> io::Result<()> {
        Ok(())
    }

    fn asks(&self) -> Asked {
        Asked { told: true, ..Asked::LEAST }
    }

    fn login(&mut self, login: &Login, findings: &[Finding]) -> io::Result<()> {
        self.logins.push(login.id, &self::login(login))?;
        findings.iter().try_for_each(|found| self.findings.push(login.id, &finding(found)))
    }

    fn finish(&mut self, report: &Report, findings: &[Finding]) -> io::Result<()> {
        let tool = json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") });
        let sessions = report.tls_sessions.iter().map(|(flow, session)| tls_session(flow.number, session));
        let before = [
            ("schema_version", json!(SCHEMA_VERSION)),
            ("tool", tool),
            ("inputs", json!(report.inputs)),
            ("capture", capture(report)),
            ("names", report.lookups.iter().map(lookup).collect()),
            ("flows", report.flows.iter().map(|report| flow(report)).collect()),
            ("tls_sessions", sessions.collect()),
            ("tls_dsk_sessions", inner_sessions(report)),
            ("unused_keys", json!(report.unused_keys)),
            ("clocks", report.clocks.iter().map(clock).collect()),
            ("points", report.points.iter().map(point_pair).collect()),
        ];
        let mut separator = "{\n  ";
        for (name, value) in before {
            write!(self.out, "{}\"{name}\": ", std::mem::replace(&mut separator, ",\n  "))?;
            write_value(&mut self.out, &value)?;
        }
        self.out.write_all(b",\n  \"logins\": ")?;
        self.logins.write(&[], &mut self.out)?;
        self.out.write_all(b",\n  \"findings\": ")?;
        let more: Vec<Json> = findings.iter().map(finding).collect();
        self.findings.write(&more, &mut self.out)?;
        for (name, value) in [("unanswered", unanswered(report)), ("stats", stats(report))] {
            write!(self.out, ",\n  \"{name}\": ")?;
            write_value(&mut self.out, &value)?;
        }
        self.out.write_all(b"\n}\n")?;
        self.out.flush()
    }
}

/// Arrays stand an element a line.
fn write_value(out: &mut dyn Write, value: &Json) -> io::Result<()> {
    match value {
        Json::Array(elements) if !elements.is_empty() => {
            let mut separator = "[\n    ";
            for element in elements {
                out.write_all(std::mem::replace(&mut separator, ",\n    ").as_bytes())?;
                out.write_all(&escape::to_vec(element)?)?;
            }
            out.write_all(b"\n  ]")
        }
        value => out.write_all(&escape::to_vec(value)?),
    }
}

fn clock(clock: &ClockReport) -> Json {
    json!({
        "input": clock.name,
        "messages": clock.messages,
        "matched": clock.matched,
        "zone_minutes": clock.zone,
        "ahead_s": clock.ahead.as_secs_f64(),
        "spread_s": clock.spread.as_secs_f64(),
    })
}

fn point_pair(pair: &PointPair) -> Json {
    json!({
        "inputs": pair.inputs,
        "messages": pair.messages,
        "changed": pair.changed,
        "ahead_s": pair.ahead.map(Span::as_secs_f64),
        "transit_s": pair.transit.map(Span::as_secs_f64),
    })
}

fn inner_sessions(report: &Report) -> Json {
    let session = |(flow, at, flight): &(RowFlow, At, Flight)| {
        json!({
            "flow": flow.number,
            "frame": at.frame_no(),
            "line": at.line_no(),
            "version": flight.version.map(|version| version.to_string()),
            "cipher_suite": flight.suite.map(|suite| suite.to_string()),
            "client_certificate": flight.certificate.as_ref().map(certificate),
            "opened_with": flight.opened.as_deref(),
            "not_opened": flight.not_opened.as_ref().map(ToString::to_string),
        })
    };
    report.inner_sessions.iter().map(session).collect()
}

fn unanswered(report: &Report) -> Json {
    let request = |request: &Unanswered| {
        json!({
            "method": request.method,
            "call_id": request.call_id,
            "frame": request.at.frame_no(),
            "line": request.at.line_no(),
            "direction": request.direction.name(),
            "server": request.flow.server.to_string(),
        })
    };
    report.unanswered.iter().map(request).collect()
}

fn capture(report: &Report) -> Json {
    json!({
        "packets": report.stats.get(Counter::Packets),
        "bytes": report.stats.get(Counter::Bytes),
        "log_records": report.stats.get(Counter::LogRecords),
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
        "first_frame": flow.first.frame_no(),
        "last_frame": flow.last.frame_no(),
        "first_line": flow.first.line_no(),
        "last_line": flow.last.line_no(),
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
    let after = |mark: Option<Mark>| mark.map(|mark| login.after(mark).as_secs_f64());
    let (location, evidence) = login.location();
    let slowest = login.slowest();
    json!({
        "id": login.id,
        "same_as": login.same_as.as_ref().map(|same| same.login),
        "user": login.user,
        "client_ip": login.client.to_string(),
        "user_agent": login.endpoint.user_agent,
        "epid": login.endpoint.epid,
        "began": rfc3339(login.began.time),
        "ended": rfc3339(login.ended.time),
        "outcome": login.outcome().name(),
        "location": location,
        "location_evidence": evidence,
        "server_name": connection.and_then(|connection| connection.host()),
        "server_ip": connection.map(|connection| connection.flow.server.ip().to_string()),
        "server_port": connection.map(|connection| connection.flow.server.port()),
        "auth_scheme": login.scheme(),
        "registered_after_s": after(login.registered),
        "ready_after_s": after(login.ready()),
        "phases": login.phases().iter().map(phase).collect::<Vec<_>>(),
        "slowest": slowest.map(|slowest| json!({
            "step": slowest.kind.id(),
            "what": slowest.what,
            "took_s": slowest.took.as_secs_f64(),
            "frame": slowest.mark.at.frame_no(),
            "line": slowest.mark.at.line_no(),
        })),
        "steps": login.steps().iter().map(|told| step(login, told)).collect::<Vec<_>>(),
    })
}

fn phase(phase: &Phase) -> Json {
    json!({
        "id": phase.kind.name(),
        "began_s": phase.began.as_secs_f64(),
        "took_s": phase.took.as_secs_f64(),
        "server_s": phase.server.as_secs_f64(),
        "client_s": phase.client().as_secs_f64(),
    })
}

fn step(login: &Login, step: &LoginStep) -> Json {
    let detail = step.detail.iter().map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str())));
    json!({
        "id": step.kind.id(),
        "title": step.kind.title(),
        "outcome": step.outcome.name(),
        "began": rfc3339(step.began.time),
        "duration_s": step.ended.time.since(step.began.time).as_secs_f64(),
        "rows": step.rows.iter().filter_map(|mark| login.row_number(*mark)).collect::<Vec<_>>(),
        "frames": step.rows.iter().filter_map(|mark| mark.at.frame_no()).collect::<Vec<_>>(),
        "lines": step.rows.iter().filter_map(|mark| mark.at.line_no()).collect::<Vec<_>>(),
        "says": step.says,
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
        "certificate": session.certificate.as_deref().map(certificate),
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

fn finding(finding: &Finding) -> Json {
    json!({
        "id": finding.rule.id,
        "severity": finding.severity.name(),
        "title": finding.rule.title,
        "what": finding.what,
        "why": finding.why(),
        "fix": finding.fix(),
        "rows": finding.rows,
        "frames": finding.evidence.iter().filter_map(|mark| mark.at.frame_no()).collect::<Vec<_>>(),
        "lines": finding.evidence.iter().filter_map(|mark| mark.at.line_no()).collect::<Vec<_>>(),
        "login": finding.login,
        "root_cause": finding.root_cause,
    })
}

fn stats(report: &Report) -> Json {
    let counts = COUNTERS.iter().map(|entry| (entry.id.to_owned(), Json::from(report.stats.get(entry.counter))));
    Json::Object(counts.collect())
}
