//! What an operator may set: keys, values with their ranges, and the live [`Settings`], which are changed all together or
//! not at all. Pure.

mod abi;
mod cookies;
mod error;
mod key;
mod syn_cookies;
mod value;

use std::{fmt::Display, time::Duration};

use serde::{Serialize, Serializer};
use synguard_common::gcra::burst_min;

use self::{cookies::parse_cookies, syn_cookies::parse_first_syn};
use crate::{duration, ports::Ports};

pub use self::{
    abi::AbiError,
    cookies::Cookies,
    error::{SettingError, shown},
    key::Key,
    syn_cookies::{ANSWER_NETWORK_RATE, ANSWER_RATE, FirstSyn},
    value::{
        DISTINCT_LIMIT, HOLD, Lengths, MAX_LIST, MAX_SOURCES, Mode, PREFIX_RATE, Range, SOURCE_PREFIX_V6,
        SYN_BURST, SYN_RATE, ValueError, parse_bool, parse_confirm, parse_hold, parse_instance,
        parse_interface, parse_mode, parse_ports,
    },
};

/// Everything that `set` can change. The fields are within their ranges, and the burst suits the rate, in
/// every value that this module returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// SYNs a second from one source, 1 to 1 000 000.
    pub syn_rate: u32,
    /// SYNs at once from one source, from the least that suits the rate to 10 000 000. Twice the rate counts
    /// as not chosen: such a burst follows the rate when only that is changed.
    pub syn_burst: u32,
    /// How long a source over its rate stays dropped, 0 to 24 h in whole milliseconds; 0: each SYN is judged.
    #[serde(serialize_with = "as_duration")]
    pub hold: Duration,
    /// The guarded TCP ports.
    #[serde(serialize_with = "as_text")]
    pub ports: Ports,
    /// Count what would be dropped, and drop nothing.
    pub monitor: bool,
    /// Drop combinations of TCP flags that no host sends.
    pub drop_bad_flags: bool,
    /// How many leading bits of an IPv6 address are the source, 1 to 128.
    pub source_prefix_v6: u8,
    /// SYNs a second from one /24 or /48, up to 1 000 000, with bursts of twice that; 0: prefixes are not limited.
    pub prefix_rate: u32,
    /// Distinct sources of SYNs a second, above which a flood counts as distributed; 0: there is no limit.
    pub distinct_limit: u32,
    /// What the controller may do about a distributed flood.
    #[serde(serialize_with = "as_text")]
    pub cookies: Cookies,
    /// Answers a second in all that the filter itself may give, up to 100 000 000; 0: any number.
    pub answer_rate: u32,
    /// Answers a second to one /24 or /48, up to 1 000 000; 0: any number.
    pub answer_network_rate: u32,
    /// Raise `net.ipv4.tcp_timestamps` while it answers, so that answers can carry a connection's options.
    pub keep_options: bool,
    /// What is done when more SYNs come than may be answered.
    #[serde(serialize_with = "as_text")]
    pub first_syn: FirstSyn,
    /// Drop ACKs that return no valid cookie while it answers.
    pub check_acks: bool,
}

fn as_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration::format(*duration))
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// New values for some of the [`Settings`], each within its range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// See [`Settings::syn_rate`].
    pub syn_rate: Option<u32>,
    /// See [`Settings::syn_burst`].
    pub syn_burst: Option<u32>,
    /// See [`Settings::hold`].
    pub hold: Option<Duration>,
    /// See [`Settings::ports`].
    pub ports: Option<Ports>,
    /// See [`Settings::monitor`].
    pub monitor: Option<bool>,
    /// See [`Settings::drop_bad_flags`].
    pub drop_bad_flags: Option<bool>,
    /// See [`Settings::source_prefix_v6`].
    pub source_prefix_v6: Option<u8>,
    /// See [`Settings::prefix_rate`].
    pub prefix_rate: Option<u32>,
    /// See [`Settings::distinct_limit`].
    pub distinct_limit: Option<u32>,
    /// See [`Settings::cookies`].
    pub cookies: Option<Cookies>,
    /// See [`Settings::answer_rate`].
    pub answer_rate: Option<u32>,
    /// See [`Settings::answer_network_rate`].
    pub answer_network_rate: Option<u32>,
    /// See [`Settings::keep_options`].
    pub keep_options: Option<bool>,
    /// See [`Settings::first_syn`].
    pub first_syn: Option<FirstSyn>,
    /// See [`Settings::check_acks`].
    pub check_acks: Option<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        let syn_rate = 100;
        Self {
            syn_rate,
            syn_burst: derived_burst(syn_rate),
            hold: Duration::from_secs(10),
            ports: Ports::All,
            monitor: false,
            drop_bad_flags: false,
            source_prefix_v6: 64,
            prefix_rate: 0,
            distinct_limit: 4096,
            cookies: Cookies::Auto,
            answer_rate: 1_000_000,
            answer_network_rate: 10_000,
            keep_options: true,
            first_syn: FirstSyn::Auto,
            check_acks: true,
        }
    }
}

