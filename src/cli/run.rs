//! Reads inputs through the engine: what `analyze` and `show` have in common.

use std::sync::Arc;

use crate::capture::{Inputs, Next, Source, secrets_in};
use crate::cli::args::Reading;
use crate::cli::progress::Progress;
use crate::cli::{Failure, key_files, output};
use crate::crypto::KeyStore;
use crate::engine::{Engine, Options};
use crate::findings::{self, Finding};
use crate::model::{At, Counter, Direction, FlowKey, Limits, Payload, Ports};
use crate::story::login::Login;
use crate::story::{Damage, Report, Row};

/// Inputs being analysed.
pub struct Run {
    inputs: Inputs,
    engine: Engine,
    names: Vec<String>,
    progress: Progress,
    ended: bool,
    keys: KeyStore,
    piped: bool,
}

impl Run {
    /// Opens the inputs.
    ///
    /// # Errors
    /// Where one cannot be used.
    pub fn begin(reading: &Reading, show_progress: bool, followed: Option<FlowKey>) -> Result<Self, Failure> {
        let sources = sources(reading);
        let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let total = sources.iter().map(Source::size).sum::<Option<u64>>();
        let mut keys = key_files::load(reading)?;
        for lines in secrets_in(&sources)? {
            key_files::add_lines(&mut keys, "the capture", &lines);
        }
        let piped = !sources.iter().all(Source::is_repeatable);
        let mut inputs = Inputs::open(sources)?;
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
        let mut engine = Engine::new(Options {
            ports,
            limits,
            watch: reading.watch.clone(),
            keys: Arc::new(keys.clone()),
            followed,
            without_sieve: false,
        });
        engine.name_inputs(&names);
        let progress = Progress::new(show_progress && !reading.no_progress, total);
        Ok(Self { inputs, engine, names, progress, ended: false, keys, piped })
    }

    /// Nobody will ask what the bodies of sign-ins say.
    pub fn leave_bodies_unread(&mut self) {
        self.engine.leave_bodies_unread();
    }

    /// The next sign-in that is over, and what is wrong with it; ask after each row, and after the last.
    pub fn next_login(&mut self) -> Option<(Login, Vec<Finding>)> {
        self.engine.next_login()
    }

    /// The next row; `None` when all inputs are read and all rows have left.
    pub fn next_row(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.engine.next_row() {
                return Some(row);
            }
            if self.ended {
                return None;
            }
            match self.inputs.advance() {
                Some(Next::Packet(packet)) => {
                    let frame = packet.at.frame.0;
                    self.engine.push(&packet);
                    self.late_secrets(frame);
                }
                Some(Next::Damaged(input, after, damage)) => {
                    let name = self.names.get(usize::from(input.0)).cloned().unwrap_or_default();
                    let what = damage.to_string();
                    let place = after.map_or_else(String::new, |at| format!(" after packet {}", at.frame.0));
                    self.progress.suspend(|| {
                        output::complain(&format!(
                            "{name}: cannot be read on{place}: {what}; all before that is shown"
                        ));
                    });
                    self.engine.damaged(Damage { input, name, after, what });
                }
                None => {
                    self.engine.finish();
                    self.ended = true;
                }
            }
            self.progress.update(|| self.inputs.read_bytes());
        }
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
        let report = self.engine.report();
        let unknown = report.stats.get(Counter::LinkUnknown);
        if unknown > 0 {
            output::complain(&format!("{unknown} packets are of a link type that is not decoded"));
        }
        let findings = findings::check_capture(&report);
        (report, findings)
    }
}

fn sources(reading: &Reading) -> Vec<Source> {
    let source = |path: &std::path::PathBuf| {
        if path.as_os_str() == "-" { Source::Stdin } else { Source::File(path.clone()) }
    };
    reading.inputs.iter().map(source).collect()
}
