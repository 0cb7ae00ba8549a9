//! What the integration tests share: the captures of this repository, an engine that is fed from
//! memory, and packets made by hand.
#![allow(dead_code, reason = "each test file uses the part that it needs")]

pub mod trace_log;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use lynccap::capture::buffer::Buffer;
use lynccap::capture::{CaptureFile, Inputs, Next, Source, secrets_in};
use lynccap::crypto::{Account, KeyStore, RsaKey};
use lynccap::engine::{Engine, Options};
use lynccap::findings::Finding;
use lynccap::model::{
    At, Counter, Direction, FlowKey, FrameNo, InputNo, Limits, LinkType, Message, Packet, PacketNo, PointNo, TcpEvent,
    Timestamp,
};
use lynccap::story::fields::FIELDS;
use lynccap::story::login::Login;
use lynccap::story::{Damage, Report, Row};
use lynccap::wire::keylog;

/// Where the captures are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// A capture file.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Its name, without the folder.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Capture {
    /// What names its truth and its keys: the name up to the first dot.
    pub fn name(&self) -> &str {
        self.file.split('.').next().unwrap_or(&self.file)
    }

    /// The file that stands beside it, such as `keys`; `None` where there is none.
    pub fn beside(&self, extension: &str) -> Option<PathBuf> {
        let path = self.path.with_file_name(format!("{}.{extension}", self.name()));
        path.is_file().then_some(path)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }

    /// The key logs that stand beside it.
    pub fn key_logs(&self) -> Vec<PathBuf> {
        ["keys", "inner.keys"].iter().filter_map(|extension| self.beside(extension)).collect()
    }

    /// The secrets that the file itself carries.
    pub fn own_secrets(&self) -> Vec<Vec<u8>> {
        secrets_in(&[Source::File(self.path.clone())]).unwrap()
    }

    /// Its key logs and its own secrets, but no RSA key.
    pub fn keys(&self) -> Keys {
        let keys = self.key_logs().iter().fold(Keys::default(), |keys, path| keys.log_file(path));
        self.own_secrets().iter().fold(keys, |keys, lines| keys.log("the capture", lines))
    }
}

/// Keys under way to an engine.
#[derive(Default)]
pub struct Keys(KeyStore);

impl Keys {
    /// Adds the lines of a key log.
    pub fn log(mut self, name: &str, lines: &[u8]) -> Self {
        let file: Arc<str> = name.into();
        for line in keylog::parse(lines).0 {
            self.0.add_secret(line.label, &line.id, line.secret, &file, line.number);
        }
        self.0.add_key_log(file);
        self
    }

    /// Adds a key log.
    pub fn log_file(self, path: &Path) -> Self {
        self.log(path.file_name().unwrap().to_str().unwrap(), &std::fs::read(path).unwrap())
    }

    /// Adds an RSA key that has no password.
    pub fn rsa_file(mut self, path: &Path) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap();
        self.0.add_rsa(RsaKey::parse(&std::fs::read(path).unwrap(), None, name.into()).unwrap());
        self
    }

    /// Adds the lines of a file of passwords.
    pub fn accounts(mut self, name: &str, lines: &str) -> Self {
        let account = |(index, line)| Account::parse(line, format!("line {} of {name}", index + 1).into()).unwrap();
        self.0.add_accounts(name.into(), lines.lines().enumerate().map(account).collect());
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ready for use.
    pub fn store(self) -> Arc<KeyStore> {
        Arc::new(self.0)
    }

    /// Options that are the default ones but for these keys.
    pub fn options(self) -> Options {
        Options { keys: self.store(), ..Options::default() }
    }
}

/// The program, away from the user's settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lynccap"));
    command
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("CLICOLOR")
        .env_remove("COLUMNS")
        .env("TZ", "UTC");
    command.stdin(Stdio::null());
    command
}

/// Runs the program in a folder.
pub fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(folder).output().unwrap()
}

/// A folder that goes when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder; `name` is that of the test.
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file; returns its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.0.join(name), bytes).unwrap();
        self.file(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn in_folder(folder: &Path) -> Vec<Capture> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng");
    let mut captures: Vec<_> = files
        .filter(is_capture)
        .map(|path| Capture { file: path.file_name().unwrap().to_str().unwrap().to_owned(), path })
        .collect();
    captures.sort_by(|one, other| one.file.cmp(&other.file));
    assert!(!captures.is_empty(), "no captures in {}", folder.display());
    captures
}

