//! Addresses protected from being blocked, in a namespace with real addresses, routes and connections.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::fs::symlink},
    process::{Child, Command},
    thread,
};

use synguard_kernel::protected::{self, Protection, Role};
use synguard_tests::{
    lab::{Family, Lab, SERVER_V4, SERVER_V6},
    netns::Netns,
};

/// The client's addresses.
const CLIENT: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, 2))];

/// Returns the protected addresses of the server's namespace.
fn current(lab: &Lab) -> Protection {
    let current = lab.server.run(protected::current).unwrap();
    assert_eq!(current.warnings, Vec::<String>::new());
    current
}

/// Returns the reason against blocking the target, if there is one.
fn refusal(current: &Protection, target: &str) -> Option<String> {
    let net =
        if target.contains('/') { target.parse() } else { format!("{target}/{}", length(target)).parse() };
    current.set.conflict(net.unwrap()).map(|conflict| conflict.to_string())
}

fn length(ip: &str) -> u8 {
    if ip.contains(':') { 128 } else { 32 }
}

#[track_caller]
fn assert_refused(current: &Protection, target: &str, why: &str) {
    let message = refusal(current, target);
    assert!(
        message.as_ref().is_some_and(|message| message.contains(why)),
        "{target}: {message:?}, not `{why}`"
    );
}

fn listen(netns: &Netns, port: u16) -> TcpListener {
    netns.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))).unwrap().unwrap()
}

/// Returns both ends of an established connection.
fn connect(lab: &Lab, listener: &TcpListener, family: Family, port: u16) -> [TcpStream; 2] {
    let client = lab.client.run(|| TcpStream::connect((family.server(), port))).unwrap().unwrap();
    [client, listener.accept().unwrap().0]
}

#[test]
fn own_addresses_and_loopback_are_protected() {
    let lab = Lab::new().unwrap();
    lab.server.ip("address add 192.0.2.1 peer 192.0.2.2 dev eth0").unwrap();
    let current = current(&lab);
    assert_refused(&current, &SERVER_V4.to_string(), "an address of this host (eth0)");
    assert_refused(&current, &SERVER_V6.to_string(), "an address of this host (eth0)");
    assert_refused(&current, "192.0.2.1", "an address of this host (eth0)");
    assert_refused(&current, "192.0.2.2", "the other end of the link eth0");
    assert_refused(&current, "127.3.2.1", "is inside 127.0.0.0/8, loopback");
    assert_refused(&current, "::1", "loopback");
    assert_refused(
        &current,
        "198.18.0.0/31",
        "198.18.0.0/31 covers 198.18.0.1, an address of this host (eth0)",
    );
    // The neighbours are not protected: not even one that is the gateway to some prefix.
    for neighbour in ["198.18.0.3", "198.18.0.2", "192.0.2.3", "fd00:5e::3"] {
        assert_eq!(refusal(&current, neighbour), None);
    }
    // These are the namespace's, not the machine's.
    let elsewhere = lab.client.run(protected::current).unwrap();
    assert_eq!(refusal(&elsewhere, &SERVER_V4.to_string()), None);
}

#[test]
fn gateways_are_found_in_every_form_of_route() {
    let lab = Lab::new().unwrap();
    let before = current(&lab);
    for gateway in ["198.18.0.254", "fd00:5e::fe"] {
        assert_refused(&before, gateway, "a default gateway");
    }
    let others = [
        "198.18.0.11",
        "198.18.0.12",
        "198.18.0.13",
        "198.18.0.14",
        "fd00:5e::11",
        "fd00:5e::12",
        "fe80::77",
    ];
    for gateway in others {
        assert_eq!(refusal(&before, gateway), None);
    }
    for route in [
        "route add default metric 5 nexthop via 198.18.0.11 dev eth0 nexthop via 198.18.0.12 dev eth0",
        "route add 0.0.0.0/1 via 198.18.0.13",
        "route add default via inet6 fe80::77 dev eth0 table 100",
        "nexthop add id 5 via 198.18.0.14 dev eth0",
        "route add default nhid 5 table 101",
        "-6 route add default metric 5 nexthop via fd00:5e::11 dev eth0 nexthop via fd00:5e::12 dev eth0",
        "route add 203.0.113.0/24 via 198.18.0.15",
    ] {
        lab.server.ip(route).unwrap();
    }
    let after = current(&lab);
    for gateway in others {
        assert_refused(&after, gateway, "a default gateway");
    }
    assert_eq!(refusal(&after, "198.18.0.15"), None, "a gateway to one network only");
}

