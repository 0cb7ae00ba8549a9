//! `lynccap live`: the timeline and the diagnosis of an interface, while it happens.
//!
//! A thread for each interface captures, one collects and writes, this one decodes and shows. Whoever is behind drops
//! and counts; nothing waits for what comes after it.

mod collector;
mod key_logs;
pub mod rights;
mod save_file;
mod status;
mod unfolding;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::capture::filter;
use crate::capture::live::{Capturing, LiveError, Opened, Settings, now};
use crate::capture::queue::{Batch, Queue, Queued};
use crate::cli::analyze::{Writing, begin_exports, outcome};
use crate::cli::args::{Live, StopKind};
use crate::cli::failures::Failures;
use crate::cli::screen::Screen;
use crate::cli::told::ToldLogins;
use crate::cli::{Failure, Outcome, key_files, output};
use crate::crypto::KeyStore;
use crate::engine::{Engine, Options};
use crate::export::pcapng::Interface;
use crate::findings::check_capture;
use crate::model::{
    At, Counter, FrameNo, InputNo, Limits, LinkType, Packet, PacketNo, PointNo, Ports, Span, Stats, Timestamp,
};
use crate::story::filter::Filter;
use crate::story::{Damage, Row};
use collector::{Collector, Shared, Until};
use key_logs::KeyLogs;
use rights::{Needs, Plan};
use save_file::{Head, Ring, SaveFile};
use status::Status;
use unfolding::{Told, Unfolding};

/// Capture time that a row waits: so long a retransmission may still put something before it.
const ROW_AGE: Span = Span::from_millis(800);
/// How long records wait for keys.
const KEY_WAIT: Span = Span::from_secs(5);
/// How far behind the clock packets may come.
const LAG: Span = Span::from_millis(300);
/// How long decoding waits for packets before it looks at everything else.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often sign-ins, key logs and counts are looked at.
const LOOK: Span = Span::from_millis(200);
/// How often drops are told where there are more.
const DROPS_TOLD: Span = Span::from_secs(1);
/// Most interfaces at one time.
const MOST_INTERFACES: usize = 64;

/// Runs the command.
///
/// # Errors
/// Where an interface cannot be opened, or an output not be written.
pub fn live(options: &Live) -> Result<Outcome, Failure> {
    let rows = match &options.output.filter {
        Some(text) => Some(Filter::parse(text).map_err(|error| Failure::Usage(format!("--filter: {error}")))?),
        None => None,
    };
    let plan = Plan::new(options.user.as_deref())?;
    let opened = open(options)?;
    let mut base = KeyStore::default();
    key_files::load_besides_logs(&mut base, &options.decoding)?;
    let mut keys = KeyLogs::new(&options.decoding.keylog, base);
    for path in keys.missing() {
        output::complain(&format!("{}: is not there yet; waiting for it", path.display()));
    }
    let lines = keys.follow().unwrap_or_default();
    let taken: Vec<PathBuf> = options.decoding.keylog.iter().chain(&options.write).cloned().collect();
    let (exports, stdout_taken) = begin_exports(&options.output, &taken)?;
    for writing in &exports {
        plan.give(writing.name.as_ref());
    }
    let screen = (!options.output.quiet && !stdout_taken).then(|| Screen::new(&options.decoding));
    let (file, rights) = give_up_rights(options, &plan, &opened, lines)?;
    if !options.output.quiet {
        for one in &opened {
            output::complain(&format!("{}: capturing {}", one.name, filter::shown(&one.filter)));
        }
    }
    if options.verbose {
        for line in &rights {
            output::complain(line);
        }
    }
    let (saves, failures) = (options.write.is_some(), options.output.errors.then(Failures::default));
    let outputs = Outputs { exports, screen, rows, failures, saves, failure: None };
    Session::begin(options, opened, keys, file, outputs)?.run(options)
}