/// Captures of sign-ins, by name.
pub fn captures() -> Vec<Capture> {
    in_folder(&folder())
}

/// Captures of TLS sessions, by name.
pub fn tls_captures() -> Vec<Capture> {
    in_folder(&folder().join("tls"))
}

/// The capture of that file name.
#[track_caller]
pub fn capture(file: &str) -> Capture {
    captures().into_iter().find(|capture| capture.file == file).unwrap_or_else(|| panic!("no capture {file}"))
}

/// What came out of an analysis.
#[derive(Debug)]
pub struct Told {
    pub rows: Vec<Row>,
    /// Sign-ins that are over, each with what is wrong with it.
    pub logins: Vec<(Login, Vec<Finding>)>,
    pub report: Report,
}

impl Told {
    pub fn count(&self, counter: Counter) -> u64 {
        self.report.stats.get(counter)
    }

    pub fn of_kind(&self, kind: &str) -> usize {
        self.rows.iter().filter(|row| row.kind() == kind).count()
    }
}

/// An engine that is fed packet by packet and gives rows as soon as they leave.
pub struct Feed {
    engine: Engine,
    packet_no: Option<PacketNo>,
    rows: Vec<Row>,
    logins: Vec<(Login, Vec<Finding>)>,
    /// Whether rows are kept, or only looked at and dropped.
    keep: bool,
    released: u64,
    last: Option<PacketNo>,
    most_rows: u64,
    late: u64,
    /// Whether a flow is followed; to ask for its bytes is to wait for all lanes.
    follows: bool,
    plaintext: [Vec<u8>; 2],
}

impl Feed {
    pub fn new(options: Options) -> Self {
        let follows = options.followed.is_some();
        let engine = Engine::new(options);
        Self {
            engine,
            packet_no: None,
            rows: Vec::new(),
            logins: Vec::new(),
            keep: true,
            released: 0,
            last: None,
            most_rows: u64::MAX,
            late: 0,
            follows,
            plaintext: [Vec::new(), Vec::new()],
        }
    }

    /// Drops rows as they come: for traffic that must not be held.
    pub fn without_rows(self) -> Self {
        Self { keep: false, ..self }
    }

    /// Panics where there are more rows than that: it would not end.
    pub fn at_most(self, most_rows: u64) -> Self {
        Self { most_rows, ..self }
    }

    /// The number of rows so far.
    pub const fn released(&self) -> u64 {
        self.released
    }

    /// Takes a packet that was captured whole.
    pub fn push(&mut self, time: Timestamp, link: LinkType, data: &[u8]) {
        self.push_cut(time, link, u32::try_from(data.len()).unwrap(), data);
    }

    /// Takes a packet of `wire_len` bytes on the wire.
    pub fn push_cut(&mut self, time: Timestamp, link: LinkType, wire_len: u32, data: &[u8]) {
        let packet = self.packet_no.map_or(PacketNo::FIRST, PacketNo::next);
        self.packet_no = Some(packet);
        let at = At { time, packet, frame: FrameNo(packet.get()), input: InputNo(0) };
        self.engine.push(&Packet { at, point: PointNo(0), link, wire_len, data });
        self.take_rows();
    }

