//! Commands and options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::logs::Zone;
use crate::model::{DecodeAs, LEAST_MEMORY, Span};

/// Reads a packet capture of a Lync or Skype for Business sign-in and tells what happened.
#[derive(Debug, Parser)]
#[command(name = "lynccap", version, about, propagate_version = true)]
#[command(after_help = "Exit codes: 0 the analysis ran; 1 --fail-on found something; 2 it could not run; \
3 an input was cut off or damaged, and all before that was analysed.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Captures in, timeline and diagnosis out
    Analyze(Analyze),
    /// The same on an interface, while it happens; Ctrl-C ends with the summary
    Live(Live),
    /// The interfaces that `live -i` accepts
    Interfaces,
    /// One row of the timeline in full
    Show(Show),
    /// The bytes of one conversation, decrypted where that is possible
    Follow(Follow),
    /// Every TLS session, and what it would need to be opened
    Keys(Keys),
    /// One sign-in or one Call-ID as arrows between client and servers
    Ladder(Ladder),
    /// What an id or code means and what to do about it
    Explain(Explain),
}

/// What is read, and how.
#[derive(Debug, Args)]
pub struct Reading {
    /// Captures (pcap, pcapng) and trace logs (.uccapilog of clients, text of servers), also compressed with gzip,
    /// zstd or lz4; `-` is standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// Threads that decode: the result is the same for any number, as long as no bound on memory is reached
    /// [default: one a processor, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub lanes: Option<u8>,

    #[command(flatten)]
    pub decoding: Decoding,
}

impl std::ops::Deref for Reading {
    type Target = Decoding;

    fn deref(&self) -> &Decoding {
        &self.decoding
    }
}

/// How packets are decoded and shown, wherever they come from.
#[derive(Debug, Args)]
pub struct Decoding {
    /// Key log (SSLKEYLOGFILE); may be given several times
    #[arg(short = 'k', long, value_name = "FILE")]
    pub keylog: Vec<PathBuf>,

    /// RSA private key of a server: PEM, DER or PKCS#12; may be given several times
    #[arg(long, value_name = "FILE")]
    pub tls_key: Vec<PathBuf>,

    /// File whose first line is the password of the --tls-key files
    #[arg(long, value_name = "FILE")]
    pub tls_key_password_file: Option<PathBuf>,

    /// Passwords that NTLM is checked with, a line each: `DOMAIN\user:password`, `user@domain:password` or
    /// `*:password`; the password may be `hash:` and an NT hash
    #[arg(long, value_name = "FILE")]
    pub ntlm_secret_file: Vec<PathBuf>,

    /// Takes what is on PORT for KIND: sip, sip-tls, tls, dns, http, https, kerberos, dhcp
    #[arg(short = 'd', long, value_name = "PORT=KIND", value_parser = decode_as)]
    pub decode_as: Vec<(u16, DecodeAs)>,

    /// Keeps the connections to the addresses of NAME, too
    #[arg(long, value_name = "NAME")]
    pub watch: Vec<String>,

    /// Zone of the times in trace logs: an IANA name, local, utc or +02:00; Centralized Logging writes UTC
    #[arg(long, value_name = "ZONE", default_value = "utc", value_parser = Zone::parse, allow_hyphen_values = true)]
    pub log_zone: Zone,

    /// Adds SECONDS to the times of INPUT, whose clock is behind by so much; may be given several times
    #[arg(long, value_name = "INPUT=SECONDS", value_parser = clock_offset)]
    pub clock_offset: Vec<(PathBuf, Span)>,

    /// Bound on what is held of the traffic while decoding, 4M at least; the program itself takes some 10M besides
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = memory)]
    pub max_memory: usize,

    /// How times are shown; exports always carry UTC
    #[arg(short = 't', long, value_name = "FORMAT", value_enum, default_value = "utc")]
    pub time_format: TimeFormat,

    /// Colours on the terminal
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub color: Color,

    /// No progress bar
    #[arg(long)]
    pub no_progress: bool,
}

