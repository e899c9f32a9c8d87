//! The attack that admission is made for: few offenders hidden among a million forged sources, more than the table
//! has room for. Only the offenders are held.

use std::time::Duration;

use synguard_common::{addr::HashSeed, map_names::SOURCES_DEFAULT};
use synguard_tests::{
    find_offenders::{self, DEADLINE, EXCESS, FORGED, Plan},
    lab::Lab,
};

/// Half of the rate that a slow machine sends and drops. On a slower machine this would be no flood.
const FLOOD_PPS: u64 = 400_000;
const TIME: Duration = Duration::from_secs(6);

const _: () = assert!(FORGED > 3 * SOURCES_DEFAULT, "the table would have room for everybody");

#[test]
fn only_offenders_among_forged_sources_are_held() {
    let lab = Lab::new().unwrap();
    let filter = find_offenders::filter(&lab, HashSeed([7, 11]));
    let search = find_offenders::run(&lab, &filter, Plan { flood_pps: FLOOD_PPS, time: TIME }).unwrap();
    println!("{search:?}");
    assert!(
        search.excess > f64::from(EXCESS) / 2.0 && search.forged_pps > FLOOD_PPS as f64 / 3.0,
        "the machine is too slow for this flood: {search:?}"
    );
    assert!(search.recall() >= 0.99, "{search:?}");
    assert_eq!(search.innocent, 0, "{search:?}");
    // One may be missed, and then this is the whole time.
    assert!(search.missed > 0 || search.slowest <= DEADLINE, "{search:?}");
    // The forged sources did not fill the table.
    let inserts: u64 = filter.cpu_states().iter().map(|cpu| cpu.sources.inserts).sum();
    assert!(inserts < u64::from(SOURCES_DEFAULT) / 2, "{inserts} entries were made");
}
