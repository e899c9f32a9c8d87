//! What speaks against blocking a source, and blocking it.

use std::{
    collections::{BTreeMap, HashSet},
    net::Ipv6Addr,
    time::Duration,
};

use anyhow::{Context as _, Result};
use synguard_common::{
    addr::{self, to_bytes},
    ip_list::{List, Prefix},
    source::SourceKey,
};
use synguard_datapath::Datapath;
use synguard_kernel::{clock, instance::Instance, netlink::tcp, protected};
use synguard_lists::transaction::ListTransaction;
use synguard_model::{
    event::{Event, Exemption},
    ip_prefix::Target,
    list_entry::{Entry, EntryReason, Origin, Scope},
    source::display,
};

/// A source to be blocked.
pub(super) struct Sentence {
    pub(super) source: SourceKey,
    pub(super) ttl: Duration,
    /// What to say about it.
    pub(super) event: Event,
}

/// For each suspect, what speaks against blocking it. What cannot be found out speaks against it, too.
pub(super) fn exemptions(
    instance: &Instance,
    suspects: &[SourceKey],
    prefix_v6: u8,
) -> BTreeMap<SourceKey, Option<Exemption>> {
    let protected = protected::current();
    for unread in &protected.warnings {
        log::warn!("nobody is blocked automatically: {unread}");
    }
    // Sessions of SSH on other ports than 22 are in this: whoever is connected is not blocked.
    let peers =
        tcp::connected_peers().inspect_err(|error| log::warn!("cannot list connections: {error:#}")).ok();
    let allowed = allowed(instance, suspects, prefix_v6)
        .inspect_err(|error| log::warn!("whether sources are allowed is unknown: {error:#}"))
        .ok();
    let of = |source: &SourceKey| {
        let key = list_key(*source, prefix_v6);
        if allowed.as_ref().is_none_or(|allowed| allowed.contains(source)) {
            Some(Exemption::Allowed)
        } else if !protected.warnings.is_empty()
            || protected.set.conflict(Target::from_key(&key).net()).is_some()
        {
            Some(Exemption::Protected)
        } else if peers.as_ref().is_none_or(|peers| is_connected(peers, &key)) {
            Some(Exemption::Connected)
        } else {
            None
        }
    };
    suspects.iter().map(|source| (*source, of(source))).collect()
}

/// Those of the suspects that an entry of the allowlist covers.
fn allowed(instance: &Instance, suspects: &[SourceKey], prefix_v6: u8) -> Result<HashSet<SourceKey>> {
    let datapath = Datapath::open(&instance.pins)?.context("the filter is gone")?;
    let lists = datapath.lists()?;
    let now_ns = clock::now_ns();
    let mut allowed = HashSet::new();
    for source in suspects {
        for target in Target::from_key(&list_key(*source, prefix_v6)).covering() {
            if lists.entry(List::Allow, &target.key())?.is_some_and(|entry| entry.is_effective(now_ns)) {
                allowed.insert(*source);
                break;
            }
        }
    }
    Ok(allowed)
}

/// Blocks the SYNs of sources for a while, unless the operator has an entry of his own there. Returns what to say.
///
/// They are in the list's files as well: the next controller, and the next boot, goes on with them.
pub(super) fn block(instance: &Instance, sentences: Vec<Sentence>, prefix_v6: u8) -> Vec<Event> {
    let mut events = Vec::new();
    let mut put = || -> Result<Vec<Event>> {
        let mut lists = ListTransaction::open_as_controller(instance)?;
        let now = clock::now();
        let (mut entries, mut blocked) = (Vec::new(), Vec::new());
        for Sentence { source, ttl, event } in &sentences {
            let target = Target::from_key(&list_key(*source, prefix_v6));
            if let Some(entry) = lists.entry(List::Block, target, now)?.filter(|e| e.origin != Origin::Auto) {
                let why = format!("the blocklist has it already, by {}", entry.origin.name());
                events.push(Event::NotBlocked { source: target.to_string(), why });
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
            lists.add(List::Block, entries, now)?;
        }
        Ok(blocked)
    };
    let put = put();
    events.extend(put.unwrap_or_else(|error| vec![failed(&sentences, prefix_v6, &error)]));
    events
}

/// Why an entry is there.
fn reason(event: &Event) -> Option<EntryReason> {
    let Event::Blocked { strikes, rate, limit, .. } = event else { return None };
    EntryReason::new(&format!("over its limit {strikes} times, {rate} SYN/s where {limit} are allowed")).ok()
}

/// What to say where none could be blocked: one line, however many there are.
fn failed(sentences: &[Sentence], prefix_v6: u8, error: &anyhow::Error) -> Event {
    let name = |sentence: &Sentence| display(&sentence.source, prefix_v6);
    let source = match sentences {
        [one, more @ ..] if !more.is_empty() => format!("{} and {} more", name(one), more.len()),
        few => few.iter().map(name).collect(),
    };
    Event::NotBlocked { source, why: synguard_model::error::one_line(&format!("{error:#}")) }
}

/// The prefix that a source is.
fn list_key(source: SourceKey, prefix_v6: u8) -> Prefix {
    let is_v4 = addr::is_v4_mapped(source.address);
    Prefix::new(source.address, if is_v4 { 128 } else { prefix_v6.into() })
}

fn is_connected(peers: &HashSet<Ipv6Addr>, key: &Prefix) -> bool {
    let within = |peer: &Ipv6Addr| Prefix::new(addr::from_bytes(peer.octets()), key.length as u32) == *key;
    // Most are single addresses.
    match key.length {
        128 => peers.contains(&Ipv6Addr::from(to_bytes(key.address))),
        _ => peers.iter().any(within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceKey {
        let address: Ipv6Addr = text.parse().expect("an address");
        SourceKey { address: addr::from_bytes(address.octets()) }
    }

    #[test]
    fn a_connection_from_anywhere_in_the_source_counts() {
        let peers: HashSet<Ipv6Addr> = ["::ffff:192.0.2.1", "2001:db8:1::5"]
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect();
        let connected = |text| is_connected(&peers, &list_key(source(text), 64));
        assert!(connected("::ffff:192.0.2.1") && connected("2001:db8:1::"));
        assert!(!connected("::ffff:192.0.2.2") && !connected("2001:db8:2::"));
        assert_eq!(list_key(source("::ffff:192.0.2.1"), 64).length, 128);
        assert_eq!(list_key(source("2001:db8:1::5"), 64).length, 64);
    }

    #[test]
    fn a_failure_is_one_line() {
        let sentence = |text| Sentence {
            source: source(text),
            ttl: Duration::from_secs(30),
            event: Event::Confirmed {},
        };
        let error = anyhow::anyhow!("no\nroom");
        let of = |sentences: &[Sentence]| failed(sentences, 64, &error).to_string();
        assert_eq!(of(&[sentence("::ffff:192.0.2.1")]), r"192.0.2.1 could not be blocked: no\nroom");
        assert_eq!(
            of(&[sentence("::ffff:192.0.2.1"), sentence("2001:db8::"), sentence("2001:db8:1::")]),
            r"192.0.2.1 and 2 more could not be blocked: no\nroom"
        );
    }
}
