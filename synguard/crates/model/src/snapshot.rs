//! The state of the datapath at one instant, as plain data. Every display is derived from it. No I/O.

use synguard_common::{
    abi::{Counter, CpuState},
    reason::{Reason, Verdict},
    source::SourceState,
};

use crate::{tcp_counters::TcpCounters, time::Monotonic};

/// The counters of every reason, summed over the CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([Counter; Reason::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([Counter::default(); Reason::ALL.len()])
    }
}

impl Counters {
    /// Adds packets and bytes to a reason.
    pub fn add(&mut self, reason: Reason, counter: &Counter) {
        let sum = &mut self.0[reason.index() as usize];
        sum.packets += counter.packets;
        sum.bytes += counter.bytes;
    }

    /// Adds the packets and bytes of every reason.
    pub fn merge(&mut self, other: &Self) {
        for (&reason, counter) in Reason::ALL.iter().zip(&other.0) {
            self.add(reason, counter);
        }
    }

    /// Returns the packets and bytes of one reason.
    pub fn get(&self, reason: Reason) -> Counter {
        self.0[reason.index() as usize]
    }

    /// Returns the packets and bytes of all reasons that satisfy `wanted`.
    pub fn sum(&self, wanted: impl Fn(Reason) -> bool) -> Counter {
        let mut sum = Counter::default();
        for (_, counter) in Reason::ALL.iter().zip(&self.0).filter(|(reason, _)| wanted(**reason)) {
            sum.packets += counter.packets;
            sum.bytes += counter.bytes;
        }
        sum
    }

    /// Returns the packets and bytes of all reasons.
    pub fn total(&self) -> Counter {
        self.sum(|_| true)
    }

    /// Returns the packets and bytes that got a verdict.
    pub fn with_verdict(&self, verdict: Verdict) -> Counter {
        self.sum(|reason| reason.verdict() == verdict)
    }

    /// Returns the number of SYNs to guarded ports, whatever their verdict.
    pub fn guarded_syns(&self) -> u64 {
        self.sum(Reason::is_guarded_syn).packets
    }

    /// Returns the number of SYNs over the limit of their source or prefix: dropped, or counted as such in monitor mode.
    pub fn excess_syns(&self) -> u64 {
        self.with_monitored(&[Reason::RateExceeded, Reason::Hold, Reason::PrefixExceeded])
    }

    /// Returns the number of SYNs from addresses in the blocklist: dropped, or counted as such in monitor mode.
    pub fn blocked_syns(&self) -> u64 {
        self.with_monitored(&[Reason::BlockedSyn])
    }

    /// Returns the number of SYNs that nobody wants: over a limit, or blocked.
    pub fn unwanted_syns(&self) -> u64 {
        self.excess_syns() + self.blocked_syns()
    }

    /// Returns the packets of these reasons and of their counterparts in monitor mode.
    fn with_monitored(&self, reasons: &[Reason]) -> u64 {
        self.sum(|reason| reasons.iter().any(|&drop| reason == drop || reason == drop.monitored())).packets
    }

    /// Returns the fate of the SYNs to guarded ports.
    pub fn syn_fates(&self) -> SynFates {
        let count =
            |wanted: fn(Reason) -> bool| self.sum(|reason| reason.is_guarded_syn() && wanted(reason)).packets;
        SynFates {
            passed: count(|reason| reason.verdict() == Verdict::Pass),
            dropped: count(|reason| reason.is_drop() && reason != Reason::BlockedSyn),
            answered: count(|reason| reason.verdict() == Verdict::Transmit),
            blocked: count(|reason| reason == Reason::BlockedSyn),
            would_drop: count(Reason::is_monitored_drop),
        }
    }

    /// Returns the number of SYN cookies that XDP sent.
    pub fn xdp_cookies(&self) -> u64 {
        self.with_verdict(Verdict::Transmit).packets
    }

    /// Returns the counts since `earlier`. A counter that decreased, because the maps were made anew, counts from zero.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut delta = self.clone();
        for (now, before) in delta.0.iter_mut().zip(&earlier.0) {
            if before.packets <= now.packets && before.bytes <= now.bytes {
                now.packets -= before.packets;
                now.bytes -= before.bytes;
            }
        }
        delta
    }
}

