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
    let event = Event::AttackBegan { kind: AttackKind::Mixed, again: false, rates };
    assert_eq!(
        serde_json::to_value(&event).expect("serializable"),
        json!({
            "event": "attack_began",
            "kind": "mixed",
            "again": false,
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
    assert_eq!(ended.to_string(), "XDP stopped sending SYN cookies after 1m1s (as set): 5 sent");
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
        "not covered by kernel SYN cookies: listeners in other network namespaces: init (pid 1) :2024; \
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
    assert_eq!(stopped(Some(actor)).to_string(), "SIGTERM: detached; by root");
    let json = serde_json::to_value(stopped(None)).expect("serializable");
    assert_eq!(json, json!({ "event": "stopped", "why": "SIGTERM", "detached": true }));
}
