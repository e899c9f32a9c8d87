//! Observes the kernel's own SYN-ACKs as they leave, see `synguard_common::syn_cookie::listener`. Changes nothing.

use core::mem::{MaybeUninit, offset_of};

use aya_ebpf::programs::TcContext;
use network_types::{
    eth::EthHdr,
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
};
use synguard_common::{
    addr::Addr,
    syn_cookie::{
        config::SYN_COOKIE_ON,
        handshake::{self, Handshake},
        listener::{self, ListenerPath, PathState},
        seen_syns,
        syn_ack::SynFields,
        template::{
            self, SHAPE_DONT_FRAGMENT, SHAPE_FLOW_LABEL, SynAckShape, SynAckTemplate, TCP_WORDS,
            TCP_WORDS_MSS_ONLY,
        },
    },
};

use crate::{
    clock,
    frame::{Header, header},
    maps,
    parse::{IPV4, IPV6, VLAN_TAG_LEN, VLAN_TAG_NEXT, flags, is_vlan},
    syn_cookie::{cookie_helpers, paths},
};

/// A SYN-ACK that leaves, with the client as the source of its handshake.
struct SynAck {
    client: Addr,
    server: Addr,
    /// Client port in the upper half, server port in the lower.
    ports: u32,
    /// The client's initial sequence number.
    client_sequence: u32,
    sequence: u32,
    hop_limit: u8,
    traffic_class: u8,
    flags: u8,
    /// Offset of the TCP header, in bytes.
    tcp: usize,
    /// Length of the TCP header, in words.
    words: usize,
}

/// Observes a packet that leaves. Returns `None` as soon as it is no SYN-ACK to learn from.
#[inline(always)]
pub fn observe(ctx: &TcContext) -> Option<()> {
    if !maps::syn_cookies().has(SYN_COOKIE_ON) {
        return None;
    }
    let ethernet = header(ctx, 0, EthHdr::LEN)?;
    const TYPE: usize = offset_of!(EthHdr, ether_type);
    let outer: u16 = ethernet.read(TYPE);
    let mut tags = [0u16; 2];
    let syn_ack = if is_vlan(outer) {
        let tag = header(ctx, EthHdr::LEN, VLAN_TAG_LEN)?;
        tags[0] = u16::from_be(tag.read(0));
        let inner: u16 = tag.read(VLAN_TAG_NEXT);
        if is_vlan(inner) {
            let tag = header(ctx, EthHdr::LEN + VLAN_TAG_LEN, VLAN_TAG_LEN)?;
            tags[1] = u16::from_be(tag.read(0));
            read_ip::<{ EthHdr::LEN + 2 * VLAN_TAG_LEN }>(ctx, tag.read(VLAN_TAG_NEXT))?
        } else {
            read_ip::<{ EthHdr::LEN + VLAN_TAG_LEN }>(ctx, inner)?
        }
    } else {
        read_ip::<{ EthHdr::LEN }>(ctx, outer)?
    };
    // SAFETY: the context is the kernel's; the verifier turns these into loads of the packet's fields.
    let (tagged, control, interface) = unsafe {
        let skb = ctx.skb.skb;
        ((*skb).vlan_present, (*skb).vlan_tci as u16, (*skb).ifindex)
    };
    if tagged != 0 {
        tags = [control, tags[0]];
    }
    const TO: usize = offset_of!(EthHdr, dst_addr);
    let neighbour = listener::neighbour(ethernet.read(TO), ethernet.read(TO + 4), tags[0], tags[1]);
    learn(ctx, &syn_ack, neighbour, (interface, tags[0]))
}

/// Reads a SYN-ACK whose IP header begins at `AT`.
#[inline(always)]
fn read_ip<const AT: usize>(ctx: &TcContext, ether_type: u16) -> Option<SynAck> {
    match ether_type {
        IPV4 => read_v4(header(ctx, AT, Ipv4Hdr::LEN + TcpHdr::LEN)?, AT),
        IPV6 => read_v6(header(ctx, AT, Ipv6Hdr::LEN + TcpHdr::LEN)?, AT),
        _ => None,
    }
}

const TCP: u8 = 6;