fn open(options: &Live) -> Result<Vec<Opened>, Failure> {
    if options.interfaces.len() > MOST_INTERFACES {
        return Err(Failure::Usage(format!("more than {MOST_INTERFACES} interfaces; `-i any` takes all")));
    }
    let asked = options.capture_filter.clone().or((!options.words.is_empty()).then(|| options.words.join(" ")));
    let filters = match asked {
        Some(filter) if filter.trim().is_empty() => Vec::new(),
        Some(filter) => vec![filter],
        None => filter::default_filters(&options.decoding.decode_as),
    };
    let settings = Settings {
        snaplen: options.snaplen,
        buffer: options.buffer_size << 20,
        promiscuous: !options.no_promiscuous,
        filters,
    };
    let open = |name: &String| Opened::open(name, &settings).map_err(|error| refusal(&error));
    options.interfaces.iter().map(open).collect()
}

fn refusal(error: &LiveError) -> Failure {
    Failure::Usage(match error {
        LiveError::NotAllowed(name) => format!("{error}; {}", rights::remedy(&format!("live -i {name}"))),
        _ => error.to_string(),
    })
}

/// Opens the file of `-w`, gives up all rights but those that are needed, and says what was done.
fn give_up_rights(
    options: &Live,
    plan: &Plan,
    opened: &[Opened],
    lines: Vec<u8>,
) -> Result<(Option<SaveFile>, [String; 2]), Failure> {
    let ring = Ring::new(&options.ring_buffer);
    let interfaces = opened.iter().map(|one| Interface {
        name: one.name.clone(),
        description: one.description.clone(),
        filter: Some(one.filter.clone()).filter(|filter| !filter.is_empty()),
        link: one.link,
        snaplen: options.snaplen,
    });
    let head =
        Head { interfaces: interfaces.collect(), comment: options.capture_comment.clone(), secret: options.write_keys };
    let lines = if options.write_keys { lines } else { Vec::new() };
    let create = |path: &PathBuf| {
        SaveFile::create(path, ring, head, lines, now()).map_err(|error| {
            let hint = match plan.user() {
                Some(user) if ring.is_some() => format!(" (the files of a ring are made as {user}; see --user)"),
                _ => String::new(),
            };
            Failure::Write { name: format!("{}{hint}", path.display()), error }
        })
    };
    // The files of a ring are made and removed later, too: by whom the program goes on as.
    let (file, dropped) = match &options.write {
        Some(path) if ring.is_none() => {
            let file = create(path)?;
            plan.give(path);
            (Some(file), plan.apply()?)
        }
        Some(path) => {
            let dropped = plan.apply()?;
            (Some(create(path)?), dropped)
        }
        None => (None, plan.apply()?),
    };
    let folder = |path: &PathBuf| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.map_or_else(|| PathBuf::from("."), PathBuf::from)
    };
    let mut needs = Needs { read: options.decoding.keylog.iter().map(folder).collect(), write: Vec::new() };
    needs.write.extend(options.write.as_ref().filter(|_| ring.is_some()).map(folder));
    needs.write.extend(options.output.json.as_ref().map(|_| std::env::temp_dir()));
    Ok((file, [dropped, rights::confine(&needs)]))
}

/// Where rows and sign-ins go.
struct Outputs {
    exports: Vec<Writing>,
    screen: Option<Screen>,
    rows: Option<Filter>,
    /// Rows that failed only, each with its explanation.
    failures: Option<Failures>,
    /// Packets go to a file: capturing has a purpose though nobody looks.
    saves: bool,
    /// An export that could not be written.
    failure: Option<Failure>,
}

impl Outputs {
    /// Whether anything is left to write to.
    fn are_of_use(&self) -> bool {
        self.saves || self.screen.is_some() || !self.exports.is_empty()
    }

