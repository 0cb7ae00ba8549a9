//! The timeline and the summary on a terminal.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::net::SocketAddr;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;

use crate::cli::args::{Color, Decoding, TimeFormat};
use crate::cli::failures;
use crate::cli::output::{column, shorten, visible, wrap};
use crate::cli::told::ToldLogins;
use crate::findings::{Finding, Severity};
use crate::model::http::HttpStart;
use crate::model::stats::COUNTERS;
use crate::model::tls::TlsEvent;
use crate::model::{Counter, Direction, LogKind, Message, Span, TcpEvent, Timestamp, TransportKind};
use crate::story::login::steps::LoginStep;
use crate::story::login::waterfall::Phase;
use crate::story::login::{Login, LoginOutcome};
use crate::story::report::ClockReport;
use crate::story::steps::StepOutcome;
use crate::story::summary::{duration, summary};
use crate::story::{Report, Row};

/// Where the sentence of a step begins.
const STEP_INDENT: usize = 57;
/// Cells of a bar of the waterfall.
const BAR: f64 = 30.0;
/// Widths of the fixed columns.
const ROW: usize = 5;
const DELTA: usize = 9;
const KIND: usize = 6;
/// Column of the two ends: room for IPv4, and on wide terminals for most of IPv6.
const ENDS: usize = 34;
const WIDE_ENDS: usize = 60;
/// From this width on the ends get the wide column.
const WIDE: usize = 180;
/// Where the text of a labelled line begins.
const INDENT: usize = 11;
/// Width where the output is no terminal: nothing is shortened.
const UNLIMITED: usize = 4096;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const MIND: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const NEUTRAL: Style = Style::new();

/// Standard output as a person reads it.
pub struct Screen {
    out: BufWriter<AutoStream<io::Stdout>>,
    terminal: bool,
    width: usize,
    format: TimeFormat,
    zone: TimeZone,
    day: Option<String>,
    head: bool,
}

impl Screen {
    /// A screen that shows nothing yet.
    pub fn new(reading: &Decoding) -> Self {
        let choice = color_choice(reading.color);
        let terminal = io::stdout().is_terminal();
        let width = if terminal { terminal_width() } else { columns().unwrap_or(UNLIMITED) };
        let zone = if reading.time_format == TimeFormat::Local { TimeZone::system() } else { TimeZone::UTC };
        let out = BufWriter::with_capacity(32 << 10, AutoStream::new(io::stdout(), choice));
        Self { out, terminal, width, format: reading.time_format, zone, day: None, head: false }
    }

