//! No circles of imports: within a crate, files import each other in one direction only, so that each can be read,
//! tested and moved with those below it. A folder's root and the files in the folder belong together and may name
//! each other.

mod module_tree;
mod use_tree;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use self::module_tree::{ModuleTree, Resolved};
use crate::lint::{
    breach::{Breach, deny},
    source_file::SourceFile,
};

/// Prints every import that is part of a circle.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    deny(&circular_imports(files))
}

/// Returns one breach for each pair of files of one circle that has an import, at its first line.
fn circular_imports(files: &[SourceFile]) -> Vec<Breach> {
    let by_path: BTreeMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let roots = by_path.keys().filter(|path| is_crate_root(path));
    roots.flat_map(|root| ImportGraph::of(&ModuleTree::read(&by_path, root)).circular_imports()).collect()
}

/// Reports whether cargo compiles a crate from this file.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.rsplit('/').collect();
    match parts[..] {
        ["lib.rs" | "main.rs", "src", ..] | ["main.rs", _, "tests", ..] | [_, "bin", "src", ..] => true,
        [_, "tests", ref above @ ..] => !above.contains(&"src"),
        _ => false,
    }
}

/// The imports between the files of a crate, each with the line of the first.
#[derive(Debug, Default)]
struct ImportGraph {
    imports: BTreeMap<String, BTreeMap<String, usize>>,
}

impl ImportGraph {
    fn of(tree: &ModuleTree) -> Self {
        let mut graph = Self::default();
        for (importing, module) in tree.modules.iter().enumerate() {
            for (path, line) in tree.paths(importing) {
                // A re-export is an import of both: the file that passes the item on, and the one that defines it.
                let defining = tree.resolve(importing, path).map(Resolved::module);
                for imported in tree.named(importing, path).into_iter().chain(defining) {
                    let file = &tree.modules[imported].file;
                    if *file != module.file && !are_root_and_child(tree, importing, imported) {
                        graph.add(&module.file, file, line);
                    }
                }
            }
        }
        graph
    }

    fn add(&mut self, from: &str, to: &str, line: usize) {
        let lines = self.imports.entry(from.to_owned()).or_default();
        let first = lines.entry(to.to_owned()).or_insert(line);
        *first = line.min(*first);
    }

    /// Returns the files that a file imports, directly or through others.
    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(file) = waiting.pop() {
            for next in self.imports.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(next.as_str()) {
                    waiting.push(next);
                }
            }
        }
        reached
    }

    fn circular_imports(&self) -> Vec<Breach> {
        let reachable: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|file| (file.as_str(), self.reachable(file))).collect();
        let leads_back = |from: &str, to: &str| reachable.get(to).is_some_and(|files| files.contains(from));
        let mut breaches = Vec::new();
        for (from, imports) in &self.imports {
            for (to, &line) in imports.iter().filter(|(to, _)| leads_back(from, to)) {
                let message = format!(
                    "imports {to}, which leads back to this file: move what both need into a third file"
                );
                breaches.push(Breach::new(from, line, message));
            }
        }
        breaches
    }
}

