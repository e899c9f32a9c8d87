//! The XDP program and its maps as seen from userspace. Only this crate depends on aya.
//!
//! The pinned maps are the single runtime truth. Each command opens them, does its work and closes them, with or
//! without a running controller. Only a controller keeps links open (`held_pins`), and the pins keep them as well, so the
//! death of a process changes nothing.

mod attach;
mod bpf_syscall;
mod egress;
mod event_stream;
mod former_pins;
mod held_pins;
mod inspect;
mod ip_lists;
mod links;
mod listener_paths;
mod load;
mod mapped_array;
mod maps;
mod pinned_map;
mod pins;
mod snapshot;
mod syn_cookie;
mod table_scan;

pub use self::{
    attach::{AttachReport, AttachRequest, reattach, remove},
    egress::{EgressWatch, detach_leftover},
    event_stream::EventStream,
    held_pins::{HeldPins, PinState},
    ip_lists::{ListMaps, ListSize, PrefixEntry, PrefixLookup},
    links::{Attached, attached, detach, rename},
    maps::Datapath,
    pins::is_pinned,
    table_scan::{Budget, Coverage, ScanMethod},
};

/// The compiled XDP program.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/synguard-ebpf"));
