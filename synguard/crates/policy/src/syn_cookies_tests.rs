//! Who answers when, and what the kernel is told when for that.

use super::*;
use crate::tests::{DISTRIBUTED, PEOPLE, SECOND, TICK, Traffic, World};

/// A flood that the filter answers: half of what people open is completed, the rest is nobody's.
const ANSWERED: Traffic = Traffic { passed: 0, answered: 15_050, ..DISTRIBUTED };

fn world(cookies: &str) -> World {
    let mut world = World::new();
    world.settings.set("cookies", cookies).expect("valid");
    world.driver = Attachment::Native;
    world
}

/// What was done, and in which tick, without what was only said.
fn done(world: &World) -> Vec<(u64, &'static str)> {
    let name = |action: &Action| match action {
        Action::RaiseCookies(_) => Some("cookies"),
        Action::RestoreCookies => Some("no cookies"),
        Action::RaiseTimestamps(_) => Some("timestamps"),
        Action::RestoreTimestamps => Some("no timestamps"),
        Action::Answer(CookieMode { options: true, second_syn: false }, _) => Some("answer"),
        Action::Answer(CookieMode { options: false, second_syn: false }, _) => Some("answer plainly"),
        Action::Answer(CookieMode { second_syn: true, .. }, _) => Some("answer the second"),
        Action::StopAnswering(_) => Some("stop"),
        _ => None,
    };
    world.said.iter().filter_map(|(tick, action)| Some((*tick, name(action)?))).collect()
}

#[test]
fn with_xdp_the_filter_answers_at_once_and_all_is_put_back_in_order() {
    let mut world = world("xdp");
    world.run(1, DISTRIBUTED);
    assert_eq!(done(&world), [(5, "cookies"), (5, "timestamps"), (5, "answer")]);
    world.run(199, ANSWERED);
    assert_eq!(done(&world).len(), 3, "it does not flap: {:?}", done(&world));
    world.run(80, PEOPLE);
    let end = 4 + 200;
    // A look and a second until it seems to be over, a hold until it is, and what may be on its way.
    assert_eq!(done(&world)[3..], [(end + 5, "stop"), (end + 45, "no cookies"), (end + 52, "no timestamps")]);
    assert_eq!(world.policy.orders(), None);
}

#[test]
fn with_auto_the_kernel_is_first_and_the_filter_takes_over_what_is_too_much_for_it() {
    let mut world = world("auto");
    // 12 000 a second are not.
    let few = Traffic { passed: 3_000, ..DISTRIBUTED };
    world.run(100, few);
    assert_eq!(done(&world), [(5, "cookies")]);
    let sent = TcpCounters { cookies_sent: 15_000, ..TcpCounters::default() };
    world.run(3, Traffic { cookies: sent, ..DISTRIBUTED });
    // Kernel cookies are on their way: no options until they have come back.
    let [_, (began, "answer plainly")] = done(&world)[..] else { panic!("{:?}", done(&world)) };
    assert!((105..=107).contains(&began), "{began}");
    world.run(96, ANSWERED);
    assert_eq!(done(&world)[2..], [(began + 2, "timestamps"), (began + 2, "answer")]);
    // It is left to the kernel again when it has been few enough for a hold at least; the flood goes on.
    world.run(100, Traffic { answered: 2_000, ..ANSWERED });
    assert_eq!(done(&world).last().map(|(_, what)| *what), Some("stop"));
    assert!(world.policy.wants_cookies());
    // Its cookies carry options in the timestamps as they are now.
    world.run(100, few);
    assert_eq!(done(&world).last().map(|(_, what)| *what), Some("stop"));
    world.run(80, PEOPLE);
    let [.., (cookies, "no cookies"), (timestamps, "no timestamps")] = done(&world)[..] else { panic!() };
    assert_eq!(timestamps - cookies, 7);
}

#[test]
fn where_the_filter_cannot_answer_the_kernel_does() {
    for (cookies, driver, answers) in [
        ("auto", Attachment::Native, true),
        ("auto", Attachment::Generic, false),
        ("auto", Attachment::NativeBehindNat, false),
        ("auto", Attachment::None, false),
        ("xdp", Attachment::NativeBehindNat, true),
        ("xdp", Attachment::Generic, true),
        ("xdp", Attachment::None, false),
        ("kernel", Attachment::Native, false),
    ] {
        let mut world = world(cookies);
        world.driver = driver;
        world.run(40, DISTRIBUTED);
        assert!(world.policy.wants_cookies());
        assert_eq!(world.policy.orders().is_some(), answers, "{cookies} {driver:?}");
        let unavailable = world
            .said
            .iter()
            .filter(|(_, action)| matches!(action, Action::Say(Event::AnsweringUnavailable { .. })));
        assert_eq!(unavailable.count(), usize::from(cookies == "xdp" && !answers), "{cookies} {driver:?}");
    }
}

