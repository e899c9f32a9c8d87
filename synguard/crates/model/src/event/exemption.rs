//! Reasons against blocking a source.

/// The reason why a source is not blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// The source holds an address that must never be blocked: one of this machine, its gateways, resolvers, SSH peers.
    Protected,
    /// The source is on the allowlist.
    Allowed,
    /// The source has connections with this machine or through it.
    Connected,
    /// Nobody can say whether the source has one of these exemptions.
    Unreadable,
}
