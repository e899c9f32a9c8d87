//! Rate limits of SYN cookies: a SYN over a limit is dropped, and the last one within it gets a cookie.

use synguard_common::{gcra::RateLimit, reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::packet::Packet;

use crate::testbed::{FAMILIES, FROM, Family, LINUX, PORT, Testbed, V4_TO, V6_TO};

/// One in a hundred seconds, after a burst of this size.
fn slow(burst: u64) -> RateLimit {
    let interval_ns = 100_000_000_000;
    RateLimit { interval_ns, tolerance_ns: (burst - 1) * interval_ns }
}

/// A SYN from an address of a prefix, which no other row uses.
fn from(family: Family, prefix: u8, host: u8) -> Packet {
    let packet = match family {
        Family::V4 => Packet::eth().ipv4(format!("192.0.{prefix}.{host}"), V4_TO),
        Family::V6 => Packet::eth().ipv6(format!("2001:db8:{prefix:x}:{host:x}::1"), V6_TO),
    };
    packet.tcp(FROM, PORT).syn().tcp_options(&LINUX)
}

#[test]
fn rate_limit_is_exact_to_one_cookie() {
    Testbed::check("rate limit", |testbed| {
        for (burst, family) in [(1, Family::V4), (5, Family::V6), (100, Family::V4)] {
            let RateLimit { interval_ns, tolerance_ns } = slow(burst);
            // The bucket is still that of the row before: waiting until it is refilled would take longer than any
            // test.
            testbed.filter.reset_cookie_limits();
            testbed.set(SynCookieConfig { interval_ns, tolerance_ns, ..testbed.cookies });
            for number in 0..burst {
                let syn = testbed.syn(family, &LINUX);
                testbed.cookie_row(&format!("{number} of {burst}"), &syn);
            }
            for family in FAMILIES {
                let syn = testbed.syn(family, &LINUX);
                testbed.row(&format!("after {burst}, {family:?}"), &syn, Reason::CookieLimitExceeded);
            }
        }
        // A SYN that gets no cookie for another reason does not count against the rate limit and is not dropped.
        let RateLimit { interval_ns, tolerance_ns } = slow(1);
        testbed.filter.reset_cookie_limits();
        testbed.set(SynCookieConfig { interval_ns, tolerance_ns, ..testbed.cookies });
        let unsupported = testbed.syn(Family::V4, &[8, 0, 0, 0]);
        testbed.row("unsupported", &unsupported, Reason::SynUnsupported);
        let syn = testbed.syn(Family::V4, &LINUX);
        testbed.cookie_row("the one", &syn);
        let unsupported = testbed.syn(Family::V4, &[8, 0, 0, 0]);
        testbed.row("unsupported, rate limit used up", &unsupported, Reason::SynUnsupported);
        // A rate limit that is lifted ends at once.
        testbed.set(SynCookieConfig { interval_ns: 0, tolerance_ns: 0, ..testbed.cookies });
        let syn = testbed.syn(Family::V4, &LINUX);
        testbed.cookie_row("without a rate limit", &syn);
    });
}

#[test]
fn prefix_gets_no_more_than_its_share() {
    Testbed::check("prefix rate limit", |testbed| {
        // As many at once as in a second; the next one a second or so later.
        for rate in [1, 3, 5] {
            testbed.filter.reset_cookie_limits();
            testbed.set(SynCookieConfig { prefix_rate: rate as u32, ..testbed.cookies });
            for family in FAMILIES {
                for number in 0..rate {
                    testbed.cookie_row(
                        &format!("{number} of {rate}, {family:?}"),
                        &from(family, rate, number + 1),
                    );
                }
                let over = from(family, rate, rate + 1);
                testbed.row(&format!("after {rate}, {family:?}"), &over, Reason::CookiePrefixLimitExceeded);
                testbed.cookie_row(&format!("another prefix, {family:?}"), &from(family, rate + 100, 1));
            }
        }
    });
}

#[test]
fn prefix_drops_do_not_use_up_the_rate_limit() {
    Testbed::check("both rate limits", |testbed| {
        let RateLimit { interval_ns, tolerance_ns } = slow(2);
        testbed.set(SynCookieConfig { interval_ns, tolerance_ns, prefix_rate: 1, ..testbed.cookies });
        testbed.cookie_row("one", &from(Family::V4, 2, 1));
        for host in 2..10 {
            let over = from(Family::V4, 2, host);
            testbed.row(&format!("host {host}"), &over, Reason::CookiePrefixLimitExceeded);
        }
        testbed.cookie_row("two", &from(Family::V4, 3, 1));
        testbed.row("three", &from(Family::V4, 4, 1), Reason::CookieLimitExceeded);
    });
}