    fn show(&mut self, show: impl FnOnce(&mut Screen) -> io::Result<()>) {
        let Some(screen) = &mut self.screen else { return };
        if let Err(error) = show(screen) {
            self.screen = None;
            self.failed(Failure::Write { name: "standard output".to_owned(), error });
        }
    }

    fn export(&mut self, mut write: impl FnMut(&mut Writing) -> io::Result<()>) {
        let mut index = 0;
        while let Some(writing) = self.exports.get_mut(index) {
            match write(writing) {
                Ok(()) => index += 1,
                Err(error) => {
                    let failure = writing.failed(error);
                    self.exports.remove(index);
                    self.failed(failure);
                }
            }
        }
    }

    /// An output is gone, the others go on. A reader that went away is no failure.
    fn failed(&mut self, failure: Failure) {
        if !failure.is_broken_pipe() {
            output::complain(&failure.to_string());
            self.failure.get_or_insert(failure);
        }
    }

    fn row(&mut self, row: &Row) {
        let errors = self.failures.is_some();
        let asked = self.failures.as_mut().is_none_or(|failures| failures.has(row));
        if self.rows.as_ref().is_some_and(|filter| !filter.passes(row)) || !asked {
            return;
        }
        self.export(|writing| writing.export.row(row));
        self.show(|screen| {
            screen.row(row)?;
            if errors { screen.explanation(row) } else { Ok(()) }
        });
    }

    fn flush(&mut self) {
        self.export(|writing| writing.export.flush());
        self.show(Screen::flush);
    }
}

/// What is going on.
struct Session {
    engine: Engine,
    capturing: Vec<Capturing>,
    names: Vec<String>,
    links: Vec<LinkType>,
    shared: Arc<Shared>,
    decoding: Arc<Queue>,
    collector: Option<JoinHandle<()>>,
    keys: KeyLogs,
    writes_keys: bool,
    outputs: Outputs,
    unfolding: Unfolding,
    status: Status,
    told: ToldLogins,
    /// The last packet that was decoded.
    last: Option<At>,
    looked: Timestamp,
    drops_told: (Timestamp, u64),
    /// Capturing was told to end.
    stopping: bool,
    vanished: bool,
}

impl Session {
    fn begin(
        options: &Live,
        opened: Vec<Opened>,
        keys: KeyLogs,
        file: Option<SaveFile>,
        outputs: Outputs,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::Usage(format!("a thread cannot be begun: {error}"));
        let shared = Arc::new(Shared::default());
        end_at_signals(&shared)?;
        let names: Vec<String> = opened.iter().map(|one| one.name.clone()).collect();
        let links = opened.iter().map(|one| one.link).collect();
        // Each queue has two buffers: half of the bound is for them.
        let memory = options.decoding.max_memory;
        let captured = Arc::new(Queue::new(opened.len(), memory / 8));
        let decoding = Arc::new(Queue::new(1, memory / 8));
        let mut engine = engine(options, &keys, memory / 2);
        engine.name_inputs(&names);
        let capture = |(number, one): (usize, Opened)| {
            one.begin(u16::try_from(number).unwrap_or(u16::MAX), captured.clone()).map_err(failed)
        };
        let capturing = opened.into_iter().enumerate().map(capture).collect::<Result<Vec<_>, _>>()?;
        let began = now();
        let collector = Collector {
            captured,
            decoding: decoding.clone(),
            counts: capturing.iter().map(|one| one.counts.clone()).collect(),
            file,
            until: until(options),
            shared: shared.clone(),
            began,
        };
        let collector = thread::Builder::new().name("collect".to_owned()).spawn(|| collector.run()).map_err(failed)?;
        let status = Status::new(!options.output.quiet && !options.decoding.no_progress, began);
        Ok(Self {
            engine,
            capturing,
            names,
            links,
            shared,
            decoding,
            collector: Some(collector),
            keys,
            writes_keys: options.write_keys,
            outputs,
            unfolding: Unfolding::default(),
            status,
            told: ToldLogins::default(),
            last: None,
            looked: began,
            drops_told: (began, 0),
            stopping: false,
            vanished: false,
        })
    }

