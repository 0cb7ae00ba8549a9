//! Reads inputs through the engine: what `analyze` and `show` have in common.

use std::io::{self, Cursor, Read};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::capture::{self, Begun, Inputs, OpenError, Source, is_capture, secrets_in};
use crate::cli::args::Reading;
use crate::cli::progress::Progress;
use crate::cli::{Failure, key_files, output};
use crate::crypto::KeyStore;
use crate::engine::join::seam::Seam;
use crate::engine::join::{self, Joined, LogClock, Survey};
use crate::engine::{Engine, Options};
use crate::findings::{self, Finding};
use crate::logs::{self, LogInput, Logs};
use crate::model::{At, Counter, Direction, FlowKey, InputNo, Limits, PacketNo, Payload, Ports, Span, Timestamp};
use crate::story::login::Login;
use crate::story::report::ClockReport;
use crate::story::{Asked, Damage, Report, Row};

/// Inputs being analysed.
pub struct Run {
    inputs: Inputs,
    logs: Logs,
    has_logs: bool,
    engine: Engine,
    names: Vec<String>,
    progress: Progress,
    ended: bool,
    keys: KeyStore,
    /// Key files that were given, unlike the secrets in a capture.
    key_files: Vec<String>,
    piped: bool,
    read: Arc<AtomicU64>,
    packets: Option<PacketNo>,
    /// Records of logs that were read among packets.
    logged: u64,
    /// Where messages of logs belong among the packets, where there are both.
    seam: Option<Seam>,
    clocks: Vec<ClockReport>,
}

/// What the inputs are, by their content.
#[derive(Default)]
struct Sorted {
    captures: Vec<Begun>,
    logs: Vec<LogInput>,
}

impl Run {
    /// Opens the inputs.
    ///
    /// # Errors
    /// Where one cannot be used.
    pub fn begin(reading: &Reading, show_progress: bool, followed: Option<FlowKey>) -> Result<Self, Failure> {
        // A conversation is followed as it is read.
        let lanes = if followed.is_some() { 1 } else { lanes(reading) };
        let sources = sources(reading);
        let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let total = sources.iter().map(Source::size).sum::<Option<u64>>();
        let read = Arc::default();
        let Sorted { captures, mut logs } = sort(sources, &offsets(reading)?, &read)?;
        let mut keys = key_files::load(reading)?;
        let key_files = keys.files().iter().map(ToString::to_string).collect();
        let capture_sources: Vec<Source> = captures.iter().map(|begun| begun.source.clone()).collect();
        for lines in secrets_in(&capture_sources)? {
            key_files::add_lines(&mut keys, "the capture", &lines);
        }
        let piped = !capture_sources.iter().all(Source::is_repeatable);
        let mut inputs = Inputs::open_begun(captures, Arc::clone(&read))?;
        if piped {
            for lines in inputs.take_key_logs() {
                key_files::add_lines(&mut keys, "the capture", &lines);
            }
        }
        let mut ports = Ports::default();
        for &(port, kind) in &reading.decode_as {
            ports.decode_as(port, kind);
        }
        let limits = Limits::within(reading.max_memory);
        let (watch, keys_at_hand) = (reading.watch.clone(), Arc::new(keys.clone()));
        let options = Options { ports, limits, watch, keys: keys_at_hand, followed, lanes, ..Options::default() };
        let joined = join_inputs(reading, &capture_sources, &options)?;
        let clocks = joined.iter().flat_map(|joined| &joined.clocks).filter_map(|clock| told(clock, &names)).collect();
        for log in &mut logs {
            let clocks = joined.iter().flat_map(|joined| &joined.clocks);
            let known = clocks.into_iter().find(|known| known.input == log.number);
            let more = known.and_then(|known| known.clock.median()).unwrap_or_default();
            log.offset = Span::from_nanos(log.offset.as_nanos().saturating_add(more.as_nanos()));
        }
        let has_logs = !logs.is_empty();
        let logs = Logs::new(logs, reading.log_zone.clone(), &options.limits);
        let mut engine = Engine::new(options);
        engine.name_inputs(&names);
        let progress = Progress::new(show_progress && !reading.no_progress, total);
        let seam = joined.map(Seam::new);
        let (ended, packets) = (false, None);
        Ok(Self {
            inputs,
            logs,
            has_logs,
            engine,
            names,
            progress,
            ended,
            keys,
            key_files,
            piped,
            read,
            packets,
            logged: 0,
            seam,
            clocks,
        })
    }

    /// What is asked of SIP messages; before the first row.
    pub fn set_asked(&mut self, asked: Asked) {
        self.engine.set_asked(asked);
    }

    /// The next sign-in that is over, and what is wrong with it; ask after each row, and after the last.
    pub fn next_login(&mut self) -> Option<(Login, Vec<Finding>)> {
        self.engine.next_login()
    }

