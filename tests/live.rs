//! Live capture as a user meets it: signals, limits, rings, a full disk, a closed pipe, interfaces that go.
//!
//! Each test makes a network namespace of its own and needs root and `ip`; without them it says so and passes. Every
//! child has a time limit.
#![cfg(all(feature = "live", target_os = "linux"))]
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use common::{Scratch, capture, packets, run_in};
use lynccap::model::LinkType;

/// No child may take longer.
const LIMIT: &str = "30";

/// Runs a command of the system; `false` where it fails or is not there.
fn system(line: &str) -> bool {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    let command = command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A network of its own, with a pair of interfaces `v0` and `v1`; it goes when the test ends.
struct Net(String);

impl Net {
    /// `None`, with a word, where this machine does not let us.
    fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lynccap-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        if !system(&format!("ip netns add {name}")) {
            eprintln!("skipped: needs root and iproute2");
            return None;
        }
        let net = Self(name);
        let ready = net.inside("ip link set lo up")
            && net.inside("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
            && net.inside("ip link add v0 mtu 9000 type veth peer name v1 mtu 9000")
            && net.inside("ip link set v0 up")
            && net.inside("ip link set v1 up");
        if !ready {
            eprintln!("skipped: no pair of interfaces can be made");
        }
        ready.then_some(net)
    }

    /// Runs a command in it.
    fn inside(&self, line: &str) -> bool {
        system(&format!("timeout {LIMIT} ip netns exec {} {line}", self.0))
    }

    /// Sends datagrams over the loopback interface, to a port where nobody listens.
    fn send(&self, count: usize) {
        let line = format!("for i in $(seq {count}); do echo $i > /dev/udp/127.0.0.1/5353; done 2>/dev/null; true");
        let mut command = Command::new("timeout");
        command.args([LIMIT, "ip", "netns", "exec", &self.0, "bash", "-c", &line]);
        assert!(command.status().unwrap().success());
    }

    /// Begins `live` in a folder and waits until it captures.
    fn live(&self, folder: &Path, arguments: &[&str]) -> Live {
        let mut command = Command::new("timeout");
        command.args(["--foreground", LIMIT, "ip", "netns", "exec", &self.0, env!("CARGO_BIN_EXE_lynccap"), "live"]);
        command.args(["--user", "root"]).args(arguments).env("TZ", "UTC").current_dir(folder);
        start(&mut command)
    }

    /// Sends a DNS query for `sip.lab.test` over the loopback interface.
    fn look_up(&self) {
        let query = r"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03sip\x03lab\x04test\x00\x00\x01\x00\x01";
        let line = format!("printf '{query}' > /dev/udp/127.0.0.1/53");
        let mut command = Command::new("timeout");
        command.args([LIMIT, "ip", "netns", "exec", &self.0, "bash", "-c", &line]);
        assert!(command.status().unwrap().success());
    }
}

/// Begins `live` and waits until it captures.
fn start(command: &mut Command) -> Live {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(": capturing ") {
        assert_ne!(errors.read_line(&mut said).unwrap(), 0, "it did not begin: {said}");
    }
    sleep(Duration::from_millis(300));
    Live { child, errors, said }
}

impl Drop for Net {
    fn drop(&mut self) {
        system(&format!("ip netns del {}", self.0));
    }
}

/// `live`, running.
struct Live {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Live {
    /// Sends a signal to the program itself.
    fn signal(&self, name: &str) {
        let parent = self.child.id();
        assert!(system(&format!("pkill -{name} -P {parent}")), "nothing to send {name} to");
    }

    /// Waits for its end: its exit code and what it wrote.
    fn end(mut self) -> (Option<i32>, String, String) {
        let output = std::thread::spawn(move || {
            let mut said = self.said;
            let _ = self.errors.read_to_string(&mut said);
            said
        });
        let mut shown = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            let _ = stdout.read_to_end(&mut shown);
        }
        let status = self.child.wait().unwrap();
        (status.code(), String::from_utf8_lossy(&shown).into_owned(), output.join().unwrap())
    }
}

/// The packets of a file that must be whole.
#[track_caller]
fn whole(path: &Path) -> Vec<common::Owned> {
    let (packets, end) = packets(&std::fs::read(path).unwrap());
    assert!(matches!(end, common::End::Whole), "{}: {end:?}", path.display());
    packets
}

fn analyze(folder: &Path, file: &str) -> Output {
    run_in(folder, &["analyze", file, "--jsonl", "-"])
}

#[test]
fn signals_end_with_the_summary_and_nothing_lost() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-signals");
    for signal in ["INT", "TERM", "HUP"] {
        let live = net.live(folder.path(), &["-i", "lo", "-w", "w.pcapng", "-f", "udp"]);
        net.send(40);
        live.signal(signal);
        let (code, shown, said) = live.end();
        assert_eq!(code, Some(0), "{signal}: {said}");
        assert!(shown.contains("Capture    lo: 40 packets"), "{signal}: {shown}");
        assert_eq!(whole(&folder.path().join("w.pcapng")).len(), 40, "{signal}");
    }
}

