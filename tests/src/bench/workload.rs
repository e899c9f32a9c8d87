//! Settings, floods and words that the rows share.

use synguard_common::{abi::Config, addr::HashSeed, gcra::RateLimit};

use crate::{
    bench::{Bench, line::Line, rounds::Comparison},
    flood::FloodSpec,
    lab::{Family, GATEWAY_MAC},
    testrun::config,
};

/// The default limit.
pub(super) const DEFAULT_LIMIT: RateLimit = RateLimit::new(RATE, 2 * RATE);
/// The default limit, in SYNs a second; its burst is twice that.
const RATE: u32 = 100;
/// Seed of the sketch.
pub(super) const SEED: HashSeed = HashSeed([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]);

pub(super) fn settings(limit: RateLimit) -> Config {
    Config {
        hash_seed: SEED,
        syn_interval_ns: limit.interval_ns,
        syn_tolerance_ns: limit.tolerance_ns,
        ..config(RATE, 2 * RATE)
    }
}

/// A flood from this many sources, at full rate. Its destination is another host than the server, so that the first
/// function of the network stack drops passed packets at the least cost.
pub(super) fn flood(bench: &Bench, sources: u32) -> FloodSpec {
    FloodSpec {
        rate_pps: None,
        max_duration: bench.pace.sample_max(),
        sources,
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    }
}

pub(super) fn describe(sources: u32) -> String {
    match sources {
        1 => "1 source".to_owned(),
        1_000_000.. => format!("{} M sources", sources / 1_000_000),
        _ => format!("{} k sources", sources / 1_000),
    }
}

pub(super) fn line(row: &'static str, what: String, peer: &str, comparison: Comparison) -> Line {
    Line {
        value: Some(comparison.value),
        peer: Some((peer.to_owned(), comparison.peer)),
        ratio: Some(comparison.ratio),
        notes: comparison.notes,
        ..Line::new(row, what, "net ns")
    }
}
