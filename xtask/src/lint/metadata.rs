//! The workspace's packages and the dependencies that they declare, as `cargo metadata` lists them.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process::{cargo, output_or_error, workspace_root};

/// The kinds of dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    Normal,
    Build,
    Dev,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeclaredDependency {
    /// The package's own name.
    pub(crate) package: String,
    /// The name in source files.
    pub(crate) ident: String,
    pub(crate) kind: DependencyKind,
    pub(crate) is_optional: bool,
}

/// A member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberPackage {
    pub(crate) name: String,
    /// From the workspace's root, with slashes.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<DeclaredDependency>,
}

/// Asks cargo for the members.
pub(crate) fn read_members() -> Result<Vec<MemberPackage>> {
    let text = output_or_error(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let root = workspace_root();
    // Cargo resolves symbolic links, and so must the prefix.
    let root = root.canonicalize().unwrap_or(root);
    parse_members(&text, &root.to_string_lossy()).context("cargo metadata wrote something unexpected")
}

fn parse_members(text: &str, root: &str) -> Option<Vec<MemberPackage>> {
    let metadata: Value = serde_json::from_str(text).ok()?;
    metadata["packages"].as_array()?.iter().map(|package| parse_member(package, root)).collect()
}

fn parse_member(package: &Value, root: &str) -> Option<MemberPackage> {
    let manifest = package["manifest_path"].as_str()?.strip_suffix("/Cargo.toml")?;
    let folder = manifest.strip_prefix(root)?.trim_start_matches('/').to_owned();
    let dependencies =
        package["dependencies"].as_array()?.iter().map(parse_dependency).collect::<Option<_>>()?;
    Some(MemberPackage { name: package["name"].as_str()?.to_owned(), folder, dependencies })
}

fn parse_dependency(dependency: &Value) -> Option<DeclaredDependency> {
    let package = dependency["name"].as_str()?;
    let kind = match dependency["kind"].as_str() {
        None => DependencyKind::Normal,
        Some("build") => DependencyKind::Build,
        Some("dev") => DependencyKind::Dev,
        Some(_) => return None,
    };
    Some(DeclaredDependency {
        package: package.to_owned(),
        ident: dependency["rename"].as_str().unwrap_or(package).replace('-', "_"),
        kind,
        is_optional: dependency["optional"].as_bool()?,
    })
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    /// A member with these dependencies.
    pub(crate) fn member(name: &str, dependencies: &[(&str, DependencyKind, bool)]) -> MemberPackage {
        let declare = |&(package, kind, is_optional): &(&str, DependencyKind, bool)| DeclaredDependency {
            package: package.to_owned(),
            ident: package.replace('-', "_"),
            kind,
            is_optional,
        };
        MemberPackage {
            name: name.to_owned(),
            folder: name.to_owned(),
            dependencies: dependencies.iter().map(declare).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_their_dependencies_are_read() {
        let text = r#"{"packages": [{"name": "a", "manifest_path": "/w/crates/a/Cargo.toml", "dependencies": [
            {"name": "x-y", "kind": null, "rename": null, "optional": true},
            {"name": "z", "kind": "build", "rename": "old-z", "optional": false}]}]}"#;
        let members = parse_members(text, "/w").expect("it is well formed");
        assert_eq!((members[0].name.as_str(), members[0].folder.as_str()), ("a", "crates/a"));
        let idents: Vec<_> = members[0].dependencies.iter().map(|d| (d.ident.as_str(), d.kind)).collect();
        assert_eq!(idents, [("x_y", DependencyKind::Normal), ("old_z", DependencyKind::Build)]);
        assert_eq!(parse_members(r#"{"packages": [{"name": "a"}]}"#, "/w"), None);
    }

    #[test]
    fn workspace_is_read() {
        let members = read_members().expect("cargo lists the members");
        assert!(members.iter().any(|member| member.name == "xtask" && member.folder == "xtask"));
    }
}
