//! A CPU's cache of the templates that it has looked up recently, so that the next SYNs on the same path need no lookup, be it
//! of the listener or of the template. Pure; each CPU has its own, so nothing here is shared.
//!
//! The cache holds only paths on which XDP may send cookies, never misses: forged SYNs to random ports and addresses add
//! nothing to it, and cost the lookup that they would cost without it.

use super::{listener::ListenerPath, template::SynAckShape};
use crate::addr::HashSeed;

/// Number of pairs of slots, a power of two.
pub const PAIRS: usize = 512;

/// A path to a listener, and the template for its SYN-ACKs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachedTemplate {
    /// The path, with the class of options.
    pub path: ListenerPath,
    /// Time of the lookup, in nanoseconds; 0: the slot is empty.
    pub at_ns: u64,
    /// Cookies that this CPU has sent since it last added them to the path's state.
    pub sent: u64,
    pub shape: SynAckShape,
}

/// The two possible slots of a path.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplatePair {
    pub slots: [CachedTemplate; 2],
}

/// Returns the index of a path's pair.
#[inline(always)]
pub const fn index(path: &ListenerPath, seed: HashSeed) -> usize {
    path.hash(seed) as usize & (PAIRS - 1)
}

impl TemplatePair {
    /// Returns the index of the slot of a path that was looked up less than `fresh_ns` ago.
    #[inline(always)]
    pub const fn hit(&self, path: &ListenerPath, fresh_ns: u64, now_ns: u64) -> Option<usize> {
        let [first, second] = &self.slots;
        if first.is_fresh(path, fresh_ns, now_ns) {
            Some(0)
        } else if second.is_fresh(path, fresh_ns, now_ns) {
            Some(1)
        } else {
            None
        }
    }

    /// Records a lookup: in the path's own slot, or else in the one with the earlier lookup. Returns the slot's index, and the
    /// cookies that this CPU had sent on the path and not yet added to its state.
    #[inline(always)]
    pub const fn insert(&mut self, path: &ListenerPath, shape: SynAckShape, now_ns: u64) -> (usize, u64) {
        let [first, second] = &self.slots;
        let (is_first, is_second) = (first.path.is(path), second.path.is(path));
        let index = if is_first || !is_second && first.at_ns <= second.at_ns { 0 } else { 1 };
        let unsettled = if is_first || is_second { self.slots[index].sent } else { 0 };
        self.slots[index] = CachedTemplate { path: *path, at_ns: now_ns, sent: 0, shape };
        (index, unsettled)
    }
}

impl CachedTemplate {
    #[inline(always)]
    const fn is_fresh(&self, path: &ListenerPath, fresh_ns: u64, now_ns: u64) -> bool {
        self.at_ns != 0 && now_ns.wrapping_sub(self.at_ns) < fresh_ns && self.path.is(path)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::addr::Addr;

    fn path(number: u32) -> ListenerPath {
        ListenerPath {
            address: Addr([0, u64::from(number % 3)]),
            port: number as u16,
            interface: 2,
            ..ListenerPath::default()
        }
    }

    fn shape(number: u32) -> SynAckShape {
        SynAckShape { mss: number as u16, ..SynAckShape::default() }
    }

    #[test]
    fn path_is_hit_only_while_fresh() {
        let mut pair = TemplatePair::default();
        assert!(pair.hit(&ListenerPath::default(), 100, 50).is_none(), "the cache is empty");
        pair.insert(&path(1), shape(1), 1000);
        assert!(pair.hit(&path(1), 100, 1000).is_some() && pair.hit(&path(1), 100, 1099).is_some());
        assert!(pair.hit(&path(1), 100, 1100).is_none());
        assert!(pair.hit(&path(1), 0, 1000).is_none());
        assert!(pair.hit(&path(1), 100, 999).is_none(), "the clock restarted");
        for other in [
            ListenerPath { port: 2, ..path(1) },
            ListenerPath { interface: 3, ..path(1) },
            ListenerPath { neighbour: 3, ..path(1) },
            ListenerPath { class: 3, ..path(1) },
            ListenerPath { address: Addr([9, 1]), ..path(1) },
        ] {
            assert!(pair.hit(&other, 100, 1000).is_none(), "{other:?}");
        }
    }

    #[test]
    fn paths_of_one_pair_do_not_evict_each_other() {
        let mut pair = TemplatePair::default();
        for now in 1..50 {
            pair.insert(&path(now as u32 % 2), shape(0), now);
            assert!(
                now == 1 || pair.hit(&path(0), 100, now).is_some() && pair.hit(&path(1), 100, now).is_some(),
                "{now}"
            );
        }
    }

    #[test]
    fn sent_cookies_are_returned_once() {
        let mut pair = TemplatePair::default();
        assert_eq!(pair.insert(&path(1), shape(1), 1000).1, 0);
        for _ in 0..5 {
            let slot = pair.hit(&path(1), 100, 1001).expect("fresh");
            pair.slots[slot].sent += 1;
        }
        assert_eq!(pair.insert(&path(2), shape(2), 1002).1, 0, "another path's");
        assert_eq!(pair.insert(&path(1), shape(1), 2000).1, 5);
        assert_eq!(pair.insert(&path(1), shape(1), 3000).1, 0);
    }

    proptest! {
        /// Every hit is for a path that was looked up recently, with the template of that lookup.
        #[test]
        fn hits_follow_recent_lookups(steps in prop::collection::vec((0u32..6, 0u64..40, any::<bool>()), 1..200)) {
            let mut pair = TemplatePair::default();
            let mut truth = HashMap::new();
            let mut now = 1;
            for (number, passed, look_up) in steps {
                now += passed;
                if let Some(slot) = pair.hit(&path(number), 100, now) {
                    prop_assert_eq!(pair.slots[slot].shape, shape(number));
                    let at = truth.get(&number).copied();
                    prop_assert!(at.is_some_and(|at| now - at < 100), "{:?} at {}", at, now);
                }
                if look_up {
                    truth.insert(number, now);
                    pair.insert(&path(number), shape(number), now);
                    prop_assert!(pair.hit(&path(number), 100, now).is_some());
                }
            }
        }
    }
}
