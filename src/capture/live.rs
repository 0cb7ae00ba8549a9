//! Capturing on interfaces: which there are, opening them, and a thread for each that does nothing else.
//!
//! In: names and a BPF filter. Out: packets into a [`Queue`], and counts of what was dropped. Never waits for whoever
//! takes the packets out. One of two places that may read the clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pcap::{Active, BreakLoop, Capture, ConnectionStatus, Device, Linktype, Precision};

use crate::capture::queue::{Queue, Queued};
use crate::model::{LinkType, Timestamp};

/// The device that stands for all interfaces.
pub const ANY: &str = "any";

/// How long the system may gather packets before it hands them on.
const GATHERING: Duration = Duration::from_millis(50);

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, as `-i` takes it.
    pub name: String,
    /// What it is, in words, where the system says so.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it is up, and what else the system says of it.
    pub state: Vec<&'static str>,
}

/// The interfaces of this machine.
///
/// # Errors
/// What libpcap says.
pub fn interfaces() -> Result<Vec<Interface>, LiveError> {
    let devices = Device::list().map_err(|error| LiveError::Other(text(&error)))?;
    Ok(devices.into_iter().map(interface).collect())
}

fn interface(device: Device) -> Interface {
    let flags = &device.flags;
    let mut state = vec![if flags.is_up() { "up" } else { "down" }];
    let states =
        [(flags.is_running(), "running"), (flags.is_loopback(), "loopback"), (flags.is_wireless(), "wireless")];
    state.extend(states.into_iter().filter(|(is, _)| *is).map(|(_, name)| name));
    if flags.connection_status == ConnectionStatus::Disconnected {
        state.push("disconnected");
    }
    let addresses = device.addresses.iter().map(|address| address.addr).collect();
    Interface { name: device.name, description: device.desc, addresses, state }
}

/// Why an interface cannot be captured on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// The right is missing.
    #[error("{0}: the right to capture is missing")]
    NotAllowed(String),
    /// There is no such interface.
    #[error("{0}: there is no such interface; `lynccap interfaces` lists them")]
    NoSuchInterface(String),
    /// The filter cannot be compiled.
    #[error("the capture filter `{0}`: {1}")]
    Filter(String, String),
    /// What libpcap says.
    #[error("{0}")]
    Other(String),
}

/// How to capture.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of a packet that are captured.
    pub snaplen: u32,
    /// The system's buffer, in bytes.
    pub buffer: u32,
    /// Also packets between other machines.
    pub promiscuous: bool,
    /// BPF filters of which the first that this kind of interface can have is taken.
    pub filters: Vec<String>,
}

/// What happened on an interface so far; kept up to date by its thread.
#[derive(Debug, Default)]
pub struct Counts {
    /// Packets that came through the filter, as the system counts them.
    pub received: AtomicU64,
    /// Packets that the system dropped for want of room.
    pub system_drops: AtomicU64,
    /// Packets that the interface or its driver dropped.
    pub interface_drops: AtomicU64,
}

/// An interface that is open, and not yet read.
pub struct Opened {
    capture: Capture<Active>,
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub description: Option<String>,
    /// Link type of its packets.
    pub link: LinkType,
    /// The filter in force; empty where there is none.
    pub filter: String,
}

impl Opened {
    /// Opens an interface.
    ///
    /// # Errors
    /// Where that is not allowed or not possible, or no filter can be compiled.
    pub fn open(name: &str, settings: &Settings) -> Result<Self, LiveError> {
        let failed = |error: &pcap::Error| refusal(name, error);
        let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let timeout = i32::try_from(GATHERING.as_millis()).unwrap_or(i32::MAX);
        let inactive = Capture::from_device(name).map_err(|error| failed(&error))?;
        let mut capture = inactive
            .promisc(settings.promiscuous && name != ANY)
            .snaplen(whole(settings.snaplen))
            .buffer_size(whole(settings.buffer))
            .precision(Precision::Nano)
            .timeout(timeout)
            .open()
            .map_err(|error| failed(&error))?;
        if name == ANY {
            // Where the system has it: which interface a packet came from is in its header.
            let _ = capture.set_datalink(Linktype::LINUX_SLL2);
        }
        let filter = set_filter(&mut capture, &settings.filters)?;
        let link = link_type(capture.get_datalink());
        let description = interfaces().ok().and_then(|all| all.into_iter().find(|one| one.name == name)?.description);
        Ok(Self { capture, name: name.to_owned(), description, link, filter })
    }

    /// Begins capturing as interface `number`, until [`Capturing::stop`].
    ///
    /// # Errors
    /// Where the system has no thread for it.
    pub fn begin(mut self, number: u16, queue: Arc<Queue>) -> std::io::Result<Capturing> {
        let (signals, counts) = (Arc::new(Signals::default()), Arc::new(Counts::default()));
        let wake = self.capture.breakloop_handle();
        let source = Source { number, queue, signals: signals.clone(), counts: counts.clone() };
        let name = format!("capture {}", self.name);
        let thread = thread::Builder::new().name(name).spawn(move || source.run(self.capture))?;
        Ok(Capturing { wake, signals, counts, thread: Some(thread) })
    }
}

fn set_filter(capture: &mut Capture<Active>, filters: &[String]) -> Result<String, LiveError> {
    let mut refused = None;
    for filter in filters {
        match capture.filter(filter, true) {
            Ok(()) => return Ok(filter.clone()),
            Err(error) => refused = Some(LiveError::Filter(filter.clone(), text(&error))),
        }
    }
    refused.map_or(Ok(String::new()), Err)
}

