//! A setting is declared once: its name stands in few lines of product code, since all that can be derived from the
//! table of settings is derived from it.

use anyhow::Result;

use crate::lint::{
    breach::{Breach, deny},
    lexer::{Token, TokenKind},
    source_file::{Area, SourceFile},
};

/// The file with the table of settings: an invocation of `settings!`.
const TABLE: &str = "synguard/crates/model/src/settings/table.rs";
/// The most lines that may name a setting: its row, the field that the BPF program reads, and its uses.
const LINES_MAX: usize = 6;
/// The fewest settings that the table can have; fewer means that its form is no longer the one read here.
const SETTINGS_MIN: usize = 10;

/// Prints every setting that stands in too many lines.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    let Some(table) = files.iter().find(|file| file.path == TABLE) else {
        println!("no {TABLE} yet: not checked");
        return Ok(());
    };
    let names = setting_names(&table.code());
    if names.len() < SETTINGS_MIN {
        let message =
            format!("{} settings found: teach xtask's lint/settings.rs the table's form", names.len());
        return deny(&[Breach::new(TABLE, 0, message)]);
    }
    deny(&repeated(&names, files))
}

/// Returns the names in the rows of `settings! { /// Doc.\n name: …, /// Doc.\n name: …, }`: the identifiers with
/// a colon after them, directly in the braces, at the beginning of a row.
fn setting_names(code: &[&Token]) -> Vec<String> {
    let is = |at: usize, text: &str| code.get(at).is_some_and(|token: &&Token| token.is(text));
    let invocation = (0..code.len()).find(|&at| is(at, "settings") && is(at + 1, "!") && is(at + 2, "{"));
    let Some(invocation) = invocation else { return Vec::new() };
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for at in invocation + 2..code.len() {
        let text = if code[at].kind == TokenKind::Literal { "" } else { code[at].text.as_str() };
        match text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let begins_row = ["{", ",", ";", "}", "]"].iter().any(|text| code[at - 1].is(text));
        if depth == 1 && begins_row && code[at].kind == TokenKind::Ident && is(at + 1, ":") {
            names.push(code[at].text.clone());
        }
    }
    names
}

/// Returns the settings that stand in more than [`LINES_MAX`] lines of the product, each with its places.
fn repeated(names: &[String], files: &[SourceFile]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for name in names {
        let mut places = Vec::new();
        for file in files.iter().filter(|file| file.area() == Area::Product) {
            let lines = file.code().into_iter().filter(|token| is_named(token, name)).map(|token| token.line);
            places.extend(lines.map(|line| format!("{}:{line}", file.path)));
        }
        places.dedup();
        if places.len() > LINES_MAX {
            let message = format!(
                "{name} stands in {} lines, {LINES_MAX} at most: derive them from the table ({})",
                places.len(),
                places.join(" ")
            );
            breaches.push(Breach::new(TABLE, 0, message));
        }
    }
    breaches
}

/// Reports whether the token is the setting's field, its variant, its constant, or a string with its key.
fn is_named(token: &Token, name: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
    };
    match token.kind {
        TokenKind::Ident => plain(&token.text) == plain(name),
        TokenKind::Literal => token.text.trim_matches('"').replace('-', "_") == name,
        TokenKind::Lifetime | TokenKind::Punct => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "settings! {\n/// The rate.\ncookie_rate: Rate = 5 in 1..=9, live, abi(cookie_rate);\n\
        /// It is on.\n#[cfg(x)]\nenforce: bool = true,\nports: Set { from: u16, to: u16 }\nlast: u8\n}\nlet a: u8;";

    #[test]
    fn rows_of_the_table_are_its_settings() {
        let table = SourceFile::new(TABLE, ROWS);
        assert_eq!(setting_names(&table.code()), ["cookie_rate", "enforce", "ports", "last"]);
        assert!(setting_names(&SourceFile::new(TABLE, "struct A { b: u8 }").code()).is_empty());
    }

    #[test]
    fn one_line_too_many_is_a_breach() {
        let names = ["cookie_rate".to_owned()];
        let file = |lines: usize| {
            let uses = "f(x.cookie_rate, y.cookie_rate);\n".repeat(lines);
            let others = "// cookie_rate\nx.cookie_rates;\n#[cfg(test)] mod tests { cookie_rate; }\n";
            [SourceFile::new("synguard/src/a.rs", &(uses + others))]
        };
        assert_eq!(repeated(&names, &file(LINES_MAX)), []);
        assert_eq!(repeated(&names, &file(LINES_MAX + 1)).len(), 1);
    }

    #[test]
    fn every_spelling_of_a_setting_counts() {
        for (text, counts) in [
            ("CookieRate", true),
            ("COOKIE_RATE", true),
            ("\"cookie-rate\"", true),
            ("\"cookie-rate is\"", false),
            ("rate", false),
        ] {
            let token = &SourceFile::new("a.rs", text).tokens[0];
            assert_eq!(is_named(token, "cookie_rate"), counts, "{text}");
        }
    }
}