/// Options of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    #[command(flatten)]
    pub reading: Reading,

    #[command(flatten)]
    pub output: Output,

    /// With --filter: also all other messages with the Call-IDs of those that pass
    #[arg(long, requires = "filter")]
    pub dialog: bool,
}

impl std::ops::Deref for Analyze {
    type Target = Output;

    fn deref(&self) -> &Output {
        &self.output
    }
}

/// What is written, where to.
#[derive(Debug, Args)]
pub struct Output {
    /// Rows to show and export, such as `sip and status >= 400 and from contains "alice"`
    #[arg(short = 'Y', long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// Rows that failed only, each with its explanation
    #[arg(long)]
    pub errors: bool,

    /// Writes CSV; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// For whom the CSV is
    #[arg(long, value_name = "DIALECT", value_enum, default_value = "excel")]
    pub csv_dialect: CsvDialect,

    /// Writes JSON lines, an object a row; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,

    /// Writes the report as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// With --jsonl: whole SIP messages
    #[arg(long, requires = "jsonl")]
    pub raw: bool,

    /// Shows nothing on the terminal
    #[arg(short, long)]
    pub quiet: bool,

    /// Exit code 1 where a finding of that severity or worse exists
    #[arg(long, value_name = "SEVERITY", value_enum)]
    pub fail_on: Option<FailOn>,
}

/// Options of `ladder`.
#[derive(Debug, Args)]
pub struct Ladder {
    #[command(flatten)]
    pub reading: Reading,

    /// Which sign-in (default 1)
    #[arg(long, value_name = "N", conflicts_with = "call_id")]
    pub login: Option<u32>,

    /// The Call-ID, or how it begins
    #[arg(long, value_name = "ID")]
    pub call_id: Option<String>,

    /// One arrow for a message that was seen at several places on its way
    #[arg(long)]
    pub merge: bool,
}

/// Options of `live`.
#[derive(Debug, Args)]
#[command(after_help = "Needs CAP_NET_RAW or root, and gives both up once the interface and the files are open.\n\
A key log (-k) is followed while it grows; it need not exist yet. Records wait 5 s for their keys.\n\
Exit codes: 0 it ended as asked; 1 --fail-on found something; 2 it could not run; 3 an interface vanished, or packets \
are missing in the file of -w.")]
pub struct Live {
    /// Interface, as `lynccap interfaces` lists them, or `any`; may be given several times
    #[arg(short = 'i', long = "interface", value_name = "IFACE", required = true)]
    pub interfaces: Vec<String>,

    /// Packets to capture, as tcpdump has it; may also stand behind the options as words. Without it: DNS, DHCP,
    /// Kerberos, SIP and web ports, those of -d, fragments and ICMP; `-f ''` captures everything
    #[arg(short = 'f', long, value_name = "BPF", conflicts_with = "words")]
    pub capture_filter: Option<String>,

    /// Bytes of a packet that are captured
    #[arg(short = 's', long, value_name = "BYTES", default_value = "262144", value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: u32,

    /// The system's capture buffer, for each interface, in MiB
    #[arg(short = 'B', long, value_name = "MIB", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub buffer_size: u32,

    /// Only packets from and to this machine, and broadcasts
    #[arg(short = 'p', long)]
    pub no_promiscuous: bool,

    /// Ends after that many packets
    #[arg(short = 'c', long, value_name = "N")]
    pub count: Option<u64>,

    /// Ends after duration:SECONDS, packets:N or filesize:SIZE; may be given several times
    #[arg(short = 'a', long, value_name = "KIND:VALUE", value_parser = stop)]
    pub autostop: Vec<(StopKind, u64)>,

