//! The names of everything that can be set, the same in the file, for `set` and (after `--`) as flags.

use std::fmt;

/// Something that can be set by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// SYNs a second from one source.
    SynRate,
    /// SYNs at once from one source.
    SynBurst,
    /// How long a source over its rate stays dropped.
    Hold,
    /// The guarded TCP ports.
    Ports,
    /// Count, but drop nothing.
    Monitor,
    /// Drop combinations of TCP flags that no host sends.
    DropBadFlags,
    /// How much of an IPv6 address is the source.
    SourcePrefixV6,
    /// SYNs a second from one /24 or /48.
    PrefixRate,
    /// Distinct sources a second from which on a flood is distributed.
    DistinctLimit,
    /// What is done about a distributed flood.
    Cookies,
    /// Answers a second in all.
    AnswerRate,
    /// Answers a second to one /24 or /48.
    AnswerNetworkRate,
    /// Change the kernel's timestamps so that answers keep options.
    KeepOptions,
    /// What is done when more SYNs come than may be answered.
    FirstSyn,
    /// Drop ACKs that return no valid cookie.
    CheckAcks,
    /// Where to attach.
    Interfaces,
    /// How to attach.
    Mode,
    /// Capacity of the table of sources.
    MaxSources,
    /// Entries that a list may have.
    MaxList,
    /// Leave the filter attached when the controller ends.
    KeepOnExit,
}

impl Key {
    /// Every key: first the live ones, in the order of `show`.
    pub const ALL: &'static [Self] = &[
        Self::SynRate,
        Self::SynBurst,
        Self::Hold,
        Self::Ports,
        Self::Monitor,
        Self::DropBadFlags,
        Self::SourcePrefixV6,
        Self::PrefixRate,
        Self::DistinctLimit,
        Self::Cookies,
        Self::AnswerRate,
        Self::AnswerNetworkRate,
        Self::KeepOptions,
        Self::FirstSyn,
        Self::CheckAcks,
        Self::Interfaces,
        Self::Mode,
        Self::MaxSources,
        Self::MaxList,
        Self::KeepOnExit,
    ];

    /// The key as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynRate => "syn-rate",
            Self::SynBurst => "syn-burst",
            Self::Hold => "hold",
            Self::Ports => "ports",
            Self::Monitor => "monitor",
            Self::DropBadFlags => "drop-bad-flags",
            Self::SourcePrefixV6 => "source-prefix-v6",
            Self::PrefixRate => "prefix-rate",
            Self::DistinctLimit => "distinct-limit",
            Self::Cookies => "cookies",
            Self::AnswerRate => "answer-rate",
            Self::AnswerNetworkRate => "answer-network-rate",
            Self::KeepOptions => "keep-options",
            Self::FirstSyn => "first-syn",
            Self::CheckAcks => "check-acks",
            Self::Interfaces => "interfaces",
            Self::Mode => "mode",
            Self::MaxSources => "max-sources",
            Self::MaxList => "max-list",
            Self::KeepOnExit => "keep-on-exit",
        }
    }

    /// Whether `set` can change it while the filter is attached.
    pub const fn is_live(self) -> bool {
        match self {
            Self::SynRate
            | Self::SynBurst
            | Self::Hold
            | Self::Ports
            | Self::Monitor
            | Self::DropBadFlags
            | Self::SourcePrefixV6
            | Self::PrefixRate
            | Self::DistinctLimit
            | Self::Cookies
            | Self::AnswerRate
            | Self::AnswerNetworkRate
            | Self::KeepOptions
            | Self::FirstSyn
            | Self::CheckAcks => true,
            Self::Interfaces | Self::Mode | Self::MaxSources | Self::MaxList | Self::KeepOnExit => false,
        }
    }

    /// The live keys, in the order of `show`.
    pub fn live() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|key| key.is_live())
    }

    /// The key of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// What to write instead of an unknown key: the nearest of `valid`, or if none is near, all of them.
    pub fn hint(unknown: &str, valid: impl Iterator<Item = Self>) -> String {
        let names: Vec<_> = valid.map(Self::name).collect();
        let unknown = unknown.to_ascii_lowercase();
        let nearest = names
            .iter()
            .map(|name| (strsim::damerau_levenshtein(name, &unknown), name))
            .filter(|(distance, name)| *distance <= name.len() / 3)
            .min();
        match nearest {
            Some((_, name)) => format!("did you mean {name}?"),
            None => format!("valid keys are {}", names.join(", ")),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_keys() {
        for &key in Key::ALL {
            assert_eq!(Key::by_name(key.name()), Some(key));
        }
        assert_eq!(Key::by_name("syn_rate"), None);
    }

    #[test]
    fn the_hint_is_the_nearest_key_or_all() {
        for (unknown, hint) in [
            ("syn_rate", "did you mean syn-rate?"),
            ("SYN-RATE", "did you mean syn-rate?"),
            ("synrate", "did you mean syn-rate?"),
            ("sny-burst", "did you mean syn-burst?"),
            ("port", "did you mean ports?"),
            ("interface", "did you mean interfaces?"),
            ("source_prefix_v6", "did you mean source-prefix-v6?"),
        ] {
            assert_eq!(Key::hint(unknown, Key::ALL.iter().copied()), hint);
        }
        let all = Key::hint("backlog", Key::live());
        assert_eq!(
            all,
            "valid keys are syn-rate, syn-burst, hold, ports, monitor, drop-bad-flags, source-prefix-v6, \
             prefix-rate, distinct-limit, cookies, answer-rate, answer-network-rate, keep-options, first-syn, \
             check-acks"
        );
    }
}
