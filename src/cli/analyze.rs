//! `lynccap analyze`: captures in, timeline and diagnosis out.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::args::{Analyze, CsvDialect, FailOn, Output, Reading};
use crate::cli::failures::Failures;
use crate::cli::run::Run;
use crate::cli::screen::Screen;
use crate::cli::told::ToldLogins;
use crate::cli::{Failure, Outcome, output};
use crate::export::csv::Dialect;
use crate::export::{Choices, EXPORTERS, Export};
use crate::findings::Severity;
use crate::model::Message;
use crate::story::filter::Filter;
use crate::story::steps::call_id;
use crate::story::{Asked, Kept, Row};

/// Rows that a sheet holds besides the names of its columns.
const MOST_SHEET_ROWS: u64 = 1_048_575;

/// An export under way, with its name for messages.
pub struct Writing {
    /// Its file.
    pub name: String,
    /// What writes it.
    pub export: Box<dyn Export>,
}

impl Writing {
    /// It cannot be written.
    pub fn failed(&self, error: io::Error) -> Failure {
        Failure::Write { name: self.name.clone(), error }
    }
}

/// Runs the command.
///
/// # Errors
/// Where an input cannot be used or an output not be written.
pub fn analyze(options: &Analyze) -> Result<Outcome, Failure> {
    let filter = match &options.filter {
        Some(text) => Some(Filter::parse(text).map_err(|error| Failure::Usage(format!("--filter: {error}")))?),
        None => None,
    };
    let dialogs = match &filter {
        Some(filter) if options.dialog => dialogs_of(&options.reading, filter)?,
        _ => HashSet::new(),
    };
    let mut run = Run::begin(&options.reading, !options.quiet, None)?;
    let (mut exports, stdout_taken) = begin_exports(options, &options.reading.inputs)?;
    let mut screen = if options.quiet || stdout_taken { None } else { Some(Screen::new(&options.reading)) };
    let others = match (&screen, &filter) {
        (Some(_), _) => Asked::ALL,
        // A filter may ask for anything that a row has.
        (None, Some(_)) => Asked { told: false, kept: Kept::Whole },
        (None, None) => Asked::LEAST,
    };
    run.set_asked(exports.iter().map(|writing| writing.export.asks()).fold(others, Asked::or));
    let failed = |error| Failure::Write { name: "standard output".to_owned(), error };
    let mut written = 0_u64;
    let mut told = ToldLogins::default();
    let mut failures = options.errors.then(Failures::default);
    loop {
        let row = run.next_row();
        // Also those that are over with the last row.
        while let Some((login, found)) = run.next_login() {
            for writing in &mut exports {
                writing.export.login(&login, &found).map_err(|error| writing.failed(error))?;
            }
            told.push(login, found);
        }
        let Some(row) = row else { break };
        let passes = filter.as_ref().is_none_or(|filter| filter.passes(&row)) || is_of_dialogs(&row, &dialogs);
        let asked = failures.as_mut().is_none_or(|failures| failures.has(&row));
        if !passes || !asked {
            continue;
        }
        written += 1;
        for writing in &mut exports {
            writing.export.row(&row).map_err(|error| writing.failed(error))?;
        }
        if let Some(shown) = &mut screen
            && let Err(error) = run.suspend(|| {
                shown.row(&row)?;
                if options.errors { shown.explanation(&row) } else { Ok(()) }
            })
        {
            // Whoever read the screen went away; files are still written.
            if exports.is_empty() || error.kind() != io::ErrorKind::BrokenPipe {
                return Err(failed(error));
            }
            screen = None;
        }
    }
    let (report, findings) = run.report();
    told.weigh(&findings);
    for writing in &mut exports {
        writing.export.finish(&report, &findings).map_err(|error| writing.failed(error))?;
    }
    if options.csv.is_some() && options.csv_dialect != CsvDialect::Plain && written > MOST_SHEET_ROWS {
        output::complain(&format!("the CSV has {written} rows; a spreadsheet shows {MOST_SHEET_ROWS} of them"));
    }
    if filter.is_some() && written == 0 {
        output::complain("no row passes the filter");
    }
    if let Some(screen) = &mut screen {
        screen.finish(&report, &told, &findings).map_err(failed)?;
    }
    let outcome = outcome(options.fail_on, told.worst, !report.damages.is_empty());
    // The program ends: what thousands of sign-ins hold goes back to the system faster as a whole than piece by piece.
    std::mem::forget((run, report));
    Ok(outcome)
}

