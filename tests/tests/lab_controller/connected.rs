//! Automatic blocks spare whoever has a connection, also one through this host to a container.

use std::{
    io::{Error, Read as _, Write as _},
    net::{IpAddr, TcpStream},
    os::unix::process::CommandExt as _,
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

use synguard_tests::{
    client,
    container::Container,
    flood::FloodSpec,
    lab::{DEVICE, Family, Lab},
    web::{PORT, SLOW_PAGE, SLOW_RATE, Web},
};

use super::{concentrated, event, event_names, events, lab, start, until};

const DOWNLOADS: usize = 5;
/// Bytes of each, which take 12 s.
const LENGTH: usize = 12 * SLOW_RATE;

/// Starts slow downloads from one visitor's address. Each returns the bytes of its page.
fn downloads(lab: &Lab, visitor: IpAddr, server: IpAddr) -> Vec<JoinHandle<usize>> {
    let download = |_| {
        let connect = || client::connect((visitor, 0).into(), (server, PORT).into(), Duration::from_secs(3));
        let socket = lab.client.run(connect).unwrap().unwrap();
        thread::spawn(move || fetch(socket))
    };
    (0..DOWNLOADS).map(download).collect()
}

fn fetch(mut socket: TcpStream) -> usize {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(socket, "GET {SLOW_PAGE} HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).unwrap();
    let body = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    reply.len() - body - 4
}

/// Forges SYNs in the name of a visitor who downloads from a container, and then of one who does not.
fn forge(family: Family) {
    let (lab, synguard) = lab(1);
    let container = Container::published(&lab, PORT).unwrap();
    let addresses = [Family::V4, Family::V6].map(Container::address);
    let web = Web::start_in(&container.netns, addresses, 0).unwrap();
    web.add_slow_page(LENGTH).unwrap();
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    let downloads = downloads(&lab, family.visitor(5), family.server());
    let forged = |number| FloodSpec {
        rate_pps: Some(600),
        first_source: family.visitor(number),
        max_duration: Duration::from_secs(60),
        ..FloodSpec::new(family)
    };
    let flood = start(&lab, forged(5));
    until("the exemption", Duration::from_secs(10), || {
        event_names(&synguard).iter().any(|name| name == "spared")
    });
    let lengths: Vec<_> = downloads.into_iter().map(|download| download.join().unwrap()).collect();
    assert_eq!(lengths, [LENGTH; DOWNLOADS]);
    let spared: Vec<_> = events(&synguard).into_iter().filter(|event| event["event"] == "spared").collect();
    assert!(spared.iter().all(|event| event["why"] == "connected"), "{spared:?}");
    println!("{family:?}: spared {} times, {DOWNLOADS} downloads of {LENGTH} bytes complete", spared.len());
    assert!(!event_names(&synguard).iter().any(|name| name == "blocked"), "{:?}", event_names(&synguard));

    flood.stop().unwrap();
    let flood = start(&lab, forged(6));
    until("a block", Duration::from_secs(20), || event_names(&synguard).iter().any(|name| name == "blocked"));
    let source = if family == Family::V4 { "198.18.70.1" } else { "fd00:c1:6::/64" };
    assert_eq!(event(&synguard, "blocked")["source"], source);
    flood.stop().unwrap();
}

#[test]
fn who_is_connected_to_a_container_is_spared_until_the_end() {
    forge(Family::V4);
}

#[test]
fn network_that_is_connected_to_a_container_is_spared_until_the_end() {
    forge(Family::V6);
}

/// Makes this process's netlink sockets for TCP sockets and for the packet filter fail with `EPERM`.
fn deny_netlink() -> Result<(), Error> {
    const ERRNO: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // Offsets in `struct seccomp_data` of the call's number and of its first and third argument.
    const CALL: u32 = 0;
    const FAMILY: u32 = 16;
    const PROTOCOL: u32 = 32;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, CALL),
        step(IS, 0, 5, libc::SYS_socket as u32),
        step(LOAD, 0, 0, FAMILY),
        step(IS, 0, 3, libc::AF_NETLINK as u32),
        step(LOAD, 0, 0, PROTOCOL),
        step(IS, 2, 0, libc::NETLINK_SOCK_DIAG as u32),
        step(IS, 1, 0, libc::NETLINK_NETFILTER as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, 0, ERRNO),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the program and its steps outlive the call, which copies them.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

/// Neither netlink nor `/proc` can be read: nobody knows who is connected.
#[test]
fn nobody_is_blocked_while_connections_cannot_be_read() {
    let (lab, synguard) = lab(1);
    let mut command = Command::new("unshare");
    let plain = synguard.command(["attach", DEVICE, "--hold", "1s"]);
    command.arg("--mount").arg(plain.get_program()).args(plain.get_args());
    // SAFETY: between fork and exec only a system call is made.
    unsafe { command.pre_exec(deny_netlink) };
    let running = synguard.start_command(command).unwrap();
    until("the controller", Duration::from_secs(15), || {
        synguard.status_json().is_ok_and(|status| status["controller"]["running"] == true)
    });
    let mounts = format!("--mount=/proc/{}/ns/mnt", running.pid());
    assert!(Command::new("nsenter").args([&mounts, "umount", "--lazy", "/proc"]).status().unwrap().success());
    let flood = start(&lab, concentrated());
    until("the exemption", Duration::from_secs(10), || {
        event_names(&synguard).iter().any(|name| name == "spared")
    });
    let spared = event(&synguard, "spared");
    assert_eq!((&spared["source"], &spared["why"]), (&"11.1.1.1".into(), &"unreadable".into()));
    let message = spared["message"].as_str().unwrap();
    assert!(message.contains("cannot be read"), "{message}");
    let log = running.stderr();
    for place in
        ["this host's connections", "tracked connections", "other network namespaces", "SSH sessions"]
    {
        assert!(log.contains(place), "{place}: {log}");
    }
    // Long enough for three more strikes.
    until("another check", Duration::from_secs(10), || {
        events(&synguard).iter().filter(|event| event["event"] == "spared").count() > 1
    });
    assert!(!event_names(&synguard).iter().any(|name| name == "blocked"), "{:?}", event_names(&synguard));
    flood.stop().unwrap();
    running.kill().unwrap();
    assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0));
}