    /// The next row; `None` when all inputs are read and all rows have left.
    pub fn next_row(&mut self) -> Option<Box<Row>> {
        loop {
            if let Some(row) = self.engine.next_row() {
                return Some(row);
            }
            if self.ended {
                return None;
            }
            // Most packets are of no interest, and lead to nothing that could be asked for.
            while !self.ended && !self.engine.is_fresh() {
                self.step();
                self.progress.update(|| self.read.load(Ordering::Relaxed));
            }
        }
    }

    /// Reads what comes next: a packet, or what a log says.
    fn step(&mut self) {
        let packet_no = self.packets.map_or(PacketNo::FIRST, PacketNo::next);
        if !self.has_logs {
            return self.read_packet(packet_no);
        }
        let log_due = self.logs.due();
        while let Some((input, after, error)) = self.logs.take_damage() {
            self.damaged(input, after, error.to_string());
        }
        let due = self.inputs.due();
        if self.seam.is_some() {
            return self.step_joined(log_due, due, packet_no);
        }
        if let Some(log_due) = log_due.filter(|&log_due| due.is_none_or(|due| log_due < due)) {
            if let Some(observation) = self.logs.advance(packet_no) {
                self.packets = Some(packet_no);
                self.engine.observe(observation);
            } else {
                self.engine.advance(log_due);
            }
            return;
        }
        self.read_packet(packet_no);
    }

    /// Reads what comes next, where messages of logs belong among the packets.
    fn step_joined(&mut self, log_due: Option<Timestamp>, due: Option<Timestamp>, packet_no: PacketNo) {
        let Some(seam) = &mut self.seam else { return };
        let ahead = due.map(|due| due.after(seam.ahead()));
        if log_due.is_some_and(|log_due| ahead.is_none_or(|ahead| log_due < ahead)) {
            // The number makes connections of the log distinct from those of packets; the row gets another.
            let number = PacketNo::beyond_packets(self.logged);
            self.logged += 1;
            self.logs.advance(number).into_iter().for_each(|observation| seam.take(observation));
            return;
        }
        if let Some(mut observation) = seam.next_unplaced(due) {
            (observation.at.packet, observation.began.packet) = (packet_no, packet_no);
            self.packets = Some(packet_no);
            return self.engine.observe(observation);
        }
        let placed = seam.take_placed(due.is_none());
        let is_idle = placed.is_empty();
        for (observation, in_log) in placed {
            self.engine.observe_placed(observation, in_log);
        }
        if is_idle {
            self.read_packet(packet_no);
        }
    }

    fn read_packet(&mut self, packet_no: PacketNo) {
        match self.inputs.advance() {
            Some(capture::Next::Packet(mut packet)) => {
                // Packets and records are counted together.
                packet.at.packet = packet_no;
                self.packets = Some(packet_no);
                let frame = packet.at.frame.0;
                self.engine.push(&packet);
                if let Some(seam) = &mut self.seam {
                    seam.pass(packet_no);
                }
                self.late_secrets(frame);
            }
            Some(capture::Next::Damaged(input, after, damage)) => self.damaged(input, after, damage.to_string()),
            None => {
                self.engine.count(&self.logs.take_stats());
                self.engine.finish();
                self.ended = true;
            }
        }
    }

    /// An input cannot be read on.
    fn damaged(&mut self, input: InputNo, after: Option<At>, what: String) {
        let name = self.names.get(input.index()).cloned().unwrap_or_default();
        let place = after.map_or_else(String::new, |at| format!(" after {}", at.place()));
        self.progress.suspend(|| {
            output::complain(&format!("{name}: cannot be read on{place}: {what}; all before that is shown"));
        });
        self.engine.damaged(Damage { input, name, after, what });
    }

    /// Secrets of a pipe count from where they stand on; a file was searched for them before.
    fn late_secrets(&mut self, frame: u64) {
        if !self.piped {
            return;
        }
        let found = self.inputs.take_key_logs();
        if found.is_empty() {
            return;
        }
        for lines in found {
            key_files::add_lines(&mut self.keys, "the capture", &lines);
        }
        self.engine.set_keys(Arc::new(self.keys.clone()));
        let what = "secrets come too late for sessions that began before; give a file, which is read twice";
        self.progress.suspend(|| output::complain(&format!("standard input, before packet {frame}: {what}")));
    }

    /// Bytes of the followed flow that came since the last call.
    pub fn take_payloads(&mut self) -> Vec<(At, Direction, Payload)> {
        self.engine.take_payloads()
    }

    /// Writes to the terminal without disturbing the progress bar.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.progress.suspend(write)
    }

    /// The report and what was found about the capture, after the last sign-in.
    pub fn report(&mut self) -> (Report, Vec<Finding>) {
        self.progress.finish();
        let mut report = self.engine.report();
        report.clocks = std::mem::take(&mut self.clocks);
        let unknown = report.stats.get(Counter::LinkUnknown);
        if unknown > 0 {
            output::complain(&format!("{unknown} packets are of a link type that is not decoded"));
        }
        // A finding cites packets; where nothing could have been opened there are none to cite.
        if !report.tls_sessions.iter().any(|(_, session)| session.has_data()) {
            for name in report.unused_keys.iter().filter(|name| self.key_files.contains(name)) {
                output::complain(&format!("{name}: nothing in the capture is read with it"));
            }
        }
        let findings = findings::check_capture(&report);
        (report, findings)
    }
}

