//! Reasons against blocking a source.

/// Why a source is not blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// It is one of those that must never be: an address of this machine, its gateways, resolvers, SSH peers.
    Protected,
    /// It is on the allowlist.
    Allowed,
    /// It has connections with this machine.
    Connected,
}