    /// Writes the packets to FILE (pcapng), readable at any moment
    #[arg(short = 'w', long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// A new file after duration:SECONDS or filesize:SIZE; files:N keeps the newest N. Names get a number and the time
    #[arg(short = 'b', long, value_name = "KIND:VALUE", requires = "write", value_parser = ring)]
    pub ring_buffer: Vec<(RingKind, u64)>,

    /// A comment in the file of -w
    #[arg(long, value_name = "TEXT", requires = "write")]
    pub capture_comment: Option<String>,

    /// Puts the key logs into the file of -w, so that it can be decrypted by itself
    #[arg(long, requires = "write")]
    pub write_keys: bool,

    /// Who it goes on as once the interface is open; otherwise the user behind sudo, else `nobody`
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Says what rights are kept and how decoding is confined
    #[arg(short, long)]
    pub verbose: bool,

    #[command(flatten)]
    pub decoding: Decoding,

    #[command(flatten)]
    pub output: Output,

    /// The filter, as words
    #[arg(value_name = "BPF FILTER", trailing_var_arg = true)]
    pub words: Vec<String>,
}

/// What ends a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// Seconds
    Duration,
    /// Packets
    Packets,
    /// Bytes
    FileSize,
}

/// What begins another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// Seconds
    Duration,
    /// Bytes
    FileSize,
    /// Files that are kept
    Files,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub reading: Reading,

    /// Which row, as the timeline numbers them
    #[arg(long, value_name = "N")]
    pub row: u64,
}

/// Options of `follow`.
#[derive(Debug, Args)]
pub struct Follow {
    #[command(flatten)]
    pub reading: Reading,

    /// Which conversation, as the timeline numbers them
    #[arg(long, value_name = "N")]
    pub flow: u32,

    /// Only what goes this way
    #[arg(long, value_name = "WAY", value_enum)]
    pub direction: Option<Way>,

    /// How bytes are shown
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub format: BytesFormat,
}

/// Options of `keys`.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(flatten)]
    pub reading: Reading,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// From the client
    Out,
    /// To the client
    In,
}

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BytesFormat {
    /// Text, with everything that could steer a terminal written out
    Text,
    /// Hexadecimal with text beside it
    Hex,
    /// As they are
    Raw,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Finding, step, field, ms-diagnostics id, SIP or HTTP status, TLS alert, HRESULT, Winsock or Kerberos error,
    /// DNS response code, event; by number or name, `sip:403` for one kind only
    ///
    /// Lists: findings, steps, fields, diagnostics, sip, http, alerts, hresults, winsock, win32, kerberos, dns,
    /// events, registration.
    #[arg(required = true, value_name = "WORD", allow_negative_numbers = true)]
    pub words: Vec<String>,
}

/// How times are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimeFormat {
    /// Coordinated universal time
    Utc,
    /// This machine's time zone
    Local,
    /// Seconds since the first packet
    Relative,
    /// Seconds since 1970
    Epoch,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// For whom the CSV is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CsvDialect {
    /// Spreadsheets: byte order mark, formulas defused
    Excel,
    /// Spreadsheets whose list separator is the semicolon
    ExcelSemicolon,
    /// Programs
    Plain,
}

/// From which severity on the exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors
    Error,
    /// Warnings and errors
    Warning,
}

fn decode_as(text: &str) -> Result<(u16, DecodeAs), String> {
    let (port, kind) = text.split_once('=').ok_or("expected PORT=KIND, such as 443=sip-tls")?;
    let port = port.trim().parse().map_err(|_| format!("`{port}` is no port"))?;
    let found = DecodeAs::ALL.iter().find(|(name, _)| *name == kind.trim());
    let names = DecodeAs::ALL.map(|(name, _)| name).join(", ");
    found.map(|&(_, kind)| (port, kind)).ok_or_else(|| format!("`{kind}` is none of {names}"))
}

/// Seconds by which a clock may be put on: 30 years.
const MOST_SECONDS: f64 = 1e9;

