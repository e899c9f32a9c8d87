//! Settings as they lie in the datapath's maps.

use std::time::Duration;

use synguard_common::{
    abi::{
        ABI_VERSION, Config, FLAG_ALL_PORTS, FLAG_CHECK_ACKS, FLAG_COOKIE_OPTIONS, FLAG_DROP_BAD_FLAGS,
        FLAG_DROP_FIRST_SYN, FLAG_MONITOR, PortSet,
    },
    addr,
    gcra::RateLimit,
};

use super::{
    ANSWER_NETWORK_RATE, ANSWER_RATE, Cookies, DISTINCT_LIMIT, FirstSyn, HOLD, Key, PREFIX_RATE, Range,
    SOURCE_PREFIX_V6, SYN_BURST, SYN_RATE, SettingError, Settings, ValueError,
};
use crate::ports::{Ports, PortsError};

/// Why the maps hold no settings that could be shown or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// Another version of synguard wrote them, or nobody yet.
    #[error(
        "the pinned settings have layout {found}, this synguard knows {ABI_VERSION}: detach and attach again"
    )]
    Version {
        /// The version that was found; 0 if nothing was ever written.
        found: u32,
    },
    /// A value that synguard does not write.
    #[error("the pinned settings are damaged ({0}): detach and attach again")]
    Damaged(#[from] SettingError),
}

impl Settings {
    /// The maps' form. `disarm_at_ns` and `hash_seed` are 0, for the caller to fill in.
    pub fn to_abi(&self) -> (Config, PortSet) {
        let limit = RateLimit::new(self.syn_rate, self.syn_burst);
        let prefix = match self.prefix_rate {
            0 => RateLimit { interval_ns: 0, tolerance_ns: 0 },
            rate => RateLimit::new(rate, 2 * rate),
        };
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let source_prefix_v6 = u32::from(self.source_prefix_v6);
        let config = Config {
            abi: ABI_VERSION,
            flags: flag(self.monitor, FLAG_MONITOR)
                | flag(self.ports == Ports::All, FLAG_ALL_PORTS)
                | flag(self.drop_bad_flags, FLAG_DROP_BAD_FLAGS)
                | flag(self.keep_options, FLAG_COOKIE_OPTIONS)
                | flag(self.check_acks, FLAG_CHECK_ACKS)
                | flag(self.first_syn == FirstSyn::Auto, FLAG_DROP_FIRST_SYN),
            syn_interval_ns: limit.interval_ns,
            syn_tolerance_ns: limit.tolerance_ns,
            hold_ns: u64::try_from(self.hold.as_nanos()).unwrap_or(u64::MAX),
            disarm_at_ns: 0,
            source_mask_v6: addr::mask(source_prefix_v6),
            syn_rate: self.syn_rate,
            syn_burst: self.syn_burst,
            source_prefix_v6,
            prefix_interval_ns: prefix.interval_ns,
            prefix_tolerance_ns: prefix.tolerance_ns,
            prefix_rate: self.prefix_rate,
            hash_seed: [0; 2],
            distinct_limit: self.distinct_limit,
            cookies: self.cookies.to_abi(),
            cookie_rate: self.answer_rate,
            cookie_prefix_rate: self.answer_network_rate,
        };
        (config, self.ports.to_set())
    }

