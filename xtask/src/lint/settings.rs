//! A setting is declared once, as a row of the table of settings. All that can be derived from the row is derived from it,
//! so that few lines of the product name the setting, in whichever spelling: `syn_burst`, `syn-burst` or `SynBurst`.

use anyhow::Result;

use crate::lint::{
    breach::{Breach, deny},
    lexer::{Token, TokenKind},
    source_file::{Area, SourceFile},
};

/// The file with the table of settings: an invocation of `settings!`.
const TABLE: &str = "synguard/crates/model/src/settings/table.rs";
/// The most lines that may name a setting, with its row of the table and its line of `synguard.toml`.
const LINES_MAX: usize = 6;
/// Lines of `synguard.toml`, which is generated from the table, that stand for each setting.
const LINES_OF_FILE: usize = 1;
/// Settings whose fields share their name with something else: the measured rate of a source, the limit in an event, and
/// the share of the rate that each CPU has. Their fields are not counted, as those of one word, such as `mode`, are not.
const SHARED_NAMES: [&str; 3] = ["syn_rate", "distinct_limit", "prefix_rate"];
/// The fewest settings that the table can have; fewer means that its form is no longer the one read here.
const SETTINGS_MIN: usize = 10;

/// Prints every setting that too many lines name.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    let table = files.iter().find(|file| file.path == TABLE);
    let rows = table.map(|table| setting_rows(&table.code())).unwrap_or_default();
    if rows.len() < SETTINGS_MIN {
        let message =
            format!("{} settings found: teach xtask's lint/settings.rs the table's form", rows.len());
        return deny(&[Breach::new(TABLE, 0, message)]);
    }
    deny(&repeated(&rows, files))
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SettingRow {
    /// The variant of `Key`.
    variant: String,
    /// The name of the field.
    field: String,
}

