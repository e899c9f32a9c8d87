//! The model itself, on frames with an obvious meaning.

use synguard_common::{abi::ABI_VERSION, addr::Mask, gcra::RateLimit};

use super::*;
use crate::packet::{Packet, flags, protocol};

const NOW: u64 = 1_000_000_000_000;

fn v4() -> Packet {
    Packet::eth().ipv4("192.0.2.1", "198.51.100.1")
}

fn v6() -> Packet {
    Packet::eth().ipv6("2001:db8::1", "2001:db8::2")
}

fn config() -> Config {
    let limit = RateLimit::new(1, 2);
    Config {
        abi: ABI_VERSION,
        syn_interval_ns: limit.interval_ns,
        syn_tolerance_ns: limit.tolerance_ns,
        hold_ns: 5_000_000_000,
        source_mask_v6: Mask::of_length(64),
        ..Config::default()
    }
}

fn model() -> Model {
    let mut ports = PortSet::EMPTY;
    ports.insert(443);
    Model::new(config(), ports)
}

fn class(packet: &Packet) -> FrameClass {
    parse(&packet.build()).class
}

const SYN_443: FrameClass = FrameClass::Tcp { port: 443, flags: flags::SYN };

#[test]
fn syn_is_seen_behind_all_headers() {
    for packet in [
        v4(),
        v4().ip_options(&[1; 40]),
        v4().fragment(0, true),
        v6(),
        v6().hop_by_hop().routing().dest_opts().auth_header(),
        v6().ipv6_fragment(0, false),
        v6().ipv6_fragment(0, true),
        (0..8).fold(v6(), |packet, _| packet.dest_opts()),
        v6().ext(protocol::MOBILITY, 3).ext(protocol::HIP, 255).ext(protocol::SHIM6, 1),
        Packet::eth()
            .vlan(1)
            .vlan_tpid(0x88a8, 2)
            .vlan_tpid(0x9100, 3)
            .vlan(4)
            .ipv4("192.0.2.1", "192.0.2.2"),
    ] {
        assert_eq!(class(&packet.clone().tcp(1, 443).syn()), SYN_443, "{packet:?}");
        assert_eq!(class(&packet.clone().udp(1, 443)), FrameClass::NotTcp, "{packet:?}");
    }
}

#[test]
fn unreadable_headers_are_malformed() {
    let tags = (0..5).fold(Packet::eth(), Packet::vlan).ipv4("192.0.2.1", "192.0.2.2");
    let tcp = v4().tcp(1, 443).syn();
    for packet in [
        tags.tcp(1, 443).syn(),
        tcp.clone().data_offset(4),
        tcp.clone().truncate(53),
        tcp.clone().truncate(13),
        tcp.clone().patch(14, &[0x55]),
        v4().ihl(4).tcp(1, 443).syn(),
        v4().ihl(15).tcp(1, 443).syn(),
        v6().dest_opts().tcp(1, 443).syn().truncate(61),
        v6().dest_opts().tcp(1, 443).syn().truncate(81),
        v6().ext(protocol::ROUTING, 1).tcp(1, 443).syn().truncate(69),
        Packet::eth().vlan(1).arp().truncate(17),
    ] {
        assert_eq!(class(&packet), FrameClass::Malformed, "{packet:?}");
    }
    assert_eq!(class(&tcp.truncate(54)), SYN_443);
    assert_eq!(class(&Packet::eth().vlan(1).arp()), FrameClass::NotIp);
}

#[test]
fn fragments_are_classed_and_may_hide_a_syn() {
    let cases = [
        (v4().fragment(1, true).tcp(1, 443).syn(), FrameClass::Fragment),
        (v4().fragment(1, false).udp(1, 443), FrameClass::Fragment),
        (v4().fragment(0, true).tcp(1, 443).syn().truncate(53), FrameClass::PossibleSyn),
        (v4().fragment(0, true).tcp(1, 443).data_offset(4), FrameClass::Malformed),
        (v4().fragment(0, true).udp(1, 443).truncate(34), FrameClass::NotTcp),
        (v6().ipv6_fragment(1, false).tcp(1, 443).syn(), FrameClass::Fragment),
        (v6().ipv6_fragment(0, true).tcp(1, 443).syn().truncate(81), FrameClass::PossibleSyn),
        (v6().ipv6_fragment(0, true).dest_opts().truncate(69), FrameClass::PossibleSyn),
        (v6().ipv6_fragment(0, false).dest_opts().truncate(69), FrameClass::Malformed),
        ((0..9).fold(v6(), |packet, _| packet.routing()).tcp(1, 443), FrameClass::PossibleSyn),
        ((0..9).fold(v6(), |packet, _| packet.routing()).truncate(118), FrameClass::PossibleSyn),
        ((0..9).fold(v6(), |packet, _| packet.routing()).truncate(117), FrameClass::Malformed),
    ];
    for (packet, expected) in cases {
        assert_eq!(class(&packet), expected, "{packet:?}");
    }
}