    /// Shows a row.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn row(&mut self, row: &Row) -> io::Result<()> {
        self.heading(row)?;
        let ends_width = self.ends_width();
        let time = self.time(row.at.time, row);
        let delta = format!("{:>+DELTA$.4}", row.delta.as_secs_f64());
        let (ends, way) = match row.flow {
            Some(flow) => {
                let arrow = if row.direction == Direction::Out { "→" } else { "←" };
                (format!("{} {arrow} {}", end(flow.key.client), end(flow.key.server)), way(row.direction))
            }
            None => (String::new(), "   "),
        };
        let style = row_style(row);
        let text = summary(row);
        let text = visible(&text);
        let used = ROW + 1 + time.len() + 1 + DELTA + 1 + 3 + 1 + ends_width + 1 + KIND + 1;
        let text = shorten(&text, self.width.saturating_sub(used).max(20));
        let (number, ends) = (row.number, column(&ends, ends_width));
        let kind = column(&row.kind().to_uppercase(), KIND);
        writeln!(
            self.out,
            "{number:>ROW$} {time} {DIM}{delta}{DIM:#} {way} {DIM}{ends}{DIM:#} {kind} {style}{text}{style:#}"
        )?;
        if self.terminal { self.out.flush() } else { Ok(()) }
    }

    /// Shows what a row that failed means, and what to do.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn explanation(&mut self, row: &Row) -> io::Result<()> {
        for text in failures::explain(row) {
            let text = visible(&text);
            for line in wrap(&text, self.width.saturating_sub(INDENT)) {
                writeln!(self.out, "{:INDENT$}{DIM}{line}{DIM:#}", "")?;
            }
        }
        Ok(())
    }

    fn ends_width(&self) -> usize {
        if self.width >= WIDE { WIDE_ENDS } else { ENDS }
    }

    /// The names of the columns, and the day where times are times of day.
    fn heading(&mut self, row: &Row) -> io::Result<()> {
        if !std::mem::replace(&mut self.head, true) {
            let time = column("time", self.time(row.at.time, row).len());
            let ends = column("client ↔ server", self.ends_width());
            writeln!(
                self.out,
                "{BOLD}{:>ROW$} {time} {:>DELTA$} way {ends} {:<KIND$} what{BOLD:#}",
                "row", "delta", "kind"
            )?;
        }
        if matches!(self.format, TimeFormat::Utc | TimeFormat::Local) {
            let day = self.civil(row.at.time, "%Y-%m-%d %Z");
            if self.day.as_ref() != Some(&day) {
                writeln!(self.out, "{DIM}{:>ROW$} {day}{DIM:#}", "")?;
                self.day = Some(day);
            }
        }
        Ok(())
    }

    fn time(&self, time: Timestamp, row: &Row) -> String {
        match self.format {
            TimeFormat::Utc | TimeFormat::Local => self.civil(time, "%H:%M:%S%.6f"),
            TimeFormat::Relative => format!("{:>12.6}", row.elapsed.as_secs_f64()),
            TimeFormat::Epoch => {
                let nanos = time.as_nanos();
                format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
            }
        }
    }

    fn civil(&self, time: Timestamp, format: &str) -> String {
        let instant = Instant::from_nanosecond(i128::from(time.as_nanos())).unwrap_or_default();
        instant.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// Names findings that were told in full before.
    fn told_before(&mut self, findings: &[Finding]) -> io::Result<()> {
        if !findings.is_empty() {
            writeln!(self.out)?;
        }
        for finding in findings {
            let style = match finding.severity {
                Severity::Error => BAD,
                Severity::Warning => MIND,
                Severity::Note => NEUTRAL,
            };
            let root = if finding.root_cause { " — this is why the sign-in failed" } else { "" };
            let (severity, title, id) = (finding.severity.name(), finding.rule.title, finding.rule.id);
            writeln!(self.out, "{style}{severity:<10}{style:#} {title} [{id}]{root} (told above)")?;
        }
        Ok(())
    }

    /// Shows what the capture as a whole says.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn finish(&mut self, report: &Report, told: &ToldLogins, findings: &[Finding]) -> io::Result<()> {
        if self.head {
            writeln!(self.out)?;
        }
        self.capture(report)?;
        self.contents(report)?;
        self.clocks(report)?;
        self.points(report)?;
        self.unused(report)?;
        self.logins(told)?;
        self.findings(findings)?;
        self.out.flush()
    }

    fn line(&mut self, label: &str, text: &str) -> io::Result<()> {
        let text = visible(text);
        for (index, line) in wrap(&text, self.width.saturating_sub(INDENT)).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(self.out, "{BOLD}{label:<10}{BOLD:#} {line}")?;
        }
        Ok(())
    }

    fn capture(&mut self, report: &Report) -> io::Result<()> {
        let packets = report.stats.get(Counter::Packets);
        let bytes = report.stats.get(Counter::Bytes);
        let span = match (report.first, report.last) {
            (Some(first), Some(last)) => {
                let (from, to) =
                    (self.civil(first.time, "%Y-%m-%d %H:%M:%S"), self.civil(last.time, "%Y-%m-%d %H:%M:%S %Z"));
                let took = last.time.since(first.time);
                let took = if took.as_nanos() < 0 { "times go back".to_owned() } else { duration(took) };
                format!(", {from} to {to} ({took})")
            }
            _ => String::new(),
        };
        let records = report.stats.get(Counter::LogRecords);
        let holds = match (packets, records) {
            (_, 0) => format!("{}, {bytes} bytes", numbered(packets, "packet")),
            (0, _) => numbered(records, "log record"),
            _ => format!("{}, {bytes} bytes, {}", numbered(packets, "packet"), numbered(records, "log record")),
        };
        let text = format!("{}: {holds}{span}", report.inputs.join(", "));
        self.line("Capture", &text)
    }

    /// How the clocks of trace logs stand to the captures'.
    fn clocks(&mut self, report: &Report) -> io::Result<()> {
        for clock in &report.clocks {
            let ClockReport { name, messages, matched, zone, ahead, spread } = clock;
            let text = if *matched == 0 {
                format!("{name}: none of its {messages} messages is in a capture; its times are taken as they stand")
            } else {
                let (sign, hours, minutes) = (if *zone < 0 { '-' } else { '+' }, zone.abs() / 60, zone.abs() % 60);
                let way = if ahead.as_nanos() < 0 { "behind" } else { "ahead of" };
                let by = duration(Span::from_nanos(ahead.as_nanos().abs()));
                format!(
                    "{name}: {matched} of {messages} messages are in a capture; its times are UTC{sign}{hours:02}:{minutes:02}, \
                     its clock {by} {way} the captures' (spread {})",
                    duration(*spread)
                )
            };
            self.line("Clock", &text)?;
        }
        Ok(())
    }

    /// What places of capture have in common, and how their clocks stand to each other.
    fn points(&mut self, report: &Report) -> io::Result<()> {
        for pair in &report.points {
            let [one, other] = &pair.inputs;
            let clocks = pair.ahead.zip(pair.transit).map_or_else(String::new, |(ahead, transit)| {
                let way = if ahead.as_nanos() < 0 { "behind" } else { "ahead of" };
                let by = duration(Span::from_nanos(ahead.as_nanos().saturating_abs()));
                format!(
                    "; the clock of {other} is {by} {way} that of {one}, a message takes {} between them",
                    duration(transit)
                )
            });
            let (messages, changed) = (pair.messages, pair.changed);
            let text =
                format!("{one} and {other}: {messages} messages were seen at both, {changed} of them changed{clocks}");
            self.line("Clock", &text)?;
        }
        Ok(())
    }

    fn contents(&mut self, report: &Report) -> io::Result<()> {
        let without = report.lookups.iter().filter(|lookup| lookup.rcode.is_some_and(|code| code != 0)).count();
        let silent = report.lookups.iter().filter(|lookup| lookup.answered.is_none()).count();
        let tcp = report.flows.iter().filter(|flow| flow.key.transport == TransportKind::Tcp);
        let failed = tcp.clone().filter(|flow| flow.ended.is_some_and(has_failed)).count();
        let sip: u64 = report.flows.iter().map(|flow| flow.sip[0] + flow.sip[1]).sum();
        let mut parts = vec![
            count(report.lookups.len(), "look-up", "look-ups")
                + &but(&[(without, "refused or without such a name"), (silent, "unanswered")]),
            count(tcp.count(), "TCP connection", "TCP connections") + &but(&[(failed, "failed")]),
        ];
        let unanswered = but(&[(
            report.unanswered.len(),
            if report.unanswered.len() == 1 { "request unanswered" } else { "requests unanswered" },
        )]);
        let closed = report.tls_sessions.iter().filter(|(_, session)| session.opened.is_none());
        let (told, closed): (Vec<_>, Vec<_>) = closed.partition(|(flow, _)| report.is_told_by_log(flow));
        let (told, closed) = (told.len(), closed.len());
        if !report.tls_sessions.is_empty() {
            parts.push(
                count(report.tls_sessions.len(), "TLS session", "TLS sessions")
                    + &but(&[(closed, "not opened"), (told, "told by a trace log")]),
            );
        }
        parts.push(count(usize::try_from(sip).unwrap_or(usize::MAX), "SIP message", "SIP messages") + &unanswered);
        self.line("Holds", &parts.join(" · "))
    }

    /// What was dropped, skipped or not understood, by cause.
    fn unused(&mut self, report: &Report) -> io::Result<()> {
        for (label, loss) in [("Besides", false), ("Missing", true)] {
            let parts: Vec<String> = COUNTERS
                .iter()
                .filter(|entry| {
                    entry.loss == loss
                        && !matches!(entry.counter, Counter::Packets | Counter::Bytes | Counter::LogRecords)
                })
                .filter(|entry| report.stats.get(entry.counter) > 0)
                .map(|entry| format!("{} {}", report.stats.get(entry.counter), entry.text))
                .collect();
            if !parts.is_empty() {
                self.line(label, &parts.join(" · "))?;
            }
        }
        Ok(())
    }

    fn logins(&mut self, told: &ToldLogins) -> io::Result<()> {
        let mut logins: Vec<_> = told.shown.iter().collect();
        logins.sort_by_key(|(login, _)| login.id);
        for (login, findings) in logins {
            self.login(login)?;
            self.findings(findings)?;
            let known = told.told_before.iter().find(|(id, _)| *id == login.id).map(|(_, known)| known.as_slice());
            self.told_before(known.unwrap_or_default())?;
        }
        if told.more > 0 {
            writeln!(self.out)?;
            let failed =
                if told.more_failed > 0 { format!(", {} of them failed", told.more_failed) } else { String::new() };
            self.line("", &format!("{} more sign-ins{failed}; --json has them all", told.more))?;
        }
        Ok(())
    }

    /// A sign-in as a page: who and how it ended, its steps, where its time went.
    fn login(&mut self, login: &Login) -> io::Result<()> {
        writeln!(self.out)?;
        let style = match login.outcome() {
            LoginOutcome::SignedIn => GOOD,
            LoginOutcome::Failed => BAD,
            LoginOutcome::Incomplete => MIND,
        };
        self.line(&format!("Sign-in {}", login.id), &head(login))?;
        writeln!(self.out, "{:<10} {style}{}{style:#}", "", ending(login))?;
        for step in &login.steps() {
            self.step(login, step)?;
        }
        self.waterfall(login)
    }

    fn step(&mut self, login: &Login, step: &LoginStep) -> io::Result<()> {
        let style = match step.outcome {
            StepOutcome::Ok => GOOD,
            StepOutcome::Failed => BAD,
            StepOutcome::Unanswered | StepOutcome::Info | StepOutcome::Skipped => MIND,
        };
        let offset = if login.is_of_before(step.began) {
            "before".to_owned()
        } else {
            format!("{:.3}", step.began.time.since(login.began.time).as_secs_f64())
        };
        let took = duration(step.ended.time.since(step.began.time));
        let outcome = column(step.outcome.name(), 10);
        let said = visible(&step.says);
        let mut lines = wrap(&said, self.width.saturating_sub(STEP_INDENT)).into_iter();
        let (id, first) = (step.kind.id(), lines.next().unwrap_or_default());
        writeln!(self.out, "{offset:>10} {DIM}{took:>8}{DIM:#} {style}{outcome}{style:#} {id:<25} {first}")?;
        lines.try_for_each(|line| writeln!(self.out, "{:STEP_INDENT$}{line}", ""))
    }

    /// The phases as bars on one scale, the waiting for servers filled.
    fn waterfall(&mut self, login: &Login) -> io::Result<()> {
        let phases = login.phases();
        let total = phases.iter().map(|phase| phase.began.as_secs_f64() + phase.took.as_secs_f64()).fold(0.0, f64::max);
        if phases.len() < 2 || total <= 0.0 {
            return Ok(());
        }
        for (index, phase) in phases.iter().enumerate() {
            let label = if index == 0 { "Time" } else { "" };
            let bar = bar(phase, total);
            let (took, server, client) = (duration(phase.took), duration(phase.server), duration(phase.client()));
            writeln!(
                self.out,
                "{BOLD}{label:<10}{BOLD:#} {:<13} {bar} {took:>8}  {DIM}servers {server}, client {client}{DIM:#}",
                phase.kind.name()
            )?;
        }
        if let Some(slowest) = login.slowest() {
            let row = login.row_number(slowest.mark).map(|row| format!(", row {row}")).unwrap_or_default();
            self.line(
                "",
                &format!("slowest: {} in {} ({}{row})", slowest.what, slowest.kind.id(), duration(slowest.took)),
            )?;
        }
        Ok(())
    }

    fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
        for finding in findings {
            let style = match finding.severity {
                Severity::Error => BAD,
                Severity::Warning => MIND,
                Severity::Note => NEUTRAL,
            };
            let severity = finding.severity.name();
            let root = if finding.root_cause { " — this is why the sign-in failed" } else { "" };
            writeln!(self.out)?;
            writeln!(
                self.out,
                "{style}{severity:<10}{style:#} {BOLD}{}{BOLD:#} [{}]{root}",
                finding.rule.title, finding.rule.id
            )?;
            self.line("  seen", &format!("{}{}", finding.what, evidence(finding)))?;
            // A note asks for nothing; `explain` has the rest of it.
            if finding.severity > Severity::Note {
                self.line("  matters", &finding.why())?;
                self.line("  do", &finding.fix())?;
            }
        }
        Ok(())
    }
}

