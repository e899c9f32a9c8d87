//! One name, one type: no two types of the product or of xtask have the same name, so that a name found by a search
//! means one thing.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::lint::{
    breach::{Breach, deny},
    lexer::{Token, TokenKind},
    source_file::{Area, SourceFile},
};

/// Prints every definition of a type name that is defined more than once.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    deny(&duplicates(files))
}

/// Returns one breach for each definition of a name that has several, ordered by name.
fn duplicates(files: &[SourceFile]) -> Vec<Breach> {
    let mut definitions: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.area() != Area::Tests) {
        for (name, line) in defined_types(&file.code()) {
            definitions.entry(name).or_default().push((&file.path, line));
        }
    }
    let several = definitions.into_iter().filter(|(_, places)| places.len() > 1);
    several
        .flat_map(|(name, places)| {
            let count = places.len();
            let message =
                format!("type name {name} is defined {count} times: give each type a name of its own");
            places.into_iter().map(move |(path, line)| Breach::new(path, line, message.clone()))
        })
        .collect()
}

/// Returns the names of structs, enums, traits and type aliases with their lines, but not the associated types in
/// the bodies of `impl` and `trait`.
fn defined_types(code: &[&Token]) -> Vec<(String, usize)> {
    let mut types = Vec::new();
    // For each open brace, whether it is the body of an `impl` or a trait.
    let mut bodies: Vec<bool> = Vec::new();
    let mut next_is_associated = false;
    for (at, token) in code.iter().enumerate() {
        match (token.kind, token.text.as_str()) {
            (TokenKind::Punct, "{") => bodies.push(std::mem::take(&mut next_is_associated)),
            (TokenKind::Punct, "}") => {
                bodies.pop();
            }
            (TokenKind::Punct, ";") => next_is_associated = false,
            (TokenKind::Ident, "impl") if begins_item(code, at) => next_is_associated = true,
            (TokenKind::Ident, "struct" | "enum" | "trait" | "type") => {
                let name = code.get(at + 1).filter(|name| name.kind == TokenKind::Ident);
                if let Some(name) = name.filter(|_| !bodies.contains(&true)) {
                    types.push((name.text.clone(), name.line));
                }
                next_is_associated |= token.is("trait");
            }
            _ => {}
        }
    }
    types
}

/// Reports whether the token stands where an item can begin, as `impl` in `impl A for B` and not in `-> impl A`.
fn begins_item(code: &[&Token], at: usize) -> bool {
    let previous = at.checked_sub(1).and_then(|at| code.get(at));
    previous.is_none_or(|token| ["{", "}", ";", "]", "unsafe"].iter().any(|text| token.is(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let file = SourceFile::new("synguard/src/a.rs", text);
        defined_types(&file.code()).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn associated_and_test_types_do_not_count() {
        for (text, expected) in [
            ("pub struct A<T>(T); pub(crate) enum B {} trait C {} type D = u8;", &["A", "B", "C", "D"][..]),
            ("impl Iterator for A { type Item = u8; fn f() { struct L; } } struct E;", &["E"]),
            ("trait F { type Out; fn g() -> impl G; } mod m { struct H; }", &["F", "H"]),
            ("fn f() -> impl Fn() { struct I; } unsafe impl Send for J { type K = u8; }", &["I"]),
            ("#[cfg(test)] mod tests { struct L; } macro_rules! m { ($n:ident) => { struct $n; } }", &[]),
            ("fn f(x: impl A) {} // struct M\nconst S: &str = \"struct N\";", &[]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn same_name_in_two_crates_is_a_breach() {
        let file = |path, text| SourceFile::new(path, text);
        let red = [
            file("synguard/src/a.rs", "struct View;"),
            file("synguard-common/src/b.rs", "\nenum View {}"),
            file("synguard/src/c.rs", "struct Other;"),
        ];
        let breaches = duplicates(&red);
        let places: Vec<(&str, usize)> = breaches.iter().map(|b| (b.place.as_str(), b.line)).collect();
        assert_eq!(places, [("synguard/src/a.rs", 1), ("synguard-common/src/b.rs", 2)]);
        let green = [
            file("synguard/src/a.rs", "struct View;"),
            file("tests/src/b.rs", "struct View;"),
            file("synguard/src/a_tests.rs", "struct View;"),
        ];
        assert_eq!(duplicates(&green), []);
    }
}
