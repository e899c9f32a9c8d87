//! `block list --json`, `block check --json`, the change by another verb of `block`, and the same of `allow`.

use serde::{Serialize, Serializer};
use synguard_common::ip_list::List;
use synguard_lists::{check::EntryView, transaction::ListTransaction};
use synguard_model::{ip_prefix::Target, time::Now};

use super::{SchemaVersion, names::ListVerdictJson};

/// Output of `synguard block list --json` and `synguard allow list --json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListJson<'a> {
    pub(crate) schema: SchemaVersion,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::LISTS)))]
    pub(crate) list: &'static str,
    #[cfg_attr(test, schemars(with = "Vec<ListEntryJson>"))]
    pub(crate) entries: ListEntriesJson<'a>,
}

/// The entries of a list, which are converted one by one: a list may have a million.
#[derive(Debug)]
pub(crate) struct ListEntriesJson<'a> {
    pub(crate) views: &'a [EntryView],
    pub(crate) now: Now,
}

/// An entry of a list.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListEntryJson {
    /// Address or prefix.
    pub(crate) target: String,
    /// Packets to which the entry applies.
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::SCOPES)))]
    pub(crate) scope: &'static str,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::ORIGINS)))]
    pub(crate) origin: &'static str,
    /// Reason given when the entry was added.
    pub(crate) reason: Option<String>,
    /// Packets that the entry has decided about.
    pub(crate) hits: u64,
    /// Time of creation in seconds since 1970, if known.
    pub(crate) created: Option<u64>,
    /// Expiry in seconds since 1970; null means never.
    pub(crate) expires_at: Option<u64>,
    /// Null means forever.
    pub(crate) ttl_seconds_left: Option<u64>,
}

/// Output of `synguard block check --json` and `synguard allow check --json`: the effect of both lists on an address.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CheckJson {
    pub(crate) schema: SchemaVersion,
    pub(crate) address: String,
    /// Effect on a SYN.
    pub(crate) verdict: ListVerdictJson,
    /// Effect on packets other than SYNs.
    pub(crate) verdict_other_packets: ListVerdictJson,
    /// Entry that decides about a SYN.
    pub(crate) decided_by: Option<DecidingEntryJson>,
    /// The verdict in a sentence.
    pub(crate) why: String,
    /// Entries of the allowlist that cover the address, longest prefix first.
    pub(crate) allow: Vec<ListEntryJson>,
    /// Entries of the blocklist that cover the address, longest prefix first.
    pub(crate) block: Vec<ListEntryJson>,
}

/// Output of `add`, `del`, `import` and `flush` with `--json`, of both lists: what changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ListChangeJson {
    pub(crate) schema: SchemaVersion,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::LISTS)))]
    pub(crate) list: &'static str,
    /// False while no filter is attached: the change takes effect at the next attach.
    pub(crate) attached: bool,
    /// Targets that had no entry before.
    pub(crate) added: u64,
    /// Targets whose entry is another now.
    pub(crate) replaced: u64,
    /// Targets that have no entry any more.
    pub(crate) removed: u64,
    /// Targets that had no entry to remove.
    pub(crate) missing: u64,
    /// Entries of the list after the change; those that have expired may be among them.
    pub(crate) entries: u64,
    /// The targets of the command line, in its order; none for `import` and `flush`.
    pub(crate) targets: Vec<ChangedTargetJson>,
}

/// A target and what became of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ChangedTargetJson {
    /// Address or prefix, as the list shows it.
    pub(crate) target: String,
    pub(crate) change: TargetChange,
}

/// Change of a target's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetChange {
    /// It had no entry before.
    Added,
    /// Its entry is another now.
    Replaced,
    /// It has no entry any more.
    Removed,
    /// It had no entry to remove.
    Missing,
}

impl ListChangeJson {
    /// Begins the description of a change that has been made.
    pub(crate) fn new(lists: &ListTransaction, list: List) -> Self {
        Self {
            schema: SchemaVersion,
            list: list.verb(),
            attached: lists.is_attached(),
            added: 0,
            replaced: 0,
            removed: 0,
            missing: 0,
            // The number fails no command.
            entries: lists.size(list).map_or(0, |size| size.entries),
            targets: Vec::new(),
        }
    }

    /// Adds changed targets.
    pub(crate) fn with_targets(mut self, targets: impl IntoIterator<Item = (Target, TargetChange)>) -> Self {
        for (target, change) in targets {
            *match change {
                TargetChange::Added => &mut self.added,
                TargetChange::Replaced => &mut self.replaced,
                TargetChange::Removed => &mut self.removed,
                TargetChange::Missing => &mut self.missing,
            } += 1;
            self.targets.push(ChangedTargetJson { target: target.to_string(), change });
        }
        self
    }
}

/// The entry that decides.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DecidingEntryJson {
    #[serde(flatten)]
    pub(crate) entry: ListEntryJson,
    #[cfg_attr(test, schemars(extend("enum" = super::schema_tests::LISTS)))]
    pub(crate) list: &'static str,
}

impl Serialize for ListEntriesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.views.iter().map(|view| ListEntryJson::new(view, self.now)))
    }
}

impl ListEntryJson {
    pub(crate) fn new(view: &EntryView, now: Now) -> Self {
        Self {
            target: view.target.to_string(),
            scope: view.scope.name(),
            origin: view.origin.name(),
            reason: view.reason.as_ref().map(ToString::to_string),
            hits: view.hits,
            created: view.created_ms.map(|ms| ms / 1_000),
            expires_at: view.expires_ms(now).map(|ms| ms / 1_000),
            ttl_seconds_left: view.time_left(now).map(|left| left.as_secs()),
        }
    }
}
