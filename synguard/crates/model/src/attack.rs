//! An attack: its kind and its phase.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// What kind of attack it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// Few sources carry it, each over its limit.
    Concentrated,
    /// More sources than the limit, each within its own.
    Distributed,
    /// Both at once.
    Mixed,
}

impl AttackKind {
    /// The kind of an attack with these parts; `None` with neither.
    pub const fn of(concentrated: bool, distributed: bool) -> Option<Self> {
        match (concentrated, distributed) {
            (true, true) => Some(Self::Mixed),
            (true, false) => Some(Self::Concentrated),
            (false, true) => Some(Self::Distributed),
            (false, false) => None,
        }
    }
}

impl Display for AttackKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Concentrated => "concentrated",
            Self::Distributed => "distributed",
            Self::Mixed => "concentrated and distributed",
        })
    }
}

/// Whether there is an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing out of the ordinary.
    #[default]
    Calm,
    /// It seems to be over; what was done about it stays in force for a while.
    Recovering,
    /// Under way.
    Attack,
}

impl Phase {
    /// The phase as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Recovering => "recovering",
            Self::Attack => "attack",
        }
    }
}