/// Reads captures and logs a first time, to find what belongs together; `None` where there are not both, or they cannot
/// be read twice.
fn join_inputs(reading: &Reading, captures: &[Source], options: &Options) -> Result<Option<Joined>, Failure> {
    let all = sources(reading);
    let both = !captures.is_empty() && captures.len() < all.len();
    if !both || !all.iter().all(Source::is_repeatable) {
        return Ok(None);
    }
    let read = Arc::default();
    let Sorted { captures, logs } = sort(all, &offsets(reading)?, &read)?;
    let mut inputs = Inputs::open_begun(captures, read)?;
    let mut survey = Survey::new(options.clone());
    while let Some(next) = inputs.advance() {
        // What is damaged is said when the inputs are told.
        if let capture::Next::Packet(packet) = next {
            survey.push(&packet);
        }
    }
    survey.finish();
    let mut logs = Logs::new(logs, reading.log_zone.clone(), &options.limits);
    let mut number = 0;
    while logs.due().is_some() {
        logs.advance(PacketNo::beyond_packets(number)).into_iter().for_each(|observation| survey.observe(&observation));
        number += 1;
    }
    Ok(Some(join::join(&survey)))
}

/// How a log's clock stands, for the report; `None` where the log has no messages.
fn told(known: &LogClock, names: &[String]) -> Option<ClockReport> {
    let (zone, ahead) = known.clock.zone_and_offset().unwrap_or_default();
    Some(ClockReport {
        name: names.get(known.input.index())?.clone(),
        messages: known.messages,
        matched: known.clock.matches(),
        zone,
        ahead,
        spread: known.clock.spread().unwrap_or_default(),
    })
}

/// Most lanes that are used without being asked for: more wait for the story.
const MOST_LANES: usize = 8;

fn lanes(reading: &Reading) -> usize {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get).min(MOST_LANES);
    reading.lanes.map_or_else(processors, usize::from)
}

fn sources(reading: &Reading) -> Vec<Source> {
    let source = |path: &std::path::PathBuf| {
        if path.as_os_str() == "-" { Source::Stdin } else { Source::File(path.clone()) }
    };
    reading.inputs.iter().map(source).collect()
}

/// What the user says of the clocks: for each input its offset, by its place.
fn offsets(reading: &Reading) -> Result<Vec<Span>, Failure> {
    let mut offsets = vec![Span::default(); reading.inputs.len()];
    for (name, offset) in &reading.clock_offset {
        let places = reading.inputs.iter().zip(&mut offsets);
        let mut named =
            places.filter(|(input, _)| *input == name || input.file_name() == Some(name.as_os_str())).peekable();
        if named.peek().is_none() {
            return Err(Failure::Usage(format!("--clock-offset: no input is called `{}`", name.display())));
        }
        named.for_each(|(_, place)| *place = *offset);
    }
    Ok(offsets)
}

/// Tells captures from logs by their first bytes.
fn sort(sources: Vec<Source>, offsets: &[Span], read: &Arc<AtomicU64>) -> Result<Sorted, Failure> {
    let mut sorted = Sorted::default();
    for (index, source) in sources.into_iter().enumerate() {
        let offset = offsets.get(index).copied().unwrap_or_default();
        let mut reader = source.open(Arc::clone(read))?;
        let (head, error) = read_head(&mut reader);
        if let Some(error) = error.filter(|_| head.is_empty()) {
            return Err(OpenError::Io { source_name: source.to_string(), error }.into());
        }
        let beginning = logs::look(&head);
        if let Some(advice) = beginning.and_then(|beginning| beginning.format.advice()) {
            return Err(OpenError::NotACapture { source_name: source.to_string(), what: advice.to_owned() }.into());
        }
        let number = InputNo::new(index, beginning.is_some());
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(reader));
        match beginning {
            Some(beginning) => sorted.logs.push(LogInput { reader, beginning, number, offset }),
            // What can be opened again is, when it is due.
            None => {
                let reader = if source.is_repeatable() { None } else { Some(reader) };
                sorted.captures.push(Begun { source, reader, number, offset });
            }
        }
    }
    Ok(sorted)
}

/// The first bytes of an input, few of a capture, as many as a log may need; and what ended them too early, which
/// the reader says again.
fn read_head(reader: &mut dyn Read) -> (Vec<u8>, Option<io::Error>) {
    let mut head = Vec::new();
    let mut result = reader.take(ENOUGH).read_to_end(&mut head);
    if result.is_ok() && !is_capture(&head) {
        result = reader.take(logs::HEAD as u64 - ENOUGH).read_to_end(&mut head);
    }
    (head, result.err())
}

/// Bytes that tell whether an input is a capture.
const ENOUGH: u64 = 64;
