//! `synguard set`, `show` and `confirm`: the live settings.

use anyhow::Result;
use synguard_kernel::{clock, instance::Instance, lock::Lock};
use synguard_model::{
    error::{ExitKind, failure},
    settings::Settings,
};

use super::{filter::open, stdout::emit};
use crate::{
    cli::Assignment,
    output::{SchemaVersion, ShowJson, to_line},
};

/// Changes settings, all of them or none, and prints what changed. Warns of old names.
pub(super) fn set(instance: &Instance, assignments: &[Assignment]) -> Result<()> {
    let mut datapath = open(instance)?;
    let _lock = Lock::change(instance)?;
    let (before, disarm_at_ns) = datapath.settings()?;
    let mut settings = before.clone();
    let renamed = settings
        .set_all(assignments.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())))
        .map_err(|error| failure(ExitKind::Invalid, error.to_string()))?;
    for renamed in renamed {
        log::warn!("{renamed}");
    }
    datapath.set_settings(&settings, disarm_at_ns)?;
    emit(changes_text(&before, &settings))
}

/// Returns a line for each setting that differs.
fn changes_text(before: &Settings, after: &Settings) -> String {
    let pairs = before.entries().into_iter().zip(after.entries());
    let lines: Vec<String> = pairs
        .filter(|((_, old), (_, new))| old != new)
        .map(|((key, old), (_, new))| format!("{key} {old} → {new}\n"))
        .collect();
    if lines.is_empty() {
        "nothing has changed: these are the settings already\n".to_owned()
    } else {
        lines.concat()
    }
}

/// Prints the settings in force.
pub(super) fn show(instance: &Instance, as_json: bool) -> Result<()> {
    let (settings, _) = open(instance)?.settings()?;
    if as_json {
        return emit(to_line(&ShowJson { schema: SchemaVersion, settings })?);
    }
    let lines: Vec<String> =
        settings.entries().iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    emit(lines.concat())
}

/// Keeps a filter that was attached with `--confirm`, unless its time has run out.
pub(super) fn confirm(instance: &Instance) -> Result<()> {
    let mut datapath = open(instance)?;
    let _lock = Lock::change(instance)?;
    let (settings, disarm_at_ns) = datapath.settings()?;
    if disarm_at_ns == 0 {
        return emit("nothing to confirm: the filter stays as it is\n");
    }
    if clock::now_ns() >= disarm_at_ns {
        let message = "too late: the time to confirm has run out and the filter drops nothing; attach again";
        return Err(failure(ExitKind::NotAttached, message));
    }
    datapath.set_settings(&settings, 0)?;
    emit("confirmed: the filter stays\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_settings_are_named_with_both_values() {
        let before = Settings::default();
        let mut after = before.clone();
        after.set_all([("syn-rate", "200"), ("hold", "30s"), ("monitor", "false")]).expect("valid");
        assert_eq!(
            changes_text(&before, &after),
            "syn-rate 100 → 200\nsyn-burst 200 → 400\nhold 10s → 30s\n"
        );
        assert_eq!(changes_text(&after, &after), "nothing has changed: these are the settings already\n");
    }
}
