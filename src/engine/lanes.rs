//! Several lanes, each on a thread of its own, and the story on one more: the only place that knows threads.
//!
//! In: frames and what else happens, in capture order, copied into batches. Out: rows and sign-ins in the same order,
//! the same as with one lane unless a bound on all flows together is reached ([`Limits::share`]). A lane has all flows
//! between two addresses, so that nothing a flow learns for another crosses lanes; the story gets what the lanes saw
//! frame by frame, in the order of the frames. Threads start with the second batch: a small capture has none.
//!
//! The sieve asks where sign-ins were told to go ([`HostSource`]). Then everything before is finished first, on this
//! thread where the lanes have nothing to do.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::ops::Range;
use std::panic;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::engine::join::seam::InLog;
use crate::engine::lane::Lane;
use crate::engine::sieve::{Host, HostSource};
use crate::engine::upper::{Told, Upper, keep_host};
use crate::model::{At, DecodeAs, Limits, Observation, Ports, Timestamp};
use crate::wire::ip::{Body, IcmpError};
use crate::wire::packet::Frame;

/// Bytes of payload with which a batch is full: large enough that waking a thread does not count, small enough that
/// all threads soon have one.
const BATCH_BYTES: usize = 128 << 10;

/// Things that happen with which a batch is full.
const BATCH_EVENTS: usize = 1024;

/// What happens, in capture order.
enum Event {
    /// A frame of a flow of that lane, and where its payload stands.
    Frame { lane: u16, frame: Frame<'static>, payload: Range<usize>, now: Timestamp },
    /// Time passed.
    Sweep(Timestamp),
    /// The next of what logs say, which goes to the story alone.
    Logged,
    /// Nothing follows; the packet seen last.
    Finish { last: Option<At>, now: Timestamp },
}

/// What a trace log says.
enum Logged {
    Unplaced(Observation),
    Placed(Observation, InLog),
}

/// Events for the lanes and the story.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    bytes: Vec<u8>,
}

/// What one lane saw in a batch.
#[derive(Default)]
struct Seen {
    observations: Vec<Observation>,
    /// Events that showed something, each with the end of its observations.
    ends: Vec<(usize, usize)>,
}

/// What a batch led to.
#[derive(Default)]
struct Done {
    told: Vec<Told>,
    hosts: Vec<Host>,
    batch: Option<Arc<Batch>>,
}

/// A batch for the story's thread, which gets what was seen in it from each lane.
type ForStory = (Arc<Batch>, Vec<Logged>);

/// Everything that threads work on. Whoever finds all batches done may go on here.
struct Halves {
    lanes: Vec<Mutex<Lane>>,
    upper: Mutex<Upper>,
}

/// The threads, and how to reach them.
struct Threads {
    lanes: Vec<Sender<Arc<Batch>>>,
    story: Sender<ForStory>,
    done: Receiver<Done>,
    handles: Vec<JoinHandle<()>>,
}

/// Lanes and the story.
pub struct Lanes {
    halves: Arc<Halves>,
    ports: Ports,
    threads: Option<Threads>,
    /// The system gives no threads.
    refused: bool,
    hasher: foldhash::fast::FixedState,
    batch: Batch,
    logged: Vec<Logged>,
    /// Bytes in the batch being filled, those of logs too.
    weight: usize,
    /// How many batches the threads have.
    under_way: usize,
    /// Then reading waits.
    most_under_way: usize,
    told: VecDeque<Told>,
    hosts: Vec<Host>,
    spare: Vec<Batch>,
}

