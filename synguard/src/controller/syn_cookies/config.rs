//! The configuration of XDP cookies, derived from the settings and the options that the kernel accepts. Pure.

use synguard_common::syn_cookie::config::{
    SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT,
    SynCookieConfig,
};
use synguard_kernel::sysctl::TcpStack;
use synguard_model::settings::Settings;
use synguard_policy::CookieMode;

/// Time for which XDP sends cookies without a renewal of the configuration, in nanoseconds: many ticks, because a flood may
/// keep the controller from its CPU.
const LEASE_NS: u64 = 5_000_000_000;
/// Time for which XDP believes that a listener exists, in nanoseconds. One that was closed and opened again in the meantime
/// refuses cookies until XDP has looked it up again, which costs little.
const LISTENER_NS: u64 = 100_000_000;
/// Time for which a source that returned a cookie stays validated, in nanoseconds: longer than a closed connection lingers
/// (60 s), because a client that opens it again from the same port must not get a cookie.
const VALIDATED_NS: u64 = 90_000_000_000;
/// Length of a burst of cookies at the allowed rate, in nanoseconds: two steps of the coarsest clock.
const BURST_NS: u64 = 20_000_000;
/// ACKs without a connection that one CPU passes a second, so that the kernel resets the connection: those of clients whose
/// connection was elsewhere before, such as after a failover.
const RESET_RATE: u64 = 100;

/// The properties of the host that XDP cookies depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostProperties {
    /// The kernel's TCP.
    pub(super) stack: TcpStack,
    /// The share of all cookies that one CPU may send, above 0 and at most 1.
    pub(super) cpu_share: f64,
}

/// Returns the configuration at `now_ns`.
pub(super) fn cookie_config(
    mode: CookieMode,
    settings: &Settings,
    host: &HostProperties,
    now_ns: u64,
) -> SynCookieConfig {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let interval_ns = match settings.syn_cookie_rate {
        0 => 0,
        rate => (1e9 / (f64::from(rate) * host.cpu_share)).ceil() as u64,
    };
    let prefix_rate = match settings.syn_cookie_prefix_rate {
        0 => 0,
        rate => (f64::from(rate) * host.cpu_share).max(1.0) as u32,
    };
    SynCookieConfig {
        flags: SYN_COOKIE_ON
            | flag(mode.options && host.stack.accepts_options, SYN_COOKIE_OPTIONS)
            | flag(mode.require_retransmit, SYN_COOKIE_REQUIRE_RETRANSMIT)
            | flag(settings.check_acks, SYN_COOKIE_CHECK_ACKS)
            | flag(host.stack.accepts_ecn, SYN_COOKIE_ECN),
        reserved: [0; 4],
        prefix_rate,
        interval_ns,
        tolerance_ns: if interval_ns == 0 { 0 } else { BURST_NS },
        validated_ns: VALIDATED_NS,
        listener_ns: LISTENER_NS,
        lease_until_ns: now_ns + LEASE_NS,
        reset_interval_ns: 1_000_000_000 / RESET_RATE,
    }
}