    fn take_rows(&mut self) {
        let payloads = if self.follows { self.engine.take_payloads() } else { Vec::new() };
        for (_, direction, payload) in payloads {
            if payload.decrypted {
                let [out, r#in] = &mut self.plaintext;
                if direction == Direction::Out { out } else { r#in }.extend(payload.bytes);
            }
        }
        loop {
            while let Some((login, findings)) = self.engine.next_login() {
                if self.keep {
                    self.logins.push((login, findings));
                }
            }
            let Some(row) = self.engine.next_row() else { break };
            self.released += 1;
            assert_eq!(row.number, self.released, "rows are numbered 1, 2, 3 …");
            assert!(row.began.packet <= row.at.packet, "a row ends before it begins: {}", text(&row, &[]));
            assert!(self.released <= self.most_rows, "more than {} rows", self.most_rows);
            self.late += u64::from(self.last.is_some_and(|last| last > row.at.packet));
            self.last = self.last.max(Some(row.at.packet));
            if self.keep {
                self.rows.push(*row);
            }
        }
    }

    /// Ends; the rest of the rows leaves.
    pub fn finish(self) -> Told {
        self.finish_followed().0
    }

    /// Ends; returns also what was decrypted of the flow that the options follow, client's side first.
    pub fn finish_followed(mut self) -> (Told, [Vec<u8>; 2]) {
        self.engine.finish();
        self.take_rows();
        let report = self.engine.report();
        assert_eq!(report.rows, self.released);
        let counted = report.stats.get(Counter::RowsLate);
        assert!(self.late <= counted, "{} rows stand behind a later packet, {counted} are counted", self.late);
        (Told { rows: self.rows, logins: self.logins, report }, self.plaintext)
    }
}

/// Why bytes in memory gave no more packets.
#[derive(Debug)]
pub enum End {
    /// They are no capture.
    NotACapture(String),
    /// They end where a capture may end.
    Whole,
    /// They are damaged or cut.
    Damaged(String),
}

/// A packet with its own bytes.
#[derive(Clone, Debug)]
pub struct Owned {
    pub time: Timestamp,
    pub link: LinkType,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

/// The packets of a capture that lies in memory, up to the first damage.
pub fn packets(bytes: &[u8]) -> (Vec<Owned>, End) {
    let mut packets = Vec::new();
    let mut file = match CaptureFile::new("memory", Buffer::new(Box::new(Cursor::new(bytes.to_vec())))) {
        Ok(file) => file,
        Err(error) => return (packets, End::NotACapture(error.to_string())),
    };
    loop {
        match file.advance() {
            Ok(true) => {}
            Ok(false) => return (packets, End::Whole),
            Err(damage) => return (packets, End::Damaged(damage.to_string())),
        }
        let record = file.record().expect("a packet was announced");
        let data = record.data.to_vec();
        packets.push(Owned { time: record.time, link: record.link, wire_len: record.wire_len, data });
        assert!(packets.len() <= bytes.len(), "more packets than bytes");
    }
}

/// A pcap file of packets, all of one link type, in nanoseconds.
pub fn pcap_of<'a>(packets: impl IntoIterator<Item = &'a Owned>) -> Vec<u8> {
    let (mut bytes, mut link) = (Vec::new(), LinkType::ETHERNET);
    for packet in packets {
        link = packet.link;
        let nanos = packet.time.as_nanos();
        let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        bytes.extend(u32::try_from(seconds).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(rest).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(packet.data.len()).unwrap().to_le_bytes());
        bytes.extend(packet.wire_len.to_le_bytes());
        bytes.extend(&packet.data);
    }
    let header = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, u32::from(link.0)];
    header.into_iter().flat_map(u32::to_le_bytes).chain(bytes).collect()
}

/// Feeds packets to an engine. No row needs less than a byte, so there is an end to rows.
pub fn tell<'a>(packets: impl IntoIterator<Item = &'a Owned>, options: Options) -> Told {
    let mut feed = Feed::new(options).at_most(1 << 24);
    for packet in packets {
        feed.push_cut(packet.time, packet.link, packet.wire_len, &packet.data);
    }
    feed.finish()
}

/// Feeds IP packets that were made by hand, 20 ms apart.
pub fn tell_raw(packets: &[Vec<u8>], options: Options) -> Told {
    let mut feed = Feed::new(options);
    for (packet, number) in packets.iter().zip(0..) {
        let time = Timestamp::from_nanos(1_700_000_000_000_000_000 + number * 20_000_000);
        feed.push(time, LinkType::RAW, packet);
    }
    feed.finish()
}

/// The conversations of packets, each with the port of its client.
pub fn flows<'a>(packets: impl IntoIterator<Item = &'a Owned>) -> BTreeMap<u16, FlowKey> {
    let told = tell(packets, Options::default());
    told.rows.iter().filter_map(|row| Some(row.flow?.key)).map(|key| (key.client.port(), key)).collect()
}

/// Feeds packets to an engine that follows one flow; returns also what it decrypted of it, client's
/// side first.
pub fn follow<'a>(
    packets: impl IntoIterator<Item = &'a Owned>,
    flow: FlowKey,
    keys: &Arc<KeyStore>,
) -> (Told, [Vec<u8>; 2]) {
    let mut feed = Feed::new(Options { keys: keys.clone(), followed: Some(flow), ..Options::default() });
    for packet in packets {
        feed.push_cut(packet.time, packet.link, packet.wire_len, &packet.data);
    }
    feed.finish_followed()
}

