use proptest::prelude::*;

use super::*;
use crate::strategies::any_target;

fn target(text: &str) -> Target {
    text.parse().expect(text)
}

#[test]
fn halves_cover_the_whole_together() {
    let cover = |whole: &str, entries: &[&str]| {
        let entries: Vec<Target> = entries.iter().map(|entry| target(entry)).collect();
        let find = |part: Target| entries.iter().copied().find(|entry| entry.covers(part));
        let found = target(whole).cover(8, &find)?;
        Some(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    let found = |text: &str| Some(text.to_owned());
    assert_eq!(cover("0.0.0.0/0", &["0.0.0.0/0", "10.0.0.0/8"]), found("0.0.0.0/0"));
    assert_eq!(cover("2000::/3", &["::/0"]), found("::/0"));
    assert_eq!(cover("0.0.0.0/0", &["128.0.0.0/1", "0.0.0.0/1"]), found("0.0.0.0/1 128.0.0.0/1"));
    let (halves, gap) =
        (["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/2"], ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"]);
    assert_eq!(cover("0.0.0.0/0", &halves), found("0.0.0.0/1 128.0.0.0/2 192.0.0.0/2"));
    assert_eq!(cover("0.0.0.0/0", &gap), None);
    assert_eq!(cover("0.0.0.0/0", &["::/0", "10.0.0.0/8"]), None);
    assert_eq!(cover("192.0.2.1", &[]), None);
}

#[test]
fn targets_have_a_canonical_form() {
    for (text, form, masked) in [
        ("192.0.2.1", "192.0.2.1", false),
        ("192.0.2.1/32", "192.0.2.1", false),
        ("192.0.2.0/24", "192.0.2.0/24", false),
        ("192.0.2.7/24", "192.0.2.0/24", true),
        ("0.0.0.0/0", "0.0.0.0/0", false),
        ("1.2.3.4/0", "0.0.0.0/0", true),
        ("2001:DB8::1", "2001:db8::1", false),
        ("2001:db8:0:0::1/128", "2001:db8::1", false),
        ("2001:db8::1/32", "2001:db8::/32", true),
        ("::/0", "::/0", false),
        ("::ffff:1.2.3.4", "1.2.3.4", false),
        ("::ffff:102:304/128", "1.2.3.4", false),
        ("::ffff:1.2.3.4/120", "1.2.3.0/24", true),
        ("::ffff:0:0/96", "0.0.0.0/0", false),
        // Wider than all of IPv4, so it stays an IPv6 prefix.
        ("::ffff:0:0/95", "::fffe:0:0/95", true),
        ("10.0.0.1/8", "10.0.0.0/8", true),
        ("10.0.0.0/08", "10.0.0.0/8", false),
    ] {
        let written = ParsedTarget::parse(text).expect(text);
        assert_eq!((written.target.to_string().as_str(), written.masked), (form, masked), "{text}");
    }
}

#[test]
fn invalid_targets_are_refused_with_a_reason() {
    for (text, error) in [
        ("", "`` is not an address or CIDR"),
        ("1.2.3", "`1.2.3` is not an address or CIDR, such as 192.0.2.1"),
        ("256.1.1.1", "is not an address"),
        ("010.1.1.1", "is not an address"),
        ("1.2.3.4:80", "is not an address"),
        ("2001:db8::g", "is not an address"),
        (" 1.2.3.4", "is not an address"),
        ("1.2.3.4/33", "must be 0 to 32"),
        ("::1/129", "must be 0 to 128"),
        ("1.2.3.4/", "must be 0 to 32"),
        ("1.2.3.4/+8", "must be 0 to 32"),
        ("1.2.3.4/-1", "must be 0 to 32"),
        ("1.2.3.4/256", "must be 0 to 32"),
        ("1.2.3.4/255.255.255.0", "must be 0 to 32"),
        ("1.2.3.4-1.2.3.9", "is a range: write it as one or more CIDRs"),
        ("fe80::1%eth0", "leave out the `%`"),
        ("bad.example.com", "`bad.example.com` is a name"),
        ("/24", "is not an address"),
    ] {
        let got = ParsedTarget::parse(text).expect_err(text).to_string();
        assert!(got.contains(error), "{text}: {got}");
    }
    let long = ParsedTarget::parse(&"é".repeat(5000)).expect_err("long").to_string();
    assert!(long.len() < 300, "{long}");
}

#[test]
fn prefix_sorts_before_its_parts() {
    let mut targets: Vec<_> =
        ["2001:db8::", "10.0.0.1", "10.0.0.0/8", "10.0.0.0", "::/0", "10.0.0.0/24", "9.0.0.0"]
            .map(target)
            .to_vec();
    targets.sort();
    let sorted: Vec<_> = targets.iter().map(ToString::to_string).collect();
    assert_eq!(
        sorted,
        ["9.0.0.0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0", "10.0.0.1", "::/0", "2001:db8::"]
    );
}

#[test]
fn covering_goes_from_long_to_short() {
    let covering: Vec<_> = target("192.0.2.1/30").covering().collect();
    assert_eq!(covering.len(), 31);
    assert_eq!((covering[0], covering[30]), (target("192.0.2.0/30"), target("0.0.0.0/0")));
    assert_eq!(target("2001:db8::1").covering().count(), 129);
    assert!(!target("::/0").covers(target("1.2.3.4")) && !target("0.0.0.0/0").covers(target("::1")));
}

proptest! {
    #[test]
    fn displayed_target_parses_back(target in any_target()) {
        prop_assert_eq!(ParsedTarget::parse(&target.to_string()), Ok(ParsedTarget { target, masked: false }));
    }

    #[test]
    fn key_round_trips(target in any_target()) {
        let key = target.key();
        prop_assert_eq!(key.is_v4(), target.address().is_ipv4());
        prop_assert_eq!(Prefix::new(key.address, key.length as u32), key);
        prop_assert_eq!(Target::from_key(&key), target);
    }

    #[test]
    fn covering_lists_exactly_what_covers(target in any_target(), other in any_target()) {
        prop_assert!(target.covering().all(|wider| wider.covers(target)));
        prop_assert_eq!(other.covers(target), target.covering().any(|wider| wider == other));
    }

    #[test]
    fn no_text_panics(text in "[0-9a-f:./%-]{0,40}|\\PC{0,30}") {
        if let Ok(written) = ParsedTarget::parse(&text) {
            prop_assert_eq!(ParsedTarget::parse(&written.target.to_string()).map(|w| w.target), Ok(written.target));
        }
    }
}
