//! Notices when dropping begins, goes on and ends, so that the log tells of an attack in a few lines. Pure:
//! counters and time are arguments.

use crate::snapshot::Counters;

/// Dropping has ended when nothing was dropped for this long, in nanoseconds.
const QUIET_NS: u64 = 10_000_000_000;
/// While dropping goes on, how often that is said, in nanoseconds.
const REPEAT_NS: u64 = 60_000_000_000;

/// Something worth a line in the log. Counts are of SYNs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Notice {
    /// SYNs over the limit began to arrive.
    Began {
        /// Those over the limit in the first interval.
        unwanted: u64,
        /// All to guarded ports in that interval.
        offered: u64,
    },
    /// They go on.
    GoesOn {
        /// Those over the limit since they began.
        unwanted: u64,
        /// Those over the limit a second, since the last notice.
        rate: f64,
    },
    /// There were none for a while.
    Ended {
        /// Those over the limit in all.
        unwanted: u64,
        /// From the first to the last of them.
        seconds: f64,
    },
}

#[derive(Clone, Debug)]
struct Episode {
    began_ns: u64,
    latest_ns: u64,
    said_ns: u64,
    unwanted: u64,
    said: u64,
}

/// The state between two looks at the counters.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    last: Option<Counters>,
    episode: Option<Episode>,
}

impl Watch {
    /// Looks at the counters at `now_ns`. The first look only remembers them.
    pub fn step(&mut self, counters: &Counters, now_ns: u64) -> Option<Notice> {
        let last = self.last.replace(counters.clone())?;
        let delta = counters.since(&last);
        let unwanted = delta.unwanted_syns();
        let Some(episode) = &mut self.episode else {
            if unwanted == 0 {
                return None;
            }
            self.episode = Some(Episode {
                began_ns: now_ns,
                latest_ns: now_ns,
                said_ns: now_ns,
                unwanted,
                said: unwanted,
            });
            return Some(Notice::Began { unwanted, offered: delta.guarded_syns() });
        };
        episode.unwanted += unwanted;
        if unwanted > 0 {
            episode.latest_ns = now_ns;
        }
        if now_ns.saturating_sub(episode.latest_ns) >= QUIET_NS {
            let seconds = episode.latest_ns.saturating_sub(episode.began_ns) as f64 / 1e9;
            let notice = Notice::Ended { unwanted: episode.unwanted, seconds };
            self.episode = None;
            return Some(notice);
        }
        let silent_ns = now_ns.saturating_sub(episode.said_ns);
        if silent_ns < REPEAT_NS {
            return None;
        }
        let rate = (episode.unwanted - episode.said) as f64 / (silent_ns as f64 / 1e9);
        episode.said_ns = now_ns;
        episode.said = episode.unwanted;
        Some(Notice::GoesOn { unwanted: episode.unwanted, rate })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use synguard_common::{abi::Counter, verdict::Reason};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn held(packets: u64) -> Counters {
        let mut counters = Counters::default();
        counters.add(Reason::Hold, &Counter { packets, bytes: 0 });
        counters
    }

    #[test]
    fn an_attack_is_told_in_three_lines() {
        let mut watch = Watch::default();
        let mut notices = Vec::new();
        for second in 0..200u64 {
            // Calm until 10, then 100 a second for 70 seconds.
            let dropped = second.saturating_sub(10).min(70) * 100;
            notices.extend(watch.step(&held(dropped), second * SECOND).map(|notice| (second, notice)));
        }
        assert_eq!(
            notices,
            [
                (11, Notice::Began { unwanted: 100, offered: 100 }),
                (71, Notice::GoesOn { unwanted: 6100, rate: 100.0 }),
                (90, Notice::Ended { unwanted: 7000, seconds: 69.0 }),
            ]
        );
    }

    #[test]
    fn what_was_dropped_before_the_controller_came_is_no_attack() {
        let mut watch = Watch::default();
        assert_eq!(watch.step(&held(1_000_000), SECOND), None);
        assert_eq!(watch.step(&held(1_000_000), 2 * SECOND), None);
    }

    proptest! {
        /// Beginnings and ends alternate, and no two beginnings are closer than the quiet time.
        #[test]
        fn no_flapping(drops in prop::collection::vec(0u64..3, 1..400)) {
            let mut watch = Watch::default();
            let (mut total, mut began) = (0, None);
            for (second, drop) in drops.iter().enumerate() {
                total += drop;
                let now = second as u64 * SECOND;
                match watch.step(&held(total), now) {
                    Some(Notice::Began { .. }) => {
                        prop_assert!(began.is_none());
                        began = Some(now);
                    }
                    Some(Notice::Ended { .. }) => {
                        let since = now - began.take().expect("began before it ended");
                        prop_assert!(since >= QUIET_NS);
                    }
                    _ => {}
                }
            }
        }
    }
}
