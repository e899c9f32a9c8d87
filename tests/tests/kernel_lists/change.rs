//! Lists that change while packets come: an entry that stays is effective at every moment.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use synguard_common::{
    ip_list::{List, ListEntry},
    reason::Reason,
};
use synguard_datapath::PrefixEntry;
use synguard_tests::testrun::action;

use crate::setup::{CAPACITY, Listed, Random, datagram, item, key, syn};

/// Many single addresses, those of one round different from those of another.
fn many(count: u32, round: u32) -> Vec<PrefixEntry> {
    (0..count).map(|n| item(&Ipv4Addr::from(0x0b00_0000 + round * 0x0010_0000 + n).to_string())).collect()
}

/// Runs packets from these addresses without pause while `change` is at work, and returns how many. Each of them
/// must be dropped.
fn while_dropping(listed: &Listed, from: &[&str], change: impl FnOnce()) -> u64 {
    let stop = AtomicBool::new(false);
    let frames: Vec<Vec<u8>> = from.iter().map(|from| syn(from).build()).collect();
    thread::scope(|scope| {
        let (stop, frames) = (&stop, &frames);
        let runner = scope.spawn(move || {
            let mut runs = 0;
            while !stop.load(Ordering::Relaxed) {
                for frame in frames {
                    assert_eq!(listed.filter.run_uncounted(frame, 1), action::DROP, "run {runs}");
                    runs += 1;
                }
            }
            runs
        });
        change();
        stop.store(true, Ordering::Relaxed);
        runner.join().expect("every packet was dropped")
    })
}

const STAYS: [&str; 4] = ["192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8:5::5"];

fn stays() -> Vec<PrefixEntry> {
    ["192.0.2.1", "192.0.2.8/29", "2001:db8::1", "2001:db8:5::/48"].map(item).to_vec()
}

#[test]
fn replacing_a_list_lets_nothing_slip_through() {
    let listed = Listed::new();
    listed.replace(List::Block, &stays());
    let runs = while_dropping(&listed, &STAYS, || {
        for round in 0..40 {
            // The lengths of the prefixes come and go, and with them the places at which the datapath looks.
            let lengths = (8..8 + round % 17).map(|n| item(&format!("10.0.0.0/{n}")));
            let v6 = (33..33 + round % 13).map(|n| item(&format!("2a00::/{n}")));
            let mut items: Vec<PrefixEntry> = lengths.chain(v6).chain(many(2000, round)).collect();
            let place = (round as usize * 37) % items.len();
            items.splice(place..place, stays());
            listed.replace(List::Block, &items);
        }
    });
    println!("{runs} packets met one list or the other");
    assert!(runs > 1000);
    // Entries of the last list but one are gone.
    let gone = many(1, 38)[0].0;
    assert_eq!(listed.change(|lists| lists.entry(List::Block, &gone)).unwrap(), None);
    assert_eq!(
        listed.reason(&datagram(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + 38 * 0x0010_0000)))),
        Reason::NotTcp
    );
}

#[test]
fn resizing_a_list_lets_nothing_slip_through() {
    let listed = Listed::new();
    listed.add(List::Block, &stays());
    let runs = while_dropping(&listed, &STAYS, || {
        for round in 0..6 {
            listed.add(List::Block, &many(1500 << round, round));
            let keys: Vec<_> = many(1000, round).into_iter().map(|(key, _)| key).collect();
            assert_eq!(listed.change(|lists| lists.remove(List::Block, &keys)).unwrap(), 1000);
            // An entry that is put in the place of itself.
            listed.add(List::Block, &stays());
        }
    });
    println!("{runs} packets");
    assert!(runs > 1000);
    let left: u64 = (0..6).map(|round| (1500 << round) - 1000).sum::<u64>() + 4;
    assert_eq!(listed.change(|lists| lists.size(List::Block)).unwrap().entries, left);
    let mut found = 0;
    listed.change(|lists| lists.for_each(List::Block, |_, _| found += 1)).unwrap();
    assert_eq!(found, left);
}