#[test]
fn a_killed_writer_leaves_a_file_that_can_be_read() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-killed");
    let live = net.live(folder.path(), &["-i", "lo", "-w", "w.pcapng", "-f", "udp"]);
    net.send(50);
    sleep(Duration::from_millis(500));
    assert_eq!(whole(&folder.path().join("w.pcapng")).len(), 50, "while it runs");
    live.signal("KILL");
    live.end();
    assert_eq!(whole(&folder.path().join("w.pcapng")).len(), 50);
    let comment = folder.path().join("w.pcapng");
    assert!(std::fs::read(comment).unwrap().windows(7).any(|window| window == b"lynccap"), "it names its writer");
}

#[test]
fn it_ends_by_count_time_and_size() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-stops");
    let live = net.live(folder.path(), &["-i", "lo", "-w", "w.pcapng", "-f", "udp", "-c", "7"]);
    net.send(30);
    assert_eq!(live.end().0, Some(0));
    assert_eq!(whole(&folder.path().join("w.pcapng")).len(), 7);
    let live = net.live(folder.path(), &["-i", "lo", "-a", "duration:1", "-v"]);
    assert_eq!(live.end().0, Some(0));
    let live = net.live(folder.path(), &["-i", "lo", "-a", "filesize:1", "udp"]);
    net.send(30);
    let (code, shown, _) = live.end();
    assert_eq!(code, Some(0));
    assert!(shown.contains("Capture    lo: "), "{shown}");
}

#[test]
fn rows_come_while_it_runs() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-prompt");
    let mut live = net.live(folder.path(), &["-i", "lo", "--jsonl", "-", "-f", "udp"]);
    net.look_up();
    let mut lines = BufReader::new(live.child.stdout.take().unwrap()).lines();
    let row = lines.next().expect("a row comes though nothing follows").unwrap();
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert_eq!((&row["kind"], &row["dns_name"]), (&"dns".into(), &"sip.lab.test".into()));
    live.signal("INT");
    assert_eq!(live.end().0, Some(0));
}

#[test]
fn rights_are_given_up() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-rights");
    let check = |sudo: &str, uid: &str| {
        let mut command = Command::new("timeout");
        command.args(["--foreground", LIMIT, "ip", "netns", "exec", &net.0, env!("CARGO_BIN_EXE_lynccap"), "live"]);
        command.args(["-i", "lo", "-f", "udp", "-w", "w.pcapng", "-v"]).env("SUDO_UID", sudo);
        let program = start(command.current_dir(folder.path()));
        let children = Command::new("pgrep").args(["-P", &program.child.id().to_string()]).output().unwrap();
        let process = String::from_utf8(children.stdout).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.trim())).unwrap();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!((value("Uid:").as_str(), value("CapPrm:").trim_matches('0')), (uid, ""), "{status}");
        net.send(5);
        program.signal("INT");
        let (code, _, said) = program.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("without capabilities") && said.contains("confined"), "{said}");
        assert_eq!(whole(&folder.path().join("w.pcapng")).len(), 5);
    };
    check("", "65534");
    check("1", "1");
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder.path().join("w.pcapng")).unwrap());
    assert_eq!(owner, 1, "the file is the user's");
}

#[test]
fn a_ring_goes_on_in_new_files() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-ring");
    let ring = ["-i", "lo", "-f", "udp", "-w", "w.pcapng", "-b", "filesize:1", "-b", "files:3"];
    let live = net.live(folder.path(), &ring);
    net.send(100);
    live.signal("INT");
    assert_eq!(live.end().0, Some(0));
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    let last = whole(names.last().unwrap());
    assert_eq!(last.last().unwrap().data.get(42..), Some(&b"100\n"[..]), "the newest is kept");
}

#[test]
fn a_full_disk_is_told_and_what_is_there_can_be_read() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-full");
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    if !system(&format!("mount -t tmpfs -o size=16k none {}", disk.display())) {
        eprintln!("skipped: no small file system can be mounted");
        return;
    }
    let live = net.live(folder.path(), &["-i", "lo", "-f", "udp", "-w", "disk/w.pcapng"]);
    net.send(400);
    live.signal("INT");
    let (code, shown, said) = live.end();
    let written = whole(&disk.join("w.pcapng")).len();
    system(&format!("umount {}", disk.display()));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("No space left") && said.contains("packets are not in the file"), "{said}");
    assert!(shown.contains("lo: 400 packets"), "decoding went on: {shown}");
    assert!((50..400).contains(&written), "{written} packets");
}

