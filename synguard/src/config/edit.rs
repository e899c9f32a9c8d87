//! Edits of the configuration file's text: `set --save` changes values and keeps everything else, comments and order too. Pure.

use std::path::Path;

use synguard_model::settings::{Key, Patch, SettingValue, Settings};
use toml::de::DeTable;

use super::{ConfigError, file};

/// A configuration file with new values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EditedFile {
    pub(crate) text: String,
    /// The values that were saved.
    pub(crate) saved: Vec<(Key, SettingValue)>,
    /// Saved keys that the flags of `attach` give another value, which wins at the next start.
    pub(crate) overridden: Vec<Key>,
}

/// Returns the file's text with the values that the settings in force have for `keys`, and for the keys that would follow from
/// these otherwise: a burst of its own in the file, which would no longer suit the rate.
///
/// # Errors
/// A mistake in the file, or one that an edit would make.
pub(crate) fn edit(
    path: &Path,
    text: &str,
    flags: &Patch,
    in_force: &Settings,
    keys: &[Key],
) -> Result<EditedFile, ConfigError> {
    let former = file::parse(path, text)?.patch;
    let mut keys = keys.to_vec();
    let is_left_behind = keys.contains(&Key::SynRate) && !keys.contains(&Key::DERIVED);
    if is_left_behind && former.gives(Key::DERIVED) {
        keys.push(Key::DERIVED);
    }
    let values: Vec<_> = in_force.values().into_iter().filter(|(key, _)| keys.contains(key)).collect();
    let mut wanted = former;
    for (key, value) in &values {
        let in_file = |error| ConfigError::Edit { path: path.to_owned(), error };
        wanted.put(*key, &value.to_string()).map_err(|error| in_file(error.to_string()))?;
    }
    let replaced = replace(path, text, &values)?;
    // A line that looks like a comment may be part of a text: then the new lines go to the end.
    let text = [true, false]
        .into_iter()
        .map(|beside_example| insert(&replaced.0, &replaced.1, beside_example))
        .find(|text| file::parse(path, text).is_ok_and(|file| file.patch == wanted))
        .ok_or_else(|| ConfigError::Edit {
            path: path.to_owned(),
            error: "its form is unusual, so edit it by hand".to_owned(),
        })?;
    let given = flags.values();
    let overridden = values
        .iter()
        .filter(|(key, value)| given.iter().any(|(given, theirs)| given == key && theirs != value));
    let overridden = overridden.map(|(key, _)| *key).collect();
    Ok(EditedFile { text, saved: values, overridden })
}

/// Replaces the values of the keys that the text has, and returns the values of the other keys.
fn replace(
    path: &Path,
    text: &str,
    values: &[(Key, SettingValue)],
) -> Result<(String, Vec<(Key, SettingValue)>), ConfigError> {
    let unreadable = |error: toml::de::Error| ConfigError::Edit {
        path: path.to_owned(),
        error: error.message().to_owned(),
    };
    let table = DeTable::parse(text).map_err(unreadable)?;
    let mut spans = Vec::new();
    let mut missing = Vec::new();
    for (key, value) in values {
        let is_key = |name: &str| Key::by_name(name).is_some_and(|(found, _)| found == *key);
        match table.get_ref().iter().find(|(name, _)| is_key(name.get_ref())) {
            Some((_, found)) => spans.push((found.span(), value.to_toml())),
            None => missing.push((*key, value.clone())),
        }
    }
    spans.sort_by_key(|(span, _)| span.start);
    let mut replaced = text.to_owned();
    for (span, value) in spans.into_iter().rev() {
        replaced.replace_range(span, &value);
    }
    Ok((replaced, missing))
}

