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

use crate::testbed::{FAMILIES, FROM, Family, LINUX, PORT, Testbed, V4_TO, V6_TO};

#[test]
fn no_cookie_without_flag_or_lease() {
    Testbed::check("off", |testbed| {
        let on = testbed.cookies;
        for (name, cookies) in [
            ("all zeros", SynCookieConfig::default()),
            ("without the flag", SynCookieConfig { flags: on.flags & !SYN_COOKIE_ON, ..on }),
            ("over", SynCookieConfig { lease_until_ns: now_ns() - 1_000_000_000, ..on }),
            ("over since ever", SynCookieConfig { lease_until_ns: 0, ..on }),
        ] {
            testbed.set(cookies);
            for family in FAMILIES {
                let syn = testbed.syn(family, &LINUX);
                testbed.row(&format!("{name}, {family:?}"), &syn, Reason::SynPassed);
            }
        }
        testbed.set(SynCookieConfig { lease_until_ns: now_ns() + 3_600_000_000_000, ..on });
        for family in FAMILIES {
            let syn = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("for an hour, {family:?}"), &syn);
        }
    });
}

#[test]
fn monitor_mode_sends_and_drops_nothing() {
    Testbed::check("monitor mode", |testbed| {
        let (config, on) = (testbed.config, testbed.cookies);
        let none = RateLimit { interval_ns: 100_000_000_000, tolerance_ns: 0 };
        for (name, monitoring) in [
            ("monitor", Config { flags: config.flags | FLAG_MONITOR, ..config }),
            ("not confirmed", Config { disarm_at_ns: 1, ..config }),
        ] {
            testbed.set_config(monitoring);
            for family in FAMILIES {
                testbed.set(on);
                let syn = testbed.syn(family, &LINUX);
                testbed.passed(&format!("{name}, {family:?}"), &syn);
                testbed.set(SynCookieConfig { flags: on.flags | SYN_COOKIE_REQUIRE_RETRANSMIT, ..on });
                let syn = testbed.syn(family, &LINUX);
                testbed.passed(&format!("{name}, first SYN, {family:?}"), &syn);
                testbed.set(SynCookieConfig { interval_ns: none.interval_ns, prefix_rate: 1, ..on });
                for _ in 0..3 {
                    let syn = testbed.syn(family, &LINUX);
                    testbed.passed(&format!("{name}, over the rate limit, {family:?}"), &syn);
                }
            }
        }
        testbed.set(on);
        testbed.set_config(Config { disarm_at_ns: now_ns() + 3_600_000_000_000, ..config });
        let syn = testbed.syn(Family::V4, &LINUX);
        testbed.cookie_row("to be confirmed within an hour", &syn);
    });
}

#[test]
fn unguarded_ports_get_no_cookie() {
    Testbed::check("ports", |testbed| {
        let config = testbed.config;
        testbed.set_config(Config { flags: config.flags & !FLAG_ALL_PORTS, ..config });
        for family in FAMILIES {
            testbed.filter.set_ports(&PortSet::EMPTY);
            let syn = testbed.syn(family, &LINUX);
            testbed.row(&format!("unguarded, {family:?}"), &syn, Reason::UnguardedPort);
            let mut ports = PortSet::EMPTY;
            ports.insert(PORT);
            testbed.filter.set_ports(&ports);
            let syn = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("guarded, {family:?}"), &syn);
        }
    });
}

#[test]
fn sources_over_their_limit_get_no_cookie() {
    Testbed::check("limits", |testbed| {
        let config = testbed.config;
        let one = RateLimit { interval_ns: 100_000_000_000, tolerance_ns: 0 };
        for family in FAMILIES {
            testbed.set_config(Config { syn_interval_ns: one.interval_ns, syn_tolerance_ns: 0, ..config });
            let syn = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("first, {family:?}"), &syn);
            testbed.row(&format!("second, {family:?}"), &syn, Reason::RateExceeded);
            testbed.row(&format!("third, {family:?}"), &syn, Reason::Hold);
            testbed.set_config(Config {
                prefix_interval_ns: one.interval_ns,
                prefix_tolerance_ns: 0,
                ..config
            });
            let syn = testbed.syn(family, &LINUX);
            testbed.cookie_row(&format!("first of its prefix, {family:?}"), &syn);
            testbed.row(&format!("second of its prefix, {family:?}"), &syn, Reason::PrefixExceeded);
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
fn lists_are_checked_before_cookies() {
    Testbed::check("lists", |testbed| {
        let dirs = Dirs::new().unwrap();
        let seed = testbed.config.hash_seed;
        testbed.filter.pin_lists(&dirs.bpffs());
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
            testbed.row(&format!("allowed, {family:?}"), &syn(family, 1), Reason::AllowedSyn);
            testbed.row(&format!("blocked, {family:?}"), &syn(family, 2), Reason::BlockedSyn);
            testbed.row(&format!("SYNs blocked, {family:?}"), &syn(family, 3), Reason::BlockedSyn);
            testbed.cookie_row(&format!("in no list, {family:?}"), &syn(family, 4));
        }
    });
}