/// Returns the share of all cookies that one CPU may send so that all CPUs together send no more than allowed, if the SYNs
/// continue to be distributed over the CPUs as in `loads`. If all SYNs arrive at one CPU, as from a device with one queue, the
/// share is all cookies.
pub(super) fn cpu_share(loads: &[u64]) -> f64 {
    let total: u64 = loads.iter().sum();
    if total == 0 {
        return 1.0 / loads.len().max(1) as f64;
    }
    // Assumes twice as many SYNs as allowed cookies: CPUs with little to do leave their share to the others.
    let mut wanted: Vec<f64> = loads.iter().map(|&load| 2.0 * load as f64 / total as f64).collect();
    wanted.sort_by(f64::total_cmp);
    let (mut left, mut cpus) = (1.0, wanted.len() as f64);
    for wants in wanted {
        if wants >= left / cpus {
            break;
        }
        left -= wants;
        cpus -= 1.0;
    }
    left / cpus.max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_model::settings::Key;

    use super::*;

    const STACK: TcpStack = TcpStack { accepts_options: true, accepts_ecn: true };
    const HOST: HostProperties = HostProperties { stack: STACK, cpu_share: 1.0 };

    #[test]
    fn config_follows_the_settings() {
        let settings = Settings::default();
        let config =
            cookie_config(CookieMode { options: true, require_retransmit: false }, &settings, &HOST, 7);
        assert!(config.has(SYN_COOKIE_ON | SYN_COOKIE_OPTIONS | SYN_COOKIE_CHECK_ACKS | SYN_COOKIE_ECN));
        assert!(!config.has(SYN_COOKIE_REQUIRE_RETRANSMIT));
        assert_eq!((config.interval_ns, config.prefix_rate), (1_000, 10_000));
        assert_eq!(config.reset_interval_ns, 10_000_000);
        assert!(config.is_on(7 + LEASE_NS - 1) && !config.is_on(7 + LEASE_NS));
    }

    #[test]
    fn options_need_the_consent_of_the_kernel() {
        let strict =
            HostProperties { stack: TcpStack { accepts_options: false, accepts_ecn: false }, ..HOST };
        for (options, host, expected) in
            [(true, HOST, true), (false, HOST, false), (true, strict, false), (false, strict, false)]
        {
            let config = cookie_config(
                CookieMode { options, require_retransmit: true },
                &Settings::default(),
                &host,
                0,
            );
            assert_eq!(config.has(SYN_COOKIE_OPTIONS), expected);
            assert!(config.has(SYN_COOKIE_REQUIRE_RETRANSMIT));
            assert_eq!(config.has(SYN_COOKIE_ECN), host.stack.accepts_ecn);
        }
    }

    #[test]
    fn acks_are_checked_as_set() {
        let mut settings = Settings::default();
        for check_acks in [true, false] {
            settings.check_acks = check_acks;
            let config = cookie_config(CookieMode::default(), &settings, &HOST, 0);
            assert_eq!(config.has(SYN_COOKIE_CHECK_ACKS), check_acks);
        }
    }

    #[test]
    fn rates_are_shared_and_zero_is_no_limit() {
        let rates = |rate: u32, prefix_rate: u32| {
            let is_rate = |key: &Key| key.name().starts_with("syn-cookie-") && key.name().ends_with("-rate");
            let mut settings = Settings::default();
            for (key, value) in Key::live().filter(is_rate).zip([rate, prefix_rate]) {
                settings.set(key.name(), &value.to_string()).expect("in range");
            }
            settings
        };
        let half = HostProperties { cpu_share: 0.5, ..HOST };
        let settings = rates(1_000, 10);
        let config = cookie_config(CookieMode::default(), &settings, &half, 0);
        assert_eq!((config.interval_ns, config.prefix_rate), (2_000_000, 5));
        let tiny =
            cookie_config(CookieMode::default(), &settings, &HostProperties { cpu_share: 0.01, ..HOST }, 0);
        assert_eq!(tiny.prefix_rate, 1);
        let config = cookie_config(CookieMode::default(), &rates(0, 0), &half, 0);
        assert_eq!((config.interval_ns, config.tolerance_ns, config.prefix_rate), (0, 0, 0));
    }

    #[test]
    fn busy_cpu_gets_the_share_of_idle_ones() {
        for (loads, expected) in [
            (vec![0, 0], 0.5),
            (vec![], 1.0),
            (vec![5_000], 1.0),
            (vec![5_000, 0, 0, 0], 1.0),
            (vec![5_000, 5_000], 0.5),
            (vec![990, 10], 0.98),
        ] {
            assert!((cpu_share(&loads) - expected).abs() < 1e-9, "{loads:?}: {}", cpu_share(&loads));
        }
    }

    proptest! {
        /// All CPUs together get no more than all cookies if the distribution stays, and all of them if each is busy.
        #[test]
        fn shares_add_up_to_all_cookies(loads in prop::collection::vec(0u64..1_000_000, 1..64), scale in 1.0f64..50.0) {
            let (share, total) = (cpu_share(&loads), loads.iter().sum::<u64>());
            prop_assert!(share > 0.0 && share <= 1.0);
            prop_assume!(total > 0);
            // Twice to a hundred times as many SYNs as allowed cookies.
            let given: f64 = loads.iter().map(|&load| (2.0 * load as f64 / total as f64).min(share)).sum();
            prop_assert!((given - 1.0).abs() < 1e-6, "{given}");
            let fewer: f64 = loads.iter().map(|&load| (2.0 * load as f64 / total as f64 / scale).min(share)).sum();
            prop_assert!(fewer <= 1.0 + 1e-6);
        }
    }
}