/// Reports whether one module's file is the root of a folder that the other's is in.
fn are_root_and_child(tree: &ModuleTree, one: usize, other: usize) -> bool {
    let file_root = |module: usize| {
        let mut root = module;
        while let Some(parent) =
            tree.parent(root).filter(|&p| tree.modules[p].file == tree.modules[root].file)
        {
            root = parent;
        }
        root
    };
    let (one, other) = (file_root(one), file_root(other));
    tree.is_below(one, other) || tree.is_below(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circular imports between the files, as `from -> to`.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile::new(path, text)).collect();
        let show = |breach: Breach| {
            let to = breach.message.split([' ', ',']).nth(1).unwrap_or_default().to_owned();
            format!("{}:{} -> {to}", breach.place, breach.line).replace("c/src/", "")
        };
        circular_imports(&files).into_iter().map(show).collect()
    }

    #[test]
    fn cycle_of_two_files_is_found_and_one_way_is_fine() {
        let root = ("c/src/lib.rs", "mod a; mod b;");
        let a = ("c/src/a.rs", "use std::fmt;\nuse crate::b::B;\nuse crate::b;");
        let circle = circles(&[root, a, ("c/src/b.rs", "fn f() { super::a::g(); }")]);
        assert_eq!(circle, ["a.rs:2 -> b.rs", "b.rs:1 -> a.rs"]);
        assert!(circles(&[root, a, ("c/src/b.rs", "pub struct B;")]).is_empty());
    }

    #[test]
    fn circle_of_three_files_names_each_import() {
        let files = [
            ("c/src/main.rs", "mod a; mod b; mod d; mod leaf;"),
            ("c/src/a.rs", "use crate::{b, leaf::{self, L as M}};"),
            ("c/src/b.rs", "use crate::{d::*, leaf};"),
            ("c/src/d.rs", "type A = crate::a::A;"),
            ("c/src/leaf.rs", "pub struct L;"),
        ];
        assert_eq!(circles(&files), ["a.rs:1 -> b.rs", "b.rs:1 -> d.rs", "d.rs:1 -> a.rs"]);
    }

    #[test]
    fn root_and_children_may_name_each_other() {
        let files = [
            ("c/src/lib.rs", "mod a; pub struct R; use a::x::X;"),
            ("c/src/a/mod.rs", "mod x; mod y; use self::x::X; pub struct A;"),
            ("c/src/a/x.rs", "use super::A; use crate::R;"),
            ("c/src/a/y.rs", "use crate::a::{A, x};"),
        ];
        assert!(circles(&files).is_empty());
        let siblings = [files[0], files[1], ("c/src/a/x.rs", "use super::y::Y;"), files[3]];
        assert_eq!(circles(&siblings), ["a/x.rs:1 -> a/y.rs", "a/y.rs:1 -> a/x.rs"]);
    }

    #[test]
    fn re_exports_lead_to_the_file_that_defines() {
        let root = "mod a; pub use self::a::{x::X, y::*};";
        let a = "pub mod x; pub mod y;";
        let red = [
            ("c/src/lib.rs", root),
            ("c/src/a.rs", a),
            ("c/src/a/x.rs", "use crate::Y; pub struct X;"),
            ("c/src/a/y.rs", "use crate::X; pub struct Y;"),
        ];
        assert_eq!(circles(&red), ["a/x.rs:1 -> a/y.rs", "a/y.rs:1 -> a/x.rs"]);
        let green = [red[0], red[1], red[2], ("c/src/a/y.rs", "use crate::Z; pub struct Y;")];
        assert!(circles(&green).is_empty());
    }

    #[test]
    fn module_that_passes_an_item_on_is_imported_too() {
        let files = [
            ("c/src/lib.rs", "mod a; mod event;"),
            ("c/src/a/mod.rs", "mod x; pub use x::X; use crate::event::Event;"),
            ("c/src/a/x.rs", "pub struct X;"),
            ("c/src/event.rs", "use crate::a::X; pub struct Event;"),
        ];
        assert_eq!(circles(&files), ["a/mod.rs:1 -> event.rs", "event.rs:1 -> a/mod.rs"]);
        let green = [files[0], files[1], files[2], ("c/src/event.rs", "pub struct Event;")];
        assert!(circles(&green).is_empty());
    }

    #[test]
    fn local_names_and_macro_arguments_lead_on() {
        let files = [
            ("c/src/lib.rs", "mod a; mod b;"),
            ("c/src/a.rs", "use crate::b as other; use other::B;"),
            ("c/src/b.rs", "fn f() { assert_eq!(crate::a::X, 1); }"),
        ];
        assert_eq!(circles(&files), ["a.rs:1 -> b.rs", "b.rs:1 -> a.rs"]);
    }

    #[test]
    fn tests_and_inline_modules_do_not_count() {
        let files = [
            ("c/src/lib.rs", "mod a; mod b;"),
            ("c/src/a.rs", "use crate::b; mod inner { use super::X; use crate::b::Y; } use inner::Z;"),
            (
                "c/src/b.rs",
                "#[cfg(test)] use crate::a; #[cfg(test)] mod tests { use crate::a::X; } #[cfg(test)] mod t;",
            ),
            ("c/src/b/t.rs", "use crate::a;"),
        ];
        assert!(circles(&files).is_empty());
    }

    #[test]
    fn path_attributes_and_test_programs_are_followed() {
        let files = [
            ("c/tests/kernel_x/main.rs", "mod a; #[path = \"other/b2.rs\"] mod b;"),
            ("c/tests/kernel_x/a.rs", "use crate::b;"),
            ("c/tests/kernel_x/other/b2.rs", "use crate::a;"),
        ];
        assert_eq!(circles(&files).len(), 2);
    }

    #[test]
    fn crate_roots_are_those_of_cargo() {
        for (path, is_root) in [
            ("c/src/lib.rs", true),
            ("c/src/bin/x.rs", true),
            ("c/tests/x.rs", true),
            ("c/tests/x/main.rs", true),
            ("c/src/a/mod.rs", false),
            ("c/src/a/main.rs", false),
            ("c/src/tests/x.rs", false),
            ("c/tests/x/y.rs", false),
        ] {
            assert_eq!(is_crate_root(path), is_root, "{path}");
        }
    }

    #[test]
    fn globs_that_name_each_other_end() {
        let files = [
            ("c/src/lib.rs", "mod a; mod b;"),
            ("c/src/a.rs", "pub use crate::b::*; use crate::b::Missing;"),
            ("c/src/b.rs", "pub use crate::a::*; use crate::a::Missing;"),
        ];
        assert_eq!(circles(&files).len(), 2);
    }
}
