//! `synguard set`, `show` and `confirm`: the live settings.

use anyhow::Result;
use synguard_kernel::{clock, instance::Instance, lock::Lock};
use synguard_model::error::{ExitKind, failure};

use super::{filter::open, stdout::emit};
use crate::{
    cli::Assignment,
    output::{SchemaVersion, ShowJson, to_line},
};

/// Changes settings, all of them or none. Warns of old names.
pub(super) fn set(instance: &Instance, assignments: &[Assignment]) -> Result<()> {
    let mut datapath = open(instance)?;
    let _lock = Lock::change(instance)?;
    let (mut settings, disarm_at_ns) = datapath.settings()?;
    let renamed = settings
        .set_all(assignments.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())))
        .map_err(|error| failure(ExitKind::Invalid, error.to_string()))?;
    for renamed in renamed {
        log::warn!("{renamed}");
    }
    datapath.set_settings(&settings, disarm_at_ns)
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
