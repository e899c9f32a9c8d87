//! A link for one XDP program on the server's device, which can be replaced at any moment.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use aya_obj::generated::{bpf_attach_type, bpf_cmd};

use crate::{
    bench::single::{bpf, zeroed},
    lab::{DEVICE, Lab},
};

/// `XDP_FLAGS_DRV_MODE` of `if_link.h`.
const IN_THE_DRIVER: u32 = 1 << 2;

/// A link; closing it detaches.
#[derive(Debug)]
pub(super) struct XdpLink(OwnedFd);

impl XdpLink {
    /// Attaches a program to the server's device.
    ///
    /// # Errors
    /// When another is there.
    pub(super) fn new(lab: &Lab, program: impl AsFd) -> Result<Self> {
        let mut attr = zeroed();
        attr.link_create.__bindgen_anon_1.prog_fd = program.as_fd().as_raw_fd() as u32;
        attr.link_create.__bindgen_anon_2.target_ifindex = lab.server.ifindex(DEVICE)?;
        attr.link_create.attach_type = bpf_attach_type::BPF_XDP as u32;
        attr.link_create.flags = IN_THE_DRIVER;
        let create = || -> io::Result<OwnedFd> {
            let fd = bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr)?;
            // SAFETY: a new descriptor that nothing else owns.
            Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
        };
        lab.server.run(create)?.context("attach a program").map(Self)
    }

    /// Replaces the program.
    ///
    /// # Errors
    /// When it is of another kind.
    pub(super) fn replace(&self, program: impl AsFd) -> Result<()> {
        let mut attr = zeroed();
        attr.link_update.link_fd = self.0.as_raw_fd() as u32;
        attr.link_update.__bindgen_anon_1.new_prog_fd = program.as_fd().as_raw_fd() as u32;
        bpf(bpf_cmd::BPF_LINK_UPDATE, &mut attr).map(drop).context("put a program in the place of another")
    }
}