#[inline(always)]
fn read_v4(ip: Header, at: usize) -> Option<SynAck> {
    const DONT_FRAGMENT: u16 = 0x4000;
    let (version, protocol): (u8, u8) = (ip.read(0), ip.read(offset_of!(Ipv4Hdr, proto)));
    if version != 0x45 || protocol != TCP || !is_syn_ack(ip, Ipv4Hdr::LEN) {
        return None;
    }
    let fragment = u16::from_be(ip.read(offset_of!(Ipv4Hdr, frags)));
    if fragment & !DONT_FRAGMENT != 0 {
        return None;
    }
    Some(SynAck {
        client: Addr::from_v4(ip.read(offset_of!(Ipv4Hdr, dst_addr))),
        server: Addr::from_v4(ip.read(offset_of!(Ipv4Hdr, src_addr))),
        hop_limit: ip.read(offset_of!(Ipv4Hdr, ttl)),
        traffic_class: ip.read(offset_of!(Ipv4Hdr, tos)),
        flags: if fragment & DONT_FRAGMENT != 0 { SHAPE_DONT_FRAGMENT } else { 0 },
        tcp: at + Ipv4Hdr::LEN,
        ..read_tcp(ip, Ipv4Hdr::LEN)
    })
}

#[inline(always)]
fn read_v6(ip: Header, at: usize) -> Option<SynAck> {
    let next: u8 = ip.read(offset_of!(Ipv6Hdr, next_hdr));
    if next != TCP || !is_syn_ack(ip, Ipv6Hdr::LEN) {
        return None;
    }
    let read = |at: usize| Addr([ip.read(at), ip.read(at + 8)]);
    let start = u32::from_be(ip.read(0));
    Some(SynAck {
        client: read(offset_of!(Ipv6Hdr, dst_addr)),
        server: read(offset_of!(Ipv6Hdr, src_addr)),
        hop_limit: ip.read(offset_of!(Ipv6Hdr, hop_limit)),
        traffic_class: (start >> 20) as u8,
        flags: if start & 0xf_ffff != 0 { SHAPE_FLOW_LABEL } else { 0 },
        tcp: at + Ipv6Hdr::LEN,
        ..read_tcp(ip, Ipv6Hdr::LEN)
    })
}

#[inline(always)]
fn is_syn_ack(ip: Header, at: usize) -> bool {
    const FLAGS: usize = 13;
    let set: u8 = ip.read(at + FLAGS);
    set & (flags::SYN | flags::ACK | flags::RST | flags::FIN) == flags::SYN | flags::ACK
}

/// Reads the fixed part of the TCP header; the other fields are zeros.
#[inline(always)]
fn read_tcp(ip: Header, at: usize) -> SynAck {
    const DATA_OFFSET: usize = 12;
    let offset: u8 = ip.read(at + DATA_OFFSET);
    let ports = u32::from_be(ip.read(at));
    let acknowledged = u32::from_be(ip.read(at + offset_of!(TcpHdr, ack_seq)));
    SynAck {
        client: Addr::UNSPECIFIED,
        server: Addr::UNSPECIFIED,
        ports: ports.rotate_left(16),
        client_sequence: acknowledged.wrapping_sub(1),
        sequence: u32::from_be(ip.read(at + offset_of!(TcpHdr, seq))),
        hop_limit: 0,
        traffic_class: 0,
        flags: 0,
        tcp: 0,
        words: usize::from(offset >> 4),
    }
}

/// Compares a SYN-ACK with the sample that it replies to, if there is one, and records the evidence and the template.
#[inline(always)]
fn learn(ctx: &TcContext, syn_ack: &SynAck, neighbour: u64, (interface, tag): (u32, u16)) -> Option<()> {
    let (config, now_ns) = (maps::config(), clock::now_ns());
    let hash = seen_syns::syn_hash(
        syn_ack.client,
        syn_ack.server,
        syn_ack.ports,
        syn_ack.client_sequence,
        config.hash_seed,
    );
    let cell = maps::handshake(handshake::index(hash))?;
    // SAFETY: the map's value lives as long as the program run; other CPUs may write the cell meanwhile, in which case the
    // tag does not match, or the handshake counts for neither.
    let sample: Handshake = unsafe { cell.read_volatile() };
    if !sample.expects_syn_ack(hash, now_ns) {
        return None;
    }
    let path = ListenerPath {
        address: syn_ack.server,
        neighbour: sample.neighbour,
        interface: sample.interface,
        port: syn_ack.ports as u16,
        class: 0,
    };
    let state = path_state(&path)?;
    // SAFETY: as above; aligned fields.
    let [verified, elsewhere, foreign] = unsafe {
        [&raw mut (*state).verified_ns, &raw mut (*state).elsewhere_ns, &raw mut (*state).foreign_ns]
    };
    let class = path.with_class(template::class(sample.options(), sample.ecn()));
    let is_back = neighbour == sample.neighbour && interface == sample.interface;
    let encoded = if is_back { encoded_mss(syn_ack, &sample, &class) } else { None };
    let Some(cookie_mss) = encoded else {
        // SAFETY: as above.
        unsafe { (if is_back { foreign } else { elsewhere }).write_volatile(now_ns) };
        return None;
    };
    // SAFETY: as above.
    unsafe {
        verified.write_volatile(now_ns);
        (&raw mut (*cell).state).write_volatile(handshake::VERIFIED);
        paths::add(&raw mut (*state).kernel.sent);
    }
    let words = read_words(ctx, syn_ack.tcp, syn_ack.words)?;
    let shape = template::read_syn_ack(&words, syn_ack.words, sample.options(), sample.ecn(), now_ns)?;
    let shape = SynAckShape {
        cookie_mss,
        hop_limit: syn_ack.hop_limit,
        traffic_class: syn_ack.traffic_class,
        flags: shape.flags | syn_ack.flags,
        priority: tag & 0xf000,
        ..shape
    };
    store(&class, shape, now_ns);
    Some(())
}