/// A CPU caches list lookups for the current tick, but not beyond a change: most of these come within one tick.
#[test]
fn a_change_holds_for_the_next_packet() {
    let listed = Listed::new();
    let packet = datagram("192.0.2.1".parse().unwrap());
    // Neighbours that stay, so that both lists are asked every time.
    for list in List::ALL {
        listed.add(list, &[item("192.0.2.9")]);
    }
    for _ in 0..50 {
        for (list, reason) in [(List::Block, Reason::Blocked), (List::Allow, Reason::Allowed)] {
            listed.add(list, &[item("192.0.2.1")]);
            assert_eq!([listed.reason(&packet), listed.reason(&packet)], [reason; 2]);
        }
        for (list, reason) in [(List::Allow, Reason::Blocked), (List::Block, Reason::NotTcp)] {
            listed.change(|lists| lists.remove(list, &[key("192.0.2.1")])).unwrap();
            assert_eq!([listed.reason(&packet), listed.reason(&packet)], [reason; 2]);
        }
    }
}

#[test]
fn hits_survive_changes() {
    let listed = Listed::new();
    listed.add(List::Block, &[item("192.0.2.1")]);
    for expected in [2, 4, 6] {
        let _ = listed.reason(&syn("192.0.2.1"));
        let _ = listed.reason(&syn("192.0.2.1"));
        assert_eq!(listed.hits(List::Block, &key("192.0.2.1")), expected);
        // The same entry again; then many more, which need a larger hash; then another list.
        match expected {
            2 => listed.add(List::Block, &[item("192.0.2.1")]),
            4 => listed.add(List::Block, &many(5000, 0)),
            _ => listed.replace(List::Block, &[item("192.0.2.1"), item("192.0.2.7")]),
        }
        assert_eq!(listed.hits(List::Block, &key("192.0.2.1")), expected);
    }
}

#[test]
fn more_than_fits_is_refused_before_anything_changes() {
    let listed = Listed::new();
    listed.add(List::Block, &stays());
    let too_many = many(CAPACITY - 3, 0);
    for replace in [false, true] {
        let items = if replace { [too_many.clone(), stays()].concat() } else { too_many.clone() };
        let error = listed
            .change(|lists| match replace {
                true => lists.replace(List::Block, items),
                false => lists.add(List::Block, items),
            })
            .unwrap_err()
            .to_string();
        assert!(error.contains("300000") && error.contains("300001"), "{error}");
        assert_eq!(listed.change(|lists| lists.size(List::Block)).unwrap().entries, 4);
        assert_eq!(listed.reason(&syn("11.0.0.0")), Reason::SynPassed);
        assert_eq!(listed.reason(&syn("192.0.2.1")), Reason::BlockedSyn);
    }
    // Exactly full is fine, and so is putting entries in the place of themselves then.
    listed.add(List::Block, &too_many[..too_many.len() - 1]);
    listed.add(List::Block, &stays());
    let size = listed.change(|lists| lists.size(List::Block)).unwrap();
    assert_eq!((size.entries, size.capacity), (300_000, 300_000));
}

#[test]
fn an_emptied_list_is_no_list() {
    let listed = Listed::new();
    for list in List::ALL {
        listed.add(list, &[item("192.0.2.0/24"), item("2001:db8::/32")]);
        let removed = listed
            .change(|lists| lists.remove(list, &[key("192.0.2.0/24"), key("2001:db8::/32"), key("::1")]));
        assert_eq!(removed.unwrap(), 2);
        assert_eq!(listed.change(|lists| lists.size(list)).unwrap().entries, 0);
        listed.replace(list, &[item("192.0.2.0/24")]);
        listed.replace(list, &[]);
        assert_eq!(listed.change(|lists| lists.size(list)).unwrap().entries, 0);
        assert_eq!(listed.reason(&syn("192.0.2.1")), Reason::SynPassed);
    }
}

/// The last of several entries of one prefix counts, wherever it stands.
#[test]
fn the_last_of_several_entries_counts() {
    let listed = Listed::new();
    let mut random = Random(7);
    let entries: Vec<u64> = (0..10).map(|_| random.next() >> 1 | 1 << 62).collect();
    let items: Vec<PrefixEntry> = entries
        .iter()
        .map(|&expires_at_ns| (key("192.0.2.1"), ListEntry { expires_at_ns, ..ListEntry::default() }))
        .collect();
    listed.add(List::Block, &items);
    let entry = listed.change(|lists| lists.entry(List::Block, &key("192.0.2.1"))).unwrap().unwrap();
    assert_eq!(entry.expires_at_ns, entries[9]);
    assert_eq!(listed.change(|lists| lists.size(List::Block)).unwrap().entries, 1);
}
