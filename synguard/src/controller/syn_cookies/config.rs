//! What the program is told about answering, made of the settings and of how the kernel would answer. Pure.

use synguard_common::syn_cookie::config::{
    SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SYN_COOKIE_REQUIRE_RETRANSMIT,
    SynCookieConfig,
};
use synguard_kernel::sysctl::Stack;
use synguard_model::settings::Settings;
use synguard_policy::CookieMode;

/// For so long the program answers when it hears nothing more, in nanoseconds: many ticks, for a flood may keep the
/// controller from its CPU.
const LEASE_NS: u64 = 5_000_000_000;
/// For so long a listener is taken to be there, in nanoseconds: one that was opened again in the meantime refuses cookies
/// until the program has looked it up, which costs little.
const LISTENER_NS: u64 = 100_000_000;
/// How long a source that returned a cookie is known, in nanoseconds: longer than a closed connection lingers (60 s), for
/// who opens it again from the same port must not be answered by a cookie.
const PROVEN_NS: u64 = 90_000_000_000;
/// A burst of answers is what the rate allows in this time, in nanoseconds: two steps of the coarsest clock.
const BURST_NS: u64 = 20_000_000;
/// Bytes of headers before the data in a segment without options.
const HEADERS_V4: u32 = 40;
const HEADERS_V6: u32 = 60;
/// The least and the largest MSS that TCP knows, in bytes.
const MSS_MIN: u32 = 88;
const MSS_MAX: u32 = 65_495;

/// What answers depend on besides the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    /// How the kernel would answer.
    pub(super) stack: Stack,
    /// The smallest MTU of the interfaces that the filter is on, in bytes.
    pub(super) mtu: u32,
    /// Whether what comes to a port here may be meant for a socket elsewhere.
    pub(super) redirects: bool,
    /// The part of all answers that a CPU may give, above 0 and at most 1.
    pub(super) share: f64,
}

/// What to tell the program at `now_ns`.
pub(super) fn answering(
    orders: CookieMode,
    settings: &Settings,
    host: &Host,
    now_ns: u64,
) -> SynCookieConfig {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let mss = |headers: u32| host.mtu.saturating_sub(headers).clamp(MSS_MIN, MSS_MAX);
    let interval_ns = match settings.syn_cookie_rate {
        0 => 0,
        rate => (1e9 / (f64::from(rate) * host.share)).ceil() as u64,
    };
    let prefix_rate = match settings.syn_cookie_prefix_rate {
        0 => 0,
        rate => (f64::from(rate) * host.share).max(1.0) as u32,
    };
    SynCookieConfig {
        flags: SYN_COOKIE_ON
            | flag(orders.options && host.stack.takes_options, SYN_COOKIE_OPTIONS)
            | flag(orders.second_syn, SYN_COOKIE_REQUIRE_RETRANSMIT)
            | flag(settings.check_acks && !host.redirects, SYN_COOKIE_CHECK_ACKS)
            | flag(host.stack.takes_ecn, SYN_COOKIE_ECN),
        window_scale: host.stack.window_scale.into(),
        mss_v4: mss(HEADERS_V4),
        mss_v6: mss(HEADERS_V6),
        hop_limit: host.stack.hop_limit.into(),
        prefix_rate,
        interval_ns,
        tolerance_ns: if interval_ns == 0 { 0 } else { BURST_NS },
        validated_ns: PROVEN_NS,
        listener_ns: LISTENER_NS,
        lease_until_ns: now_ns + LEASE_NS,
        reserved: 0,
    }
}

