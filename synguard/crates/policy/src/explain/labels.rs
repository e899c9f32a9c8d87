//! Names of an entry's target, origin and scope in an explanation.

use synguard_common::{
    ip_list::{ListEntry, ORIGIN_AUTO, ORIGIN_FEED, Prefix, SCOPE_SYN},
    source::SourceKey,
};
use synguard_model::source::address;

pub(super) fn target(key: &Prefix) -> String {
    let address = address(&SourceKey { address: key.address });
    let length = if key.is_v4() { key.length - 96 } else { key.length };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if length == whole { address.to_string() } else { format!("{address}/{length}") }
}

pub(super) const fn origin(entry: &ListEntry) -> &'static str {
    match entry.origin {
        ORIGIN_AUTO => "auto",
        ORIGIN_FEED => "feed",
        _ => "operator",
    }
}

pub(super) const fn scope(entry: &ListEntry) -> &'static str {
    if entry.scope == SCOPE_SYN { "syn" } else { "all" }
}
