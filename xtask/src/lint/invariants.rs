//! The invariants of ARCHITECTURE.md that are about one call or one path in the product's code, and that neither a
//! crate's dependencies nor clippy can hold.

use anyhow::Result;

use crate::lint::{
    breach::{Breach, deny},
    lexer::{Token, TokenKind},
    source_file::{Area, SourceFile},
};

/// A piece of code that only some files may have.
struct Invariant {
    /// Finds the piece in the tokens from an index on.
    is_at: fn(&[&Token], usize) -> bool,
    /// Reports whether the file at this path may have it.
    is_allowed: fn(&str) -> bool,
    message: &'static str,
}

const INVARIANTS: [Invariant; 5] = [
    Invariant {
        is_at: |code, at| code[at].kind == TokenKind::Literal && code[at].text.contains("/proc/sys/"),
        is_allowed: |path| path.starts_with("synguard/crates/kernel/src/sysctl/"),
        message: "names a file below /proc/sys: call synguard_kernel::sysctl, which restores what it changes",
    },
    Invariant {
        is_at: |code, at| is_sequence(code, at, &["fs", "::", "rename"]),
        is_allowed: |path| {
            ["/durable_file.rs", "/pins.rs", "/store/files.rs", "/event_log.rs"]
                .iter()
                .any(|end| path.ends_with(end))
        },
        message: "calls fs::rename: replace a file through durable_file, which syncs it and its folder",
    },
    Invariant {
        is_at: |code, at| {
            ["Instant", "SystemTime"].iter().any(|clock| is_sequence(code, at, &[clock, "::", "now"]))
                || code[at].is("clock_gettime")
        },
        is_allowed: |path| path == CLOCK || !path.starts_with("synguard/"),
        message: "reads a clock: call synguard_kernel::clock, or take the time as an argument",
    },
    Invariant {
        is_at: |code, at| {
            is_sequence(code, at, &["#", "[", "btf_map", "]"])
                || is_sequence(code, at, &["#", "[", "map", "]"])
        },
        is_allowed: |path| path == MAPS || !path.starts_with("synguard-ebpf/"),
        message: "defines a map: define it in maps.rs, and add an accessor there",
    },
    Invariant {
        is_at: |code, at| code[at].is("static") && at > 0 && (code[at - 1].is("pub") || code[at - 1].is(")")),
        is_allowed: |path| path != MAPS,
        message: "a static that other modules can name: keep it private, and add an accessor",
    },
];

/// The one file of userspace that reads a clock.
const CLOCK: &str = "synguard/crates/kernel/src/clock.rs";
/// The one file that names the program's maps.
const MAPS: &str = "synguard-ebpf/src/maps.rs";

/// Prints every breach of an invariant.
pub(crate) fn check(files: &[SourceFile]) -> Result<()> {
    deny(&files.iter().flat_map(breaches).collect::<Vec<_>>())
}

fn breaches(file: &SourceFile) -> Vec<Breach> {
    if file.area() != Area::Product {
        return Vec::new();
    }
    let code = file.code();
    let mut breaches = Vec::new();
    for invariant in INVARIANTS.iter().filter(|invariant| !(invariant.is_allowed)(&file.path)) {
        let places = (0..code.len()).filter(|&at| (invariant.is_at)(&code, at));
        breaches.extend(places.map(|at| Breach::new(&file.path, code[at].line, invariant.message)));
    }
    breaches
}

/// Reports whether the tokens from `at` on are these.
fn is_sequence(code: &[&Token], at: usize, texts: &[&str]) -> bool {
    texts.iter().enumerate().all(|(offset, text)| code.get(at + offset).is_some_and(|token| token.is(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_for_its_own_files() {
        for (text, allowed, elsewhere) in [
            (
                "const A: &str = \"/proc/sys/net/ipv4\";",
                "synguard/crates/kernel/src/sysctl/mod.rs",
                "synguard/crates/kernel/src/sysctl.rs",
            ),
            ("std::fs::rename(a, b);", "synguard/crates/kernel/src/durable_file.rs", "synguard/src/a.rs"),
            ("std::fs::rename(a, b);", "synguard/crates/lists/src/store/files.rs", "synguard/src/files.rs"),
            ("let a = Instant::now();", CLOCK, "synguard/src/controller/tick.rs"),
            ("let a = std::time::SystemTime::now();", CLOCK, "synguard/crates/top/src/keys.rs"),
            ("rustix::time::clock_gettime(a);", CLOCK, "synguard/crates/kernel/src/lock.rs"),
            ("#[btf_map]\nstatic A: B = B::new();", MAPS, "synguard-ebpf/src/main.rs"),
            ("#[map] static A: B = B::new();", MAPS, "synguard-ebpf/src/main.rs"),
            ("#[map] static A: B = B::new();", "tests/ebpf/src/main.rs", "synguard-ebpf/src/main.rs"),
            ("pub(crate) static A: B = B::new();", "synguard-ebpf/src/global.rs", MAPS),
            ("pub static A: B = B::new();", "synguard-ebpf/src/global.rs", MAPS),
        ] {
            let count = |path| breaches(&SourceFile::new(path, text)).len();
            assert_eq!((count(allowed), count(elsewhere)), (0, 1), "{text}");
        }
    }

    #[test]
    fn tests_comments_and_neighbouring_names_are_fine() {
        for text in [
            "#[cfg(test)] mod tests { fn f() { fs::rename(a, b); } }",
            "// fs::rename and \"/proc/sys/net\"",
            "const A: &str = \"/proc/system\"; self.rename(a);",
            "fs::rename_all(a);",
        ] {
            assert_eq!(breaches(&SourceFile::new("synguard/src/a.rs", text)), [], "{text}");
        }
    }
}