/// Narrowest output that is laid out; below that lines are longer than asked for.
const NARROWEST: usize = 60;

/// Columns of the terminal; where there is none, what the environment says, else 120.
pub fn terminal_width() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    terminal.or_else(columns).unwrap_or(120).max(NARROWEST)
}

/// The columns that `COLUMNS` asks for, where output goes to no terminal.
fn columns() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|&columns: &usize| columns >= NARROWEST)
}

/// Whether standard output gets colours.
pub fn color_choice(color: Color) -> ColorChoice {
    match color {
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

/// What is shown while it happens.
#[cfg(feature = "live")]
impl Screen {
    /// Shows a line between rows: what happened in a sign-in.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn happened(&mut self, text: &str, outcome: StepOutcome) -> io::Result<()> {
        let style = match outcome {
            StepOutcome::Ok => GOOD,
            StepOutcome::Failed => BAD,
            StepOutcome::Unanswered | StepOutcome::Info | StepOutcome::Skipped => MIND,
        };
        writeln!(self.out, "{:>ROW$} {style}{}{style:#}", "", visible(text))
    }

    /// Shows findings between rows.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn found(&mut self, findings: &[Finding]) -> io::Result<()> {
        self.findings(findings)?;
        if findings.is_empty() { Ok(()) } else { writeln!(self.out) }
    }

    /// Shows a sign-in that is over, between rows; `known` are findings that were told before.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn page(&mut self, login: &Login, fresh: &[Finding], known: &[Finding]) -> io::Result<()> {
        self.login(login)?;
        self.findings(fresh)?;
        self.told_before(known)?;
        writeln!(self.out)
    }

    /// Hands on what was shown so far.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Who, from where, to which server.
