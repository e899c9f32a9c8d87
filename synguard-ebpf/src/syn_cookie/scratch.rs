//! The SYN or ACK that a CPU is deciding about: its header fields, and what is known of its path.

use synguard_common::{
    abi::Config,
    addr::{Addr, Mask},
    source::SourceKey,
    syn_cookie::{listener::ListenerPath, seen_syns, syn_ack::SynFields, template::SynAckShape},
};

/// The header fields of a SYN or an ACK.
#[derive(Clone, Copy)]
pub(crate) struct SynHeaders {
    /// Source address, IPv4 in IPv4-mapped form.
    pub(crate) source: Addr,
    /// Destination address, IPv4 in IPv4-mapped form.
    pub(crate) destination: Addr,
    /// The neighbour that sent the frame, see [`synguard_common::syn_cookie::listener::neighbour`].
    pub(crate) neighbour: u64,
    pub(crate) fields: SynFields,
}

impl SynHeaders {
    /// Returns the destination port.
    #[inline(always)]
    pub(crate) fn port(&self) -> u32 {
        self.fields.ports & 0xffff
    }

    /// Returns the path on which the packet came, through this interface.
    #[inline(always)]
    pub(crate) fn path(&self, interface: u32) -> ListenerPath {
        ListenerPath {
            address: self.destination,
            neighbour: self.neighbour,
            interface,
            port: self.port() as u16,
            class: 0,
        }
    }

    /// Returns the hash that identifies the handshake of the client's SYN with this initial sequence number.
    #[inline(always)]
    pub(crate) fn tag(&self, sequence: u32, config: &Config) -> u64 {
        seen_syns::syn_hash(self.source, self.destination, self.fields.ports, sequence, config.hash_seed)
    }

    /// Returns the rate-limit key of the source address.
    #[inline(always)]
    pub(crate) fn source_key<const V6: bool>(&self, config: &Config) -> SourceKey {
        let mask = if V6 { config.source_mask_v6 } else { Mask::ALL };
        SourceKey { address: self.source.masked(mask) }
    }
}

/// The SYN that this CPU is deciding about, for the functions that do so in turn. Userspace does not read it.
#[repr(C)]
pub(crate) struct SynScratch {
    pub(crate) syn: SynHeaders,
    /// The path of the SYN.
    pub(crate) path: ListenerPath,
    /// The path with the class of the SYN's options.
    pub(crate) class: ListenerPath,
    /// The template of the path and class, once it is looked up.
    pub(crate) shape: SynAckShape,
    /// Index of the template's pair in the cache, and of its slot there.
    pub(crate) pair: u32,
    pub(crate) slot: u32,
}