impl Lanes {
    /// Lanes that have seen nothing.
    pub fn new(lanes: Vec<Lane>, upper: Upper, ports: Ports, limits: &Limits) -> Self {
        let halves = Halves { lanes: lanes.into_iter().map(Mutex::new).collect(), upper: Mutex::new(upper) };
        Self {
            halves: Arc::new(halves),
            ports,
            threads: None,
            refused: false,
            hasher: foldhash::fast::FixedState::default(),
            batch: Batch::default(),
            logged: Vec::new(),
            weight: 0,
            under_way: 0,
            most_under_way: limits.batches,
            told: VecDeque::new(),
            hosts: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes a frame; `now` is the newest time of all packets.
    pub fn push(&mut self, frame: &Frame<'_>, now: Timestamp) {
        let payload = frame.payload();
        let start = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(payload);
        let (lane, payload) = (self.lane(frame), start..self.batch.bytes.len());
        self.event(Event::Frame { lane, frame: frame.with_payload(&[]), payload, now }, frame.payload().len());
    }

    /// Looks for flows that stayed silent.
    pub fn sweep(&mut self, now: Timestamp) {
        self.event(Event::Sweep(now), 0);
    }

    /// Takes what a trace log says.
    pub fn observe(&mut self, observation: Observation) {
        let bytes = observation.message.weight();
        self.logged.push(Logged::Unplaced(observation));
        self.event(Event::Logged, bytes);
    }

    /// Takes a message of a trace log that has its place in packets that were pushed.
    pub fn observe_placed(&mut self, observation: Observation, in_log: InLog) {
        let bytes = observation.message.weight();
        self.logged.push(Logged::Placed(observation, in_log));
        self.event(Event::Logged, bytes);
    }

    /// Ends all flows; `last` is the packet seen last.
    pub fn finish(&mut self, last: Option<At>, now: Timestamp) {
        self.event(Event::Finish { last, now }, 0);
        self.settle();
    }

    /// The next row or sign-in that is final, as far as the threads are.
    pub fn next_told(&mut self) -> Option<Told> {
        if let Some(told) = self.told.pop_front() {
            return Some(told);
        }
        // What the story let go on this thread is not moved before it is asked for: at the end that is much.
        if self.under_way == 0 { lock(&self.halves.upper).next_told() } else { None }
    }

    /// The lanes, when all that was pushed is done.
    pub fn lanes(&mut self) -> impl Iterator<Item = MutexGuard<'_, Lane>> {
        self.settle();
        self.halves.lanes.iter().map(lock)
    }

    /// The story, when all that was pushed is done.
    pub fn upper(&mut self) -> MutexGuard<'_, Upper> {
        self.settle();
        lock(&self.halves.upper)
    }

    /// All flows between two addresses have the same lane, and so have all of DHCP: phones ask in one flow and are
    /// answered in another. An ICMP error goes where the packet went that it is about.
    fn lane(&self, frame: &Frame<'_>) -> u16 {
        let (ends, ports) = match frame.body {
            Body::Icmp(IcmpError { src, dst, .. }) => ((src.ip(), dst.ip()), [src.port(), dst.port()]),
            Body::Tcp(segment) => ((frame.src, frame.dst), [segment.src_port, segment.dst_port]),
            Body::Udp(datagram) => ((frame.src, frame.dst), [datagram.src_port, datagram.dst_port]),
            Body::Fragment(_) | Body::Other => ((frame.src, frame.dst), [0; 2]),
        };
        if ports.iter().any(|&port| self.ports.kind(port) == Some(DecodeAs::Dhcp)) {
            return 0;
        }
        let one = |address: IpAddr| self.hasher.hash_one(address);
        let hash = one(ends.0).wrapping_add(one(ends.1));
        u16::try_from(hash % self.halves.lanes.len().max(1) as u64).unwrap_or_default()
    }

    fn event(&mut self, event: Event, bytes: usize) {
        self.batch.events.push(event);
        self.weight += bytes;
        if self.weight >= BATCH_BYTES || self.batch.events.len() >= BATCH_EVENTS {
            self.submit();
        }
    }

    /// Takes the batch that was filled; another one is begun.
    fn take_batch(&mut self) -> ForStory {
        self.weight = 0;
        let next = self.spare.pop().unwrap_or_default();
        (Arc::new(std::mem::replace(&mut self.batch, next)), std::mem::take(&mut self.logged))
    }

    /// Hands the batch to the threads.
    fn submit(&mut self) {
        if self.threads.is_none() && !self.refused {
            self.threads = Threads::start(&self.halves);
            self.refused = self.threads.is_none();
        }
        while let Some(done) = self.threads.as_ref().and_then(|threads| threads.done.try_recv().ok()) {
            self.done(done);
        }
        while self.under_way >= self.most_under_way {
            self.wait();
        }
        if self.threads.is_none() {
            return self.work();
        }
        let (batch, logged) = self.take_batch();
        let Some(threads) = &self.threads else { return };
        for lane in &threads.lanes {
            let _ = lane.send(batch.clone());
        }
        let _ = threads.story.send((batch, logged));
        self.under_way += 1;
    }

