//! XDP cookies: when they begin, the sysctls raised for them, and that all of them are restored.

use std::time::Duration;

use serde_json::{Value, json};
use synguard_tests::{
    flood::FloodSpec,
    lab::{DEVICE, Lab},
    program::Synguard,
    web::Web,
};

use super::{
    SYNCOOKIES, TIMESTAMPS, event, event_names, forged, lab, start, status, sysctls, timestamps, until,
    visits,
};

const SOON: Duration = Duration::from_secs(3);
const HOLD: Duration = Duration::from_secs(1);

/// Makes a lab with these values to begin with.
fn lab_with(syncookies: u8, timestamps: u8) -> (Lab, Synguard) {
    let (lab, synguard) = lab(syncookies);
    lab.server.set_sysctl(TIMESTAMPS, &timestamps.to_string()).unwrap();
    (lab, synguard)
}

fn mode(synguard: &Synguard) -> String {
    status(synguard)["cookies"]["mode"].as_str().unwrap().to_owned()
}

fn has_event(synguard: &Synguard, name: &str) -> bool {
    event_names(synguard).iter().any(|event| event == name)
}

fn set(synguard: &Synguard, pair: &str) {
    assert_eq!(synguard.run(&["set", pair]).unwrap().code, Some(0), "{pair}");
}

/// The events, without those about the machine.
fn event_story(synguard: &Synguard) -> Vec<String> {
    let mut names = event_names(synguard);
    names.retain(|name| name != "listeners_elsewhere");
    names
}

/// The events of a forged flood that gets XDP cookies.
#[test]
#[expect(clippy::too_many_lines, reason = "one scenario, step by step")]
fn forged_flood_gets_cookies_and_all_is_restored() {
    for (cookies, stamps) in [(0, 1), (1, 0)] {
        let (lab, synguard) = lab_with(cookies, stamps);
        let _web = Web::start(&lab).unwrap();
        let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
        assert_eq!(status(&synguard)["answering"], Value::Null);
        let flood = start(&lab, forged());
        let began = until("XDP cookies", Duration::from_secs(10), || mode(&synguard) == "xdp");
        let raised = until("options", SOON, || {
            sysctls(&lab) == (2, 2) && status(&synguard)["answering"]["options"] == true
        });
        println!(
            "from {cookies}/{stamps}: cookies after {} ms, with options {} ms later",
            began.as_millis(),
            raised.as_millis()
        );
        let served = visits(&lab, 2);
        assert_eq!(served.failed, 0, "{served:?}");
        let during = status(&synguard);
        assert_eq!(during["cookies"], json!({ "mode": "xdp", "sysctl": 2, "original": cookies }));
        assert_eq!(during["timestamps"], json!({ "sysctl": 2, "original": stamps }));
        assert_eq!(during["answering"], json!({ "options": true, "first_syn": false, "check_acks": true }));
        assert_eq!((&during["phase"], &during["attack_kind"]), (&"attack".into(), &"distributed".into()));
        assert!(during["counters"]["answered"].as_u64().unwrap() > 60_000, "{during}");
        assert_eq!(during["counters"]["answered"], during["counters"]["reasons"]["syn_cookie_sent"]);
        // `top` and the text agree with the JSON.
        let top = synguard.run_json(&["top", "--once", "--json", "--interval", "200ms"]).unwrap();
        for key in ["phase", "cookies", "timestamps", "answering"] {
            assert_eq!(top[key], during[key], "{top}");
        }
        let text = synguard.run(&["status"]).unwrap().stdout;
        assert!(text.contains("XDP replies to SYNs with SYN cookies, with TCP options"), "{text}");
        assert!(text.contains(&format!("tcp_timestamps 2 (was {stamps})")), "{text}");

        flood.stop().unwrap();
        let back = until("calm", HOLD + Duration::from_secs(10), || {
            sysctls(&lab) == (cookies, stamps) && status(&synguard)["phase"] == "calm"
        });
        println!("from {cookies}/{stamps}: back {} ms after the flood", back.as_millis());
        let after = status(&synguard);
        assert_eq!(after["cookies"], json!({ "mode": "off", "sysctl": cookies, "original": cookies }));
        assert_eq!(after["timestamps"], json!({ "sysctl": stamps, "original": stamps }));
        assert_eq!(after["answering"], Value::Null);
        let ended = event(&synguard, "answering_ended");
        assert!(
            ended["answered"].as_u64().unwrap() > 60_000 && ended["returned"].as_u64().unwrap() > 0,
            "{ended}"
        );
        let mut names = event_story(&synguard);
        // The order depends on whether the kernel had sent cookies before.
        let at = names.iter().position(|name| name == "timestamps_raised").expect("reported");
        names.remove(at);
        let expected = [
            "started",
            "attack_began",
            "cookies_raised",
            "answering_began",
            "recovering",
            "answering_ended",
            "attack_over",
            "cookies_restored",
            "timestamps_restored",
        ];
        assert_eq!(names, expected);
        running.terminate().unwrap();
    }
}

