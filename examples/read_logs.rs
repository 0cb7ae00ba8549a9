//! Times the reading of trace logs alone, from records to observations, without the story that is told of them:
//! `cargo run --release --example read_logs FILE...`
#![expect(clippy::disallowed_methods, reason = "what is measured here is how long it takes")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{Cursor, Read as _};
use std::time::Instant;

use lynccap::logs::{self, LogInput, Logs, Zone};
use lynccap::model::{InputNo, Limits, Message, PacketNo, Span};

fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let (mut inputs, mut bytes) = (Vec::new(), 0);
    for (index, path) in std::env::args_os().skip(1).enumerate() {
        let mut file = File::open(&path)?;
        bytes += file.metadata()?.len();
        let mut head = Vec::new();
        file.by_ref().take(logs::HEAD as u64).read_to_end(&mut head)?;
        let beginning = logs::look(&head).ok_or_else(|| format!("{}: no trace log", path.display()))?;
        let reader = Box::new(Cursor::new(head).chain(file));
        inputs.push(LogInput { reader, beginning, number: InputNo::new(index, true), offset: Span::default() });
    }
    let mut logs = Logs::new(inputs, Zone::default(), &Limits::default());
    let (mut number, mut observations, mut sip) = (PacketNo::FIRST, 0_u64, 0_u64);
    while let Some(observation) = logs.advance(number) {
        observations += 1;
        sip += u64::from(matches!(observation.message, Message::Sip(_)));
        number = number.next();
    }
    if let Some((_, _, error)) = logs.take_damage() {
        return Err(error.into());
    }
    let micros = begun.elapsed().as_micros().max(1);
    let rate = u128::from(bytes) / micros;
    println!("{observations} observations, {sip} SIP messages, {bytes} bytes in {micros} µs: {rate} MB/s");
    // Linux says what the most was that the process had in memory.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        println!("peak memory {}", peak.trim());
    }
    Ok(())
}
