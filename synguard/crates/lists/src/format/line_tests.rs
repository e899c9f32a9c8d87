use std::num::NonZeroU64;

use proptest::prelude::*;
use synguard_model::{list_entry::EntryReason, strategies::any_entry};

use super::*;

fn parse(line: &str) -> ListLine<'_> {
    ListLine::parse(line).expect(line).expect(line)
}

#[test]
fn lines_of_published_lists_parse() {
    for (line, target) in [
        ("192.0.2.1", "192.0.2.1"),
        ("  192.0.2.0/24\t", "192.0.2.0/24"),
        ("1.10.16.0/20 ; SBL256894", "1.10.16.0/20"),
        ("1.10.16.0/20;SBL256894", "1.10.16.0/20"),
        ("2001:db8::/32 # a comment # another", "2001:db8::/32"),
        ("192.0.2.1#x", "192.0.2.1"),
        ("192.0.2.1\r", "192.0.2.1"),
    ] {
        let got = parse(line);
        assert_eq!((got.target.target.to_string().as_str(), got.attributes), (target, Attributes::default()));
    }
    for nothing in ["", "   ", "\t\r", "# comment", ";", "   ; 1.2.3.4", "#192.0.2.1"] {
        assert_eq!(ListLine::parse(nothing), Ok(None), "{nothing}");
    }
}

#[test]
fn attributes_parse() {
    let line = parse(r#"::1 ttl=1h30m scope=syn  origin=auto reason="a \"b\" \\ # ; c" # said "so""#);
    assert_eq!(
        line.attributes,
        Attributes {
            ttl: Some(Duration::from_secs(5_400)),
            scope: Some(Scope::Syn),
            origin: Some(Origin::Auto),
            reason: Some(r#"a "b" \ # ; c"#.into()),
            ..Attributes::default()
        }
    );
    let line = parse("::1 expires=1700000000.5 created=1600000000 reason=scan;comment");
    assert_eq!(line.attributes.expires_ms, Some(1_700_000_000_500));
    assert_eq!(line.attributes.created_ms, Some(1_600_000_000_000));
    assert!(matches!(line.attributes.reason, Some(Cow::Borrowed("scan"))));
    assert_eq!(parse("::1 expires=0").attributes.expires_ms, Some(0));
}

#[test]
fn invalid_lines_are_refused_with_a_reason() {
    for (line, error) in [
        ("1.2.3.4.5", "`1.2.3.4.5` is not an address or CIDR"),
        ("1.2.3.4 5.6.7.8", "`5.6.7.8` is not an attribute: a target may be followed by ttl="),
        ("1.2.3.4 timeout 60", "`timeout` is not an attribute"),
        ("1.2.3.4 reason=port scan", "`scan` is not an attribute"),
        ("1.2.3.4 tll=5s", "`tll=5s` is not an attribute"),
        ("1.2.3.4 =x", "`=x` is not an attribute"),
        ("1.2.3.4 ttl=5", "ttl=5: must be a duration of 1ms to 3650d, such as 10s: 5 needs a unit"),
        ("1.2.3.4 ttl=0s", "ttl=0s: must be a duration of 1ms to 3650d"),
        ("1.2.3.4 ttl=3651d", "must be a duration of 1ms to 3650d"),
        ("1.2.3.4 ttl=", "ttl=: must be a duration"),
        ("1.2.3.4 ttl=5s ttl=6s", "ttl is given twice"),
        ("1.2.3.4 ttl=5s expires=7", "ttl is given twice"),
        ("1.2.3.4 scope=tcp", "scope=tcp: must be all or syn"),
        ("1.2.3.4 origin=me", "origin=me: must be operator, auto or feed"),
        ("1.2.3.4 reason=\"open", "reason has no closing quote"),
        ("1.2.3.4 reason=\"open\\", "reason has no closing quote"),
        ("1.2.3.4 reason=\"open\\\"", "reason has no closing quote"),
        ("1.2.3.4 expires=2026-01-01", "expires=2026-01-01: must be seconds since 1970"),
        ("1.2.3.4 expires=-1", "must be seconds since 1970"),
        ("1.2.3.4 expires=1.2345", "must be seconds since 1970"),
        ("1.2.3.4 created=99999999999999999999", "must be seconds since 1970"),
    ] {
        let got = ListLine::parse(line).expect_err(line).to_string();
        assert!(got.contains(error), "{line}: {got}");
    }
}

#[test]
fn entry_is_formatted_in_both_forms() {
    let entry = Entry {
        target: "192.0.2.0/24".parse().expect("a target"),
        scope: Scope::Syn,
        origin: Origin::Operator,
        reason: EntryReason::new(r#"a "quote" and \"#).ok(),
        created_ms: 1_000_000_000_000,
        expires_ms: NonZeroU64::new(1_000_000_060_250),
    };
    let stored = |created_ms| EntryLine(&entry, TimeFormat::Instants { created_ms }).to_string();
    let rest = r#"scope=syn origin=operator reason="a \"quote\" and \\""#;
    assert_eq!(stored(1_000_000_000_000), format!("192.0.2.0/24 expires=1000000060.250 {rest}"));
    assert_eq!(stored(0), format!("192.0.2.0/24 created=1000000000 expires=1000000060.250 {rest}"));
    let now = Now { wall_ms: 1_000_000_000_000, monotonic_ns: 5 };
    assert_eq!(
        EntryLine(&entry, TimeFormat::Left { now }).to_string(),
        format!("192.0.2.0/24 ttl=1m250ms {rest}")
    );
}

proptest! {
    #[test]
    fn formatted_entry_parses_back(entry in any_entry(), default in 999_000_000_000..1_001_000_000_000u64) {
        for default in [default, entry.created_ms] {
            let text = EntryLine(&entry, TimeFormat::Instants { created_ms: default }).to_string();
            let line = parse(&text);
            prop_assert_eq!(line.target, ParsedTarget { target: entry.target, masked: false });
            let read = line.attributes;
            prop_assert_eq!(read.created_ms.unwrap_or(default), entry.created_ms);
            prop_assert_eq!(read.expires_ms, entry.expires_ms.map(NonZeroU64::get));
            prop_assert_eq!(read.scope.unwrap_or_default(), entry.scope);
            prop_assert_eq!(read.origin.unwrap_or_default(), entry.origin);
            prop_assert_eq!(read.reason.as_deref(), entry.reason.as_ref().map(EntryReason::as_str));
        }
    }

    #[test]
    fn no_line_panics(line in "1[.]2[.]3[.]4 [a-z=\"\\\\ #;.0-9]{0,40}|\\PC{0,60}") {
        let _ = ListLine::parse(&line);
    }
}
