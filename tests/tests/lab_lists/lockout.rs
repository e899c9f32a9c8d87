//! Protected addresses, which are blocked only by force.

use std::{
    fs,
    net::{Ipv6Addr, TcpListener, TcpStream},
    process::{Command, Stdio},
};

use synguard_tests::{lab::Family, program::Output};

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
        let list = format!("203.0.113.1\n{target} # x\n");
        let output = synguard.run_with_input(&["block", "import", "-"], &list).unwrap();
        assert_fails(
            &output,
            2,
            &[words, &["standard input:2: ", "--force", "nothing was changed"]].concat(),
        );
    }
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
