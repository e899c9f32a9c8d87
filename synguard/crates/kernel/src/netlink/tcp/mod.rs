//! The TCP sockets of this network namespace: listeners, and the peers of connections.
//!
//! `sock_diag` is asked first, because it filters by state in the kernel: a busy server has a million sockets. A kernel
//! built without `sock_diag` has only the text tables in `/proc`, which are slower to read.

mod proc_table;

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED,
    TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN, TCP_TIME_WAIT,
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

pub(super) use self::proc_table::{for_each_listener, for_each_socket_of};
use super::request::dump;

/// A set of socket states: bit `n` stands for the state that the kernel numbers `n`, as in `sock_diag`'s requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpStates(u32);

impl TcpStates {
    /// Sockets that wait for connections.
    pub const LISTEN: Self = Self(1 << TCP_LISTEN);
    /// Open connections.
    pub const ESTABLISHED: Self = Self(1 << TCP_ESTABLISHED);
    /// Connections that completed their handshake, including those that are being closed.
    pub const CONNECTED: Self = Self(
        1 << TCP_ESTABLISHED
            | 1 << TCP_FIN_WAIT1
            | 1 << TCP_FIN_WAIT2
            | 1 << TCP_TIME_WAIT
            | 1 << TCP_CLOSE_WAIT
            | 1 << TCP_LAST_ACK
            | 1 << TCP_CLOSING,
    );

    /// Reports whether the set contains the state that the kernel numbers `state`.
    pub(super) const fn contains(self, state: u8) -> bool {
        state < u32::BITS as u8 && self.0 & 1 << state != 0
    }
}

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// The local port.
    pub port: u16,
    /// The remote address; unspecified for a listener. An IPv4 address may be in IPv4-mapped form.
    pub peer: IpAddr,
    /// The inode number, by which the descriptors of a process refer to the socket; 0 in `TIME_WAIT`.
    pub inode: u64,
}

/// Passes the sockets in one of these states, and on this local port if one is given, to `visit`.
///
/// If neither `sock_diag` nor `/proc` can be read completely, the error comes after all sockets that could be. If
/// `sock_diag` fails, `visit` may see a socket twice.
pub fn for_each_socket(states: TcpStates, port: Option<u16>, mut visit: impl FnMut(TcpSocket)) -> Result<()> {
    let Err(sock_diag) = dump_sockets(states, port, &mut visit) else { return Ok(()) };
    proc_table::for_each_socket(states, port, &mut visit)
        .with_context(|| format!("list sockets ({sock_diag:#})"))
}

fn dump_sockets(states: TcpStates, port: Option<u16>, visit: &mut impl FnMut(TcpSocket)) -> Result<()> {
    for (family, any) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let query = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::from_bits_retain(states.0),
            socket_id: SocketId { source_port: port.unwrap_or(0), ..any },
        };
        dump(NETLINK_SOCK_DIAG, SockDiagMessage::InetRequest(query), |message| {
            let SockDiagMessage::InetResponse(socket) = message else { return };
            let id = &socket.header.socket_id;
            if port.is_none_or(|port| port == id.source_port) {
                let inode = u64::from(socket.header.inode);
                visit(TcpSocket { port: id.source_port, peer: id.destination_address, inode });
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