    /// Finishes everything that was pushed: batches under way where they are, the one being filled here.
    fn settle(&mut self) {
        while self.under_way > 0 {
            self.wait();
        }
        self.work();
    }

    /// Does on this thread what the others would do with the batch; none is under way.
    fn work(&mut self) {
        if self.batch.events.is_empty() {
            return;
        }
        let (batch, logged) = self.take_batch();
        let lanes = self.halves.lanes.iter().enumerate();
        let seen = lanes.map(|(number, lane)| see(&mut lock(lane), number, &batch)).collect();
        let mut upper = lock(&self.halves.upper);
        tell(&mut upper, &batch, seen, logged);
        let hosts = upper.take_hosts();
        drop(upper);
        self.hear(hosts);
        self.reuse(batch);
    }

    /// Waits for a batch under way.
    fn wait(&mut self) {
        let Some(threads) = &self.threads else { return self.under_way = 0 };
        match threads.done.recv() {
            Ok(done) => self.done(done),
            Err(_) => self.end(),
        }
    }

    fn done(&mut self, done: Done) {
        self.under_way = self.under_way.saturating_sub(1);
        self.told.extend(done.told);
        self.hear(done.hosts);
        done.batch.into_iter().for_each(|batch| self.reuse(batch));
    }

    /// Keeps hosts for the sieve, no more than one lane would.
    fn hear(&mut self, hosts: Vec<Host>) {
        for host in hosts {
            keep_host(&mut self.hosts, host);
        }
    }

    fn reuse(&mut self, batch: Arc<Batch>) {
        if let Some(mut batch) = Arc::into_inner(batch)
            && self.spare.len() < self.most_under_way
        {
            batch.events.clear();
            batch.bytes.clear();
            self.spare.push(batch);
        }
    }

    /// Ends the threads; the panic of one is a panic here.
    fn end(&mut self) {
        let Some(Threads { lanes, story, done, handles }) = self.threads.take() else { return };
        drop((lanes, story, done));
        self.under_way = 0;
        for handle in handles {
            if let Err(panic) = handle.join() {
                panic::resume_unwind(panic);
            }
        }
    }
}

