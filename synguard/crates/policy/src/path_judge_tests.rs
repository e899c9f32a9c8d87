//! Tests of the judgements about listener paths.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn path(port: u16) -> ListenerPath {
    ListenerPath { port, ..ListenerPath::default() }
}

fn fates(sent: u64, returned: u64, accepted: u64) -> CookieFates {
    CookieFates { sent, returned, accepted }
}

fn state(kernel: CookieFates, xdp: CookieFates) -> PathState {
    PathState { kernel, xdp, ..PathState::default() }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_ns(seconds * SECOND)
}

/// Judges a path at 10 s, then once more after these fates. Returns the suspension.
fn after(kernel: CookieFates, xdp: CookieFates) -> Option<Suspension> {
    let mut judge = PathJudge::default();
    assert_eq!(judge.step(&[(path(80), PathState::default())], at(10)), []);
    judge.step(&[(path(80), state(kernel, xdp))], at(12)).pop()
}

#[test]
fn path_is_suspended_if_only_the_kernels_cookies_lead_to_connections() {
    for (kernel, xdp, is_suspended) in [
        (fates(20, 3, 3), fates(20, 0, 0), true),
        (fates(20, 3, 3), fates(100_000, 0, 0), true),
        // A packet filter drops the ACKs that return XDP's cookies.
        (fates(20, 3, 3), fates(100_000, 500, 0), true),
        (fates(20, 3, 3), fates(100_000, 1, 1), false),
        (fates(20, 2, 2), fates(100_000, 0, 0), false),
        (fates(20, 3, 3), fates(19, 0, 0), false),
        // A pure flood: nothing comes back, from either.
        (fates(20_000, 0, 0), fates(2_000_000, 0, 0), false),
        // Banned sources and repeated ACKs: cookies come back that lead nowhere.
        (fates(20_000, 900, 0), fates(2_000_000, 90_000, 0), false),
        (fates(20_000, 900, 2), fates(2_000_000, 90_000, 0), false),
    ] {
        let suspension = after(kernel, xdp);
        assert_eq!(suspension.is_some(), is_suspended, "{kernel:?} {xdp:?}");
        if let Some(suspension) = suspension {
            assert_eq!((suspension.kernel, suspension.xdp, suspension.path), (kernel, xdp, path(80)));
        }
    }
}

#[test]
fn each_suspension_is_twice_as_long_up_to_an_hour() {
    let mut judge = PathJudge::default();
    let (mut kernel, mut xdp) = (fates(0, 0, 0), fates(0, 0, 0));
    judge.step(&[(path(80), PathState::default())], at(1));
    let mut durations = Vec::new();
    let (mut now, mut until) = (2, 0);
    for _ in 0..9 {
        (kernel.sent, kernel.accepted, xdp.sent) = (kernel.sent + 20, kernel.accepted + 5, xdp.sent + 100);
        let suspended = PathState { suspended_until_ns: until, ..state(kernel, xdp) };
        let [suspension] = judge.step(&[(path(80), suspended)], at(now))[..] else {
            panic!("no suspension at {now}")
        };
        durations.push(suspension.duration.as_secs());
        until = at(now).as_ns() + suspension.duration.as_nanos() as u64;
        // While it is suspended, only the kernel's cookies lead to connections, of course.
        kernel.accepted += 50;
        let during = PathState { suspended_until_ns: until, ..state(kernel, xdp) };
        assert_eq!(judge.step(&[(path(80), during)], at(now + 1)), []);
        now += suspension.duration.as_secs() + 1;
    }
    assert_eq!(durations, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
}

#[test]
fn paths_are_judged_apart() {
    let mut judge = PathJudge::default();
    let both = |bad: PathState, good: PathState| [(path(80), bad), (path(443), good)];
    judge.step(&both(PathState::default(), PathState::default()), at(1));
    let (kernel, xdp) = (fates(20, 5, 5), fates(1000, 0, 0));
    let suspended = judge.step(&both(state(kernel, xdp), state(kernel, fates(1000, 50, 50))), at(2));
    assert_eq!(suspended.iter().map(|one| one.path.port).collect::<Vec<_>>(), [80]);
}

proptest! {
    /// As long as XDP's cookies lead to a connection between any three of the kernel's, no path is suspended.
    #[test]
    fn working_path_is_never_suspended(steps in prop::collection::vec((0u64..3, 1u64..50, 0u64..1000), 1..100)) {
        let mut judge = PathJudge::default();
        let (mut kernel, mut xdp) = (fates(0, 0, 0), fates(0, 0, 0));
        for (second, (accepted, more, sent)) in steps.into_iter().enumerate() {
            kernel.accepted += accepted;
            (xdp.accepted, xdp.sent) = (xdp.accepted + more, xdp.sent + sent);
            let suspended = judge.step(&[(path(80), state(kernel, xdp))], at(second as u64));
            prop_assert!(suspended.is_empty());
        }
    }
}
