//! Programs of the tests' package and the binary, built but not run here.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    process::{cargo, output_or_error},
    rungs::HOST_PACKAGES,
};

#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    pub(crate) program: PathBuf,
    /// Names and executables of the test programs.
    pub(crate) tests: Vec<(String, PathBuf)>,
}

/// Builds the binary, and the named test programs of the tests' package, as the rungs build them.
pub(crate) fn build(tests: Vec<String>) -> Result<Artifacts> {
    ensure!(!tests.is_empty(), "no test programs to build");
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics"]).args(HOST_PACKAGES);
    command.args(["--bin", "synguard"]);
    for name in &tests {
        command.args(["--test", name]);
    }
    let messages = output_or_error(&mut command)?;
    let program = executable(&messages, "bin", "synguard").context("cargo built no synguard")?;
    let find = |name: String| match executable(&messages, "test", &name) {
        Some(file) => Ok((name, file)),
        None => bail!("cargo built no test {name}"),
    };
    Ok(Artifacts { program, tests: tests.into_iter().map(find).collect::<Result<_>>()? })
}

/// Builds the binary and a program of the tests' package at once, in the named profile, and returns the program.
///
/// Two builds of one package each would compile the dependencies twice that have other features in the other one.
pub(crate) fn build_with_binary(name: &str, profile: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics", "--profile", profile]);
    command.args([
        "--package",
        "synguard",
        "--package",
        "synguard-tests",
        "--bin",
        "synguard",
        "--bin",
        name,
    ]);
    let messages = output_or_error(&mut command)?;
    executable(&messages, "bin", name).with_context(|| format!("cargo built no {name}"))
}

/// Finds a target's executable in cargo's JSON messages.
fn executable(messages: &str, kind: &str, name: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let target = &message["target"];
        let is_it = target["name"] == name && target["kind"] == Value::from(vec![kind]);
        message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_is_found_by_name_and_kind() {
        let messages = r#"   Compiling something
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"synguard"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"kernel_load"},"executable":"/t/kernel_load-1"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"synguard"},"executable":"/t/synguard"}
{"reason":"build-finished","success":true}"#;
        let find = |kind, name| executable(messages, kind, name);
        assert_eq!(find("bin", "synguard"), Some("/t/synguard".into()));
        assert_eq!(find("test", "kernel_load"), Some("/t/kernel_load-1".into()));
        assert_eq!(find("lib", "synguard"), None);
        assert_eq!(find("test", "synguard"), None);
    }
}
