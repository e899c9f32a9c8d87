//! Frames to hold the program against the [model](crate::model) with: valid ones of every shape, and random
//! damage to them, most of it where a parser decides.

use crate::{
    environment,
    packet::{Packet, flags, protocol},
};

/// The environment variable that sets the seed, in decimal.
pub const SEED_VARIABLE: &str = "SYNGUARD_TEST_SEED";
const SEED: u64 = 0x5ee_df00d;

/// The seed, which it prints: a failure is repeated by setting it.
///
/// # Panics
/// When the environment variable holds no number.
#[must_use]
#[expect(clippy::print_stdout, reason = "what the test harness shows of a failed test")]
pub fn seed() -> u64 {
    let seed = environment::number(SEED_VARIABLE, SEED);
    println!("{SEED_VARIABLE}={seed}");
    seed
}

/// Random numbers (SplitMix64): the same for the same seed everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub const fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.word() as u8
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Makes frames.
#[derive(Clone, Debug)]
pub struct Frames {
    random: Random,
    /// Valid frames and where their decisive bytes lie.
    shapes: Vec<(Vec<u8>, Vec<usize>)>,
    shortest: usize,
}

impl Frames {
    /// Frames of at least `shortest` bytes.
    #[must_use]
    pub fn new(seed: u64, shortest: usize) -> Self {
        let shapes = shapes().iter().map(|packet| (packet.build(), packet.decisive_offsets())).collect();
        Self { random: Random::new(seed), shapes, shortest }
    }

    /// The next frame: of a valid shape with up to four mutations, or random bytes.
    pub fn make(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut frame = if random.below(16) == 0 {
            random_bytes(random)
        } else {
            let (frame, decisive) = random.pick(&self.shapes).clone();
            let mut frame = frame;
            // Few more often than many, or hardly a frame would get as far as TCP.
            let most = 1 + random.below(5);
            for _ in 0..random.below(most) {
                mutate(&mut frame, &decisive, random);
            }
            frame
        };
        if frame.len() < self.shortest {
            frame.resize(self.shortest, 0);
        }
        frame
    }
}

/// Random bytes; behind half of them an Ethernet type that is worth a look.
fn random_bytes(random: &mut Random) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..random.below(160)).map(|_| random.byte()).collect();
    if let Some(ether_type) = frame.get_mut(12..14)
        && random.below(2) == 0
    {
        let types: [u16; 5] = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100];
        ether_type.copy_from_slice(&random.pick(&types).to_be_bytes());
        // Without the right version nothing more would be looked at.
        if let Some(version) = frame.get_mut(14) {
            *version = *random.pick(&[0x45, 0x46, 0x4f, 0x60, *version]);
        }
    }
    frame
}

/// Values that a decisive byte may have a meaning with: protocols, halves of types, versions, flags, limits.
const TELLING: [u8; 36] = [
    0, 1, 2, 3, 4, 5, 6, 17, 43, 44, 51, 58, 59, 60, 135, 139, 140, 0x08, 0x81, 0x88, 0xa8, 0x91, 0x86, 0xdd,
    0x40, 0x44, 0x45, 0x46, 0x4f, 0x50, 0x60, 0x65, 0x20, 0x12, 0x80, 0xff,
];

fn mutate(frame: &mut Vec<u8>, decisive: &[usize], random: &mut Random) {
    if frame.is_empty() {
        return;
    }
    let anywhere = random.below(frame.len());
    let decisive = (*random.pick(decisive)).min(frame.len() - 1);
    match random.below(12) {
        0 => frame[anywhere] ^= 1 << random.below(8),
        1 => frame[anywhere] = random.byte(),
        2 | 3 => frame[decisive] ^= 1 << random.below(8),
        4 => frame[decisive] = random.byte(),
        5 | 6 => frame[decisive] = *random.pick(&TELLING),
        7 => frame.truncate(anywhere),
        // Most headers end within a few bytes of a decisive one.
        8 => frame.truncate(decisive + random.below(12)),
        9 => {
            let bytes: Vec<u8> = (0..=random.below(8)).map(|_| random.byte()).collect();
            frame.splice(anywhere..anywhere, bytes);
        }
        10 => {
            let end = (anywhere + 1 + random.below(8)).min(frame.len());
            frame.drain(anywhere..end);
        }
        _ => {
            let bytes: Vec<u8> = (0..random.below(48)).map(|_| random.byte()).collect();
            frame.extend(bytes);
        }
    }
}

