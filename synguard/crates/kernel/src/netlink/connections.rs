//! Who has connections with this machine, and who listens in other network namespaces: from the tables of sockets in
//! `/proc`. The parser is pure.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::linux::fs::MetadataExt as _,
    path::Path,
};

use synguard_model::event::ForeignNamespace;

/// States of a socket, as the kernel numbers them.
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;
const NEW_SYN_RECV: u8 = 12;
/// Namespaces named in one event, and ports of each.
const NAMESPACES_NAMED: usize = 8;
const PORTS_NAMED: usize = 8;
/// Bytes read of one table to find listeners, which come first in it.
const LISTENERS_READ: u64 = 64 * 1024;
/// Processes looked at.
const PROCESSES_MAX: usize = 32_768;

/// A line of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    port: u16,
    peer: IpAddr,
    state: u8,
}

impl Socket {
    /// Whether the other end has completed a handshake.
    const fn is_connected(&self) -> bool {
        !matches!(self.state, SYN_SENT | SYN_RECV | CLOSE | LISTEN | NEW_SYN_RECV)
    }
}

/// Reads a line such as `  1: 0100007F:0CEA 0200007F:9C40 01 …`.
fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (_, port) = fields.next()?.split_once(':')?;
    let (peer, _) = fields.next()?.split_once(':')?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    Some(Socket { port: u16::from_str_radix(port, 16).ok()?, peer: address(peer)?, state })
}

/// An address as the kernel prints it: words of 32 bits, each in the byte order of the machine.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(8 * at..8 * at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The other ends of connections of this process's network namespace: those that completed a handshake, also if they
/// are being closed. IPv4 addresses are in mapped form.
///
/// # Errors
///
/// If the tables cannot be read.
pub fn peers() -> io::Result<HashSet<Ipv6Addr>> {
    let mut peers = HashSet::new();
    for name in ["tcp", "tcp6"] {
        let file = match File::open(Path::new("/proc/self/net").join(name)) {
            Ok(file) => file,
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let sockets = BufReader::new(file).lines().map_while(Result::ok);
        for socket in sockets.filter_map(|line| parse(&line)).filter(Socket::is_connected) {
            peers.insert(match socket.peer {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            });
        }
    }
    Ok(peers)
}

/// Network namespaces other than ours in which somebody listens on TCP, and how many more there are than are named.
pub fn listeners_in_other_namespaces() -> (Vec<ForeignNamespace>, usize) {
    let Some(ours) = namespace("self") else { return (Vec::new(), 0) };
    let mut seen = HashSet::from([ours]);
    let (mut found, mut more) = (Vec::new(), 0);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in
        processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).take(PROCESSES_MAX)
    {
        let process = pid.to_string();
        if namespace(&process).is_none_or(|namespace| !seen.insert(namespace)) {
            continue;
        }
        let ports = listening(&process);
        if ports.is_empty() {
            continue;
        }
        if found.len() == NAMESPACES_NAMED {
            more += 1;
            continue;
        }
        let command = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        let ports = ports.into_iter().take(PORTS_NAMED).collect();
        found.push(ForeignNamespace {
            pid,
            command: synguard_model::error::one_line(command.trim_end()),
            ports,
        });
    }
    (found, more)
}

/// A number for a process's network namespace. `/proc/PID/ns/net` would have one too, but takes a privilege to read.
fn namespace(process: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{process}/net/tcp")).ok()?.st_ino())
}

/// Ports that are listened on in a process's namespace.
fn listening(process: &str) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for name in ["tcp", "tcp6"] {
        let Ok(file) = File::open(format!("/proc/{process}/net/{name}")) else { continue };
        let lines = BufReader::new(file.take(LISTENERS_READ)).lines().map_while(Result::ok);
        ports.extend(
            lines.filter_map(|line| parse(&line)).filter(|socket| socket.state == LISTEN).map(|s| s.port),
        );
    }
    ports
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_tables() {
        let v4 =
            "   1: 0100007F:0CEA 0264C0C6:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1";
        assert_eq!(parse(v4), Some(Socket { port: 3306, peer: [198, 192, 100, 2].into(), state: 1 }));
        let v6 = "   0: B80D0120000000000000000001000000:0050 B80D0120000000000000000002000000:D431 06 0:0 0";
        let peer = "2001:db8::2".parse::<IpAddr>().expect("an address");
        assert_eq!(parse(v6), Some(Socket { port: 80, peer, state: 6 }));
        let mapped =
            "   0: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000200007F:D431 01 0:0 0";
        assert_eq!(parse(mapped).map(|socket| socket.peer), Some([127, 0, 0, 2].into()));
        for other in [
            "",
            "  sl  local_address rem_address   st tx_queue",
            "1: 0:0",
            "1: 00:00 00:00 01",
            "1: é:é é:é é",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn only_completed_handshakes_count() {
        let socket = |state| Socket { port: 1, peer: [10, 0, 0, 1].into(), state };
        let connected: Vec<u8> = (1..=12).filter(|state| socket(*state).is_connected()).collect();
        assert_eq!(connected, [1, 4, 5, 6, 8, 9, 11]);
    }

    #[test]
    fn a_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let _client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        assert!(peers().expect("readable").contains(&Ipv4Addr::LOCALHOST.to_ipv6_mapped()));
        let port = listener.local_addr().expect("bound").port();
        assert!(listening("self").contains(&port));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in ".{0,120}") {
            let _ = parse(&line);
        }
    }
}