#[test]
fn what_is_set_meanwhile_holds_at_once() {
    let mut world = world("xdp");
    world.run(20, DISTRIBUTED);
    world.settings.set("syn-cookie-options", "false").expect("valid");
    world.run(20, ANSWERED);
    assert_eq!(done(&world)[3..], [(25, "answer plainly"), (32, "no timestamps")]);
    world.settings.set("syn-cookie-options", "true").expect("valid");
    world.run(1, ANSWERED);
    assert_eq!(done(&world)[5..], [(45, "timestamps"), (45, "answer")]);
    world.settings.set("cookies", "kernel").expect("valid");
    world.run(20, DISTRIBUTED);
    assert_eq!(done(&world)[7..], [(46, "stop")], "the kernel's cookies carry options");
    world.settings.set("monitor", "true").expect("valid");
    world.run(20, DISTRIBUTED);
    assert_eq!(done(&world)[8..], [(66, "no cookies"), (73, "no timestamps")]);
}

#[test]
fn a_flood_that_comes_again_is_answered_again_and_a_crowd_is_not() {
    let mut world = world("xdp");
    world.run(60, ANSWERED);
    world.run(10, PEOPLE);
    assert_eq!(world.policy.orders(), None);
    assert!(world.policy.wants_cookies());
    world.run(60, ANSWERED);
    assert!(world.policy.orders().is_some_and(|orders| orders.options));
    // Many, who complete their connections: the answers themselves do not hide that.
    world.run(100, Traffic { answered: 5_000, completed: 4_500, distinct: 15_000.0, ..PEOPLE });
    assert_eq!((world.policy.orders(), world.policy.wants_cookies()), (None, false));
    let calls = done(&world).iter().filter(|(_, what)| *what == "answer").count();
    assert_eq!(calls, 2);
}

#[test]
fn when_more_come_than_may_be_answered_first_syns_are_dropped() {
    let mut world = world("xdp");
    world.run(10, ANSWERED);
    let too_many = Traffic { over_budget: 20_000, ..ANSWERED };
    world.run(20, too_many);
    let [.., (began, "answer the second")] = done(&world)[..] else { panic!("{:?}", done(&world)) };
    assert!((22..=24).contains(&began), "{began}");
    // Now they are dropped for another reason.
    world.run(100, Traffic { answered: 100, first_syn: 35_000, ..ANSWERED });
    assert!(world.policy.orders().is_some_and(|orders| orders.second_syn));
    world.run(40, ANSWERED);
    assert!(world.policy.orders().is_some_and(|orders| !orders.second_syn));
    let said = |wanted: fn(&Event) -> bool| {
        world.said.iter().filter(|(_, action)| matches!(action, Action::Say(event) if wanted(event))).count()
    };
    assert_eq!(said(|event| matches!(event, Event::FirstSynOn { .. })), 1);
    assert_eq!(said(|event| matches!(event, Event::FirstSynOff { .. })), 1);
}

#[test]
fn first_syns_are_answered_where_that_is_set() {
    for (key, value) in [("drop-first-syn", "off"), ("syn-cookie-rate", "0")] {
        let mut world = world("xdp");
        world.settings.set(key, value).expect("valid");
        world.run(60, Traffic { over_budget: 20_000, ..ANSWERED });
        assert!(world.policy.orders().is_some_and(|orders| !orders.second_syn), "{key}");
    }
}

#[test]
fn a_crowd_is_known_while_first_syns_are_dropped() {
    // Each visitor's first SYN is dropped, and the second led to a connection.
    let numbers = AttackRates {
        syn_rate: 2_000.0,
        first_syn_rate: 1_000.0,
        answered_rate: 1_000.0,
        completed_rate: Some(950.0),
        ..AttackRates::default()
    };
    assert!(numbers.completes(0.75));
    assert!(!AttackRates { completed_rate: Some(700.0), ..numbers }.completes(0.75));
}

#[test]
fn refused_cookies_are_counted_whoever_has_sent_them() {
    let mut world = world("xdp");
    let refused = TcpCounters { cookies_failed: 40, cookies_received: 10, ..TcpCounters::default() };
    world.run(100, Traffic { cookies: refused, ..ANSWERED });
    let sent: Vec<u64> = world
        .said
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Say(Event::CookiesRefused { sent, .. }) => Some(*sent),
            _ => None,
        })
        .collect();
    assert!(matches!(sent[..], [sent] if sent > 100_000), "{sent:?}");
}

