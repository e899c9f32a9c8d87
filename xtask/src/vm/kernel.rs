//! The kernels: the newest package of each series, unpacked under `target`. None is ever installed here.

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

/// A line of kernels, as `6.12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    major: u32,
    minor: u32,
}

impl Series {
    /// Those that every test runs on: the oldest that is supported, and the latest that Debian has for long.
    pub(crate) const TESTED: [Self; 2] = [Self { major: 6, minor: 1 }, Self { major: 6, minor: 12 }];

    /// The package's name, without the version that is part of it.
    fn prefix(self) -> String {
        format!("linux-image-{self}.")
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
        match parts {
            Some((Ok(major), Ok(minor))) => Ok(Self { major, minor }),
            _ => Err("not a line of kernels such as 6.1 or 6.12".to_owned()),
        }
    }
}

/// Debian's kernel for virtual machines: small, and with all that is needed to boot in one built in.
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel that was unpacked.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// What the boot loader would load.
    pub(super) image: PathBuf,
    /// The directory with its modules.
    pub(super) modules: PathBuf,
}

impl Kernel {
    /// The newest of a series: downloads it into `cache` unless it is there. What is there will do if nothing
    /// is to be had, as without a network.
    pub(super) fn get(series: Series, cache: &Path) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("make {}", cache.display()))?;
        let package = offered(series).or_else(|_| cached(series, cache))?;
        let dir = cache.join(&package);
        if !dir.exists() {
            println!("downloading {package}");
            download(&package, cache).with_context(|| format!("download {package}"))?;
        }
        Self::unpacked(&dir).with_context(|| format!("{} is no kernel's package: remove it", dir.display()))
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

/// The newest package that apt knows of.
fn offered(series: Series) -> Result<String> {
    let find = || newest(&search(series).unwrap_or_default(), series);
    if let Some(package) = find() {
        return Ok(package);
    }
    Installer::get().update()?;
    find().with_context(|| format!("apt offers no kernel {series} for virtual machines"))
}

fn search(series: Series) -> Option<String> {
    let pattern = format!("^linux-image-{}\\.{}\\..*{FLAVOUR}$", series.major, series.minor);
    output(command("apt-cache").args(["search", "--names-only", &pattern]))
}

/// The newest that was unpacked before.
fn cached(series: Series, cache: &Path) -> Result<String> {
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

/// The newest kernel among lines that begin with a package's name.
fn newest(lines: &str, series: Series) -> Option<String> {
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    let wanted = names.filter(|name| name.starts_with(&series.prefix()) && name.ends_with(FLAVOUR));
    wanted.max_by_key(|name| numbers(name)).map(str::to_owned)
}

/// The numbers in a name, in their order: those of a version.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Downloads and unpacks a package. Only a complete one gets its name.
fn download(package: &str, cache: &Path) -> Result<()> {
    let partial = cache.join(format!("{package}.partial"));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial)?;
    let fetch = || run_quietly(command("apt-get").args(["download", "-qq", package]).current_dir(&partial));
    // The lists may be older than what the mirror still has.
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
    fn the_newest_of_a_series_is_chosen_by_number() {
        for (series, package) in [
            ("6.1", Some("linux-image-6.1.0-56-cloud-amd64")),
            ("6.12", Some("linux-image-6.12.100+deb12-cloud-amd64")),
            ("6.18", None),
            ("6.10", None),
        ] {
            let series = series.parse().expect("a series");
            assert_eq!(newest(OFFERED, series).as_deref(), package, "{series}");
        }
        assert_eq!(newest("", Series::TESTED[0]), None);
    }

    #[test]
    fn a_series_is_two_numbers() {
        assert_eq!("6.12".parse(), Ok(Series::TESTED[1]));
        for text in ["6", "6.", "6.12.3", "six", "", "6.x"] {
            assert!(text.parse::<Series>().is_err(), "{text}");
        }
        assert_eq!(Series::TESTED.map(|series| series.to_string()), ["6.1", "6.12"]);
    }
}