fn clock_offset(text: &str) -> Result<(PathBuf, Span), String> {
    let (input, seconds) = text.rsplit_once('=').ok_or("expected INPUT=SECONDS, such as client.uccapilog=-3600")?;
    let number: f64 = seconds.trim().parse().map_err(|_| format!("`{seconds}` is no number of seconds"))?;
    if !number.is_finite() || number.abs() > MOST_SECONDS {
        return Err(format!("`{seconds}` is no number of seconds up to {MOST_SECONDS}"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    let nanos = (number * 1e9).round() as i64;
    Ok((input.into(), Span::from_nanos(nanos)))
}

fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase();
    let shift = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("`{unit}` is no unit; K, M and G are")),
    };
    let number: usize = digits.trim().parse().map_err(|_| format!("`{text}` is no size, such as 256M"))?;
    number.checked_shl(shift).filter(|size| size >> shift == number).ok_or_else(|| format!("`{text}` is too large"))
}

/// Memory to share out; less than the least would be taken as that, unsaid.
fn memory(text: &str) -> Result<usize, String> {
    let least = format!("{}M is the least", LEAST_MEMORY >> 20);
    size(text).and_then(|size| if size < LEAST_MEMORY { Err(least) } else { Ok(size) })
}

fn stop(text: &str) -> Result<(StopKind, u64), String> {
    let (kind, value) = text.split_once(':').ok_or("expected KIND:VALUE, such as duration:60")?;
    let kind = match kind {
        "duration" => StopKind::Duration,
        "packets" => StopKind::Packets,
        "filesize" => StopKind::FileSize,
        _ => return Err(format!("`{kind}` is none of duration, packets, filesize")),
    };
    Ok((kind, amount(value, kind == StopKind::FileSize)?))
}

fn ring(text: &str) -> Result<(RingKind, u64), String> {
    let (kind, value) = text.split_once(':').ok_or("expected KIND:VALUE, such as filesize:100M")?;
    let kind = match kind {
        "duration" => RingKind::Duration,
        "filesize" => RingKind::FileSize,
        "files" => RingKind::Files,
        _ => return Err(format!("`{kind}` is none of duration, filesize, files")),
    };
    Ok((kind, amount(value, kind == RingKind::FileSize)?))
}

/// A number from 1 on; of bytes in kB where it has no unit, as dumpcap has it.
fn amount(text: &str, bytes: bool) -> Result<u64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if bytes && !plain {
        size(text)? as u64
    } else {
        let number: u64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
        if bytes { number.saturating_mul(1000) } else { number }
    };
    if number == 0 { Err("must be more than 0".to_owned()) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn when_to_stop() {
        assert_eq!(stop("duration:60"), Ok((StopKind::Duration, 60)));
        assert_eq!(stop("filesize:10"), Ok((StopKind::FileSize, 10_000)));
        assert_eq!(ring("filesize:1M"), Ok((RingKind::FileSize, 1 << 20)));
        assert_eq!(ring("files:3"), Ok((RingKind::Files, 3)));
        assert!(stop("duration").is_err() && stop("files:3").is_err() && ring("files:0").is_err());
        assert!(stop("duration:x").is_err() && ring("packets:1").is_err());
    }

    #[test]
    fn sizes_and_ports() {
        assert_eq!(size("256M"), Ok(256 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(memory("4M"), Ok(4 << 20));
        assert_eq!(memory("1"), Err("4M is the least".to_owned()));
        assert!(size("lots").is_err() && size("5T").is_err() && size("99999999999G").is_err());
        assert_eq!(decode_as("443=sip-tls"), Ok((443, DecodeAs::SipTls)));
        assert_eq!(clock_offset("a=b.txt=-1.5"), Ok(("a=b.txt".into(), Span::from_millis(-1500))));
        assert!(clock_offset("a").is_err() && clock_offset("a=x").is_err() && clock_offset("a=1e30").is_err());
        assert!(decode_as("443").is_err() && decode_as("x=sip").is_err() && decode_as("1=ftp").is_err());
    }
}
