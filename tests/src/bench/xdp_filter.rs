//! The peer xdp-filter, on the server's device.

use std::{
    io::{BufRead as _, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use synguard_kernel::netlink;

use crate::{
    command::{REMEDY, end_with_parent, run},
    lab::{DEVICE, Lab},
    netns::Netns,
};

/// A loaded xdp-filter. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct XdpFilter {
    server: Netns,
    // It pins under /sys/fs/bpf. This process keeps a private mount there alive, with which the pins go.
    holder: Child,
    /// The id of the program on the device.
    pub(super) program_id: u32,
}

impl XdpFilter {
    /// Loads it with features as its option `-f` takes them, and empty lists that allow what they do not name.
    ///
    /// # Errors
    /// When it is not installed, or cannot be loaded.
    pub(super) fn load(lab: &Lab, features: &str) -> Result<Self> {
        // The last line keeps the mount namespace, and shows that the rest is done.
        let script = format!(
            "mount -t bpf bpf /sys/fs/bpf && xdp-filter load -p allow -f {features} {DEVICE} >&2 && \
             echo ready && exec sleep 3600"
        );
        let mut command = lab.server.command("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        end_with_parent(&mut command, libc::SIGKILL);
        let mut holder = command.spawn().with_context(|| format!("start xdp-filter: {REMEDY}"))?;
        let mut line = String::new();
        let stdout = holder.stdout.take().context("no output of xdp-filter")?;
        BufReader::new(stdout).read_line(&mut line).context("read the output of xdp-filter")?;
        let mut filter = Self { server: lab.server.clone(), holder, program_id: 0 };
        if line.trim() != "ready" {
            let _ = filter.holder.kill();
            let mut said = String::new();
            if let Some(stderr) = filter.holder.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut BufReader::new(stderr), &mut said);
            }
            bail!("xdp-filter could not be loaded: {}", said.trim());
        }
        let interface = lab.server.run(|| netlink::interface_by_name(DEVICE))??;
        let programs = interface.context("the server lost its device")?.xdp;
        filter.program_id = programs.first().context("xdp-filter attached nothing")?.1;
        Ok(filter)
    }

    /// Makes it drop a source's packets.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn deny(&self, source: Ipv4Addr) -> Result<()> {
        // Its lists are pinned in its own mount.
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.holder.id())).args(["--mount", "--net", "xdp-filter", "ip"]);
        run(command.arg(source.to_string()).args(["--mode", "src"])).map(drop)
    }
}

impl Drop for XdpFilter {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        // The attachment itself is the device's, not the mount's.
        for mode in ["xdpdrv", "xdpgeneric"] {
            let command = &mut self.server.command("ip");
            if let Err(error) = run(command.args(["link", "set", "dev", DEVICE, mode, "off"])) {
                eprintln!("xdp-filter could not be taken off {DEVICE}: {error:#}");
            }
        }
    }
}