/// Returns the rows of `settings! { group { /// Doc.\n Variant field: type = …; … } … }`: those that begin with two
/// identifiers and a colon.
fn setting_rows(code: &[&Token]) -> Vec<SettingRow> {
    let is = |at: usize, text: &str| code.get(at).is_some_and(|token: &&Token| token.is(text));
    let invocation = (0..code.len()).find(|&at| is(at, "settings") && is(at + 1, "!") && is(at + 2, "{"));
    let Some(open) = invocation.map(|at| at + 2) else { return Vec::new() };
    let mut rows = Vec::new();
    let mut depth = 0_usize;
    for at in open..code.len() {
        match code[at].text.as_str() {
            _ if code[at].kind != TokenKind::Punct => {}
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let begins_row = code[at].is("{") || code[at].is(";");
        let is_name = code.get(at + 2).is_some_and(|name| name.kind == TokenKind::Ident) && is(at + 3, ":");
        if depth == 2 && begins_row && is_name {
            rows.push(SettingRow { variant: code[at + 1].text.clone(), field: code[at + 2].text.clone() });
        }
    }
    rows
}

/// Returns the settings that more than [`LINES_MAX`] lines of the product name, each with its places.
fn repeated(rows: &[SettingRow], files: &[SourceFile]) -> Vec<Breach> {
    let mut places = vec![Vec::new(); rows.len()];
    for file in files.iter().filter(|file| file.area() == Area::Product) {
        let code = file.code();
        for at in 0..code.len() {
            let named = rows.iter().zip(&mut places).filter(|(row, _)| names_setting(&code, at, row));
            named.for_each(|(_, places)| places.push(format!("{}:{}", file.path, code[at].line)));
        }
    }
    let mut breaches = Vec::new();
    for (row, places) in rows.iter().zip(&mut places) {
        places.dedup();
        let lines = places.len() + LINES_OF_FILE;
        if lines > LINES_MAX {
            let message = format!(
                "{lines} lines name {}, {LINES_MAX} at most: derive them from the table ({})",
                row.field,
                places.join(" ")
            );
            breaches.push(Breach::new(TABLE, 0, message));
        }
    }
    breaches
}

/// Reports whether the token is the setting's field, `Key::Variant`, or a string with the key alone. Messages and examples
/// that contain the key are not counted: tests parse them.
fn names_setting(code: &[&Token], at: usize, row: &SettingRow) -> bool {
    let is_variant =
        || at > 1 && code[at].text == row.variant && code[at - 1].is("::") && code[at - 2].is("Key");
    match code[at].kind {
        TokenKind::Literal => {
            let text = code[at].text.trim_matches('"').trim_start_matches("--").replace('-', "_");
            text == row.field && row.field.contains('_')
        }
        TokenKind::Ident if code[at].text == row.field => {
            row.field.contains('_') && !SHARED_NAMES.contains(&row.field.as_str())
        }
        _ => is_variant(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "settings! {\nlive {\n/// The rate.\nCookieRate cookie_rate: u32 = 5, number(1, 9), field(rate);\n\
        /// Time.\nHold hold: Duration = Duration::ZERO, DurationRange { min: MIN, max: DAY }, flag(F);\n}\n\
        at_attach {\n/// Ports.\nPorts ports: Ports = Ports::All, PortList, default \"a\";\n}\n}\nfn f() { let a: u8; }";

    fn row(variant: &str, field: &str) -> SettingRow {
        SettingRow { variant: variant.to_owned(), field: field.to_owned() }
    }

    #[test]
    fn rows_of_the_table_are_its_settings() {
        let table = SourceFile::new(TABLE, ROWS);
        let expected = [row("CookieRate", "cookie_rate"), row("Hold", "hold"), row("Ports", "ports")];
        assert_eq!(setting_rows(&table.code()), expected);
        assert!(setting_rows(&SourceFile::new(TABLE, "struct A { B b: u8 }").code()).is_empty());
    }

    #[test]
    fn line_beyond_the_limit_is_a_breach() {
        let rows = [row("CookieRate", "cookie_rate"), row("Mode", "mode")];
        let file = |lines: usize| {
            let named = "f(Key::CookieRate, \"cookie-rate\", settings.cookie_rate);\n".repeat(lines);
            let others = "// Key::CookieRate\n#[cfg(test)] mod tests { Key::CookieRate; }\n";
            let table = SourceFile::new(TABLE, "CookieRate cookie_rate: u32 = 5, field(cookie_rate);");
            [SourceFile::new("synguard/src/a.rs", &format!("{named}{others}")), table]
        };
        // The row of the table and the line of synguard.toml are two.
        assert_eq!(repeated(&rows, &file(LINES_MAX - 2)), []);
        assert_eq!(repeated(&rows, &file(LINES_MAX - 1)).len(), 1);
    }

    #[test]
    fn every_spelling_counts_and_other_names_do_not() {
        let names = |text: &str, row: &SettingRow| {
            let file = SourceFile::new("a.rs", text);
            let code = file.code();
            (0..code.len()).any(|at| names_setting(&code, at, row))
        };
        for (text, counts) in [
            ("Key::CookieRate", true),
            ("settings::Key::CookieRate", true),
            ("\"cookie-rate\"", true),
            ("\"cookie_rate\"", true),
            ("\"--cookie-rate\"", true),
            ("\"cookie-rate is\"", false),
            ("settings.cookie_rate", true),
            ("Settings { cookie_rate, .. }", true),
            ("syn_cookie_rate", false),
            ("Reason::CookieRate", false),
        ] {
            assert_eq!(names(text, &row("CookieRate", "cookie_rate")), counts, "{text}");
        }
        for (text, row) in [("\"mode\" mode", row("Mode", "mode")), ("syn_rate", row("SynRate", "syn_rate"))]
        {
            assert!(!names(text, &row), "{text}");
        }
        assert!(names("Key::Mode", &row("Mode", "mode")));
    }
}