    fn run(mut self, options: &Live) -> Result<Outcome, Failure> {
        let mut batch = Batch::default();
        loop {
            let taken = self.decoding.take(&mut batch, PATIENCE);
            if batch.is_empty() {
                let now = now();
                self.engine.advance(Timestamp::from_nanos(now.as_nanos() - LAG.as_nanos()));
                self.take_rows();
            }
            for (packet, data) in batch.packets() {
                self.decode(packet, data);
            }
            self.look();
            self.outputs.flush();
            if !self.stopping && (self.shared.stop.load(Ordering::Relaxed) || !self.outputs.are_of_use()) {
                self.stopping = true;
                self.capturing.iter().for_each(Capturing::stop);
            }
            if taken.is_over && batch.is_empty() {
                break;
            }
        }
        self.capturing.iter_mut().for_each(Capturing::join);
        let _ = self.collector.take().map(JoinHandle::join);
        self.finish(options)
    }

    fn decode(&mut self, packet: &Queued, data: &[u8]) {
        let at = At {
            time: packet.time,
            packet: self.last.map_or(PacketNo::FIRST, |last| last.packet.next()),
            frame: FrameNo(packet.frame),
            input: InputNo(packet.interface),
        };
        self.last = Some(at);
        let link = self.links.get(usize::from(packet.interface)).copied().unwrap_or(LinkType::ETHERNET);
        let (point, wire_len) = (PointNo(packet.interface), packet.wire_len);
        self.engine.push(&Packet { at, point, link, wire_len, data });
        self.take_rows();
    }

    fn take_rows(&mut self) {
        let Self { engine, outputs, unfolding, status, told, .. } = self;
        loop {
            while let Some((login, found)) = engine.next_login() {
                outputs.export(|writing| writing.export.login(&login, &found));
                told.weigh(&found);
                let (fresh, known) = unfolding.close(&login, found);
                status.suspend(|| outputs.show(|screen| screen.page(&login, &fresh, &known)));
            }
            let Some(row) = engine.next_row() else { return };
            unfolding.touch(&row);
            status.suspend(|| outputs.row(&row));
        }
    }

    /// Looks at everything but packets, now and then.
    fn look(&mut self) {
        let now = now();
        let passed = now.since(self.looked);
        if passed < LOOK && passed >= Span::from_secs(0) {
            return;
        }
        self.looked = now;
        if let Some(lines) = self.keys.follow() {
            self.engine.set_keys(self.keys.keys());
            if self.writes_keys {
                self.shared.write_keys(&lines);
            }
        }
        let Self { unfolding, engine, outputs, status, .. } = self;
        for told in unfolding.tell(engine, now) {
            status.suspend(|| match told {
                Told::Happened(text, outcome) => outputs.show(|screen| screen.happened(&text, outcome)),
                Told::Found(findings) => outputs.show(|screen| screen.found(&findings)),
            });
        }
        for (interface, why) in self.shared.take_ended() {
            self.vanish(interface, &why);
        }
        self.tell_drops(now);
    }

    fn vanish(&mut self, interface: u16, why: &str) {
        self.vanished = true;
        let name = self.names.get(usize::from(interface)).cloned().unwrap_or_default();
        self.status.suspend(|| output::complain(&format!("{name}: {why}; all before that is shown")));
        let after = self.last.filter(|last| last.input == InputNo(interface));
        self.engine.damaged(Damage { input: InputNo(interface), name, after, what: why.to_owned() });
    }

    /// What was dropped so far: by the system and its interfaces, by lynccap, and before decoding.
    fn drops(&self) -> [u64; 3] {
        let system = self.capturing.iter().map(|one| {
            one.counts.system_drops.load(Ordering::Relaxed) + one.counts.interface_drops.load(Ordering::Relaxed)
        });
        let (queue, decoding) = (&self.shared.queue_drops, &self.shared.not_decoded);
        [system.sum(), queue.load(Ordering::Relaxed), decoding.load(Ordering::Relaxed)]
    }

