use synguard_common::{abi::Counter, reason::Reason};
use synguard_model::tcp_counters::TcpCounters;

use super::*;

pub(super) const TICK: u64 = 250_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

/// The traffic of a tick. Counts are those of the tick, distinct sources those of a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) passed: u64,
    pub(super) excess: u64,
    pub(super) blocked: u64,
    pub(super) distinct: f64,
    pub(super) completed: u64,
    pub(super) queue_full: u64,
    pub(super) xdp_cookies: u64,
    pub(super) over_cookie_limit: u64,
    pub(super) first_syn: u64,
    pub(super) cookie_acks: u64,
    pub(super) cookies: TcpCounters,
}

/// Ordinary visitors: 50 connections a tick from as many sources, all of them completed.
pub(super) const VISITORS: Traffic = Traffic {
    passed: 50,
    excess: 0,
    blocked: 0,
    distinct: 200.0,
    completed: 50,
    queue_full: 0,
    xdp_cookies: 0,
    over_cookie_limit: 0,
    first_syn: 0,
    cookie_acks: 0,
    cookies: TcpCounters {
        queue_full_drops: 0,
        queue_full_cookies: 0,
        listen_drops: 0,
        listen_overflows: 0,
        cookies_sent: 0,
        cookies_received: 0,
        cookies_failed: 0,
        passive_opens: 0,
    },
};
/// 60 000 forged SYNs a second, and visitors.
pub(super) const DISTRIBUTED: Traffic = Traffic { passed: 15_050, distinct: 60_000.0, ..VISITORS };
/// One source with 20 000 SYNs a second, and visitors.
pub(super) const CONCENTRATED: Traffic = Traffic { excess: 5_000, ..VISITORS };

/// A policy in simulated traffic.
pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) settings: Settings,
    pub(super) attachment: Attachment,
    pub(super) snapshot: Snapshot,
    pub(super) violations: Vec<Violation>,
    pub(super) sources: Vec<SourceCount>,
    pub(super) blocks: BTreeMap<SourceKey, bool>,
    tick: u64,
    pub(super) phases: Vec<(u64, Phase)>,
    pub(super) actions: Vec<(u64, Action)>,
}

impl World {
    pub(super) fn new() -> Self {
        let snapshot = Snapshot {
            at: Monotonic::from_ns(SECOND),
            tcp: Some(TcpCounters::default()),
            ..Snapshot::default()
        };
        let settings = Settings::default();
        let mut world = Self {
            policy: Policy::default(),
            settings,
            attachment: Attachment::Generic,
            snapshot,
            violations: vec![],
            sources: vec![],
            blocks: BTreeMap::new(),
            tick: 0,
            phases: vec![],
            actions: vec![],
        };
        world.run(4, VISITORS);
        world
    }

    pub(super) fn tick(&mut self, traffic: Traffic) {
        self.tick += 1;
        self.snapshot.at = self.snapshot.at + Duration::from_nanos(TICK);
        let count = |packets| Counter { packets, bytes: 60 * packets };
        self.snapshot.counters.add(Reason::SynPassed, &count(traffic.passed));
        self.snapshot.counters.add(Reason::Hold, &count(traffic.excess));
        self.snapshot.counters.add(Reason::BlockedSyn, &count(traffic.blocked));
        self.snapshot.counters.add(Reason::SynCookieSent, &count(traffic.xdp_cookies));
        self.snapshot.counters.add(Reason::CookieLimitExceeded, &count(traffic.over_cookie_limit));
        self.snapshot.counters.add(Reason::FirstSyn, &count(traffic.first_syn));
        self.snapshot.counters.add(Reason::CookieAck, &count(traffic.cookie_acks));
        self.snapshot.distinct_sources = traffic.distinct;
        let tcp = self.snapshot.tcp.as_mut().expect("known");
        tcp.passive_opens += traffic.completed;
        tcp.queue_full_drops += traffic.queue_full;
        tcp.cookies_sent += traffic.cookies.cookies_sent;
        tcp.cookies_received += traffic.cookies.cookies_received;
        tcp.cookies_failed += traffic.cookies.cookies_failed;
        let (before, at) = (self.policy.phase(), self.snapshot.at);
        let observation = Observation {
            snapshot: &self.snapshot,
            settings: &self.settings,
            attachment: self.attachment,
            violations: &self.violations,
            sources: &self.sources,
            blocks: &self.blocks,
            exemptions: &self.policy.block_candidates().into_iter().map(|source| (source, None)).collect(),
        };
        let actions = self.policy.step(&observation, at);
        self.actions.extend(actions.into_iter().map(|action| (self.tick, action)));
        if self.policy.phase() != before {
            self.phases.push((self.tick, self.policy.phase()));
        }
    }

    pub(super) fn run(&mut self, ticks: u64, traffic: Traffic) {
        for _ in 0..ticks {
            self.tick(traffic);
        }
    }

    /// Returns the reported events, each with its tick, for which `name` has a name.
    pub(super) fn reported<T>(&self, name: impl Fn(&Event) -> Option<T>) -> Vec<(u64, T)> {
        let event = |(tick, action): &(u64, Action)| match action {
            Action::Report(event) | Action::Block { event, .. } => Some((*tick, name(event)?)),
            _ => None,
        };
        self.actions.iter().filter_map(event).collect()
    }

    /// Returns the ticks at which syncookies were raised and restored.
    pub(super) fn cookies(&self) -> Vec<(u64, bool)> {
        let change = |action: &Action| match action {
            Action::RaiseSysctl(Sysctl::Syncookies, _) => Some(true),
            Action::RestoreSysctl(Sysctl::Syncookies) => Some(false),
            _ => None,
        };
        self.actions.iter().filter_map(|(tick, action)| Some((*tick, change(action)?))).collect()
    }