/// Analyses files as the program does.
pub fn tell_files(paths: &[&Path], options: Options) -> Told {
    let sources: Vec<_> = paths.iter().map(|path| Source::File(path.to_path_buf())).collect();
    let names: Vec<_> = sources.iter().map(ToString::to_string).collect();
    let mut inputs = Inputs::open(sources).unwrap();
    let mut engine = Engine::new(options);
    engine.name_inputs(&names);
    let (mut rows, mut logins) = (Vec::new(), Vec::new());
    while let Some(next) = inputs.advance() {
        match next {
            Next::Packet(packet) => engine.push(&packet),
            Next::Damaged(input, after, damage) => {
                let name = names.get(usize::from(input.0)).cloned().unwrap_or_default();
                engine.damaged(Damage { input, name, after, what: damage.to_string() });
            }
        }
        rows.extend(std::iter::from_fn(|| engine.next_row()).map(|row| *row));
        logins.extend(std::iter::from_fn(|| engine.next_login()));
    }
    engine.finish();
    rows.extend(std::iter::from_fn(|| engine.next_row()).map(|row| *row));
    logins.extend(std::iter::from_fn(|| engine.next_login()));
    Told { rows, logins, report: engine.report() }
}

/// Small bounds.
pub fn small() -> Options {
    Options { limits: Limits::within(4 << 20), ..Options::default() }
}

/// A row as text, without the fields that `except` names.
pub fn text(row: &Row, except: &[&str]) -> String {
    let fields = FIELDS.iter().filter(|field| !except.contains(&field.name));
    let mut text: Vec<_> =
        fields.filter_map(|field| Some(format!("{}={:?}", field.name, (field.value)(row)?))).collect();
    if let Message::Sip(message) = &row.message {
        text.push(format!("raw={}", String::from_utf8_lossy(&message.raw)));
    }
    text.join(" ")
}

/// Whether the fields of two rows are the same, besides those that `except` names.
pub fn is_same(one: &Row, other: &Row, except: &[&str]) -> bool {
    let raw = |row: &Row| if let Message::Sip(message) = &row.message { Some(message.raw.clone()) } else { None };
    let fields = FIELDS.iter().filter(|field| !except.contains(&field.name));
    raw(one) == raw(other) && fields.into_iter().all(|field| (field.value)(one) == (field.value)(other))
}

/// Compares rows; tells the first that differs.
#[track_caller]
pub fn check_same(what: &str, one: &[&Row], other: &[&Row], except: &[&str]) {
    for (left, right) in one.iter().zip(other) {
        let same = is_same(left, right, except);
        assert!(same, "{what}: rows differ\n  {}\n  {}", text(left, except), text(right, except));
    }
    let longer = if one.len() > other.len() { one } else { other };
    let more = longer.get(one.len().min(other.len()));
    assert!(
        more.is_none(),
        "{what}: {} rows and {}; the next is\n  {}",
        one.len(),
        other.len(),
        text(more.unwrap(), except)
    );
}

/// Whether a row tells an attempt to connect that nothing answered.
pub const fn is_unanswered(row: &Row) -> bool {
    matches!(row.message, Message::Tcp(TcpEvent::Unanswered { .. }))
}

/// How often each thing occurs.
pub fn tally<T: Ord>(things: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut tally = BTreeMap::new();
    for thing in things {
        *tally.entry(thing).or_insert(0) += 1;
    }
    tally
}

/// Numbers that look random and are always the same (xorshift64).
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % limit.max(1)
    }

    /// A byte.
    pub const fn byte(&mut self) -> u8 {
        (self.next() >> 32).to_le_bytes()[0]
    }
}

/// Bytes of raw IP packets, made by hand. Checksums are zero: they are not looked at.
pub mod packet {
    use super::Ipv4Addr;

    pub const SYN: u8 = 0x02;
    pub const ACK: u8 = 0x10;
    pub const FIN: u8 = 0x01;
    pub const RST: u8 = 0x04;

