//! Events about a source that floods: its names and numbers, its block, the removal of that, and monitor mode.

use synguard_common::{abi::Counter, addr::Addr, ip_list::Prefix, reason::Reason};

use super::*;
use crate::tests::{DISTRIBUTED, Traffic, VISITORS, World};

/// SYNs of the attacker in a tick.
const SYNS: u64 = 5_000;
const HOLD_TICKS: u64 = 40;

fn attacker() -> SourceKey {
    SourceKey { address: Addr::from_v4(0x0b00_0000u32.to_be()) }
}

/// An attacker with an entry of its own, and the filter that limits and blocks it.
struct Scene {
    world: World,
    syns: u64,
    hits: u64,
    ticks: u64,
    is_listed: bool,
}

impl Scene {
    fn new() -> Self {
        Self { world: World::new(), syns: 0, hits: 0, ticks: 0, is_listed: false }
    }

    /// Runs a flood; the source exceeds its limit in every fortieth tick, unless it is blocked.
    fn flood(&mut self, ticks: u64) {
        for _ in 0..ticks {
            let counted = if self.is_listed { &mut self.hits } else { &mut self.syns };
            *counted += SYNS;
            let traffic = match (self.is_listed, self.world.settings.monitor) {
                (true, _) => Traffic { blocked: SYNS, ..VISITORS },
                (false, false) => Traffic { excess: SYNS, ..VISITORS },
                (false, true) => {
                    // The reason of a SYN that monitor mode let pass.
                    let counter = Counter { packets: SYNS, bytes: 60 * SYNS };
                    self.world.snapshot.counters.add(Reason::WouldHold, &counter);
                    VISITORS
                }
            };
            self.world.violations.clear();
            if !self.is_listed && self.ticks.is_multiple_of(HOLD_TICKS) {
                self.world.violations.push(Violation { source: attacker(), dropped: self.syns });
            }
            self.world.sources = vec![SourceCount {
                key: Prefix::new(attacker().address, 128),
                syns: self.syns,
                hits: self.hits,
                first_seen: self.world.snapshot.at,
                recent: None,
                is_blocked: self.is_listed,
            }];
            self.step(traffic);
        }
    }

    fn calm(&mut self, ticks: u64) {
        self.world.violations.clear();
        for _ in 0..ticks {
            self.step(VISITORS);
        }
    }

    /// Lets a tick pass and performs the block that it decides, if any.
    fn step(&mut self, traffic: Traffic) {
        self.ticks += 1;
        let before = self.world.actions.len();
        self.world.tick(traffic);
        self.world.blocks.clear();
        if self.world.actions[before..].iter().any(|(_, action)| matches!(action, Action::Block { .. })) {
            self.is_listed = true;
            self.world.blocks.insert(attacker(), true);
        }
    }

    fn blocked_at(&self) -> Vec<u64> {
        let blocked = |event: &Event| matches!(event, Event::Blocked { .. }).then_some(());
        self.world.reported(blocked).into_iter().map(|(tick, ())| tick).collect()
    }
}

fn over(world: &World) -> Event {
    let over = world.reported(|event| matches!(event, Event::AttackOver { .. }).then(|| event.clone()));
    let [(_, event)] = &*over else { panic!("{over:?}") };
    event.clone()
}

#[test]
fn attacker_is_named_at_the_beginning_and_the_end() {
    let mut scene = Scene::new();
    scene.flood(300);
    scene.calm(200);
    let began = scene.world.reported(|event| match event {
        Event::AttackBegan { top_sources, .. } => Some(top_sources.clone()),
        _ => None,
    });
    let [(5, sources)] = &*began else { panic!("{began:?}") };
    assert_eq!((sources[0].source.as_str(), sources[0].syn_rate, sources[0].syns), ("11.0.0.0", SYNS, SYNS));
    let again = scene.world.reported(|event| match event {
        Event::AttackContinues { top_sources, .. } => Some(top_sources[0].clone()),
        _ => None,
    });
    // By then it is blocked, and named all the same.
    assert!(again.iter().all(|(_, source)| source.blocked && source.syn_rate == SYNS * 4), "{again:?}");
    let Event::AttackOver { top_sources, sources_blocked, blocked_sources, syns, dropped_syns, .. } =
        over(&scene.world)
    else {
        unreachable!()
    };
    assert_eq!((top_sources.len(), top_sources[0].syns, top_sources[0].syn_rate), (1, 300 * SYNS, SYNS * 4));
    assert_eq!((sources_blocked, blocked_sources), (1, vec!["11.0.0.0".to_owned()]));
    assert!(syns > dropped_syns && dropped_syns == 300 * SYNS, "{syns} {dropped_syns}");
}