#[test]
fn auto_mode_uses_kernel_cookies_then_xdp_cookies() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&["--hold", "1s"]).unwrap();
    let few = start(&lab, FloodSpec { rate_pps: Some(8_000), ..forged() });
    until("cookies", SOON, || mode(&synguard) == "kernel");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((mode(&synguard), timestamps(&lab)), ("kernel".to_owned(), 1));
    few.stop().unwrap();
    let many = start(&lab, forged());
    until("XDP cookies", SOON, || mode(&synguard) == "xdp");
    until("options", SOON, || status(&synguard)["answering"]["options"] == true);
    assert_eq!(visits(&lab, 2).failed, 0);
    many.stop().unwrap();
    until("calm", Duration::from_secs(12), || sysctls(&lab) == (1, 1));
    running.terminate().unwrap();
}

#[test]
fn both_sysctls_are_restored_however_cookies_end() {
    for way in
        ["terminate", "detach", "cookies=off", "cookies=kernel", "monitor=true", "syn-cookie-options=false"]
    {
        let (lab, synguard) = lab(0);
        let mut running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
        let flood = start(&lab, forged());
        until("options", Duration::from_secs(10), || status(&synguard)["answering"]["options"] == true);
        assert_eq!(sysctls(&lab), (2, 2));
        match way {
            "terminate" => running.signal(libc::SIGTERM).unwrap(),
            "detach" => assert_eq!(synguard.run(&["detach"]).unwrap().code, Some(0)),
            setting => set(&synguard, setting),
        }
        match way {
            "terminate" | "detach" => {
                let code = running.wait(SOON).unwrap().code();
                assert_eq!((code, sysctls(&lab)), (Some(0), (0, 1)), "{way}: {}", running.stderr());
            }
            "syn-cookie-options=false" => {
                until(way, SOON, || status(&synguard)["answering"]["options"] == false);
                until(way, Duration::from_secs(5), || timestamps(&lab) == 1);
                assert_eq!(mode(&synguard), "xdp");
            }
            "cookies=kernel" => {
                until(way, SOON, || mode(&synguard) == "kernel");
                assert_eq!(sysctls(&lab), (2, 2), "the kernel's cookies carry options too");
            }
            _ => drop(until(way, Duration::from_secs(5), || sysctls(&lab) == (0, 1))),
        }
        flood.stop().unwrap();
    }
}

#[test]
fn timestamps_changed_by_others_are_left_alone() {
    let (lab, synguard) = lab(1);
    let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    let flood = start(&lab, forged());
    until("options", Duration::from_secs(10), || status(&synguard)["answering"]["options"] == true);
    lab.server.set_sysctl(TIMESTAMPS, "0").unwrap();
    until("the event", SOON, || has_event(&synguard, "timestamps_left_alone"));
    until("no options", SOON, || status(&synguard)["answering"]["options"] == false);
    assert_eq!(mode(&synguard), "xdp");
    flood.stop().unwrap();
    until("calm", Duration::from_secs(12), || status(&synguard)["phase"] == "calm");
    running.terminate().unwrap();
    assert_eq!(sysctls(&lab), (1, 0));
    let left = event(&synguard, "timestamps_left_alone");
    assert_eq!((&left["found"], &left["written"], &left["original"]), (&0.into(), &2.into(), &1.into()));
    assert!(!has_event(&synguard, "timestamps_restored"));
}