    /// An address by its number.
    pub fn address(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0000 | (number & 0x00ff_ffff))
    }

    /// An IPv4 packet; `fragment` are the flags and the offset in units of eight bytes.
    pub fn ipv4(ends: (Ipv4Addr, Ipv4Addr), protocol: u8, (id, fragment): (u16, u16), payload: &[u8]) -> Vec<u8> {
        let total = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![0x45, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend(id.to_be_bytes());
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([64, protocol, 0, 0]);
        bytes.extend(ends.0.octets());
        bytes.extend(ends.1.octets());
        bytes.extend(payload);
        bytes
    }

    /// A TCP segment without IP header.
    pub fn segment(ports: (u16, u16), seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(20 + payload.len());
        bytes.extend(ports.0.to_be_bytes());
        bytes.extend(ports.1.to_be_bytes());
        bytes.extend(seq.to_be_bytes());
        bytes.extend(ack.to_be_bytes());
        bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    /// A DNS question for the address of a name, and the answer.
    pub fn dns(name: &str, address: Ipv4Addr) -> [Vec<u8>; 2] {
        let labels = name.split('.').map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
        let question = [labels.collect::<Vec<_>>().concat(), vec![0, 0, 1, 0, 1]].concat();
        let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4][..], &address.octets()].concat();
        let query = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
        [query, [&[0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..], &question, &record].concat()]
    }

    /// A UDP datagram without IP header.
    pub fn datagram(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + payload.len());
        bytes.extend(ports.0.to_be_bytes());
        bytes.extend(ports.1.to_be_bytes());
        bytes.extend(u16::try_from(8 + payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(payload);
        bytes
    }

    /// A pcap file of raw IP packets, one second apart.
    pub fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
            bytes.extend(number.to_le_bytes());
        }
        for (second, packet) in packets.iter().enumerate() {
            let length = u32::try_from(packet.len()).unwrap();
            for number in [1_700_000_000 + u32::try_from(second).unwrap(), 0, length, length] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(packet);
        }
        bytes
    }
}

/// One side's view of a TCP connection between two addresses, made by hand.
pub struct Conversation {
    pub client: (Ipv4Addr, u16),
    pub server: (Ipv4Addr, u16),
    seq: u32,
    answer_seq: u32,
}

impl Conversation {
    /// A connection of the `number`th client to a port of the one server.
    pub fn new(number: u32, port: u16) -> Self {
        let client = (packet::address(0x10_0000 + number / 50_000), u16::try_from(10_000 + number % 50_000).unwrap());
        let server = (packet::address(1), port);
        Self { client, server, seq: 1000, answer_seq: 5000 }
    }

    /// Its handshake.
    pub fn open(&self) -> [Vec<u8>; 3] {
        let out = |seq, ack, flags| self.raw(true, seq, ack, flags, &[]);
        let back = self.raw(false, self.answer_seq.wrapping_sub(1), self.seq, packet::SYN | packet::ACK, &[]);
        [out(self.seq.wrapping_sub(1), 0, packet::SYN), back, out(self.seq, self.answer_seq, packet::ACK)]
    }

    /// The next bytes from the client.
    pub fn send(&mut self, payload: &[u8]) -> Vec<u8> {
        let bytes = self.raw(true, self.seq, self.answer_seq, packet::ACK, payload);
        self.seq = self.seq.wrapping_add(u32::try_from(payload.len()).unwrap());
        bytes
    }

    /// The next bytes from the server.
    pub fn answer(&mut self, payload: &[u8]) -> Vec<u8> {
        let bytes = self.raw(false, self.answer_seq, self.seq, packet::ACK, payload);
        self.answer_seq = self.answer_seq.wrapping_add(u32::try_from(payload.len()).unwrap());
        bytes
    }

    /// Passes over bytes from the client, which are lost.
    pub const fn lose(&mut self, bytes: u32) {
        self.seq = self.seq.wrapping_add(bytes);
    }

    /// Sequence number of the client's next byte.
    pub const fn seq(&self) -> u32 {
        self.seq
    }

    /// Any segment, from the client where `out`.
    pub fn raw(&self, out: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let (from, to) = if out { (self.client, self.server) } else { (self.server, self.client) };
        let segment = packet::segment((from.1, to.1), seq, ack, flags, payload);
        packet::ipv4((from.0, to.0), 6, (0, 0x4000), &segment)
    }
}

/// A SIP request with that body, as a stream carries it.
pub fn request(number: u32, body: &str) -> String {
    format!(
        "SERVICE sip:ann@example.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.2:10000\r\n\
         From: <sip:ann@example.test>;tag=1\r\nTo: <sip:ann@example.test>\r\nCall-ID: call{number}\r\n\
         CSeq: {number} SERVICE\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
