//! Many at once.

use std::{
    net::Ipv4Addr,
    process::{Child, Stdio},
};

use synguard_tests::program::Synguard;

use super::{attached, restart, run, stored, targets};

fn start(synguard: &Synguard, args: &[&str]) -> Child {
    let mut command = synguard.command(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Fifty add an entry each while ten others take one out each.
fn fifty_at_once(synguard: &Synguard, network: &str) -> Vec<String> {
    let old: Vec<_> = (100..110).map(|i| format!("{network}.{i}")).collect();
    let new: Vec<_> = (0..50).map(|i| format!("{network}.{i}")).collect();
    let targets: Vec<_> = old.iter().map(String::as_str).collect();
    run(synguard, &[&["block", "add"], targets.as_slice()].concat());
    let mut children = Vec::new();
    for (i, target) in new.iter().enumerate() {
        children.push(start(synguard, &["block", "add", target, "--reason", "one of many"]));
        if let Some(target) = old.get(i) {
            children.push(start(synguard, &["block", "del", target]));
        }
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    new
}

fn sorted(mut targets: Vec<String>) -> Vec<String> {
    targets.sort_by_key(|target| target.parse::<Ipv4Addr>().unwrap());
    targets
}

#[test]
fn fifty_at_once_lose_nothing() {
    let (_lab, synguard) = attached();
    let mut expected = fifty_at_once(&synguard, "192.0.2");
    assert_eq!(targets(&synguard, "block"), sorted(expected.clone()));
    assert_eq!(stored(&synguard), sorted(expected.clone()));
    // The same with a controller.
    let controller = synguard.attach(&[]).unwrap();
    expected.extend(fifty_at_once(&synguard, "203.0.113"));
    let expected = sorted(expected);
    assert_eq!(targets(&synguard, "block"), expected);
    assert_eq!(stored(&synguard), expected);
    controller.kill().unwrap();
    restart(&synguard);
    assert_eq!(targets(&synguard, "block"), expected);
}
