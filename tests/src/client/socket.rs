//! Non-blocking connections and waiting for many of them, which the standard library does not provide.

use std::{
    io::{Error, Result},
    net::{SocketAddr, TcpStream},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    time::Duration,
};

/// A connection that takes longer to be made has failed.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Starts a connection from a given address and port, 0 for any; the connection is up when the socket is writable.
pub(super) fn connect(from: SocketAddr, to: SocketAddr) -> Result<TcpStream> {
    let socket = bound(from, libc::SOCK_NONBLOCK)?;
    let (address, len) = raw(to);
    // SAFETY: the pointer and the length describe an address of the socket's family.
    match check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from(socket)),
    }
}

/// Connects from a given address with the first data in the SYN, or with a request for the cookie that this takes.
pub(super) fn connect_fast(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Result<TcpStream> {
    let socket = TcpStream::from(bound(from, 0)?);
    socket.set_write_timeout(Some(CONNECT_MAX))?;
    let (address, len) = raw(to);
    let (fd, address) = (socket.as_raw_fd(), (&raw const address).cast());
    // SAFETY: pointers and lengths describe the data and an address of the socket's family.
    let sent =
        unsafe { libc::sendto(fd, data.as_ptr().cast(), data.len(), libc::MSG_FASTOPEN, address, len) };
    if sent == data.len() as isize { Ok(socket) } else { Err(Error::last_os_error()) }
}

/// A socket that is bound to an address, of this kind besides.
fn bound(from: SocketAddr, kind: libc::c_int) -> Result<OwnedFd> {
    let family = if from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: the call has no precondition.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // Without it the port would be taken at `bind`, when the destination is not known, and the ports of one
    // address would be used up by connections that have just ended.
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the size describe `on`.
    check(unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as u32,
        )
    })?;
    let (address, len) = raw(from);
    // SAFETY: the pointer and the length describe an address of the socket's family.
    check(unsafe { libc::bind(fd, (&raw const address).cast(), len) })?;
    Ok(socket)
}

/// An epoll instance: waits for many sockets, as an application does.
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(super) fn new() -> Result<Self> {
        // SAFETY: the call has no precondition.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Reports `token` whenever the socket becomes readable or writable, until it is closed.
    pub(super) fn add(&self, socket: &TcpStream, token: u64) -> Result<()> {
        let interest = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET;
        let mut event = libc::epoll_event { events: interest as u32, u64: token };
        let fd: RawFd = socket.as_raw_fd();
        // SAFETY: both descriptors are open and the event outlives the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    /// Waits, at most for the given time, and returns the tokens that have something to report.
    pub(super) fn wait(&self, timeout: Duration) -> Result<Vec<u64>> {
        const EVENTS: usize = 256;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        let time = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        let fd = self.0.as_raw_fd();
        // SAFETY: the buffer has room for as many events as are asked for; no signal mask is given.
        let found = check(unsafe {
            libc::epoll_pwait2(fd, events.as_mut_ptr(), EVENTS as i32, &raw const time, std::ptr::null())
        });
        match found {
            Ok(found) => Ok(events.iter().take(found as usize).map(|event| event.u64).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn raw(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeros is a valid `sockaddr_storage`.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let len = match address {
        SocketAddr::V4(address) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: `sockaddr_storage` is large enough and aligned for every socket address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(raw) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: 0,
            };
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(raw) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len as libc::socklen_t)
}

fn check(result: libc::c_int) -> Result<libc::c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}
