//! Bad input and bad surroundings.

use std::{fs, os::unix::process::CommandExt as _, process::Command};

use synguard_tests::{
    lab::DEVICE,
    program::{Output, Synguard},
};

use super::{assert_fails, lab};

/// Asserts that nothing is attached and nothing was left behind by a failure.
fn untouched(synguard: &Synguard) {
    assert_eq!(synguard.dirs().pins(), Vec::<std::path::PathBuf>::new());
    assert!(!synguard.dirs().run_dir().join("default").exists());
    assert_eq!(synguard.run(&["status"]).unwrap().code, Some(3));
}

#[test]
fn a_bad_flag_or_value_is_named_with_its_range() {
    let (_lab, synguard) = lab();
    for (args, words) in [
        (&["--no-such-flag"][..], &["--no-such-flag"][..]),
        (&["--syn-rate", "0"], &["--syn-rate", "1 to 1000000"]),
        (&["--syn-rate", "many"], &["--syn-rate", "1 to 1000000"]),
        (&["--syn-burst", "0"], &["--syn-burst"]),
        (&["--syn-rate", "100000", "--syn-burst", "5"], &["syn-burst", "100000"]),
        (&["--hold", "10"], &["--hold", "10s"]),
        (&["--hold", "9d"], &["--hold", "0s to 1d"]),
        (&["--ports", "0"], &["--ports", "1"]),
        (&["--ports", "80,https"], &["--ports", "https"]),
        (&["--mode", "offload"], &["--mode", "native"]),
        (&["--max-sources", "10"], &["--max-sources", "1024"]),
        (&["--max-sources", "1024"], &["max-sources", "CPU"]),
        (&["--source-prefix-v6", "129"], &["--source-prefix-v6", "1 to 128"]),
        (&["--confirm", "0s"], &["--confirm", "1s to 1d"]),
        (&["--monitor=perhaps"], &["--monitor", "true or false"]),
    ] {
        let output = synguard.run(&[&["attach", DEVICE], args].concat()).unwrap();
        assert_fails(&output, 2, words);
    }
    assert_fails(&synguard.run(&["attach"]).unwrap(), 2, &["interface"]);
    assert_fails(&synguard.run(&["attach", "a-name-that-is-too-long"]).unwrap(), 2, &["interface name"]);
    assert_fails(&synguard.run(&["--name", "../x", "status"]).unwrap(), 2, &["--name"]);
    assert_fails(&synguard.run(&["no-such-command"]).unwrap(), 2, &["no-such-command"]);
    let typed = synguard.run(&["block", "192.0.2.1"]).unwrap();
    assert_fails(&typed, 2, &["did you mean `synguard block add 192.0.2.1`?"]);
    untouched(&synguard);
}

#[test]
fn a_bad_file_is_named_with_line_and_key() {
    let (_lab, synguard) = lab();
    let path = synguard.dirs().root().join("bad.toml");
    let file = path.to_str().unwrap();
    for (text, words) in [
        ("syn-rate = 0\n", &[":1", "syn-rate", "1 to 1000000"][..]),
        ("\nsyn-rat = 5\n", &[":2", "syn-rat", "did you mean syn-rate?"]),
        ("nonsense = 5\n", &[":1", "nonsense", "valid keys"]),
        ("hold = 10\n", &[":1", "hold"]),
        ("ports = [0]\n", &[":1", "ports"]),
        ("this is no toml\n", &[":1"]),
    ] {
        fs::write(&path, text).unwrap();
        let output = synguard.run(&["attach", DEVICE, "--config", file]).unwrap();
        assert_fails(&output, 2, &[&[file], words].concat());
    }
    fs::remove_file(&path).unwrap();
    assert_fails(&synguard.run(&["attach", DEVICE, "--config", file]).unwrap(), 2, &[file, "No such file"]);
    untouched(&synguard);
}

#[test]
fn commands_without_a_filter_exit_3_with_a_remedy() {
    let (_lab, synguard) = lab();
    for args in
        [&["status"][..], &["status", "--json"], &["show"], &["set", "syn-rate=5"], &["confirm"], &["detach"]]
    {
        assert_fails(&synguard.run(args).unwrap(), 3, &["not attached", "synguard attach"]);
    }
    untouched(&synguard);
}

