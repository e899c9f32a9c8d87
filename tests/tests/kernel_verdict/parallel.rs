//! Several CPUs at once: nothing is lost or counted twice, and a source's burst is its burst on all together.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use synguard_common::{abi::Config, verdict::Reason};
use synguard_tests::{
    command::pin_to_cpu,
    packet::Packet,
    testrun::{Filter, config},
};

use crate::table::{PORT, SECOND, V4, V4_TO, key};

/// CPUs that take part. On a machine with one the threads take turns, and the sums are the same.
fn cpus() -> usize {
    thread::available_parallelism().unwrap().get().min(2)
}

/// Settings for one burst and no more while a test runs, without hold, so that every SYN is judged.
fn burst(burst: u64) -> Config {
    let interval = SECOND;
    Config { syn_interval_ns: interval, syn_tolerance_ns: interval * (burst - 1), hold_ns: 0, ..config(1, 1) }
}

fn syn(source: &str) -> Vec<u8> {
    Packet::eth().ipv4(source, V4_TO).tcp(40_000, PORT).syn().build()
}

/// Runs the frames, one for each CPU, `calls` times `repeat` each, all at once. Returns how long that took.
/// A call that repeats waits for the kernel to patch its dispatcher, tens of milliseconds; one that does not
/// starts at once.
fn run_at_once(filter: &Filter, frames: &[Vec<u8>], calls: u32, repeat: u32) -> Duration {
    let barrier = Barrier::new(frames.len());
    let start = Instant::now();
    thread::scope(|scope| {
        for (number, frame) in frames.iter().enumerate() {
            let barrier = &barrier;
            scope.spawn(move || {
                pin_to_cpu(number % cpus()).unwrap();
                barrier.wait();
                for _ in 0..calls {
                    filter.run_uncounted(frame, repeat);
                }
            });
        }
    });
    start.elapsed()
}

fn packets(filter: &Filter, reason: Reason) -> u64 {
    filter.counters()[reason.index() as usize].packets
}

fn total(filter: &Filter) -> u64 {
    filter.counters().iter().map(|counter| counter.packets).sum()
}

#[test]
fn one_source_on_two_cpus_gets_one_burst() {
    // Long enough for the threads to overlap: they start milliseconds apart.
    const BURST: u64 = 2_000_000;
    const REPEAT: u32 = 3_000_000;
    // A SYN that lost every race to be charged passes uncharged (`CHARGE_TRIES` in the filter). It happens to
    // few: each needs the other CPU to charge several of its own meanwhile.
    const SLACK: u64 = BURST / 1000;
    let filter = Filter::with_config(burst(BURST));
    let frames = vec![syn(V4); 2];
    let elapsed = run_at_once(&filter, &frames, 1, REPEAT);
    let sent = 2 * u64::from(REPEAT);
    assert_eq!(total(&filter), sent);
    let bytes: u64 = filter.counters().iter().map(|counter| counter.bytes).sum();
    assert_eq!(bytes, sent * frames[0].len() as u64);
    let (passed, exceeded) = (packets(&filter, Reason::SynPassed), packets(&filter, Reason::RateExceeded));
    assert_eq!(passed + exceeded, sent);
    let refilled = elapsed.as_secs() + 1;
    println!("{passed} of a burst of {BURST} passed in {elapsed:?}");
    assert!(passed >= BURST, "{passed} passed, the burst is {BURST}");
    assert!(passed <= BURST + refilled + SLACK, "{passed} passed, the burst is {BURST}, slack {SLACK}");
    let state = filter.source(key(V4)).unwrap();
    assert_eq!((state.passed, state.dropped), (passed, exceeded));
    assert_eq!(filter.sources().len(), 1);
}

#[test]
fn two_sources_on_two_cpus_get_a_burst_each() {
    const BURST: u64 = 10_000;
    const REPEAT: u32 = 50_000;
    let config =
        Config { syn_interval_ns: 100 * SECOND, syn_tolerance_ns: 100 * SECOND * (BURST - 1), ..burst(1) };
    let filter = Filter::with_config(config);
    let sources = ["192.0.2.1", "192.0.2.2"];
    run_at_once(&filter, &sources.map(syn), 1, REPEAT);
    for source in sources {
        let state = filter.source(key(source)).unwrap();
        assert_eq!((state.passed, state.dropped), (BURST, u64::from(REPEAT) - BURST), "{source}");
    }
    assert_eq!(total(&filter), 2 * u64::from(REPEAT));
}

#[test]
fn a_source_that_is_new_on_two_cpus_gets_one_entry() {
    const ROUNDS: u32 = 500;
    const CALLS: u32 = 20;
    let filter = Filter::with_config(burst(1_000));
    for round in 0..ROUNDS {
        let source = format!("10.0.{}.{}", round / 250, round % 250);
        run_at_once(&filter, &vec![syn(&source); 2], CALLS, 1);
        let state = filter.source(key(&source)).unwrap();
        assert_eq!((state.passed, state.dropped), (2 * u64::from(CALLS), 0), "{source}");
    }
    assert_eq!(packets(&filter, Reason::SynPassed), 2 * u64::from(CALLS * ROUNDS));
    assert_eq!(filter.sources().len(), ROUNDS as usize);
    let inserts: u64 = filter.cpu_states().iter().map(|cpu| cpu.sources.inserts).sum();
    assert_eq!(inserts, u64::from(ROUNDS));
}
