//! No unused dependencies: each one that a package declares is named by its code. `cargo machete` does the same by
//! searching, but takes longer to install than this takes to read.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

use crate::{
    lint::{
        breach::{Breach, deny},
        lexer::{Token, TokenKind},
        metadata::{DeclaredDependency, DependencyKind, MemberPackage, read_members},
        paths::{folder_of, join},
        source_file::SourceFile,
    },
    process::workspace_root,
};

/// Dependencies that no code names, as package and dependency, and their use.
const EXEMPT: [(&str, &str, &str); 2] = [
    ("synguard", "synguard-ebpf", "makes cargo build the BPF object again when the program changes"),
    ("synguard-datapath", "synguard-ebpf", "makes cargo build the BPF object again when the program changes"),
];

/// Prints every dependency that no code uses, and every workspace dependency that no package declares.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    let members = read_members()?;
    let mut breaches = unused(&members, files);
    let manifest = fs::read_to_string(workspace_root().join("Cargo.toml")).context("read Cargo.toml")?;
    breaches.extend(undeclared(&manifest, &members));
    deny(&breaches)
}

fn unused(members: &[MemberPackage], files: &[SourceFile]) -> Vec<Breach> {
    let by_path: BTreeMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut breaches = Vec::new();
    for member in members {
        let own: Vec<&SourceFile> =
            files.iter().filter(|file| owner(&file.path, members) == Some(member)).collect();
        for dependency in &member.dependencies {
            let exempt = |&(package, name, _): &(&str, &str, &str)| {
                package == member.name && name == dependency.package
            };
            if EXEMPT.iter().any(exempt) {
                continue;
            }
            if let Some(message) = fault(member, dependency, &own, &by_path) {
                breaches.push(Breach::new(&format!("{}/Cargo.toml", member.folder), 0, message));
            }
        }
    }
    breaches
}

/// Returns the member whose folder is the innermost around the path.
fn owner<'a>(path: &str, members: &'a [MemberPackage]) -> Option<&'a MemberPackage> {
    let around = |member: &&MemberPackage| {
        path.strip_prefix(member.folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    members.iter().filter(around).max_by_key(|member| member.folder.len())
}

/// Returns the fault of a declaration, if it has one.
fn fault(
    member: &MemberPackage,
    dependency: &DeclaredDependency,
    own: &[&SourceFile],
    by_path: &BTreeMap<&str, &SourceFile>,
) -> Option<String> {
    let source = format!("{}/src/", member.folder);
    let name = &dependency.package;
    let in_source = |file: &&&SourceFile| file.path.starts_with(&source);
    let in_code = own.iter().filter(in_source).any(|file| names(&file.code(), &dependency.ident));
    let in_build =
        build_files(&member.folder, own, by_path).iter().any(|file| names(&file.code(), &dependency.ident));
    let anywhere = own.iter().any(|file| names(&file.tokens.iter().collect::<Vec<_>>(), &dependency.ident));
    match dependency.kind {
        DependencyKind::Normal if in_code => None,
        DependencyKind::Normal if anywhere => {
            Some(format!("{name} is used in tests only: move it to dev-dependencies"))
        }
        DependencyKind::Build if in_build => None,
        DependencyKind::Dev if anywhere => None,
        _ => Some(format!("{name} is not used: remove it")),
    }
}

/// Returns the build script with the files beside it, and those that it takes in by `#[path]`.
fn build_files<'a>(
    folder: &str,
    own: &[&'a SourceFile],
    by_path: &BTreeMap<&str, &'a SourceFile>,
) -> Vec<&'a SourceFile> {
    let mut files: Vec<&SourceFile> =
        own.iter().copied().filter(|file| folder_of(&file.path) == folder).collect();
    let taken_in: Vec<&SourceFile> = files
        .iter()
        .flat_map(|file| file.tokens.windows(3))
        .filter(|tokens| tokens[0].is("path") && tokens[1].is("="))
        .filter_map(|tokens| by_path.get(join(folder, tokens[2].text.trim_matches('"')).as_str()).copied())
        .collect();
    files.extend(taken_in);
    files
}

