//! Strategies for the property tests of this crate and of its users.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZeroU64,
};

use proptest::prelude::*;

use crate::{
    ip_prefix::{ParsedTarget, Target},
    list_entry::{Entry, EntryReason, Origin, Scope},
};

/// Any target; addresses and short prefixes are frequent.
pub(crate) fn any_target() -> impl Strategy<Value = Target> {
    let v4 = (any::<u32>(), prop_oneof![Just(32u8), 0..=32u8])
        .prop_map(|(bits, length)| ParsedTarget::new(Ipv4Addr::from(bits).into(), length).target);
    let v6 = (any::<u128>(), prop_oneof![Just(128u8), 0..=128u8])
        .prop_map(|(bits, length)| ParsedTarget::new(Ipv6Addr::from(bits).into(), length).target);
    prop_oneof![v4, v6]
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::All), Just(Scope::Syn)]
}

fn any_origin() -> impl Strategy<Value = Origin> {
    prop_oneof![Just(Origin::Operator), Just(Origin::Auto), Just(Origin::Feed)]
}

fn any_reason() -> impl Strategy<Value = Option<EntryReason>> {
    proptest::option::of("[a-c \"\\\\#;=é\u{1F980}]{1,12}|\\PC{1,20}")
        .prop_map(|text| text.and_then(|text| EntryReason::new(&text).ok()))
}

prop_compose! {
    /// Any entry made around the time 10^9 s. Its end, if any, is from a year before to a year after that time.
    pub fn any_entry()(
        target in any_target(), scope in any_scope(), origin in any_origin(), reason in any_reason(),
        created_ms in 999_000_000_000..1_001_000_000_000u64,
        expires_ms in proptest::option::of(968_000_000_000..1_032_000_000_000u64),
    ) -> Entry {
        Entry { target, scope, origin, reason, created_ms, expires_ms: expires_ms.and_then(NonZeroU64::new) }
    }
}