/// Returns valid frames of every shape: each combination of tagging, IP header and payload.
#[must_use]
pub fn shapes() -> Vec<Packet> {
    let mut shapes = vec![Packet::eth().arp(), Packet::eth().vlan(9).arp(), Packet::eth().ethertype(0x8864)];
    for (i, link) in links().into_iter().enumerate() {
        for (j, net) in nets(&link).into_iter().enumerate() {
            // A few sources; two of the IPv6 ones share a prefix.
            shapes.extend(transports(&net, [443, 80, 22, 8080][(i + j) % 4]));
        }
    }
    shapes
}

fn links() -> [Packet; 6] {
    let four = Packet::eth().vlan_tpid(0x88a8, 1).vlan(2).vlan_tpid(0x9100, 3).vlan(4);
    [
        Packet::eth(),
        Packet::eth().vlan(7),
        Packet::eth().vlan_tpid(0x88a8, 100).vlan(7),
        Packet::eth().vlan_tpid(0x9100, 5).vlan(6).vlan(0xffff),
        four.clone(),
        four.vlan(5),
    ]
}

fn nets(link: &Packet) -> Vec<Packet> {
    let v4 = |last: u8| link.clone().ipv4(format!("192.0.2.{last}"), "198.51.100.1");
    let v6 = |last: u8| link.clone().ipv6(format!("2001:db8:0:{}::{last}", last / 2), "2001:db8:9::1");
    let many = |count: usize| (0..count).fold(v6(4), |packet, _| packet.dest_opts());
    vec![
        v4(1),
        v4(2).ip_options(&[7, 3, 4]),
        v4(3).ip_options(&[1; 40]),
        v4(4).fragment(0, true),
        v4(5).fragment(1, true),
        v4(6).fragment(0x1fff, false),
        link.clone().ipv6("::ffff:192.0.2.1", "2001:db8:9::1"),
        v6(1),
        v6(2).hop_by_hop(),
        v6(3).hop_by_hop().dest_opts().routing().ipv6_fragment(0, false).auth_header().dest_opts(),
        v6(4).ipv6_fragment(0, true),
        v6(5).ipv6_fragment(0, true).dest_opts(),
        v6(6).ipv6_fragment(2, true),
        v6(7).hop_by_hop().ipv6_fragment(0x1fff, false),
        v6(8).auth_header(),
        v6(9).ext(protocol::AUTHENTICATION, 1).ext(protocol::ROUTING, 2),
        v6(10).ext(protocol::MOBILITY, 0).ext(protocol::HIP, 1).ext(protocol::SHIM6, 0),
        v6(11).ext(protocol::DESTINATION, 40),
        many(8),
        many(9),
        many(6).ipv6_fragment(0, true).routing(),
    ]
}

fn transports(net: &Packet, port: u16) -> Vec<Packet> {
    let tcp = || net.clone().tcp(40_000, port);
    vec![
        tcp().syn(),
        tcp().syn().ecn().tcp_options(&[2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7]).payload(b"early data"),
        tcp().syn().ack().tcp_options(&[2, 4, 5, 0xb4]),
        tcp().ack().psh().payload(b"GET / HTTP/1.0\r\n\r\n"),
        tcp().rst(),
        tcp().fin().ack(),
        tcp(),
        tcp().flags(flags::SYN | flags::FIN | flags::URG),
        net.clone().udp(53, port).payload(b"query"),
        net.clone().icmp().payload(b"ping"),
        net.clone().icmpv6(),
        net.clone().payload(b"neither"),
    ]
}
