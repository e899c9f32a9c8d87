use std::{fs, time::Duration};

use proptest::prelude::*;
use synguard_common::map_names::{LIST_CAPACITY_DEFAULT, SOURCES_DEFAULT};
use synguard_model::{
    ports::Ports,
    settings::{AttachMode, Syntax},
};

use super::*;

const PATH: &str = "/etc/x.toml";

fn file(text: &str) -> Result<(Settings, AttachOptions), ConfigError> {
    quiet(Some((Path::new(PATH), text)), &eth0())
}

/// Resolves what must give no warning.
fn quiet(file: Option<(&Path, &str)>, flags: &Patch) -> Result<(Settings, AttachOptions), ConfigError> {
    let config = resolve(file, flags, |warning| panic!("{warning}"))?;
    Ok((config.settings, config.options))
}

fn eth0() -> Patch {
    Patch { interfaces: Some(vec!["eth0".into()]), ..Patch::default() }
}

#[test]
fn defaults_apply_without_file_and_flags() {
    let (settings, options) = quiet(None, &eth0()).expect("valid");
    assert_eq!(settings, Settings::default());
    assert_eq!(
        options,
        AttachOptions {
            interfaces: vec!["eth0".into()],
            mode: AttachMode::Auto,
            max_sources: SOURCES_DEFAULT,
            max_list: LIST_CAPACITY_DEFAULT,
            keep_on_exit: false,
        }
    );
}

#[test]
fn flags_win_over_the_file_over_defaults() {
    let text = r#"
        interfaces = ["lan0", "wan0", "lan0"]
        mode = "generic"
        max-sources = 4_096
        keep-on-exit = true
        syn-rate = 0x32
        hold = "1m"
        ports = [443, 80]
        monitor = true
        drop-bad-flags = true
        source-prefix-v6 = 56
    "#;
    let at = Some((Path::new(PATH), text));
    let (settings, options) = quiet(at, &Patch::default()).expect("valid");
    assert_eq!(options.interfaces, ["lan0", "wan0"]);
    assert_eq!(options.mode, AttachMode::Generic);
    assert_eq!((options.max_sources, options.keep_on_exit), (4096, true));
    assert_eq!((settings.syn_rate, settings.syn_burst), (50, 100));
    assert_eq!(settings.hold, Duration::from_secs(60));
    assert_eq!(settings.ports, Ports::from_ports([80, 443]).expect("not empty"));
    assert_eq!((settings.monitor, settings.drop_bad_flags, settings.source_prefix_v6), (true, true, 56));

    let flags = Patch {
        syn_rate: Some(7),
        ports: Some(Ports::All),
        monitor: Some(false),
        mode: Some(AttachMode::Native),
        keep_on_exit: Some(false),
        ..eth0()
    };
    let (settings, options) = quiet(at, &flags).expect("valid");
    assert_eq!(options.interfaces, ["eth0"]);
    assert_eq!((options.mode, options.keep_on_exit, options.max_sources), (AttachMode::Native, false, 4096));
    assert_eq!((settings.syn_rate, settings.syn_burst, settings.monitor), (7, 14, false));
    assert_eq!((settings.ports, settings.source_prefix_v6), (Ports::All, 56));
}

