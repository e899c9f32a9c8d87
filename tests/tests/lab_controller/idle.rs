//! What an idle controller costs: measured and printed; only the memory is held to a limit here.

use std::{fs, thread, time::Duration};

use synguard_tests::web::Web;

use super::{lab, visits};

#[test]
fn an_idle_controller_is_small() {
    let (lab, synguard) = lab(1);
    let _web = Web::start(&lab).unwrap();
    let running = synguard.attach(&[]).unwrap();
    let pid = running.pid();
    // nsenter has replaced itself by then.
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    for (what, busy) in [("idle", false), ("with visitors", true)] {
        let before = ticks();
        if busy {
            drop(visits(&lab, 6))
        } else {
            thread::sleep(Duration::from_secs(6))
        }
        // Clock ticks are hundredths of a second.
        println!("{what}: {:.2} % of a core", (ticks() - before) as f64 / 6.0);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
    println!("at most {:.1} MiB", kib as f64 / 1024.0);
    assert!(kib < 40 * 1024, "{kib} KiB");
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim().to_owned();
    // CAP_NET_ADMIN and CAP_BPF.
    assert_eq!(u64::from_str_radix(&held, 16).unwrap(), 1 << 12 | 1 << 39);
}
