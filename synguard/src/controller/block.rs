//! Checks the exemptions of block candidates, and blocks sources.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use anyhow::{Context as _, Result};
use synguard_common::{ip_list::List, source::SourceKey};
use synguard_datapath::Datapath;
use synguard_kernel::{clock, connections::ConnectedSources, instance::Instance, protected};
use synguard_lists::transaction::ListTransaction;
use synguard_model::{
    event::{Event, Exemption},
    ip_prefix::Target,
    list_entry::{Entry, EntryReason, Origin, Scope},
    source::{display, prefix_of},
};

/// A source that the policy decided to block.
pub(super) struct PendingBlock {
    pub(super) source: SourceKey,
    pub(super) ttl: Duration,
    /// The event to report when the source is blocked.
    pub(super) event: Event,
}

/// Returns the exemption of each candidate, if it has one. If one cannot be checked, the candidate counts as exempt.
pub(super) fn exemptions(
    instance: &Instance,
    candidates: &[SourceKey],
    prefix_v6: u8,
) -> BTreeMap<SourceKey, Option<Exemption>> {
    let net = |source: &SourceKey| Target::from_key(&prefix_of(source, prefix_v6)).net();
    let protected = protected::current();
    // Connected peers are exempt, which includes SSH sessions on other ports than 22.
    let sources: Vec<_> = candidates.iter().map(net).collect();
    let connected = ConnectedSources::find(&sources);
    let mut unread = [protected.warnings, connected.unread].concat();
    let allowed = allowed(instance, candidates, prefix_v6).unwrap_or_else(|error| {
        unread.push(format!("the allowlist cannot be read: {error:#}"));
        HashSet::new()
    });
    for part in &unread {
        log::warn!("no source is blocked automatically: {part}");
    }
    let exemption = |source: &SourceKey| {
        if allowed.contains(source) {
            Some(Exemption::Allowed)
        } else if protected.set.conflict(net(source)).is_some() {
            Some(Exemption::Protected)
        } else if connected.found.contains(&net(source)) {
            Some(Exemption::Connected)
        } else {
            (!unread.is_empty()).then_some(Exemption::Unreadable)
        }
    };
    candidates.iter().map(|source| (*source, exemption(source))).collect()
}

/// Returns the candidates that an entry of the allowlist covers.
fn allowed(instance: &Instance, candidates: &[SourceKey], prefix_v6: u8) -> Result<HashSet<SourceKey>> {
    let datapath = Datapath::open(&instance.pins)?.context("the filter is gone")?;
    let lists = datapath.lists()?;
    let now_ns = clock::now_ns();
    let mut allowed = HashSet::new();
    for source in candidates {
        for target in Target::from_key(&prefix_of(source, prefix_v6)).covering() {
            if lists.entry(List::Allow, &target.key())?.is_some_and(|entry| entry.is_effective(now_ns)) {
                allowed.insert(*source);
                break;
            }
        }
    }
    Ok(allowed)
}

/// Blocks the SYNs of sources, except where the operator has an entry of their own. Returns the events to report.
///
/// The blocks are written to the list's files as well, so they survive the controller and a reboot.
pub(super) fn block(instance: &Instance, blocks: &[PendingBlock], prefix_v6: u8) -> Vec<Event> {
    let mut events = Vec::new();
    let blocked = add_entries(instance, blocks, prefix_v6, &mut events);
    events.extend(blocked.unwrap_or_else(|error| vec![failure(blocks, prefix_v6, &error)]));
    events
}

/// Adds the entries to the blocklist. Returns the events of the blocked sources; those of the others go to `refused`, even if
/// the blocklist cannot be changed after that.
fn add_entries(
    instance: &Instance,
    blocks: &[PendingBlock],
    prefix_v6: u8,
    refused: &mut Vec<Event>,
) -> Result<Vec<Event>> {
    let mut transaction = ListTransaction::open_as_controller(instance)?;
    let now = clock::now();
    let (mut entries, mut blocked) = (Vec::new(), Vec::new());
    for PendingBlock { source, ttl, event } in blocks {
        let target = Target::from_key(&prefix_of(source, prefix_v6));
        let existing = transaction.entry(List::Block, target, now)?;
        if let Some(entry) = existing.filter(|entry| entry.origin != Origin::Auto) {
            let why = format!("the blocklist has it already ({})", entry.origin.label());
            refused.push(Event::NotBlocked { source: target.to_string(), why });
            continue;
        }
        entries.push(Entry {
            target,
            scope: Scope::Syn,
            origin: Origin::Auto,
            reason: reason(event),
            created_ms: now.wall_ms,
            expires_ms: Some(now.expiry_after(*ttl)),
        });
        blocked.push(event.clone());
    }
    if !entries.is_empty() {
        transaction.add(List::Block, entries, now)?;
    }
    Ok(blocked)
}

/// Returns the reason to store in the entry.
fn reason(event: &Event) -> Option<EntryReason> {
    let Event::Blocked { strikes, rate, limit, .. } = event else { return None };
    EntryReason::new(&format!("over its limit {strikes} times, {rate} SYN/s where {limit} are allowed")).ok()
}

/// Returns the event that no source could be blocked: one line, however many there are.
fn failure(blocks: &[PendingBlock], prefix_v6: u8, error: &anyhow::Error) -> Event {
    let name = |block: &PendingBlock| display(&block.source, prefix_v6);
    let source = match blocks {
        [first, more @ ..] if !more.is_empty() => format!("{} and {} more", name(first), more.len()),
        few => few.iter().map(name).collect(),
    };
    Event::NotBlocked { source, why: synguard_model::error::one_line(&format!("{error:#}")) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn source(text: &str) -> SourceKey {
        let address: Ipv6Addr = text.parse().expect("an address");
        SourceKey { address: address.into() }
    }

    #[test]
    fn failure_is_one_line() {
        let block = |text| PendingBlock {
            source: source(text),
            ttl: Duration::from_secs(30),
            event: Event::Unprotected {},
        };
        let error = anyhow::anyhow!("no\nroom");
        let message = |blocks: &[PendingBlock]| failure(blocks, 64, &error).to_string();
        assert_eq!(message(&[block("::ffff:192.0.2.1")]), r"192.0.2.1 could not be blocked: no\nroom");
        assert_eq!(
            message(&[block("::ffff:192.0.2.1"), block("2001:db8::"), block("2001:db8:1::")]),
            r"192.0.2.1 and 2 more could not be blocked: no\nroom"
        );
    }
}
