//! The attack that the admission is for: few offenders hidden among a million forged sources, more than the table
//! has room for. They are caught, and nobody else is.

use std::time::Duration;

use synguard_common::{addr::HashSeed, map_names::SOURCES_DEFAULT};
use synguard_tests::{
    hunt::{self, DEADLINE, EXCESS, FORGED, Plan},
    lab::Lab,
};

/// Half of what a slow machine sends and drops. A slower one could not be said to have been flooded.
const FLOOD_PPS: u64 = 400_000;
const TIME: Duration = Duration::from_secs(6);

const _: () = assert!(FORGED > 3 * SOURCES_DEFAULT, "the table would have room for everybody");

#[test]
fn offenders_among_a_million_forged_sources_are_caught_and_nobody_else() {
    let lab = Lab::new().unwrap();
    let filter = hunt::filter(&lab, HashSeed([7, 11]));
    let hunt = hunt::run(&lab, &filter, Plan { flood_pps: FLOOD_PPS, time: TIME }).unwrap();
    println!("{hunt:?}");
    assert!(
        hunt.excess > f64::from(EXCESS) / 2.0 && hunt.forged_pps > FLOOD_PPS as f64 / 3.0,
        "the machine is too slow for this flood: {hunt:?}"
    );
    assert!(hunt.recall() >= 0.99, "{hunt:?}");
    assert_eq!(hunt.innocent, 0, "{hunt:?}");
    // One may be missed, and then this is the whole time.
    assert!(hunt.missed > 0 || hunt.slowest <= DEADLINE, "{hunt:?}");
    // The forged sources did not fill the table.
    let inserts: u64 = filter.cpu_states().iter().map(|cpu| cpu.sources.inserts).sum();
    assert!(inserts < u64::from(SOURCES_DEFAULT) / 2, "{inserts} entries were made");
}
