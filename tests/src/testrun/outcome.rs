//! The outcome of a packet: the program's action, and the change of the counters.

use synguard_common::{
    abi::Counter,
    reason::{Reason, Verdict},
};

/// The actions that the program may return.
pub mod action {
    /// Discard the packet.
    pub const DROP: u32 = 1;
    /// Hand it to the network stack.
    pub const PASS: u32 = 2;
    /// Send it back where it came from.
    pub const TX: u32 = 3;
}

/// Number of [`Reason`]s.
pub const REASONS: usize = Reason::ALL.len();

/// The program's action on a packet, and the change of the counters.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One of [`action`].
    pub action: u32,
    /// Increase of each counter, by [`Reason::index`].
    pub delta: [Counter; REASONS],
}

impl Outcome {
    /// Returns the outcome of `packets` packets of `bytes` each, all counted under one reason and nowhere else.
    pub fn of(reason: Reason, packets: u64, bytes: usize) -> Self {
        let mut delta = [Counter::default(); REASONS];
        delta[reason.index() as usize] = Counter { packets, bytes: packets * bytes as u64 };
        let action = match reason.verdict() {
            Verdict::Pass => action::PASS,
            Verdict::Drop => action::DROP,
            Verdict::Transmit => action::TX,
        };
        Self { action, delta }
    }

    /// Returns the reason, if exactly one packet was counted, under exactly one reason.
    pub fn reason(&self) -> Option<Reason> {
        let mut counted =
            Reason::ALL.iter().filter(|reason| self.delta[reason.index() as usize].packets != 0);
        let (reason, other) = (*counted.next()?, counted.next());
        (other.is_none() && self.delta[reason.index() as usize].packets == 1).then_some(reason)
    }

    /// Lists the counted packets with the reasons' names, for messages.
    pub fn describe(&self) -> String {
        let counted = Reason::ALL.iter().filter_map(|reason| {
            let delta = self.delta[reason.index() as usize];
            (delta != Counter::default())
                .then(|| format!("{} {} packets {} bytes", reason.label(), delta.packets, delta.bytes))
        });
        format!("action {}, {}", self.action, counted.collect::<Vec<_>>().join(", "))
    }
}