impl HostSource for Lanes {
    fn take_hosts(&mut self) -> Vec<Host> {
        self.settle();
        std::mem::take(&mut self.hosts)
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

impl Threads {
    /// Starts a thread for each lane and one for the story; `None` where the system gives none.
    fn start(halves: &Arc<Halves>) -> Option<Self> {
        let mut handles = Vec::new();
        let (mut lanes, mut results) = (Vec::new(), Vec::new());
        for number in 0..halves.lanes.len() {
            let (batches, jobs) = channel::<Arc<Batch>>();
            let (results_in, results_out) = channel();
            let halves = halves.clone();
            let run = move || {
                let Some(lane) = halves.lanes.get(number) else { return };
                for batch in jobs {
                    let seen = see(&mut lock(lane), number, &batch);
                    drop(batch);
                    if results_in.send(seen).is_err() {
                        return;
                    }
                }
            };
            handles.push(thread::Builder::new().name(format!("lane {number}")).spawn(run).ok()?);
            lanes.push(batches);
            results.push(results_out);
        }
        let (story, jobs) = channel::<ForStory>();
        let (done_in, done) = channel();
        let halves = halves.clone();
        let run = move || {
            for (batch, logged) in jobs {
                let seen: Result<Vec<Seen>, _> = results.iter().map(Receiver::recv).collect();
                let Ok(seen) = seen else { return };
                let mut upper = lock(&halves.upper);
                tell(&mut upper, &batch, seen, logged);
                let told = std::iter::from_fn(|| upper.next_told()).collect();
                let hosts = upper.take_hosts();
                drop(upper);
                if done_in.send(Done { told, hosts, batch: Some(batch) }).is_err() {
                    return;
                }
            }
        };
        handles.push(thread::Builder::new().name("story".to_owned()).spawn(run).ok()?);
        Some(Self { lanes, story, done, handles })
    }
}

/// What a lane sees in a batch.
fn see(lane: &mut Lane, number: usize, batch: &Batch) -> Seen {
    let mut seen = Seen::default();
    for (index, event) in batch.events.iter().enumerate() {
        let before = seen.observations.len();
        match event {
            Event::Frame { lane: whose, frame, payload, now } if usize::from(*whose) == number => {
                let payload = batch.bytes.get(payload.clone()).unwrap_or_default();
                lane.push(&frame.with_payload(payload), *now, &mut seen.observations);
            }
            Event::Sweep(now) => lane.advance(*now, &mut seen.observations),
            Event::Finish { now, .. } => lane.finish(*now, &mut seen.observations),
            Event::Frame { .. } | Event::Logged => {}
        }
        if seen.observations.len() > before {
            seen.ends.push((index, seen.observations.len()));
        }
    }
    seen
}

/// Tells the story what the lanes saw in a batch, in the order in which it happened.
fn tell(upper: &mut Upper, batch: &Batch, seen: Vec<Seen>, logged: Vec<Logged>) {
    let mut lanes: Vec<_> = seen
        .into_iter()
        .map(|Seen { observations, ends }| (observations.into_iter(), ends.into_iter().peekable(), 0))
        .collect();
    let mut logged = logged.into_iter();
    let mut gathered = Vec::new();
    for (index, event) in batch.events.iter().enumerate() {
        for (observations, ends, taken) in &mut lanes {
            if let Some((_, end)) = ends.next_if(|(shown, _)| *shown == index) {
                gathered.extend(observations.by_ref().take(end - *taken));
                *taken = end;
            }
        }
        match event {
            Event::Frame { frame, .. } => upper.take(frame.at, &mut gathered),
            Event::Sweep(now) => upper.sweep(*now, &mut gathered),
            Event::Logged => match logged.next() {
                Some(Logged::Unplaced(observation)) => upper.observe(observation),
                Some(Logged::Placed(observation, in_log)) => upper.observe_placed(observation, in_log),
                None => {}
            },
            Event::Finish { last, .. } => upper.finish(*last, &mut gathered),
        }
    }
}

/// What another thread left half done when it panicked is not looked at: the panic is passed on ([`Lanes::end`]).
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::*;
    use crate::engine::upper::MOST_HOSTS;
    use crate::story::Story;

    const LANES: usize = 2;

    fn lanes() -> Lanes {
        let (ports, limits) = (Ports::default(), Limits::default());
        let lane = |_| Lane::new(ports.clone(), limits.share(LANES), Arc::default(), None);
        let upper = Upper::new(Story::new(limits.clone(), ports.clone(), Arc::default()));
        Lanes::new((0..LANES).map(lane).collect(), upper, ports.clone(), &limits)
    }

    /// Lets time pass, often enough to fill so many batches.
    fn pass(lanes: &mut Lanes, batches: usize) {
        (0..batches * BATCH_EVENTS).for_each(|_| lanes.sweep(Timestamp::from_nanos(0)));
    }

    /// A thread that panics with the first thing that it gets, as one does inside [`see`] or [`tell`]: with the half
    /// locked that it works on. And how to reach it.
    fn panics<T: Send + 'static, K: Send + 'static, H: 'static>(
        what: &'static str,
        keeps: K,
        halves: &Arc<Halves>,
        half: fn(&Halves) -> &Mutex<H>,
    ) -> (Sender<T>, JoinHandle<()>) {
        let (things, jobs) = channel::<T>();
        let halves = halves.clone();
        let run = move || {
            let _kept = keeps;
            if jobs.recv().is_ok() {
                let _locked = lock(half(&halves));
                panic::panic_any(what);
            }
        };
        (things, thread::spawn(run))
    }

    /// Threads of which a lane's gave way to one that panics.
    fn with_bad_lane(lanes: &mut Lanes) {
        let mut threads = Threads::start(&lanes.halves).unwrap();
        let (batches, handle) = panics("a lane", (), &lanes.halves, |halves| halves.lanes.first().unwrap());
        *threads.lanes.first_mut().unwrap() = batches;
        threads.handles.insert(0, handle);
        lanes.threads = Some(threads);
    }

