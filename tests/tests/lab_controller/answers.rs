//! The five answers of `status`, in text and in JSON, before, during and after floods: is there an attack, who sends it, what is
//! done about it, are visitors served, and what is there to do.

use std::{thread, time::Duration};

use serde_json::{Value, json};
use synguard_tests::{
    client::{ClientSpec, Clients},
    flood::FloodSpec,
    json_schema,
    lab::{DEVICE, Family, Lab},
    program::Synguard,
    steps::run,
    web::Web,
};

use super::{concentrated, forged, lab, start, status, until};

/// Visits a second.
const VISITS: u32 = 100;
const SOON: Duration = Duration::from_secs(3);

/// Makes visits for as long as a test takes.
fn visitors(lab: &Lab) -> Clients {
    let spec = ClientSpec { rate: VISITS, ..ClientSpec::new(Family::V4, Duration::from_secs(45)) };
    Clients::start(&lab.client, &spec).unwrap()
}

/// Returns the first lines of `status`: the headline, and the answers with their labels cut off.
fn answers(synguard: &Synguard) -> [String; 5] {
    let text = run(synguard, &["status"]);
    println!("{text}");
    let lines: Vec<&str> = text.lines().take(5).collect();
    let answer = |i: usize, label: &str| {
        let prefix = format!("  {label:9}  ");
        lines[i].strip_prefix(&prefix).unwrap_or_else(|| panic!("no {label} in {text}")).to_owned()
    };
    [
        lines[0].to_owned(),
        answer(1, "response"),
        answer(2, "visitors"),
        answer(3, "sources"),
        answer(4, "next"),
    ]
}

/// Reports whether a rate is near the visits.
fn is_near(rate: &Value) -> bool {
    rate.as_f64().is_some_and(|rate| (f64::from(VISITS) * 0.6..f64::from(VISITS) * 1.4).contains(&rate))
}

#[test]
fn one_source_is_named_until_the_advised_command_blocks_it() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let _running = synguard.attach(&[]).unwrap();
    let _visitors = visitors(&lab);
    until("a mean of calm times", Duration::from_secs(20), || {
        is_near(&status(&synguard)["visitors"]["calm_rate"])
    });
    let calm = status(&synguard);
    assert!(is_near(&calm["visitors"]["accepted_rate"]), "{}", calm["visitors"]);
    assert_eq!((&calm["response"]["measures"], &calm["next"]), (&json!([]), &"nothing to do".into()));
    let [headline, _, seen, _, next] = answers(&synguard);
    assert!(
        headline.starts_with("calm") && seen.contains(" connections/s accepted in the last 2 s (mean "),
        "{headline} {seen}"
    );
    assert!(next.starts_with("nothing to do. Live: synguard top "), "{next}");

    let flood = start(&lab, concentrated());
    until("an attack", SOON, || status(&synguard)["phase"] == "attack");
    // The rates of visitors are means of two seconds.
    thread::sleep(Duration::from_secs(3));
    let during = status(&synguard);
    assert_eq!(during["response"]["measures"], json!(["limit"]), "{during}");
    let top = &during["top_sources"][0];
    assert_eq!((&top["source"], &top["status"]), (&"11.1.1.1".into(), &"hold".into()), "{during}");
    assert!((10_000.0..40_000.0).contains(&top["rate"].as_f64().unwrap()), "{top}");
    assert!(is_near(&during["visitors"]["accepted_rate"]), "{}", during["visitors"]);
    assert!(is_near(&during["visitors"]["calm_rate"]), "{}", during["visitors"]);
    let [headline, response, seen, sources, next] = answers(&synguard);
    assert!(headline.starts_with("ATTACK for ") && headline.contains(": 1 source sends "), "{headline}");
    assert!(response.contains("/s dropped over the limit of 100 SYN/s per source"), "{response}");
    assert!(seen.contains(", as in calm (") && seen.contains("; the server lost 0 SYNs/s"), "{seen}");
    assert!(sources.starts_with("11.1.1.1 ") && sources.contains("in hold"), "{sources}");
    assert!(next.starts_with("nothing urgent: it will be blocked in "), "{next}");
    assert!(
        next.ends_with(" s; to block it now: synguard block add 11.1.1.1 --ttl 1h --scope syn"),
        "{next}"
    );
    assert!(
        during["next"].as_str().unwrap().starts_with("nothing urgent: it will be blocked in "),
        "{during}"
    );

    let advised: Vec<&str> = next.rsplit("synguard ").next().unwrap().split(' ').collect();
    run(&synguard, &advised);
    until("the block", SOON, || status(&synguard)["response"]["measures"] == json!(["blocklist"]));
    let blocked = status(&synguard);
    let top = &blocked["top_sources"][0];
    assert_eq!((&top["source"], &top["status"]), (&"11.1.1.1".into(), &"blocked".into()), "{blocked}");
    assert!((10_000.0..40_000.0).contains(&top["rate"].as_f64().unwrap()), "{top}");
    assert_eq!((&blocked["phase"], &blocked["next"]), (&"attack".into(), &"nothing to do".into()));
    let [headline, response, _, sources, _] = answers(&synguard);
    assert!(headline.contains(": 1 source sends "), "{headline}");
    assert!(response.contains("/s dropped by the blocklist"), "{response}");
    assert!(sources.starts_with("11.1.1.1 ") && sources.contains("blocked"), "{sources}");
    let screen = run(&synguard, &["top", "--once", "--json", "--interval", "200ms"]);
    let screen: Value = serde_json::from_str(&screen).unwrap();
    json_schema::validate("top", &screen).unwrap();
    assert_eq!(screen["top_sources"][0]["source"], "11.1.1.1");
    flood.stop().unwrap();
}

