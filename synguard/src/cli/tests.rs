use std::path::Path;

use clap::{CommandFactory as _, ValueEnum as _};
use synguard_common::map_names::{LIST_CAPACITY_DEFAULT, SOURCES_DEFAULT};
use synguard_model::{
    duration,
    ports::Ports,
    settings::{Cookies, FirstSyn, Key, Patch, Settings},
};

use super::*;
use crate::config::resolve;

fn parse(line: &str) -> Result<Cli, String> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    Cli::try_parse_from(["synguard"].into_iter().chain(words))
        .map_err(|error| usage_line(&error).unwrap_or_else(|| error.to_string()))
}

fn attach(line: &str) -> AttachArgs {
    match parse(&format!("attach {line}")).expect(line).command {
        Command::Attach(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn an_instance_has_its_directories() {
    let global = parse("status").expect("valid").global;
    assert_eq!(global.instance().state, Path::new("/var/lib/synguard/default"));
    assert_eq!(global.instance().run, Path::new("/run/synguard/default"));
    assert_eq!(global.instance().pins, Path::new("/sys/fs/bpf/synguard/default"));
    let line = "status --name edge1 -vv --state-dir /s --run-dir /r --bpffs /b";
    let global = parse(line).expect("valid").global;
    assert_eq!(global.instance().state, Path::new("/s/edge1"));
    assert_eq!(global.instance().run, Path::new("/r/edge1"));
    assert_eq!(global.instance().pins, Path::new("/b/synguard/edge1"));
    assert_eq!(global.verbose, 2);
}

#[test]
fn every_command_of_the_contract_is_there() {
    for line in [
        "attach eth0",
        "attach eth0 eth1 --no-control --config /x --mode generic --confirm 60s",
        "attach",
        "detach",
        "detach eth0 eth1",
        "status",
        "status --json",
        "set syn-rate=5",
        "set syn-rate=5 hold=1s",
        "show",
        "reload",
        "top",
        "why 192.0.2.7",
        "why 2001:db8::1 --port 443 --json",
        "top --once --json --sort dropped --limit 5 --interval 2s",
        "show --json",
        "block add 192.0.2.1 2001:db8::/32 --ttl 2h --reason scan --scope syn --force",
        "block del 192.0.2.1 192.0.2.0/24",
        "block remove 192.0.2.1",
        "block list",
        "block list --json",
        "block import /x",
        "block import - --replace --aggregate --ttl 1d --reason feed --force",
        "block export",
        "block flush",
        "block check 192.0.2.1",
        "block check ::1 --json",
        "allow add 192.0.2.1",
        "allow del 192.0.2.1",
        "allow list",
        "allow import /x",
        "allow export",
        "allow flush",
        "allow check ::1",
        "confirm",
        "completions bash",
        "man",
        "--name edge1 show",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
    }
}

#[test]
fn attach_flags_become_a_layer() {
    assert_eq!(attach("").layer(), Layer::default());
    let args = attach(
        "eth0 eth1 --mode native --keep-on-exit --max-sources 4096 --max-list 77 \
         --syn-rate 7 --syn-burst 9 --hold 1m \
         --ports 80,443 --monitor=false --drop-bad-flags --source-prefix-v6 56 --prefix-rate 500 --distinct-limit 900 \
         --cookies off --answer-rate 0 --answer-network-rate 50 --keep-options=false --first-syn off --check-acks \
         --confirm 1m30s",
    );
    assert_eq!(args.confirm, Some(Duration::from_secs(90)));
    let layer = args.layer();
    assert_eq!(
        layer,
        Layer {
            settings: Patch {
                syn_rate: Some(7),
                syn_burst: Some(9),
                hold: Some(Duration::from_secs(60)),
                ports: Ports::from_ports([80, 443]),
                monitor: Some(false),
                drop_bad_flags: Some(true),
                source_prefix_v6: Some(56),
                prefix_rate: Some(500),
                distinct_limit: Some(900),
                cookies: Some(Cookies::Off),
                answer_rate: Some(0),
                answer_network_rate: Some(50),
                keep_options: Some(false),
                first_syn: Some(FirstSyn::Off),
                check_acks: Some(true),
            },
            interfaces: Some(vec!["eth0".into(), "eth1".into()]),
            mode: Some(Mode::Native),
            max_sources: Some(4096),
            max_list: Some(77),
            keep_on_exit: Some(true),
        }
    );
    // A flag of this kind takes no value after a space, so that an interface may follow it.
    let layer = attach("--monitor eth0").layer();
    assert_eq!((layer.settings.monitor, layer.interfaces), (Some(true), Some(vec!["eth0".into()])));
}

#[test]
fn assignments_are_split_at_the_first_equals_sign() {
    let Command::Set { assignments } = parse("set a=b=c d=").expect("valid").command else { panic!() };
    let pairs: Vec<_> = assignments.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect();
    assert_eq!(pairs, [("a", "b=c"), ("d", "")]);
}

#[test]
fn a_usage_error_is_one_line_that_names_the_argument_and_what_is_accepted() {
    for (line, parts) in [
        ("attach eth0 --syn-rate 0", ["'0' for '--syn-rate <N>'", "must be 1 to 1000000 SYNs a second"]),
        ("attach eth0 --syn-burst x", ["'x' for '--syn-burst <N>'", "must be 2 to 10000000 SYNs"]),
        ("attach eth0 --hold 10", ["'10' for '--hold <DUR>'", "10 needs a unit: ms, s, m, h or d"]),
        ("attach eth0 --hold 2d", ["'2d' for '--hold <DUR>'", "a duration of 0s to 1d"]),
        ("attach eth0 --confirm 0s", ["'0s' for '--confirm <DUR>'", "a duration of 1s to 1d"]),
        ("attach eth0 --ports 80,x", ["'80,x' for '--ports <LIST|all>'", "`x` is not a port"]),
        ("attach eth0 --monitor=yes", ["'yes' for '--monitor[=<BOOL>]'", "must be true or false"]),
        ("attach eth0 --source-prefix-v6 0", ["'--source-prefix-v6 <N>'", "must be 1 to 128 bits"]),
        ("attach eth0 --max-sources 5", ["'--max-sources <N>'", "must be 1024 to 16777216 sources"]),
        ("attach eth0 --mode skb", ["'--mode <MODE>'", "[possible values: auto, native, generic]"]),
        ("attach a/b", ["'a/b' for '[IFACE]...'", "must be an interface name: 1 to 15 bytes"]),
        ("detach abcdefghijklmnop", ["'[IFACE]...'", "must be an interface name"]),
        ("status --name a.b", ["'a.b' for '--name <INSTANCE>'", "must be 1 to 64 letters, digits"]),
        ("status --name ../x", ["'--name <INSTANCE>'", "must be 1 to 64 letters"]),
        ("set syn-rate", ["'syn-rate' for '<KEY=VALUE>...'", "must be KEY=VALUE, such as syn-rate=200"]),
        ("set", ["required", "<KEY=VALUE>..."]),
        ("attach eth0 --syn-rat 5", ["'--syn-rat'", "'--syn-rate'"]),
        ("atach", ["'atach'", "'attach'"]),
        ("block add 192.0.2.0/33", ["'192.0.2.0/33' for '<TARGET>...'", "must be 0 to 32"]),
        ("block add 192.0.2.1 --ttl 1", ["'1' for '--ttl <DUR>'", "must be a duration of 1ms to 3650d"]),
        ("block check 192.0.2.0/24", ["'192.0.2.0/24' for '<IP>'", "must be one address"]),
        ("allow ad 192.0.2.1", ["'ad'", "'add'"]),
        ("completions tcsh", ["'tcsh' for '<SHELL>'", "bash"]),
        ("attach eth0 --syn-rate a\n\nUsage:\u{1b}b", ["'--syn-rate <N>'", "must be 1 to"]),
    ] {
        let got = parse(line).expect_err(line);
        assert!(got.starts_with("error: "), "{got}");
        assert!(!got.contains(char::is_control), "{got}");
        for part in parts {
            assert!(got.contains(part), "{line}: {got}");
        }
    }
}

#[test]
fn help_version_and_no_command_are_left_to_clap() {
    for words in [vec!["--help"], vec!["-h"], vec!["--version"], vec!["attach", "--help"], vec![]] {
        let error = Cli::try_parse_from(["synguard"].into_iter().chain(words)).expect_err("not a command");
        assert_eq!(usage_line(&error), None);
    }
}

#[test]
fn every_key_is_a_flag_of_attach_and_help_states_its_default() {
    let mut command = Cli::command();
    command.build();
    let attach = command.find_subcommand("attach").expect("a command");
    let flag = |key: Key| {
        let found = attach.get_arguments().find(|arg| arg.get_long() == Some(key.name()));
        found.unwrap_or_else(|| panic!("no flag --{key}")).get_help().expect("a help text").to_string()
    };
    for &key in Key::ALL {
        if key != Key::Interfaces {
            assert!(!flag(key).is_empty());
        }
    }
    let defaults = Settings::default();
    for (key, default) in [
        (Key::SynRate, defaults.syn_rate.to_string()),
        (Key::Hold, duration::format(defaults.hold)),
        (Key::Ports, defaults.ports.to_string()),
        (Key::SourcePrefixV6, defaults.source_prefix_v6.to_string()),
        (Key::MaxSources, SOURCES_DEFAULT.to_string()),
        (Key::MaxList, LIST_CAPACITY_DEFAULT.to_string()),
        (Key::Mode, Mode::default().name().to_owned()),
    ] {
        assert!(flag(key).contains(&format!("[default: {default}]")), "{key}: {}", flag(key));
    }
    for key in Key::live() {
        assert!(SET_EXAMPLES.contains(key.name()), "{key}");
    }
}

#[test]
fn the_examples_in_the_help_are_valid() {
    for text in [
        EXAMPLES,
        ATTACH_EXAMPLES,
        SET_EXAMPLES,
        lists::BLOCK_EXAMPLES,
        lists::ALLOW_EXAMPLES,
        lists::FILE_HELP,
    ] {
        for example in text.lines().filter_map(|line| line.strip_prefix("  synguard ")) {
            let line = example.split("  ").next().expect("a command").split(" > ").next().expect("a command");
            match parse(line).expect(line).command {
                Command::Set { assignments } => {
                    let pairs = assignments.iter().map(|a| (a.key.as_str(), a.value.as_str()));
                    assert_eq!(Settings::default().set_all(pairs), Ok(()), "{line}");
                }
                Command::Attach(args) => assert!(resolve(None, &args.layer()).is_ok(), "{line}"),
                _ => {}
            }
        }
    }
}

#[test]
fn completions_and_the_manual_page_name_everything() {
    for &shell in Shell::value_variants() {
        let script = String::from_utf8(completions(shell)).expect("text");
        assert!(script.contains("source-prefix-v6") && script.contains("confirm"), "{shell}");
    }
    let page = String::from_utf8(man().expect("in memory")).expect("text").replace('\\', "");
    assert!(!page.contains("EXTRA"), "{page}");
    for part in [
        ".TH synguard 8",
        ".SS \"EXAMPLES\"",
        ".SH \"BLOCK IMPORT\"",
        "--aggregate",
        "--bpffs",
        "--source-prefix-v6",
        "KEY=VALUE",
        "Exit codes",
        "lock is held",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for command in Cli::command().get_subcommands() {
        assert!(page.contains(&format!(".SH \"{}\"", command.get_name().to_uppercase())), "{page}");
    }
}
