//! Distributed floods: cookies are raised at once, help, and are put back.

use std::time::Duration;

use synguard_tests::{flood::Offenders, web::Web};

use super::{concentrated, event, event_names, forged, lab, start, status, syncookies, until, visits};

const HOLD: Duration = Duration::from_secs(1);

/// The story of a forged flood, from a setting to begin with.
#[expect(clippy::too_many_lines, reason = "one scenario, step by step")]
fn forged_flood_from(original: u8) {
    let (lab, synguard) = lab(original);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&["--hold", "1s", "--cookies", "kernel"]).unwrap();
    let calm = visits(&lab, 1);
    let flood = start(&lab, forged());
    let raised = until("attack", Duration::from_secs(10), || {
        syncookies(&lab) == 2 && (original < 2 || running.stderr().contains("nothing to raise"))
    });
    let served = visits(&lab, 2);
    assert_eq!(served.failed, 0, "{served:?}");
    let [calm_p99, flood_p99] = [&calm, &served].map(|visits| visits.p99().unwrap().as_secs_f64() * 1e3);
    println!(
        "from {original}: cookies after {} ms; p99 {calm_p99:.2} ms calm, {flood_p99:.2} ms then ({:.1} x)",
        raised.as_millis(),
        flood_p99 / calm_p99
    );
    let during = status(&synguard);
    assert_eq!(
        (&during["phase"], &during["attack_kind"]),
        (&"attack".into(), &"distributed".into()),
        "{during}"
    );
    assert!(
        during["syn"]["distinct_sources"].as_u64() > during["syn"]["distinct_limit"].as_u64(),
        "{during}"
    );
    assert_eq!(
        during["cookies"],
        serde_json::json!({ "mode": "kernel", "sysctl": 2, "original": original }),
        "{during}"
    );
    // `top` and the text agree with the JSON.
    let top = synguard.run_json(&["top", "--once", "--json", "--interval", "200ms"]).unwrap();
    for key in ["phase", "attack_kind", "cookies"] {
        assert_eq!(top[key], during[key], "{top}");
    }
    let text = synguard.run(&["status"]).unwrap().stdout;
    assert!(
        text.starts_with("ATTACK for ")
            && text.contains(", distributed: ")
            && text.contains("the kernel replies to every SYN with a SYN cookie"),
        "{text}"
    );

    flood.stop().unwrap();
    let back = until("calm", HOLD + Duration::from_secs(10), || {
        syncookies(&lab) == original && status(&synguard)["phase"] == "calm"
    });
    println!("from {original}: back {} ms after the flood", back.as_millis());
    let after = status(&synguard);
    assert!(after["attack_kind"].is_null(), "{after}");
    assert_eq!(
        after["cookies"],
        serde_json::json!({ "mode": "off", "sysctl": original, "original": original })
    );
    let mut expected = vec!["started", "attack_began"];
    expected.push(if original < 2 { "cookies_raised" } else { "cookies_already_up" });
    expected.extend(["recovering", "attack_over"]);
    if original < 2 {
        expected.push("cookies_restored");
        let raised = event(&synguard, "cookies_raised");
        assert_eq!((&raised["from"], &raised["to"]), (&original.into(), &2.into()));
        // The event has the numbers that led to the decision.
        assert!(raised["distinct_sources"].as_u64() > raised["distinct_limit"].as_u64(), "{raised}");
    }
    // Listeners in other namespaces of the machine are another matter.
    let mut names = event_names(&synguard);
    names.retain(|name| name != "listeners_elsewhere");
    assert_eq!(names, expected);
    running.terminate().unwrap();
    assert_eq!(syncookies(&lab), original);
}

#[test]
fn a_forged_flood_from_0() {
    forged_flood_from(0);
}

#[test]
fn a_forged_flood_from_1() {
    forged_flood_from(1);
}

#[test]
fn a_forged_flood_from_2_leaves_nothing_to_raise() {
    forged_flood_from(2);
}

#[test]
fn a_concentrated_flood_raises_none() {
    let (lab, synguard) = lab(0);
    let _web = Web::start(&lab).unwrap();
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    let flood = start(&lab, concentrated());
    until("attack", Duration::from_secs(2), || status(&synguard)["phase"] == "attack");
    let served = visits(&lab, 2);
    assert_eq!(served.failed, 0, "{served:?}");
    assert_eq!((syncookies(&lab), &status(&synguard)["attack_kind"]), (0, &"concentrated".into()));
    flood.stop().unwrap();
    assert!(!event_names(&synguard).iter().any(|name| name.starts_with("cookies")));
}

#[test]
fn a_mixed_flood_is_met_with_both() {
    let (lab, synguard) = lab(0);
    let _web = Web::start(&lab).unwrap();
    let _running = synguard.attach(&["--hold", "1s"]).unwrap();
    let offenders = Offenders { first: "11.1.1.1".parse().unwrap(), count: 3, share: 0.3 };
    let flood = start(&lab, synguard_tests::flood::FloodSpec { offenders: Some(offenders), ..forged() });
    until("cookies", Duration::from_secs(2), || syncookies(&lab) == 2);
    until("both kinds", Duration::from_secs(5), || {
        status(&synguard)["attack_kinds"].as_array().unwrap().len() == 2
    });
    until("three blocks", Duration::from_secs(10), || {
        event_names(&synguard).iter().filter(|name| *name == "blocked").count() == 3
    });
    let served = visits(&lab, 2);
    assert_eq!(served.failed, 0, "{served:?}");
    assert_eq!(status(&synguard)["attack_kind"], "distributed");
    flood.stop().unwrap();
}

#[test]
fn cookies_off_and_monitor_mode_touch_nothing() {
    for args in [["--cookies", "off"], ["--monitor", "--hold=1s"]] {
        let (lab, synguard) = lab(1);
        let running = synguard.attach(&args).unwrap();
        let flood = start(&lab, forged());
        until("attack", Duration::from_secs(2), || status(&synguard)["attack_kind"] == "distributed");
        assert_eq!(syncookies(&lab), 1);
        // A live change applies at once: cookies are raised as soon as the setting allows them, and restored as soon
        // as it does not.
        let set = |pair: &str| assert_eq!(synguard.run(&["set", pair]).unwrap().code, Some(0));
        let (allow, forbid) = match args[0] {
            "--monitor" => ("monitor=false", "monitor=true"),
            _ => ("cookies=kernel", "cookies=off"),
        };
        set(allow);
        until("cookies", Duration::from_secs(2), || syncookies(&lab) == 2);
        set(forbid);
        until("no cookies", Duration::from_secs(2), || syncookies(&lab) == 1);
        flood.stop().unwrap();
        running.terminate().unwrap();
    }
}