#[test]
fn forged_flood_names_nobody() {
    let mut scene = Scene::new();
    scene.world.run(300, DISTRIBUTED);
    scene.world.run(200, VISITORS);
    let texts = scene.world.reported(|event| match event {
        Event::AttackBegan { top_sources, .. } | Event::AttackOver { top_sources, .. } => {
            assert_eq!(*top_sources, []);
            Some(event.to_string())
        }
        _ => None,
    });
    assert_eq!(texts.len(), 2);
    assert!(texts.iter().all(|(_, text)| text.contains("no source st")), "{texts:?}");
}

#[test]
fn removed_block_comes_back_after_two_holds() {
    let mut scene = Scene::new();
    scene.flood(100);
    let [first] = scene.blocked_at()[..] else { panic!("{:?}", scene.blocked_at()) };
    // The operator flushes the list: its hits move to the source's own count.
    (scene.syns, scene.hits, scene.is_listed) = (scene.syns + scene.hits, 0, false);
    scene.world.blocks.insert(attacker(), false);
    scene.flood(160);
    let [_, again] = scene.blocked_at()[..] else { panic!("{:?}", scene.blocked_at()) };
    assert!(again - first < 4 * HOLD_TICKS, "blocked at {first}, again at {again}");
    scene.calm(700);
    let Event::AttackOver { top_sources, sources_blocked, .. } = over(&scene.world) else { unreachable!() };
    assert_eq!((sources_blocked, top_sources[0].syns), (1, 260 * SYNS), "one source, and each SYN once");
}

#[test]
fn monitor_mode_reports_the_block_it_would_make() {
    let mut scene = Scene::new();
    scene.world.settings.set("monitor", "true").expect("valid");
    scene.flood(200);
    scene.calm(200);
    let would = scene.world.reported(|event| match event {
        Event::WouldBlock { source, .. } => Some(source.clone()),
        Event::OverLimit { monitor, .. } => {
            assert!(monitor);
            None
        }
        _ => None,
    });
    assert_eq!(would.iter().map(|(_, source)| source.as_str()).collect::<Vec<_>>(), ["11.0.0.0"], "once");
    assert_eq!(
        (scene.blocked_at(), scene.world.policy.blocks_in_force(scene.world.snapshot.at)),
        (vec![], 0)
    );
    let event = over(&scene.world);
    let Event::AttackOver { would_drop, dropped_syns, sources_blocked, monitor, .. } = event else {
        unreachable!()
    };
    assert_eq!((would_drop, dropped_syns, sources_blocked, monitor), (200 * SYNS, 0, 1, true));
    assert!(event.to_string().contains("1 000 000 would have been dropped"), "{event}");
    assert!(event.to_string().ends_with("1 source would have been blocked: 11.0.0.0"), "{event}");
}

#[test]
fn source_is_blocked_when_monitor_mode_ends() {
    let mut scene = Scene::new();
    scene.world.settings.set("monitor", "true").expect("valid");
    scene.flood(120);
    scene.world.settings.set("monitor", "false").expect("valid");
    let ended = scene.ticks;
    scene.flood(160);
    let [blocked] = scene.blocked_at()[..] else { panic!("{:?}", scene.blocked_at()) };
    assert!(blocked - ended <= 4 * HOLD_TICKS, "{blocked}");
}

#[test]
fn monitor_mode_reports_cookies_once_an_attack() {
    let mut world = World::new();
    world.attachment = Attachment::Native;
    world.settings.set("monitor", "true").expect("valid");
    let would = |world: &World| {
        let name = |action: &Action| match action {
            Action::WouldRaiseSyncookies(_) => Some("raise"),
            Action::Report(Event::WouldSendXdpCookies { .. }) => Some("send"),
            Action::RaiseSysctl(..) | Action::SendXdpCookies(..) => Some("REALLY"),
            _ => None,
        };
        world.actions.iter().filter_map(|(_, action)| name(action)).collect::<Vec<_>>()
    };
    world.run(400, DISTRIBUTED);
    assert_eq!(would(&world), ["raise", "send"]);
    world.run(1_000, VISITORS);
    world.run(100, DISTRIBUTED);
    assert_eq!(would(&world), ["raise", "send", "raise", "send"]);
    // With `cookies = off` nothing would be raised.
    world.run(1_000, VISITORS);
    world.settings.set("cookies", "off").expect("valid");
    world.run(100, DISTRIBUTED);
    assert_eq!(would(&world).len(), 4);
}
