//! Kernels to test on: the newest package of each series, unpacked under `target` and never installed.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    packages::Installer,
    process::{command, output, run_quietly},
};

/// A kernel series, as `6.12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelSeries {
    major: u32,
    minor: u32,
}

impl KernelSeries {
    /// The series that tests run on by default: the oldest supported, and Debian's latest with long-term support.
    pub(crate) const TESTED: [Self; 2] = [Self { major: 6, minor: 1 }, Self { major: 6, minor: 12 }];

    /// Returns the beginning of the package's name, up to the version.
    fn prefix(self) -> String {
        format!("linux-image-{self}.")
    }
}

impl fmt::Display for KernelSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for KernelSeries {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
        match parts {
            Some((Ok(major), Ok(minor))) => Ok(Self { major, minor }),
            _ => Err("not a kernel series such as 6.1 or 6.12".to_owned()),
        }
    }
}

/// Debian's kernel for virtual machines: small, with all drivers to boot in one built in.
const FLAVOUR: &str = "-cloud-amd64";

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub(super) struct TestKernel {
    /// The compressed kernel, `vmlinuz`.
    pub(super) image: PathBuf,
    /// The folder of its modules.
    pub(super) modules: PathBuf,
}

impl TestKernel {
    /// Returns the newest kernel of a series, and downloads it into `cache` if needed. Without a network, the newest
    /// kernel in `cache` will do.
    pub(super) fn get(series: KernelSeries, cache: &Path) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("make {}", cache.display()))?;
        let package = offered(series).or_else(|_| cached(series, cache))?;
        let dir = cache.join(&package);
        if !dir.exists() {
            println!("downloading {package}");
            download(&package, cache).with_context(|| format!("download {package}"))?;
        }
        Self::unpacked(&dir).with_context(|| format!("{} holds no kernel: remove it", dir.display()))
    }

    fn unpacked(dir: &Path) -> Option<Self> {
        let entry = |dir: &Path, prefix: &str| {
            let mut names = fs::read_dir(dir).ok()?.flatten();
            names.find(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|e| e.path())
        };
        let image = entry(&dir.join("boot"), "vmlinuz-")?;
        let modules = ["lib/modules", "usr/lib/modules"].iter().find_map(|lib| entry(&dir.join(lib), ""))?;
        Some(Self { image, modules })
    }
}

/// Returns the newest package that apt offers.
fn offered(series: KernelSeries) -> Result<String> {
    let find = || newest(&search(series).unwrap_or_default(), series);
    if let Some(package) = find() {
        return Ok(package);
    }
    Installer::get().update()?;
    find().with_context(|| format!("apt offers no kernel {series} for virtual machines"))
}

fn search(series: KernelSeries) -> Option<String> {
    let pattern = format!("^linux-image-{}\\.{}\\..*{FLAVOUR}$", series.major, series.minor);
    output(command("apt-cache").args(["search", "--names-only", &pattern]))
}

/// Returns the newest package that was unpacked before.
fn cached(series: KernelSeries, cache: &Path) -> Result<String> {
    let names: Vec<String> = fs::read_dir(cache)
        .with_context(|| format!("read {}", cache.display()))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    match newest(&names.join("\n"), series) {
        Some(package) => {
            println!("apt offers no kernel {series}: using {package}, which was downloaded before");
            Ok(package)
        }
        None => bail!("apt offers no kernel {series} for virtual machines, and none was downloaded before"),
    }
}

/// Returns the newest kernel among lines that begin with a package's name.
fn newest(lines: &str, series: KernelSeries) -> Option<String> {
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    let wanted = names.filter(|name| name.starts_with(&series.prefix()) && name.ends_with(FLAVOUR));
    wanted.max_by_key(|name| numbers(name)).map(str::to_owned)
}

/// Returns the numbers in a name, in order; they compare as the version does.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Downloads and unpacks a package into a folder that gets the package's name only once it is complete.
fn download(package: &str, cache: &Path) -> Result<()> {
    let partial = cache.join(format!("{package}.partial"));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial)?;
    let fetch = || run_quietly(command("apt-get").args(["download", "-qq", package]).current_dir(&partial));
    // Old package lists may name a version that the mirror no longer has.
    fetch().or_else(|_| Installer::get().update().and_then(|()| fetch()))?;
    let entries = fs::read_dir(&partial)?.flatten();
    let archive = entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "deb"));
    let archive = archive.context("apt-get downloaded nothing")?;
    run_quietly(command("dpkg-deb").arg("-x").arg(&archive).arg(&partial))?;
    fs::remove_file(&archive)?;
    fs::rename(&partial, cache.join(package))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: &str = "\
linux-image-6.1.0-9-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-56-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-57-cloud-amd64-unsigned - Linux 6.1 for x86-64 cloud
linux-image-6.1.0-58-cloud-amd64-dbg - Debug symbols for linux-image-6.1.0-58-cloud-amd64
linux-image-6.1.0-59-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.12-cloud-amd64 - Linux for x86-64 cloud (meta-package)
linux-image-6.12.100+deb12-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)
linux-image-6.12.43+deb13-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)
";

    #[test]
    fn newest_of_a_series_is_chosen_by_number() {
        for (series, package) in [
            ("6.1", Some("linux-image-6.1.0-56-cloud-amd64")),
            ("6.12", Some("linux-image-6.12.100+deb12-cloud-amd64")),
            ("6.18", None),
            ("6.10", None),
        ] {
            let series = series.parse().expect("a series");
            assert_eq!(newest(OFFERED, series).as_deref(), package, "{series}");
        }
        assert_eq!(newest("", KernelSeries::TESTED[0]), None);
    }

    #[test]
    fn series_is_two_numbers() {
        assert_eq!("6.12".parse(), Ok(KernelSeries::TESTED[1]));
        for text in ["6", "6.", "6.12.3", "six", "", "6.x"] {
            assert!(text.parse::<KernelSeries>().is_err(), "{text}");
        }
        assert_eq!(KernelSeries::TESTED.map(|series| series.to_string()), ["6.1", "6.12"]);
    }
}
