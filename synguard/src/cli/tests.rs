use std::{iter, path::Path};

use clap::{CommandFactory as _, ValueEnum as _};
use synguard_common::map_names::{LIST_CAPACITY_DEFAULT, SOURCES_DEFAULT};
use synguard_model::{
    ports::Ports,
    settings::{AttachMode, Cookies, DropFirstSyn, Patch, Settings},
};

use super::*;
use crate::config::resolve;

fn parse(line: &str) -> Result<Cli, String> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    Cli::try_parse_from(iter::once("synguard").chain(words))
        .map_err(|error| usage_line(&error).unwrap_or_else(|| error.to_string()))
}

fn attach(line: &str) -> AttachArgs {
    match parse(&format!("attach {line}")).expect(line).command {
        Command::Attach(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn instances_have_their_directories() {
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
fn commands_of_the_contract_exist() {
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
        "block add 192.0.2.1 2001:db8::/32 --ttl 2h --reason scan --scope syn --force --json",
        "block add 192.0.2.1 --ttl -1",
        "block add 192.0.2.1 --ttl=3h59m46.163659811s",
        "block del 192.0.2.1 --strict --json",
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
        "set --save",
        "set syn-rate=5 --save",
        "version",
        "completions bash",
        "man",
        "--name edge1 show",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
    }
}

/// A flag, the same under its old name or nothing, and the change to the patch.
type FlagRow = (&'static str, &'static str, fn(&mut Patch));

const FLAG_ROWS: &[FlagRow] = &[
    ("syn-rate 7", "", |p| p.syn_rate = Some(7)),
    ("syn-burst 9", "", |p| p.syn_burst = Some(9)),
    ("hold 1m", "", |p| p.hold = Some(Duration::from_secs(60))),
    ("ports 80,443", "", |p| p.ports = Ports::from_ports([80, 443])),
    ("monitor=false", "", |p| p.monitor = Some(false)),
    ("drop-bad-flags", "", |p| p.drop_bad_flags = Some(true)),
    ("source-prefix-v6 56", "", |p| p.source_prefix_v6 = Some(56)),
    ("prefix-rate 500", "", |p| p.prefix_rate = Some(500)),
    ("distinct-limit 900", "", |p| p.distinct_limit = Some(900)),
    ("cookies off", "", |p| p.cookies = Some(Cookies::Off)),
    ("syn-cookie-rate 0", "answer-rate 0", |p| p.syn_cookie_rate = Some(0)),
    ("syn-cookie-prefix-rate 50", "answer-network-rate 50", |p| p.syn_cookie_prefix_rate = Some(50)),
    ("syn-cookie-options=false", "keep-options=false", |p| p.syn_cookie_options = Some(false)),
    ("drop-first-syn off", "first-syn off", |p| p.drop_first_syn = Some(DropFirstSyn::Off)),
    ("check-acks", "", |p| p.check_acks = Some(true)),
    ("mode native", "", |p| p.mode = Some(AttachMode::Native)),
    ("max-sources 4096", "", |p| p.max_sources = Some(4096)),
    ("max-list 77", "", |p| p.max_list = Some(77)),
    ("keep-on-exit", "", |p| p.keep_on_exit = Some(true)),
];

#[test]
fn attach_flags_become_a_patch() {
    assert_eq!(attach("").settings, SettingFlags::default());
    let (mut line, mut all) = ("eth0 eth1".to_owned(), Patch::default());
    all.interfaces = Some(vec!["eth0".into(), "eth1".into()]);
    for (flag, _, change) in FLAG_ROWS {
        let mut patch = Patch::default();
        change(&mut patch);
        assert_eq!(attach(&format!("--{flag}")).settings, SettingFlags { patch, renamed: vec![] }, "{flag}");
        change(&mut all);
        line += &format!(" --{flag}");
    }
    assert_eq!(FLAG_ROWS.len() + 1, Key::ALL.len(), "a row for every key but the interfaces");
    let args = attach(&(line + " --confirm 1m30s"));
    assert_eq!(args.confirm, Some(Duration::from_secs(90)));
    assert_eq!(args.settings, SettingFlags { patch: all, renamed: vec![] });
    // A flag of this kind takes no value after a space, so that an interface may follow it.
    let patch = attach("--monitor eth0").settings.patch;
    assert_eq!((patch.monitor, patch.interfaces), (Some(true), Some(vec!["eth0".into()])));
}

#[test]
fn old_flags_are_accepted_and_reported() {
    for (flag, old, change) in FLAG_ROWS.iter().filter(|(_, old, _)| !old.is_empty()) {
        let mut patch = Patch::default();
        change(&mut patch);
        let flags = attach(&format!("--{old}")).settings;
        assert_eq!(flags.patch, patch, "{old}");
        let name = |flag: &str| flag.split([' ', '=']).next().map(str::to_owned).expect("a name");
        let renamed: Vec<_> = flags.renamed.iter().map(|key| (key.old, key.key.name())).collect();
        assert_eq!(renamed, [(name(old).as_str(), name(flag).as_str())]);
        let both = parse(&format!("attach eth0 --{old} --{flag}")).expect_err("both names");
        let error =
            format!("error: {}: given more than once, as {} too, its old name", name(flag), name(old));
        assert!(both.starts_with(&error), "{both}");
    }
    let range = parse("attach eth0 --answer-rate x").expect_err("not a number");
    assert!(range.contains("must be 0 to 100000000 SYN cookies a second"), "{range}");
}

#[test]
fn help_names_every_key_and_no_old_one() {
    let mut command = Cli::command();
    let attach = command.find_subcommand_mut("attach").expect("a command");
    let help = attach.render_long_help().to_string() + &set_help();
    for &key in Key::ALL {
        assert!(help.contains(&format!("--{key}")) || key == Key::Interfaces, "{key}");
        assert!(key.old_name().is_none_or(|old| !help.contains(&format!("--{old}"))), "{key}");
    }
}

#[test]
fn assignments_are_split_at_the_first_equals_sign() {
    let Command::Set { assignments, .. } = parse("set a=b=c d=").expect("valid").command else { panic!() };
    let pairs: Vec<_> = assignments.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect();
    assert_eq!(pairs, [("a", "b=c"), ("d", "")]);
}

#[test]
fn lines_of_the_file_are_assignments() {
    for (text, key, value) in [
        ("syn-rate = 200", "syn-rate", "200"),
        ("syn-rate = 200 # set", "syn-rate", "200"),
        ("hold = \"10s\"   # default", "hold", "10s"),
        ("hold=\"10s\"", "hold", "10s"),
        // Not what the file has, so the value is refused as it is.
        ("hold = \"10s\" x", "hold", "\"10s\" x"),
        ("hold = \"10s", "hold", "\"10s"),
    ] {
        let expected = Assignment { key: key.to_owned(), value: value.to_owned() };
        assert_eq!(Assignment::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn words_of_other_tools_are_understood() {
    for (line, same) in [
        ("ban 192.0.2.1 --ttl 1h", "block add 192.0.2.1 --ttl 1h"),
        ("deny 192.0.2.0/24", "block add 192.0.2.0/24"),
        ("unban 192.0.2.1", "block del 192.0.2.1"),
        ("unblock 192.0.2.1", "block del 192.0.2.1"),
        ("list --json", "block list --json"),
        ("stop", "detach"),
        ("off eth0", "detach eth0"),
    ] {
        let command = |line| match parse(line).expect(line).command {
            Command::Ban(args) => Command::Block { command: ListCommand::Add(args) },
            Command::Unban(args) => Command::Block { command: ListCommand::Del(args) },
            Command::List(output) => Command::Block { command: ListCommand::List(output) },
            command => command,
        };
        assert_eq!(format!("{:?}", command(line)), format!("{:?}", command(same)), "{line}");
    }
    let help = Cli::command().render_long_help().to_string();
    for word in ["ban ", "deny", "unban", "unblock", "stop "] {
        assert!(!help.contains(&format!("  {word}")), "{word} in {help}");
    }
}

#[test]
fn wrong_words_lead_to_the_right_command() {
    for (line, advice) in [
        ("block 192.0.2.1", "'192.0.2.1': did you mean `synguard block add 192.0.2.1`?"),
        ("allow 2001:db8::/32", "'2001:db8::/32': did you mean `synguard allow add 2001:db8::/32`?"),
        ("--name x block 192.0.2.1", "did you mean `synguard block add 192.0.2.1`?"),
        ("192.0.2.1", "did you mean `synguard why 192.0.2.1`?"),
        ("start", "did you mean `synguard attach IFACE`?"),
        ("drop 192.0.2.1", "did you mean `synguard block add TARGET`?"),
        ("whitelist 192.0.2.1", "did you mean `synguard allow add TARGET`?"),
        ("logs", "did you mean `synguard events`?"),
    ] {
        let got = parse(line).expect_err(line);
        assert!(got.ends_with(advice), "{line}: {got}");
    }
    assert_eq!(parse("--name x").expect_err("no command"), "no command is given; try 'synguard help'");
    let got = parse("attach eth0 --no-such-flag").expect_err("no such flag");
    assert!(got.contains("'--no-such-flag'") && !got.contains("-- --"), "{got}");
}

#[test]
fn force_has_a_meaning_for_each_list() {
    let help = |list: &str, verb: &str| {
        let mut command = Cli::command();
        let list = command.find_subcommand_mut(list).expect("a command");
        list.find_subcommand_mut(verb).expect("a command").render_long_help().to_string()
    };
    for verb in ["add", "import"] {
        assert!(help("block", verb).contains("Block even protected addresses"), "{verb}");
        let allow = help("allow", verb);
        assert!(allow.contains("Allow even every address") && !allow.contains("Block even"), "{verb}");
    }
}

#[test]
fn usage_errors_name_argument_and_remedy() {
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
        ("set syn-rate", ["'syn-rate' for '[KEY=VALUE]...'", "must be KEY=VALUE, such as syn-rate=200"]),
        ("set", ["required", "<KEY=VALUE>..."]),
        ("attach eth0 --syn-rat 5", ["'--syn-rat'", "'--syn-rate'"]),
        ("atach", ["'atach'", "'attach'"]),
        ("block add 192.0.2.0/33", ["'192.0.2.0/33' for '<TARGET>...'", "must be 0 to 32"]),
        ("block add 192.0.2.1 --ttl 1x", ["'1x' for '--ttl <DUR>'", "must be a duration of 1ms to 3650d"]),
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
    for words in [
        vec!["--help"],
        vec!["-h"],
        vec!["help"],
        vec!["help", "block", "add"],
        vec!["--version"],
        vec!["attach", "--help"],
        vec![],
        vec!["block"],
    ] {
        let error = Cli::try_parse_from(iter::once("synguard").chain(words)).expect_err("not a command");
        assert_eq!(usage_line(&error), None);
    }
}

#[test]
fn keys_are_flags_and_help_states_their_defaults() {
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
        (Key::Mode, AttachMode::Auto.name().to_owned()),
    ] {
        assert!(flag(key).contains(&format!("[default: {default}]")), "{key}: {}", flag(key));
    }
    for key in Key::live() {
        assert!(set_help().contains(key.name()), "{key}");
    }
}

#[test]
fn examples_in_the_help_are_valid() {
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
                Command::Set { assignments, .. } => {
                    let pairs = assignments.iter().map(|a| (a.key.as_str(), a.value.as_str()));
                    assert_eq!(Settings::default().set_all(pairs), Ok(vec![]), "{line}");
                }
                Command::Attach(args) => {
                    let flags = args.settings;
                    assert_eq!(flags.renamed, [], "{line}");
                    assert!(resolve(None, &flags.patch, |warning| panic!("{warning}")).is_ok(), "{line}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn completions_and_manual_are_complete() {
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
    assert!(!page.contains(".SH \"HELP\"") && !page.contains(".SH \"BAN\""), "{page}");
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(page.contains(&format!(".SH \"{}\"", command.get_name().to_uppercase())), "{page}");
    }
}
