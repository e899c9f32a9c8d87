//! Kernel settings that the controller raises during an attack, and the events about them.

use std::fmt::{self, Display, Formatter};

use log::Level;
use serde::{Serialize, Serializer};

use super::AttackRates;

/// A kernel setting that the controller raises during an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sysctl {
    /// `net.ipv4.tcp_syncookies`: 0 never, 1 when a listener's queue is full, 2 always.
    Syncookies,
    /// `net.ipv4.tcp_timestamps`: 0 none, 1 with a secret offset for each pair of hosts, 2 without.
    Timestamps,
}

impl Sysctl {
    /// All settings, in the order in which they are restored: syncookies first, so that no cookie is in flight when the
    /// timestamps, which may carry its options, get their old meaning back.
    pub const ALL: [Self; 2] = [Self::Syncookies, Self::Timestamps];

    /// Returns the name that sysctl(8) takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syncookies => "net.ipv4.tcp_syncookies",
            Self::Timestamps => "net.ipv4.tcp_timestamps",
        }
    }
}

/// A change of a kernel setting, or the reason against one. The fields are keys in the event log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum SysctlChange {
    /// The controller raised the setting.
    Raised {
        from: u8,
        to: u8,
        #[serde(flatten)]
        rates: AttackRates,
    },
    /// The setting was high enough and was not touched.
    AlreadyRaised { value: u8 },
    /// The setting could not be raised.
    NotRaised { why: String },
    /// The setting has its old value again; `after_crash` if a killed controller had raised it.
    Restored { from: u8, to: u8, after_crash: bool },
    /// Another program changed the raised setting, so it keeps that value.
    LeftAlone { found: u8, written: u8, original: u8 },
    /// The setting could not be restored.
    NotRestored { why: String },
}

/// An event about a kernel setting.
#[derive(Clone, Debug, PartialEq)]
pub struct SysctlEvent {
    pub sysctl: Sysctl,
    pub change: SysctlChange,
}

impl SysctlEvent {
    /// Returns the name that the event has in the event log.
    pub const fn name(&self) -> &'static str {
        use Sysctl::{Syncookies, Timestamps};
        match (&self.change, self.sysctl) {
            (SysctlChange::Raised { .. }, Syncookies) => "cookies_raised",
            (SysctlChange::Raised { .. }, Timestamps) => "timestamps_raised",
            (SysctlChange::AlreadyRaised { .. }, Syncookies) => "cookies_already_up",
            (SysctlChange::AlreadyRaised { .. }, Timestamps) => "timestamps_already_up",
            (SysctlChange::NotRaised { .. }, Syncookies) => "cookies_not_raised",
            (SysctlChange::NotRaised { .. }, Timestamps) => "timestamps_not_raised",
            (SysctlChange::Restored { .. }, Syncookies) => "cookies_restored",
            (SysctlChange::Restored { .. }, Timestamps) => "timestamps_restored",
            (SysctlChange::LeftAlone { .. }, Syncookies) => "cookies_left_alone",
            (SysctlChange::LeftAlone { .. }, Timestamps) => "timestamps_left_alone",
            (SysctlChange::NotRestored { .. }, Syncookies) => "cookies_not_restored",
            (SysctlChange::NotRestored { .. }, Timestamps) => "timestamps_not_restored",
        }
    }

    /// Returns the priority of the event in the log.
    pub const fn level(&self) -> Level {
        match &self.change {
            SysctlChange::NotRestored { .. } => Level::Error,
            SysctlChange::Raised { .. }
            | SysctlChange::NotRaised { .. }
            | SysctlChange::LeftAlone { .. }
            | SysctlChange::Restored { after_crash: true, .. } => Level::Warn,
            SysctlChange::AlreadyRaised { .. } | SysctlChange::Restored { .. } => Level::Info,
        }
    }
}

impl Display for SysctlEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.sysctl.name();
        match (&self.change, self.sysctl) {
            (SysctlChange::Raised { from, to, rates }, Sysctl::Syncookies) => {
                write!(f, "{name} raised from {from} to {to}: {}; {rates}", rates.cookie_cause())
            }
            (SysctlChange::Raised { from, to, .. }, Sysctl::Timestamps) => {
                write!(f, "{name} raised from {from} to {to}: SYN cookies may carry TCP options")
            }
            (SysctlChange::AlreadyRaised { value }, _) => {
                write!(f, "{name} is {value} already: nothing to raise, nothing changed")
            }
            (SysctlChange::NotRaised { why }, Sysctl::Syncookies) => {
                write!(f, "{name} cannot be raised, everything else continues: {why}")
            }
            (SysctlChange::NotRaised { why }, Sysctl::Timestamps) => {
                write!(f, "{name} cannot be raised, so SYN cookies carry no option but the MSS: {why}")
            }
            (SysctlChange::Restored { to, after_crash, .. }, _) => {
                let crash = if *after_crash { ", which a killed controller had not done" } else { "" };
                write!(f, "{name} restored to {to}{crash}")
            }
            (SysctlChange::LeftAlone { found, written, original }, _) => write!(
                f,
                "{name} is {found}, not {written} as synguard wrote it: another program changed it, so it is left alone \
                 (it was {original} before)"
            ),
            (SysctlChange::NotRestored { why }, _) => write!(f, "{name} could not be restored: {why}"),
        }
    }
}

impl Serialize for SysctlEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            event: &'static str,
            #[serde(flatten)]
            change: &'a SysctlChange,
        }
        Named { event: self.name(), change: &self.change }.serialize(serializer)
    }
}