#[test]
fn a_closed_pipe_ends_it_unless_packets_are_saved() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-pipe");
    let mut live = net.live(folder.path(), &["-i", "lo", "-f", "udp port 5353"]);
    drop(live.child.stdout.take());
    net.send(1000);
    let (code, _, said) = live.end();
    assert_eq!(code, Some(0), "{said}");
    let mut live = net.live(folder.path(), &["-i", "lo", "-f", "udp", "-w", "w.pcapng"]);
    drop(live.child.stdout.take());
    net.send(60);
    sleep(Duration::from_secs(2));
    net.send(1);
    live.signal("TERM");
    let (code, _, said) = live.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(whole(&folder.path().join("w.pcapng")).len(), 61);
}

#[test]
fn an_interface_that_vanishes_ends_with_the_summary() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-vanishes");
    let live = net.live(folder.path(), &["-i", "v1", "-w", "w.pcapng"]);
    assert!(net.inside("ip link set v1 down"));
    sleep(Duration::from_millis(500));
    assert!(net.inside("ip link set v1 up"));
    sleep(Duration::from_millis(500));
    assert!(net.inside("ip link del v1"));
    let (code, shown, said) = live.end();
    assert_eq!(code, Some(3), "{said}{shown}");
    assert!(shown.contains("Capture    v1: ") && shown.contains("[capture-truncated]"), "{shown}");
    assert!(said.contains("all before that is shown"), "{said}");
    whole(&folder.path().join("w.pcapng"));
}

#[test]
fn several_interfaces_make_one_timeline() {
    let Some(net) = Net::new() else { return };
    let folder = Scratch::new("live-several");
    let live = net.live(folder.path(), &["-i", "lo", "-i", "any", "-f", "udp", "-w", "w.pcapng", "--jsonl", "rows"]);
    net.send(20);
    live.signal("INT");
    let (code, shown, said) = live.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.contains("Capture    lo, any: "), "{shown}");
    let packets = whole(&folder.path().join("w.pcapng"));
    assert!(packets.is_sorted_by_key(|packet| packet.time), "in order of time");
    assert!(packets.iter().any(|packet| packet.link == LinkType::LINUX_SLL2));
    assert_eq!(packets.iter().filter(|packet| packet.link == LinkType::ETHERNET).count(), 20);
}

#[test]
fn replayed_sign_ins_read_as_from_a_file() {
    let Some(net) = Net::new() else { return };
    if !system("tcpreplay --version") {
        eprintln!("skipped: needs tcpreplay");
        return;
    }
    let folder = Scratch::new("live-replayed");
    for file in ["c-login-tls-keylog.pcapng", "b-login-tcp.pcapng", "g10-ipfrag.pcapng"] {
        let log = folder.file("keys");
        let _ = std::fs::remove_file(&log);
        let arguments = ["-i", "v1", "-w", "w.pcapng", "--jsonl", "rows", "-k", "keys", "--write-keys"];
        let live = net.live(folder.path(), &arguments);
        let path = capture(file).path;
        assert!(net.inside(&format!("tcpreplay -q -x 20 -i v0 {}", path.display())));
        if let Some(keys) = capture(file).beside("keys") {
            std::fs::copy(keys, &log).unwrap(); // after all packets
        }
        sleep(Duration::from_millis(1500));
        live.signal("INT");
        let (code, shown, said) = live.end();
        assert_eq!(code, Some(0), "{file}: {said}");
        assert!(shown.contains("signed in after"), "{file}: {shown}");
        let again = analyze(folder.path(), "w.pcapng");
        let live_rows = std::fs::read_to_string(folder.path().join("rows")).unwrap();
        assert_eq!(sip(&live_rows), sip(&String::from_utf8(again.stdout).unwrap()), "{file}");
        assert!(sip(&live_rows).len() > 30, "{file}");
    }
}

/// Frame and summary of the SIP rows, in order.
fn sip(rows: &str) -> Vec<(u64, String)> {
    let rows = rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let sip = rows.filter(|row| row["kind"] == "sip");
    let mut sip: Vec<_> = sip.map(|row| (row["frame"].as_u64().unwrap(), row["summary"].to_string())).collect();
    sip.sort();
    sip
}

#[test]
fn refusals_say_what_to_do() {
    let check = |arguments: &[&str], said: &str| {
        let output = run_in(Path::new("/"), arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    };
    check(&["live"], "--interface");
    check(&["live", "-i", "lo", "-b", "files:3"], "--write");
    check(&["live", "-i", "lo", "-a", "weeks:3"], "none of duration");
    check(&["live", "-i", "lo", "-Y", "sip and"], "--filter");
    if system("ip netns list") && Net::new().is_some() {
        check(&["live", "-i", "nosuch0"], "there is no such interface");
        check(&["live", "-i", "lo", "-f", "port port"], "the capture filter `port port`");
        check(&["live", "-i", "lo", "--user", "nosuchuser"], "there is no such user");
    }
    let as_nobody = Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups", "--bounding-set", "-all", env!("CARGO_BIN_EXE_lynccap")])
        .args(["live", "-i", "lo"])
        .output();
    let Ok(output) = as_nobody else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("lynccap:") {
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("sudo setcap cap_net_raw,cap_net_admin=eip"), "{errors}");
    }
}