#[test]
fn ssh_peers_are_protected_while_connected() {
    let lab = Lab::new().unwrap();
    let (ssh, web) = (listen(&lab.server, 22), listen(&lab.server, 80));
    let families = [Family::V4, Family::V6];
    let _visits = families.map(|family| connect(&lab, &web, family, 80));
    // Logged in from the server elsewhere: the other end is no peer of a session here.
    let away = listen(&lab.client, 22);
    let _away = lab.server.run(|| CLIENT.map(|ip| TcpStream::connect((ip, 22)).unwrap())).unwrap();
    let before = current(&lab);
    for ip in CLIENT {
        assert_eq!(refusal(&before, &ip.to_string()), None);
    }

    let sessions = families.map(|family| connect(&lab, &ssh, family, 22));
    let during = current(&lab);
    for ip in CLIENT {
        assert_refused(&during, &ip.to_string(), "is the peer of an SSH session (port 22)");
    }
    assert_refused(&during, "198.18.0.2/31", "covers 198.18.0.2, the peer of an SSH session (port 22)");
    let count = |current: &Protection| current.set.iter().filter(|one| one.role == Role::SshPeer).count();
    assert_eq!(count(&during), count(&before) + 2, "{:?}", during.set);

    drop((sessions, away));
    let after = current(&lab);
    for ip in CLIENT {
        assert_eq!(refusal(&after, &ip.to_string()), None);
    }
}

/// A process that is called `name` and holds the listener.
struct Holder(Child);

impl Holder {
    fn new(name: &str, listener: TcpListener) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(name);
        symlink("/bin/sleep", &program).unwrap();
        let child = Command::new(&program).arg("60").stdin(OwnedFd::from(listener)).spawn().unwrap();
        // The kernel wakes the parent a moment before it changes the child's name.
        let comm = format!("/proc/{}/comm", child.id());
        while fs::read_to_string(&comm).unwrap().trim_end() != name {
            thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_on_another_port_is_known_by_its_process() {
    let lab = Lab::new().unwrap();
    let listener = listen(&lab.server, 2022);
    let _session = connect(&lab, &listener, Family::V4, 2022);
    let client = CLIENT[0].to_string();
    let holder = Holder::new("nginx", listener.try_clone().unwrap());
    assert_eq!(refusal(&current(&lab), &client), None);
    drop(holder);
    let _holder = Holder::new("sshd", listener);
    assert_refused(&current(&lab), &client, "the peer of an SSH session (port 2022)");
}

/// The calling process's own session counts too, should it not be seen otherwise. The environment is the
/// process's, so the test starts itself again with another one.
#[test]
fn the_callers_session_is_protected() {
    const INSIDE: &str = "PRINT_WHAT_IS_PROTECTED";
    if env::var_os(INSIDE).is_some() {
        for one in protected::current().set.iter() {
            println!("{} {}", one.prefix, one.description);
        }
        return;
    }
    let lab = Lab::new().unwrap();
    let print = |session: &str| {
        let mut command = lab.server.command(env::current_exe().unwrap());
        command.args(["--exact", "the_callers_session_is_protected", "--nocapture"]);
        let output = command
            .env(INSIDE, "1")
            .env("SSH_CONNECTION", session)
            .env_remove("SSH_CLIENT")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let message = print("203.0.113.9 50022 198.18.0.1 2222");
    assert!(message.contains("203.0.113.9/32 the peer of an SSH session (port 2222)"), "{message}");
    let message = print("UNKNOWN 65535 UNKNOWN 65535");
    assert!(message.contains("127.0.0.0/8 loopback") && !message.contains("SSH"), "{message}");
}
