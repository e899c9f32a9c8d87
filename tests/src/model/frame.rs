//! Classifies a frame by its bytes alone.

use std::net::IpAddr;

use etherparse::{
    EtherType, Ethernet2HeaderSlice, IpFragOffset, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    SingleVlanHeaderSlice,
};

/// The class of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameClass {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// Cut short, inconsistent, or tagged more than four times.
    Malformed,
    /// IP without TCP.
    NotTcp,
    /// A fragment other than the first.
    Fragment,
    /// TCP.
    Tcp {
        /// Destination port.
        port: u16,
        /// The header's 14th byte.
        flags: u8,
    },
    /// A packet whose TCP flags are not visible but which the stack may reassemble into a SYN.
    PossibleSyn,
}

/// The class of a frame, and its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParsedFrame {
    /// The class.
    pub class: FrameClass,
    /// The source, if there is a valid IP header.
    pub source: Option<IpAddr>,
    /// Bytes before the IP header; 0 without a source.
    pub network: usize,
    /// Bytes before the TCP header; 0 if the kind is another.
    pub transport: usize,
}

const NO_IP: ParsedFrame = ParsedFrame { class: FrameClass::NotIp, source: None, network: 0, transport: 0 };
const MALFORMED: ParsedFrame = ParsedFrame { class: FrameClass::Malformed, ..NO_IP };
const TAGS_MAX: usize = 4;
const EXTENSIONS_MAX: usize = 8;
const TCP: u8 = 6;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// Hop-by-hop, routing, destination options, mobility, HIP, shim6: all of one layout.
const OPTIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];

/// Classifies a frame.
#[must_use]
pub fn parse(frame: &[u8]) -> ParsedFrame {
    let Ok(ethernet) = Ethernet2HeaderSlice::from_slice(frame) else { return MALFORMED };
    let mut ether_type = ethernet.ether_type();
    let mut rest = &frame[ethernet.slice().len()..];
    let mut tags = 0;
    while matches!(
        ether_type,
        EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME
    ) {
        tags += 1;
        match SingleVlanHeaderSlice::from_slice(rest) {
            Ok(tag) if tags <= TAGS_MAX => {
                ether_type = tag.ether_type();
                rest = &rest[tag.slice().len()..];
            }
            _ => return MALFORMED,
        }
    }
    match ether_type {
        EtherType::IPV4 => parse_ipv4(frame, rest),
        EtherType::IPV6 => parse_ipv6(frame, rest),
        _ => NO_IP,
    }
}

/// Makes the result. `ip` is the rest of the frame from the IP header on, `last` the rest from the place that the
/// reader reached.
fn parsed(frame: &[u8], ip: &[u8], last: &[u8], class: FrameClass, source: IpAddr) -> ParsedFrame {
    let before = |rest: &[u8]| frame.len() - rest.len();
    let transport = if matches!(class, FrameClass::Tcp { .. }) { before(last) } else { 0 };
    ParsedFrame { class, source: Some(source), network: before(ip), transport }
}

fn parse_ipv4(frame: &[u8], bytes: &[u8]) -> ParsedFrame {
    // It checks the version, and that the header with its options is there; not the total length.
    let Ok(ip) = Ipv4HeaderSlice::from_slice(bytes) else { return MALFORMED };
    let rest = &bytes[ip.slice().len()..];
    let class = if ip.fragments_offset() != IpFragOffset::ZERO {
        FrameClass::Fragment
    } else if ip.protocol().0 != TCP {
        FrameClass::NotTcp
    } else {
        parse_tcp(rest, ip.more_fragments())
    };
    parsed(frame, bytes, rest, class, IpAddr::V4(ip.source_addr()))
}

fn parse_ipv6(frame: &[u8], bytes: &[u8]) -> ParsedFrame {
    let Ok(ip) = Ipv6HeaderSlice::from_slice(bytes) else { return MALFORMED };
    let mut rest = &bytes[ip.slice().len()..];
    let class = parse_extensions(&mut rest, ip.next_header().0);
    parsed(frame, bytes, rest, class, IpAddr::V6(ip.source_addr()))
}

/// Follows a chain of extension headers. An extension header may reach beyond the frame, as long as its first eight
/// bytes do not (etherparse wants all of it); the next header is then missing. `rest` becomes the bytes behind the
/// last header.
fn parse_extensions(rest: &mut &[u8], mut next: u8) -> FrameClass {
    let mut first_fragment = false;
    let mut extensions = 0;
    loop {
        if next == TCP {
            return parse_tcp(rest, first_fragment);
        }
        if next != FRAGMENT && next != AUTHENTICATION && !OPTIONS.contains(&next) {
            return FrameClass::NotTcp;
        }
        extensions += 1;
        if extensions > EXTENSIONS_MAX {
            return FrameClass::PossibleSyn;
        }
        let Some(&[following, units, ..]) = rest.first_chunk::<8>() else {
            return cut_short(first_fragment);
        };
        let length = match next {
            FRAGMENT => {
                let Ok(fragment) = Ipv6FragmentHeaderSlice::from_slice(rest) else {
                    return cut_short(first_fragment);
                };
                if fragment.fragment_offset() != IpFragOffset::ZERO {
                    return FrameClass::Fragment;
                }
                first_fragment |= fragment.more_fragments();
                8
            }
            AUTHENTICATION => 8 + usize::from(units) * 4,
            _ => 8 + usize::from(units) * 8,
        };
        *rest = rest.get(length..).unwrap_or_default();
        next = following;
    }
}

fn parse_tcp(bytes: &[u8], first_fragment: bool) -> FrameClass {
    // etherparse wants the options too, which the filter does not read.
    match bytes.first_chunk::<20>() {
        None => cut_short(first_fragment),
        Some(header) if header[12] < 0x50 => FrameClass::Malformed,
        Some(header) => {
            FrameClass::Tcp { port: u16::from_be_bytes([header[2], header[3]]), flags: header[13] }
        }
    }
}

/// Returns the class of a frame that is cut short; if it is a first fragment, another one may bring the missing
/// bytes.
fn cut_short(first_fragment: bool) -> FrameClass {
    if first_fragment { FrameClass::PossibleSyn } else { FrameClass::Malformed }
}
