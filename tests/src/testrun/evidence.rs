//! Evidence that the program has not gathered itself: `BPF_PROG_TEST_RUN` leads to no SYN-ACK of the kernel's that leaves.

use aya::maps::{HashMap, MapData};
use synguard_common::syn_cookie::{
    listener::{ListenerPath, PathState, neighbour},
    template::{
        SHAPE_DONT_FRAGMENT, SHAPE_ECN, SHAPE_SACK, SHAPE_TIMESTAMP, SHAPE_WINDOW_SCALE, SynAckShape,
        SynAckTemplate,
    },
};

use super::{Filter, now_ns};
use crate::{
    packet::flags,
    syn_cookie::{KernelSynAck, Segment, SynOptions},
};

/// The window of the kernel's SYN-ACKs with its default buffers.
const WINDOW: u16 = 64_240;
/// A time in the future, which the program takes for the present.
const LATER: u64 = u64::MAX / 2;
/// Index of the interface that `BPF_PROG_TEST_RUN` lends the packets: loopback.
const LOOPBACK: u32 = 1;

/// The maps with the evidence.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) paths: HashMap<MapData, ListenerPath, PathState>,
    pub(super) templates: HashMap<MapData, ListenerPath, SynAckTemplate>,
}

impl Filter {
    /// Makes the program believe that the kernel has just replied to a SYN like this one with such a SYN-ACK.
    ///
    /// # Panics
    /// When a map cannot be written.
    pub fn verify_path_of(&self, syn: &[u8], kernel: &KernelSynAck) {
        self.verify_path_at(syn, kernel, LOOPBACK);
    }

    /// As [`Filter::verify_path_of`], for SYNs that come from this interface.
    ///
    /// # Panics
    /// When a map cannot be written.
    pub fn verify_path_at(&self, syn: &[u8], kernel: &KernelSynAck, interface: u32) {
        let Ok(segment) = Segment::read(syn) else { return };
        let class = ListenerPath { interface, ..path_of(&segment) };
        let (now, v4) = (now_ns(), segment.destination.is_ipv4());
        let shape = SynAckShape {
            mss: kernel.mss(v4),
            window: WINDOW,
            cookie_mss: u16::MAX,
            hop_limit: kernel.hop_limit,
            flags: SHAPE_TIMESTAMP
                | SHAPE_SACK
                | SHAPE_WINDOW_SCALE
                | SHAPE_ECN
                | if v4 { SHAPE_DONT_FRAGMENT } else { 0 },
            window_scale: kernel.window_scale,
            ..SynAckShape::default()
        };
        let state = PathState { verified_ns: now, proven_ns: now, ..PathState::default() };
        let template = SynAckTemplate { learned_ns: now, sampled_ns: LATER, shape };
        let mut evidence = self.evidence.lock().expect("no test panics with the evidence");
        evidence.paths.insert(class.with_class(0), state, 0).expect("write PATHS");
        evidence.templates.insert(class, template, 0).expect("write TEMPLATES");
    }

    /// Makes the program forget all evidence, but for what is in the caches of the CPUs.
    ///
    /// # Panics
    /// When a map cannot be read or written.
    pub fn forget_paths(&self) {
        let mut evidence = self.evidence.lock().expect("no test panics with the evidence");
        for path in keys(&evidence.paths) {
            evidence.paths.remove(&path).expect("write PATHS");
        }
        for path in keys(&evidence.templates) {
            evidence.templates.remove(&path).expect("write TEMPLATES");
        }
    }

    /// Returns the number of templates.
    ///
    /// # Panics
    /// When the map cannot be read.
    pub fn templates(&self) -> usize {
        keys(&self.evidence.lock().expect("no test panics with the evidence").templates).len()
    }

    /// Makes the evidence so far, which the program has gathered itself, last until it is forgotten. No sample is due.
    ///
    /// # Panics
    /// When a map cannot be read or written.
    pub fn keep_evidence(&self) {
        let mut evidence = self.evidence.lock().expect("no test panics with the evidence");
        for path in keys(&evidence.paths) {
            let state = evidence.paths.get(&path, 0).expect("read PATHS");
            if state.verified_ns != 0 {
                let kept = PathState { verified_ns: LATER, proven_ns: LATER, ..state };
                evidence.paths.insert(path, kept, 0).expect("write PATHS");
            }
        }
        for path in keys(&evidence.templates) {
            let template = evidence.templates.get(&path, 0).expect("read TEMPLATES");
            let kept = SynAckTemplate { learned_ns: LATER, sampled_ns: LATER, ..template };
            evidence.templates.insert(path, kept, 0).expect("write TEMPLATES");
        }
    }
}

fn keys<V: aya::Pod>(map: &HashMap<MapData, ListenerPath, V>) -> Vec<ListenerPath> {
    map.keys().collect::<Result<_, _>>().expect("read the keys")
}

/// Returns the path of a SYN with the class of its options, but for the interface, by the rules that `template::class` documents.
fn path_of(segment: &Segment) -> ListenerPath {
    let [a, b, c, d, e, f] = segment.source_mac;
    let tag = |at: usize| segment.tags.get(at).map_or(0, |&(_, control)| control);
    let offered = SynOptions::of(&segment.options);
    let asks = u16::from(flags::ECE | flags::CWR);
    let ecn = segment.flags & asks == asks && segment.ecn == 0;
    let class = match offered.timestamp {
        None => 0,
        Some(_) => 1 + u16::from(offered.scale.is_some()) + 2 * u16::from(offered.sack) + 4 * u16::from(ecn),
    };
    ListenerPath {
        address: segment.destination.into(),
        neighbour: neighbour(u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]), tag(0), tag(1)),
        interface: 0,
        port: segment.destination_port,
        class,
    }
}
