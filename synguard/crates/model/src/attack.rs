//! The kind and the phase of an attack.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// The kind of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// Few sources send most SYNs, each over its limit.
    Concentrated,
    /// More sources than `distinct-limit` send SYNs, each within its own limit.
    Distributed,
    /// Concentrated and distributed at once.
    Mixed,
}

impl AttackKind {
    /// Returns the kind of an attack with these parts; `None` if there is neither.
    pub const fn from_parts(concentrated: bool, distributed: bool) -> Option<Self> {
        match (concentrated, distributed) {
            (true, true) => Some(Self::Mixed),
            (true, false) => Some(Self::Concentrated),
            (false, true) => Some(Self::Distributed),
            (false, false) => None,
        }
    }
}

impl AttackKind {
    /// Reports whether more sources than `distinct-limit` send SYNs, most of them forged as a rule.
    pub const fn is_distributed(self) -> bool {
        matches!(self, Self::Distributed | Self::Mixed)
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

/// The phase of an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No attack.
    #[default]
    Calm,
    /// The attack seems to be over; the measures against it stay in force for a while.
    Recovering,
    /// An attack is under way.
    Attack,
}

impl Phase {
    /// Returns the name in JSON and text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Recovering => "recovering",
            Self::Attack => "attack",
        }
    }
}
