//! The program in the kernel against the model, over random and damaged frames, with settings whose outcome does
//! not depend on how fast the test runs. Needs root.
#![expect(clippy::print_stdout, reason = "what the test harness shows of a failed test")]

use std::collections::HashMap;

use synguard_common::{
    abi::{ABI_VERSION, Config, FLAG_ALL_PORTS, FLAG_DROP_BAD_FLAGS, FLAG_MONITOR, PortSet},
    addr::Mask,
    gcra::{BURST_MAX, RATE_MAX, RateLimit},
    reason::Reason,
};
use synguard_tests::{
    environment,
    fuzz::{self, Frames},
    model::Model,
    testrun::{Filter, Outcome, PACKET_MIN, REASONS, action},
};

/// Frames of each test, unless [`FRAMES_VARIABLE`] sets another number.
const FRAMES: usize = 120_000;
/// The environment variable that sets how many frames, for machines that are slow.
const FRAMES_VARIABLE: &str = "SYNGUARD_TEST_FRAMES";
/// Room for the sources of all frames, with enough to spare that the LRU list evicts none.
const SOURCES: u32 = 1 << 18;
/// The model's time stands still; nothing that is tested here changes within an hour of the program's.
const NOW_NS: u64 = 1_000_000_000_000;
const HOUR_NS: u64 = 3_600_000_000_000;
/// Frames that are run before the counters are looked at.
const BATCH: usize = 4096;

/// More than all frames together conform.
fn loose() -> Config {
    let limit = RateLimit::new(RATE_MAX, BURST_MAX);
    Config {
        abi: ABI_VERSION,
        syn_interval_ns: limit.interval_ns,
        syn_tolerance_ns: limit.tolerance_ns,
        hold_ns: HOUR_NS,
        source_mask_v6: Mask::of_length(128),
        ..Config::default()
    }
}

/// The first SYN of a source conforms, the second exceeds, the others meet the hold, for an hour.
fn strict() -> Config {
    Config { syn_interval_ns: HOUR_NS, syn_tolerance_ns: 0, source_mask_v6: Mask::of_length(64), ..loose() }
}

fn ports() -> PortSet {
    let mut ports = PortSet::EMPTY;
    for port in [443, 80, 0, 1, 0xffff] {
        ports.insert(port);
    }
    ports
}

/// Runs all frames through the program and the model and compares their reasons, and in the end all that both
/// remember of the sources but the times. The reasons must be `possible`, and each of them must occur.
fn check(config: Config, possible: &[Reason]) {
    let seed = fuzz::seed();
    let mut frames = Frames::new(seed, PACKET_MIN);
    let frames: Vec<Vec<u8>> = (0..frame_count()).map(|_| frames.make()).collect();
    let mut model = Model::new(config, ports());
    let filter = load(config);
    let mut totals = [0; REASONS];
    for batch in frames.chunks(BATCH) {
        let mut expected = vec![Vec::new(); REASONS];
        for frame in batch {
            expected[model.classify(frame, NOW_NS).index() as usize].push(frame);
        }
        // One reason after the other, so that two wrong ones cannot make up for each other. The order of a
        // source's SYNs stays: it passes, exceeds and is held, which is also the order of the reasons.
        for &reason in Reason::ALL {
            let frames = &expected[reason.index() as usize];
            totals[reason.index() as usize] += frames.len();
            if !agree(&filter, frames, reason) {
                find_disagreement(config, seed);
            }
        }
    }
    let known: HashMap<_, _> =
        filter.sources().into_iter().map(|(key, state)| (key, (state.passed, state.dropped))).collect();
    let should: HashMap<_, _> =
        model.sources.into_iter().map(|(key, state)| (key, (state.passed, state.dropped))).collect();
    assert!(should.len() < SOURCES as usize / 4, "{} sources may not fit", should.len());
    println!("{} sources", should.len());
    for (key, counts) in &should {
        assert_eq!(known.get(key), Some(counts), "source {:02x?}", key.address.to_bytes());
    }
    assert_eq!(known.len(), should.len(), "the program knows sources that sent no SYN");
    for &reason in Reason::ALL {
        let total = totals[reason.index() as usize];
        println!("{:>20} {total}", reason.label());
        assert_eq!(total > 0, possible.contains(&reason), "{} occurred {total} times", reason.label());
    }
}

