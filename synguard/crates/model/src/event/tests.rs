use serde_json::{Value, json};

use super::*;
use crate::settings::Key;

/// Every change that a sysctl event can report, with the second half of its name in the event log.
fn changes() -> [(&'static str, SysctlChange); 6] {
    let why = "EPERM".to_owned();
    [
        ("raised", SysctlChange::Raised { from: 1, to: 2, rates: AttackRates::default() }),
        ("already_up", SysctlChange::AlreadyRaised { value: 2 }),
        ("not_raised", SysctlChange::NotRaised { why: why.clone() }),
        ("restored", SysctlChange::Restored { from: 2, to: 1, after_crash: true }),
        ("left_alone", SysctlChange::LeftAlone { found: 3, written: 2, original: 1 }),
        ("not_restored", SysctlChange::NotRestored { why }),
    ]
}

#[test]
fn sysctl_events_keep_their_names_and_keys() {
    for (sysctl, prefix) in [(Sysctl::Syncookies, "cookies"), (Sysctl::Timestamps, "timestamps")] {
        for (suffix, change) in changes() {
            let event = Event::from(SysctlEvent { sysctl, change });
            let json = serde_json::to_value(&event).expect("serializable");
            assert_eq!(json["event"], format!("{prefix}_{suffix}"));
            assert_eq!(event.name(), format!("{prefix}_{suffix}"));
            assert!(event.to_string().starts_with(sysctl.name()), "{event}");
        }
        let left_alone = SysctlEvent { sysctl, change: changes()[4].1.clone() };
        assert_eq!(
            serde_json::to_value(Event::from(left_alone)).expect("serializable"),
            json!({ "event": format!("{prefix}_left_alone"), "found": 3, "written": 2, "original": 1 })
        );
    }
}

#[test]
fn rates_are_flattened_into_whole_numbers() {
    let rates =
        AttackRates { syn_rate: 1.5, excess_rate: 2.4, completed_rate: Some(3.0), ..AttackRates::default() };
    let event = Event::AttackBegan { kind: AttackKind::Mixed, again: false, top_sources: vec![], rates };
    assert_eq!(
        serde_json::to_value(&event).expect("serializable"),
        json!({
            "event": "attack_began",
            "kind": "mixed",
            "again": false,
            "top_sources": [],
            "syn_rate": 2,
            "unwanted_rate": 2,
            "distinct_sources": 0,
            "distinct_limit": 0,
            "completed_rate": 3,
            "queue_full_rate": null,
            "cookies_sent_rate": null,
            "unreturned_cookies_rate": null,
            "answered_rate": 0,
            "blocked_rate": 0,
            "over_budget_rate": 0,
            "over_network_budget_rate": 0,
            "first_syn_rate": 0,
        })
    );
}

#[test]
fn event_without_fields_is_an_object_with_a_name() {
    let json = serde_json::to_value(Event::Unprotected {}).expect("serializable");
    assert_eq!(json, json!({ "event": "unprotected" }));
    let ended = Event::XdpCookiesEnded { why: "as set".to_owned(), seconds: 61, sent: 5, returned: None };
    let json = serde_json::to_value(&ended).expect("serializable");
    assert_eq!((&json["answered"], &json["returned"]), (&Value::from(5), &Value::Null));
    assert_eq!(ended.to_string(), "XDP stopped sending SYN cookies after 1m1s (as set): 5 cookies sent");
}

#[test]
fn listeners_in_other_namespaces_are_named_with_the_consequence() {
    let namespace = |pid, command: &str, ports: &[u16]| ForeignNamespace {
        pid,
        command: command.to_owned(),
        ports: ports.to_vec(),
    };
    let namespaces = vec![namespace(1, "init", &[2024]), namespace(7, "nginx", &[80, 443])];
    assert_eq!(
        Event::ListenersInOtherNamespaces { namespaces, more: 2 }.to_string(),
        "not covered by kernel SYN cookies: listeners in other network namespaces (containers): init (pid 1) :2024; \
         nginx (pid 7) :80 :443; and 2 more namespaces"
    );
}

#[test]
fn levels_follow_the_consequence() {
    let actor = Actor::default();
    let not_reloaded = Event::NotReloaded { why: String::new(), actor: actor.clone() };
    assert_eq!((not_reloaded.level(), Event::Confirmed { actor }.level()), (Level::Error, Level::Info));
    let levels = changes().map(|(_, change)| SysctlEvent { sysctl: Sysctl::Syncookies, change }.level());
    assert_eq!(levels, [Level::Warn, Level::Info, Level::Warn, Level::Warn, Level::Warn, Level::Error]);
}

#[test]
fn change_has_its_actor_beside_its_fields() {
    let actor = Actor { user: Some("root".to_owned()), pid: 7, ..Actor::default() };
    let who = json!({
        "uid": 0, "user": "root", "sudo_user": null, "tty": null, "pid": 7, "process": null, "parent": null,
    });
    let changes = vec![SettingChange::new(Key::SynRate, 100, 500)];
    let event = Event::SettingsChanged { changes, saved: Some("/etc/x".to_owned()), actor: actor.clone() };
    assert_eq!(event.to_string(), "settings: syn-rate 100 → 500; saved in /etc/x; by root");
    let mut expected = json!({
        "event": "settings_changed",
        "changes": [{ "key": "syn-rate", "from": "100", "to": "500", "undoes_set": false }],
        "saved": "/etc/x",
    });
    let (fields, who) = (expected.as_object_mut().expect("an object"), who.as_object().expect("an object"));
    fields.extend(who.clone());
    assert_eq!(serde_json::to_value(&event).expect("serializable"), expected);
    let stopped = |actor| Event::Stopped { why: "SIGTERM".to_owned(), detached: true, actor };
    assert_eq!(stopped(Some(actor)).to_string(), "stopped by SIGTERM; filter removed; by root");
    let json = serde_json::to_value(stopped(None)).expect("serializable");
    assert_eq!(json, json!({ "event": "stopped", "why": "SIGTERM", "detached": true }));
}

fn attacker(source: &str, syn_rate: u64, syns: u64, blocked: bool) -> AttackSource {
    AttackSource { source: source.to_owned(), syn_rate, syns, blocked }
}

#[test]
fn attack_is_told_with_its_sources() {
    let rates = AttackRates {
        syn_rate: 84_500.4,
        excess_rate: 84_200.0,
        distinct_sources: 1.2,
        distinct_limit: 4096,
        completed_rate: Some(0.0),
        ..AttackRates::default()
    };
    let began = |kind, top_sources| Event::AttackBegan { kind, again: false, top_sources, rates }.to_string();
    assert_eq!(
        began(AttackKind::Concentrated, vec![attacker("11.0.0.0", 84_400, 84_400, false)]),
        "attack (concentrated): 84 500 SYN/s, 84 200 over the limit, from 1 source, 0 connections/s accepted; \
         top source 11.0.0.0 (84 400/s)"
    );
    assert!(!began(AttackKind::Concentrated, vec![]).contains("source "), "nothing is known of them");
    assert!(began(AttackKind::Distributed, vec![]).ends_with("; no source stands out"));
    let two = vec![attacker("11.0.0.0", 900, 9, true), attacker("2001:db8::/64", 101, 9, false)];
    let text = began(AttackKind::Mixed, two);
    assert!(text.ends_with("; top sources 11.0.0.0 (900/s, blocked), 2001:db8::/64 (101/s)"), "{text}");
}

#[test]
fn end_of_an_attack_has_its_totals() {
    let over = |monitor: bool, kind, top_sources| Event::AttackOver {
        kind,
        seconds: 32,
        syns: 3_960_000,
        excess_syns: 3_959_600,
        blocked_syns: 0,
        xdp_cookies: 0,
        dropped_syns: if monitor { 0 } else { 3_959_600 },
        would_drop: if monitor { 3_959_600 } else { 0 },
        peak_syn_rate: 210_000,
        peak_distinct_sources: 1,
        top_sources,
        sources_blocked: 1,
        blocked_sources: vec!["11.0.0.0".to_owned()],
        monitor,
    };
    let top = vec![attacker("11.0.0.0", 210_000, 3_959_800, true)];
    assert_eq!(
        over(false, AttackKind::Concentrated, top).to_string(),
        "attack over: 32s, concentrated, 3 960 000 SYNs (peak 210 000/s, 1 source), 3 959 600 dropped; \
         top source 11.0.0.0 (3 959 800 SYNs); 1 source blocked: 11.0.0.0"
    );
    assert_eq!(
        over(true, AttackKind::Distributed, vec![]).to_string(),
        "attack over: 32s, distributed, 3 960 000 SYNs (peak 210 000/s, 1 source), 3 959 600 would have been dropped; \
         no source stood out; 1 source would have been blocked: 11.0.0.0"
    );
}

#[test]
fn limited_sources_have_rates() {
    let limited = |sources: &[(&str, u64)], more, hold_seconds, monitor| {
        let names = sources.iter().map(|(source, _)| (*source).to_owned()).collect();
        let rates = sources.iter().map(|(_, rate)| *rate).collect();
        Event::OverLimit { sources: names, rates, more, limit: 100, hold_seconds, monitor }.to_string()
    };
    let one = [("11.0.0.0", 84_600)];
    assert_eq!(
        limited(&one, 0, 10.0, false),
        "limited: 11.0.0.0 (84 600 SYN/s, limit 100); its SYNs are dropped for 10 s"
    );
    assert_eq!(
        limited(&one, 0, 10.0, true),
        "would be limited: 11.0.0.0 (84 600 SYN/s, limit 100); its SYNs would be dropped for 10 s"
    );
    assert_eq!(
        limited(&[("11.0.0.0", 84_600), ("12.0.0.0", 900)], 3, 0.5, false),
        "limited: 11.0.0.0 (84 600 SYN/s), 12.0.0.0 (900 SYN/s) and 3 more (limit 100); their SYNs are dropped for 0.5 s"
    );
    assert!(limited(&one, 0, 0.0, false).ends_with("; its SYNs over the limit are dropped"));
}

#[test]
fn end_of_the_controller_has_its_cause() {
    let stopped =
        |why: &str, detached| Event::Stopped { why: why.to_owned(), detached, actor: None }.to_string();
    assert_eq!(stopped("SIGTERM", true), "stopped by SIGTERM; filter removed");
    assert_eq!(stopped(DETACH_COMMAND, true), "filter removed by `synguard detach`");
    assert_eq!(stopped("not confirmed in time", true), "not confirmed in time; filter removed");
    assert_eq!(
        stopped("SIGINT", false),
        "stopped by SIGINT: ended; the filter stays attached (`synguard detach` removes it)"
    );
}

#[test]
fn raised_cookies_name_the_symptom() {
    let cause = |rates: AttackRates| rates.cookie_cause();
    let rates = AttackRates { distinct_sources: 1_083.0, distinct_limit: 4096, ..AttackRates::default() };
    assert_eq!(cause(rates), "half-open connections are not completing (1 083 sources)");
    assert_eq!(
        cause(AttackRates { queue_full_rate: Some(20.0), ..rates }),
        "listen queues are full, 20 SYNs/s dropped (1 083 sources)"
    );
    assert_eq!(
        cause(AttackRates { distinct_sources: 60_000.0, ..rates }),
        "SYNs from 60 000 sources (limit 4 096)"
    );
}
