//! Names of settings: the same in the file, for `set` and, after `--`, as flags.

use std::fmt;

use super::table::Key;

/// An old name of a setting, which was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenamedKey {
    pub old: &'static str,
    pub key: Key,
}

impl Key {
    /// Returns the key as it is written.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the name that the key had before, which is accepted until 0.2.
    pub const fn old_name(self) -> Option<&'static str> {
        self.row().old_name
    }

    /// Returns the name in capitals, which stands for the value in help.
    pub const fn value_name(self) -> &'static str {
        self.row().value_name
    }

    /// Reports whether `set` can change it while the filter is attached.
    pub const fn is_live(self) -> bool {
        self.row().is_live
    }

    /// Returns the live keys, in the order of `show`.
    pub fn live() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|key| key.is_live())
    }

    /// Returns the keys that hold from one attach to the next.
    pub fn at_attach() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|key| !key.is_live())
    }

    /// Returns the key of that name, and the old name if it is one.
    pub fn by_name(name: &str) -> Option<(Self, Option<RenamedKey>)> {
        Self::ALL.iter().find_map(|&key| match key.old_name() {
            _ if key.name() == name => Some((key, None)),
            Some(old) if old == name => Some((key, Some(RenamedKey { old, key }))),
            _ => None,
        })
    }

    /// Describes the key in a line without a full stop.
    pub fn summary(self) -> String {
        let paragraph = self.paragraphs().swap_remove(0);
        paragraph.strip_suffix('.').map_or_else(|| paragraph.clone(), str::to_owned)
    }

    /// Returns the paragraphs of the documentation, each on one line.
    pub fn paragraphs(self) -> Vec<String> {
        let paragraphs = self.row().doc.split(|line| line.is_empty());
        paragraphs.map(|lines| lines.concat().trim().to_owned()).collect()
    }

    /// Returns the default as help states it.
    pub fn default_text(self) -> String {
        self.row().default_note.map_or_else(|| self.default_value().to_string(), str::to_owned)
    }

    /// Returns a hint at the right name for an unknown one: the nearest of `valid`, or if none is near, all of them.
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

impl fmt::Display for RenamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is now called {}; synguard 0.2 will not know the old name", self.old, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_keys() {
        for &key in Key::ALL {
            assert_eq!(Key::by_name(key.name()), Some((key, None)));
            assert_eq!(Key::ALL.iter().filter(|other| other.old_name() == Some(key.name())).count(), 0);
        }
        assert_eq!(Key::by_name("syn_rate"), None);
    }

    #[test]
    fn old_names_lead_to_the_new_ones() {
        for (old, key) in [
            ("answer-rate", Key::SynCookieRate),
            ("keep-options", Key::SynCookieOptions),
            ("first-syn", Key::DropFirstSyn),
        ] {
            assert_eq!(Key::by_name(old), Some((key, Some(RenamedKey { old, key }))));
            let warning = format!("{old} is now called {key}; synguard 0.2 will not know the old name");
            assert_eq!(RenamedKey { old, key }.to_string(), warning);
        }
        assert_eq!(Key::ALL.iter().filter_map(|key| key.old_name()).count(), 4);
    }

    #[test]
    fn every_key_has_a_summary() {
        for key in Key::ALL {
            assert!(!key.summary().is_empty() && !key.summary().ends_with('.'), "{key}");
            assert!(key.paragraphs().iter().all(|paragraph| !paragraph.contains("  ")), "{key}");
        }
        assert_eq!(Key::SynRate.summary(), "SYNs a second that one source may send");
        assert_eq!(
            (Key::SynRate.default_text(), Key::SynBurst.default_text()),
            ("100".into(), "twice syn-rate".into())
        );
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
        // The test of the defaults has the names in this order.
        let names: Vec<_> = Key::live().map(Key::name).collect();
        assert_eq!(Key::hint("backlog", Key::live()), format!("valid keys are {}", names.join(", ")));
    }
}
