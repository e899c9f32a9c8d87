//! The walls between crates: which of them may depend on what, so that decisions stay pure, and BPF and the terminal
//! each stay in one crate.

use anyhow::{Context as _, Result};

use crate::{
    lint::{
        breach::{Breach, deny},
        metadata::{DependencyKind, MemberPackage, read_members},
        source_file::{Area, SourceFile},
    },
    process::{cargo, output_or_error},
};

/// A dependency that only some crates of the product may declare.
struct Wall {
    dependency: &'static str,
    /// Crates that may declare it.
    allowed: &'static [&'static str],
    /// Crates that may declare it as optional, behind a feature.
    allowed_optional: &'static [&'static str],
}

const WALLS: [Wall; 3] = [
    Wall { dependency: "aya", allowed: &["synguard-datapath"], allowed_optional: &["synguard-common"] },
    Wall { dependency: "aya-obj", allowed: &["synguard-datapath"], allowed_optional: &[] },
    Wall { dependency: "ratatui", allowed: &["synguard-top"], allowed_optional: &[] },
];

/// The crates that compute and decide, but touch nothing.
const PURE: [&str; 2] = ["synguard-model", "synguard-policy"];
/// Crates that would let them touch something, also at second hand.
const IMPURE: [&str; 6] = ["aya", "aya-obj", "clap", "libc", "rustix", "tokio"];

/// Prints every dependency that breaks through a wall.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    let members = read_members()?;
    let mut breaches = declared(&members);
    for name in PURE {
        let Some(member) = members.iter().find(|member| member.name == name) else {
            breaches.push(Breach::new(
                "Cargo.toml",
                0,
                format!("no package {name}, which the walls are about"),
            ));
            continue;
        };
        // Unlike `cargo metadata`, this unites features over this one package only.
        let mut tree = cargo();
        tree.args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", name]);
        let tree = output_or_error(&mut tree).with_context(|| format!("list what {name} depends on"))?;
        breaches.extend(impure(member, &tree));
        breaches.extend(unsafe_allowed(member, files));
    }
    deny(&breaches)
}

/// Returns the declarations of walled dependencies by crates of the product that may not declare them. The
/// test crates may: they load programs of their own.
fn declared(members: &[MemberPackage]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for member in members.iter().filter(|member| Area::of(&member.folder) == Area::Product) {
        for dependency in member.dependencies.iter().filter(|d| d.kind != DependencyKind::Dev) {
            let Some(wall) = WALLS.iter().find(|wall| wall.dependency == dependency.package) else {
                continue;
            };
            let name = member.name.as_str();
            let is_allowed = wall.allowed.contains(&name)
                || (dependency.is_optional && wall.allowed_optional.contains(&name));
            if !is_allowed {
                let message = format!(
                    "{name} depends on {}, which is for {} only: go through that crate",
                    wall.dependency,
                    wall.allowed.join(", ")
                );
                breaches.push(Breach::new(&format!("{}/Cargo.toml", member.folder), 0, message));
            }
        }
    }
    breaches
}

/// Returns the impure crates in the output of `cargo tree`, which has a line `name vVERSION …` a crate.
fn impure(member: &MemberPackage, tree: &str) -> Vec<Breach> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    let found = names.into_iter().filter(|name| IMPURE.contains(name));
    found
        .map(|name| {
            let message = format!(
                "{} depends on {name}, perhaps through another crate (cargo tree -e normal -p {} -i {name}): \
                 leave that to a crate that may touch the system",
                member.name, member.name
            );
            Breach::new(&format!("{}/Cargo.toml", member.folder), 0, message)
        })
        .collect()
}

/// Returns a breach if the crate's root does not forbid unsafe code.
fn unsafe_allowed(member: &MemberPackage, files: &[SourceFile]) -> Option<Breach> {
    let path = format!("{}/src/lib.rs", member.folder);
    let root = files.iter().find(|file| file.path == path);
    let forbids = root.is_some_and(|file| {
        let texts: Vec<&str> = file.tokens.iter().map(|token| token.text.as_str()).collect();
        texts.windows(8).any(|window| window.concat() == "#![forbid(unsafe_code)]")
    });
    (!forbids).then(|| Breach::new(&path, 1, "a pure crate: begin it with #![forbid(unsafe_code)]"))
}

#[cfg(test)]
mod tests {
    use super::{
        DependencyKind::{Build, Dev, Normal},
        *,
    };
    use crate::lint::metadata::fixtures::member;

    #[test]
    fn walled_dependency_is_for_its_crate_only() {
        for (name, dependency, kind, is_optional, breaches) in [
            ("synguard-datapath", "aya", Normal, false, 0),
            ("synguard", "aya", Normal, false, 1),
            ("synguard", "aya", Build, false, 1),
            ("synguard", "aya", Dev, false, 0),
            ("synguard-common", "aya", Normal, true, 0),
            ("synguard-common", "aya", Normal, false, 1),
            ("synguard", "aya-build", Build, false, 0),
            ("synguard-top", "ratatui", Normal, false, 0),
            ("synguard", "ratatui", Normal, false, 1),
            ("tests", "aya", Normal, false, 0),
        ] {
            let members = [member(name, &[(dependency, kind, is_optional)])];
            assert_eq!(declared(&members).len(), breaches, "{name}: {dependency} {kind:?} {is_optional}");
        }
    }

    #[test]
    fn pure_crate_reaches_nothing_impure() {
        let policy = member("synguard-policy", &[]);
        let green =
            "synguard-policy v0.1.0 (/w/policy)\nsynguard-common v0.1.0 (/w/common)\nlibcrypto v1.0.0\n";
        assert_eq!(impure(&policy, green), []);
        let red = format!("{green}jiff v0.2.0\nlibc v0.2.170\nlibc v0.2.170 (*)\n");
        let breaches = impure(&policy, &red);
        assert_eq!(breaches.len(), 1);
        assert!(
            breaches[0]
                .to_string()
                .starts_with("synguard-policy/Cargo.toml: synguard-policy depends on libc")
        );
    }

    #[test]
    fn pure_crate_forbids_unsafe_code() {
        let policy = member("synguard-policy", &[]);
        let root = |text| [SourceFile::new("synguard-policy/src/lib.rs", text)];
        assert_eq!(unsafe_allowed(&policy, &root("//! Pure.\n#![forbid(unsafe_code)]\nmod a;")), None);
        for text in ["mod a;", "#![deny(unsafe_code)]", "// #![forbid(unsafe_code)]"] {
            assert!(unsafe_allowed(&policy, &root(text)).is_some(), "{text}");
        }
        assert!(unsafe_allowed(&policy, &[]).is_some());
    }
}