    /// Threads of which the story's gave way to one that panics.
    fn with_bad_story(lanes: &mut Lanes) {
        let mut threads = Threads::start(&lanes.halves).unwrap();
        let (done_in, done) = channel();
        let (story, handle) = panics("the story", done_in, &lanes.halves, |halves| &halves.upper);
        (threads.story, threads.done) = (story, done);
        threads.handles.push(handle);
        lanes.threads = Some(threads);
    }

    /// The panic that the work ends with; none is a failure, and so is a work that does not end.
    #[track_caller]
    fn panic_of(work: impl FnOnce(&mut Lanes) + Send + 'static) -> &'static str {
        let (ended_in, ended) = channel();
        thread::spawn(move || {
            let work = || {
                let mut lanes = lanes();
                work(&mut lanes);
            };
            let _ = ended_in.send(catch_unwind(AssertUnwindSafe(work)));
        });
        let ended = ended.recv_timeout(Duration::from_secs(20)).expect("it does not end");
        *ended.expect_err("no panic").downcast::<&str>().unwrap()
    }

    #[test]
    fn a_panic_on_a_thread_is_a_panic_of_the_caller() {
        type Breaks = fn(&mut Lanes);
        for (who, breaks) in [("a lane", with_bad_lane as Breaks), ("the story", with_bad_story)] {
            let ways: [(&str, Breaks); 4] = [
                ("more is pushed than may be under way", |lanes| pass(lanes, 2 + lanes.most_under_way)),
                ("hosts are asked for", |lanes| {
                    pass(lanes, 1);
                    lanes.take_hosts();
                }),
                ("it is finished", |lanes| {
                    pass(lanes, 1);
                    lanes.finish(None, Timestamp::from_nanos(0));
                }),
                ("it is dropped", |lanes| pass(lanes, 1)),
            ];
            for (when, way) in ways {
                let panic = panic_of(move |lanes| {
                    breaks(lanes);
                    way(lanes);
                });
                assert_eq!(panic, who, "{when}");
            }
        }
    }

    #[test]
    fn what_a_panic_left_locked_can_still_be_asked() {
        let poisoned = |lanes: &Lanes| {
            let of_lanes = lanes.halves.lanes.iter().map(Mutex::is_poisoned);
            of_lanes.chain([lanes.halves.upper.is_poisoned()]).collect::<Vec<_>>()
        };
        for (breaks, left) in
            [(with_bad_lane as fn(&mut Lanes), [true, false, false]), (with_bad_story, [false, false, true])]
        {
            let (ended_in, ended) = channel();
            thread::spawn(move || {
                let mut lanes = lanes();
                breaks(&mut lanes);
                let work = || {
                    pass(&mut lanes, 1);
                    lanes.finish(None, Timestamp::from_nanos(0));
                };
                let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
                let left = poisoned(&lanes);
                lanes.finish(None, Timestamp::from_nanos(0));
                let _ = ended_in.send((panicked, left, lanes.lanes().count(), lanes.next_told().is_none()));
            });
            let ended = ended.recv_timeout(Duration::from_secs(20)).expect("it ends, and without a second panic");
            assert_eq!(ended, (true, left.to_vec(), LANES, true));
        }
    }

    #[test]
    fn threads_that_work_end_without_one() {
        let mut lanes = lanes();
        pass(&mut lanes, 20);
        assert!(lanes.threads.is_some() && lanes.under_way > 0);
        lanes.finish(None, Timestamp::from_nanos(0));
        assert_eq!(lanes.under_way, 0);
    }

    #[test]
    fn a_host_that_many_batches_tell_leaves_room_for_others() {
        let mut lanes = lanes();
        let host = |name: &str| -> Host { (name.into(), Vec::new()) };
        (0..=MOST_HOSTS).for_each(|_| lanes.hear(vec![host("one.test")]));
        lanes.hear(vec![host("other.test")]);
        assert_eq!(lanes.take_hosts(), [host("one.test"), host("other.test")]);
        lanes.hear((0..2 * MOST_HOSTS).map(|number| host(&format!("{number}.test"))).collect());
        assert_eq!(lanes.take_hosts().len(), MOST_HOSTS);
    }
}
