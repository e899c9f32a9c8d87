//! Files are short enough to read at once. The length of functions is clippy's `too_many_lines`.

use anyhow::Result;

use crate::lint::{
    breach::{Breach, deny},
    source_file::SourceFile,
};

/// The most lines of a Rust file.
const LINES_MAX: usize = 400;

/// Prints every file that is too long.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    deny(&too_long(files))
}

fn too_long(files: &[SourceFile]) -> Vec<Breach> {
    let long = files.iter().filter(|file| file.lines > LINES_MAX);
    long.map(|file| {
        let message = format!("{} lines, {LINES_MAX} at most: split the file by subject", file.lines);
        Breach::new(&file.path, 0, message)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_beyond_the_limit_is_a_breach() {
        let file = |lines: usize| SourceFile::new("a.rs", &"\n".repeat(lines));
        assert_eq!(too_long(&[file(LINES_MAX)]), []);
        assert_eq!(too_long(&[file(LINES_MAX + 1)]).len(), 1);
    }
}
