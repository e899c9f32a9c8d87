//! The text tables `/proc/net/tcp` and `tcp6`, of this network namespace and of other processes' ones.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{TcpSocket, TcpStates};

/// Bytes read of one table to find listeners, which come first in it.
const LISTENERS_READ_BYTES: u64 = 64 * 1024;

/// Passes the sockets in one of these states, and on this local port if one is given, to `visit`.
pub(super) fn for_each_socket(
    states: TcpStates,
    port: Option<u16>,
    visit: &mut impl FnMut(TcpSocket),
) -> Result<()> {
    // The thread's table, not the process's: it is sure to be of the namespace that netlink is asked in.
    for_each_socket_of("thread-self", states, |socket| {
        if port.is_none_or(|port| port == socket.port) {
            visit(socket);
        }
        ControlFlow::Continue(())
    })
}

/// Passes the sockets in one of these states in the network namespace of a process, given by its folder in `/proc`, to
/// `visit`, until that breaks off.
pub(crate) fn for_each_socket_of(
    process: &str,
    states: TcpStates,
    mut visit: impl FnMut(TcpSocket) -> ControlFlow<()>,
) -> Result<()> {
    for path in tables(process) {
        let file = match File::open(&path) {
            Ok(file) => file,
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.ends_with("tcp6") => continue,
            Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.with_context(|| format!("read {}", path.display()))?;
            let socket = parse_line(&line).filter(|(state, _)| states.contains(*state));
            if socket.is_some_and(|(_, socket)| visit(socket).is_break()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Passes the listeners in the network namespace of a process, given by its folder in `/proc`, to `visit`. A table that
/// cannot be read has none: the process may have ended.
pub(crate) fn for_each_listener(process: &str, mut visit: impl FnMut(TcpSocket)) {
    for path in tables(process) {
        let Ok(file) = File::open(path) else { continue };
        let lines = BufReader::new(file.take(LISTENERS_READ_BYTES)).split(b'\n').map_while(Result::ok);
        let sockets = lines.filter_map(|line| parse_line(&line));
        sockets.filter(|(state, _)| TcpStates::LISTEN.contains(*state)).for_each(|(_, socket)| visit(socket));
    }
}

fn tables(process: &str) -> [PathBuf; 2] {
    ["tcp", "tcp6"].map(|name| Path::new("/proc").join(process).join("net").join(name))
}

/// Parses a line such as `  1: 0100007F:0CEA 0200007F:9C40 01 …` into a state's number and a socket; `None` for the
/// heading and for anything else. Pure.
fn parse_line(line: &[u8]) -> Option<(u8, TcpSocket)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (_, port) = words.nth(1)?.split_once(':')?;
    let (peer, _) = words.next()?.split_once(':')?;
    let state = parse_hex(words.next()?)?.try_into().ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    let socket = TcpSocket { port: parse_hex(port)?.try_into().ok()?, peer: parse_address(peer)?, inode };
    Some((state, socket))
}

/// Parses an address as the kernel prints it: words of 32 bits in the machine's byte order.
fn parse_address(digits: &str) -> Option<IpAddr> {
    const WORD: usize = 8;
    let mut bytes = [0; 16];
    for (to, word) in bytes.chunks_exact_mut(4).zip(digits.as_bytes().chunks(WORD)) {
        let word = u32::try_from(parse_hex(std::str::from_utf8(word).ok()?)?).ok()?;
        to.copy_from_slice(&word.to_ne_bytes());
    }
    match digits.len() {
        8 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        32 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// Parses hexadecimal digits without a sign, which the standard library would accept.
fn parse_hex(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADING: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    // As a little-endian machine prints them.
    const LISTENING: &str = "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0000 100 0 0 10 0";
    const CONNECTED: &str = "   1: 0100007F:0016 0A0200C0:D431 01 00000000:00000000 02:000A 00000000     0        0 5678 2 0000 20 4 30 10 -1";
    const MAPPED: &str = "   2: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000A0200C0:D431 01 00000000:00000000 02:000A 00000000  0 0 9 2";
    const IPV6: &str = "   3: B80D0120000000000000000001000000:0050 B80D0120000000000000000002000000:D431 06 00000000:00000000 03:000A 00000000  0 0 0 3";

    const LISTEN: u8 = 10;
    const ESTABLISHED: u8 = 1;
    const TIME_WAIT: u8 = 6;

    #[test]
    #[cfg(target_endian = "little")]
    fn kernel_lines_are_parsed() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let read = |line: &str| parse_line(line.as_bytes());
        let socket = |port, peer, inode| TcpSocket { port, peer, inode };
        assert_eq!(read(HEADING), None);
        assert_eq!(read(LISTENING), Some((LISTEN, socket(22, Ipv4Addr::UNSPECIFIED.into(), 1234))));
        assert_eq!(read(CONNECTED), Some((ESTABLISHED, socket(22, ip("192.0.2.10"), 5678))));
        assert_eq!(read(MAPPED), Some((ESTABLISHED, socket(22, ip("::ffff:192.0.2.10"), 9))));
        assert_eq!(read(IPV6), Some((TIME_WAIT, socket(80, ip("2001:db8::2"), 0))));
        let closing = read(&CONNECTED.replace(" 01 ", " 06 ")).expect("a socket");
        assert!(!TcpStates::LISTEN.contains(closing.0) && !TcpStates::ESTABLISHED.contains(closing.0));
    }

    #[test]
    fn malformed_lines_are_skipped() {
        for (from, to) in [
            ("0A0200C0", "0A0200C"),
            ("0A0200C0", "+A0200C0"),
            ("0A0200C0", "0A0200C0FF"),
            ("0A0200C0", ""),
            ("0016", "10016"),
            ("0016", ""),
            (":D431", ""),
            ("5678", "-1"),
            ("5678", "99999999999999999999"),
            (" 5678 2 0000 20 4 30 10 -1", ""),
            (" 01 ", " é1 "),
            (" 01 ", " 101 "),
        ] {
            let line = CONNECTED.replace(from, to);
            assert_ne!(line, CONNECTED);
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
        for other in [
            "",
            "  sl  local_address rem_address   st tx_queue",
            "1: 0:0",
            "1: 00:00 00:00 01",
            "1: é:é é:é é",
        ] {
            assert_eq!(parse_line(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn hostile_lines_do_not_panic(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            text in ".{0,120}",
            cut in 0_usize..160,
        ) {
            let _ = parse_line(&noise);
            let _ = parse_line(text.as_bytes());
            let _ = parse_line(&CONNECTED.as_bytes()[..cut.min(CONNECTED.len())]);
            let _ = parse_line(&MAPPED.as_bytes()[..cut.min(MAPPED.len())]);
        }
    }
}
