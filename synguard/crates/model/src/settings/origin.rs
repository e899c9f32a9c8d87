//! The origin of each setting in force: the defaults, the configuration file, the command line of `attach`, or `set`.

use serde::Serialize;

use super::{Key, Patch, SettingError, SettingValue, Settings, derived_burst};

/// Origin of a setting in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SettingOrigin {
    /// The default, also that of a burst which follows the rate.
    Default,
    /// The configuration file, as it was read last.
    File,
    /// A flag of `attach`.
    CommandLine,
    /// `set`.
    Set,
    /// Not known, because nothing says how the filter was attached.
    Unknown,
}

/// The values that a configuration file and the flags of `attach` give, each over the one before and all over the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingSources {
    pub file: Patch,
    pub flags: Patch,
}

impl SettingSources {
    /// Returns the settings that these sources give, or [`SettingError::Burst`].
    pub fn settings(&self) -> Result<Settings, SettingError> {
        Settings::default().patched(&self.flags.clone().over(self.file.clone()))
    }

    /// Returns the origin of each setting in force, in the order of [`Key::live`]. A value that no source gives was set.
    pub fn origins(&self, in_force: &Settings) -> Vec<(Key, SettingValue, SettingOrigin)> {
        let gives = |patch: &Patch, key, value: &SettingValue| {
            patch.values().iter().any(|(given, theirs)| *given == key && theirs == value)
        };
        let origin = |key: Key, value: &SettingValue| {
            if self.flags.gives(key) {
                return if gives(&self.flags, key, value) {
                    SettingOrigin::CommandLine
                } else {
                    SettingOrigin::Set
                };
            }
            if self.file.gives(key) {
                return if gives(&self.file, key, value) { SettingOrigin::File } else { SettingOrigin::Set };
            }
            let is_default = match key {
                Key::DERIVED => *value == SettingValue::Number(derived_burst(in_force.syn_rate)),
                _ => *value == key.default_value(),
            };
            if is_default { SettingOrigin::Default } else { SettingOrigin::Set }
        };
        in_force
            .values()
            .into_iter()
            .map(|(key, value)| {
                let origin = origin(key, &value);
                (key, value, origin)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::tests::any_settings;

    fn patch(pairs: &[(Key, &str)]) -> Patch {
        let mut patch = Patch::default();
        for (key, text) in pairs {
            patch.put(*key, text).expect("in range");
        }
        patch
    }

    fn origin(sources: &SettingSources, in_force: &Settings, key: Key) -> SettingOrigin {
        let origins = sources.origins(in_force);
        origins.into_iter().find(|(other, ..)| *other == key).expect("a live key").2
    }

    #[test]
    fn origin_is_the_source_that_gives_the_value() {
        let sources = SettingSources {
            file: patch(&[(Key::SynRate, "70"), (Key::Hold, "30s"), (Key::Monitor, "true")]),
            flags: patch(&[(Key::Hold, "1m")]),
        };
        let mut in_force = sources.settings().expect("valid");
        for (key, expected) in [
            (Key::SynRate, SettingOrigin::File),
            (Key::SynBurst, SettingOrigin::Default),
            (Key::Hold, SettingOrigin::CommandLine),
            (Key::Monitor, SettingOrigin::File),
            (Key::Ports, SettingOrigin::Default),
        ] {
            assert_eq!(origin(&sources, &in_force, key), expected, "{key}");
        }
        in_force.set_all([("syn-rate", "500"), ("ports", "80"), ("hold", "30s")]).expect("valid");
        for (key, expected) in [
            (Key::SynRate, SettingOrigin::Set),
            (Key::SynBurst, SettingOrigin::Default),
            // The file's value, but the command line had another: somebody set it.
            (Key::Hold, SettingOrigin::Set),
            (Key::Monitor, SettingOrigin::File),
            (Key::Ports, SettingOrigin::Set),
        ] {
            assert_eq!(origin(&sources, &in_force, key), expected, "{key}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn settings_of_a_file_with_every_value_come_from_it(settings in any_settings()) {
            let values: Vec<_> = settings.values();
            let mut file = Patch::default();
            for (key, value) in &values {
                prop_assert!(file.put(*key, &value.to_string()).is_ok());
            }
            let sources = SettingSources { file, flags: Patch::default() };
            prop_assert_eq!(sources.settings(), Ok(settings.clone()));
            for (key, _, origin) in sources.origins(&settings) {
                prop_assert_eq!(origin, SettingOrigin::File, "{}", key);
            }
        }
    }
}