/// The fate of SYNs to guarded ports. Each of them passed, or was dropped, answered or blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynFates {
    /// To the network stack.
    pub passed: u64,
    /// Over a limit.
    pub dropped: u64,
    /// With a SYN cookie from XDP.
    pub answered: u64,
    /// Dropped because their address is in the blocklist.
    pub blocked: u64,
    /// Those of `passed` that would have been dropped or blocked outside monitor mode.
    pub would_drop: u64,
}

impl SynFates {
    /// Returns the number of all SYNs.
    pub const fn total(&self) -> u64 {
        self.passed + self.dropped + self.answered + self.blocked
    }
}

/// Totals of the table of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSummary {
    /// Entries in use.
    pub tracked: u64,
    /// Entries in hold.
    pub in_hold: u64,
}

impl SourceSummary {
    /// Adds one source.
    pub fn add(&mut self, state: &SourceState, now_ns: u64) {
        self.tracked += 1;
        self.in_hold += u64::from(state.hold_until_ns > now_ns);
    }
}

/// The datapath at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Time of the snapshot.
    pub at: Monotonic,
    pub counters: Counters,
    /// The state of all CPUs, summed.
    pub cpus: CpuState,
    /// Distinct sources of SYNs in the last complete window of about a second.
    pub distinct_sources: f64,
    /// Distinct sources of SYNs in the present window so far: a flood shows here first.
    pub distinct_so_far: f64,
    /// The kernel's TCP counters in the namespace of the process; `None` if they could not be read.
    pub tcp: Option<TcpCounters>,
}

impl Snapshot {
    /// Returns the SYNs to guarded ports per second since `earlier`.
    pub fn syn_rate(&self, earlier: &Self) -> f64 {
        let seconds = self.at.since(earlier.at).as_secs_f64();
        if seconds > 0.0 {
            self.counters.since(&earlier.counters).guarded_syns() as f64 / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(values: &[(Reason, u64)]) -> Counters {
        let mut counters = Counters::default();
        for &(reason, packets) in values {
            counters.add(reason, &Counter { packets, bytes: packets * 60 });
        }
        counters
    }

    #[test]
    fn every_packet_is_in_exactly_one_verdict() {
        let mut all = Counters::default();
        for (i, &reason) in Reason::ALL.iter().enumerate() {
            all.add(reason, &Counter { packets: 1 << i, bytes: 1 << i });
        }
        assert_eq!(all.total().packets, (1 << Reason::ALL.len()) - 1);
        let verdicts = [Verdict::Pass, Verdict::Drop, Verdict::Transmit];
        assert_eq!(
            verdicts.map(|verdict| all.with_verdict(verdict).packets).iter().sum::<u64>(),
            all.total().packets
        );
    }

    #[test]
    fn every_syn_has_exactly_one_fate() {
        let mut all = Counters::default();
        for (i, &reason) in Reason::ALL.iter().enumerate() {
            all.add(reason, &Counter { packets: 1 << i, bytes: 0 });
        }
        let fates = all.syn_fates();
        assert_eq!(fates.total(), all.guarded_syns());
        assert_eq!(fates.blocked, all.get(Reason::BlockedSyn).packets);
        assert_eq!(all.blocked_syns(), fates.blocked + all.get(Reason::WouldBlockedSyn).packets);
        assert_eq!(fates.would_drop & all.get(Reason::WouldHold).packets, all.get(Reason::WouldHold).packets);
        assert_eq!(fates.would_drop & fates.passed, fates.would_drop);
    }

    #[test]
    fn deltas_never_underflow() {
        let before = counters(&[(Reason::NotSyn, 10), (Reason::Hold, 5)]);
        let after = counters(&[(Reason::NotSyn, 12), (Reason::Hold, 1)]);
        let delta = after.since(&before);
        assert_eq!((delta.get(Reason::NotSyn).packets, delta.get(Reason::Hold).packets), (2, 1));
    }

    #[test]
    fn syn_rate_counts_guarded_syns_only() {
        let earlier = Snapshot { at: Monotonic::from_ns(1_000_000_000), ..Snapshot::default() };
        let later = Snapshot {
            at: Monotonic::from_ns(1_500_000_000),
            counters: counters(&[(Reason::NotSyn, 1000), (Reason::SynPassed, 10), (Reason::WouldHold, 40)]),
            ..Snapshot::default()
        };
        assert_eq!(later.syn_rate(&earlier), 100.0);
        assert_eq!(later.syn_rate(&later), 0.0);
        assert_eq!(later.counters.excess_syns(), 40);
    }
}