/// The burst of somebody who only chose a rate. It is in the range for every rate.
const fn derived_burst(rate: u32) -> u32 {
    2 * rate
}

impl Settings {
    /// Changes one setting, given as `set KEY=VALUE` would.
    ///
    /// # Errors
    /// As [`Self::set_all`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        self.set_all([(key, value)])
    }

    /// Changes several settings together: their order does not matter, and on an error none is changed.
    ///
    /// # Errors
    /// An unknown key, one given twice or not live, a value out of its range, or a burst too small for the
    /// rate.
    pub fn set_all<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), SettingError> {
        let mut patch = Patch::default();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let key = Key::by_name(name).ok_or_else(|| SettingError::Unknown {
                key: shown(name),
                hint: Key::hint(name, Key::live()),
            })?;
            if !key.is_live() {
                return Err(SettingError::NotLive(key));
            }
            if seen.contains(&key) {
                return Err(SettingError::Twice(key));
            }
            seen.push(key);
            patch.put(key, value).map_err(|problem| SettingError::Value {
                key,
                given: shown(value),
                problem,
            })?;
        }
        *self = self.patched(&patch)?;
        Ok(())
    }

    /// These settings with the patch's values in place of their own.
    ///
    /// # Errors
    /// [`SettingError::Burst`] if rate and burst do not go together.
    pub fn patched(&self, patch: &Patch) -> Result<Self, SettingError> {
        let syn_rate = patch.syn_rate.unwrap_or(self.syn_rate);
        let kept_burst = if self.has_derived_burst() { derived_burst(syn_rate) } else { self.syn_burst };
        Self {
            syn_rate,
            syn_burst: patch.syn_burst.unwrap_or(kept_burst),
            hold: patch.hold.unwrap_or(self.hold),
            ports: patch.ports.as_ref().unwrap_or(&self.ports).clone(),
            monitor: patch.monitor.unwrap_or(self.monitor),
            drop_bad_flags: patch.drop_bad_flags.unwrap_or(self.drop_bad_flags),
            source_prefix_v6: patch.source_prefix_v6.unwrap_or(self.source_prefix_v6),
            prefix_rate: patch.prefix_rate.unwrap_or(self.prefix_rate),
            distinct_limit: patch.distinct_limit.unwrap_or(self.distinct_limit),
            cookies: patch.cookies.unwrap_or(self.cookies),
            answer_rate: patch.answer_rate.unwrap_or(self.answer_rate),
            answer_network_rate: patch.answer_network_rate.unwrap_or(self.answer_network_rate),
            keep_options: patch.keep_options.unwrap_or(self.keep_options),
            first_syn: patch.first_syn.unwrap_or(self.first_syn),
            check_acks: patch.check_acks.unwrap_or(self.check_acks),
        }
        .checked()
    }

    /// Whether the burst is the one that follows the rate.
    pub(crate) const fn has_derived_burst(&self) -> bool {
        self.syn_burst == derived_burst(self.syn_rate)
    }

    /// These settings if the burst suits the rate.
    pub(super) fn checked(self) -> Result<Self, SettingError> {
        let min = burst_min(self.syn_rate);
        if self.syn_burst < min {
            return Err(SettingError::Burst { burst: self.syn_burst, min, rate: self.syn_rate });
        }
        Ok(self)
    }

    /// Every setting and its value as `set` takes it, in the order of [`Key::live`].
    pub fn entries(&self) -> Vec<(Key, String)> {
        vec![
            (Key::SynRate, self.syn_rate.to_string()),
            (Key::SynBurst, self.syn_burst.to_string()),
            (Key::Hold, duration::format(self.hold)),
            (Key::Ports, self.ports.to_string()),
            (Key::Monitor, self.monitor.to_string()),
            (Key::DropBadFlags, self.drop_bad_flags.to_string()),
            (Key::SourcePrefixV6, self.source_prefix_v6.to_string()),
            (Key::PrefixRate, self.prefix_rate.to_string()),
            (Key::DistinctLimit, self.distinct_limit.to_string()),
            (Key::Cookies, self.cookies.to_string()),
            (Key::AnswerRate, self.answer_rate.to_string()),
            (Key::AnswerNetworkRate, self.answer_network_rate.to_string()),
            (Key::KeepOptions, self.keep_options.to_string()),
            (Key::FirstSyn, self.first_syn.to_string()),
            (Key::CheckAcks, self.check_acks.to_string()),
        ]
    }
}

