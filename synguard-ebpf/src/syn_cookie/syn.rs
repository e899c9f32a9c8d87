//! Replies to a SYN with a SYN cookie. Decides whether the SYN is eligible, and checks the reasons against a reply in
//! order.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::{
    reason::Reason,
    syn_cookie::{
        config::SYN_COOKIE_REQUIRE_RETRANSMIT,
        handshake,
        syn_ack::NegotiatedOptions,
        tcp_options::TcpOptions,
        template::{self, SHAPE_UNPROVEN, SynAckTemplate},
    },
};

use super::{
    cookie_helpers,
    headers::{HeaderOffsets, PlainHeaders},
    limits, options, paths,
    scratch::{SynHeaders, SynScratch},
    syn_ack, template_cache, validated_sources,
};
use crate::{clock, maps, parse, settings};

/// Replies to a SYN that passes for `reason`. Returns the final reason, and the length that the frame arrived with.
#[inline(always)]
pub(super) fn handle(ctx: &XdpContext, offsets: HeaderOffsets, reason: Reason) -> (Reason, u64) {
    let (options, bytes) = (options::read(ctx, offsets), parse::length(ctx));
    if options.is_unsupported() {
        return (Reason::SynUnsupported, bytes);
    }
    let (from, words) = (offsets.0, options.0);
    let code = if offsets.is_v6() {
        synguard_check_syn_v6(ctx.ctx, from, words, reason.index())
    } else {
        synguard_check_syn_v4(ctx.ctx, from, words, reason.index())
    };
    if code & REPLY == 0 {
        return (Reason::from_index(code).unwrap_or(reason), bytes);
    }
    let code = if offsets.is_v6() {
        synguard_reply_v6(ctx.ctx, from, words, code)
    } else {
        synguard_reply_v4(ctx.ctx, from, words, code)
    };
    (Reason::from_index(code).unwrap_or(reason), bytes)
}

/// Bit of a code: XDP may reply. Without it, the code is the index of a reason.
const REPLY: u32 = 1 << 31;
/// Bits of a code with [`REPLY`].
const VALIDATED: u32 = 1 << 30;
const FIRST: u32 = 1 << 29;
/// Bit of the state while a SYN is checked: its path's template is in the cache.
const CACHED: u32 = 1 << 28;

// Global functions: the verifier examines each once, for any arguments, see `ip_lists`. They hand each other the headers
// and the template through this CPU's `SynScratch`, which also spares their stacks.

/// Decides whether XDP replies to a SYN over IPv4; `pass_reason` is the index of the reason for which it passes while XDP
/// sends no cookies. Returns a code.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_check_syn_v4(ctx: *mut xdp_md, offsets: u64, options: u64, pass_reason: u32) -> u32 {
    let headers = PlainHeaders::at(HeaderOffsets(offsets));
    check::<false>(&XdpContext::new(ctx), headers, TcpOptions(options), pass_reason).unwrap_or(pass_reason)
}

/// Decides whether XDP replies to a SYN over IPv6, see [`synguard_check_syn_v4`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_check_syn_v6(ctx: *mut xdp_md, offsets: u64, options: u64, pass_reason: u32) -> u32 {
    let headers = PlainHeaders::at(HeaderOffsets(offsets));
    check::<true>(&XdpContext::new(ctx), headers, TcpOptions(options), pass_reason).unwrap_or(pass_reason)
}

/// Replies to a SYN over IPv4 that has been checked. Returns the index of the final reason.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_reply_v4(ctx: *mut xdp_md, offsets: u64, options: u64, code: u32) -> u32 {
    let headers = PlainHeaders::at(HeaderOffsets(offsets));
    reply::<false>(&XdpContext::new(ctx), headers, TcpOptions(options), code).index()
}

/// Replies to a SYN over IPv6, see [`synguard_reply_v4`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_reply_v6(ctx: *mut xdp_md, offsets: u64, options: u64, code: u32) -> u32 {
    let headers = PlainHeaders::at(HeaderOffsets(offsets));
    reply::<true>(&XdpContext::new(ctx), headers, TcpOptions(options), code).index()
}

