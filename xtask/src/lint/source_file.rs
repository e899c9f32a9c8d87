//! The workspace's Rust files: every one that git tracks or would add.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    lint::lexer::{Comment, Token, lex},
    process::{command, output_or_error, workspace_root},
};

/// The parts of the workspace that have rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Product,
    Tests,
    Xtask,
}

impl Area {
    /// Returns the area of a path: `synguard*/` is the product.
    pub(crate) fn of(path: &str) -> Self {
        match path.split('/').next() {
            Some("tests") => Self::Tests,
            Some("xtask") => Self::Xtask,
            _ => Self::Product,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Tests => "tests",
            Self::Xtask => "xtask",
        }
    }
}

/// A Rust file, split into tokens and comments.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// From the workspace's root, with slashes.
    pub(crate) path: String,
    pub(crate) lines: usize,
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
}

impl SourceFile {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (tokens, comments) = lex(text);
        Self { path: path.to_owned(), lines: text.lines().count(), tokens, comments }
    }

    pub(crate) fn area(&self) -> Area {
        Area::of(&self.path)
    }

    /// Reports whether the file holds nothing but tests, by its name.
    pub(crate) fn is_test(&self) -> bool {
        let path = &self.path;
        path.ends_with("_tests.rs") || path.ends_with("/tests.rs") || path.contains("/tests/")
    }

    /// Returns the tokens of product code: none of a file of tests, and none behind `#[cfg(test)]`.
    pub(crate) fn code(&self) -> Vec<&Token> {
        if self.is_test() {
            return Vec::new();
        }
        self.tokens.iter().filter(|token| !token.in_test).collect()
    }
}

/// Returns the paths that git tracks or would add, sorted.
pub(crate) fn tracked_paths() -> Result<Vec<String>> {
    let mut git = command("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = output_or_error(&mut git).context("list the files that git tracks")?;
    let mut paths: Vec<String> = listed.split_terminator('\0').map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Reads every Rust file of the workspace. Files that git still tracks but that are gone are left out.
pub(crate) fn read_all() -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in tracked_paths()?.into_iter().filter(|path| is_rust(path)) {
        match fs::read_to_string(workspace_root().join(&path)) {
            Ok(text) => files.push(SourceFile::new(&path, &text)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(format!("read {path}")),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_folder_decides_the_area() {
        for (path, area) in [
            ("synguard/crates/model/src/lib.rs", Area::Product),
            ("synguard-ebpf/src/main.rs", Area::Product),
            ("tests/src/lib.rs", Area::Tests),
            ("xtask/src/main.rs", Area::Xtask),
        ] {
            assert_eq!(Area::of(path), area, "{path}");
        }
    }

    #[test]
    fn files_of_tests_have_no_product_code() {
        let code = |path| SourceFile::new(path, "fn a() {}").code().len();
        assert_eq!(code("synguard/src/policy/tests.rs"), 0);
        assert_eq!(code("synguard/src/policy/blocks_tests.rs"), 0);
        assert_eq!(code("synguard/src/policy/contests.rs"), 6);
    }

    #[test]
    fn workspace_is_read() {
        let files = read_all().expect("git lists the files");
        assert!(files.iter().any(|file| file.path == "xtask/src/lint/source_file.rs"));
    }
}
