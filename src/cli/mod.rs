//! The output edge: arguments, terminal, progress, exit codes.

mod analyze;
mod args;
mod explain;
mod failures;
mod follow;
#[cfg(feature = "live")]
mod interfaces;
mod key_files;
mod keys;
mod ladder;
#[cfg(feature = "live")]
mod live;
mod output;
mod progress;
mod run;
mod screen;
mod show;
mod token;
mod told;

use std::io;
use std::process::ExitCode;

use clap::Parser;

/// What happened, as an exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The analysis ran.
    Done,
    /// `--fail-on` found something.
    Found,
    /// An input was cut off or damaged: all before that was analysed.
    Damaged,
}

/// Why the program could not run.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What the user asked for cannot be done.
    #[error("{0}")]
    Usage(String),
    /// An input cannot be used.
    #[error(transparent)]
    Open(#[from] crate::capture::OpenError),
    /// An output cannot be written.
    #[error("{name}: {error}")]
    Write {
        /// The output.
        name: String,
        /// What the system says.
        error: io::Error,
    },
}

impl Failure {
    /// Whether the reader of a pipe went away, which is no failure.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Runs the program; `main` is nothing else.
pub fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let result = match arguments.command {
        args::Command::Analyze(options) => analyze::analyze(&options),
        #[cfg(feature = "live")]
        args::Command::Live(options) => live::live(&options),
        #[cfg(feature = "live")]
        args::Command::Interfaces => interfaces::interfaces(),
        #[cfg(not(feature = "live"))]
        args::Command::Live(_) | args::Command::Interfaces => Err(without_live()),
        args::Command::Show(options) => show::show(&options),
        args::Command::Follow(options) => follow::follow(&options),
        args::Command::Keys(options) => keys::keys(&options),
        args::Command::Ladder(options) => ladder::ladder(&options),
        args::Command::Explain(options) => explain::explain(&options),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Ok(Outcome::Damaged) => ExitCode::from(3),
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure.to_string());
            ExitCode::from(2)
        }
    }
}

/// What to install where live capture was left out.
#[cfg(not(feature = "live"))]
fn without_live() -> Failure {
    Failure::Usage(
        "this lynccap was built without live capture; install libpcap's development files (Debian: libpcap-dev, \
         Fedora: libpcap-devel, Windows: Npcap and its SDK) and build it again with the feature `live`"
            .to_owned(),
    )
}