    /// The settings that [`Self::to_abi`] made these of. `disarm_at_ns` is not looked at.
    ///
    /// # Errors
    /// Another layout, and values that are out of their range.
    pub fn from_abi(config: &Config, ports: &PortSet) -> Result<Self, AbiError> {
        if config.abi != ABI_VERSION {
            return Err(AbiError::Version { found: config.abi });
        }
        let settings = Self {
            syn_rate: number(Key::SynRate, SYN_RATE, config.syn_rate)?,
            syn_burst: number(Key::SynBurst, SYN_BURST, config.syn_burst)?,
            hold: HOLD
                .check(Duration::from_nanos(config.hold_ns))
                .map_err(|problem| damaged(Key::Hold, config.hold_ns, problem))?,
            ports: if config.has(FLAG_ALL_PORTS) {
                Ports::All
            } else {
                let none = || damaged(Key::Ports, "none", PortsError::Empty.into());
                Ports::from_set(ports).ok_or_else(none)?
            },
            monitor: config.has(FLAG_MONITOR),
            drop_bad_flags: config.has(FLAG_DROP_BAD_FLAGS),
            source_prefix_v6: number(Key::SourcePrefixV6, SOURCE_PREFIX_V6, config.source_prefix_v6)?,
            prefix_rate: number(Key::PrefixRate, PREFIX_RATE, config.prefix_rate)?,
            distinct_limit: number(Key::DistinctLimit, DISTINCT_LIMIT, config.distinct_limit)?,
            cookies: Cookies::from_abi(config.cookies)
                .ok_or_else(|| damaged(Key::Cookies, config.cookies, ValueError::Cookies))?,
            answer_rate: number(Key::AnswerRate, ANSWER_RATE, config.cookie_rate)?,
            answer_network_rate: number(
                Key::AnswerNetworkRate,
                ANSWER_NETWORK_RATE,
                config.cookie_prefix_rate,
            )?,
            keep_options: config.has(FLAG_COOKIE_OPTIONS),
            first_syn: if config.has(FLAG_DROP_FIRST_SYN) { FirstSyn::Auto } else { FirstSyn::Off },
            check_acks: config.has(FLAG_CHECK_ACKS),
        };
        Ok(settings.checked()?)
    }
}

fn number<T: TryFrom<i64>>(key: Key, range: Range, found: u32) -> Result<T, SettingError> {
    range.check(found.into()).map_err(|problem| damaged(key, found, problem))
}

fn damaged(key: Key, found: impl ToString, problem: ValueError) -> SettingError {
    SettingError::Value { key, given: found.to_string(), problem }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::tests::any_settings;

    #[test]
    fn what_was_not_written_by_synguard_is_refused() {
        let (good, ports) = Settings::default().to_abi();
        let read = |config| Settings::from_abi(&config, &ports).map_err(|error| error.to_string());
        assert_eq!(read(good), Ok(Settings::default()));
        assert_eq!(read(Config { disarm_at_ns: 7, ..good }), Ok(Settings::default()));
        for (config, expected) in [
            (Config::default(), "layout 0"),
            (Config { abi: ABI_VERSION + 1, ..good }, "layout 3"),
            (Config { syn_rate: 0, ..good }, "syn-rate = 0: must be 1 to 1000000 SYNs a second"),
            (Config { syn_burst: 0, ..good }, "syn-burst = 0: must be 2 to 10000000 SYNs"),
            (Config { hold_ns: u64::MAX, ..good }, "hold = 18446744073709551615: must be a duration"),
            (Config { source_prefix_v6: 129, ..good }, "source-prefix-v6 = 129: must be 1 to 128 bits"),
            (Config { cookies: 4, ..good }, "cookies = 4: must be auto, kernel, xdp or off"),
            (
                Config { cookie_rate: 100_000_001, ..good },
                "answer-rate = 100000001: must be 0 to 100000000 answers",
            ),
            (Config { syn_rate: 1_000_000, ..good }, "syn-burst = 200: must be 10001 to"),
        ] {
            let error = read(config).expect_err(expected);
            assert!(error.contains(expected), "{error}");
            assert!(error.ends_with("detach and attach again"), "{error}");
        }
        let unguarded = Config { flags: 0, ..good };
        assert!(Settings::from_abi(&unguarded, &PortSet::EMPTY).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn settings_survive_the_maps(settings in any_settings()) {
            let (config, ports) = settings.to_abi();
            prop_assert_eq!(Settings::from_abi(&config, &ports), Ok(settings.clone()));
            prop_assert_eq!(config.syn_limit(), RateLimit::new(settings.syn_rate, settings.syn_burst));
            prop_assert_eq!(config.source_mask_v6, addr::mask(settings.source_prefix_v6.into()));
            prop_assert_eq!(config.disarm_at_ns, 0);
            for port in 1..=u16::MAX {
                let guarded = config.has(FLAG_ALL_PORTS) || ports.contains(port);
                prop_assert_eq!(guarded, settings.ports.contains(port));
            }
        }
    }
}