impl Patch {
    /// Reads the value of a live key; one that is not live is left alone.
    pub fn put(&mut self, key: Key, text: &str) -> Result<(), ValueError> {
        match key {
            Key::SynRate => self.syn_rate = Some(SYN_RATE.parse(text)?),
            Key::SynBurst => self.syn_burst = Some(SYN_BURST.parse(text)?),
            Key::Hold => self.hold = Some(parse_hold(text)?),
            Key::Ports => self.ports = Some(parse_ports(text)?),
            Key::Monitor => self.monitor = Some(parse_bool(text)?),
            Key::DropBadFlags => self.drop_bad_flags = Some(parse_bool(text)?),
            Key::SourcePrefixV6 => self.source_prefix_v6 = Some(SOURCE_PREFIX_V6.parse(text)?),
            Key::PrefixRate => self.prefix_rate = Some(PREFIX_RATE.parse(text)?),
            Key::DistinctLimit => self.distinct_limit = Some(DISTINCT_LIMIT.parse(text)?),
            Key::Cookies => self.cookies = Some(parse_cookies(text)?),
            Key::AnswerRate => self.answer_rate = Some(ANSWER_RATE.parse(text)?),
            Key::AnswerNetworkRate => self.answer_network_rate = Some(ANSWER_NETWORK_RATE.parse(text)?),
            Key::KeepOptions => self.keep_options = Some(parse_bool(text)?),
            Key::FirstSyn => self.first_syn = Some(parse_first_syn(text)?),
            Key::CheckAcks => self.check_acks = Some(parse_bool(text)?),
            Key::Interfaces | Key::Mode | Key::MaxSources | Key::MaxList | Key::KeepOnExit => {}
        }
        Ok(())
    }

    /// This patch, and where it leaves a value alone, the one of `under`.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        Self {
            syn_rate: self.syn_rate.or(under.syn_rate),
            syn_burst: self.syn_burst.or(under.syn_burst),
            hold: self.hold.or(under.hold),
            ports: self.ports.or(under.ports),
            monitor: self.monitor.or(under.monitor),
            drop_bad_flags: self.drop_bad_flags.or(under.drop_bad_flags),
            source_prefix_v6: self.source_prefix_v6.or(under.source_prefix_v6),
            prefix_rate: self.prefix_rate.or(under.prefix_rate),
            distinct_limit: self.distinct_limit.or(under.distinct_limit),
            cookies: self.cookies.or(under.cookies),
            answer_rate: self.answer_rate.or(under.answer_rate),
            answer_network_rate: self.answer_network_rate.or(under.answer_network_rate),
            keep_options: self.keep_options.or(under.keep_options),
            first_syn: self.first_syn.or(under.first_syn),
            check_acks: self.check_acks.or(under.check_acks),
        }
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
pub(super) mod tests;
