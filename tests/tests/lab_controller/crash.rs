//! A controller that is killed at any moment: the next one, or `detach`, finds the original value again.

use std::{thread, time::Duration};

use synguard_tests::{environment, flood::FloodSpec, lab::DEVICE};

use super::{TIMESTAMPS, forged, lab, start, syncookies, sysctls, timestamps, until};

/// The environment variable that sets the number of kills; 200 is the campaign.
const VARIABLE: &str = "SYNGUARD_TEST_KILLS";
const KILLS: u64 = 20;
/// Kills in one lab of the campaign.
const IN_A_LAB: u64 = 20;
/// Labs that it takes to have each of both original values of both sysctls.
const LABS_MIN: u64 = 4;

/// The kills in one lab.
#[derive(Clone, Copy)]
struct LabKills {
    in_attack: u64,
    in_recovery: u64,
}

impl LabKills {
    /// Divides the kills among labs that run side by side. Returns the number of labs, and the kills in each.
    fn divide(kills: u64) -> (u64, Self) {
        let labs = (kills / IN_A_LAB).max(LABS_MIN);
        let all = kills.div_ceil(labs);
        let in_recovery = (all * 3).div_ceil(10);
        (labs, Self { in_attack: all - in_recovery, in_recovery })
    }
}

/// SplitMix64: the same moments each time, as far as the machine allows.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

/// A forged flood that takes little of the machine, and is over the limit below all the same.
fn light() -> FloodSpec {
    FloodSpec { rate_pps: Some(3_000), max_duration: Duration::from_secs(120), ..forged() }
}

const ARGS: [&str; 8] = ["attach", DEVICE, "--hold", "1s", "--distinct-limit", "50", "--cookies", "xdp"];

/// Kills controllers in a lab of its own; returns how many of them had cookies raised, and how many timestamps.
fn kill_many(number: u64, kills: LabKills) -> [u64; 2] {
    let original = ((number % 2) as u8, (number / 2 % 2) as u8);
    let (lab, synguard) = lab(original.0);
    lab.server.set_sysctl(TIMESTAMPS, &original.1.to_string()).unwrap();
    let mut random = Random(number);
    let mut raised = [0; 2];
    let mut check = |round: u64| {
        raised[0] += u64::from(syncookies(&lab) == 2);
        raised[1] += u64::from(timestamps(&lab) == 2);
        // Another fifth of the rounds in each lab.
        let is_detached = (round + number) % 5 == 4;
        let next: &[&str] = if is_detached { &["detach"] } else { &["attach", DEVICE, "--no-control"] };
        let output = synguard.run(next).unwrap();
        // Killed before it had attached anything, there may be nothing to detach.
        assert!(matches!(output.code, Some(0 | 3)), "{}", output.stderr);
        assert_eq!(sysctls(&lab), original, "lab {number}, round {round}: {}", output.stderr);
    };
    for round in 0..kills.in_attack {
        let flood = start(&lab, light());
        let running = synguard.start(&ARGS).unwrap();
        // Counted from the start, from when the filter is there, or from when the setting is raised: on a machine that
        // takes long for the one, hardly any moment would be after the other.
        let limit = Duration::from_secs(20);
        match round % 3 {
            0 => {}
            1 => drop(until("the filter", limit, || !synguard.dirs().pins().is_empty())),
            _ => drop(until("cookies", limit, || syncookies(&lab) == 2)),
        }
        thread::sleep(Duration::from_millis(random.below(1_200)));
        running.kill().unwrap();
        flood.stop().unwrap();
        check(round);
    }
    for round in kills.in_attack..kills.in_attack + kills.in_recovery {
        let flood = start(&lab, light());
        let running = synguard.start(&ARGS).unwrap();
        until("cookies", Duration::from_secs(20), || syncookies(&lab) == 2);
        flood.stop().unwrap();
        // This takes about five seconds.
        thread::sleep(Duration::from_millis(random.below(4_500)));
        running.kill().unwrap();
        check(round);
    }
    synguard.run(&["detach"]).unwrap();
    assert_eq!(sysctls(&lab), original);
    raised
}

#[test]
fn original_value_is_back_after_each_kill() {
    let wanted = environment::number(VARIABLE, KILLS);
    let (labs, in_each) = LabKills::divide(wanted);
    let kills = labs * (in_each.in_attack + in_each.in_recovery);
    let labs: Vec<_> = (0..labs).map(|number| thread::spawn(move || kill_many(number, in_each))).collect();
    let mut raised = [0; 2];
    for lab in labs {
        let more: [u64; 2] = lab.join().unwrap();
        raised = [raised[0] + more[0], raised[1] + more[1]];
    }
    let [cookies, timestamps] = raised;
    println!(
        "{kills} killed, {cookies} of them while cookies were raised, {timestamps} while timestamps were"
    );
    assert!(
        kills >= wanted && cookies * 5 >= kills && timestamps * 5 >= kills,
        "{raised:?} of {kills}, {wanted} wanted"
    );
}
