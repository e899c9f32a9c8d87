//! Changes of settings.

use serde::{Deserialize, Serialize};

use super::{AttachOptions, Key, Patch, SettingValue, Settings};

/// One setting with its former and its new value, in the form that `set` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct SettingChange {
    pub key: String,
    pub from: String,
    pub to: String,
    /// True if the former value was given with `set`, which this change undoes.
    pub undoes_set: bool,
}

impl SettingChange {
    /// Returns a change that undoes nothing.
    pub fn new(key: Key, from: impl ToString, to: impl ToString) -> Self {
        Self { key: key.name().to_owned(), from: from.to_string(), to: to.to_string(), undoes_set: false }
    }

    /// Returns the change in words.
    pub fn text(&self) -> String {
        let Self { key, from, to, undoes_set } = self;
        let set = if *undoes_set { " (was set by `set`)" } else { "" };
        format!("{key} {from} → {to}{set}")
    }
}

impl Settings {
    /// Returns a change for each setting whose value differs in `after`.
    pub fn changes_to(&self, after: &Self) -> Vec<SettingChange> {
        changes(self.values(), after.values())
    }
}

impl Patch {
    /// Reports whether the patch has a value for the key.
    pub fn gives(&self, key: Key) -> bool {
        self.values().iter().any(|(given, _)| *given == key)
    }
}

impl AttachOptions {
    /// Returns a change for each option whose value differs in `after`.
    pub fn changes_to(&self, after: &Self) -> Vec<SettingChange> {
        changes(self.values(), after.values())
    }
}

/// Returns the differences of two lists of values with the same keys.
fn changes(before: Vec<(Key, SettingValue)>, after: Vec<(Key, SettingValue)>) -> Vec<SettingChange> {
    let pairs = before.into_iter().zip(after).filter(|((_, from), (_, to))| from != to);
    pairs.map(|((key, from), (_, to))| SettingChange::new(key, from, to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_the_values_that_differ() {
        let before = Settings::default();
        let mut after = before.clone();
        after.set_all([("syn-rate", "200"), ("hold", "30s"), ("monitor", "false")]).expect("valid");
        let lines = |changes: Vec<SettingChange>| changes.iter().map(SettingChange::text).collect::<Vec<_>>();
        let expected = ["syn-rate 100 → 200", "syn-burst 200 → 400", "hold 10s → 30s"];
        assert_eq!(lines(before.changes_to(&after)), expected);
        assert_eq!(before.changes_to(&before), []);
        let old = AttachOptions { interfaces: vec!["eth0".to_owned()], ..AttachOptions::default() };
        let interfaces = vec!["eth0".to_owned(), "wan1".to_owned()];
        let new = AttachOptions { interfaces, ..AttachOptions::default() };
        assert_eq!(lines(old.changes_to(&new)), ["interfaces eth0 → eth0 wan1"]);
    }
}
