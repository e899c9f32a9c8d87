//! The lab's own XDP programs: loading, attaching, reading their counters.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, PerCpuArray},
    programs::{Xdp, XdpMode},
};

use synguard_tests_ebpf::PLAIN_SOURCES;

use crate::netns::Netns;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/synguard-tests-ebpf"));

/// A program of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Hands everything to the network stack.
    Pass,
    /// Drops and counts everything.
    Drop,
    /// Drops everything and does nothing else.
    DropEmpty,
    /// Drops and counts packets for the gateway, and passes the rest.
    Sink,
    /// Limits sources by an LRU table alone: the program that synguard is compared with.
    PlainLru,
    /// Writes and sends one frame of a flood.
    Generate,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::DropEmpty => "drop_empty",
            Self::Sink => "sink",
            Self::PlainLru => "plain_lru",
            Self::Generate => "generate",
        }
    }
}

/// A copy of the lab's object in the kernel, with one of its programs loaded.
#[derive(Debug)]
pub struct Loaded {
    ebpf: Ebpf,
    program: Program,
}

impl Loaded {
    /// Loads a program, with maps of its own.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn new(program: Program) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        if program == Program::PlainLru {
            // The other programs, which get the map too, do without its memory.
            loader.map_max_entries("PLAIN_SOURCES", PLAIN_SOURCES);
        }
        let ebpf = loader.load(OBJECT).context("load the lab's BPF object")?;
        let mut loaded = Self { ebpf, program };
        loaded.xdp_mut()?.load().with_context(|| format!("load the program {}", program.name()))?;
        Ok(loaded)
    }

    /// Attaches the program to a device. Dropping the result detaches it.
    ///
    /// # Errors
    /// When the device has a program already, or does not support the mode.
    pub fn attach(mut self, netns: &Netns, device: &str, mode: XdpMode) -> Result<Attached> {
        let xdp = self.xdp_mut()?;
        netns
            .run(|| xdp.attach(device, mode))?
            .with_context(|| format!("attach {} to {device} in {}", self.program.name(), netns.name()))?;
        Ok(Attached(self))
    }

    /// The program, to run it.
    ///
    /// # Errors
    /// Never, as long as the object holds the programs that [`Program`] names.
    pub fn xdp(&self) -> Result<&Xdp> {
        let program = self.ebpf.program(self.program.name()).context("the lab's object lacks the program")?;
        program.try_into().context("not an XDP program")
    }

    /// The object, for its maps.
    pub fn ebpf_mut(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// The sum over all CPUs of a map with one counter.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn counter(&self, map: &str) -> Result<u64> {
        let map = self.ebpf.map(map).with_context(|| format!("the lab's object lacks the map {map}"))?;
        let counters = PerCpuArray::<_, u64>::try_from(map).context("not an array of counters")?;
        Ok(counters.get(&0, 0).context("read a counter")?.iter().sum())
    }

    /// Sources in the table of [`Program::PlainLru`]; only while none come and go.
    ///
    /// # Errors
    /// When the kernel does not give them out.
    pub fn plain_sources(&self) -> Result<usize> {
        let map = self.ebpf.map("PLAIN_SOURCES").context("the lab's object lacks PLAIN_SOURCES")?;
        let map = HashMap::<_, u32, [u64; 2]>::try_from(map).context("not a table of sources")?;
        map.keys().try_fold(0, |sum, key| key.map(|_| sum + 1)).context("read PLAIN_SOURCES")
    }

    fn xdp_mut(&mut self) -> Result<&mut Xdp> {
        let program =
            self.ebpf.program_mut(self.program.name()).context("the lab's object lacks the program")?;
        program.try_into().context("not an XDP program")
    }
}

/// A program on a device; dropping the guard detaches it.
#[derive(Debug)]
pub struct Attached(Loaded);

impl Attached {
    /// The program itself.
    pub fn loaded(&self) -> &Loaded {
        &self.0
    }

    /// Returns the program, which stays attached for as long as the result lives.
    pub fn into_loaded(self) -> Loaded {
        self.0
    }

    /// Frames that [`Program::Drop`] received, or that [`Program::Sink`] dropped.
    ///
    /// # Errors
    /// When the kernel does not give the counter out.
    pub fn dropped(&self) -> Result<u64> {
        self.0.counter("DROPPED")
    }
}
