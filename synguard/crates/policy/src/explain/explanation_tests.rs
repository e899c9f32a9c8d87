//! What is said about addresses in various states.

use proptest::prelude::*;
use synguard_common::{
    abi::{Config, PortSet},
    admission::Admission,
    count_min, hash,
    ip_list::SCOPE_ALL,
    syn_cookie::{
        config::{SYN_COOKIE_ON, SynCookieConfig},
        validated_sources,
    },
};
use synguard_model::{inspection::PerCpu, source::key_of};

use super::*;

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1000 * SECOND;

fn read() -> Inspection {
    let limit = RateLimit::new(100, 200);
    Inspection {
        address: key_of("192.0.2.7".parse().expect("an address")).address,
        config: Config {
            flags: synguard_common::abi::FLAG_ALL_PORTS,
            syn_interval_ns: limit.interval_ns,
            syn_tolerance_ns: limit.tolerance_ns,
            hold_ns: 10 * SECOND,
            ..Config::default()
        },
        ports: PortSet::EMPTY,
        allow: Vec::new(),
        block: Vec::new(),
        source: None,
        source_cells: [0; 2],
        prefix: None,
        prefix_cells: [0; 2],
        syn_cookies: SynCookieConfig::default(),
        validated_cell: 0,
        cpus: vec![PerCpu::default(); 2],
    }
}

fn explain(read: &Inspection) -> Explanation {
    Explanation::new(read, &Settings::default(), None, Some(1), NOW)
}

fn reasons(read: &Inspection) -> Vec<(Reason, Vec<usize>)> {
    explain(read).decisions.into_iter().map(|(decision, cpus)| (decision.reason, cpus)).collect()
}

fn text(read: &Inspection, name: &str) -> String {
    explain(read).rules.into_iter().find(|rule| rule.name == name).expect(name).text
}

fn held(until_ns: u64) -> Option<SourceState> {
    Some(SourceState { hold_until_ns: until_ns, passed: 5, dropped: 2, ..SourceState::default() })
}

#[test]
fn a_source_that_nobody_knows_passes() {
    assert_eq!(reasons(&read()), [(Reason::SynPassed, vec![0, 1])]);
    assert_eq!(text(&read(), "bucket"), "200 of 200 SYNs left, 100 more a second");
    assert_eq!(text(&read(), "hold"), "it has no entry in the table");
    assert_eq!(text(&read(), "block"), "no entry covers it");
    let explanation = explain(&read());
    assert_eq!((explanation.source.as_str(), explanation.network.as_str()), ("192.0.2.7", "192.0.2.0/24"));
}

#[test]
fn a_hold_lasts_no_longer_than_the_setting_allows() {
    let read = Inspection { source: held(NOW + 7 * SECOND + SECOND / 3), ..read() };
    assert_eq!(reasons(&read), [(Reason::Hold, vec![0, 1])]);
    assert_eq!(text(&read, "hold"), "in hold for another 7.3 s");
    let left_over = Inspection { source: held(NOW + 11 * SECOND), ..read };
    assert_eq!(reasons(&left_over), [(Reason::SynPassed, vec![0, 1])]);
    assert_eq!(text(&left_over, "hold"), "not in hold; 7 SYNs so far, 2 dropped");
}

#[test]
fn the_allowlist_comes_before_the_blocklist_and_what_has_expired_is_not_there() {
    let listed = |length: u32, expires_at_ns| {
        let key = Prefix::new(read().address, 96 + length);
        (key, ListEntry { expires_at_ns, scope: SCOPE_ALL, ..ListEntry::default() })
    };
    let block = Inspection { block: vec![listed(32, NOW), listed(24, NOW + 90 * SECOND)], ..read() };
    assert_eq!(reasons(&block), [(Reason::Blocked, vec![0, 1])]);
    assert_eq!(
        text(&block, "block"),
        "192.0.2.0/24, everything, by operator, for another 1m30s, 0 packets so far"
    );
    let both = Inspection { allow: vec![listed(32, 0)], ..block };
    assert_eq!(reasons(&both), [(Reason::Allowed, vec![0, 1])]);
    assert_eq!(text(&both, "allow"), "192.0.2.7, everything, by operator, for good, 0 packets so far");
}

