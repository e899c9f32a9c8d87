//! The peers of SSH sessions.
//!
//! An SSH session is an established connection to a port on which an SSH server listens: port 22, the ports on which
//! root's processes of certain names listen, and the port of the session that the caller runs in. A server that systemd
//! starts for each connection (`Accept=yes`) has no listener: on a port other than 22, only the caller's own session
//! reveals it.
//!
//! A connected peer may not have logged in yet. It is protected as well, because cutting it off may lock an operator
//! out.

use std::{
    collections::{BTreeSet, HashSet},
    env, fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};

use super::{ProtectedAddr, Role, is_usable};
use crate::netlink::tcp::{self, TcpSocket, TcpStates};

const SSH_PORT: u16 = 22;
/// Process names as the kernel keeps them, in up to 15 bytes. The process of a session in newer versions,
/// `sshd-session`, holds only connections and the ports that its user has forwarded.
const SERVERS: [&str; 2] = ["sshd", "dropbear"];

/// Adds the peers of SSH sessions to `found`. If sockets or processes cannot be read, `found` has the others.
pub(super) fn peers(found: &mut Vec<ProtectedAddr>) -> Result<()> {
    let own = ["SSH_CONNECTION", "SSH_CLIENT"]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find_map(|value| parse_session(&value));
    found.extend(own.map(|(peer, port)| protected(peer, port)));

    let mut listening = Vec::new();
    let listed = tcp::for_each_socket(TcpStates::LISTEN, None, |socket| listening.push(socket));
    let held = sockets_of_servers(Path::new("/proc"));
    let ports = server_ports(&listening, held.as_ref().unwrap_or(&HashSet::new()), own.map(|(_, port)| port));
    let mut result = listed.and(held.map(drop));
    for port in ports {
        result = result.and(tcp::for_each_socket(TcpStates::ESTABLISHED, Some(port), |socket| {
            if is_usable(&socket.peer) {
                found.push(protected(socket.peer, port));
            }
        }));
    }
    result
}

fn protected(peer: IpAddr, port: u16) -> ProtectedAddr {
    ProtectedAddr::address(peer, Role::SshPeer, format!("the peer of an SSH session (port {port})"))
}

/// Returns the ports on which SSH servers listen. Pure.
fn server_ports(listening: &[TcpSocket], held: &HashSet<u64>, own: Option<u16>) -> BTreeSet<u16> {
    let servers = listening.iter().filter(|socket| held.contains(&socket.inode)).map(|socket| socket.port);
    servers.chain(own).chain([SSH_PORT]).collect()
}

/// Parses the peer and the server's port in `SSH_CONNECTION` (peer, its port, server, its port) or in `SSH_CLIENT`
/// (peer, its port, server's port). Pure.
fn parse_session(value: &str) -> Option<(IpAddr, u16)> {
    let words: Vec<_> = value.split_ascii_whitespace().collect();
    let ([peer, _, _, port] | [peer, _, port]) = words[..] else { return None };
    let peer = peer.split('%').next()?.parse().ok().filter(is_usable)?;
    Some((peer, port.parse().ok()?))
}

/// Returns the inodes of the sockets that SSH servers hold. A process that ends meanwhile holds none.
fn sockets_of_servers(proc: &Path) -> Result<HashSet<u64>> {
    let mut held = HashSet::new();
    for process in fs::read_dir(proc).with_context(|| format!("list {}", proc.display()))?.flatten() {
        let path = process.path();
        let is_process = process.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
        if !is_process || !is_server(&path) {
            continue;
        }
        let descriptors = fs::read_dir(path.join("fd")).into_iter().flatten().flatten();
        held.extend(
            descriptors
                .filter_map(|fd| fs::read_link(fd.path()).ok())
                .filter_map(|to| socket_inode(to.to_str()?)),
        );
    }
    Ok(held)
}

/// Reports whether a process is root's SSH server. Any user can give a process that name, but not root's user id.
fn is_server(process: &Path) -> bool {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    SERVERS.contains(&name.trim_end()) && fs::metadata(process).is_ok_and(|process| process.uid() == 0)
}

/// Parses the inode in the link of a socket's descriptor: `socket:[1234]`. Pure.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn callers_session_is_parsed() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (value, expected) in [
            ("192.0.2.10 50022 192.0.2.1 22", Some((ip("192.0.2.10"), 22))),
            ("192.0.2.10 50022 2222", Some((ip("192.0.2.10"), 2222))),
            ("fe80::2%eth0 50022 fe80::1%eth0 22", Some((ip("fe80::2"), 22))),
            ("UNKNOWN 65535 UNKNOWN 65535", None),
            ("192.0.2.10 50022 192.0.2.1 99999", None),
            ("0.0.0.0 1 2", None),
            ("192.0.2.10", None),
            ("", None),
        ] {
            assert_eq!(parse_session(value), expected, "{value}");
        }
    }

    #[test]
    fn server_ports_include_22() {
        let tcp = |port, inode| TcpSocket { port, peer: IpAddr::from([0; 4]), inode };
        let listening = [tcp(80, 1), tcp(2222, 2), tcp(443, 3)];
        let among = |held: &[u64], own| -> Vec<u16> {
            server_ports(&listening, &held.iter().copied().collect(), own).into_iter().collect()
        };
        assert_eq!(among(&[], None), [22]);
        assert_eq!(among(&[2, 9], None), [22, 2222]);
        assert_eq!(among(&[], Some(2022)), [22, 2022]);
    }

    #[test]
    fn socket_descriptors_are_recognised() {
        assert_eq!(socket_inode("socket:[1234]"), Some(1234));
        for other in ["pipe:[1234]", "socket:[]", "socket:[12", "socket:[-1]", "/dev/null", ""] {
            assert_eq!(socket_inode(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn hostile_values_do_not_panic(value in ".{0,60}") {
            let _ = parse_session(&value);
            let _ = socket_inode(&value);
        }
    }
}