    fn tell_drops(&mut self, now: Timestamp) {
        let [system, queue, decoding] = self.drops();
        let total = system + queue + decoding;
        let packets = self.shared.packets.load(Ordering::Relaxed);
        self.status.update(now, packets, total, self.unfolding.len());
        let (told_at, told) = self.drops_told;
        let passed = now.since(told_at);
        if passed < DROPS_TOLD && passed >= Span::from_secs(0) {
            return;
        }
        self.drops_told = (now, total);
        self.capturing.iter().for_each(Capturing::wake); // so that the next count is fresh
        if total > told {
            let what = format!(
                "dropped so far: {system} packets by the system, {queue} by lynccap; {decoding} more not decoded"
            );
            self.status.suspend(|| output::complain(&what));
        }
    }

    fn finish(mut self, options: &Live) -> Result<Outcome, Failure> {
        for (interface, why) in self.shared.take_ended() {
            self.vanish(interface, &why);
        }
        let counters = [Counter::CaptureDropped, Counter::QueueDropped, Counter::NotDecoded];
        let mut dropped = Stats::default();
        for (counter, amount) in counters.into_iter().zip(self.drops()) {
            dropped.add(counter, amount);
        }
        self.engine.count(&dropped);
        self.status.finish();
        self.engine.finish();
        let Self { mut engine, mut outputs, mut unfolding, mut told, .. } = self;
        while let Some(row) = engine.next_row() {
            unfolding.touch(&row);
            outputs.row(&row);
        }
        while let Some((login, found)) = engine.next_login() {
            outputs.export(|writing| writing.export.login(&login, &found));
            told.weigh(&found);
            let (fresh, known) = unfolding.close(&login, found);
            told.push_newest(login, fresh, known);
        }
        let report = engine.report();
        let findings = check_capture(&report);
        told.weigh(&findings);
        outputs.export(|writing| writing.export.finish(&report, &findings));
        outputs.show(|screen| screen.finish(&report, &told, &findings));
        let unwritten = self.shared.unwritten.load(Ordering::Relaxed);
        if unwritten > 0 {
            output::complain(&format!("{unwritten} packets are not in the file of -w"));
        }
        match outputs.failure {
            Some(failure) => Err(failure),
            None => Ok(outcome(options.output.fail_on, told.worst, self.vanished || unwritten > 0)),
        }
    }
}

fn engine(options: &Live, keys: &KeyLogs, memory: usize) -> Engine {
    let mut ports = Ports::default();
    for &(port, kind) in &options.decoding.decode_as {
        ports.decode_as(port, kind);
    }
    let limits = Limits { row_age: ROW_AGE, key_wait: KEY_WAIT, ..Limits::within(memory) };
    Engine::new(Options {
        ports,
        limits,
        watch: options.decoding.watch.clone(),
        keys: keys.keys(),
        ..Options::default()
    })
}

fn until(options: &Live) -> Until {
    let least = |kind| options.autostop.iter().filter(|(one, _)| *one == kind).map(|(_, value)| *value).min();
    Until {
        packets: least(StopKind::Packets).into_iter().chain(options.count).min(),
        bytes: least(StopKind::FileSize),
        seconds: least(StopKind::Duration),
    }
}

/// Ctrl-C, SIGTERM and SIGHUP end capturing, and the summary follows; a second one ends at once.
fn end_at_signals(shared: &Arc<Shared>) -> Result<(), Failure> {
    let shared = shared.clone();
    let asked = AtomicBool::new(false);
    let end = move || {
        shared.stop.store(true, Ordering::Relaxed);
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(end).map_err(|error| Failure::Usage(format!("signals cannot be taken: {error}")))
}