#[test]
fn cpus_may_disagree() {
    let mut read = Inspection { source: held(NOW + SECOND), ..read() };
    read.cpus[1].sources = Admission { pressure_until_ns: NOW + SECOND, ..Admission::default() };
    assert_eq!(reasons(&read), [(Reason::Untracked, vec![1]), (Reason::Hold, vec![0])]);
    assert!(text(&read, "sketch").starts_with("crowded on CPU 1: only"), "{}", text(&read, "sketch"));
    // An offender is looked up in the crowd, too.
    read.source_cells = [count_min::cell(500, count_min::epoch(NOW)); 2];
    assert_eq!(reasons(&read), [(Reason::Hold, vec![0, 1])]);
}

#[test]
fn monitor_and_a_missing_confirmation_drop_nothing() {
    let held = Inspection { source: held(NOW + SECOND), ..read() };
    let mut monitor = held.clone();
    monitor.config.flags |= FLAG_MONITOR;
    let mut disarmed = held;
    disarmed.config.disarm_at_ns = NOW;
    for read in [monitor, disarmed] {
        assert_eq!(reasons(&read), [(Reason::WouldHold, vec![0, 1])]);
        assert!(text(&read, "armed").contains("nothing is dropped"));
    }
}

#[test]
fn what_would_pass_is_answered_while_that_is_on() {
    let answering = SynCookieConfig {
        flags: SYN_COOKIE_ON | SYN_COOKIE_OPTIONS,
        interval_ns: SECOND / 100,
        tolerance_ns: SECOND / 10,
        validated_ns: 90 * SECOND,
        lease_until_ns: NOW + 1,
        ..SynCookieConfig::default()
    };
    let on = Inspection { syn_cookies: answering, ..read() };
    assert_eq!(reasons(&on), [(Reason::SynCookieSent, vec![0, 1])]);
    assert_eq!(
        text(&on, "answer"),
        "a SYN to a listener of this host is answered with a cookie, keeping its options; 11 answers left on the \
         busiest CPU"
    );
    let held = Inspection { source: held(NOW + SECOND), ..on.clone() };
    assert_eq!(reasons(&held), [(Reason::Hold, vec![0, 1])]);
    let mut spent = on.clone();
    spent.cpus[1].cookie_tat_ns = NOW + SECOND / 5;
    assert_eq!(reasons(&spent), [(Reason::SynCookieSent, vec![0]), (Reason::CookieRateExceeded, vec![1])]);
    let mut first = on.clone();
    first.syn_cookies.flags |= SYN_COOKIE_REQUIRE_RETRANSMIT;
    assert_eq!(reasons(&first), [(Reason::FirstSyn, vec![0, 1])]);
    let hash = hash::mix(read().address, first.config.hash_seed);
    let proven =
        Inspection { validated_cell: validated_sources::cell(hash, NOW + 3 * SECOND), ..first.clone() };
    assert_eq!(reasons(&proven), [(Reason::ValidatedSource, vec![0, 1])]);
    assert!(text(&proven, "answer").ends_with("lately, and passes where others are dropped"));
    // When only watching, nothing is answered and nothing dropped.
    for (read, expected) in [(on.clone(), Reason::SynPassed), (first, Reason::WouldFirstSyn)] {
        let mut monitor = read;
        monitor.config.flags |= FLAG_MONITOR;
        assert_eq!(reasons(&monitor), [(expected, vec![0, 1])]);
    }
    let mut over = on;
    over.syn_cookies.lease_until_ns = NOW;
    assert_eq!(reasons(&over), [(Reason::SynPassed, vec![0, 1])]);
    assert_eq!(text(&over, "answer"), "SYNs are not answered in the driver");
}

#[test]
fn every_reason_of_a_syn_names_a_rule_that_is_explained() {
    let names: Vec<&str> = explain(&read()).rules.iter().map(|rule| rule.name).collect();
    for &reason in Reason::ALL {
        assert!(names.contains(&Explanation::decider(reason)), "{reason:?}");
    }
}

proptest! {
    #[test]
    fn what_is_left_is_what_conforms_one_after_the_other(
        rate in 1u32..2000, burst in 1u32..300, ahead in -3_000_000_000i64..3_000_000_000,
    ) {
        let limit = RateLimit::new(rate, burst);
        let mut tat = NOW.saturating_add_signed(ahead);
        let said = left(tat, limit, NOW);
        let mut conforming = 0;
        while let Some(next) = gcra::take(tat, limit, NOW) {
            tat = next;
            conforming += 1;
        }
        prop_assert_eq!(said, conforming);
    }
}
