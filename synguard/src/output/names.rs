//! Values with a fixed set of names.

use serde::Serialize;
use synguard_common::reason::Verdict;
use synguard_kernel::netlink::XdpPlace;
use synguard_lists::check::ListVerdict;
use synguard_model::{attack::Phase, source::SourceStatus};

/// Declares an enum of names in snake case and its conversion from an enum of the program.
macro_rules! names {
    ($(#[doc = $doc:literal])+ $json:ident, $from:ty { $($(#[doc = $name_doc:literal])+ $name:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $json {
            $($(#[doc = $name_doc])+ $name,)+
        }

        impl From<$from> for $json {
            fn from(value: $from) -> Self {
                match value { $(<$from>::$name => Self::$name,)+ }
            }
        }
    };
}

names! {
    /// Phase of the attack.
    PhaseJson, Phase {
        /// There is no attack.
        Calm,
        /// An attack is in progress.
        Attack,
        /// The attack seems to be over; its limits are still in force.
        Recovering,
    }
}

names! {
    /// State of a source.
    SourceStateJson, SourceStatus {
        /// Within its rate.
        Ok,
        /// Over its rate; all its SYNs are dropped until the hold ends.
        Hold,
        /// On the blocklist.
        Blocked,
        /// On the allowlist.
        Allowed,
    }
}

names! {
    /// Effect of the lists on a packet.
    ListVerdictJson, ListVerdict {
        /// The packet passes without further checks.
        Allowed,
        /// The packet is dropped.
        Blocked,
        /// No entry applies to the packet.
        Unlisted,
    }
}

/// Action on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictJson {
    /// Pass the packet to the network stack.
    Pass,
    /// Drop the packet in the driver.
    Drop,
    /// Reply to the SYN with a SYN cookie.
    Answer,
}

/// Kind of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttackKindJson {
    /// Few sources send most SYNs.
    Concentrated,
    /// Many sources send SYNs.
    Distributed,
}

/// Place where the program runs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum InterfaceModeJson {
    /// In the driver.
    Native,
    /// In the network stack, for drivers without XDP.
    Generic,
    /// On the device.
    Offloaded,
    /// The interface is gone or in another network namespace.
    Unknown,
}

/// Sender of SYN cookies, as far as synguard determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum CookieModeJson {
    /// synguard has changed nothing.
    Off,
    /// The kernel replies to every SYN with a cookie, because synguard raised `net.ipv4.tcp_syncookies`.
    Kernel,
    /// The XDP program replies to SYNs with cookies.
    Xdp,
}

impl From<Verdict> for VerdictJson {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Drop => Self::Drop,
            Verdict::Transmit => Self::Answer,
        }
    }
}

impl From<Option<XdpPlace>> for InterfaceModeJson {
    fn from(place: Option<XdpPlace>) -> Self {
        match place {
            Some(XdpPlace::Native) => Self::Native,
            Some(XdpPlace::Generic) => Self::Generic,
            Some(XdpPlace::Offloaded) => Self::Offloaded,
            None => Self::Unknown,
        }
    }
}
