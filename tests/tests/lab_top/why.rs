//! `synguard why`.

use std::{thread, time::Duration};

use serde_json::Value;
use synguard_tests::program::Synguard;

use super::{OFFENDERS, attached, flood};

fn why_json(synguard: &Synguard, args: &[&str]) -> Value {
    synguard.run_json(&[&["why", "--json"], args].concat()).unwrap()
}

#[test]
fn offender_is_in_hold_and_stranger_is_not() {
    let (lab, synguard, _running) = attached();
    let flood = flood(&lab, Duration::from_secs(10));
    thread::sleep(Duration::from_secs(1));
    let offender = OFFENDERS[0].to_string();
    // The flood arrives on one CPU, so the others are not under pressure.
    let why = why_json(&synguard, &[&offender]);
    assert_eq!(why["schema"], 1);
    assert_eq!((&why["verdict"], &why["reason"]), (&"drop".into(), &"hold".into()), "{why}");
    assert_eq!(why["rules"]["hold"]["decides"], true, "{why}");
    assert!(why["rules"]["hold"]["figures"]["seconds_left"].as_f64().unwrap() > 1.0, "{why}");
    assert_eq!(why["network"], "172.16.0.0/24");
    let text = synguard.run(&["why", &offender]).unwrap().stdout;
    assert!(text.contains("=> hold          in hold for another"), "{text}");
    assert!(text.contains("verdict          DROP: in hold, because it exceeded its limit (hold)"), "{text}");
    assert!(text.contains("bucket        not consulted while the source is in hold"), "{text}");
    assert!(text.contains("   mode          enforcing"), "{text}");
    let text = synguard.run(&["why", "2001:db8:1:2:3::4"]).unwrap().stdout;
    assert!(text.contains("source 2001:db8:1:2::/64") && !text.contains("DROP:"), "{text}");
    // IPv4 in whatever form is the same source.
    let mapped = why_json(&synguard, &[&format!("::ffff:{offender}")]);
    assert_eq!((&mapped["source"], &mapped["reason"]), (&offender.as_str().into(), &"hold".into()));
    drop(flood);
}

#[test]
fn unguarded_port_is_the_reason() {
    let lab = synguard_tests::lab::Lab::new().unwrap();
    let synguard = Synguard::new(&lab).unwrap();
    let output = synguard.run(&["why", "192.0.2.1"]).unwrap();
    assert_eq!((output.code, output.stderr.lines().count()), (Some(3), 1), "{output:?}");
    let _running = synguard.attach(&["--ports", "443"]).unwrap();
    assert_eq!(why_json(&synguard, &["192.0.2.1", "--port", "22"])["reason"], "unguarded_port");
    assert_eq!(why_json(&synguard, &["192.0.2.1", "--port", "443"])["reason"], "syn_passed");
    assert_eq!(why_json(&synguard, &["192.0.2.1"])["reason"], "syn_passed");
    // Nobody listens in this lab, and the server's address is its own.
    let closed = synguard.run(&["why", "198.18.0.1", "--port", "443"]).unwrap().stdout;
    assert!(closed.contains("verdict          PASS: within its limit (syn_passed)"), "{closed}");
    assert!(closed.contains("note             198.18.0.1 is an address of this host (eth0)"), "{closed}");
    assert!(
        closed.contains("note             nobody listens on port 443 in this network namespace"),
        "{closed}"
    );
    assert_eq!(why_json(&synguard, &["198.18.0.1", "--port", "443"])["notes"].as_array().unwrap().len(), 2);
    assert!(!closed.contains("admission"), "only under pressure: {closed}");
    assert!(synguard.run(&["-v", "why", "192.0.2.1"]).unwrap().stdout.contains("   admission     normal: "));
    for args in
        [&["why"][..], &["why", "nobody"], &["why", "192.0.2.0/24"], &["why", "192.0.2.1", "--port", "0"]]
    {
        let output = synguard.run(args).unwrap();
        assert_eq!((output.code, output.stderr.lines().count()), (Some(2), 1), "{args:?}: {output:?}");
    }
}
