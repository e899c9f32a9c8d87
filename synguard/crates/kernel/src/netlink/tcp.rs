//! TCP sockets: who listens, and who is connected to a port.
//!
//! The kernel is asked by sock_diag, which leaves out at once what is not wanted: a busy server has a million
//! sockets. Where it was built without, the text tables in `/proc` say the same, slower.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage, TCP_ESTABLISHED, TCP_LISTEN,
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::request::dump;

/// What a socket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for connections.
    Listening,
    /// It is one end of an established connection.
    Established,
}

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Its own port.
    pub port: u16,
    /// The other end's address; unspecified while it listens. An IPv4 address may be in its IPv6 form.
    pub peer: IpAddr,
    /// The number by which a process's descriptors name it.
    pub inode: u64,
}

/// Adds the sockets in that state, on that local port if one is given, to `found`.
///
/// # Errors
///
/// If neither netlink nor `/proc` tells: `found` has what was learnt.
pub fn sockets(state: State, port: Option<u16>, found: &mut Vec<Tcp>) -> Result<()> {
    let Err(netlink) = by_netlink(state, port, found) else { return Ok(()) };
    by_proc(state, port, found).with_context(|| format!("list sockets ({netlink:#})"))
}

fn by_netlink(state: State, port: Option<u16>, found: &mut Vec<Tcp>) -> Result<()> {
    for (family, any) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let query = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: match state {
                State::Listening => StateFlags::LISTEN,
                State::Established => StateFlags::ESTABLISHED,
            },
            socket_id: SocketId { source_port: port.unwrap_or(0), ..any },
        };
        dump(NETLINK_SOCK_DIAG, SockDiagMessage::InetRequest(query), |message| {
            let SockDiagMessage::InetResponse(socket) = message else { return };
            let id = &socket.header.socket_id;
            if port.is_none_or(|port| port == id.source_port) {
                let inode = u64::from(socket.header.inode);
                found.push(Tcp { port: id.source_port, peer: id.destination_address, inode });
            }
        })?;
    }
    Ok(())
}

fn by_proc(state: State, port: Option<u16>, found: &mut Vec<Tcp>) -> Result<()> {
    // Of the thread, not of the process: only that is sure to be the namespace that netlink would be asked in.
    for (name, optional) in [("tcp", false), ("tcp6", true)] {
        let path = format!("/proc/thread-self/net/{name}");
        let file = match File::open(&path) {
            Ok(file) => file,
            // A kernel without IPv6.
            Err(error) if optional && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("open {path}")),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.with_context(|| format!("read {path}"))?;
            found.extend(
                parse(&line)
                    .filter(|(st, tcp)| *st == state && port.is_none_or(|port| port == tcp.port))
                    .map(|(_, tcp)| tcp),
            );
        }
    }
    Ok(())
}

/// A line of `/proc/net/tcp` or `tcp6`; `None` if it is the heading, another state, or none of that. Pure.
fn parse(line: &[u8]) -> Option<(State, Tcp)> {
    const LISTEN: u64 = TCP_LISTEN as u64;
    const ESTABLISHED: u64 = TCP_ESTABLISHED as u64;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (_, port) = words.nth(1)?.split_once(':')?;
    let (peer, _) = words.next()?.split_once(':')?;
    let state = match hex(words.next()?)? {
        LISTEN => State::Listening,
        ESTABLISHED => State::Established,
        _ => return None,
    };
    let inode = words.nth(5)?.parse().ok()?;
    let tcp = Tcp { port: hex(port)?.try_into().ok()?, peer: parse_address(peer)?, inode };
    Some((state, tcp))
}

/// An address as words of 32 bits in the machine's own order.
fn parse_address(digits: &str) -> Option<IpAddr> {
    const WORD: usize = 8;
    let mut bytes = [0; 16];
    for (to, word) in bytes.chunks_exact_mut(4).zip(digits.as_bytes().chunks(WORD)) {
        let word = u32::try_from(hex(std::str::from_utf8(word).ok()?)?).ok()?;
        to.copy_from_slice(&word.to_ne_bytes());
    }
    match digits.len() {
        8 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        32 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

fn hex(digits: &str) -> Option<u64> {
    // The library's own would take a sign.
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
