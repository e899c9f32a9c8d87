//! Whether the allowlist covers whole address families, so that the filter drops nothing of them.

use anyhow::Result;
use synguard_common::ip_list::List;
use synguard_datapath::ListMaps;
use synguard_kernel::clock;
use synguard_model::{ip_prefix::Target, situation::AllowedFamily};

/// The families, each with the prefix of its addresses: `2000::/3` is all of the Internet's IPv6 addresses so far.
const FAMILIES: [(&str, &str); 2] = [("IPv4", "0.0.0.0/0"), ("IPv6", "2000::/3")];
/// Bits by which entries may be longer than the prefix of their family: 256 entries may cover it together.
const DEPTH: u8 = 8;

/// Returns the families of which entries of the allowlist cover every address.
pub(super) fn allowed_families(lists: &ListMaps<'_>) -> Result<Vec<AllowedFamily>> {
    let Some(allowlist) = lists.lookup(List::Allow)? else { return Ok(Vec::new()) };
    let now_ns = clock::now_ns();
    let find = |target: Target| {
        let entries = allowlist.covering(&target.key());
        let mut effective =
            entries.iter().filter(|(_, entry)| entry.is_effective(now_ns) && entry.applies_to(true));
        effective.next().map(|(key, _)| Target::from_key(key))
    };
    let mut families = Vec::new();
    for (name, prefix) in FAMILIES {
        let target: Target = prefix.parse()?;
        if let Some(entries) = target.cover(DEPTH, &find) {
            let entries = entries.iter().map(ToString::to_string).collect();
            families.push(AllowedFamily { name, entries });
        }
    }
    Ok(families)
}