#[test]
fn a_missing_interface_is_named() {
    let (_lab, synguard) = lab();
    assert_fails(&synguard.run(&["attach", "eth9"]).unwrap(), 1, &["eth9", "ip link"]);
    untouched(&synguard);
}

#[test]
fn missing_privileges_are_reported() {
    let (_lab, synguard) = lab();
    for args in [
        &["attach", DEVICE][..],
        &["status"],
        &["detach"],
        &["set", "syn-rate=5"],
        &["show"],
        &["confirm"],
        &["block", "add", "192.0.2.1"],
        &["block", "import", "-"],
        &["allow", "list"],
        &["events"],
        &["reload"],
        &["ban", "192.0.2.1"],
        &["stop"],
    ] {
        let mut command = without_privilege(&synguard.command(args));
        let output = run(&mut command);
        assert_fails(&output, 4, &["root"]);
    }
    untouched(&synguard);
}

#[test]
fn advice_names_the_instance() {
    let (_lab, synguard) = lab();
    let status = synguard.run(&["--name", "dmz", "show"]).unwrap();
    assert_fails(&status, 3, &["not attached", "`synguard --name dmz attach IFACE`", "synguard@dmz"]);
    untouched(&synguard);
}

#[test]
fn too_few_open_files_name_the_limit() {
    let (_lab, synguard) = lab();
    let command = synguard.command(["attach", DEVICE, "--no-control"]);
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    for limit in [9, 16, 25] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit}; exec {}", words.join(" "))]);
        assert_fails(&run(&mut shell), 1, &["oo many open files", "raise the limit (`ulimit -n 1024`"]);
    }
    untouched(&synguard);
}

#[test]
fn an_instance_without_a_bpffs_says_how_to_mount_one() {
    let (_lab, synguard) = lab();
    let elsewhere = synguard.dirs().root().to_str().unwrap();
    // A namespace of `ip netns exec` has none either, and what is attached cannot be seen from there.
    for (verb, code) in [(&["attach", DEVICE][..], 1), (&["status"], 3), (&["detach"], 3)] {
        // The runner names a bpffs already, and a flag cannot be given twice.
        let command = synguard.command(verb);
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let bpffs = args.iter().position(|arg| arg == "--bpffs").unwrap();
        let mut plain = Command::new(command.get_program());
        for (i, arg) in args.iter().enumerate() {
            plain.arg(if i == bpffs + 1 { elsewhere.as_ref() } else { arg.as_os_str() });
        }
        let words = ["BPF file system", "mount -t bpf", "nsenter --net=/run/netns/NS"];
        assert_fails(&run(&mut plain), code, &words);
    }
    untouched(&synguard);
}

#[test]
fn old_kernel_error_names_the_oldest_supported() {
    let (_lab, synguard) = lab();
    // The kernel then calls itself 2.6.something.
    let inner = synguard.command(["attach", DEVICE]);
    let mut command = Command::new("setarch");
    command.arg("--uname-2.6").arg(inner.get_program()).args(inner.get_args());
    assert_fails(&run(&mut command), 1, &["Linux 2.6", "too old", "6.1"]);
    untouched(&synguard);
}

#[test]
fn a_lock_that_is_held_is_named() {
    let (_lab, synguard) = lab();
    let dir = synguard.dirs().run_dir().join("default");
    fs::create_dir_all(&dir).unwrap();
    let mut holder = Command::new("flock").arg(dir.join("lock")).args(["sleep", "60"]).spawn().unwrap();
    let output = synguard.run(&["attach", DEVICE]).unwrap();
    // The child of flock holds it too.
    let _ = Command::new("pkill").args(["-P", &holder.id().to_string()]).status();
    let _ = holder.kill();
    let _ = holder.wait();
    assert_fails(&output, 5, &["lock", "another synguard"]);
    assert_eq!(synguard.dirs().pins(), Vec::<std::path::PathBuf>::new());
}

/// Returns the command as user and group 65534, without capabilities.
fn without_privilege(command: &Command) -> Command {
    let mut plain = Command::new(command.get_program());
    // nsenter needs privilege; the program behind it must not have any.
    let args: Vec<_> = command.get_args().collect();
    let program = args.iter().position(|arg| arg.to_string_lossy().ends_with("synguard")).unwrap();
    plain.args(&args[..program]);
    plain.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    plain.args(&args[program..]);
    plain
}

fn run(command: &mut Command) -> Output {
    let output = command.process_group(0).output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
