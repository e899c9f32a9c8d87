use proptest::prelude::*;
use synguard_common::gcra::{BURST_MAX, RATE_MAX};

use super::*;
use crate::ports::Ports;

/// Any settings that can be made. They are derived from the table, so that a new row is covered.
pub(in crate::settings) fn any_settings() -> impl Strategy<Value = Settings> {
    let pairs: Vec<_> =
        Key::live().map(|key| any_text(key).prop_map(move |text| (key.name(), text))).collect();
    let burst = (1..=RATE_MAX).prop_flat_map(|rate| {
        (Just(rate), prop_oneof![Just(derived_burst(rate)), burst_min(rate)..=BURST_MAX])
    });
    (pairs, burst).prop_map(|(mut pairs, (rate, burst))| {
        pairs.retain(|(key, _)| !matches!(*key, "syn-rate" | "syn-burst"));
        pairs.extend([("syn-rate", rate.to_string()), ("syn-burst", burst.to_string())]);
        let mut settings = Settings::default();
        settings.set_all(pairs.iter().map(|(key, text)| (*key, text.as_str()))).expect("in range");
        settings
    })
}

/// Any value of a live key, as `set` takes it.
fn any_text(key: Key) -> BoxedStrategy<String> {
    match key.syntax() {
        Syntax::Number(range) => (range.min..=range.max).prop_map(|number| number.to_string()).boxed(),
        Syntax::Duration(range) => {
            (range.min.as_millis()..=range.max.as_millis()).prop_map(|length| format!("{length}ms")).boxed()
        }
        Syntax::Boolean => any::<bool>().prop_map(|is_on| is_on.to_string()).boxed(),
        Syntax::Choice(names) => {
            prop::sample::select(names).prop_map(|choice| choice.name.to_owned()).boxed()
        }
        Syntax::Ports => prop_oneof![
            Just(Ports::All),
            prop::collection::vec(1u16.., 1..20)
                .prop_map(|ports| Ports::from_ports(ports).expect("at least one")),
        ]
        .prop_map(|ports| ports.to_string())
        .boxed(),
        Syntax::Interfaces => unreachable!("no live setting"),
    }
}

fn with(pairs: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    settings.set_all(pairs.iter().copied()).expect("valid");
    settings
}

#[test]
fn defaults_are_those_of_the_manual() {
    let json = serde_json::to_string(&Settings::default()).expect("serialises");
    assert_eq!(
        json,
        r#"{"syn-rate":100,"syn-burst":200,"hold":"10s","ports":"all","monitor":false,"drop-bad-flags":false,"source-prefix-v6":64,"prefix-rate":0,"distinct-limit":4096,"cookies":"auto","syn-cookie-rate":1000000,"syn-cookie-prefix-rate":10000,"syn-cookie-options":true,"drop-first-syn":"auto","check-acks":true}"#
    );
}

#[test]
fn json_has_the_keys_of_set_in_order() {
    let settings = with(&[("ports", "443,80"), ("hold", "90s"), ("monitor", "true")]);
    let json = serde_json::to_value(&settings).expect("serialises");
    assert_eq!(json["ports"], "80,443");
    assert_eq!(json["hold"], "1m30s");
    assert_eq!(json["monitor"], true);
    for (key, text) in settings.entries() {
        let value = &json[key.name()];
        assert_eq!(value.as_str().map_or_else(|| value.to_string(), str::to_owned), text, "{key}");
    }
    assert!(settings.entries().into_iter().map(|(key, _)| key).eq(Key::live()));
}

#[test]
fn derived_burst_follows_the_rate() {
    assert_eq!(with(&[("syn-rate", "1000")]).syn_burst, 2000);
    assert_eq!(with(&[("syn-rate", "1")]).syn_burst, 2);
    assert_eq!(with(&[("syn-rate", "1000000")]).syn_burst, 2_000_000);
    let mut chosen = with(&[("syn-burst", "50")]);
    chosen.set("syn-rate", "1000").expect("valid");
    assert_eq!((chosen.syn_rate, chosen.syn_burst), (1000, 50));
}

#[test]
fn rate_and_burst_are_checked_together() {
    let pairs = [("syn-rate", "100000"), ("syn-burst", "1001")];
    assert_eq!(with(&pairs), with(&[pairs[1], pairs[0]]));
    let mut settings = with(&[("syn-burst", "50")]);
    let before = settings.clone();
    let error = settings.set("syn-rate", "100000").expect_err("too small a burst");
    assert_eq!(
        error.to_string(),
        "syn-burst = 50: must be 1001 to 10000000 SYNs with syn-rate = 100000: \
         set a larger syn-burst or a lower syn-rate"
    );
    assert_eq!(settings, before);
}

