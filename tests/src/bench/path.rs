//! Checks by the counters that the claimed path is the one that ran.

use anyhow::{Result, ensure};
use synguard_common::{admission, reason::Reason};

use crate::bench::{counters::Counters, subject::Running};

/// Least share of the packets that must have taken the case's path.
const PATH_MIN: f64 = 0.98;

/// The path through synguard that a case measures: the counters must prove it, or the sample does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Not checked.
    Any,
    /// Nearly every packet had this reason.
    Reason(Reason),
    /// Nearly every packet passed untracked, the sketch stood in front of the table, and inserts were bounded.
    Crowded,
    /// The plain table filled up.
    PlainFull,
}

impl Path {
    /// # Errors
    /// When the packets went another way.
    pub(super) fn check(self, counted: &Counters, running: &Running, seconds: f64) -> Result<()> {
        let delta = |reason: Reason| counted.reasons[reason.index() as usize] as f64;
        let all: f64 = Reason::ALL.iter().map(|&reason| delta(reason)).sum();
        let mostly = |reason| {
            let counted = Reason::ALL.iter().map(|&reason| (delta(reason), reason.label()));
            let counted: Vec<_> = counted.filter(|(packets, _)| *packets > 0.0).collect();
            ensure!(delta(reason) >= PATH_MIN * all, "not nearly all {}: {counted:?}", reason.label());
            Ok(())
        };
        match self {
            Self::Any => Ok(()),
            Self::Reason(reason) => mostly(reason),
            Self::Crowded => {
                mostly(Reason::Untracked)?;
                let inserts = counted.inserts as f64;
                let limit = admission::PROMOTION_LIMIT;
                let most = 2.0 * (1e9 / limit.interval_ns as f64) * (seconds + 3.0);
                ensure!(inserts <= most, "{inserts} inserts in {seconds:.1} s, at most {most} were expected");
                Ok(())
            }
            Self::PlainFull => {
                let Running::Lab(loaded) = running else { return Ok(()) };
                let entries = loaded.plain_sources()?;
                let room = synguard_tests_ebpf::PLAIN_SOURCES as usize;
                ensure!(entries * 10 >= room * 9, "only {entries} of {room} entries were used");
                Ok(())
            }
        }
    }
}
