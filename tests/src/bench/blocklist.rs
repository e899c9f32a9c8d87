//! The blocklists that the rows put into force.

use std::{net::Ipv4Addr, path::Path};

use anyhow::{Context as _, Result};
use synguard_common::{
    addr::Addr,
    ip_list::{List, ListEntry, Prefix},
};
use synguard_datapath::{ListMaps, PrefixEntry};

use crate::bench::workload::SEED;

/// First source of the flood, as a number.
pub(super) const FIRST: u32 = 0x0a00_0001;

/// Contents of the blocklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocklist {
    /// Nothing.
    Empty,
    /// This many single addresses, from the flood's first source on.
    Exact(u32),
    /// This many prefixes all over the address space, of /16 to /32; no prefix of /24 or shorter contains a source of
    /// the flood.
    Prefixes(u32),
}

impl Blocklist {
    pub(super) fn items(self) -> Vec<PrefixEntry> {
        match self {
            Self::Empty => Vec::new(),
            Self::Exact(count) => (0..count).map(|n| item(FIRST + n, 32)).collect(),
            Self::Prefixes(count) => prefixes(count as usize),
        }
    }

    /// Applies the list to the maps pinned in this folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(self, pins: &Path) -> Result<()> {
        let mut lists = ListMaps::open(pins, SEED)?;
        lists.set_capacity(u32::MAX)?;
        lists.replace(List::Block, self.items()).context("write the blocklist")
    }
}

fn item(address: u32, length: u32) -> PrefixEntry {
    let mapped = Addr::from(Ipv4Addr::from(address));
    (Prefix::new(mapped, 96 + length), ListEntry::default())
}

/// Lengths as they occur in published lists: mostly single addresses and /24, some of every other.
fn prefixes(count: usize) -> Vec<PrefixEntry> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        // xorshift64*: the same list in every run.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut items = Vec::with_capacity(count);
    while items.len() < count {
        let (number, choice) = (next(), next() >> 32);
        let length = match choice % 4 {
            0 => 32,
            1 => 24,
            _ => 16 + (choice >> 8) as u32 % 17,
        };
        let address = (number >> 32) as u32;
        let of_the_flood = address >> 24 == FIRST >> 24;
        if !of_the_flood || length > 24 {
            items.push(item(address, length));
        }
    }
    items
}
