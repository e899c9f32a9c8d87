//! TCP listeners in other network namespaces, such as those of containers: a filter that replies for this namespace
//! knows nothing of them.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    os::linux::fs::MetadataExt as _,
};

use synguard_model::event::ForeignNamespace;

use super::tcp::for_each_listener;

/// Namespaces named in one event, and ports of each.
const NAMESPACES_NAMED: usize = 8;
const PORTS_NAMED: usize = 8;
/// Processes examined at most.
const PROCESSES_MAX: usize = 32_768;

/// Returns network namespaces other than this process's in which a process listens on TCP, and how many there are
/// beyond those that are named.
pub fn listeners_in_other_namespaces() -> (Vec<ForeignNamespace>, usize) {
    let Some(ours) = namespace_number("self") else { return (Vec::new(), 0) };
    let mut seen = HashSet::from([ours]);
    let (mut found, mut more) = (Vec::new(), 0);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in
        processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).take(PROCESSES_MAX)
    {
        let process = pid.to_string();
        if namespace_number(&process).is_none_or(|namespace| !seen.insert(namespace)) {
            continue;
        }
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
