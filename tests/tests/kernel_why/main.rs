//! `synguard why` against the program: for a thousand random states of the maps, its explanation of a SYN agrees with
//! the program's decision.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests too")]
#![allow(clippy::print_stdout, reason = "what was compared is for people to read")]

use std::{
    collections::BTreeMap,
    net::{Ipv6Addr, TcpListener},
};

use synguard_common::reason::Reason;
use synguard_model::inspection::Inspection;
use synguard_policy::explain;
use synguard_tests::{
    command::pin_to_cpu,
    fuzz::{Random, seed},
    netns::Netns,
    syn_cookie::KernelSynAck,
    testrun::ticked_ns,
};

use crate::{maps::Maps, states::States};

mod maps;
mod states;

const STATES: usize = 1000;
const PORT: u16 = 443;

fn reason(read: &Inspection, now_ns: u64) -> Reason {
    explain::decide(read, &read.cpus[0], Some(PORT), now_ns).reason
}

#[test]
fn explanation_and_program_agree() {
    let netns = Netns::new("why").unwrap();
    for address in ["198.51.100.1", "2001:db8:ffff::1 nodad"] {
        netns.ip(&format!("addr add dev lo {address}")).unwrap();
    }
    netns.set_sysctl("net.ipv4.tcp_syncookies", "2").unwrap();
    netns.run(compare).expect("they are compared");
}

/// Runs in a namespace with a listener, because cookies are sent for listeners only.
fn compare() {
    pin_to_cpu(0).unwrap();
    let _listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).unwrap();
    let mut maps = Maps::load();
    maps.filter.set_locals(&["198.51.100.1", "2001:db8:ffff::1"].map(|address| address.parse().unwrap()));
    let seed = seed();
    let mut states = States::new(Random::new(seed));
    let (mut compared, mut passed_over, mut repeats) = (BTreeMap::<&str, usize>::new(), 0, 0);
    for number in 0..STATES {
        let state = states.state();
        maps.set(&state);
        // Whether the path is verified is for the program to know.
        maps.filter.verify_path_of(&state.frame, &KernelSynAck::USUAL);
        let read = maps.datapath().inspect(state.address).unwrap();
        let before = ticked_ns();
        let outcome = maps.filter.run(&state.frame);
        let after = ticked_ns();
        // The program's clock lies between the two readings. A deciding moment may lie there, too.
        let (expected, later) = (reason(&read, before), reason(&read, after));
        if expected != later {
            passed_over += 1;
            continue;
        }
        assert_eq!(
            outcome.reason(),
            Some(expected),
            "seed {seed}, state {number}: the program says {}\n{state:#?}\n{read:#?}",
            outcome.describe()
        );
        *compared.entry(expected.label()).or_default() += 1;
        repeats += usize::from(state.held.is_some_and(|(ago_ns, _)| ago_ns == 0) && before == after);
    }
    println!("{compared:?}, {repeats} found in hold in the same tick, {passed_over} too close to call");
    assert!(repeats > STATES / 50, "only {repeats} were found in hold in the same tick");
    assert!(passed_over <= STATES / 50, "{passed_over} states were passed over");
    // Every reason that a SYN can have occurred.
    for reason in
        Reason::ALL.iter().filter(|reason| reason.is_guarded_syn() && !reason.label().starts_with("would"))
    {
        let unexplained = [
            Reason::NoListener,
            Reason::CookieUnavailable,
            Reason::SynUnsupported,
            Reason::KernelSample,
            Reason::UnverifiedPath,
        ];
        if unexplained.contains(reason) {
            continue;
        }
        assert!(compared.contains_key(reason.label()), "{} never occurred: {compared:?}", reason.label());
    }
    for label in ["allowed", "blocked", "unguarded_port", "would_hold", "would_blocked_syn"] {
        assert!(compared.contains_key(label), "{label} never occurred: {compared:?}");
    }
}
