//! Many at once.

use std::process::Stdio;

use super::{attached, restart, run, stored, targets};

#[test]
fn fifty_at_once_lose_nothing() {
    let (_lab, synguard) = attached();
    run(&synguard, &["block", "add", "203.0.113.1"]);
    let start = |i: u32| {
        let target = format!("192.0.2.{i}");
        let mut command = synguard.command(["block", "add", &target, "--reason", &format!("number {i}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..50).map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut expected: Vec<_> = (0..50).map(|i| format!("192.0.2.{i}")).collect();
    expected.sort_by_key(|target| target.parse::<std::net::Ipv4Addr>().unwrap());
    expected.push("203.0.113.1".to_owned());
    assert_eq!(targets(&synguard, "block"), expected);
    assert_eq!(stored(&synguard), expected);
    restart(&synguard);
    assert_eq!(targets(&synguard, "block"), expected);
}
