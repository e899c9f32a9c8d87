//! Debian packages that setup installs.

use std::path::Path;

use anyhow::{Result, bail};

use crate::process::{Privilege, find, run_quietly};

/// A program that the tests, the demo or the bench start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// The Debian package that contains it.
    pub(crate) package: &'static str,
}

/// Programs that the lab starts.
pub(crate) const TOOLS: [Tool; 8] = [
    Tool { program: "nginx", package: "nginx-light" },
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "ethtool", package: "ethtool" },
    Tool { program: "bpftool", package: "bpftool" },
    Tool { program: "tmux", package: "tmux" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "git", package: "git" },
    Tool { program: "strace", package: "strace" },
];

/// Programs that boot other kernels.
pub(crate) const MACHINE_TOOLS: [Tool; 2] = [
    Tool { program: "qemu-system-x86_64", package: "qemu-system-x86" },
    Tool { program: "busybox", package: "busybox-static" },
];

/// Other filters, which the bench compares with.
pub(crate) const PEERS: [Tool; 2] =
    [Tool { program: "iptables", package: "iptables" }, Tool { program: "xdp-filter", package: "xdp-tools" }];

impl Tool {
    pub(crate) fn is_installed(self) -> bool {
        find(self.program).is_some()
    }
}

/// The way to install packages on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    Apt(Privilege),
    /// No apt-get on this machine.
    Unknown,
    /// Neither root nor sudo.
    NotAllowed,
}

impl Installer {
    pub(crate) fn get() -> Self {
        match (find("apt-get"), Privilege::get()) {
            (None, _) => Self::Unknown,
            (Some(_), Privilege::None) => Self::NotAllowed,
            (Some(_), privilege) => Self::Apt(privilege),
        }
    }

    /// Updates the package lists.
    pub(crate) fn update(self) -> Result<()> {
        match self {
            Self::Apt(privilege) => apt(privilege, &["update", "-qq"]),
            Self::Unknown => bail!("no apt-get here"),
            Self::NotAllowed => bail!("neither root nor sudo: have root run `apt-get update`"),
        }
    }

    /// Installs the packages; call it only if at least one is missing, since it updates the package lists first.
    pub(crate) fn install(self, packages: &[&str]) -> Result<()> {
        let list = packages.join(" ");
        let privilege = match self {
            Self::Apt(privilege) => privilege,
            Self::Unknown => bail!("no apt-get here: install what Debian calls {list}, and run this again"),
            Self::NotAllowed => bail!("neither root nor sudo: have root run `apt-get install {list}`"),
        };
        println!("installing {list} with apt-get");
        apt(privilege, &["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(packages);
        apt(privilege, &arguments)?;
        if packages.contains(&"nginx-light") { stop_nginx(privilege) } else { Ok(()) }
    }
}

fn apt(privilege: Privilege, arguments: &[&str]) -> Result<()> {
    let mut command = privilege.command("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    run_quietly(&mut command)
}

/// The package starts a web server on port 80, now and at each boot; the lab needs the program only.
fn stop_nginx(privilege: Privilege) -> Result<()> {
    if Path::new("/run/systemd/system").exists() {
        run_quietly(privilege.command("systemctl")?.args(["--quiet", "disable", "--now", "nginx.service"]))
    } else {
        run_quietly(privilege.command("invoke-rc.d")?.args(["--quiet", "nginx", "stop"]))?;
        run_quietly(privilege.command("update-rc.d")?.args(["nginx", "disable"]))
    }
}
