//! Reading the settings again, and what that changes and undoes.

use anyhow::Result;
use synguard_datapath::Datapath;
use synguard_kernel::lock::Lock;
use synguard_model::settings::{SettingChange, SettingOrigin, SettingSources, Settings};

use super::ControllerOptions;
use crate::config::record::AttachRecord;

/// Result of a reload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reload {
    /// The settings in force that changed.
    pub(super) changes: Vec<SettingChange>,
    /// The options that differ from those in use, which only an attach can change.
    pub(super) at_next_attach: Vec<SettingChange>,
}

/// Reads settings and options from their sources, and puts the settings in force.
///
/// # Errors
/// The file is not valid, or the settings cannot be changed. Nothing has changed then.
pub(super) fn apply(options: &mut ControllerOptions<'_>, datapath: &mut Datapath) -> Result<Reload> {
    let config = (options.reload)()?;
    let run = &options.instance.run;
    let _lock = Lock::change(options.instance)?;
    let (in_force, disarm_at_ns) = datapath.settings()?;
    datapath.set_settings(&config.settings, disarm_at_ns)?;
    // `set --save` may have written a later record.
    let sources =
        AttachRecord::read(run).map_or_else(|| options.record.sources.clone(), |record| record.sources);
    options.record = AttachRecord::new(&config.file, config.sources);
    options.record.publish(run);
    Ok(Reload {
        changes: changes(&sources, &in_force, &config.settings),
        at_next_attach: options.options.changes_to(&config.options),
    })
}

/// Returns the changes from the settings in force to new ones. `sources` are those of the settings in force.
fn changes(sources: &SettingSources, in_force: &Settings, new: &Settings) -> Vec<SettingChange> {
    let origins = sources.origins(in_force);
    let was_set = |name: &str| {
        origins.iter().any(|(key, _, origin)| key.name() == name && *origin == SettingOrigin::Set)
    };
    let mut changes = in_force.changes_to(new);
    for change in &mut changes {
        change.undoes_set = was_set(&change.key);
    }
    changes
}

#[cfg(test)]
mod tests {
    use synguard_model::settings::Key;

    use super::*;

    #[test]
    fn reload_marks_what_was_set() {
        let mut sources = SettingSources::default();
        sources.file.put(Key::Hold, "20s").expect("in range");
        let mut in_force = sources.settings().expect("valid");
        in_force.set_all([("syn-rate", "500")]).expect("valid");
        let mut new = sources.clone();
        new.file.put(Key::Hold, "30s").expect("in range");
        let changes = changes(&sources, &in_force, &new.settings().expect("valid"));
        let lines: Vec<_> = changes.iter().map(SettingChange::text).collect();
        let expected = ["syn-rate 500 → 100 (was set by `set`)", "syn-burst 1000 → 200", "hold 20s → 30s"];
        assert_eq!(lines, expected);
    }
}