/// The part of all answers that a CPU may give so that all CPUs together give no more than all, if SYNs go on to come to
/// them as they did: as many each as in `loads`. Where all come to one CPU, as from a device with one queue, that is
/// all of them.
pub(super) fn share(loads: &[u64]) -> f64 {
    let total: u64 = loads.iter().sum();
    if total == 0 {
        return 1.0 / loads.len().max(1) as f64;
    }
    // As if twice as many came as may be answered: CPUs with little to do leave their part to the others.
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

    use super::*;

    const STACK: Stack = Stack { hop_limit: 64, window_scale: 7, takes_options: true, takes_ecn: true };
    const HOST: Host = Host { stack: STACK, mtu: 1500, redirects: false, share: 1.0 };

    #[test]
    fn an_answer_is_what_the_kernels_would_be() {
        let settings = Settings::default();
        let told = answering(CookieMode { options: true, second_syn: false }, &settings, &HOST, 7);
        assert!(told.has(SYN_COOKIE_ON | SYN_COOKIE_OPTIONS | SYN_COOKIE_CHECK_ACKS | SYN_COOKIE_ECN));
        assert!(!told.has(SYN_COOKIE_REQUIRE_RETRANSMIT));
        assert_eq!((told.mss_v4, told.mss_v6, told.window_scale, told.hop_limit), (1460, 1440, 7, 64));
        assert_eq!((told.interval_ns, told.prefix_rate), (1_000, 10_000));
        assert!(told.is_on(7 + LEASE_NS - 1) && !told.is_on(7 + LEASE_NS));
    }

    #[test]
    fn options_take_the_kernels_consent() {
        let strict = Host { stack: Stack { takes_options: false, takes_ecn: false, ..STACK }, ..HOST };
        for (options, host, expected) in
            [(true, HOST, true), (false, HOST, false), (true, strict, false), (false, strict, false)]
        {
            let told = answering(CookieMode { options, second_syn: true }, &Settings::default(), &host, 0);
            assert_eq!(told.has(SYN_COOKIE_OPTIONS), expected);
            assert!(told.has(SYN_COOKIE_REQUIRE_RETRANSMIT));
            assert_eq!(told.has(SYN_COOKIE_ECN), host.stack.takes_ecn);
        }
    }

    #[test]
    fn acks_are_not_checked_where_they_may_be_meant_for_others() {
        let mut settings = Settings::default();
        for (check_acks, redirects, expected) in
            [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
        {
            settings.check_acks = check_acks;
            let told = answering(CookieMode::default(), &settings, &Host { redirects, ..HOST }, 0);
            assert_eq!(told.has(SYN_COOKIE_CHECK_ACKS), expected);
        }
    }

    #[test]
    fn an_mss_is_one_that_tcp_knows() {
        for (mtu, v4, v6) in [(68, 88, 88), (576, 536, 516), (1280, 1240, 1220), (65_536, 65_495, 65_476)] {
            let told = answering(CookieMode::default(), &Settings::default(), &Host { mtu, ..HOST }, 0);
            assert_eq!((told.mss_v4, told.mss_v6), (v4, v6), "{mtu}");
        }
    }

    #[test]
    fn budgets_are_shared_and_zero_is_none() {
        let mut settings =
            Settings { syn_cookie_rate: 1_000, syn_cookie_prefix_rate: 10, ..Settings::default() };
        let half = Host { share: 0.5, ..HOST };
        let told = answering(CookieMode::default(), &settings, &half, 0);
        assert_eq!((told.interval_ns, told.prefix_rate), (2_000_000, 5));
        let tiny = answering(CookieMode::default(), &settings, &Host { share: 0.01, ..HOST }, 0);
        assert_eq!(tiny.prefix_rate, 1);
        (settings.syn_cookie_rate, settings.syn_cookie_prefix_rate) = (0, 0);
        let told = answering(CookieMode::default(), &settings, &half, 0);
        assert_eq!((told.interval_ns, told.tolerance_ns, told.prefix_rate), (0, 0, 0));
    }

    #[test]
    fn a_cpu_gets_what_the_others_leave() {
        for (loads, expected) in [
            (vec![0, 0], 0.5),
            (vec![], 1.0),
            (vec![5_000], 1.0),
            (vec![5_000, 0, 0, 0], 1.0),
            (vec![5_000, 5_000], 0.5),
            (vec![990, 10], 0.98),
        ] {
            assert!((share(&loads) - expected).abs() < 1e-9, "{loads:?}: {}", share(&loads));
        }
    }

    proptest! {
        /// CPUs together never get more than all, if it goes on as before, and all of it if all are busy.
        #[test]
        fn all_of_it_is_shared(loads in prop::collection::vec(0u64..1_000_000, 1..64), scale in 1.0f64..50.0) {
            let (share, total) = (share(&loads), loads.iter().sum::<u64>());
            prop_assert!(share > 0.0 && share <= 1.0);
            prop_assume!(total > 0);
            // Twice to a hundred times as many SYNs as may be answered.
            let given: f64 = loads.iter().map(|&load| (2.0 * load as f64 / total as f64).min(share)).sum();
            prop_assert!((given - 1.0).abs() < 1e-6, "{given}");
            let fewer: f64 = loads.iter().map(|&load| (2.0 * load as f64 / total as f64 / scale).min(share)).sum();
            prop_assert!(fewer <= 1.0 + 1e-6);
        }
    }
}