/// Reports whether the code names the crate: in a path, or alone in a `use`.
fn names(code: &[&Token], ident: &str) -> bool {
    code.iter().enumerate().any(|(at, token)| {
        let next = |text: &str| code.get(at + 1).is_some_and(|next| next.is(text));
        let previous = |text: &str| at > 0 && code[at - 1].is(text);
        token.is(ident)
            && !(previous("::") && at > 1 && code[at - 2].kind == TokenKind::Ident)
            && (next("::") || (previous("use") && (next(";") || next("as"))) || previous("crate"))
    })
}

/// Returns the keys of `[workspace.dependencies]` that no member declares.
fn undeclared(manifest: &str, members: &[MemberPackage]) -> Vec<Breach> {
    let lines =
        manifest.lines().enumerate().skip_while(|(_, line)| line.trim() != "[workspace.dependencies]");
    let section = lines.skip(1).take_while(|(_, line)| !line.starts_with('['));
    let is_declared = |key: &str| {
        members.iter().flat_map(|member| &member.dependencies).any(|dependency| dependency.package == key)
    };
    section
        .filter_map(|(at, line)| Some((at + 1, line.split_once('=')?.0.trim())))
        .filter(|(_, key)| !key.starts_with('#') && !key.contains(' ') && !is_declared(key))
        .map(|(line, key)| Breach::new("Cargo.toml", line, format!("no package depends on {key}: remove it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        DependencyKind::{Build, Dev, Normal},
        *,
    };
    use crate::lint::metadata::fixtures::member;

    fn faults(dependency: (&str, DependencyKind, bool), files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile::new(path, text)).collect();
        let members = [member("a", &[dependency]), member("a/ebpf", &[])];
        unused(&members, &files).into_iter().map(|breach| breach.to_string()).collect()
    }

    #[test]
    fn dependency_counts_as_used_where_its_kind_allows() {
        let lib = |text| ("a/src/lib.rs", text);
        for (dependency, file, is_used) in [
            (("x-y", Normal, false), lib("use x_y::Z;"), true),
            (("x-y", Normal, false), lib("use x_y as other;"), true),
            (("x-y", Normal, false), lib("fn f() { x_y::z() }"), true),
            (("x-y", Normal, false), lib("use {x_y::Z, std::fmt};"), true),
            (("log", Normal, false), lib("let log = 1; self.log; a::log::b()"), false),
            (("x-y", Normal, false), lib("// use x_y::Z;"), false),
            (("x-y", Normal, false), lib("#[cfg(test)] mod tests { use x_y::Z; }"), false),
            (("x-y", Dev, false), lib("#[cfg(test)] mod tests { use x_y::Z; }"), true),
            (("x-y", Normal, false), ("a/build.rs", "use x_y::Z;"), false),
            (("x-y", Build, false), ("a/build.rs", "use x_y::Z;"), true),
            (("x-y", Build, false), lib("use x_y::Z;"), false),
            (("x-y", Dev, false), ("a/tests/t.rs", "use x_y::Z;"), true),
            (("x-y", Normal, false), ("a/ebpf/src/lib.rs", "use x_y::Z;"), false),
        ] {
            assert_eq!(faults(dependency, &[file]).is_empty(), is_used, "{dependency:?} {file:?}");
        }
    }

    #[test]
    fn build_script_may_take_in_another_file() {
        let beside = [("a/build.rs", "mod c;"), ("a/c.rs", "use x::Y;")];
        assert!(faults(("x", Build, false), &beside).is_empty());
        let files = [("a/build.rs", "#[path = \"../b/c.rs\"] mod c;"), ("b/c.rs", "use x::Y;")];
        assert!(faults(("x", Build, false), &files).is_empty());
    }

    #[test]
    fn dependency_of_tests_alone_is_moved() {
        let files = [("a/src/lib.rs", "#[cfg(test)] mod tests { use x::Z; }")];
        assert_eq!(
            faults(("x", Normal, false), &files),
            ["a/Cargo.toml: x is used in tests only: move it to dev-dependencies"]
        );
    }

    #[test]
    fn workspace_dependency_has_a_user() {
        let manifest = "[package]\nz = 1\n[workspace.dependencies]\n# w = 1\nx = \"1\"\ny = { path = \"y\" }\n[lints]\nv = 1\n";
        let breaches = undeclared(manifest, &[member("a", &[("x", Normal, false)])]);
        assert_eq!(breaches, [Breach::new("Cargo.toml", 6, "no package depends on y: remove it")]);
    }
}
