//! A source in hold and a blocked one flood while one build takes over from the other.

use std::{thread, time::Duration};

use serde_json::Value;
use synguard_tests::{
    flood::{Flood, FloodSpec, Offenders},
    lab::{DEVICE, Family, Lab},
    program::Synguard,
};

use super::{
    super::{assert_nothing_left, dropped, eventually, reason, runs_xdp},
    ADDED, assert_former_maps, assert_former_names, assert_new_names, config, maps_of, program, run, upgrade,
};

const HELD: [u8; 4] = [10, 0, 0, 1];
const BLOCKED: [u8; 4] = [10, 0, 0, 9];
const ARGS: [&str; 6] = ["--syn-rate", "50", "--syn-burst", "100", "--hold", "1h"];
/// SYNs of a new source that pass: the burst, and the SYNs that its rate allows meanwhile.
const BURST: std::ops::Range<u64> = 100..105;

fn name(address: [u8; 4]) -> String {
    address.map(|byte| byte.to_string()).join(".")
}

/// Makes the server count the packets that the filter passes from either source.
fn count_arrivals(lab: &Lab) {
    lab.add_rules(&format!(
        "table inet seen {{
             counter held {{ }}
             counter blocked {{ }}
             chain arrivals {{
                 type filter hook prerouting priority raw;
                 ip saddr {} counter name held
                 ip saddr {} counter name blocked
             }}
         }}",
        name(HELD),
        name(BLOCKED)
    ))
    .unwrap();
}

/// Returns the packets that have come through from the source in hold, and from the blocked one.
fn arrivals(lab: &Lab) -> (u64, u64) {
    let output = lab.server.command("nft").args(["-j", "list", "counters"]).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packets = |name: &str| {
        let mut counters = all["nftables"].as_array().unwrap().iter().map(|item| &item["counter"]);
        counters.find(|counter| counter["name"] == name).unwrap()["packets"].as_u64().unwrap()
    };
    (packets("held"), packets("blocked"))
}

/// Floods from both sources, each with half of 20 000 SYNs a second.
fn flood(lab: &Lab) -> Flood {
    let spec = FloodSpec {
        rate_pps: Some(20_000),
        max_duration: Duration::from_secs(60),
        first_source: HELD.into(),
        offenders: Some(Offenders { first: BLOCKED.into(), count: 1, share: 0.5 }),
        ..FloodSpec::new(Family::V4)
    };
    Flood::start(lab, spec).unwrap()
}

/// Returns the entry of a source in the output of `top`.
fn source(synguard: &Synguard, address: [u8; 4]) -> Value {
    let text = run(synguard, &["top", "--once", "--json", "--interval", "100ms"]);
    let top: Value = serde_json::from_str(&text).unwrap();
    let mut sources = top["sources"].as_array().unwrap().iter();
    sources.find(|source| source["source"] == name(address).as_str()).unwrap().clone()
}

fn list(synguard: &Synguard, list: &str) -> Value {
    serde_json::from_str(&run(synguard, &[list, "list", "--json"])).unwrap()
}

/// A list's entries without their hits, which go on.
fn entries(mut list: Value) -> Value {
    for entry in list["entries"].as_array_mut().unwrap() {
        assert!(entry["hits"].take().is_u64(), "{entry}");
    }
    list
}

fn hits(list: &Value) -> u64 {
    list["entries"].as_array().unwrap().iter().map(|entry| entry["hits"].as_u64().unwrap()).sum()
}

