//! The evidence about listener paths, see `synguard_common::syn_cookie::listener`.

use synguard_common::syn_cookie::{
    handshake::{self, Handshake},
    listener::{ListenerPath, PathState},
};

use crate::{atomic::SharedU64, maps};

/// Reports whether XDP may send cookies on a path, and whether none has led to a connection yet.
#[inline(always)]
pub(super) fn verified(path: &ListenerPath, now_ns: u64) -> Option<bool> {
    // SAFETY: the map's value lives as long as the program run, and consists of integers. Other CPUs write single fields
    // meanwhile, so what is read here need not be of one moment.
    let state: &PathState = unsafe { maps::path(path)?.as_ref() }?;
    state.is_verified(now_ns).then_some(state.is_unproven(now_ns))
}

/// Adds to the number of cookies that XDP has sent on a path.
#[inline(always)]
pub(super) fn add_sent(path: &ListenerPath, sent: u64) {
    if sent != 0
        && let Some(state) = maps::path(path)
    {
        // SAFETY: as above.
        add_many(unsafe { &raw mut (*state).xdp.sent }, sent);
    }
}

/// Counts the return of a cookie, once for each handshake: the kernel's if the SYN was a sample, XDP's otherwise.
#[inline(always)]
pub(super) fn returned(path: &ListenerPath, tag: u64, now_ns: u64) {
    let Some(cell) = maps::handshake(handshake::index(tag)) else { return };
    // SAFETY: the map's value lives as long as the program run; other CPUs may write the cell meanwhile, see
    // `record_sample`.
    let found = unsafe { cell.read_volatile() };
    let is_known = found.tag == tag;
    let state = match found.state {
        handshake::VERIFIED if is_known => handshake::KERNEL_RETURNED,
        _ if is_known => return,
        _ => handshake::XDP_RETURNED,
    };
    // SAFETY: as above.
    unsafe { cell.write_volatile(Handshake { tag, at_ns: now_ns, state, ..found }) };
    let Some(path) = maps::path(path) else { return };
    // SAFETY: as above.
    add(unsafe { if is_known { &raw mut (*path).kernel.returned } else { &raw mut (*path).xdp.returned } });
}

/// Counts a handshake whose cookie came back and led to a connection.
#[inline(always)]
pub(super) fn accepted(path: &ListenerPath, tag: u64, now_ns: u64) {
    let Some(cell) = maps::handshake(handshake::index(tag)) else { return };
    // SAFETY: as in `returned`.
    let (found_tag, state) =
        unsafe { ((&raw const (*cell).tag).read_volatile(), (&raw const (*cell).state).read_volatile()) };
    let is_kernel = state == handshake::KERNEL_RETURNED;
    if found_tag != tag || !is_kernel && state != handshake::XDP_RETURNED {
        return;
    }
    // SAFETY: as in `returned`.
    unsafe { (&raw mut (*cell).state).write_volatile(handshake::ACCEPTED) };
    let Some(path) = maps::path(path) else { return };
    // SAFETY: as in `returned`; an aligned store.
    unsafe {
        if is_kernel {
            add(&raw mut (*path).kernel.accepted);
        } else {
            add(&raw mut (*path).xdp.accepted);
            (&raw mut (*path).proven_ns).write_volatile(now_ns);
        }
    }
}

/// Adds one to a field of a map's value.
#[inline(always)]
pub(crate) fn add(field: *mut u64) {
    add_many(field, 1);
}

#[inline(always)]
fn add_many(field: *mut u64, count: u64) {
    // SAFETY: the field is aligned, and its map's value lives as long as the program run.
    unsafe { SharedU64::new(field) }.add(count);
}

/// Records a SYN that is passed to the kernel as a sample. Another CPU may write the same cell at the same time; the
/// handshake then counts for neither.
#[inline(always)]
pub(super) fn record_sample(path: &ListenerPath, tag: u64, cookie: u32, offer: u32, now_ns: u64) {
    if let Some(cell) = maps::handshake(handshake::index(tag)) {
        // SAFETY: as above; aligned stores. Field by field: a whole handshake would take up stack.
        unsafe {
            (&raw mut (*cell).state).write_volatile(handshake::SAMPLED);
            (&raw mut (*cell).at_ns).write_volatile(now_ns);
            (&raw mut (*cell).neighbour).write_volatile(path.neighbour);
            (&raw mut (*cell).interface).write_volatile(path.interface);
            (&raw mut (*cell).cookie).write_volatile(cookie);
            (&raw mut (*cell).offer).write_volatile(offer);
            (&raw mut (*cell).tag).write_volatile(tag);
        }
    }
}