#[test]
fn file_errors_name_line_key_value_and_range() {
    for (text, error) in [
        ("\n\nsyn-rate = 0", ":3: syn-rate = 0: must be 1 to 1000000 SYNs a second"),
        ("syn-rate = -1", ":1: syn-rate = -1: must be 1 to 1000000 SYNs a second"),
        ("syn-rate = 99999999999999999999", ":1: syn-rate = 99999999999999999999: must be 1 to"),
        ("syn-rate = 1.5", ":1: syn-rate = 1.5: must be written as a whole number"),
        ("syn-rate = \"100\"", ":1: syn-rate = \"100\": must be written as a whole number without quotes"),
        ("syn-burst = 1", ":1: syn-burst = 1: must be 2 to 10000000 SYNs"),
        ("#\nsyn-rate = 1000\nsyn-burst = 3", ":3: syn-burst = 3: must be 11 to 10000000 SYNs with syn-rate"),
        ("hold = 10", ":1: hold = 10: must be written as text with a unit, such as \"10s\""),
        ("hold = \"25h\"", ":1: hold = \"25h\": must be a duration of 0s to 1d"),
        ("ports = 80", ":1: ports = 80: must be written as \"all\", \"80,443,8000-8010\" or [80, 443]"),
        ("ports = []", ":1: ports = []: no port is named"),
        ("ports = [80,\n 65536]", ":1: ports = [80,\\n 65536]: `65536` is not a port"),
        ("ports = [\"80\"]", ":1: ports = [\"80\"]: must be written as"),
        ("ports = \"80,x\"", ":1: ports = \"80,x\": `x` is not a port: use `all`, or ports 1-65535"),
        ("monitor = \"true\"", ":1: monitor = \"true\": must be written as true or false, without quotes"),
        ("source-prefix-v6 = 0", ":1: source-prefix-v6 = 0: must be 1 to 128 bits"),
        ("max-list = 0", ":1: max-list = 0: must be 1 to 16777216 entries"),
        ("max-sources = 1023", ":1: max-sources = 1023: must be 1024 to 16777216 sources"),
        ("mode = \"skb\"", ":1: mode = \"skb\": must be auto, native or generic"),
        ("drop-first-syn = true", ":1: drop-first-syn = true: must be auto or off"),
        (
            "syn-cookie-options = 1",
            ":1: syn-cookie-options = 1: must be written as true or false, without quotes",
        ),
        ("syn-cookie-rate = -1", ":1: syn-cookie-rate = -1: must be 0 to 100000000 SYN cookies a second"),
        ("mode = 1", ":1: mode = 1: must be auto, native or generic"),
        ("interfaces = \"eth0\"", ":1: interfaces = \"eth0\": must be written as a list of interface names"),
        ("interfaces = []", ":1: interfaces = []: must be written as a list of interface names"),
        ("interfaces = [\"a b\"]", ":1: interfaces = [\"a b\"]: must be an interface name: 1 to 15 bytes"),
        ("\nsyn_rate = 5", ":2: syn_rate: unknown key: did you mean syn-rate?"),
        ("backlog = 5", ":1: backlog: unknown key: valid keys are syn-rate, syn-burst, hold, ports, monitor"),
        ("[limits]\nsyn-rate = 5", ":1: limits: unknown key: valid keys are"),
        ("hold = \"1s\"\nhold = \"2s\"", ":2: not valid TOML: duplicate key"),
        ("syn-rate 5", ":1: not valid TOML: "),
        ("hold = 10s", ":1: not valid TOML: "),
        ("hold = \"1s", ":1: not valid TOML: "),
    ] {
        let got = file(text).expect_err(text).to_string();
        assert!(got.starts_with(&format!("{PATH}{error}")), "{got}");
        assert!(!got.contains('\n'), "{got}");
    }
}

#[test]
fn too_small_a_burst_names_its_place() {
    let rate = Patch { syn_rate: Some(1000), ..eth0() };
    let both = Patch { syn_burst: Some(4), ..rate.clone() };
    let at = Some((Path::new(PATH), "syn-burst = 3"));
    for (patch, error) in [
        (rate, "/etc/x.toml:1: syn-burst = 3: must be 11"),
        (both, "command line: syn-burst = 4: must be 11"),
    ] {
        let got = quiet(at, &patch).expect_err(error).to_string();
        assert!(got.starts_with(error), "{got}");
    }
}

#[test]
fn missing_interface_error_has_both_remedies() {
    let error = quiet(None, &Patch::default()).expect_err("no interface").to_string();
    assert_eq!(
        error,
        "no interface is named: name one, as in `synguard attach eth0`, \
         or set interfaces = [\"eth0\"] in /etc/synguard/synguard.toml"
    );
}

