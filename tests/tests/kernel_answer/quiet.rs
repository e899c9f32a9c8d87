//! SYNs that get no cookie, because of the lists, the limits, the ports or the operator's settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synguard_common::{
    abi::{Config, FLAG_ALL_PORTS, FLAG_MONITOR, PortSet},
    gcra::RateLimit,
    ip_list::{List, ListEntry, Prefix, SCOPE_ALL, SCOPE_SYN},
    reason::Reason,
    syn_cookie::config::{SYN_COOKIE_ON, SYN_COOKIE_REQUIRE_RETRANSMIT, SynCookieConfig},
};
use synguard_datapath::ListMaps;
use synguard_tests::{bpffs::Dirs, packet::Packet, testrun::now_ns};

use crate::stand::{FAMILIES, FROM, Family, LINUX, PORT, Stand, V4_TO, V6_TO};

#[test]
fn nothing_is_answered_before_it_is_said_and_after_it_is_over() {
    Stand::check("off", |stand| {
        let on = stand.answering;
        for (name, answering) in [
            ("all zeros", SynCookieConfig::default()),
            ("without the flag", SynCookieConfig { flags: on.flags & !SYN_COOKIE_ON, ..on }),
            ("over", SynCookieConfig { lease_until_ns: now_ns() - 1_000_000_000, ..on }),
            ("over since ever", SynCookieConfig { lease_until_ns: 0, ..on }),
        ] {
            stand.set(answering);
            for family in FAMILIES {
                let syn = stand.syn(family, &LINUX);
                stand.row(&format!("{name}, {family:?}"), &syn, Reason::SynPassed);
            }
        }
        stand.set(SynCookieConfig { lease_until_ns: now_ns() + 3_600_000_000_000, ..on });
        for family in FAMILIES {
            let syn = stand.syn(family, &LINUX);
            stand.answered(&format!("for an hour, {family:?}"), &syn);
        }
    });
}

#[test]
fn watching_answers_nothing_and_drops_nothing() {
    Stand::check("watching", |stand| {
        let (config, on) = (stand.config, stand.answering);
        let none = RateLimit { interval_ns: 100_000_000_000, tolerance_ns: 0 };
        for (name, watching) in [
            ("monitor", Config { flags: config.flags | FLAG_MONITOR, ..config }),
            ("not confirmed", Config { disarm_at_ns: 1, ..config }),
        ] {
            stand.set_config(watching);
            for family in FAMILIES {
                stand.set(on);
                let syn = stand.syn(family, &LINUX);
                stand.passed(&format!("{name}, {family:?}"), &syn);
                stand.set(SynCookieConfig { flags: on.flags | SYN_COOKIE_REQUIRE_RETRANSMIT, ..on });
                let syn = stand.syn(family, &LINUX);
                stand.passed(&format!("{name}, first SYN, {family:?}"), &syn);
                stand.set(SynCookieConfig { interval_ns: none.interval_ns, prefix_rate: 1, ..on });
                for _ in 0..3 {
                    let syn = stand.syn(family, &LINUX);
                    stand.passed(&format!("{name}, over budget, {family:?}"), &syn);
                }
            }
        }
        stand.set(on);
        stand.set_config(Config { disarm_at_ns: now_ns() + 3_600_000_000_000, ..config });
        let syn = stand.syn(Family::V4, &LINUX);
        stand.answered("to be confirmed within an hour", &syn);
    });
}

#[test]
fn unguarded_ports_and_a_filter_without_a_rate_answer_nothing() {
    Stand::check("ports", |stand| {
        let config = stand.config;
        stand.set_config(Config { flags: config.flags & !FLAG_ALL_PORTS, ..config });
        for family in FAMILIES {
            stand.filter.set_ports(&PortSet::EMPTY);
            let syn = stand.syn(family, &LINUX);
            stand.row(&format!("unguarded, {family:?}"), &syn, Reason::UnguardedPort);
            let mut ports = PortSet::EMPTY;
            ports.insert(PORT);
            stand.filter.set_ports(&ports);
            let syn = stand.syn(family, &LINUX);
            stand.answered(&format!("guarded, {family:?}"), &syn);
        }
    });
}

#[test]
fn sources_over_their_limit_are_not_answered() {
    Stand::check("limits", |stand| {
        let config = stand.config;
        let one = RateLimit { interval_ns: 100_000_000_000, tolerance_ns: 0 };
        for family in FAMILIES {
            stand.set_config(Config { syn_interval_ns: one.interval_ns, syn_tolerance_ns: 0, ..config });
            let syn = stand.syn(family, &LINUX);
            stand.answered(&format!("first, {family:?}"), &syn);
            stand.row(&format!("second, {family:?}"), &syn, Reason::RateExceeded);
            stand.row(&format!("third, {family:?}"), &syn, Reason::Hold);
            stand.set_config(Config {
                prefix_interval_ns: one.interval_ns,
                prefix_tolerance_ns: 0,
                ..config
            });
            let syn = stand.syn(family, &LINUX);
            stand.answered(&format!("first of its prefix, {family:?}"), &syn);
            stand.row(&format!("second of its prefix, {family:?}"), &syn, Reason::PrefixExceeded);
        }
    });
}

fn listed(address: IpAddr) -> Prefix {
    match address {
        IpAddr::V4(v4) => Prefix::new(v4.into(), 128),
        IpAddr::V6(v6) => Prefix::new(v6.into(), 128),
    }
}

#[test]
fn the_lists_come_first() {
    Stand::check("lists", |stand| {
        let dirs = Dirs::new().unwrap();
        let seed = stand.config.hash_seed;
        stand.filter.pin_lists(&dirs.bpffs());
        let from = |family, last: u8| match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, last)),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, u16::from(last), 0, 0, 0, 0, 1)),
        };
        let syn = |family, last| {
            let packet = match family {
                Family::V4 => Packet::eth().ipv4(from(family, last), V4_TO),
                Family::V6 => Packet::eth().ipv6(from(family, last), V6_TO),
            };
            packet.tcp(FROM, PORT).syn().tcp_options(&LINUX)
        };
        {
            let pins = dirs.bpffs();
            let mut lists = ListMaps::open(&pins, seed).unwrap();
            lists.set_capacity(1000).unwrap();
            for family in FAMILIES {
                let entry = |scope| ListEntry { scope, ..ListEntry::default() };
                lists.add(List::Allow, vec![(listed(from(family, 1)), entry(SCOPE_ALL))]).unwrap();
                lists.add(List::Block, vec![(listed(from(family, 2)), entry(SCOPE_ALL))]).unwrap();
                lists.add(List::Block, vec![(listed(from(family, 3)), entry(SCOPE_SYN))]).unwrap();
            }
        }
        for family in FAMILIES {
            stand.row(&format!("allowed, {family:?}"), &syn(family, 1), Reason::Allowed);
            stand.row(&format!("blocked, {family:?}"), &syn(family, 2), Reason::Blocked);
            stand.row(&format!("SYNs blocked, {family:?}"), &syn(family, 3), Reason::Blocked);
            stand.answered(&format!("in no list, {family:?}"), &syn(family, 4));
        }
    });
}