#[test]
fn forged_flood_has_nobody_to_block() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&["--hold", "2s", "--cookies", "xdp"]).unwrap();
    let _visitors = visitors(&lab);
    thread::sleep(Duration::from_secs(2));
    let flood = start(&lab, forged());
    until("XDP cookies", Duration::from_secs(10), || {
        status(&synguard)["response"]["measures"] == json!(["xdp_cookies"])
    });
    thread::sleep(Duration::from_secs(3));
    let during = status(&synguard);
    assert_eq!(during["next"], "nothing to do", "{during}");
    assert_eq!(during["visitors"]["calm_rate"], Value::Null, "too little calm: {during}");
    assert!(is_near(&during["visitors"]["accepted_rate"]), "{}", during["visitors"]);
    let [headline, response, seen, sources, next] = answers(&synguard);
    assert!(headline.starts_with("ATTACK for ") && headline.contains(", distributed: "), "{headline}");
    assert!(headline.ends_with(" sources"), "{headline}");
    assert!(response.starts_with("XDP answers SYNs with SYN cookies: "), "{response}");
    assert!(seen.contains(" connections/s accepted in the last 2 s (in calm: not known yet)"), "{seen}");
    assert_eq!(sources, "none stands out, most are probably forged: nothing to block by hand");
    assert!(next.starts_with("nothing to do"), "{next}");
    let why = |port| run(&synguard, &["why", "203.0.113.9", "--port", port]);
    let (web, closed) = (why("80"), why("81"));
    assert!(
        web.contains("verdict          ANSWER: XDP replies with a SYN cookie (syn_cookie_sent)"),
        "{web}"
    );
    assert!(closed.contains("verdict          PASS: nobody listens on the port (no_listener)"), "{closed}");
    flood.stop().unwrap();
    // It lasts a second or two, and when it will be over is not known at once.
    let mut pause = None;
    until("the pause", Duration::from_secs(10), || {
        let [headline, _, _, sources, _] = answers(&synguard);
        let is_whole = headline.starts_with("attack paused for ") && headline.ends_with(" unless it returns");
        pause = is_whole.then_some(sources);
        is_whole
    });
    let sources = pause.unwrap();
    assert_eq!(sources, "none now; very many before the pause, none stood out");

    // What is not known is called so.
    running.signal(libc::SIGSTOP).unwrap();
    until("silence", Duration::from_secs(5), || status(&synguard)["controller"]["responding"] == false);
    let silent = status(&synguard);
    assert_eq!(silent["visitors"], json!({ "accepted_rate": null, "calm_rate": null, "lost_rate": null }));
    assert_eq!(silent["phase_seconds"], Value::Null, "{silent}");
    let [headline, _, seen, _, next] = answers(&synguard);
    assert!(headline.starts_with("calm: "), "not what the controller saw last: {headline}");
    assert_eq!(seen, "not known: the controller does not respond");
    let kill = format!(": kill -KILL {}, then synguard attach {DEVICE}", running.pid());
    assert!(next.contains(&kill), "{next}");
    running.signal(libc::SIGCONT).unwrap();
}

