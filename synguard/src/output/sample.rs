//! A status for tests.

use std::collections::BTreeMap;

use synguard_model::settings::Settings;

use super::{
    ControllerJson, CookieModeJson, CookiesJson, CountersJson, EventCountsJson, HeadJson, PrefixTableJson,
    ResponseJson, SchemaVersion, SourceTableJson, StatusJson, SynJson, SysctlJson,
    names::PhaseJson,
    status::{ListStateJson, VisitorsJson},
};

impl StatusJson {
    /// Returns the status of a filter on no interface that tracks one source.
    pub(crate) fn sample() -> Self {
        let unread = SysctlJson { sysctl: None, original: None };
        let empty = || ListStateJson { entries: 0, capacity: 1, saved: true };
        Self {
            head: HeadJson {
                schema: SchemaVersion,
                instance: "default".to_owned(),
                attached: false,
                interfaces: Vec::new(),
                controller: ControllerJson::default(),
                visitors: VisitorsJson::default(),
                response: ResponseJson { measures: Vec::new(), text: "none".to_owned() },
                next: "nothing to do".to_owned(),
                top_sources: Vec::new(),
                phase: PhaseJson::Calm,
                phase_seconds: None,
                attack_kind: None,
                attack_kinds: &[],
                monitor: false,
                allowed_families: vec!["ipv4".to_owned()],
                confirm_seconds_left: None,
                settings: Settings::default(),
                counters: CountersJson {
                    packets: 0,
                    bytes: 0,
                    passed: 0,
                    dropped: 0,
                    answered: 0,
                    reasons: BTreeMap::new(),
                },
                syn: SynJson::default(),
                cookies: CookiesJson { mode: CookieModeJson::Off, syncookies: unread },
                timestamps: unread,
                answering: None,
                prefixes: PrefixTableJson {
                    capacity: 1,
                    inserts: 0,
                    insert_skips: 0,
                    promotions: 0,
                    crowded: false,
                },
                events: EventCountsJson { sent: 0, suppressed: 0 },
                blocklist: empty(),
                allowlist: empty(),
            },
            sources: SourceTableJson {
                tracked: 1,
                capacity: 2,
                in_hold: 0,
                inserts: 1,
                insert_skips: 0,
                promotions: 0,
                crowded: false,
            },
        }
    }
}
