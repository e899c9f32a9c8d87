//! Replies to a SYN with a SYN cookie. Decides whether the SYN is eligible, and checks the reasons against a reply in
//! order.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use synguard_common::{
    reason::Reason,
    syn_cookie::{listener_cache::ListenerKey, syn_ack::NegotiatedOptions, tcp_options::TcpOptions},
};

use super::{
    cookie_helpers::{self, CookieLookup},
    headers::{HeaderOffsets, PlainHeaders, SynHeaders},
    limits, listener_cache, options, syn_ack, validated_sources,
};
use crate::{clock, maps, parse, settings};

/// Replies to a SYN that passes for `reason`. Returns the final reason, and the length that the frame arrived with.
#[inline(always)]
pub(super) fn handle(ctx: &XdpContext, offsets: HeaderOffsets, reason: Reason) -> (Reason, u64) {
    let options = options::read(ctx, offsets);
    if options.is_unsupported() {
        return (Reason::SynUnsupported, parse::length(ctx));
    }
    let code = if offsets.is_v6() {
        synguard_syn_cookie_v6(ctx.ctx, offsets.0, options.0, reason.index())
    } else {
        synguard_syn_cookie_v4(ctx.ctx, offsets.0, options.0, reason.index())
    };
    (Reason::from_index(code as u32).unwrap_or(reason), code >> 32)
}

/// Replies to a SYN over IPv4; `pass_reason` is the index of the reason for which it passes while XDP sends no cookies.
/// Returns the index of the final reason, and in the upper half the length that the frame arrived with.
///
/// A global function: the verifier examines it once, for any arguments, see `ip_lists`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_syn_cookie_v4(ctx: *mut xdp_md, offsets: u64, options: u64, pass_reason: u32) -> u64 {
    let ctx = XdpContext::new(ctx);
    let bytes = parse::length(&ctx) << 32;
    let headers = PlainHeaders::at(HeaderOffsets(offsets));
    let reason = reply::<false>(&ctx, headers, TcpOptions(options), pass_reason);
    bytes | u64::from(reason.map_or(pass_reason, Reason::index))
}

/// Replies to a SYN over IPv6, see [`synguard_syn_cookie_v4`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn synguard_syn_cookie_v6(ctx: *mut xdp_md, offsets: u64, options: u64, pass_reason: u32) -> u64 {
    let ctx = XdpContext::new(ctx);
    let bytes = parse::length(&ctx) << 32;
    let headers = PlainHeaders::at(HeaderOffsets(offsets));
    let reason = reply::<true>(&ctx, headers, TcpOptions(options), pass_reason);
    bytes | u64::from(reason.map_or(pass_reason, Reason::index))
}

/// Replies to a SYN. Returns `None` while XDP sends no cookies: the SYN then passes for `pass_reason`.
#[inline(always)]
fn reply<const V6: bool>(
    ctx: &XdpContext,
    headers: PlainHeaders<V6>,
    options: TcpOptions,
    pass_reason: u32,
) -> Option<Reason> {
    let (config, cookies) = (maps::config(), maps::syn_cookies());
    let now_ns = clock::now_ns();
    if !cookies.is_on(now_ns) {
        return None;
    }
    let monitoring = settings::is_monitoring(config, || now_ns);
    let Some(syn) = SynHeaders::read(ctx, headers) else { return Some(Reason::SynUnsupported) };
    let interface = ctx.ingress_ifindex() as u32;
    let listener = ListenerKey { address: syn.destination, port: syn.port(), interface };
    let mss = options.mss_or_default(V6);
    let validated = cookies.validated_ns != 0
        && validated_sources::is_validated(
            &syn.source_key::<V6>(config),
            config.hash_seed,
            cookies.validated_ns,
            now_ns,
        );
    // The kernel has marked every listener in the cache, and accepts cookies from the cheaper helper for it. A client
    // that had a connection lately may mean to replace it by another with the same ports, which only the kernel can
    // decide. Such clients are validated sources, and sources with an entry: without pressure all of them, under
    // pressure those that send many SYNs, such as proxies.
    let cached = !validated
        && pass_reason == Reason::Untracked.index()
        && listener_cache::hit(config, cookies, &listener, now_ns);
    let mut cookie = 0;
    if !cached {
        match cookie_helpers::look_up(ctx, headers, &syn, mss) {
            CookieLookup::Cookie(found) => cookie = found,
            CookieLookup::Refused(reason) => return Some(reason),
        }
        listener_cache::insert(config, &listener, now_ns);
    }
    let state = SynState::new(cookie, cached, validated, monitoring).made_unknown()?;
    if let Some(refusal) = limits::check::<V6>(config, cookies, &syn, now_ns) {
        return Some(match (state.validated(), state.monitoring()) {
            (true, _) => Reason::ValidatedSource,
            (false, true) => refusal.monitored(),
            (false, false) => refusal,
        });
    }
    if state.monitoring() {
        return None;
    }
    let mut cookie = state.cookie();
    if state.cached() {
        let Some(found) = cookie_helpers::raw(ctx, headers, &syn, mss) else {
            return Some(Reason::CookieUnavailable);
        };
        cookie = found;
    }
    let announced = if V6 { cookies.mss_v6 } else { cookies.mss_v4 };
    let negotiated = NegotiatedOptions::new(cookies, options, &syn.fields, announced as u16);
    Some(syn_ack::write(ctx, headers, &syn, &negotiated, cookies.hop_limit as u8, cookie, now_ns))
}

/// The state of a SYN up to the rate limits, in one word that can be made unknown to the verifier: otherwise it would
/// examine the following code for each combination.
#[derive(Clone, Copy)]
struct SynState(u64);

impl SynState {
    const CACHED: u64 = 1 << 32;
    const VALIDATED: u64 = 1 << 33;
    const MONITORING: u64 = 1 << 34;

    #[inline(always)]
    fn new(cookie: u32, cached: bool, validated: bool, monitoring: bool) -> Self {
        let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
        let flags = flag(cached, Self::CACHED)
            | flag(validated, Self::VALIDATED)
            | flag(monitoring, Self::MONITORING);
        Self(u64::from(cookie) | flags)
    }

    #[inline(always)]
    fn made_unknown(self) -> Option<Self> {
        Some(Self(maps::make_unknown(maps::cpu_state()?, self.0)))
    }

    #[inline(always)]
    fn cookie(self) -> u32 {
        self.0 as u32
    }

    /// Reports whether the listener was in the cache, so that `cookie` is still to be generated.
    #[inline(always)]
    fn cached(self) -> bool {
        self.0 & Self::CACHED != 0
    }

    #[inline(always)]
    fn validated(self) -> bool {
        self.0 & Self::VALIDATED != 0
    }

    #[inline(always)]
    fn monitoring(self) -> bool {
        self.0 & Self::MONITORING != 0
    }
}
