//! Loss of protection in the answers: interfaces without the filter, and an allowlist that lets everything pass.

use super::{
    tests::{calm, one_source},
    *,
};

#[test]
fn loss_of_protection_comes_before_all_else() {
    let gone = Situation { unfiltered: vec!["srv1".to_owned()], ..one_source() };
    assert_eq!(gone.warning().as_deref(), Some("PARTLY PROTECTED: the filter is not on srv1"));
    assert!(gone.next().starts_with("wait: the controller puts the filter back"), "{}", gone.next());
    let lost = Situation {
        filtered: Vec::new(),
        unfiltered: vec!["srv0".to_owned()],
        controller: ControllerLife::Absent,
        ..one_source()
    };
    assert_eq!(lost.warning().as_deref(), Some("NOT PROTECTED: the filter is not on srv0"));
    assert_eq!(lost.response(), "none: the filter is on no interface");
    assert_eq!(lost.next(), "to filter again: synguard attach srv0");
    let none = Situation { filtered: Vec::new(), controller: ControllerLife::Absent, ..one_source() };
    assert_eq!(none.warning().as_deref(), Some("NOT PROTECTED: the filter is loaded but on no interface"));
    assert_eq!(none.next(), "to filter again: synguard attach IFACE…");
}

#[test]
fn many_unfiltered_interfaces_fit_on_a_line() {
    let unfiltered: Vec<String> = (0..300).map(|i| format!("v{i}")).collect();
    let gone = Situation { unfiltered, controller: ControllerLife::Absent, ..calm() };
    assert_eq!(
        gone.warning().as_deref(),
        Some("PARTLY PROTECTED: the filter is not on v0, v1, v2, v3 and 296 more")
    );
    assert_eq!(gone.next(), "to filter again: synguard attach IFACE…");
}

#[test]
fn allowlist_of_a_whole_family_is_pointed_out() {
    let family = |name, entries: &[&str]| AllowedFamily {
        name,
        entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
    };
    let (v4, v6) = (family("IPv4", &["0.0.0.0/0"]), family("IPv6", &["2000::/4", "3000::/4"]));
    let open = Situation { allowed_families: vec![v4.clone()], ..calm() };
    assert_eq!(
        open.warning().as_deref(),
        Some("PARTLY PROTECTED: the allowlist covers every IPv4 address, and nothing is dropped from there")
    );
    assert_eq!(open.next(), "to filter IPv4 again: synguard allow del 0.0.0.0/0");
    assert!(!open.is_idle());
    // It comes before advice about a source, whose block would have no effect.
    let flooded = Situation { allowed_families: vec![v4, v6], ..one_source() };
    assert_eq!(
        flooded.warning().as_deref(),
        Some("NOT PROTECTED: the allowlist covers every address, and nothing is dropped from there")
    );
    assert_eq!(
        flooded.next(),
        "to filter IPv4 and IPv6 again: synguard allow del 0.0.0.0/0 2000::/4 3000::/4"
    );
    assert!(flooded.blockable().is_empty());
    let parts: Vec<String> = (0..256).map(|i| format!("{i}.0.0.0/8")).collect();
    let parts = AllowedFamily { name: "IPv4", entries: parts };
    let many = Situation { allowed_families: vec![parts], ..calm() };
    assert_eq!(many.next(), "to filter IPv4 again: synguard allow list");
    let absent = Situation { controller: ControllerLife::Absent, ..open };
    assert_eq!(absent.next(), "no controller runs, so nothing reacts to attacks: synguard attach srv0");
}

#[test]
fn confirmation_comes_first() {
    let to_confirm = Situation { enforcement: Enforcement::ToConfirm { seconds: 45 }, ..one_source() };
    assert_eq!(to_confirm.next(), "within 45 s: synguard confirm; without it the filter stops dropping");
    let late = Situation { enforcement: Enforcement::Unconfirmed, ..one_source() };
    assert_eq!(late.response(), "not confirmed in time: nothing is dropped; 0/s would be");
    assert_eq!(late.next(), "attach again: synguard attach srv0");
}

#[test]
fn nothing_is_known_of_visitors_without_a_controller() {
    let absent = Situation { controller: ControllerLife::Absent, ..one_source() };
    assert_eq!(absent.visitors(), "not known: no controller runs");
    assert_eq!(absent.next(), "no controller runs, so nothing reacts to attacks: synguard attach srv0");
    let silent = Situation { controller: ControllerLife::Silent { pid: 7, seconds: 20 }, ..one_source() };
    assert_eq!(silent.visitors(), "not known: the controller does not respond");
    assert_eq!(
        silent.next(),
        "the controller has not responded for 20 s: kill -KILL 7, then synguard attach srv0"
    );
    let unread = Situation { visitors: Visitors::default(), ..one_source() };
    assert_eq!(unread.visitors(), "not known: the kernel's counters were not read yet");
}