#[test]
fn only_the_default_file_may_be_missing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let missing = dir.path().join("missing.toml");
    load_or(None, &missing, &eth0()).map(drop).expect("the default file may be missing");
    let error = load_or(Some(&missing), &missing, &eth0()).expect_err("missing").to_string();
    assert!(error.starts_with(&format!("{}: cannot be read: No such file", missing.display())), "{error}");
    let error = load_or(None, dir.path(), &eth0()).expect_err("a directory").to_string();
    assert!(error.contains("cannot be read: Is a directory"), "{error}");

    let path = dir.path().join("synguard.toml");
    fs::write(&path, "syn-rate = 7\n").expect("written");
    for explicit in [None, Some(path.as_path())] {
        let config = load_or(explicit, &path, &eth0()).expect("valid");
        assert_eq!(config.settings.syn_rate, 7);
    }
    for bytes in [vec![0xff, 0xfe], vec![b'\n'; FILE_MAX as usize + 1]] {
        fs::write(&path, bytes).expect("written");
        let error = load_or(None, &path, &eth0()).expect_err("not text").to_string();
        assert!(error.contains("must be UTF-8 text of at most 1048576 bytes"), "{error}");
    }
    load_or(Some(Path::new("/dev/zero")), &path, &eth0()).expect_err("not a file");
}

/// The example's key lines, uncommented.
fn example_lines() -> Vec<&'static str> {
    let key_line = |line: &'static str| {
        line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    EXAMPLE.lines().filter_map(key_line).collect()
}

const EXAMPLE: &str = include_str!("../../../synguard.toml");

#[test]
fn example_names_every_key_with_its_default() {
    let resolved = |text: &str| quiet(Some((Path::new(PATH), text)), &eth0()).expect("valid");
    assert_eq!(resolved(EXAMPLE), quiet(None, &eth0()).expect("valid"));
    let lines = example_lines();
    assert_eq!(resolved(&lines.join("\n")), quiet(None, &eth0()).expect("valid"));
    let keys: Vec<_> = lines.iter().map(|line| line.split(' ').next().expect("a key")).collect();
    for key in Key::ALL {
        assert_eq!(keys.iter().filter(|name| **name == key.name()).count(), 1, "{key}");
    }
    assert_eq!(keys.len(), Key::ALL.len());
}

#[test]
fn example_states_the_ranges() {
    for key in Key::ALL {
        if let Syntax::Number(range) = key.syntax() {
            assert!(EXAMPLE.contains(&range.to_string()), "{range}");
        }
    }
}

#[test]
fn old_names_in_the_file_are_reported() {
    let mut warnings = Vec::new();
    let text = "\nanswer-rate = 5\nfirst-syn = \"off\"\nsyn-rate = 7\n";
    let config = resolve(Some((Path::new(PATH), text)), &eth0(), |line| warnings.push(line)).expect("valid");
    assert_eq!(
        warnings,
        [
            "/etc/x.toml:2: answer-rate is now called syn-cookie-rate; synguard 0.2 will not know the old name",
            "/etc/x.toml:3: first-syn is now called drop-first-syn; synguard 0.2 will not know the old name",
        ]
    );
    let new = "syn-cookie-rate = 5\ndrop-first-syn = \"off\"\nsyn-rate = 7";
    assert_eq!(config.settings, file(new).expect("valid").0);
    for (text, old) in [
        ("keep-options = true\nsyn-cookie-options = false", "keep-options"),
        ("syn-cookie-rate = 5\nanswer-rate = 5", "answer-rate"),
    ] {
        let got = file(text).expect_err(text).to_string();
        assert!(got.starts_with("/etc/x.toml:2: syn-cookie-"), "{got}");
        assert!(got.contains(&format!("given more than once, as {old} too, its old name")), "{got}");
    }
}

proptest! {
    #[test]
    fn parser_never_panics(text in "([a-z-]{1,9}|syn-rate|hold|ports|mode) ?=? ?[\\[\"]?[0-9a-z,]{0,9}[\\]\"]?\n?|\\PC{0,40}") {
        if let Err(error) = file(&text) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