fn frame_count() -> usize {
    environment::number(FRAMES_VARIABLE, FRAMES)
}

fn load(config: Config) -> Filter {
    let mut filter = Filter::load_with_sources(SOURCES);
    filter.set_config(config);
    filter.set_ports(&ports());
    filter
}

/// Reports whether the program finds this reason for all the frames.
fn agree(filter: &Filter, frames: &[&Vec<u8>], reason: Reason) -> bool {
    let before = filter.counters();
    let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
    let action = if reason.is_drop() { action::DROP } else { action::PASS };
    let same_action = frames.iter().all(|frame| filter.run_uncounted(frame, 1) == action);
    let after = filter.counters();
    same_action
        && Reason::ALL.iter().all(|&counted| {
            let index = counted.index() as usize;
            let delta =
                (after[index].packets - before[index].packets, after[index].bytes - before[index].bytes);
            delta == if counted == reason { (frames.len() as u64, bytes) } else { (0, 0) }
        })
}

/// Runs all frames again, one by one, up to the first one whose reason differs.
fn find_disagreement(config: Config, seed: u64) -> ! {
    let mut frames = Frames::new(seed, PACKET_MIN);
    let mut model = Model::new(config, ports());
    let filter = load(config);
    for i in 0..frame_count() {
        let frame = frames.make();
        let reason = model.classify(&frame, NOW_NS);
        let outcome = filter.run(&frame);
        if outcome != Outcome::of(reason, 1, frame.len()) {
            let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!(
                "{}={seed}, frame {i} of {} bytes: the model says {}, the program {}\n{hex}",
                fuzz::SEED_VARIABLE,
                frame.len(),
                reason.label(),
                outcome.describe()
            );
        }
    }
    panic!("{}={seed}: the program and the model differ, but not frame by frame", fuzz::SEED_VARIABLE);
}

const NO_SYN: [Reason; 5] =
    [Reason::NotIp, Reason::Malformed, Reason::NotTcp, Reason::Fragment, Reason::NotSyn];

fn with_no_syn(reasons: &[Reason]) -> Vec<Reason> {
    [&NO_SYN, reasons].concat()
}

#[test]
fn everything_conforms_to_a_loose_limit() {
    let config = Config { flags: FLAG_DROP_BAD_FLAGS, ..loose() };
    check(config, &with_no_syn(&[Reason::UnguardedPort, Reason::SynPassed, Reason::BadFlags]));
}

#[test]
fn a_strict_limit_is_exceeded_and_leads_to_a_hold() {
    let config = Config { flags: FLAG_ALL_PORTS, ..strict() };
    check(config, &with_no_syn(&[Reason::SynPassed, Reason::RateExceeded, Reason::Hold]));
}

#[test]
fn every_syn_over_the_limit_exceeds_it_without_hold() {
    let config = Config { hold_ns: 0, source_mask_v6: Mask::of_length(48), ..strict() };
    check(config, &with_no_syn(&[Reason::UnguardedPort, Reason::SynPassed, Reason::RateExceeded]));
}

#[test]
fn monitor_mode_finds_same_reasons_and_drops_nothing() {
    let would = [
        Reason::UnguardedPort,
        Reason::SynPassed,
        Reason::WouldRateExceeded,
        Reason::WouldHold,
        Reason::WouldBadFlags,
    ];
    let flags = FLAG_DROP_BAD_FLAGS | FLAG_MONITOR;
    check(Config { flags, ..strict() }, &with_no_syn(&would));
    let flags = FLAG_DROP_BAD_FLAGS;
    check(Config { flags, disarm_at_ns: 1, ..strict() }, &with_no_syn(&would));
}

#[test]
fn without_settings_nothing_is_limited() {
    check(Config::default(), &with_no_syn(&[Reason::UnguardedPort, Reason::Unconfigured]));
}
