//! Several CPUs at once: nothing is lost or counted twice, and a source's burst is its burst on all together.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use synguard_common::{
    abi::Config, addr::HashSeed, admission::PROMOTION_THRESHOLD, gcra::CLOCK_STEP_NS, hyperloglog::window,
    map_names::SOURCES_DEFAULT, reason::Reason,
};
use synguard_tests::{
    SECOND_NS,
    command::pin_to_cpu,
    packet::Packet,
    pressure::{Pressure, SOURCE, flood_until_pressure},
    testrun::{Filter, config, now_ns},
};

use crate::table::{PORT, V4, V4_TO, key};

/// CPUs that take part. On a machine with one the threads take turns, and the sums are the same.
fn cpus() -> usize {
    thread::available_parallelism().unwrap().get().min(2)
}

/// Settings for one burst and no more while a test runs, without hold, so that every SYN is judged.
fn burst(burst: u64) -> Config {
    let interval = SECOND_NS;
    Config { syn_interval_ns: interval, syn_tolerance_ns: interval * (burst - 1), hold_ns: 0, ..config(1, 1) }
}

fn syn(source: &str) -> Vec<u8> {
    Packet::eth().ipv4(source, V4_TO).tcp(40_000, PORT).syn().build()
}

/// Runs the frames, one for each CPU, `calls` times `repeat` each, all at once. Returns the elapsed time. A call that
/// repeats waits for the kernel to patch its dispatcher, tens of milliseconds; one that does not starts at once.
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
fn source_on_two_cpus_gets_one_burst() {
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

/// A hold that one CPU begins applies on every CPU, though each has a hold cache of its own.
#[test]
fn a_hold_begun_on_one_cpu_holds_on_the_other() {
    const BURST: u64 = 500_000;
    const REPEAT: u32 = 1_000_000;
    const SLACK: u64 = BURST / 1000;
    let filter = Filter::with_config(Config { hold_ns: 1_000 * SECOND_NS, ..burst(BURST) });
    let elapsed = run_at_once(&filter, &vec![syn(V4); 2], 1, REPEAT);
    let sent = 2 * u64::from(REPEAT);
    let [passed, exceeded, held] =
        [Reason::SynPassed, Reason::RateExceeded, Reason::Hold].map(|reason| packets(&filter, reason));
    println!("{passed} of a burst of {BURST} passed, {exceeded} began a hold, {held} met it, in {elapsed:?}");
    assert_eq!(passed + exceeded + held, sent);
    assert!((BURST..=BURST + elapsed.as_secs() + 1 + SLACK).contains(&passed), "{passed} passed");
    // Both CPUs may find the bucket empty before either has stored that; from then on no CPU reads it.
    assert!((1..=cpus() as u64).contains(&exceeded), "{exceeded} began a hold");
    let state = filter.source(key(V4)).unwrap();
    assert_eq!((state.passed, state.dropped), (passed, exceeded + held));
}

/// Sources of one prefix share its limit, whichever CPU they come in on.
#[test]
fn prefix_on_two_cpus_gets_one_burst() {
    const BURST: u64 = 500_000;
    const REPEAT: u32 = 750_000;
    const SLACK: u64 = BURST / 1000;
    let unlimited = Config { syn_interval_ns: 1, syn_tolerance_ns: SECOND_NS, ..burst(1) };
    let config = Config {
        prefix_interval_ns: SECOND_NS,
        prefix_tolerance_ns: SECOND_NS * (BURST - 1),
        prefix_rate: 1,
        ..unlimited
    };
    let filter = Filter::with_config(config);
    let elapsed = run_at_once(&filter, &["192.0.2.1", "192.0.2.2"].map(syn), 1, REPEAT);
    let (passed, exceeded) = (packets(&filter, Reason::SynPassed), packets(&filter, Reason::PrefixExceeded));
    println!("{passed} of a burst of {BURST} passed in {elapsed:?}");
    assert_eq!(passed + exceeded, 2 * u64::from(REPEAT));
    assert!((BURST..=BURST + elapsed.as_secs() + 1 + SLACK).contains(&passed), "{passed} passed");
}

/// CPUs write the sketch without atomics and may lose each other's updates. An offender whose SYNs come on both,
/// while both are under pressure, is noticed all the same, and each of its dropped SYNs is counted.
#[test]
fn offender_on_two_cpus_under_pressure_is_noticed() {
    const REPEAT: u32 = 200_000;
    const OFFENDER: &str = "192.0.2.1";
    let mut filter = Filter::load_with_sources(SOURCES_DEFAULT);
    filter.set_config(Config { hash_seed: HashSeed([11, 22]), hold_ns: 1_000 * SECOND_NS, ..burst(3) });
    let pressures: Vec<Pressure> = thread::scope(|scope| {
        let filter = &filter;
        let flood = |cpu| {
            scope.spawn(move || {
                pin_to_cpu(cpu).unwrap();
                // Each CPU floods from a prefix of its own.
                flood_until_pressure(filter, &mut syn("10.0.0.0"), (10 + cpu as u32) << 24, cpu)
            })
        };
        let threads: Vec<_> = (0..cpus()).map(flood).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for pressure in pressures {
        pressure.keep(&mut filter);
    }
    let skipped = packets(&filter, Reason::Untracked);
    run_at_once(&filter, &vec![syn(OFFENDER); 2], 1, REPEAT);
    let unseen = packets(&filter, Reason::Untracked) - skipped;
    println!("{unseen} SYNs of {} were not charged", 2 * REPEAT);
    // Each SYN that both count at once raises the estimate by one at least, so it reaches the promotion threshold
    // soon; that happens once for each CPU if the pressure on one ends meanwhile.
    assert!(unseen <= 4 * u64::from(PROMOTION_THRESHOLD), "{unseen} SYNs were not charged");
    let state = filter.source(key(OFFENDER)).expect("an entry");
    assert_eq!(state.passed + state.dropped + unseen, 2 * u64::from(REPEAT), "{state:?}");
    assert!(state.passed <= 3 + 1 + cpus() as u64 && state.hold_until_ns > 0, "{state:?}");
}

/// CPUs write the registers without atomics, too, and the lower of two ranks may stay.
#[test]
fn sources_on_two_cpus_are_counted_once_each() {
    const SOURCES: u32 = 16_000;
    const TRIES: u32 = 30;
    let filter = Filter::with_config(Config { hash_seed: HashSeed([11, 22]), ..burst(100) });
    let frames = |cpu: u32| -> Vec<Vec<u8>> {
        let mine = (0..SOURCES).filter(|source| source % 2 == cpu);
        let frame = |source: u32| {
            let mut frame = syn("10.0.0.0");
            frame[SOURCE].copy_from_slice(&(0x0b00_0000 + source).to_be_bytes());
            frame
        };
        mine.map(frame).collect()
    };
    let frames = [frames(0), frames(1)];
    // All must fall into one window; on a slow machine that takes another try.
    let error = (0..TRIES).find_map(|_| {
        let before = window(now_ns());
        while window(now_ns()) == before {
            thread::sleep(Duration::from_millis(1));
        }
        // The program's clock lags behind by up to a tick.
        thread::sleep(Duration::from_nanos(2 * CLOCK_STEP_NS));
        let counted = window(now_ns());
        thread::scope(|scope| {
            for (cpu, frames) in frames.iter().enumerate() {
                let filter = &filter;
                scope.spawn(move || {
                    pin_to_cpu(cpu % cpus()).unwrap();
                    for frame in frames {
                        filter.run_uncounted(frame, 1);
                    }
                });
            }
        });
        let estimate = synguard_model::cardinality::estimate(&filter.registers(), counted);
        (window(now_ns()) == counted).then_some(estimate / f64::from(SOURCES) - 1.0)
    });
    let error = error.expect("the machine is too slow");
    assert!(error.abs() <= 0.05, "{:.1} % off", error * 100.0);
}

#[test]
fn two_sources_on_two_cpus_get_a_burst_each() {
    const BURST: u64 = 10_000;
    const REPEAT: u32 = 50_000;
    let config = Config {
        syn_interval_ns: 100 * SECOND_NS,
        syn_tolerance_ns: 100 * SECOND_NS * (BURST - 1),
        ..burst(1)
    };
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
