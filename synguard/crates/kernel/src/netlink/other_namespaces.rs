//! TCP sockets in other network namespaces, such as those of containers: of their listeners a filter that replies for
//! this namespace knows nothing, and their connections may pass through it.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    ops::ControlFlow,
    os::linux::fs::MetadataExt as _,
};

use anyhow::{Result, ensure};
use synguard_model::event::ForeignNamespace;

use super::tcp::{TcpSocket, TcpStates, for_each_listener, for_each_socket_of};
use crate::clock::Deadline;

/// Namespaces named in one event, and ports of each.
const NAMESPACES_NAMED: usize = 8;
const PORTS_NAMED: usize = 8;
/// Processes examined at most.
const PROCESSES_MAX: usize = 32_768;

/// Returns network namespaces other than this process's in which a process listens on TCP, and how many there are
/// beyond those that are named.
pub fn listeners_in_other_namespaces() -> (Vec<ForeignNamespace>, usize) {
    let (mut found, mut more) = (Vec::new(), 0);
    for pid in other_namespaces() {
        let process = pid.to_string();
        let ports = listening_ports(&process);
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

/// Passes the sockets in one of these states, in network namespaces other than this process's, to `visit`. Fails if it
/// is not done at the deadline.
///
/// A namespace that can no longer be read is left out: its last process may have ended.
pub(crate) fn for_each_socket_in_other_namespaces(
    states: TcpStates,
    deadline: Deadline,
    mut visit: impl FnMut(TcpSocket),
) -> Result<()> {
    ensure!(namespace_number("self").is_some(), "/proc cannot be read");
    for pid in other_namespaces() {
        let tables = for_each_socket_of(&pid.to_string(), states, |socket| {
            visit(socket);
            if deadline.has_passed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Err(error) = tables {
            log::debug!("namespace of process {pid}: {error:#}");
        }
        ensure!(!deadline.has_passed(), "it took too long");
    }
    Ok(())
}

/// Returns a process of each network namespace other than this process's.
fn other_namespaces() -> impl Iterator<Item = u32> {
    let ours = namespace_number("self");
    let mut seen: HashSet<u64> = ours.into_iter().collect();
    let processes = ours.and_then(|_| fs::read_dir("/proc").ok()).into_iter().flatten().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes
        .take(PROCESSES_MAX)
        .filter(move |pid| namespace_number(&pid.to_string()).is_some_and(|number| seen.insert(number)))
}

/// Returns a number that identifies a process's network namespace. `/proc/PID/ns/net` has one too, but reading it takes
/// a privilege.
fn namespace_number(process: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{process}/net/tcp")).ok()?.st_ino())
}

/// Returns the ports with listeners in a process's namespace.
fn listening_ports(process: &str) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for_each_listener(process, |socket| {
        ports.insert(socket.port);
    });
    ports
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listening_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        assert!(listening_ports("self").contains(&listener.local_addr().expect("bound").port()));
    }
}
