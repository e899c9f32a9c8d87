//! A filter with lists, and packets from addresses.

use std::net::IpAddr;

use synguard_common::{
    abi::Config,
    addr::HashSeed,
    ip_list::{List, ListEntry, Prefix, SCOPE_ALL},
    reason::Reason,
};
use synguard_datapath::{ListMaps, PrefixEntry};
use synguard_tests::{
    bpffs::Dirs,
    packet::Packet,
    testrun::{Filter, config},
};

/// The server.
pub(crate) const V4_TO: &str = "198.51.100.1";
/// The server.
pub(crate) const V6_TO: &str = "2001:db8:ffff::1";
/// Entries that a list may have.
pub(crate) const CAPACITY: u32 = 300_000;
const SEED: HashSeed = HashSeed([3, 5]);

/// A filter whose lists can be changed. They are opened again for each change, as every command does.
pub(crate) struct Listed {
    pub(crate) filter: Filter,
    dirs: Dirs,
}

impl Listed {
    pub(crate) fn new() -> Self {
        Self::with(config(1000, 2000))
    }

    pub(crate) fn with(config: Config) -> Self {
        let dirs = Dirs::new().unwrap();
        let filter = Filter::with_config(Config { hash_seed: SEED, ..config });
        filter.pin_lists(&dirs.bpffs());
        let listed = Self { filter, dirs };
        listed.change(|lists| lists.set_capacity(CAPACITY).unwrap());
        listed
    }

    /// Opens the lists and does something with them.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut ListMaps<'_>) -> T) -> T {
        let pins = self.dirs.bpffs();
        change(&mut ListMaps::open(&pins, SEED).unwrap())
    }

    pub(crate) fn add(&self, list: List, items: &[PrefixEntry]) {
        self.change(|lists| lists.add(list, items.to_vec())).unwrap();
    }

    pub(crate) fn replace(&self, list: List, items: &[PrefixEntry]) {
        self.change(|lists| lists.replace(list, items.to_vec())).unwrap();
    }

    pub(crate) fn reason(&self, packet: &Packet) -> Reason {
        self.filter.run(&packet.build()).reason().expect("one reason")
    }

    pub(crate) fn hits(&self, list: List, key: &Prefix) -> u64 {
        self.change(|lists| lists.entry(list, key)).unwrap().expect("an entry").hits
    }
}

/// A prefix written `ADDRESS/LENGTH`, or an address.
pub(crate) fn key(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().unwrap();
    let length: Option<u32> = length.map(|length| length.parse().unwrap());
    match address {
        IpAddr::V4(_) => Prefix::new(address.into(), 96 + length.unwrap_or(32)),
        IpAddr::V6(_) => Prefix::new(address.into(), length.unwrap_or(128)),
    }
}

/// An entry for good, of everything.
pub(crate) fn item(text: &str) -> PrefixEntry {
    (key(text), ListEntry { scope: SCOPE_ALL, ..ListEntry::default() })
}

/// A datagram from an address: the plainest packet that carries one.
pub(crate) fn datagram(from: IpAddr) -> Packet {
    ip(&from.to_string()).protocol(17).payload(&[0; 20])
}

/// The headers up to IP, from an address.
pub(crate) fn ip(from: &str) -> Packet {
    under(Packet::eth(), from)
}

/// An IP header from an address, under others.
pub(crate) fn under(packet: Packet, from: &str) -> Packet {
    match from.parse().unwrap() {
        IpAddr::V4(_) => packet.ipv4(from, V4_TO),
        IpAddr::V6(_) => packet.ipv6(from, V6_TO),
    }
}

/// A SYN from an address.
pub(crate) fn syn(from: &str) -> Packet {
    ip(from).tcp(40_000, 443).syn()
}

/// Numbers that look random (xorshift64*), the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
