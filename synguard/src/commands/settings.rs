//! `synguard set`, `show` and `confirm`: the live settings.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use synguard_kernel::{
    clock,
    instance::Instance,
    lock::{self, Lock},
};
use synguard_model::{
    error::{ExitKind, failure},
    event::Event,
    settings::{Key, SettingChange, SettingOrigin, SettingSources, SettingValue, Settings},
};

use super::{filter::open, stdout::emit};
use crate::{
    audit,
    cli::Assignment,
    config::{record::AttachRecord, save::PreparedSave},
    output::{SchemaVersion, ShowJson, to_line},
};

/// Changes settings, all of them or none, prints what changed and how long that lasts, and with `save` writes the configuration
/// file. Without assignments it saves what is in force. Warns of old names.
///
/// # Errors
/// A setting is not valid, or cannot be saved. Only if the file cannot be written have the settings changed then.
pub(super) fn set(instance: &Instance, assignments: &[Assignment], save: bool) -> Result<()> {
    let mut datapath = open(instance)?;
    let _lock = Lock::change(instance)?;
    let (before, disarm_at_ns) = datapath.settings()?;
    let mut after = before.clone();
    let renamed = after
        .set_all(assignments.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())))
        .map_err(|error| failure(ExitKind::Invalid, error.to_string()))?;
    for renamed in &renamed {
        log::warn!("{renamed}");
    }
    let keys = if assignments.is_empty() {
        unsaved_keys(instance, &after)
    } else {
        assignments.iter().filter_map(|pair| Key::by_name(&pair.key)).map(|(key, _)| key).collect()
    };
    let prepared = save.then(|| PreparedSave::new(&instance.run, &after, &keys)).transpose()?;
    datapath.set_settings(&after, disarm_at_ns)?;
    let changes = before.changes_to(&after);
    let mut text = changes_text(&changes);
    for caution in after.new_cautions(&before) {
        let _ = writeln!(text, "note: {caution}");
    }
    let saved = match prepared {
        Some(prepared) => {
            let (line, path) = (saved_text(instance, &prepared), prepared.path().display().to_string());
            prepared.write(&instance.run).map(|()| {
                text += &line;
                Some(path)
            })
        }
        None => {
            text += &duration_text(instance, &changes);
            Ok(None)
        }
    };
    if !changes.is_empty() || matches!(saved, Ok(Some(_))) {
        let saved = saved.as_ref().ok().cloned().flatten();
        audit::record(instance, |actor| Event::SettingsChanged { changes, saved, actor });
    }
    emit(text)?;
    saved.context("the settings are in force, but they are not saved").map(drop)
}

/// Returns the keys that were set and not saved.
fn unsaved_keys(instance: &Instance, in_force: &Settings) -> Vec<Key> {
    let origins = AttachRecord::read(&instance.run).map(|record| record.sources.origins(in_force));
    let set = origins.into_iter().flatten().filter(|(.., origin)| *origin == SettingOrigin::Set);
    set.map(|(key, ..)| key).collect()
}

/// Returns a line for each change.
fn changes_text(changes: &[SettingChange]) -> String {
    if changes.is_empty() {
        return "nothing has changed: these are the settings already\n".to_owned();
    }
    changes.iter().map(|change| change.text() + "\n").collect()
}

/// Says where the settings were saved, and which of them the next start will not use.
fn saved_text(instance: &Instance, prepared: &PreparedSave) -> String {
    let mut text = format!("saved in {}\n", prepared.path().display());
    for key in prepared.overridden() {
        let attach = instance.command("attach");
        let _ =
            writeln!(text, "note: `{attach}` was given --{key}, which wins over the file at the next start");
    }
    text
}

/// Says how long settings last that were not saved.
fn duration_text(instance: &Instance, changes: &[SettingChange]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let until = if lock::controller_pid(instance).is_some() {
        format!("until `{}`, a restart or detach", instance.command("reload"))
    } else {
        "until the next attach, or detach".to_owned()
    };
    format!("in force {until}; to keep it: {}\n", instance.command("set --save"))
}

/// Prints the settings in force and their origins.
pub(super) fn show(instance: &Instance, as_json: bool) -> Result<()> {
    let (settings, _) = open(instance)?.settings()?;
    let record = AttachRecord::read(&instance.run);
    let origins = origins(&settings, record.as_ref().map(|record| &record.sources));
    if as_json {
        let origin = origins.iter().map(|(key, _, origin)| (key.name(), *origin)).collect();
        let file = record.map(|record| record.file);
        return emit(to_line(&ShowJson { schema: SchemaVersion, settings, origin, file })?);
    }
    let file = record.map_or(String::new(), |record| record.file.display().to_string());
    emit(show_text(&origins, &file))
}

/// Returns each setting with its origin, which is unknown if the sources are.
fn origins(settings: &Settings, sources: Option<&SettingSources>) -> Vec<(Key, SettingValue, SettingOrigin)> {
    match sources {
        Some(sources) => sources.origins(settings),
        None => {
            let values = settings.values().into_iter();
            values.map(|(key, value)| (key, value, SettingOrigin::Unknown)).collect()
        }
    }
}

/// Returns a line of TOML for each setting, with its origin as a comment.
fn show_text(origins: &[(Key, SettingValue, SettingOrigin)], file: &str) -> String {
    let line = |(key, value, origin): &(Key, SettingValue, SettingOrigin)| {
        let origin = match origin {
            SettingOrigin::Default => "default".to_owned(),
            SettingOrigin::File => format!("file {file}"),
            SettingOrigin::CommandLine => "command line of attach".to_owned(),
            SettingOrigin::Set => "set, not saved".to_owned(),
            SettingOrigin::Unknown => "origin unknown".to_owned(),
        };
        format!("{:<32} # {origin}\n", format!("{key} = {}", value.to_toml()))
    };
    origins.iter().map(line).collect()
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
    audit::record(instance, |actor| Event::Confirmed { actor });
    emit("confirmed: the filter stays\n")
}

#[cfg(test)]
mod tests {
    use synguard_model::settings::{Patch, RenamedKey};

    use super::*;

    #[test]
    fn changed_settings_are_named_with_both_values() {
        let before = Settings::default();
        let mut after = before.clone();
        after.set_all([("syn-rate", "200"), ("hold", "30s"), ("monitor", "false")]).expect("valid");
        assert_eq!(
            changes_text(&before.changes_to(&after)),
            "syn-rate 100 → 200\nsyn-burst 200 → 400\nhold 10s → 30s\n"
        );
        assert_eq!(changes_text(&[]), "nothing has changed: these are the settings already\n");
    }

    #[test]
    fn shown_settings_are_toml_that_set_takes() {
        let mut flags = Patch::default();
        flags.put(Key::Ports, "80,443").expect("in range");
        let sources = SettingSources { flags, ..SettingSources::default() };
        let mut settings = sources.settings().expect("valid");
        settings.set_all([("hold", "1m")]).expect("valid");
        let text = show_text(&origins(&settings, Some(&sources)), "/x.toml");
        for line in [
            "syn-rate = 100                   # default\n",
            "hold = \"1m\"                      # set, not saved\n",
            "ports = \"80,443\"                 # command line of attach\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let mut again = Settings::default();
        let pairs: Vec<_> = text.lines().map(|line| Assignment::parse(line).expect("a setting")).collect();
        let pairs = pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str()));
        assert_eq!(again.set_all(pairs), Ok(Vec::<RenamedKey>::new()));
        assert_eq!(again, settings);
        assert!(
            show_text(&origins(&settings, None), "").lines().all(|line| line.ends_with("# origin unknown"))
        );
    }
}