fn head(login: &Login) -> String {
    let user = match (&login.user, login.domain()) {
        (Some(user), _) => user.clone(),
        (None, Some(domain)) => format!("a user of {domain}"),
        (None, None) => "a user".to_owned(),
    };
    let server = login.connection().map_or_else(String::new, |connection| {
        let by = connection.service().map(|service| format!(" by {service}")).unwrap_or_default();
        format!(" to {}{by}", connection.server())
    });
    let scheme = login.scheme().map(|scheme| format!(", {scheme}")).unwrap_or_default();
    let agent = login.endpoint.user_agent.as_ref().map(|agent| format!(", {agent}")).unwrap_or_default();
    let (location, evidence) = login.location();
    let place = match (location, evidence.is_empty()) {
        ("unknown", _) => String::new(),
        (_, true) => format!(", {location}"),
        (_, false) => format!(", {location} ({evidence})"),
    };
    let same = login.same_as.as_ref().map(|same| format!(", same sign-in as {}, seen at {}", same.login, same.input));
    format!("{user} from {}{server}{scheme}{agent}{place}{}", login.client, same.unwrap_or_default())
}

/// How it ended, and how long that took.
fn ending(login: &Login) -> String {
    let ready = login.ready().map(|mark| format!(", ready after {}", duration(login.after(mark)))).unwrap_or_default();
    match (login.outcome(), login.registered) {
        (LoginOutcome::SignedIn, Some(mark)) => format!("signed in after {}{ready}", duration(login.after(mark))),
        (LoginOutcome::Failed, _) => format!("failed after {}", duration(login.ended.time.since(login.began.time))),
        _ if login.connection().is_some_and(|connection| connection.open.is_none()) => {
            "it began before the capture, which does not show how".to_owned()
        }
        _ => "the capture does not show how it ended".to_owned(),
    }
}