#[test]
fn former_filter_is_taken_over_under_flood() {
    let (lab, new, old) = upgrade();
    count_arrivals(&lab);
    let controller = old.attach(&[&ARGS[..], &["--keep-on-exit"]].concat()).unwrap();
    run(&old, &["block", "add", &name(BLOCKED), "--reason", "sent spam in May"]);
    run(&old, &["allow", "add", "198.18.64.0/24"]);
    let flood = flood(&lab);
    eventually("the hold", || old.status_json().unwrap()["sources"]["in_hold"] == 1 && dropped(&old) > 2_000);

    // While the former controller runs, this build reads its filter and does not take it over.
    let refused = new.run(&["attach", DEVICE]).unwrap();
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(refused.stderr.contains("already attached by another controller"), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert_reads_the_former_filter(&new, true);
    assert_former_names(&new);

    controller.kill().unwrap();
    assert_reads_the_former_filter(&new, false);
    let before = new.status_json().unwrap();
    let (held, blocked) = arrivals(&lab);
    assert!(BURST.contains(&held), "{held} came through before the hold");
    assert_eq!(blocked, 0);
    let [first_seen, blocks, allows] = facts(&new);
    let (maps, seed) = (maps_of(program(&before)), config(&new).get(&0, 0).unwrap().hash_seed);

    let again = new.attach(&ARGS).unwrap();
    eventually("the takeover", || again.stderr().contains("took over"));
    let taken = dropped(&new);
    eventually("more of the flood", || dropped(&new) > taken + 10_000);
    let totals = flood.stop().unwrap();
    thread::sleep(Duration::from_millis(200));
    let after = new.status_json().unwrap();

    // The server has seen no more of the source in hold than the burst of old, and nothing of the blocked one.
    assert_eq!(arrivals(&lab), (held, 0), "{after}");
    assert_eq!(reason(&after, "syn_passed"), reason(&before, "syn_passed"), "{before}\n{after}");
    // Every frame that arrived was counted, by one program or the other.
    let (arrived, lost) = (lab.ring_arrivals().unwrap(), lab.ring_losses().unwrap());
    assert_eq!(after["counters"]["packets"].as_u64().unwrap(), arrived, "{after}");
    assert_eq!(totals.offered, arrived + lost, "{lost} lost");
    // The program is another, with the same maps but for a cache that it no longer has, and with new ones.
    assert_ne!(program(&before), program(&after));
    let (kept, added): (Vec<_>, Vec<_>) =
        maps_of(program(&after)).into_iter().partition(|id| maps.contains(id));
    assert_eq!((kept.len(), added.len()), (maps.len() - 1, ADDED.len()), "{maps:?} {kept:?} {added:?}");
    assert_new_names(&new);

    let [seen_now, blocks_now, allows_now] = facts(&new);
    // A time of day, which is computed anew each time.
    let apart = seen_now.as_f64().unwrap() - first_seen.as_f64().unwrap();
    assert!(apart.abs() < 0.1, "first seen {first_seen}, then {seen_now}");
    assert!(hits(&blocks_now) > hits(&blocks) && hits(&blocks) > 0, "{blocks}\n{blocks_now}");
    // Hits of the moment in which the list is filled anew are not carried over; the counters have them all: the former
    // program's is that of all packets.
    let counted = reason(&after, "blocked") + reason(&after, "blocked_syn");
    assert!(hits(&blocks_now) <= counted, "{blocks_now}");
    assert_eq!((entries(blocks_now), entries(allows_now)), (entries(blocks), entries(allows)));
    assert_eq!(config(&new).get(&0, 0).unwrap().hash_seed, seed, "the sketch would begin anew");
    assert_eq!(after["sources"]["in_hold"], 1);
    assert_eq!((&after["settings"]["syn-rate"], &after["controller"]["running"]), (&50.into(), &true.into()));
    assert!(!again.stderr().contains("anew"), "{}", again.stderr());

    run(&new, &["block", "flush"]);
    run(&new, &["allow", "flush"]);
    again.terminate().unwrap();
    assert_nothing_left(&lab, &new);
}

/// Returns the time at which the source in hold was first seen, the blocklist and the allowlist.
fn facts(synguard: &Synguard) -> [Value; 3] {
    let source = source(synguard, HELD);
    [source["first_seen"].clone(), list(synguard, "block"), list(synguard, "allow")]
}

/// Asserts that every reading command, and a change of a list and of a setting, work on the former build's filter.
fn assert_reads_the_former_filter(new: &Synguard, has_controller: bool) {
    let status = new.status_json().unwrap();
    assert_eq!(
        (&status["attached"], &status["controller"]["running"]),
        (&true.into(), &has_controller.into())
    );
    if has_controller {
        assert!(["attack", "calm"].map(Value::from).contains(&status["phase"]), "{status}");
    }
    assert_eq!((&status["sources"]["in_hold"], &status["settings"]["syn-rate"]), (&1.into(), &50.into()));
    assert!(reason(&status, "blocked") > 0 && reason(&status, "hold") > 0, "{status}");
    assert_eq!(source(new, HELD)["state"], "hold");
    assert!(run(new, &["block", "list"]).contains("sent spam in May"));
    assert!(run(new, &["why", &name(HELD)]).contains("hold"));
    assert!(run(new, &["events"]).contains("filtering on"), "{}", run(new, &["events"]));
    run(new, &["block", "add", "203.0.113.7"]);
    run(new, &["block", "del", "203.0.113.7"]);
    run(new, &["set", "syn-rate=51"]);
    run(new, &["set", "syn-rate=50"]);
}

#[test]
fn former_filter_is_detached_by_this_build() {
    let (lab, new, old) = upgrade();
    let controller = old.attach(&ARGS).unwrap();
    run(&new, &["detach"]);
    let status = { controller }.wait(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(0));
    assert_nothing_left(&lab, &new);

    run(&old, &[&["attach", DEVICE, "--no-control"][..], &ARGS].concat());
    run(&new, &["detach", DEVICE]);
    assert_nothing_left(&lab, &new);
}

#[test]
fn failed_takeover_leaves_the_former_filter_unchanged() {
    let (lab, new, old) = upgrade();
    run(&old, &[&["attach", DEVICE, "--no-control"][..], &ARGS].concat());
    let before = old.status_json().unwrap();
    // Found out only when attaching, with everything else made ready: the loopback device has no native XDP.
    let failed = new.run(&["attach", DEVICE, "lo", "--mode", "native", "--syn-rate", "9"]).unwrap();
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    // Maps that the former build did not have may be ready for the next attempt.
    assert_former_maps(&new);
    let after = old.status_json().unwrap();
    assert_eq!(after["interfaces"], before["interfaces"]);
    assert_eq!(after["settings"], before["settings"]);
    let controller = old.attach(&ARGS).unwrap();
    controller.terminate().unwrap();
    assert!(!runs_xdp(&lab, DEVICE));
    assert_nothing_left(&lab, &new);
}