/// What comes back while the filter answers: so many valid cookies in a tick, and what the kernel makes of them.
fn returning(acks: u64, received: u64, failed: u64) -> Traffic {
    let cookies =
        TcpCounters { cookies_received: received, cookies_failed: failed, ..TcpCounters::default() };
    Traffic { cookie_acks: acks, cookies, ..ANSWERED }
}

#[test]
fn answers_that_come_to_nothing_are_given_up() {
    for (what, traffic, lost) in [
        ("all is well", returning(50, 50, 0), false),
        ("some are sent twice", returning(80, 50, 0), false),
        ("a firewall takes them", returning(50, 0, 0), true),
        ("it takes most of them", returning(50, 20, 0), true),
        ("the kernel refuses them", returning(50, 0, 50), true),
        ("nobody returns one", returning(0, 0, 0), false),
        ("one a second is swallowed", returning(1, 0, 0), true),
    ] {
        let mut world = world("xdp");
        world.run(60, traffic);
        let said: Vec<u64> = world
            .said
            .iter()
            .filter_map(|(tick, action)| {
                matches!(action, Action::Say(Event::AnswersLost { .. })).then_some(*tick)
            })
            .collect();
        assert_eq!(said.len(), usize::from(lost), "{what}: {said:?}");
        assert_eq!(world.policy.orders().is_none(), lost, "{what}");
        assert!(world.policy.wants_cookies(), "{what}: the kernel's are still wanted");
        // Within two seconds and a tick of the first answer, if there is enough to tell by.
        assert!(said.iter().all(|tick| *tick <= 15), "{what}: {said:?}");
    }
}

#[test]
fn what_was_given_up_is_tried_again_after_an_hour_or_when_asked_to() {
    let mut world = world("xdp");
    world.run(60, returning(50, 0, 0));
    world.run(80, PEOPLE);
    world.run(60, DISTRIBUTED);
    assert_eq!(world.policy.orders(), None, "not in the next attack either");
    world.settings.set("cookies", "auto").expect("valid");
    world.run(4, DISTRIBUTED);
    assert!(world.policy.orders().is_some());
    world.run(60, returning(50, 0, 0));
    assert_eq!(world.policy.orders(), None);
    world.run(4 * 3600, DISTRIBUTED);
    assert!(world.policy.orders().is_some());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    /// Whatever comes and is set: nothing is answered without cookies, no options without timestamps, nothing is put
    /// back before the answers that need it have ended, and in the end all is as it was.
    #[test]
    fn the_order_is_always_safe(
        pieces in proptest::collection::vec((1u64..60, 0usize..5, 0usize..7), 1..20),
    ) {
        let mut world = world("auto");
        for (ticks, traffic, setting) in pieces {
            let traffic = [
                PEOPLE, DISTRIBUTED, ANSWERED, Traffic { over_budget: 9_000, ..ANSWERED },
                Traffic { passed: 3_000, ..DISTRIBUTED },
            ][traffic];
            let (key, value) = [
                ("cookies", "auto"), ("cookies", "xdp"), ("cookies", "kernel"), ("cookies", "off"),
                ("syn-cookie-options", "true"), ("syn-cookie-options", "false"), ("monitor", "false"),
            ][setting];
            world.settings.set(key, value).expect("valid");
            world.run(ticks, traffic);
        }
        world.run(200, PEOPLE);
        let (mut cookies, mut timestamps, mut orders) = (false, false, None);
        let mut last_options = None;
        for (tick, action) in &world.said {
            match action {
                Action::RaiseCookies(_) => cookies = true,
                Action::RestoreCookies => cookies = false,
                Action::RaiseTimestamps(_) => timestamps = true,
                Action::RestoreTimestamps => {
                    timestamps = false;
                    if let Some(last) = last_options {
                        proptest::prop_assert!((tick - last) * TICK + TICK >= 2 * SECOND, "{:?}", done(&world));
                    }
                }
                Action::StopAnswering(_) => orders = None,
                Action::Answer(new, _) => orders = Some(*new),
                _ => {}
            }
            let options = orders.is_some_and(|orders| orders.options);
            if options {
                last_options = Some(tick);
            }
            proptest::prop_assert!(cookies || orders.is_none(), "{:?}", done(&world));
            proptest::prop_assert!(timestamps || !options, "{:?}", done(&world));
        }
        proptest::prop_assert!(!cookies && !timestamps && orders.is_none(), "{:?}", done(&world));
    }
}