/// Inserts a line for each value: after the key's example, which is a comment, or at the end.
fn insert(text: &str, values: &[(Key, SettingValue)], beside_example: bool) -> String {
    let mut text = text.to_owned();
    for (key, value) in values {
        let is_example = |line: &str| {
            let comment = line.trim_start().strip_prefix('#').map(str::trim_start);
            let rest = comment.and_then(|comment| comment.strip_prefix(key.name()));
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let mut end = 0;
        let ends = text.split_inclusive('\n').filter_map(|line| {
            end += line.len();
            (beside_example && is_example(line)).then_some(end)
        });
        let at = ends.last().unwrap_or(text.len());
        let newline = if text[..at].is_empty() || text[..at].ends_with('\n') { "" } else { "\n" };
        text.insert_str(at, &format!("{newline}{key} = {}\n", value.to_toml()));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_model::settings::example_file;

    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        settings.set_all(pairs.iter().copied()).expect("valid");
        settings
    }

    fn edited(text: &str, pairs: &[(&str, &str)]) -> EditedFile {
        let keys: Vec<Key> = pairs.iter().map(|(name, _)| Key::by_name(name).expect("a key").0).collect();
        edit(Path::new("/x.toml"), text, &Patch::default(), &settings(pairs), &keys).expect("valid")
    }

    /// Returns the settings that the text gives.
    fn read(text: &str) -> Settings {
        let patch = file::parse(Path::new("/x.toml"), text).expect("valid").patch;
        Settings::default().patched(&patch).expect("valid")
    }

    #[test]
    fn comments_and_order_are_kept() {
        let text = "# mine\ninterfaces = [\"eth0\"] # WAN\n\n  syn-rate = 70   # as measured\n# hold\n#hold = \"10s\"\nports = [\n  80, # http\n  443,\n]\n";
        assert_eq!(
            edited(text, &[("syn-rate", "500"), ("hold", "1m"), ("ports", "22"), ("monitor", "true")]).text,
            "# mine\ninterfaces = [\"eth0\"] # WAN\n\n  syn-rate = 500   # as measured\n# hold\n#hold = \"10s\"\nhold = \"1m\"\nports = \"22\"\nmonitor = true\n"
        );
        assert_eq!(edited("", &[("hold", "1m")]).text, "hold = \"1m\"\n");
        assert_eq!(edited("monitor = true", &[("hold", "1m")]).text, "monitor = true\nhold = \"1m\"\n");
        assert_eq!(edited("answer-rate = 5\n", &[("syn-cookie-rate", "7")]).text, "answer-rate = 7\n");
    }

    #[test]
    fn example_file_takes_every_setting_beside_its_comment() {
        let pairs = [("syn-rate", "500"), ("hold", "1m"), ("check-acks", "false")];
        let text = edited(&example_file(), &pairs).text;
        for line in ["#syn-rate = 100\nsyn-rate = 500\n", "#hold = \"10s\"\nhold = \"1m\"\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(text.lines().count(), example_file().lines().count() + pairs.len());
    }

    #[test]
    fn burst_in_the_file_follows_the_settings_in_force() {
        let text = "syn-rate = 70\nsyn-burst = 140\n";
        let file = edited(text, &[("syn-rate", "500")]);
        assert_eq!(file.text, "syn-rate = 500\nsyn-burst = 1000\n");
        assert_eq!(read(&file.text), settings(&[("syn-rate", "500")]));
        assert_eq!(edited("syn-rate = 70\n", &[("syn-rate", "500")]).text, "syn-rate = 500\n");
    }

    #[test]
    fn flag_that_wins_over_the_saved_value_is_named() {
        let mut flags = Patch::default();
        flags.put(Key::SynRate, "50").expect("in range");
        flags.put(Key::Hold, "1m").expect("in range");
        let in_force = settings(&[("syn-rate", "500"), ("hold", "1m")]);
        let keys = [Key::SynRate, Key::Hold];
        let file = edit(Path::new("/x"), "", &flags, &in_force, &keys).expect("valid");
        assert_eq!(file.overridden, [Key::SynRate]);
    }

    #[test]
    fn invalid_file_is_refused_with_its_line() {
        let keys = [Key::SynRate];
        let error = edit(Path::new("/x"), "\nhold = 5\n", &Patch::default(), &Settings::default(), &keys);
        assert!(error.expect_err("invalid").to_string().starts_with("/x:2: hold = 5: "));
    }

    #[test]
    fn comment_inside_a_list_is_no_place_for_a_line() {
        let text = "ports = [\n# hold = 1\n80]\n";
        assert_eq!(edited(text, &[("hold", "1m")]).text, format!("{text}hold = \"1m\"\n"));
    }

    proptest! {
        #[test]
        fn edit_changes_nothing_but_the_saved_keys(
            rate in 1u32..=1_000_000,
            hold in 0u32..86_400,
            monitor in any::<bool>(),
            lines in prop::collection::vec(0usize..6, 0..6),
        ) {
            const LINES: [&str; 6] = [
                "# a comment\n", "\n", "keep-on-exit = true\n", "max-list = 77 # x\n", "#hold = \"10s\"\n", "#\n",
            ];
            let mut lines = lines;
            lines.sort_unstable();
            lines.dedup();
            let text: String = lines.into_iter().map(|at| LINES[at]).collect();
            let pairs = [("syn-rate", rate.to_string()), ("hold", format!("{hold}s")), ("monitor", monitor.to_string())];
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let file = edited(&text, &pairs);
            let kept: String = file.text.split_inclusive('\n').filter(|line| text.contains(line)).collect();
            prop_assert_eq!(kept, text);
            prop_assert_eq!(read(&file.text), settings(&pairs));
        }
    }
}
