//! The flood: a paced thread that makes the kernel send frames to the server's device.
//!
//! It is bounded in time and in frames, and exists only inside a [`Lab`].

mod frame;
mod generator;
mod pace;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};

pub use self::generator::Generator;
use crate::{
    command::{pin_to_cpu, sleep_exactly, take_precedence},
    lab::{Family, Lab, SERVER_MAC},
};

/// TCP's SYN flag.
pub const SYN: u8 = 0x02;
/// TCP's ACK flag.
pub const ACK: u8 = 0x10;

/// The rule by which a frame takes its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceOrder {
    /// A random one.
    Random,
    /// The one after that of the frame before.
    InTurn,
}

/// A few sources that send more than the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offenders {
    /// The first one; the others follow. It differs from [`FloodSpec::first_source`] only in the part that is
    /// counted up.
    pub first: IpAddr,
    /// Number of offenders.
    pub count: u32,
    /// The share of all frames, 0 to 1, that they send together; each frame is one of them at random.
    pub share: f64,
}

/// The frames to send, their rate, and the limits on their number and on the time.
#[derive(Clone, Debug)]
pub struct FloodSpec {
    /// Frames a second; `None` for as many as go.
    pub rate_pps: Option<u64>,
    /// The flood ends by itself after this time.
    pub max_duration: Duration,
    /// The flood ends by itself after this many frames.
    pub max_frames: u64,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Number of sources.
    pub sources: u32,
    /// The rule by which a frame takes one of them.
    pub order: SourceOrder,
    /// The first source; the others follow.
    pub first_source: IpAddr,
    /// Offenders that are mixed in.
    pub offenders: Option<Offenders>,
    /// IPv6 only: all sources share one /64. Otherwise each has its own.
    pub one_prefix: bool,
    /// Destination hardware address. The server's network stack drops frames for another address at once.
    pub destination_mac: [u8; 6],
    /// Destination port.
    pub port: u16,
    /// Source port; `None` for random ones.
    pub source_port: Option<u16>,
    /// A VLAN tag with this id.
    pub vlan: Option<u16>,
    /// TCP flags, as in the header's byte.
    pub tcp_flags: u8,
    /// Limit on the frames that a paced flood sends at once, before it waits for the next to be due. It should be
    /// small if another CPU than the sending one receives them, because the ring has 256 places; but each call costs
    /// some 16 µs.
    pub burst: u32,
    /// The sending CPU; the receiver's program, and the network stack behind it, run on it too, unless
    /// [`Lab::receive_on`] moves them.
    pub cpu: usize,
}

impl FloodSpec {
    /// SYNs from one source to port 80, 100 000 a second, for at most 10 seconds.
    pub fn new(family: Family) -> Self {
        let first_source = match family {
            Family::V4 => IpAddr::from([10, 0, 0, 1]),
            Family::V6 => IpAddr::from([0xfd01, 0, 0, 1, 0, 0, 0, 1]),
        };
        Self {
            rate_pps: Some(100_000),
            max_duration: Duration::from_secs(10),
            max_frames: 100_000_000,
            family,
            sources: 1,
            order: SourceOrder::Random,
            first_source,
            offenders: None,
            one_prefix: false,
            destination_mac: SERVER_MAC,
            port: 80,
            source_port: None,
            vlan: None,
            tcp_flags: SYN,
            burst: u32::MAX,
            cpu: 1,
        }
    }
}

/// Frames that a flood sent, and the time it took.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Frames offered to the server's device, counted by the program that made them, including those that found its
    /// ring full: see [`Lab::ring_losses`].
    pub offered: u64,
    /// Time from the first frame to the last.
    pub elapsed: Duration,
}

impl Totals {
    /// Frames a second.
    pub fn rate(&self) -> f64 {
        self.offered as f64 / self.elapsed.as_secs_f64()
    }
}

/// A running flood. Dropping it stops it.
#[derive(Debug)]
pub struct Flood {
    generator: Arc<Generator>,
    /// Frames of the generator's former floods.
    before: u64,
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<Result<Result<Duration>>>>,
}

impl Flood {
    /// Starts a flood of the lab's server. Its device needs an XDP program, or nothing arrives.
    ///
    /// # Errors
    /// When the specification is contradictory, or the kernel refuses the generator.
    pub fn start(lab: &Lab, spec: FloodSpec) -> Result<Self> {
        Self::start_with(lab, Arc::new(Generator::new(lab, &spec)?), spec)
    }

    /// Starts a flood with a generator that was made for this specification: it saves loading another.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start_with(lab: &Lab, generator: Arc<Generator>, spec: FloodSpec) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (of_thread, stop_thread) = (Arc::clone(&generator), Arc::clone(&stop));
        let before = generator.generated()?;
        let sender = lab.internet.spawn("flood", move || send(&of_thread, &spec, &stop_thread))?;
        Ok(Self { generator, before, stop, sender: Some(sender) })
    }

    /// Returns the frames offered so far.
    ///
    /// # Errors
    /// When the kernel does not give the counter out.
    pub fn offered(&self) -> Result<u64> {
        Ok(self.generator.generated()? - self.before)
    }

    /// Reports whether the flood has reached its bounds.
    pub fn is_finished(&self) -> bool {
        self.sender.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the flood.
    ///
    /// # Errors
    /// When it ended early because the kernel refused to send.
    pub fn stop(mut self) -> Result<Totals> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until the flood has reached its bounds.
    ///
    /// # Errors
    /// When it ended early because the kernel refused to send.
    pub fn wait(mut self) -> Result<Totals> {
        self.join()
    }

    fn join(&mut self) -> Result<Totals> {
        let sender = self.sender.take().context("the flood was stopped already")?;
        let elapsed = sender.join().map_err(|_| anyhow!("the flood's thread panicked"))???;
        Ok(Totals { offered: self.offered()?, elapsed })
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.sender.is_some()
            && let Err(error) = self.join()
        {
            eprintln!("the flood failed: {error:#}");
        }
    }
}

/// Sends due frames from the calling thread, in the right namespace, until it is stopped or reaches a bound. Returns
/// the time from the first frame to the last.
fn send(generator: &Generator, spec: &FloodSpec, stop: &AtomicBool) -> Result<Duration> {
    pin_to_cpu(spec.cpu).with_context(|| format!("pin the flood to CPU {}", spec.cpu))?;
    take_precedence().context("raise the flood's priority")?;
    sleep_exactly().context("ask for exact timers")?;
    let tick = spec.rate_pps.map_or(Duration::ZERO, |rate| pace::tick(rate, spec.burst));
    let start = Instant::now();
    let (mut sent, mut last) = (0, Duration::ZERO);
    loop {
        let elapsed = start.elapsed();
        if stop.load(Ordering::Relaxed) || elapsed >= spec.max_duration || sent >= spec.max_frames {
            return Ok(last);
        }
        let frames = pace::due(spec.rate_pps, tick, elapsed, sent).min(spec.max_frames - sent);
        if frames > 0 {
            generator.send(frames as u32)?;
            sent += frames;
            // A paced flood's frames belong to the time that made them due, not to when they were sent.
            last = if spec.rate_pps.is_some() { elapsed } else { start.elapsed() };
        }
        if spec.rate_pps.is_some() {
            // The rest of the tick: a flood near the maximum rate has no time for a whole one.
            thread::sleep(tick.saturating_sub(start.elapsed().saturating_sub(elapsed)));
        }
    }
}