/// The registry's number for a link type: a few have another one in libpcap.
fn link_type(number: Linktype) -> LinkType {
    match number.0 {
        12 | 14 => LinkType::RAW,
        number => LinkType(u16::try_from(number).unwrap_or(u16::MAX)),
    }
}

fn text(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

fn refusal(name: &str, error: &pcap::Error) -> LiveError {
    let text = text(error);
    let lower = text.to_ascii_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") {
        LiveError::NotAllowed(name.to_owned())
    } else if lower.contains("no such device") {
        LiveError::NoSuchInterface(name.to_owned())
    } else if lower.contains(&name.to_ascii_lowercase()) {
        LiveError::Other(text)
    } else {
        LiveError::Other(format!("{name}: {text}"))
    }
}

/// An interface that is being captured on.
pub struct Capturing {
    wake: BreakLoop,
    signals: Arc<Signals>,
    /// What happened so far.
    pub counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Capturing {
    /// Has the thread look up: it brings its counts up to date, though no packet comes.
    pub fn wake(&self) {
        self.signals.woken.store(true, Ordering::Relaxed);
        self.wake.breakloop();
    }

    /// Ends capturing; what the system has gathered is still taken.
    pub fn stop(&self) {
        self.signals.stopped.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Waits until the thread has ended.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a capturing thread is told.
#[derive(Debug, Default)]
struct Signals {
    stopped: AtomicBool,
    /// It was woken: what libpcap says of that is no error.
    woken: AtomicBool,
}

/// What a capturing thread works with.
struct Source {
    number: u16,
    queue: Arc<Queue>,
    signals: Arc<Signals>,
    counts: Arc<Counts>,
}

/// Batches between two looks at the system's counts.
const STRIDE: u32 = 64;

impl Source {
    fn run(&self, mut capture: Capture<Active>) {
        let mut rounds = 0_u32;
        let why = loop {
            if self.signals.stopped.load(Ordering::Relaxed) {
                break None;
            }
            rounds = rounds.wrapping_add(1);
            match self.read(&mut capture) {
                Ok(count) if count > 0 && !rounds.is_multiple_of(STRIDE) => {}
                Ok(_) => self.count(&mut capture),
                Err(why) => break Some(why),
            }
        };
        self.count(&mut capture);
        if why.is_none()
            && let Ok(mut capture) = capture.setnonblock()
        {
            self.drain(&mut capture);
        }
        self.queue.end(self.number, why);
    }

    /// Takes the packets that the system hands on, and waits for the first.
    fn read(&self, capture: &mut Capture<Active>) -> Result<usize, String> {
        let mut filling = None;
        let result = capture.dispatch(None, |packet| {
            let header = packet.header;
            let packet_info = Queued::new(time(header), self.number, header.len);
            filling.get_or_insert_with(|| self.queue.fill()).push(packet_info, packet.data);
        });
        match result {
            Ok(count) => Ok(count),
            Err(_) if self.signals.woken.swap(false, Ordering::Relaxed) => Ok(0),
            Err(error) => Err(text(&error)),
        }
    }

    /// Takes what the system has gathered and not handed on.
    fn drain(&self, capture: &mut Capture<Active>) {
        thread::sleep(GATHERING + GATHERING / 2);
        let mut left = 1_000_000_usize; // a busy interface never runs dry
        while let Ok(count) = self.read(capture) {
            if count == 0 || count > left {
                break;
            }
            left -= count;
        }
        self.count(capture);
    }

    fn count(&self, capture: &mut Capture<Active>) {
        let Ok(stats) = capture.stats() else { return };
        for (count, low) in [
            (&self.counts.received, stats.received),
            (&self.counts.system_drops, stats.dropped),
            (&self.counts.interface_drops, stats.if_dropped),
        ] {
            count.store(widened(count.load(Ordering::Relaxed), low), Ordering::Relaxed);
        }
    }
}

/// A count of which only the low 32 bits are told goes on beyond them.
const fn widened(before: u64, low: u32) -> u64 {
    let candidate = before & !0xffff_ffff | low as u64;
    if candidate < before { candidate + (1 << 32) } else { candidate }
}

#[allow(clippy::useless_conversion, reason = "the width of these fields differs by system")]
fn time(header: &pcap::PacketHeader) -> Timestamp {
    let seconds = i64::from(header.ts.tv_sec);
    Timestamp::new(seconds, u32::try_from(header.ts.tv_usec).unwrap_or(0)) // nanoseconds, as asked for
}

/// The time now, as packets that are captured now carry it.
#[expect(clippy::disallowed_methods, reason = "where no packet comes, the clock says that time passes")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_on_beyond_32_bits() {
        assert_eq!(widened(0, 7), 7);
        assert_eq!(widened(u64::from(u32::MAX), 2), (1 << 32) + 2);
        assert_eq!(widened((1 << 32) + 5, 5), (1 << 32) + 5);
    }

    #[test]
    fn refusals_are_told_apart() {
        let check = |said: &str, expected: LiveError| {
            assert_eq!(refusal("eth0", &pcap::Error::PcapError(said.to_owned())), expected);
        };
        check("eth0: You don't have permission to capture on that device", LiveError::NotAllowed("eth0".to_owned()));
        check("eth0: No such device exists (SIOCGIFHWADDR)", LiveError::NoSuchInterface("eth0".to_owned()));
        check("that is odd", LiveError::Other("eth0: that is odd".to_owned()));
    }

    #[test]
    fn link_types_are_the_registrys() {
        assert_eq!(link_type(Linktype(1)), LinkType::ETHERNET);
        assert_eq!(link_type(Linktype(12)), LinkType::RAW);
        assert_eq!(link_type(Linktype(276)), LinkType::LINUX_SLL2);
    }
}
