//! Protected addresses, which are blocked only by force.

use std::{
    fs,
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use synguard_tests::{
    client,
    lab::{DEVICE, Family},
    program::Output,
};

use super::{assert_fails, attached, errors::unchanged, run, run_with};

#[test]
fn protected_addresses_are_not_blocked() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "192.0.2.1"]);
    for (target, words) in [
        ("198.18.0.1", &["198.18.0.1 is an address of this host"][..]),
        ("198.18.0.0/16", &["198.18.0.0/16 covers 198.18.0.1"]),
        ("198.18.0.254", &["198.18.0.254 is a default gateway"]),
        ("fd00:5e::fe", &["fd00:5e::fe is a default gateway"]),
        ("127.0.0.1", &["loopback"]),
        ("0.0.0.0/0", &["0.0.0.0/0 covers"]),
    ] {
        let output = synguard.run(&["block", "add", "203.0.113.1", target]).unwrap();
        assert_fails(&output, 2, &[words, &["--force", "nothing was changed"]].concat());
    }
    for target in ["0.0.0.0/0", "185.134.26.0/1", "2000::/3"] {
        let list = format!("203.0.113.1\n{target} # x\n");
        let output = synguard.run_with_input(&["block", "import", "-"], &list).unwrap();
        assert_fails(&output, 2, &["standard input:2: ", "too much", "--force", "nothing was changed"]);
    }
    let own = synguard.run_with_input(&["block", "import", "-", "--replace"], "127.0.0.1\n").unwrap();
    assert_fails(&own, 2, &["nothing that may be blocked"]);
    unchanged(&synguard, &["192.0.2.1"]);
    run(&synguard, &["block", "add", "198.18.0.254", "--force"]);
    run_with(&synguard, &["block", "import", "-", "--force"], "198.18.0.1\n");
    unchanged(&synguard, &["192.0.2.1", "198.18.0.1", "198.18.0.254"]);
    // To let pass is no danger.
    run(&synguard, &["allow", "add", "198.18.0.1"]);
    // A forced entry stays, but the next attach warns about it.
    let message = super::restart(&synguard);
    assert!(message.contains("198.18.0.1 is an address of this host"), "{message}");
}

/// Lines of FireHOL's level 1, with the command that the README shows, on a host in 10.0.0.0/24.
#[test]
fn feed_with_private_networks_leaves_this_host_reachable() {
    let (lab, synguard) = attached();
    for (address, from) in
        [("10.0.0.5/24", &lab.server), ("10.0.0.254/24", &lab.client), ("10.0.0.9/24", &lab.client)]
    {
        from.ip(&format!("address add {address} dev {DEVICE}")).unwrap();
    }
    for (netns, mac, addresses) in [
        (&lab.server, "02:00:00:00:00:02", &["10.0.0.254", "10.0.0.9"][..]),
        (&lab.client, "02:00:00:00:00:01", &["10.0.0.5"]),
    ] {
        for address in addresses {
            netns.ip(&format!("neigh replace {address} lladdr {mac} dev {DEVICE} nud permanent")).unwrap();
        }
    }
    for local in ["169.254.169.254", "1.10.16.7", "10.7.7.7"] {
        lab.client.ip(&format!("address add {local}/32 dev lo")).unwrap();
        lab.server.ip(&format!("route add {local} via 10.0.0.254")).unwrap();
    }
    let listener = lab.server.run(|| TcpListener::bind(("0.0.0.0", 22))).unwrap().unwrap();
    let connect = |from: &str| {
        let from = (from.parse::<IpAddr>().unwrap(), 0).into();
        let to = "10.0.0.5:22".parse().unwrap();
        lab.client.run(|| client::connect(from, to, Duration::from_secs(2))).unwrap()
    };
    let all = ["10.0.0.9", "10.0.0.254", "169.254.169.254", "10.7.7.7", "1.10.16.7"];
    for from in all {
        assert!(connect(from).is_ok(), "{from} before the import");
    }
    let _ssh = (connect("10.0.0.9").unwrap(), listener.accept().unwrap());

    let feed =
        "# firehol_level1\n0.0.0.0/8\n1.10.16.0/20\n10.0.0.0/8\n127.0.0.0/8\n169.254.0.0/16\n224.0.0.0/3\n";
    let path = synguard.dirs().root().join("firehol_level1.netset");
    fs::write(&path, feed).unwrap();
    let output = run_with(&synguard, &["block", "import", path.to_str().unwrap(), "--replace"], "");
    for words in
        ["10.0.0.0/24 (a network of this host", "127.0.0.0/8 (loopback)", "169.254.169.254/32 (metadata"]
    {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    assert!(output.stdout.starts_with("imported 6 targets"), "{}", output.stdout);
    for from in &all[..3] {
        assert!(connect(from).is_ok(), "{from} is locked out");
    }
    for from in &all[3..] {
        assert!(connect(from).is_err(), "{from} is not blocked");
    }
}

#[test]
fn ssh_peers_are_not_blocked_while_connected() {
    let (lab, synguard) = attached();
    let listener = lab.server.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, 22))).unwrap().unwrap();
    let connect = || TcpStream::connect((Family::V4.server(), 22)).unwrap();
    let session = (lab.client.run(connect).unwrap(), listener.accept().unwrap());
    for target in ["198.18.0.2", "198.18.0.2/31"] {
        let output = synguard.run(&["block", "add", target]).unwrap();
        assert_fails(&output, 2, &["198.18.0.2", "the peer of an SSH session (port 22)", "--force"]);
    }
    drop(session);
    run(&synguard, &["block", "add", "198.18.0.2"]);
    // The caller's own session counts, however the command is reached.
    let mut command = synguard.command(["block", "add", "203.0.113.9"]);
    let output = finish(command.env("SSH_CONNECTION", "203.0.113.9 50022 198.18.0.1 2222"));
    assert_fails(&output, 2, &["203.0.113.9 is the peer of an SSH session", "--force"]);
    unchanged(&synguard, &["198.18.0.2"]);
}

#[test]
fn resolvers_are_not_blocked() {
    let (_lab, synguard) = attached();
    let resolvers = synguard.dirs().root().join("resolv.conf");
    fs::write(&resolvers, "nameserver 203.0.113.53\n").unwrap();
    let command = synguard.command(["block", "add", "203.0.113.0/24"]);
    // In a mount namespace of its own.
    let mut own = Command::new("unshare");
    own.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\""]);
    own.arg(&resolvers).arg(command.get_program()).args(command.get_args());
    assert_fails(
        &finish(&mut own),
        2,
        &["203.0.113.0/24 covers 203.0.113.53", "a resolver (/etc/resolv.conf)"],
    );
    unchanged(&synguard, &[]);
    run(&synguard, &["block", "add", "203.0.113.0/24"]);
}

fn finish(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