/// A phase on a scale of `total` seconds: waiting for servers filled, the client's own time hollow.
fn bar(phase: &Phase, total: f64) -> String {
    let cells = |seconds: f64| {
        let share = (seconds / total * BAR).round().clamp(0.0, BAR);
        // A share of the width, which is small and not negative.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just above")]
        let cells = share as usize;
        cells
    };
    let width = cells(total);
    let before = cells(phase.began.as_secs_f64()).min(width.saturating_sub(1));
    let length = cells(phase.took.as_secs_f64()).max(1).min(width - before);
    let filled = cells(phase.server.as_secs_f64()).min(length);
    let rest = width - before - length;
    format!("{}{}{}{}", "·".repeat(before), "█".repeat(filled), "░".repeat(length - filled), "·".repeat(rest))
}

/// The rows, packets or lines that show a finding.
fn evidence(finding: &Finding) -> String {
    let cited: Vec<String> = if finding.rows.is_empty() {
        finding.evidence.iter().map(|mark| mark.at.place()).collect()
    } else {
        finding.rows.iter().map(|row| format!("row {row}")).collect()
    };
    if cited.is_empty() { String::new() } else { format!(" ({}{})", cited.join(", "), packets(finding)) }
}

/// Most packets that are named beside the rows.
const MOST_PACKETS: usize = 4;

