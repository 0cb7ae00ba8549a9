//! `lynccap follow`: the bytes of one conversation, decrypted where that is possible.

use std::io::Write as _;

use crate::cli::args::{BytesFormat, Follow, Way};
use crate::cli::run::Run;
use crate::cli::show::{dump, lines};
use crate::cli::{Failure, Outcome, output};
use crate::model::{At, Direction, FlowKey, Payload};

/// Runs the command: once to find the flow, once more for its bytes.
///
/// # Errors
/// Where there is no such flow, or an input cannot be used.
pub fn follow(options: &Follow) -> Result<Outcome, Failure> {
    if options.reading.inputs.iter().any(|input| input.as_os_str() == "-") {
        return Err(Failure::Usage("follow reads its input twice; give a file instead of `-`".to_owned()));
    }
    let key = find(options)?;
    let mut run = Run::begin(&options.reading, true, Some(key))?;
    let mut payloads = Vec::new();
    while run.next_row().is_some() {
        payloads.extend(run.take_payloads());
    }
    payloads.extend(run.take_payloads());
    // A stream that was opened is shown as its plaintext, any other as it went over the wire.
    let (report, _) = run.report();
    let opened = report.tls_sessions.iter().any(|(flow, session)| flow.key == key && session.opened.is_some());
    payloads.retain(|(_, _, payload)| payload.decrypted == opened);
    let mut out = output::stdout();
    let written = runs(payloads, options.direction).into_iter().try_for_each(|(direction, bytes)| {
        if options.format != BytesFormat::Raw {
            let (src, dst) = key.ends(direction);
            writeln!(out, "--- {}: {src} → {dst}", direction.name())?;
        }
        match options.format {
            BytesFormat::Raw => out.write_all(&bytes),
            BytesFormat::Hex => dump(&bytes, &mut out),
            BytesFormat::Text => lines(&String::from_utf8_lossy(&bytes), &mut out),
        }
    });
    written.and_then(|()| out.flush()).map_err(|error| Failure::Write { name: "standard output".to_owned(), error })?;
    Ok(if report.damages.is_empty() { Outcome::Done } else { Outcome::Damaged })
}

/// What one side says until the other answers, whatever packets and records it came in.
fn runs(payloads: Vec<(At, Direction, Payload)>, way: Option<Way>) -> Vec<(Direction, Vec<u8>)> {
    let mut runs: Vec<(Direction, Vec<u8>)> = Vec::new();
    for (_, direction, payload) in payloads {
        let wanted = match way {
            Some(Way::Out) => direction == Direction::Out,
            Some(Way::In) => direction == Direction::In,
            None => true,
        };
        match runs.last_mut() {
            _ if !wanted => {}
            Some((last, bytes)) if *last == direction => bytes.extend(payload.bytes),
            _ => runs.push((direction, payload.bytes)),
        }
    }
    runs
}

fn find(options: &Follow) -> Result<FlowKey, Failure> {
    let mut run = Run::begin(&options.reading, true, None)?;
    let mut flows = 0;
    while let Some(row) = run.next_row() {
        let Some(flow) = row.flow else { continue };
        flows = flows.max(flow.number);
        if flow.number == options.flow {
            return Ok(flow.key);
        }
    }
    Err(Failure::Usage(format!("there is no flow {}: the timeline has {flows}", options.flow)))
}