    fn events(&self) -> Vec<&'static str> {
        let name = |action: &Action| match action {
            Action::Report(Event::AttackBegan { again, .. }) => Some(if *again { "again" } else { "began" }),
            Action::Report(Event::AttackKindChanged { .. }) => Some("kind"),
            Action::Report(Event::AttackContinues { .. }) => Some("goes on"),
            Action::Report(Event::AttackRecovering { .. }) => Some("recovering"),
            Action::Report(Event::AttackOver { .. }) => Some("over"),
            Action::Report(Event::CookiesRefused { .. }) => Some("refused"),
            _ => None,
        };
        self.actions.iter().filter_map(|(_, action)| name(action)).collect()
    }
}

#[test]
fn distributed_flood_raises_and_restores_cookies() {
    let mut world = World::new();
    world.run(1, DISTRIBUTED);
    assert_eq!(world.cookies(), [(5, true)], "within a tick");
    assert_eq!(world.policy.kind(), Some(AttackKind::Distributed));
    let began = world.snapshot.at;
    assert_eq!(world.policy.phase_since(), Some(began));
    world.run(199, DISTRIBUTED);
    assert_eq!(world.policy.phase_since(), Some(began));
    world.run(80, VISITORS);
    assert!(world.policy.phase_since() > Some(began));
    let end = 4 + 200;
    let [_, (restored, false)] = world.cookies()[..] else { panic!("{:?}", world.cookies()) };
    assert_eq!(restored, end + 1 + 4 + 40, "a tick, a second, and a hold of ten seconds");
    assert_eq!((world.policy.phase(), world.policy.kind()), (Phase::Calm, None));
    assert_eq!(world.events(), ["began", "recovering", "over"]);
}

#[test]
fn concentrated_attack_raises_nothing_mixed_one_does() {
    let mut world = World::new();
    world.run(400, CONCENTRATED);
    assert_eq!((world.policy.phase(), world.policy.kind()), (Phase::Attack, Some(AttackKind::Concentrated)));
    assert_eq!(world.cookies(), []);
    assert_eq!(world.events(), ["began", "goes on"]);
    let both = Traffic { excess: 5_000, ..DISTRIBUTED };
    world.run(4, both);
    assert_eq!(world.policy.kind(), Some(AttackKind::Mixed));
    assert_eq!(world.cookies(), [(405, true)]);
    // Cookies do not outlast the distributed flood, even if the rest of the attack continues.
    world.run(100, CONCENTRATED);
    assert_eq!(world.policy.kind(), Some(AttackKind::Concentrated));
    assert!(!world.policy.wants_kernel_cookies());
    assert_eq!(world.policy.phase(), Phase::Attack);
}

#[test]
fn flash_crowd_is_no_attack() {
    let mut world = World::new();
    let crowd = Traffic { passed: 5_000, completed: 4_500, distinct: 15_000.0, ..VISITORS };
    world.run(400, crowd);
    assert_eq!((world.policy.phase(), world.actions.len()), (Phase::Calm, 0), "{:?}", world.actions);
    // Unless the kernel's queues overflow.
    world.run(4, Traffic { completed: 500, queue_full: 4_000, ..crowd });
    assert!(world.policy.wants_kernel_cookies());
}

#[test]
fn slow_flood_that_fills_the_queues_counts() {
    let mut world = World::new();
    let slow = Traffic { passed: 250, completed: 0, distinct: 1_000.0, ..VISITORS };
    world.run(100, slow);
    assert_eq!(world.policy.phase(), Phase::Calm);
    world.run(4, Traffic { queue_full: 200, ..slow });
    assert!(world.policy.wants_kernel_cookies());
    // With cookies no queue is full any more: unreturned cookies show that the flood continues.
    let cookies = TcpCounters { cookies_sent: 250, ..TcpCounters::default() };
    world.run(400, Traffic { cookies, ..slow });
    assert!(world.policy.wants_kernel_cookies());
    world.run(100, VISITORS);
    assert!(!world.policy.wants_kernel_cookies());
}

#[test]
fn settings_can_forbid_cookies() {
    for forbid in [("cookies", "off"), ("monitor", "true"), ("distinct-limit", "0")] {
        let mut world = World::new();
        world.settings.set(forbid.0, forbid.1).expect("valid");
        world.run(100, DISTRIBUTED);
        assert_eq!(world.cookies(), [], "{forbid:?}");
    }
    // Cookies are restored when a new setting forbids them.
    let mut world = World::new();
    world.run(10, DISTRIBUTED);
    world.settings.set("cookies", "off").expect("valid");
    world.run(1, DISTRIBUTED);
    assert_eq!(world.cookies(), [(5, true), (15, false)]);
    world.settings.set("cookies", "kernel").expect("valid");
    world.run(1, DISTRIBUTED);
    assert_eq!(world.cookies().last(), Some(&(16, true)));
}

#[test]
fn refused_cookies_are_reported_once() {
    let mut world = World::new();
    let refused = TcpCounters {
        cookies_sent: 15_000,
        cookies_failed: 40,
        cookies_received: 10,
        ..TcpCounters::default()
    };
    world.run(100, Traffic { cookies: refused, ..DISTRIBUTED });
    assert_eq!(world.events(), ["began", "refused"]);
    let mut world = World::new();
    let returned = TcpCounters { cookies_failed: 10, cookies_received: 40, ..refused };
    world.run(100, Traffic { cookies: returned, ..DISTRIBUTED });
    assert_eq!(world.events(), ["began"]);
}
