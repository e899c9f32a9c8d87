//! Settings in the datapath's maps.

use synguard_common::{
    abi::{ABI_VERSION, Config, PortSet},
    addr::Mask,
    gcra::RateLimit,
};

use super::{SettingError, Settings, declare::StoredSettings};

/// The settings in the maps cannot be shown or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// Another version of synguard wrote them, or none did yet (0).
    #[error(
        "the pinned settings have layout {found}, this synguard knows {ABI_VERSION}: detach and attach again"
    )]
    Version { found: u32 },
    /// A value that synguard does not write.
    #[error("the pinned settings are damaged ({0}): detach and attach again")]
    Damaged(#[from] SettingError),
}

impl Settings {
    /// Returns the maps' form. `disarm_at_ns` and `hash_seed` are 0, for the caller to fill in.
    pub fn to_abi(&self) -> (Config, PortSet) {
        let (rate, burst) = self.rate_and_burst();
        let limit = RateLimit::new(rate, burst);
        let prefix = match self.prefix_rate {
            0 => RateLimit { interval_ns: 0, tolerance_ns: 0 },
            rate => RateLimit::new(rate, 2 * rate),
        };
        let config = Config {
            abi: ABI_VERSION,
            syn_interval_ns: limit.interval_ns,
            syn_tolerance_ns: limit.tolerance_ns,
            source_mask_v6: Mask::of_length(self.v6_length().into()),
            prefix_interval_ns: prefix.interval_ns,
            prefix_tolerance_ns: prefix.tolerance_ns,
            ..Config::default()
        };
        let mut stored = StoredSettings { config, ports: PortSet::EMPTY };
        self.store(&mut stored);
        (stored.config, stored.ports)
    }

    /// Returns the settings that [`Self::to_abi`] made these of, or an error if the layout is another or a value is out of
    /// its range. Ignores `disarm_at_ns`.
    pub fn from_abi(config: &Config, ports: &PortSet) -> Result<Self, AbiError> {
        if config.abi != ABI_VERSION {
            return Err(AbiError::Version { found: config.abi });
        }
        let stored = StoredSettings { config: *config, ports: *ports };
        let damaged = |(key, given, problem)| SettingError::Value { key, given, problem };
        Ok(Self::load(&stored).map_err(damaged)?.checked()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_common::abi::FLAG_ALL_PORTS;

    use super::*;
    use crate::settings::tests::any_settings;

    #[test]
    fn foreign_settings_are_refused() {
        let (good, ports) = Settings::default().to_abi();
        let read = |config| Settings::from_abi(&config, &ports).map_err(|error| error.to_string());
        assert_eq!(read(good), Ok(Settings::default()));
        assert_eq!(read(Config { disarm_at_ns: 7, ..good }), Ok(Settings::default()));
        for (config, expected) in [
            (Config::default(), "layout 0"),
            (Config { abi: ABI_VERSION + 1, ..good }, "layout 4"),
            (Config { syn_rate: 0, ..good }, "syn-rate = 0: must be 1 to 1000000 SYNs a second"),
            (Config { syn_burst: 0, ..good }, "syn-burst = 0: must be 2 to 10000000 SYNs"),
            (Config { hold_ns: u64::MAX, ..good }, "hold = 18446744073709551615: must be a duration"),
            (Config { source_prefix_v6: 129, ..good }, "source-prefix-v6 = 129: must be 1 to 128 bits"),
            (Config { cookies: 4, ..good }, "cookies = 4: must be auto, kernel, xdp or off"),
            (
                Config { cookie_rate: 100_000_001, ..good },
                "syn-cookie-rate = 100000001: must be 0 to 100000000 SYN cookies",
            ),
            (Config { syn_rate: 1_000_000, ..good }, "syn-burst = 200: must be 10001 to"),
        ] {
            let error = read(config).expect_err(expected);
            assert!(error.contains(expected), "{error}");
            assert!(error.ends_with("detach and attach again"), "{error}");
        }
        let unguarded = Config { flags: 0, ..good };
        Settings::from_abi(&unguarded, &PortSet::EMPTY).expect_err("no port is guarded");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn settings_survive_the_maps(settings in any_settings()) {
            let (config, ports) = settings.to_abi();
            prop_assert_eq!(Settings::from_abi(&config, &ports), Ok(settings.clone()));
            prop_assert_eq!(config.syn_limit(), RateLimit::new(settings.syn_rate, settings.syn_burst));
            prop_assert_eq!(config.source_mask_v6, Mask::of_length(settings.source_prefix_v6.into()));
            prop_assert_eq!(config.disarm_at_ns, 0);
            for port in 1..=u16::MAX {
                let guarded = config.has(FLAG_ALL_PORTS) || ports.contains(port);
                prop_assert_eq!(guarded, settings.ports.contains(port));
            }
        }
    }
}