#[test]
fn impossible_flags_are_as_documented() {
    for bits in 0..=u8::MAX {
        let [fin, syn, rst, ack] = [FIN, SYN, RST, ACK].map(|flag| bits & flag != 0);
        let listed = syn && (fin || rst) || fin && rst || fin && !ack || !(syn || ack || rst || fin);
        assert_eq!(is_impossible(bits), listed, "{bits:#04x}");
    }
}

#[test]
fn only_syns_to_guarded_ports_are_limited() {
    let mut model = model();
    let mut classify = |packet: Packet| model.classify(&packet.build(), NOW);
    for _ in 0..3 {
        assert_eq!(classify(v4().tcp(1, 443).syn().ack()), Reason::NotSyn);
        assert_eq!(classify(v4().tcp(1, 443)), Reason::NotSyn);
        assert_eq!(classify(v4().tcp(1, 80).syn()), Reason::UnguardedPort);
    }
    assert_eq!(classify(v4().tcp(1, 443).syn().ecn().psh().urg()), Reason::SynPassed);
    assert_eq!(classify(v4().tcp(1, 443).syn().fin()), Reason::SynPassed);
    assert_eq!(classify(v4().tcp(1, 443).syn()), Reason::RateExceeded);
    assert_eq!(classify(v4().fragment(0, true).protocol(protocol::TCP)), Reason::Hold);
    model.config.flags = FLAG_ALL_PORTS | FLAG_DROP_BAD_FLAGS;
    assert_eq!(model.classify(&v4().tcp(1, 80).syn().build(), NOW), Reason::Hold);
    assert_eq!(model.classify(&v4().tcp(1, 80).syn().fin().build(), NOW), Reason::BadFlags);
    model.config.flags |= FLAG_MONITOR;
    assert_eq!(model.classify(&v4().tcp(1, 80).syn().fin().build(), NOW), Reason::WouldBadFlags);
    assert_eq!(model.classify(&v4().tcp(1, 80).syn().build(), NOW), Reason::WouldHold);
    model.config = Config { disarm_at_ns: NOW + 1, ..config() };
    assert_eq!(model.classify(&v4().tcp(1, 443).syn().build(), NOW), Reason::Hold);
    assert_eq!(model.classify(&v4().tcp(1, 443).syn().build(), NOW + 1), Reason::WouldHold);
    model.config.syn_interval_ns = 0;
    assert_eq!(model.classify(&v4().tcp(1, 443).syn().build(), NOW), Reason::Unconfigured);
}

#[test]
fn hold_ends_and_overlong_hold_is_ignored() {
    let mut model = model();
    let syn = v4().tcp(1, 443).syn().build();
    let reasons: Vec<Reason> =
        [0, 0, 0, 4, 5, 6].map(|s| model.classify(&syn, NOW + s * 1_000_000_000)).into();
    use Reason::{Hold, RateExceeded, SynPassed};
    assert_eq!(reasons, [SynPassed, SynPassed, RateExceeded, Hold, SynPassed, SynPassed]);
    let state = model.sources.values_mut().next().unwrap();
    assert_eq!((state.passed, state.dropped, state.first_seen_ns), (4, 2, NOW));
    let now = state.last_seen_ns;
    state.hold_until_ns = now + 5_000_000_000;
    assert_eq!(model.classify(&syn, now), Hold);
    model.config.hold_ns -= 1;
    assert_eq!(model.classify(&syn, now), SynPassed);
}

#[test]
fn source_is_an_ipv4_address_or_an_ipv6_prefix() {
    let mut model = model();
    for source in ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"] {
        let syn = Packet::eth().ipv6(source, "2001:db8::9").tcp(1, 443).syn().build();
        assert_eq!(model.classify(&syn, NOW), Reason::SynPassed);
    }
    assert_eq!(model.classify(&v4().tcp(1, 443).syn().build(), NOW), Reason::SynPassed);
    let mut keys: Vec<IpAddr> = model.sources.keys().map(|key| key.address.to_bytes().into()).collect();
    keys.sort();
    let expected = ["::ffff:192.0.2.1", "2001:db8::", "2001:db8:0:1::"];
    assert_eq!(keys, expected.map(|text| text.parse::<IpAddr>().unwrap()));
}
