//! Frames sent and received through a packet socket, with tags, for clients that no kernel would emulate.

use std::{
    io::{Error, Result},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use crate::netns::Netns;

/// Longest frame that is received.
const FRAME_MAX: usize = 16_384;
/// From `linux/if_packet.h`: do not receive the socket's own frames.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// From `linux/if_packet.h`: the tag's fields are valid; its type is, too.
const VLAN_VALID: u32 = 1 << 4;
const VLAN_TPID_VALID: u32 = 1 << 6;

/// `struct tpacket_auxdata`.
#[repr(C)]
#[derive(Clone, Copy)]
struct AuxData {
    status: u32,
    len: u32,
    snap_len: u32,
    mac: u16,
    net: u16,
    vlan_tci: u16,
    vlan_tpid: u16,
}

/// A socket that sends and receives whole frames on a device.
#[derive(Debug)]
pub struct Wire(OwnedFd);

impl Wire {
    /// Opens a device of a namespace.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn open(netns: &Netns, device: &str) -> anyhow::Result<Self> {
        let index = netns.ifindex(device)?;
        Ok(netns.run(|| open(index))??)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the device refuses it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: pointer and length describe the frame.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent == frame.len() as isize { Ok(()) } else { Err(Error::last_os_error()) }
    }

    /// Receives frames until one is wanted, or the time is over.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn receive(&self, within: Duration, wanted: impl Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>> {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: the pointer is to one entry, which outlives the call.
            let ready = unsafe { libc::poll(&raw mut poll, 1, left.as_millis() as libc::c_int) };
            match ready {
                0 => return Ok(None),
                1.. => {}
                _ => return Err(Error::last_os_error()),
            }
            if let Some(frame) = self.take()?
                && wanted(&frame)
            {
                return Ok(Some(frame));
            }
        }
    }

    /// The next frame, if one is there.
    fn take(&self) -> Result<Option<Vec<u8>>> {
        let mut frame = vec![0; FRAME_MAX];
        let mut control = [0_u64; 8];
        let mut part = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        // SAFETY: all zeros is a valid `msghdr`.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the message points to buffers of the lengths it says, which outlive the call.
        let received = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        if received < 0 {
            let error = Error::last_os_error();
            return if error.kind() == std::io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        frame.truncate(received as usize);
        if let Some(tag) = tag(&message) {
            frame.splice(12..12, tag);
        }
        Ok(Some(frame))
    }
}

/// The outermost tag, which the kernel has taken out of the frame.
fn tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: the kernel has filled the message's control buffer in.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    if header.cmsg_level != libc::SOL_PACKET || header.cmsg_type != libc::PACKET_AUXDATA {
        return None;
    }
    // SAFETY: a control message of this type holds an `AuxData`; the read does not assume alignment.
    let data = unsafe { libc::CMSG_DATA(header).cast::<AuxData>().read_unaligned() };
    let [a, b] = if data.status & VLAN_TPID_VALID != 0 { data.vlan_tpid } else { 0x8100 }.to_be_bytes();
    let [c, d] = data.vlan_tci.to_be_bytes();
    (data.status & VLAN_VALID != 0).then_some([a, b, c, d])
}

/// A socket in the calling thread's namespace.
fn open(index: u32) -> Result<Wire> {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: the call has no precondition.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol.into()) };
    if fd < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    for option in [PACKET_IGNORE_OUTGOING, libc::PACKET_AUXDATA] {
        let on: libc::c_int = 1;
        let (on_at, len) = ((&raw const on).cast(), size_of_val(&on) as u32);
        // SAFETY: pointer and length describe `on`.
        if unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, on_at, len) } != 0 {
            return Err(Error::last_os_error());
        }
    }
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = index as libc::c_int;
    let len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: pointer and length describe the address.
    if unsafe { libc::bind(fd, (&raw const address).cast(), len) } != 0 {
        return Err(Error::last_os_error());
    }
    Ok(Wire(socket))
}
