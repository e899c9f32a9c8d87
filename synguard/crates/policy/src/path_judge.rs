//! Judges whether XDP's SYN cookies lead to connections where the kernel's do, path by path. Pure.
//!
//! The kernel replies to a sample of the SYNs on each path, and, while no cookie of XDP's has led to a connection lately, to
//! SYNs that are retransmitted. If several of the kernel's cookies lead to connections and none of XDP's, then XDP's SYN-ACKs
//! do not arrive, or the ACKs that answer them do not reach the kernel: a driver loses them, or a packet filter has to see the
//! SYN. XDP then leaves the path to the kernel for a minute, and twice as long each further time.
//!
//! Only connections count. Cookies that come back without one, such as repeated ACKs or those of a source that the packet
//! filter bans, count neither for nor against XDP.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use synguard_common::syn_cookie::listener::{CookieFates, ListenerPath, PathState};
use synguard_model::time::Monotonic;

/// Connections by the kernel's cookies that such a judgement needs.
const ACCEPTED_MIN: u64 = 3;
/// Cookies of XDP's that it needs.
const SENT_MIN: u64 = 20;
/// Duration of the first suspension, and the longest.
const SUSPENSION: Duration = Duration::from_secs(60);
const SUSPENSION_MAX: Duration = Duration::from_secs(3600);
/// Time without a suspension after which the next one is as short as the first.
const FORGIVEN: Duration = Duration::from_secs(2 * 3600);

/// The judgement that XDP must leave a path to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub path: ListenerPath,
    pub state: PathState,
    pub duration: Duration,
    /// The fates of cookies that led to the judgement.
    pub kernel: CookieFates,
    pub xdp: CookieFates,
}

/// The memory of a path.
#[derive(Clone, Copy, Debug)]
struct PathMemory {
    kernel: CookieFates,
    xdp: CookieFates,
    suspensions: u32,
    suspended_at: Monotonic,
}

/// The state of all judgements.
#[derive(Clone, Debug, Default)]
pub struct PathJudge {
    paths: HashMap<ListenerPath, PathMemory>,
}

impl PathJudge {
    /// Judges the paths at `now`.
    pub fn step(&mut self, paths: &[(ListenerPath, PathState)], now: Monotonic) -> Vec<Suspension> {
        let present: HashSet<&ListenerPath> = paths.iter().map(|(path, _)| path).collect();
        self.paths.retain(|path, _| present.contains(path));
        paths.iter().filter_map(|(path, state)| self.judge(path, state, now)).collect()
    }

    fn judge(&mut self, path: &ListenerPath, state: &PathState, now: Monotonic) -> Option<Suspension> {
        let first = PathMemory { kernel: state.kernel, xdp: state.xdp, suspensions: 0, suspended_at: now };
        let memory = self.paths.entry(*path).or_insert(first);
        let (kernel, xdp) = (since(&state.kernel, &memory.kernel), since(&state.xdp, &memory.xdp));
        if xdp.accepted > 0 || now.as_ns() < state.suspended_until_ns {
            (memory.kernel, memory.xdp) = (state.kernel, state.xdp);
            return None;
        }
        if kernel.accepted < ACCEPTED_MIN || xdp.sent < SENT_MIN {
            return None;
        }
        if now.since(memory.suspended_at) > FORGIVEN {
            memory.suspensions = 0;
        }
        let duration = SUSPENSION.saturating_mul(1 << memory.suspensions.min(6)).min(SUSPENSION_MAX);
        let suspensions = memory.suspensions + 1;
        *memory = PathMemory { kernel: state.kernel, xdp: state.xdp, suspensions, suspended_at: now };
        Some(Suspension { path: *path, state: *state, duration, kernel, xdp })
    }
}

fn since(now: &CookieFates, before: &CookieFates) -> CookieFates {
    CookieFates {
        sent: now.sent.saturating_sub(before.sent),
        returned: now.returned.saturating_sub(before.returned),
        accepted: now.accepted.saturating_sub(before.accepted),
    }
}

#[cfg(test)]
#[path = "path_judge_tests.rs"]
mod tests;
