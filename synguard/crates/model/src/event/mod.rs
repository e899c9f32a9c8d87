//! What the controller has to say: one typed event for each transition and each action, with the numbers that made
//! it decide. Pure; the controller writes them down.

mod exemption;
mod rates;
mod text;

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use log::Level;
use serde::Serialize;

pub use self::{exemption::Exemption, rates::AttackRates};
use crate::{attack::AttackKind, duration};

/// A namespace with listeners that the sysctl of ours does not reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignNamespace {
    /// A process in it.
    pub pid: u32,
    /// Its name.
    pub command: String,
    /// Ports that somebody listens on there; some, if there are many.
    pub ports: Vec<u16>,
}

/// Something that happened. Rates are a second.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are named after what the messages below say of them")]
pub enum Event {
    /// The controller has begun.
    Started { interfaces: Vec<String>, adopted: bool },
    /// The controller ends.
    Stopped { why: String, detached: bool },
    /// An attack began, or began `again` before it was over.
    AttackBegan {
        kind: AttackKind,
        again: bool,
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// An attack has become one of another kind.
    KindChanged {
        kind: AttackKind,
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// An attack goes on.
    AttackGoesOn {
        kind: AttackKind,
        seconds: u64,
        unwanted: u64,
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// It seems to be over.
    Recovering {
        kind: AttackKind,
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// It is over.
    AttackOver {
        seconds: u64,
        syns: u64,
        unwanted: u64,
        answered: u64,
        peak_syn_rate: u64,
        peak_distinct_sources: u64,
    },
    /// The kernel's setting was raised.
    CookiesRaised {
        from: u8,
        to: u8,
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// There was nothing to raise.
    CookiesAlreadyUp { value: u8 },
    /// It could not be raised.
    CookiesNotRaised { why: String },
    /// It was put back; `after_crash` if by another controller than the one that raised it.
    CookiesRestored { from: u8, to: u8, after_crash: bool },
    /// It was not put back, or will not be: it is not what was written any more.
    CookiesLeftAlone { found: u8, written: u8, original: u8 },
    /// It could not be put back.
    CookiesNotRestored { why: String },
    /// The kernel refuses most of the cookies that come back.
    CookiesRefused { sent: u64, received: u64, failed: u64 },
    /// Valid cookies came back to the driver, but did not lead to connections: the kernel answers in its stead.
    AnswersLost { returned: u64, received: u64, failed: u64 },
    /// SynCookieConfig in the driver was asked for, but cannot be done.
    AnsweringUnavailable { why: String },
    /// SYNs are answered in the driver from now on, with a connection's `options` or with the MSS only.
    AnsweringBegan {
        options: bool,
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// They are not any more. So many were, and so many cookies came back to the kernel, if that is known.
    AnsweringEnded { why: String, seconds: u64, answered: u64, returned: Option<u64> },
    /// More come than may be answered: a new SYN is dropped, and answered when it is sent again.
    FirstSynOn {
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// Each is answered again.
    FirstSynOff {
        #[serde(flatten)]
        numbers: AttackRates,
    },
    /// The kernel's timestamps were changed so that answers may carry options in them.
    TimestampsRaised { from: u8, to: u8 },
    /// They were so already.
    TimestampsAlreadyUp { value: u8 },
    /// They could not be.
    TimestampsNotRaised { why: String },
    /// They were put back; `after_crash` if by another controller than the one that raised them.
    TimestampsRestored { from: u8, to: u8, after_crash: bool },
    /// They were not put back, or will not be: they are not what was written any more.
    TimestampsLeftAlone { found: u8, written: u8, original: u8 },
    /// They could not be put back.
    TimestampsNotRestored { why: String },
    /// Somebody listens where the setting does not reach.
    ListenersElsewhere { namespaces: Vec<ForeignNamespace>, more: usize },
    /// Sources went over their limit.
    OverLimit { sources: Vec<String>, more: usize, limit: u32, hold_seconds: f64 },
    /// A source is blocked for a while.
    Blocked { source: String, ttl_seconds: u64, strikes: u32, rate: u64, limit: u32, before: u32 },
    /// A source would be blocked, but is not.
    Spared { source: String, why: Exemption, rate: u64, limit: u32 },
    /// A source could not be blocked.
    NotBlocked { source: String, why: String },
    /// No more are blocked.
    BlocksFull { in_force: usize },
    /// An interface has gone.
    InterfaceGone { interface: String },
    /// An interface has come back and was attached again.
    InterfaceBack { interface: String },
    /// It has come back, but cannot be attached to.
    InterfaceNotAttached { interface: String, why: String },
    /// An interface has another name now.
    InterfaceRenamed { interface: String, now: String },
    /// The filter was confirmed.
    Confirmed {},
    /// Settings were read again.
    Reloaded {},
    /// They were not: the old ones stay.
    NotReloaded { why: String },
}

impl Event {
    /// How important it is.
    pub const fn level(&self) -> Level {
        match self {
            Self::NotReloaded { .. }
            | Self::CookiesNotRestored { .. }
            | Self::TimestampsNotRestored { .. } => Level::Error,
            Self::AttackBegan { .. }
            | Self::KindChanged { .. }
            | Self::AttackGoesOn { .. }
            | Self::CookiesRaised { .. }
            | Self::CookiesNotRaised { .. }
            | Self::CookiesLeftAlone { .. }
            | Self::CookiesRefused { .. }
            | Self::AnswersLost { .. }
            | Self::AnsweringUnavailable { .. }
            | Self::AnsweringBegan { .. }
            | Self::FirstSynOn { .. }
            | Self::TimestampsRaised { .. }
            | Self::TimestampsNotRaised { .. }
            | Self::TimestampsLeftAlone { .. }
            | Self::ListenersElsewhere { .. }
            | Self::Blocked { .. }
            | Self::NotBlocked { .. }
            | Self::BlocksFull { .. }
            | Self::InterfaceGone { .. }
            | Self::InterfaceNotAttached { .. }
            | Self::InterfaceRenamed { .. } => Level::Warn,
            Self::CookiesRestored { after_crash: true, .. }
            | Self::TimestampsRestored { after_crash: true, .. } => Level::Warn,
            _ => Level::Info,
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

fn seconds(seconds: u64) -> String {
    duration::format(Duration::from_secs(seconds))
}
