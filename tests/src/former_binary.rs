//! The program of the former build, whose filters this one takes over, built from this repository's own history.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::command::run;

/// The last commit whose maps have the former names.
pub const COMMIT: &str = "6ccd6c303bbb5d1df9e474f9ce7420a24db29c20";

/// Prefixes of variables in which cargo describes a test to itself: another cargo must not inherit them.
const OF_THIS_TEST: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];

/// Returns the former program; builds it first unless an earlier run did.
///
/// `temporary` is cargo's folder for the files of tests, below the target directory. The build gets a target directory
/// of its own, because cargo takes packages of the same place in two checkouts for the same. Compiled dependencies are
/// copied into it, which leaves the former program itself to compile: half a minute instead of three.
///
/// # Errors
/// Without git or the commit, which a shallow clone does not have, or when the build fails.
pub fn build(temporary: &Path) -> Result<PathBuf> {
    let build = Build::of(temporary)?;
    // Tests may run in several processes at once.
    let lock = File::create(temporary.join("former.lock")).context("make a lock file")?;
    lock.lock().context("wait for another build of the former program")?;
    let binary = build.folder.join("synguard");
    if !binary.is_file() {
        build.extract()?;
        build.compile()?;
        fs::rename(build.profile().join("synguard"), &binary).context("keep the former program")?;
        for folder in [build.target(), build.source()] {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
    }
    Ok(binary)
}

/// The folders and the user of the build: files that root put into the target directory could not be replaced by its
/// owner.
struct Build {
    folder: PathBuf,
    /// Folder in which the program under test and its dependencies were compiled.
    compiled: PathBuf,
    uid: u32,
    gid: u32,
}

impl Build {
    fn of(temporary: &Path) -> Result<Self> {
        let owner =
            fs::metadata(temporary).with_context(|| format!("ask who owns {}", temporary.display()))?;
        let folder = temporary.join(format!("former-{COMMIT}"));
        let compiled = temporary.with_file_name("debug");
        Ok(Self { folder, compiled, uid: owner.uid(), gid: owner.gid() })
    }

    fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn profile(&self) -> PathBuf {
        self.target().join("debug")
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.uid(self.uid).gid(self.gid);
        command
    }

    fn make(&self, folder: &Path) -> Result<()> {
        run(self.command("mkdir").arg("--parents").arg(folder)).map(drop)
    }

    /// Extracts the commit's files into the source folder, all or none.
    fn extract(&self) -> Result<()> {
        if self.source().exists() {
            return Ok(());
        }
        let git = || {
            let mut git = self.command("git");
            // In the repository's root: below it, git archives that folder alone.
            git.args(["-C", concat!(env!("CARGO_MANIFEST_DIR"), "/..")]);
            git
        };
        run(git().args(["cat-file", "-e", &format!("{COMMIT}^{{commit}}")])).with_context(|| {
            format!(
                "commit {COMMIT}, whose filter is to be taken over, is not in this repository: \
                 a shallow clone needs `git fetch --unshallow`"
            )
        })?;
        let (archive, unpacked) = (self.folder.join("source.tar"), self.folder.join("unpacked"));
        self.make(&unpacked)?;
        run(git().args(["archive", "--output"]).arg(&archive).arg(COMMIT))?;
        run(self.command("tar").arg("-xf").arg(&archive).arg("-C").arg(&unpacked))?;
        fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))?;
        fs::rename(&unpacked, self.source()).context("keep the former program's source")
    }

    fn compile(&self) -> Result<()> {
        self.copy_dependencies(&self.compiled, &self.profile())?;
        // Without the BPF program this build fails, but it makes the folder in which the BPF program is to be
        // compiled.
        let _ = run(self.cargo().env("AYA_BUILD_SKIP", "1"));
        if let Some(compiled) = bpf_targets(&self.compiled)?.first() {
            for target in build_outputs(&self.profile())? {
                let target = target.join(BPF_TARGET);
                for profile in ["release", "bpfel-unknown-none/release"] {
                    self.copy_dependencies(&compiled.join(profile), &target.join(profile))?;
                }
            }
        }
        run(&mut self.cargo()).context("build the former program").map(drop)
    }

    fn cargo(&self) -> Command {
        let mut cargo = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os() {
            if OF_THIS_TEST.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                cargo.env_remove(name);
            }
        }
        cargo.current_dir(self.source()).env("CARGO_TARGET_DIR", self.target());
        cargo.args(["build", "--locked", "--package", "synguard", "--bin", "synguard"]);
        cargo
    }

    /// Copies compiled packages from registries, and none of this repository's own packages.
    fn copy_dependencies(&self, from: &Path, to: &Path) -> Result<()> {
        for kind in [".fingerprint", "build", "deps"] {
            let mut copy = self.command("cp");
            copy.args(["--archive", "--reflink=auto", "--target-directory"]).arg(to.join(kind));
            let foreign: Vec<_> =
                entries(&from.join(kind))?.into_iter().filter(|path| is_foreign(path)).collect();
            if !foreign.is_empty() {
                self.make(&to.join(kind))?;
                run(copy.args(foreign))?;
            }
        }
        Ok(())
    }
}

/// Folder in which aya-build compiles the BPF program, below the folder of a build script's output.
const BPF_TARGET: &str = "out/aya-build/target/synguard-ebpf";

/// The target directories of the BPF program's compilations.
fn bpf_targets(profile: &Path) -> Result<Vec<PathBuf>> {
    let targets = build_outputs(profile)?.into_iter().map(|folder| folder.join(BPF_TARGET));
    Ok(targets.filter(|target| target.is_dir()).collect())
}

/// The folders of the build scripts of this repository's packages.
fn build_outputs(profile: &Path) -> Result<Vec<PathBuf>> {
    let all = entries(&profile.join("build"))?;
    Ok(all.into_iter().filter(|path| !is_foreign(path) && path.join("out").is_dir()).collect())
}

/// Lists a folder, which may be missing.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).and_then(|all| all.map(|entry| Ok(entry?.path())).collect());
    entries.with_context(|| format!("list {}", folder.display()))
}

/// Reports whether a compiled file belongs to a package from a registry and is not a program.
fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let package = name.strip_prefix("lib").unwrap_or(&name);
    let is_program = path.is_file() && path.extension().is_none();
    !(is_program || package.starts_with("synguard") || package.starts_with("xtask"))
}
