//! The program takes no more instructions than it did: those of small jobs, counted by valgrind, against stored
//! numbers (`LYNCCAP_BLESS=1 cargo test --release --test instructions` writes them anew).
//!
//! What is counted is the program that users run, so only a release build is; and what the compiler and the
//! processor decide differs between machines, so the numbers hold for those that are stored with them.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use common::packet::{self, SYN};
use common::trace_log::{PLAIN, client_log, messages};
use common::{Conversation, Owned, Scratch, capture, folder, pcap_of, program, request};
use lynccap::model::{LinkType, Timestamp};

const STORED: &str = "tests/instructions.txt";
/// How many more are let pass, in thousandths. Hash maps are seeded anew in each run, which moves a count by less
/// than one; the rest is for other C libraries.
const TOLERANCE: u64 = 30;

/// A capture of raw packets, a millisecond apart.
fn pcap(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let at =
        |number: usize| Timestamp::from_nanos(1_700_000_000_000_000_000 + 1_000_000 * i64::try_from(number).unwrap());
    let owned = packets.into_iter().enumerate().map(|(number, data)| {
        let wire_len = u32::try_from(data.len()).unwrap();
        Owned { time: at(number), link: LinkType::RAW, wire_len, data }
    });
    pcap_of(&owned.collect::<Vec<_>>())
}

/// What the sieve drops.
fn other_traffic() -> Vec<u8> {
    let media = packet::datagram((50_000, 50_002), &[0x80; 172]);
    pcap(
        (0..40_000).map(|number| packet::ipv4((packet::address(number % 500), packet::address(1)), 17, (0, 0), &media)),
    )
}

/// Many connections with requests that have bodies, in segments that end anywhere.
fn requests() -> Vec<u8> {
    let mut packets = Vec::new();
    for number in 0..100 {
        let mut conversation = Conversation::new(number, 5060);
        packets.extend(conversation.open());
        let body = format!("<a>{}</a>", "<b c=\"d\"/>".repeat(100));
        let stream: String = (0..10).map(|turn| request(number * 10 + turn, &body)).collect();
        packets.extend(stream.as_bytes().chunks(1400).map(|part| conversation.send(part)));
    }
    pcap(packets)
}

/// Connections that nobody answers.
fn half_open() -> Vec<u8> {
    pcap((0..4000).map(|number| {
        let segment = packet::segment((1025, 5061), number, 0, SYN, &[]);
        packet::ipv4((packet::address(0x20_0000 + number), packet::address(1)), 6, (0, 0), &segment)
    }))
}

/// The messages of a sign-in as a client logs them, many times over, among records that are none.
fn log() -> Vec<u8> {
    let mut logged = messages(&capture("b-login-tcp.pcapng"));
    let mut text = Vec::new();
    for turn in 0_u16..20 {
        for message in &mut logged {
            message.client.set_port(30_000 + turn);
        }
        text.extend(client_log(&logged, PLAIN));
        text.extend(
            b"04/16/2030|03:17:30.168 1F68:D20 TRACE :: CUccEndpoint::OnTimer, nothing is due\r\n".repeat(1000),
        );
    }
    text
}

/// Name and arguments of each job, which may name files that are made.
fn jobs(scratch: &Scratch) -> Vec<(&'static str, Vec<String>)> {
    let of = |file: &str| folder().join(file).to_str().unwrap().to_owned();
    let csv = |input: String, more: &[String]| [&[input, "--csv".to_owned(), scratch.file("out")], more].concat();
    let keys = |name: &str| vec!["--keylog".to_owned(), of(&format!("{name}.keys"))];
    vec![
        ("login", csv(of("login.pcapng"), &keys("login"))),
        ("login-json", [&[of("login.pcapng"), "--json".to_owned(), scratch.file("out")], &*keys("login")].concat()),
        ("login-tls13", csv(of("e-login-tls13.pcapng"), &keys("e-login-tls13"))),
        ("other-traffic", csv(scratch.write("other.pcap", other_traffic()), &[])),
        ("requests", csv(scratch.write("requests.pcap", requests()), &[])),
        ("half-open", csv(scratch.write("half-open.pcap", half_open()), &[])),
        ("log", csv(scratch.write("log.uccapilog", log()), &[])),
    ]
}

/// Instructions that the program takes.
fn count(arguments: &[String]) -> u64 {
    let program = program();
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => valgrind.env(name, value),
            None => valgrind.env_remove(name),
        };
    }
    // Where libraries are looked for is the loader's work, and cargo's to say.
    valgrind.env_remove("LD_LIBRARY_PATH");
    let output = valgrind.args(["analyze", "-q", "--lanes", "1"]).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find_map(|line| line.split_once("Collected :"));
    let counted = line.and_then(|(_, count)| count.trim().parse().ok());
    assert!(output.status.success() && counted.is_some(), "{arguments:?}: {told}");
    counted.unwrap()
}

/// The compiler and the processor, as far as they decide which instructions there are.
fn machine() -> Option<String> {
    let version = Command::new("rustc").arg("--version").output().ok()?;
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let avx2 = if processor.contains(" avx2 ") { " with avx2" } else { "" };
    let version = String::from_utf8(version.stdout).ok()?;
    Some(format!("{}, {}{avx2}", version.trim(), std::env::consts::ARCH))
}

#[test]
fn no_job_takes_more_instructions() {
    let has_valgrind =
        || Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if cfg!(debug_assertions) {
        eprintln!("skipped: instructions are counted in a release build");
        return;
    }
    let Some(machine) = machine().filter(|_| has_valgrind()) else {
        eprintln!("skipped: needs valgrind and Linux");
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(STORED);
    let blesses = std::env::var_os("LYNCCAP_BLESS").is_some();
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let (known, stored) = stored.split_once('\n').unwrap_or_default();
    if known != machine && !blesses {
        eprintln!("skipped: counted with {known}, this is {machine}");
        return;
    }
    let before: BTreeMap<&str, u64> = stored
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name, count.trim().parse().ok()?)))
        .collect();
    let scratch = Scratch::new("instructions");
    let (mut now, mut more) = (format!("{machine}\n"), Vec::new());
    for (name, arguments) in jobs(&scratch) {
        let count = count(&arguments);
        let _ = writeln!(now, "{name:13} {count:>12}");
        let stored = before.get(name).copied().unwrap_or_default();
        let told = format!("{name}: {count} instructions, {stored} stored");
        if count * 1000 > stored * (1000 + TOLERANCE) {
            more.push(told);
        } else if count * (1000 + TOLERANCE) < stored * 1000 {
            eprintln!("{told}: fewer, and LYNCCAP_BLESS=1 stores it");
        }
    }
    if blesses {
        std::fs::write(&path, now).unwrap();
        return;
    }
    assert!(more.is_empty(), "more than {STORED} allows; LYNCCAP_BLESS=1 accepts it:\n{}", more.join("\n"));
}