#[test]
fn blocked_network_is_named_and_advice_is_for_the_instance() {
    let (lab, synguard) = lab(1);
    let named = |args: &[&str]| run(&synguard, &[&["--name", "vc"], args].concat());
    let named_status = || -> Value {
        let status = serde_json::from_str(&named(&["status", "--json"])).unwrap();
        json_schema::validate("status", &status).unwrap();
        status
    };
    let _running = synguard.start(&["--name", "vc", "attach", DEVICE]).unwrap();
    until("the filter", Duration::from_secs(15), || {
        let output = synguard.run(&["--name", "vc", "status", "--json"]).unwrap();
        output.code == Some(0) && output.stdout.contains(r#""running":true"#)
    });
    let flood = start(&lab, FloodSpec { rate_pps: Some(5_000), ..concentrated() });
    until("the source", Duration::from_secs(5), || named_status()["top_sources"][0]["status"] == "hold");
    until("an attack", SOON, || named_status()["phase"] == "attack");
    let text = named(&["status"]);
    let advice = " to block it now: synguard --name vc block add 11.1.1.1 --ttl 1h --scope syn\n";
    assert!(text.contains(advice) && text.contains("\ninstance     vc\n"), "{text}");
    named(&["block", "add", "11.1.0.0/16"]);
    until("the network", SOON, || named_status()["top_sources"][0]["source"] == "11.1.0.0/16");
    let text = named(&["status"]);
    assert!(
        text.contains("sources    11.1.0.0/16 ") && text.contains("next       nothing to do. "),
        "{text}"
    );
    flood.stop().unwrap();
    named(&["detach"]);
}

#[test]
fn allowlist_that_switches_the_filter_off_is_pointed_out() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&[]).unwrap();
    let families = || status(&synguard)["allowed_families"].clone();
    let check = || synguard.run(&["status", "--check"]).unwrap();
    run(&synguard, &["allow", "add", "10.0.0.0/8", "0.0.0.0/1", "2001:db8::/32"]);
    assert_eq!((families(), check().code), (json!([]), Some(0)));
    run(&synguard, &["allow", "add", "128.0.0.0/1"]);
    assert_eq!(families(), json!(["ipv4"]));
    let flood = start(&lab, concentrated());
    until("the flood", SOON, || status(&synguard)["syn"]["rate"].as_f64().unwrap() > 10_000.0);
    let during = status(&synguard);
    assert_eq!(during["next"], "to filter IPv4 again: synguard allow del 0.0.0.0/1 128.0.0.0/1", "{during}");
    let text = run(&synguard, &["status"]);
    let warning =
        "PARTLY PROTECTED: the allowlist covers every IPv4 address, and nothing is dropped from there\n";
    assert!(text.starts_with(warning) && !text.contains("nothing to do"), "{text}");
    assert!(run(&synguard, &["top", "--once"]).contains("the allowlist covers every IPv4 address"));
    flood.stop().unwrap();
    run(&synguard, &["allow", "add", "::/0", "--ttl", "3s", "--force"]);
    assert_eq!(families(), json!(["ipv4", "ipv6"]));
    let failed = check();
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{}", failed.stderr);
    assert!(failed.stderr.contains("NOT PROTECTED: the allowlist covers every address"), "{}", failed.stderr);
    until("the end of the entry", Duration::from_secs(6), || families() == json!(["ipv4"]));
    run(&synguard, &["allow", "del", "0.0.0.0/1", "128.0.0.0/1"]);
    assert_eq!((families(), check().code), (json!([]), Some(0)));
    assert!(!run(&synguard, &["status"]).contains("PROTECTED"));
}

#[test]
fn monitor_mode_says_what_it_would_do() {
    let (lab, synguard) = lab(1);
    let _running = synguard.attach(&["--monitor"]).unwrap();
    let flood = start(&lab, concentrated());
    until("an attack", SOON, || status(&synguard)["phase"] == "attack");
    let [headline, response, _, sources, next] = answers(&synguard);
    assert!(headline.starts_with("ATTACK for "), "{headline}");
    assert!(
        response.starts_with("monitor mode: nothing is dropped; ") && response.ends_with("/s would be"),
        "{response}"
    );
    assert!(sources.starts_with("11.1.1.1 ") && sources.contains("would be in hold"), "{sources}");
    assert_eq!(next, "to drop it: synguard set monitor=false");
    assert_eq!(status(&synguard)["response"]["measures"], json!([]));
    flood.stop().unwrap();
}
