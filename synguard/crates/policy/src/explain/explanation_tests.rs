//! Explanations of addresses in various states.

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

fn inspection() -> Inspection {
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

fn explain(inspection: &Inspection) -> Explanation {
    Explanation::new(inspection, &Settings::default(), None, Some(1), NOW)
}

fn reasons(inspection: &Inspection) -> Vec<(Reason, Vec<usize>)> {
    explain(inspection).decisions.into_iter().map(|(decision, cpus)| (decision.reason, cpus)).collect()
}

fn text(inspection: &Inspection, name: &str) -> String {
    explain(inspection).rules.texts().into_iter().find(|(rule, _)| *rule == name).expect(name).1.to_owned()
}

fn held(until_ns: u64) -> SourceState {
    SourceState { hold_until_ns: until_ns, passed: 5, dropped: 2, ..SourceState::default() }
}

#[test]
fn unknown_source_passes() {
    assert_eq!(reasons(&inspection()), [(Reason::SynPassed, vec![0, 1])]);
    assert_eq!(text(&inspection(), "bucket"), "200 of 200 SYNs left, 100 more a second");
    assert_eq!(text(&inspection(), "hold"), "it has no entry in the table");
    assert_eq!(text(&inspection(), "block"), "no entry covers it");
    assert_eq!(text(&inspection(), "armed"), "enforcing");
    let explanation = explain(&inspection());
    assert_eq!((explanation.source.as_str(), explanation.prefix.as_str()), ("192.0.2.7", "192.0.2.0/24"));
}

#[test]
fn hold_is_no_longer_than_the_setting() {
    let inspection = Inspection { source: Some(held(NOW + 7 * SECOND + SECOND / 3)), ..inspection() };
    assert_eq!(reasons(&inspection), [(Reason::Hold, vec![0, 1])]);
    assert_eq!(text(&inspection, "hold"), "in hold for another 7.3 s");
    assert_eq!(text(&inspection, "bucket"), "not consulted while the source is in hold");
    let expired = Inspection { source: Some(held(NOW + 11 * SECOND)), ..inspection };
    assert_eq!(reasons(&expired), [(Reason::SynPassed, vec![0, 1])]);
    assert_eq!(text(&expired, "hold"), "not in hold; 7 SYNs so far, 2 dropped");
    assert_eq!(text(&expired, "bucket"), "200 of 200 SYNs left, 100 more a second");
}

#[test]
fn allowlist_wins_and_expired_entries_do_not_count() {
    let listed = |length: u32, expires_at_ns| {
        let key = Prefix::new(inspection().address, 96 + length);
        (key, ListEntry { expires_at_ns, scope: SCOPE_ALL, ..ListEntry::default() })
    };
    let block = Inspection { block: vec![listed(32, NOW), listed(24, NOW + 90 * SECOND)], ..inspection() };
    assert_eq!(reasons(&block), [(Reason::BlockedSyn, vec![0, 1])]);
    assert_eq!(
        text(&block, "block"),
        "192.0.2.0/24 (all packets, manual, expires in 1m30s), 0 packets so far"
    );
    let both = Inspection { allow: vec![listed(32, 0)], ..block };
    assert_eq!(reasons(&both), [(Reason::AllowedSyn, vec![0, 1])]);
    assert_eq!(text(&both, "allow"), "192.0.2.7 (all packets, manual, never expires), 0 packets so far");
}

#[test]
fn cpus_may_disagree() {
    let mut inspection = Inspection { source: Some(held(NOW + SECOND)), ..inspection() };
    inspection.cpus[1].sources = Admission { pressure_until_ns: NOW + SECOND, ..Admission::default() };
    assert_eq!(reasons(&inspection), [(Reason::Untracked, vec![1]), (Reason::Hold, vec![0])]);
    assert!(
        text(&inspection, "sketch").starts_with("under pressure on CPU 1: only"),
        "{}",
        text(&inspection, "sketch")
    );
    // A source with a high estimate is looked up under pressure, too.
    inspection.source_cells = [count_min::cell(500, count_min::epoch(NOW)); 2];
    assert_eq!(reasons(&inspection), [(Reason::Hold, vec![0, 1])]);
}

#[test]
fn monitor_mode_and_disarmed_filter_drop_nothing() {
    let held = Inspection { source: Some(held(NOW + SECOND)), ..inspection() };
    let mut monitor = held.clone();
    monitor.config.flags |= FLAG_MONITOR;
    let mut disarmed = held;
    disarmed.config.disarm_at_ns = NOW;
    for inspection in [monitor, disarmed] {
        assert_eq!(reasons(&inspection), [(Reason::WouldHold, vec![0, 1])]);
        assert!(text(&inspection, "armed").contains("nothing is dropped"));
    }
}

#[test]
fn passing_syn_gets_a_cookie_while_xdp_sends_them() {
    let syn_cookies = SynCookieConfig {
        flags: SYN_COOKIE_ON | SYN_COOKIE_OPTIONS,
        interval_ns: SECOND / 100,
        tolerance_ns: SECOND / 10,
        validated_ns: 90 * SECOND,
        lease_until_ns: NOW + 1,
        ..SynCookieConfig::default()
    };
    let on = Inspection { syn_cookies, ..inspection() };
    assert_eq!(reasons(&on), [(Reason::SynCookieSent, vec![0, 1])]);
    assert_eq!(
        text(&on, "answer"),
        "a SYN to a listener of this host gets a SYN cookie from XDP, with TCP options; syn-cookie-rate lets the \
         busiest CPU send 11 more cookies at once"
    );
    let held = Inspection { source: Some(held(NOW + SECOND)), ..on.clone() };
    assert_eq!(reasons(&held), [(Reason::Hold, vec![0, 1])]);
    let mut spent = on.clone();
    spent.cpus[1].cookie_tat_ns = NOW + SECOND / 5;
    assert_eq!(reasons(&spent), [(Reason::SynCookieSent, vec![0]), (Reason::CookieLimitExceeded, vec![1])]);
    let unheard = explain(&spent).without_listener().decisions;
    let unheard: Vec<_> = unheard.into_iter().map(|(decision, cpus)| (decision.reason, cpus)).collect();
    assert_eq!(unheard, [(Reason::NoListener, vec![0, 1])]);
    assert_eq!(explain(&held).without_listener(), explain(&held), "dropped before anybody is asked");
    let mut first = on.clone();
    first.syn_cookies.flags |= SYN_COOKIE_REQUIRE_RETRANSMIT;
    assert_eq!(reasons(&first), [(Reason::FirstSyn, vec![0, 1])]);
    let hash = hash::address(inspection().address, first.config.hash_seed);
    let validated =
        Inspection { validated_cell: validated_sources::cell(hash, NOW + 3 * SECOND), ..first.clone() };
    assert_eq!(reasons(&validated), [(Reason::ValidatedSource, vec![0, 1])]);
    assert!(text(&validated, "answer").ends_with("lately, and passes where others are dropped"));
    // In monitor mode no cookie is sent and nothing is dropped.
    for (inspection, expected) in [(on.clone(), Reason::SynPassed), (first, Reason::WouldFirstSyn)] {
        let mut monitor = inspection;
        monitor.config.flags |= FLAG_MONITOR;
        assert_eq!(reasons(&monitor), [(expected, vec![0, 1])]);
    }
    let mut over = on;
    over.syn_cookies.lease_until_ns = NOW;
    assert_eq!(reasons(&over), [(Reason::SynPassed, vec![0, 1])]);
    assert_eq!(text(&over, "answer"), "XDP sends no SYN cookies");
}

#[test]
fn every_reason_names_an_explained_rule() {
    let names = explain(&inspection()).rules.texts().map(|(name, _)| name);
    for &reason in Reason::ALL {
        assert!(names.contains(&Explanation::decider(reason)), "{reason:?}");
    }
}

proptest! {
    #[test]
    fn remaining_syns_conform_one_after_the_other(
        rate in 1u32..2000, burst in 1u32..300, ahead in -3_000_000_000i64..3_000_000_000,
    ) {
        let limit = RateLimit::new(rate, burst);
        let mut tat = NOW.saturating_add_signed(ahead);
        let remaining = remaining_syns(tat, limit, NOW);
        let mut conforming = 0;
        while let Some(next) = gcra::take(tat, limit, NOW) {
            tat = next;
            conforming += 1;
        }
        prop_assert_eq!(remaining, conforming);
    }
}