/// Returns the state of a path, which it adds if there is none.
#[inline(always)]
fn path_state(path: &ListenerPath) -> Option<*mut PathState> {
    if let Some(state) = maps::path(path) {
        return Some(state);
    }
    insert_empty(path);
    maps::path(path)
}

/// Stores the shape of a path and class of options.
#[inline(always)]
fn store(class: &ListenerPath, shape: SynAckShape, now_ns: u64) {
    match maps::template(class) {
        // SAFETY: the map's value lives as long as the program run, and consists of integers; see `syn::verify` for readers.
        Some(template) => unsafe {
            (&raw mut (*template).shape).write_volatile(shape);
            (&raw mut (*template).learned_ns).write_volatile(now_ns);
        },
        None => {
            let template = SynAckTemplate { learned_ns: now_ns, sampled_ns: now_ns, shape };
            let _ = maps::insert_template(class, &template);
        }
    }
}

/// Adds a path without evidence.
#[inline(always)]
fn insert_empty(path: &ListenerPath) {
    const WORDS: usize = size_of::<PathState>() / 8;
    let mut empty = MaybeUninit::<PathState>::uninit();
    let words = empty.as_mut_ptr().cast::<u64>();
    for word in 0..WORDS {
        // Separate volatile stores: the compiler would otherwise call a function (memset), which the verifier refuses.
        // SAFETY: within the value.
        unsafe { words.add(word).write_volatile(0) };
    }
    // SAFETY: all words are written, and a state consists of integers. If another CPU was faster, its path stays.
    let _ = maps::insert_path(path, unsafe { empty.assume_init_ref() });
}

/// Reads the first words of a TCP header, at most [`TCP_WORDS`]; those behind its end are zeros.
#[inline(always)]
fn read_words(ctx: &TcContext, at: usize, count: usize) -> Option<[u32; TCP_WORDS]> {
    let first = header(ctx, at, 4 * TCP_WORDS_MSS_ONLY)?;
    let word = |index: usize| first.read(4 * index);
    let mut words = [word(0), word(1), word(2), word(3), word(4), word(5), 0, 0, 0, 0];
    if count > TCP_WORDS_MSS_ONLY {
        let rest = header(ctx, at, 4 * (TCP_WORDS - 1))?;
        (words[6], words[7], words[8]) = (rest.read(24), rest.read(28), rest.read(32));
    }
    if count == TCP_WORDS {
        words[TCP_WORDS - 1] = header(ctx, at, 4 * TCP_WORDS)?.read(4 * (TCP_WORDS - 1));
    }
    Some(words)
}

/// Returns the highest MSS that the kernel lets a cookie encode on this path, if the SYN-ACK carries a cookie of this host.
#[inline(always)]
fn encoded_mss(syn_ack: &SynAck, sample: &Handshake, class: &ListenerPath) -> Option<u16> {
    let is_v6 = !syn_ack.server.is_v4();
    let offered = sample.options().mss_or_default(is_v6);
    let addresses = [syn_ack.client, syn_ack.server];
    let syn = SynFields { ports: syn_ack.ports, sequence: syn_ack.client_sequence, ecn: false };
    // Cookies change each minute, perhaps just now.
    if syn_ack.sequence != sample.cookie
        && cookie_helpers::raw_between(is_v6, addresses, &syn, offered) != Some(syn_ack.sequence)
    {
        return cookie_helpers::lower_mss(addresses, &syn, offered, syn_ack.sequence);
    }
    // A SYN that offers no more than an earlier limit says nothing about that limit.
    let before = maps::template(class).map_or(u16::MAX, |template| {
        // SAFETY: as in `learn`; one aligned load.
        unsafe { (&raw const (*template).shape.cookie_mss).read_volatile() }
    });
    Some(if offered <= before { before } else { u16::MAX })
}
