//! Cost of an idle controller: measured and printed; only the memory is held to a limit here.

use std::{fs, thread, time::Duration};

use synguard_tests::{
    usage::{cpu_time, peak_memory},
    web::Web,
};

use super::{lab, visits};

#[test]
fn an_idle_controller_is_small() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&[]).unwrap();
    let pid = running.pid();
    let seconds = 3;
    // nsenter has replaced itself by then.
    for (what, busy) in [("idle", false), ("with visitors", true)] {
        let before = cpu_time(pid).unwrap();
        if busy {
            drop(visits(&lab, seconds));
        } else {
            thread::sleep(Duration::from_secs(seconds));
        }
        let used = cpu_time(pid).unwrap().checked_sub(before).unwrap();
        println!("{what}: {:.2} % of a core", used.as_secs_f64() / seconds as f64 * 100.0);
    }
    let peak = peak_memory(pid).unwrap();
    println!("at most {:.1} MiB", peak as f64 / f64::from(1 << 20));
    assert!(peak < 40 << 20, "{peak} bytes");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim().to_owned();
    // CAP_NET_ADMIN and CAP_BPF.
    assert_eq!(u64::from_str_radix(&held, 16).unwrap(), 1 << 12 | 1 << 39);
}
