//! Settings: the table that declares each of them, their forms, and the live [`Settings`], which change all together or not
//! at all. Pure.

mod abi;
mod caution;
mod change;
mod choice;
mod declare;
mod error;
mod example;
mod form;
mod key;
mod origin;
mod range;
mod table;
mod value;

use serde::{Serialize, Serializer};
use synguard_common::gcra::burst_min;

pub use self::{
    abi::AbiError,
    change::SettingChange,
    choice::{AttachMode, Choice, ChoiceName, Cookies, DropFirstSyn},
    error::{SettingError, shown},
    example::example_file,
    form::{SettingValue, Syntax},
    key::RenamedKey,
    origin::{SettingOrigin, SettingSources},
    range::{DurationRange, NumberRange},
    table::{AttachOptions, Key, Patch, Settings},
    value::{INTERFACE_SEPARATOR, ValueError, parse_confirm, parse_instance, parse_interface},
};

impl Key {
    /// The live setting that follows another one, the rate, unless it is given.
    pub const DERIVED: Self = Self::SynBurst;
}

/// Returns the burst of an operator who only chose a rate. It is in the range for every rate.
const fn derived_burst(rate: u32) -> u32 {
    2 * rate
}

impl Settings {
    /// Changes one setting, given as `set KEY=VALUE` would, as [`Self::set_all`] does.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Vec<RenamedKey>, SettingError> {
        self.set_all([(key, value)])
    }

    /// Changes several settings together, and returns the old names among the keys. Their order does not matter, and on an
    /// error no setting changes.
    ///
    /// # Errors
    /// An unknown key, one given twice or not live, a value out of its range, or a burst too small for the rate.
    pub fn set_all<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<RenamedKey>, SettingError> {
        let mut patch = Patch::default();
        let mut given = GivenKeys::default();
        for (name, value) in pairs {
            let key = given.add(name, Key::live())?;
            if !key.is_live() {
                return Err(SettingError::NotLive(key));
            }
            patch.put(key, value).map_err(|problem| SettingError::Value {
                key,
                given: shown(value),
                problem,
            })?;
        }
        *self = self.patched(&patch)?;
        Ok(given.renamed)
    }

    /// Returns these settings with the patch's values in place of their own, or [`SettingError::Burst`].
    pub fn patched(&self, patch: &Patch) -> Result<Self, SettingError> {
        let mut patched = self.overlaid(patch);
        if self.has_derived_burst() {
            patched.syn_burst = patch.syn_burst.unwrap_or(derived_burst(patched.syn_rate));
        }
        patched.checked()
    }

    /// Reports whether the burst is the one that follows the rate.
    const fn has_derived_burst(&self) -> bool {
        let (rate, burst) = self.rate_and_burst();
        burst == derived_burst(rate)
    }

    /// Returns the limit of a source: SYNs a second, and SYNs at once after a silence.
    pub const fn rate_and_burst(&self) -> (u32, u32) {
        (self.syn_rate, self.syn_burst)
    }

    /// Returns the prefix length that makes one source of IPv6 addresses.
    pub const fn v6_length(&self) -> u8 {
        self.source_prefix_v6
    }

    /// Returns these settings if the burst suits the rate.
    fn checked(self) -> Result<Self, SettingError> {
        let (rate, burst) = self.rate_and_burst();
        let min = burst_min(rate);
        if burst < min {
            return Err(SettingError::Burst { burst, min, rate });
        }
        Ok(self)
    }

    /// Returns every setting and its value as `set` takes it, in the order of [`Key::live`].
    pub fn entries(&self) -> Vec<(Key, String)> {
        self.values().into_iter().map(|(key, value)| (key, value.to_string())).collect()
    }
}

/// A map from keys to values, in the order of [`Key::live`].
impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values().into_iter().map(|(key, value)| (key.name(), value)))
    }
}

/// The keys that somebody named, each once.
#[derive(Default)]
pub struct GivenKeys {
    keys: Vec<(Key, Option<RenamedKey>)>,
    /// The old names among them.
    pub renamed: Vec<RenamedKey>,
}

impl GivenKeys {
    /// Adds the key of that name and returns it. `valid` are the keys to propose for an unknown name.
    ///
    /// # Errors
    /// An unknown name, and a key named before, also if that was by its other name.
    pub fn add(&mut self, name: &str, valid: impl Iterator<Item = Key>) -> Result<Key, SettingError> {
        let (key, renamed) = Key::by_name(name)
            .ok_or_else(|| SettingError::Unknown { key: shown(name), hint: Key::hint(name, valid) })?;
        if let Some((_, before)) = self.keys.iter().find(|(given, _)| *given == key) {
            return Err(match before.xor(renamed) {
                Some(renamed) => SettingError::BothNames(renamed),
                None => SettingError::Twice(key),
            });
        }
        self.keys.push((key, renamed));
        self.renamed.extend(renamed);
        Ok(key)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
pub(super) mod tests;
