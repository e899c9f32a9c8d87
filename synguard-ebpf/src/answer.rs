//! Answers SYNs with SYN cookies, in the driver: which SYNs, and in which order it is asked what speaks against it.
//!
//! The kernel knows nothing of the answer. It gives the cookie, and takes the ACK that returns it for one to a cookie
//! of its own. What is not answered for want of sense goes on to the kernel, which has its own cookies; only what is
//! over a budget, or seen for the first time while that is the rule, is dropped.

mod budget;
pub(crate) mod cookie;
pub(crate) mod listener;
mod offer;
mod reply;
pub(crate) mod syn;

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::{
    abi::{Config, SourceKey},
    answer::ANSWER_ON,
    listener::Listener,
    offer::Offer,
    prefix,
    syn_ack::Terms,
    verdict::Reason,
};

use self::{
    cookie::Looked,
    syn::{Place, Plain, Seen},
};
use crate::{
    ack,
    filter::{clock, is_watching},
    maps,
    packet::{self, Packet},
    proven,
};

/// What becomes of a SYN that everything else has let pass for `reason`, and how long it was: an answer may have taken
/// its place.
#[inline(always)]
pub fn judge(ctx: &XdpContext, packet: &Packet, reason: Reason) -> (Reason, u64) {
    if matches!(reason, Reason::SynPassed | Reason::Untracked) && is_on() {
        let place = Place::of(packet);
        let offer = offer::of(ctx, place);
        if offer.is_odd() {
            return (Reason::OddSyn, packet::length(ctx));
        }
        let code = if place.is_v6() {
            synguard_answer_v6(ctx.ctx, place.0, offer.0, reason.index())
        } else {
            synguard_answer_v4(ctx.ctx, place.0, offer.0, reason.index())
        };
        return (Reason::of_index(code as u32).unwrap_or(reason), code >> 32);
    }
    (reason, packet::length(ctx))
}

/// What becomes of TCP that is no SYN.
#[inline(always)]
pub(crate) fn judge_other(ctx: &XdpContext, packet: &Packet) -> Reason {
    if packet.is_ack() && is_on() {
        return Reason::of_index(ack::judge(ctx, Place::of(packet))).unwrap_or(Reason::NotSyn);
    }
    Reason::NotSyn
}

/// Whether SYNs are answered.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    maps::answering().has(ANSWER_ON)
}

/// Answers the SYN at `place` with this offer, or says why not; `unanswered` is the index of the reason for which it
/// passes while nothing may be answered. Returns the index of the reason, and in its upper half the length of the frame as
/// it came.
///
/// A global function: the verifier examines it once, for any arguments, see `lists`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_answer_v4(ctx: *mut xdp_md, place: u64, offer: u64, unanswered: u32) -> u64 {
    let ctx = XdpContext::new(ctx);
    let bytes = packet::length(&ctx) << 32;
    let reason = answer::<false>(&ctx, Plain::at(Place(place)), Offer(offer), unanswered);
    bytes | u64::from(reason.map_or(unanswered, Reason::index))
}

/// The same for IPv6.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_answer_v6(ctx: *mut xdp_md, place: u64, offer: u64, unanswered: u32) -> u64 {
    let ctx = XdpContext::new(ctx);
    let bytes = packet::length(&ctx) << 32;
    let reason = answer::<true>(&ctx, Plain::at(Place(place)), Offer(offer), unanswered);
    bytes | u64::from(reason.map_or(unanswered, Reason::index))
}

/// `None` while nothing may be answered: `unanswered` it is then.
#[inline(always)]
fn answer<const V6: bool>(
    ctx: &XdpContext,
    place: Plain<V6>,
    offer: Offer,
    unanswered: u32,
) -> Option<Reason> {
    let (config, answering) = (maps::config(), maps::answering());
    let now_ns = clock();
    if !answering.is_on(now_ns) {
        return None;
    }
    let watching = is_watching(config, || now_ns);
    let Some(seen) = syn::read(ctx, place) else { return Some(Reason::OddSyn) };
    let interface = ctx.ingress_ifindex() as u32;
    let listener = Listener { address: seen.destination, port: seen.port(), interface };
    let mss = offer.mss_or_default(V6);
    let proven = answering.proven_ns != 0
        && proven::is(&source::<V6>(config, &seen), config.hash_seed, answering.proven_ns, now_ns);
    // What is remembered has been marked by the kernel, so that it takes cookies from the cheaper helper. Whoever had
    // a connection lately may mean to replace it by another of the same ports: that is for the kernel to know. Those are
    // the proven, and sources with an entry: all in calm, and in a crowd those that send many SYNs, such as proxies.
    let known = !proven
        && unanswered == Reason::Untracked.index()
        && listener::is_known(config, answering, &listener, now_ns);
    let mut cookie = 0;
    if !known {
        match cookie::look_up(ctx, place, &seen, mss) {
            Looked::Cookie(found) => cookie = found,
            Looked::Otherwise(reason) => return Some(reason),
        }
        listener::remember(config, &listener, now_ns);
    }
    let so_far = SoFar::new(cookie, known, proven, watching).forgotten()?;
    if let Some(refusal) = budget::refusal::<V6>(config, answering, &seen, now_ns) {
        return Some(match (so_far.proven(), so_far.watching()) {
            (true, _) => Reason::Proven,
            (false, true) => refusal.watched(),
            (false, false) => refusal,
        });
    }
    if so_far.watching() {
        return None;
    }
    let mut cookie = so_far.cookie();
    if so_far.known() {
        let Some(found) = cookie::raw(ctx, place, &seen, mss) else { return Some(Reason::CookieRefused) };
        cookie = found;
    }
    let announced = if V6 { answering.mss_v6 } else { answering.mss_v4 };
    let terms = Terms::new(answering, offer, &seen.syn, announced as u16);
    Some(reply::send(ctx, place, &seen, &terms, answering.hop_limit as u8, cookie, now_ns))
}

/// What was found out about a SYN, in one word that the verifier can be made to forget: it would examine all that follows
/// for each combination.
#[derive(Clone, Copy)]
struct SoFar(u64);

impl SoFar {
    const KNOWN: u64 = 1 << 32;
    const PROVEN: u64 = 1 << 33;
    const WATCHING: u64 = 1 << 34;

    #[inline(always)]
    fn new(cookie: u32, known: bool, proven: bool, watching: bool) -> Self {
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        let flags = flag(known, Self::KNOWN) | flag(proven, Self::PROVEN) | flag(watching, Self::WATCHING);
        Self(u64::from(cookie) | flags)
    }

    #[inline(always)]
    fn forgotten(self) -> Option<Self> {
        Some(Self(maps::forget(maps::cpu_state()?, self.0)))
    }

    #[inline(always)]
    fn cookie(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    fn known(self) -> bool {
        self.0 & Self::KNOWN != 0
    }

    #[inline(always)]
    fn proven(self) -> bool {
        self.0 & Self::PROVEN != 0
    }

    #[inline(always)]
    fn watching(self) -> bool {
        self.0 & Self::WATCHING != 0
    }
}

/// Whom the packet comes from.
#[inline(always)]
pub(crate) fn source<const V6: bool>(config: &Config, seen: &Seen) -> SourceKey {
    let mask = if V6 { config.source_mask_v6 } else { prefix::mask(128) };
    SourceKey { address: prefix::apply(seen.source, mask) }
}