/// The packets of the rows that are cited, as Wireshark counts them; none where rows are of several files.
fn packets(finding: &Finding) -> String {
    let input = finding.evidence.first().map(|mark| mark.at.input);
    let mut frames: Vec<u64> = finding.evidence.iter().filter_map(|mark| mark.at.frame_no()).collect();
    frames.dedup();
    if finding.rows.is_empty() || frames.is_empty() || finding.evidence.iter().any(|mark| Some(mark.at.input) != input)
    {
        return String::new();
    }
    let more = if frames.len() > MOST_PACKETS { " …" } else { "" };
    let named: Vec<String> = frames.iter().take(MOST_PACKETS).map(u64::to_string).collect();
    format!("; packet{} {}{more}", if frames.len() == 1 { "" } else { "s" }, named.join(", "))
}

/// An end of a conversation; `?` where a log does not say it.
fn end(end: SocketAddr) -> String {
    if end.ip().is_unspecified() && end.port() == 0 { "?".to_owned() } else { end.to_string() }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "Out",
        Direction::In => "In ",
    }
}

fn numbered(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn but(parts: &[(usize, &str)]) -> String {
    let parts: Vec<_> =
        parts.iter().filter(|part| part.0 > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

const fn has_failed(event: TcpEvent) -> bool {
    matches!(event, TcpEvent::Refused { .. } | TcpEvent::Unanswered { .. } | TcpEvent::Unreachable { .. })
}

/// Colour says how a row went. A challenge and a name that is not there are no alarm.
pub fn row_style(row: &Row) -> Style {
    match &row.message {
        Message::Sip(message) => match message.status() {
            Some(200..=299) => GOOD,
            Some(300..=399 | 401 | 407) => MIND,
            Some(400..) => BAD,
            _ => NEUTRAL,
        },
        Message::Dns(message) if message.is_response() => match message.rcode {
            0 => GOOD,
            3 => MIND,
            _ => BAD,
        },
        Message::Tcp(TcpEvent::Open { .. }) => GOOD,
        Message::Tcp(TcpEvent::Reset { .. }) | Message::Lost(_) | Message::Defect(_) => MIND,
        Message::Tcp(event) if has_failed(*event) => BAD,
        Message::Icmp { .. } => BAD,
        Message::Http(message) => match message.start {
            HttpStart::Response { status: 200..=399, .. } => GOOD,
            HttpStart::Response { status: 401 | 407, .. } => MIND,
            HttpStart::Response { status: 400.., .. } => BAD,
            _ => NEUTRAL,
        },
        Message::Tls(event) => match &**event {
            TlsEvent::Established { .. } => GOOD,
            TlsEvent::Alert(Some(alert)) if !alert.is_close_notify() => BAD,
            TlsEvent::NotOpened(_) => MIND,
            _ => NEUTRAL,
        },
        Message::Log(event) => match event.kind {
            LogKind::Failed | LogKind::Error => BAD,
            LogKind::Closed(_) | LogKind::Diagnostic => MIND,
            LogKind::Connected | LogKind::Dns => NEUTRAL,
        },
        Message::Dns(_)
        | Message::Tcp(_)
        | Message::TlsSession(_)
        | Message::Payload(_)
        | Message::Ciphertext(_)
        | Message::Kerberos(_)
        | Message::Dhcp(_) => NEUTRAL,
    }
}