#[test]
fn xdp_cookies_need_kernel_cookies() {
    let (lab, synguard) = lab(1);
    let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    let flood = start(&lab, forged());
    until("XDP cookies", Duration::from_secs(10), || mode(&synguard) == "xdp");
    lab.set_syncookies(0).unwrap();
    until("the event", SOON, || has_event(&synguard, "answering_unavailable"));
    assert_eq!(status(&synguard)["answering"], Value::Null);
    assert!(event(&synguard, "answering_ended")["why"].as_str().unwrap().contains("tcp_syncookies is 0"));
    // Cookies start again as soon as the kernel accepts them.
    lab.set_syncookies(2).unwrap();
    until("XDP cookies", SOON, || mode(&synguard) == "xdp");
    flood.stop().unwrap();
    running.terminate().unwrap();
    assert_eq!(sysctls(&lab), (2, 1));
}

#[test]
fn cookies_end_after_the_controller_is_killed() {
    let (lab, synguard) = lab(0);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    let flood = start(&lab, forged());
    until("options", Duration::from_secs(10), || status(&synguard)["answering"]["options"] == true);
    running.kill().unwrap();
    // The status still shows the state.
    let left = status(&synguard);
    assert_eq!(left["cookies"], json!({ "mode": "xdp", "sysctl": 2, "original": 0 }));
    assert_eq!(left["timestamps"], json!({ "sysctl": 2, "original": 1 }));
    let ended = until("its end", Duration::from_secs(6), || mode(&synguard) == "kernel");
    println!("cookies ended {} ms after the kill", ended.as_millis());
    let cookies_sent = || status(&synguard)["counters"]["answered"].as_u64().unwrap();
    let before = cookies_sent();
    std::thread::sleep(Duration::from_millis(300));
    assert!(before > 0);
    assert_eq!(cookies_sent(), before);
    // The next controller restores everything, and decides again.
    let again = synguard.attach(&["--hold", "1s", "--cookies", "xdp"]).unwrap();
    for name in [SYNCOOKIES, TIMESTAMPS] {
        assert!(again.stderr().contains(&format!("{name} restored")), "{}", again.stderr());
    }
    until("XDP cookies", Duration::from_secs(5), || mode(&synguard) == "xdp");
    flood.stop().unwrap();
    again.terminate().unwrap();
    assert_eq!(sysctls(&lab), (0, 1));
}

#[test]
fn cookies_have_the_mss_only_with_read_only_proc() {
    let (lab, synguard) = lab(1);
    let script = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$@\"";
    let through = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let args = ["attach", DEVICE, "--hold", "1s", "--cookies", "xdp"];
    let mut running = synguard.start_through(&through, &args).unwrap();
    until("the controller", Duration::from_secs(15), || {
        synguard.status_json().is_ok_and(|status| status["controller"]["running"] == true)
    });
    let flood = start(&lab, forged());
    until("the warning", SOON, || has_event(&synguard, "timestamps_not_raised"));
    let why = event(&synguard, "timestamps_not_raised")["why"].as_str().unwrap().to_owned();
    assert!(why.contains("read-only"), "{why}");
    assert_eq!(status(&synguard)["answering"]["options"], false);
    assert_eq!(event(&synguard, "answering_began")["options"], false);
    flood.stop().unwrap();
    assert_eq!(sysctls(&lab), (1, 1));
    running.signal(libc::SIGTERM).unwrap();
    assert_eq!(running.wait(Duration::from_secs(5)).unwrap().code(), Some(0), "{}", running.stderr());
}
