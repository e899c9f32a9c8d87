//! Rate limits of SYN cookies: a SYN over a limit is dropped, and the last one within it gets a cookie.

use synguard_common::{gcra::RateLimit, reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::packet::Packet;

use crate::stand::{FAMILIES, FROM, Family, LINUX, PORT, Stand, V4_TO, V6_TO};

/// One in a hundred seconds, after so many at once.
fn slow(burst: u64) -> RateLimit {
    let interval_ns = 100_000_000_000;
    RateLimit { interval_ns, tolerance_ns: (burst - 1) * interval_ns }
}

/// A SYN from one address of a network, and of no other row's.
fn from(family: Family, network: u8, host: u8) -> Packet {
    let packet = match family {
        Family::V4 => Packet::eth().ipv4(format!("192.0.{network}.{host}"), V4_TO),
        Family::V6 => Packet::eth().ipv6(format!("2001:db8:{network:x}:{host:x}::1"), V6_TO),
    };
    packet.tcp(FROM, PORT).syn().tcp_options(&LINUX)
}

#[test]
fn the_budget_of_answers_is_kept_to_one() {
    Stand::check("budget", |stand| {
        for (burst, family) in [(1, Family::V4), (5, Family::V6), (100, Family::V4)] {
            let RateLimit { interval_ns, tolerance_ns } = slow(burst);
            // The bucket is that of the row before: it must be empty, which takes longer than any test.
            stand.filter.reset_answers();
            stand.set(SynCookieConfig { interval_ns, tolerance_ns, ..stand.answering });
            for number in 0..burst {
                let syn = stand.syn(family, &LINUX);
                stand.answered(&format!("{number} of {burst}"), &syn);
            }
            for family in FAMILIES {
                let syn = stand.syn(family, &LINUX);
                stand.row(&format!("after {burst}, {family:?}"), &syn, Reason::CookieRateExceeded);
            }
        }
        // What is not answered anyway takes nothing from the budget, and is not dropped.
        let RateLimit { interval_ns, tolerance_ns } = slow(1);
        stand.filter.reset_answers();
        stand.set(SynCookieConfig { interval_ns, tolerance_ns, ..stand.answering });
        let odd = stand.syn(Family::V4, &[8, 0, 0, 0]);
        stand.row("odd", &odd, Reason::SynUnsupported);
        let syn = stand.syn(Family::V4, &LINUX);
        stand.answered("the one", &syn);
        let odd = stand.syn(Family::V4, &[8, 0, 0, 0]);
        stand.row("odd, budget used up", &odd, Reason::SynUnsupported);
        // A budget that is taken back ends at once.
        stand.set(SynCookieConfig { interval_ns: 0, tolerance_ns: 0, ..stand.answering });
        let syn = stand.syn(Family::V4, &LINUX);
        stand.answered("without a budget", &syn);
    });
}

#[test]
fn a_network_gets_no_more_than_its_share() {
    Stand::check("network budget", |stand| {
        // As many at once as in a second; the next one a second or so later.
        for rate in [1, 3, 5] {
            stand.filter.reset_answers();
            stand.set(SynCookieConfig { prefix_rate: rate as u32, ..stand.answering });
            for family in FAMILIES {
                for number in 0..rate {
                    stand.answered(
                        &format!("{number} of {rate}, {family:?}"),
                        &from(family, rate, number + 1),
                    );
                }
                let over = from(family, rate, rate + 1);
                stand.row(&format!("after {rate}, {family:?}"), &over, Reason::CookiePrefixRateExceeded);
                stand.answered(&format!("another network, {family:?}"), &from(family, rate + 100, 1));
            }
        }
    });
}

#[test]
fn what_its_network_loses_is_not_taken_from_all() {
    Stand::check("both budgets", |stand| {
        let RateLimit { interval_ns, tolerance_ns } = slow(2);
        stand.set(SynCookieConfig { interval_ns, tolerance_ns, prefix_rate: 1, ..stand.answering });
        stand.answered("one", &from(Family::V4, 2, 1));
        for host in 2..10 {
            let over = from(Family::V4, 2, host);
            stand.row(&format!("host {host}"), &over, Reason::CookiePrefixRateExceeded);
        }
        stand.answered("two", &from(Family::V4, 3, 1));
        stand.row("three", &from(Family::V4, 4, 1), Reason::CookieRateExceeded);
    });
}