#[test]
fn errors_name_key_value_and_range() {
    for (key, value, error) in [
        ("syn-rate", "0", "syn-rate = 0: must be 1 to 1000000 SYNs a second"),
        ("syn-rate", "", "syn-rate = : must be 1 to 1000000 SYNs a second"),
        ("syn-burst", "1", "syn-burst = 1: must be 2 to 10000000 SYNs"),
        ("hold", "25h", "hold = 25h: must be a duration of 0s to 1d"),
        ("hold", "10", "hold = 10: must be a duration of 0s to 1d, such as 10s: 10 needs a unit"),
        ("ports", "80,x", "ports = 80,x: `x` is not a port"),
        ("monitor", "yes", "monitor = yes: must be true or false"),
        ("drop-bad-flags", "1", "drop-bad-flags = 1: must be true or false"),
        ("source-prefix-v6", "129", "source-prefix-v6 = 129: must be 1 to 128 bits"),
        ("source-prefix-v6", "a\nb", "source-prefix-v6 = a\\nb: must be 1 to 128 bits"),
        ("syn_rate", "5", "syn_rate: unknown key: did you mean syn-rate?"),
        ("cookies", "on", "cookies = on: must be auto, kernel, xdp or off"),
        ("drop-first-syn", "on", "drop-first-syn = on: must be auto or off"),
        ("syn-cookie-options", "auto", "syn-cookie-options = auto: must be true or false"),
        (
            "syn-cookie-rate",
            "x",
            "syn-cookie-rate = x: must be 0 to 100000000 SYN cookies a second (0: no limit)",
        ),
        (
            "answer-rate",
            "x",
            "syn-cookie-rate = x: must be 0 to 100000000 SYN cookies a second (0: no limit)",
        ),
        (
            "distinct-limit",
            "-1",
            "distinct-limit = -1: must be 0 to 100000000 sources a second (0: no limit)",
        ),
        ("backlog", "5", "backlog: unknown key: valid keys are syn-rate, syn-burst, hold, ports"),
        ("", "xdp", ": unknown key: valid keys are"),
        ("mode", "auto", "mode: cannot be changed while attached: detach, then attach"),
        ("max-sources", "5", "max-sources: cannot be changed while attached"),
        ("hold", "1s", "hold: given more than once"),
    ] {
        let mut settings = Settings::default();
        let first = if error.contains("once") { ("hold", "2s") } else { ("ports", "80") };
        let pairs = if key == "ports" { vec![(key, value)] } else { vec![first, (key, value)] };
        let got = settings.set_all(pairs).expect_err(error).to_string();
        assert!(got.starts_with(error), "{got}");
        assert!(!got.contains('\n'), "{got}");
        assert_eq!(settings, Settings::default());
    }
}

#[test]
fn old_names_are_accepted_and_reported() {
    let mut settings = Settings::default();
    let pairs = [("answer-rate", "5"), ("first-syn", "off"), ("keep-options", "false"), ("hold", "1s")];
    let renamed = settings.set_all(pairs).expect("valid");
    assert_eq!(
        renamed.iter().map(|key| key.old).collect::<Vec<_>>(),
        ["answer-rate", "first-syn", "keep-options"]
    );
    assert_eq!(
        settings,
        with(&[
            ("syn-cookie-rate", "5"),
            ("drop-first-syn", "off"),
            ("syn-cookie-options", "false"),
            ("hold", "1s")
        ])
    );
    assert_eq!(settings.set("syn-cookie-rate", "6"), Ok(vec![]));
}

#[test]
fn old_and_new_name_together_are_an_error() {
    for (first, second, error) in [
        (
            "answer-rate",
            "syn-cookie-rate",
            "syn-cookie-rate: given more than once, as answer-rate too, its old name: keep syn-cookie-rate",
        ),
        (
            "syn-cookie-rate",
            "answer-rate",
            "syn-cookie-rate: given more than once, as answer-rate too, its old name: keep syn-cookie-rate",
        ),
        ("answer-rate", "answer-rate", "syn-cookie-rate: given more than once: name each setting once"),
    ] {
        let mut settings = Settings::default();
        let got = settings.set_all([(first, "5"), (second, "5")]).expect_err(error);
        assert_eq!((got.to_string().as_str(), settings), (error, Settings::default()));
    }
}

proptest! {
    #[test]
    fn shown_settings_can_be_set(settings in any_settings()) {
        let entries = settings.entries();
        let mut again = Settings::default();
        again.set_all(entries.iter().map(|(key, text)| (key.name(), text.as_str()))).expect("valid");
        prop_assert_eq!(again, settings);
    }

    #[test]
    fn rate_alone_is_always_accepted(rate in 1..=RATE_MAX) {
        let settings = with(&[("syn-rate", &rate.to_string())]);
        prop_assert!(settings.has_derived_burst());
        prop_assert!(settings.checked().is_ok());
    }

    #[test]
    fn set_never_panics(key in "[a-z0-9-]{0,17}|\\PC{0,9}", index in 0usize..21, value in "[0-9a-z,-]{0,9}|\\PC{0,9}") {
        let key = Key::ALL.get(index).map_or(key.as_str(), |key| key.name());
        let mut settings = Settings::default();
        match settings.set(key, &value) {
            Ok(_) => prop_assert!(settings.checked().is_ok()),
            Err(error) => {
                prop_assert!(!error.to_string().contains(char::is_control));
                prop_assert_eq!(settings, Settings::default());
            }
        }
    }
}
