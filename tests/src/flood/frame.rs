//! The frame that the generator sends: its bytes, and the checksums that the generator starts from.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use synguard_tests_ebpf::{FRAME_WORDS_MAX, Layout, SHARE_WHOLE, TCP_LEN, Template, VLAN_LEN};

use crate::{
    flood::{FloodSpec, SourceOrder},
    lab::{Family, GATEWAY_MAC},
};

/// MSS 1460, SACK permitted, a timestamp, no-op, window scale 7: the options of a SYN from Linux.
const OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 7];
const TTL: u8 = 64;
const PROTOCOL_TCP: u8 = 6;

/// The generator's template for a flood.
///
/// # Errors
/// When the first source is of another family, or there are too many or no sources.
pub(super) fn template(spec: &FloodSpec) -> Result<Template> {
    ensure!(spec.sources > 0, "a flood needs at least one source");
    let layout = layout(spec);
    let source_word = match (spec.family, spec.one_prefix) {
        (Family::V4, _) => 0,
        (Family::V6, false) => 4,
        (Family::V6, true) => 12,
    };
    let address_len = if layout.is_v4() { 4 } else { 16 };
    let mut source = bytes(spec.first_source);
    ensure!(source.len() == address_len, "{} is not of the flood's family", spec.first_source);
    let source_base = take_word(&mut source, source_word);
    ensure!(source_base.checked_add(spec.sources - 1).is_some(), "{} sources overflow", spec.sources);
    let mut offender_base = 0;
    if let Some(offenders) = spec.offenders {
        let mut first = bytes(offenders.first);
        ensure!(first.len() == address_len, "{} is not of the flood's family", offenders.first);
        offender_base = take_word(&mut first, source_word);
        ensure!(first == source, "{} differs from the sources in more than counts", offenders.first);
        ensure!(offenders.count > 0 && (0.0..=1.0).contains(&offenders.share), "{offenders:?}");
    }

    let frame = frame(spec, layout, &source);
    let mut words = [0; FRAME_WORDS_MAX];
    for (word, bytes) in words.iter_mut().zip(frame.chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(padded);
    }
    let (ip, tcp) = frame[layout.ip_at()..].split_at(layout.tcp_at() - layout.ip_at());
    let addresses = &ip[layout.source_at() - layout.ip_at()..];
    let pseudo = [0, PROTOCOL_TCP, 0, TCP_LEN as u8];
    Ok(Template {
        words,
        layout: layout as u32,
        ip_sum: sum(ip),
        tcp_sum: sum(addresses) + sum(&pseudo) + sum(tcp),
        source_base,
        source_word: source_word as u32,
        sources: spec.sources,
        source_port: u32::from(spec.source_port.unwrap_or(0)),
        in_turn: u32::from(spec.order == SourceOrder::InTurn),
        offender_base,
        offenders: spec.offenders.map_or(0, |offenders| offenders.count),
        offender_share: spec.offenders.map_or(0, |o| (o.share * f64::from(SHARE_WHOLE)).round() as u32),
        reserved: 0,
    })
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Returns the varying word of an address, and replaces it by zeros.
fn take_word(address: &mut [u8], at: usize) -> u32 {
    let word = &mut address[at..at + 4];
    let value = word.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
    word.fill(0);
    value
}

/// The headers of a flood's frames.
pub(super) fn layout(spec: &FloodSpec) -> Layout {
    match (spec.family, spec.vlan.is_some()) {
        (Family::V4, false) => Layout::V4,
        (Family::V4, true) => Layout::V4Vlan,
        (Family::V6, false) => Layout::V6,
        (Family::V6, true) => Layout::V6Vlan,
    }
}

/// The bytes, with zeros where the generator writes.
fn frame(spec: &FloodSpec, layout: Layout, source: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(layout.frame_len());
    frame.extend(spec.destination_mac);
    frame.extend(GATEWAY_MAC);
    if let Some(vlan) = spec.vlan {
        frame.extend([0x81, 0x00]);
        frame.extend((vlan & 0x0fff).to_be_bytes());
        debug_assert_eq!(frame.len(), 12 + VLAN_LEN);
    }
    match spec.family.server() {
        IpAddr::V4(server) => {
            frame.extend([
                0x08,
                0x00,
                0x45,
                0,
                0,
                20 + TCP_LEN as u8,
                0,
                1,
                0x40,
                0,
                TTL,
                PROTOCOL_TCP,
                0,
                0,
            ]);
            frame.extend(source);
            frame.extend(server.octets());
        }
        IpAddr::V6(server) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, TCP_LEN as u8, PROTOCOL_TCP, TTL]);
            frame.extend(source);
            frame.extend(server.octets());
        }
    }
    frame.extend([0, 0]);
    frame.extend(spec.port.to_be_bytes());
    frame.extend([0; 8]);
    frame.extend([(TCP_LEN as u8 / 4) << 4, spec.tcp_flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    frame.extend(OPTIONS);
    frame
}

/// Sum of the 16-bit words in memory order.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]]))).sum()
}

#[cfg(test)]
mod tests {
    use synguard_tests_ebpf::finish;

    use super::*;

    #[test]
    fn a_frame_has_the_length_its_layout_says() {
        for family in [Family::V4, Family::V6] {
            for vlan in [None, Some(7)] {
                let spec = FloodSpec { vlan, ..FloodSpec::new(family) };
                let layout = layout(&spec);
                let source = vec![0; if layout.is_v4() { 4 } else { 16 }];
                assert_eq!(frame(&spec, layout, &source).len(), layout.frame_len(), "{layout:?}");
            }
        }
    }

    #[test]
    fn sums_match_a_known_header() {
        // RFC 1071's example, section 3: the sum of these words is ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(finish(sum(&bytes)).to_ne_bytes(), (!0xddf2_u16).to_be_bytes());
    }

    #[test]
    fn sources_of_wrong_family_or_past_end_are_refused() {
        let other = FloodSpec { first_source: Family::V6.server(), ..FloodSpec::new(Family::V4) };
        template(&other).unwrap_err();
        let last = "255.255.255.255".parse().unwrap();
        template(&FloodSpec { first_source: last, sources: 2, ..FloodSpec::new(Family::V4) }).unwrap_err();
        template(&FloodSpec { sources: 0, ..FloodSpec::new(Family::V4) }).unwrap_err();
        let first = Family::V6.server();
        let offenders = Some(crate::flood::Offenders { first, count: 1, share: 0.5 });
        template(&FloodSpec { offenders, ..FloodSpec::new(Family::V4) }).unwrap_err();
    }
}
