//! The text of `synguard.toml`, the configuration file that states every key with its default.

use std::fmt::Write as _;

use super::{Key, Syntax};

/// Longest line of the file.
const WIDTH: usize = 110;

const HEAD: &str = "\
# Configuration of synguard: /etc/synguard/synguard.toml, or the file that `synguard attach --config` names.
#
# Each key is shown with its default and means the same as the flag of that name; a flag wins over the file.
# To change one, remove its `#`. `synguard attach` reads the file, and `synguard reload` reads it again.
#
# Durations are a number and a unit: ms, s, m, h or d, such as \"500ms\", \"30s\" or \"1h30m\".
";

/// Returns the text of `synguard.toml`.
pub fn example_file() -> String {
    let mut file = HEAD.to_owned();
    heading(&mut file, "Attaching: these keys are read when the filter is attached.");
    Key::at_attach().for_each(|key| entry(&mut file, key));
    heading(
        &mut file,
        "Live settings: `synguard set KEY=VALUE` also changes them while the filter is attached.",
    );
    Key::live().for_each(|key| entry(&mut file, key));
    file
}

fn heading(file: &mut String, text: &str) {
    let _ = write!(file, "\n##\n## {text}\n##\n");
}

fn entry(file: &mut String, key: Key) {
    file.push('\n');
    comment(file, &key.paragraphs().join(" "), "");
    if let Syntax::Choice(names) = key.syntax() {
        for choice in names {
            comment(file, &format!("\"{}\": {}.", choice.name, choice.help()), "  ");
        }
    }
    if let Some(range) = range(key) {
        comment(file, &range, "");
    }
    let value = match (key.syntax(), key.default_value()) {
        (Syntax::Interfaces, _) => "[\"eth0\"]".to_owned(),
        (_, value) => value.to_toml(),
    };
    let _ = writeln!(file, "#{key} = {value}");
}

/// States the range of a number or duration, and a default that is not a fixed value.
fn range(key: Key) -> Option<String> {
    let range = match key.syntax() {
        Syntax::Number(range) => Some(format!("{range}.")),
        Syntax::Duration(range) => Some(format!(
            "\"{}\" to \"{}\".",
            crate::duration::format(range.min),
            crate::duration::format(range.max)
        )),
        Syntax::Boolean | Syntax::Ports | Syntax::Interfaces | Syntax::Choice(_) => None,
    };
    let is_fixed = key.default_text() == key.default_value().to_string();
    let note = (!is_fixed).then(|| format!("Default: {}.", key.default_text()));
    let sentences: Vec<_> = range.into_iter().chain(note).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// Writes a paragraph as comment lines, the lines after the first indented by `indent` more.
fn comment(file: &mut String, text: &str, indent: &str) {
    let mut line = format!("#{indent}");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(file, "{line}");
            line = format!("#{indent}{indent}");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(file, "{line}");
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;

    #[test]
    fn example_file_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../synguard.toml");
        if env::var_os("SYNGUARD_UPDATE").is_some() {
            fs::write(&path, example_file()).expect("written");
        }
        let file = fs::read_to_string(&path).expect("readable");
        assert!(
            file == example_file(),
            "synguard.toml differs from the table of settings: \
             run `SYNGUARD_UPDATE=1 cargo test -p synguard-model example_file` and commit it"
        );
    }

    #[test]
    fn lines_are_short() {
        for line in example_file().lines() {
            assert!(line.chars().count() <= WIDTH && line.trim_end() == line, "{line}");
        }
    }
}