/// Most Call-IDs whose messages are brought along.
const MOST_DIALOGS: usize = 1 << 20;

/// The Call-IDs of messages that pass, found in a reading of their own: a match brings what came before it, too.
fn dialogs_of(reading: &Reading, filter: &Filter) -> Result<HashSet<String>, Failure> {
    if reading.inputs.iter().any(|input| input.as_os_str() == "-") {
        return Err(Failure::Usage("--dialog reads its input twice; give a file instead of `-`".to_owned()));
    }
    let mut run = Run::begin(reading, true, None)?;
    let mut found = HashSet::new();
    while let Some(row) = run.next_row() {
        while run.next_login().is_some() {}
        if let Message::Sip(message) = &row.message
            && found.len() < MOST_DIALOGS
            && filter.passes(&row)
        {
            found.insert(call_id(message).into_owned());
        }
    }
    Ok(found)
}

fn is_of_dialogs(row: &Row, dialogs: &HashSet<String>) -> bool {
    !dialogs.is_empty() && matches!(&row.message, Message::Sip(message) if dialogs.contains(&*call_id(message)))
}

/// How the program ends.
pub fn outcome(fail_on: Option<FailOn>, worst: Option<Severity>, damaged: bool) -> Outcome {
    let threshold = fail_on.map(|fail_on| match fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
    });
    if damaged {
        Outcome::Damaged
    } else if threshold.is_some_and(|least| worst.is_some_and(|worst| worst >= least)) {
        Outcome::Found
    } else {
        Outcome::Done
    }
}

/// Begins the exports that are asked for; tells whether one of them has standard output. None may be one of `taken`.
///
/// # Errors
/// Where a file cannot be written.
pub fn begin_exports(options: &Output, taken: &[PathBuf]) -> Result<(Vec<Writing>, bool), Failure> {
    let dialect = match options.csv_dialect {
        CsvDialect::Excel => Dialect::Excel,
        CsvDialect::ExcelSemicolon => Dialect::ExcelSemicolon,
        CsvDialect::Plain => Dialect::Plain,
    };
    let to_stdout = [&options.csv, &options.jsonl, &options.json];
    if to_stdout.iter().filter(|path| path.as_ref().is_some_and(|path| path.as_os_str() == "-")).count() > 1 {
        return Err(Failure::Usage("only one export can go to standard output".to_owned()));
    }
    let choices = Choices { raw: options.raw, dialect };
    let mut exports = Vec::new();
    let mut stdout_taken = false;
    for exporter in EXPORTERS {
        let path = match exporter.name {
            "csv" => &options.csv,
            "jsonl" => &options.jsonl,
            "json" => &options.json,
            _ => &None,
        };
        let Some(path) = path else { continue };
        let to_stdout = path.as_os_str() == "-";
        stdout_taken |= to_stdout;
        let name = if to_stdout { "standard output".to_owned() } else { path.display().to_string() };
        if !to_stdout && taken.iter().any(|input| is_same_file(input, path)) {
            return Err(Failure::Usage(format!("{name}: is an input; the export would overwrite it")));
        }
        if exports.iter().any(|writing: &Writing| !to_stdout && is_same_file(Path::new(&writing.name), path)) {
            return Err(Failure::Usage(format!("{name}: two exports cannot go to one file")));
        }
        let out = open_output(path, to_stdout).map_err(|error| Failure::Write { name: name.clone(), error })?;
        let export = (exporter.begin)(out, choices).map_err(|error| Failure::Write { name: name.clone(), error })?;
        exports.push(Writing { name, export });
    }
    Ok((exports, stdout_taken))
}

/// Files are written in large pieces.
fn open_output(path: &Path, to_stdout: bool) -> io::Result<Box<dyn Write>> {
    if to_stdout {
        return Ok(output::stdout());
    }
    Ok(Box::new(BufWriter::with_capacity(256 << 10, File::create(path)?)))
}

/// Whether two names lead to one file, also through links.
fn is_same_file(one: &Path, other: &Path) -> bool {
    same_file::is_same_file(one, other).unwrap_or(false)
}