/// Decides whether XDP replies to a SYN. Returns a code, or `None` while XDP sends no cookies.
#[inline(always)]
fn check<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    options: TcpOptions,
    pass_reason: u32,
) -> Option<u32> {
    let (config, cookies, scratch) = (maps::config(), maps::syn_cookies(), maps::syn_scratch()?);
    let now_ns = clock::now_ns();
    if !cookies.is_on(now_ns) {
        return None;
    }
    let Some(syn) = SynHeaders::read(ctx, headers) else { return Some(Reason::SynUnsupported.index()) };
    let interface = ctx.ingress_ifindex() as u32;
    scratch.path = syn.path(interface);
    scratch.class = syn.path(interface).with_class(template::class(options, syn.fields.ecn));
    scratch.syn = syn;
    let syn = &scratch.syn;
    let validated = cookies.validated_ns != 0
        && validated_sources::is_validated(
            &syn.source_key::<V6>(config),
            config.hash_seed,
            cookies.validated_ns,
            now_ns,
        );
    // The kernel has marked the listener of every path in the cache, and accepts cookies from the cheaper helper for it. A
    // client that had a connection lately may mean to replace it by another with the same ports, which only the kernel can
    // decide. Such clients are validated sources, and sources with an entry: without pressure all of them, under
    // pressure those that send many SYNs, such as proxies.
    let is_cached = template_cache::load(config, cookies, scratch, now_ns);
    let state = flag(is_cached, CACHED) | flag(validated, VALIDATED);
    // Unknown to the verifier, which would otherwise examine all that follows for each combination.
    let state = maps::make_unknown(maps::cpu_state()?, state.into()) as u32;
    let (is_cached, validated) = (state & CACHED != 0, state & VALIDATED != 0);
    if (!is_cached || validated || pass_reason != Reason::Untracked.index())
        && let Err(reason) = cookie_helpers::look_up(ctx, headers, &scratch.syn, options.mss_or_default(V6))
    {
        return Some(reason.index());
    }
    if !is_cached && let Err(reason) = verify(scratch, now_ns) {
        record_sample(ctx, headers, options, scratch, now_ns);
        return Some(reason.index());
    }
    let is_unproven = scratch.shape.has(SHAPE_UNPROVEN);
    let requires_retransmit = cookies.has(SYN_COOKIE_REQUIRE_RETRANSMIT);
    let is_first = (is_unproven || requires_retransmit) && limits::is_first(config, &scratch.syn, now_ns);
    if is_unproven
        && !is_first
        && limits::takes_sample(scratch.syn.fields.sequence, requires_retransmit, now_ns)
    {
        record_sample(ctx, headers, options, scratch, now_ns);
        return Some(Reason::KernelSample.index());
    }
    Some(REPLY | flag(validated, VALIDATED) | flag(is_first, FIRST) | pass_reason)
}

#[inline(always)]
const fn flag(is_set: bool, flag: u32) -> u32 {
    if is_set { flag } else { 0 }
}

/// Replies to a SYN that [`check`] has put into this CPU's `SynScratch`.
#[inline(always)]
fn reply<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    options: TcpOptions,
    code: u32,
) -> Reason {
    let pass_reason = Reason::from_index(code & !(REPLY | VALIDATED | FIRST)).unwrap_or(Reason::Untracked);
    let Some(scratch) = maps::syn_scratch() else { return pass_reason };
    let (config, cookies) = (maps::config(), maps::syn_cookies());
    let (syn, shape) = (&scratch.syn, &scratch.shape);
    let now_ns = clock::now_ns();
    let monitoring = settings::is_monitoring(config, || now_ns);
    if let Some(refusal) = limits::check::<V6>(config, cookies, syn, code & FIRST != 0, now_ns) {
        return match (code & VALIDATED != 0, monitoring) {
            (true, _) => Reason::ValidatedSource,
            (false, true) => refusal.monitored(),
            (false, false) => refusal,
        };
    }
    if monitoring {
        return pass_reason;
    }
    let mss = options.mss_or_default(V6);
    let encoded_mss = if mss < shape.cookie_mss { mss } else { shape.cookie_mss };
    let Some(cookie) = cookie_helpers::raw(ctx, headers, syn, encoded_mss) else {
        return Reason::CookieUnavailable;
    };
    let negotiated = NegotiatedOptions::new(cookies, options, &syn.fields, shape);
    let reason = syn_ack::write(ctx, headers, syn, &negotiated, shape, cookie, now_ns);
    template_cache::count_sent(scratch);
    reason
}

/// Puts the template of a path that is not in the cache into the scratch space, and caches it.
///
/// # Errors
///
/// The reason for which the SYN goes to the kernel: XDP must not reply on this path, or the SYN is the next sample.
#[inline(always)]
fn verify(scratch: &mut SynScratch, now_ns: u64) -> Result<(), Reason> {
    let unproven = paths::verified(&scratch.path, now_ns);
    let template = maps::template(&scratch.class);
    let (Some(unproven), Some(template)) = (unproven, template) else { return Err(Reason::UnverifiedPath) };
    // SAFETY: the map's value lives as long as the program run, and consists of integers. The egress program may write it
    // meanwhile: a mixture of two shapes, should the kernel's SYN-ACKs just have changed, lasts until the next lookup.
    let current: &SynAckTemplate = unsafe { template.as_ref() }.ok_or(Reason::UnverifiedPath)?;
    let is_fresh = current.is_fresh(now_ns);
    if !is_fresh || current.is_sample_due(now_ns) {
        // SAFETY: as above; one aligned store.
        unsafe { (&raw mut (*template).sampled_ns).write_volatile(now_ns) };
        return Err(if is_fresh { Reason::KernelSample } else { Reason::UnverifiedPath });
    }
    scratch.shape = template_cache::copied(&current.shape);
    if unproven {
        scratch.shape.flags |= SHAPE_UNPROVEN;
    }
    let sent = template_cache::insert(scratch, now_ns);
    paths::add_sent(&scratch.path, sent);
    Ok(())
}

/// Records a SYN that goes to the kernel as a sample.
#[inline(always)]
fn record_sample<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    options: TcpOptions,
    scratch: &SynScratch,
    now_ns: u64,
) {
    let syn = &scratch.syn;
    // Without a cookie to compare with, the SYN-ACK could show nothing.
    if let Some(cookie) = cookie_helpers::raw(ctx, headers, syn, options.mss_or_default(V6)) {
        let offer = handshake::offer(options, syn.fields.ecn);
        paths::record_sample(
            &scratch.path,
            syn.tag(syn.fields.sequence, maps::config()),
            cookie,
            offer,
            now_ns,
        );
    }
}
