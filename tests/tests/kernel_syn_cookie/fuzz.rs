//! SYNs with random options: the program sends a cookie or leaves the SYN to the kernel, by rules that are
//! written down here a second time, and the independent reader takes each SYN-ACK apart.

use std::net::{Ipv4Addr, Ipv6Addr};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{
        SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig,
    },
};
use synguard_tests::{
    environment,
    fuzz::{self, Random},
    packet::{Packet, flags},
    syn_cookie::{KernelSynAck, SynOptions},
    testrun::{REASONS, action},
};

use crate::testbed::{PORT, Testbed, V4_TO, V6_TO, ack_of};

/// SYNs, unless [`FRAMES_VARIABLE`] sets another number.
const FRAMES: usize = 400_000;
/// The environment variable that sets the number of SYNs, for slow machines.
const FRAMES_VARIABLE: &str = "SYNGUARD_TEST_FRAMES";
/// SYNs between two reads of the counters; each batch has settings of its own.
const BATCH: usize = 4096;
/// One of this many SYN-ACKs is acknowledged.
const ACKNOWLEDGED: usize = 61;

/// More options, no-operations and the end among them, are not read.
const ITEMS_MAX: usize = 20;

/// The well-formed shape of each SYN option: kind and length. The data bytes are random.
const FORMS: [(u8, usize); 12] = [
    (0, 1),
    (1, 1),
    (2, 4),
    (3, 3),
    (4, 2),
    (8, 10),
    (34, 2),
    (34, 10),
    (254, 4),
    (30, 12),
    (19, 18),
    (29, 16),
];

/// Options: a few well-formed ones; the same with a byte or two of damage; or bytes at random.
fn options(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    if random.below(4) == 0 {
        let small = random.below(2) == 0;
        for _ in 0..random.below(41) {
            // Small numbers mean something.
            let byte = random.word() as u8;
            bytes.push(if small { byte % 16 } else { byte });
        }
    } else {
        let most = if random.below(16) == 0 { 40 } else { 9 };
        for _ in 0..random.below(most) {
            // The end and signatures are rarer: otherwise hardly any SYN would get a cookie with options.
            let most = if random.below(8) == 0 { FORMS.len() } else { FORMS.len() - 2 };
            let (kind, length) = FORMS[random.below(most)];
            if kind == 0 && random.below(4) != 0 || bytes.len() + length > 40 {
                continue;
            }
            bytes.push(kind);
            if length > 1 {
                bytes.push(length as u8);
                bytes.extend((2..length).map(|_| random.word() as u8));
            }
        }
        for _ in 0..random.below(8).saturating_sub(5) {
            let at = random.below(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if random.below(2) == 0 { random.below(12) as u8 } else { random.word() as u8 };
            }
        }
    }
    bytes
}

/// A SYN of any shape that may get a cookie, from an address that a host may have.
fn syn(random: &mut Random) -> Packet {
    let mut packet = Packet::eth();
    for _ in 0..random.below(8).saturating_sub(3) {
        let tpid = [0x8100, 0x88a8, 0x9100][random.below(3)];
        packet = packet.vlan_tpid(tpid, random.word() as u16);
    }
    let address = random.word();
    packet = if random.below(2) == 0 {
        packet.ipv4(
            Ipv4Addr::new(11 + (address % 100) as u8, (address >> 8) as u8, (address >> 16) as u8, 7),
            V4_TO,
        )
    } else {
        packet.ipv6(Ipv6Addr::from(0x2001_0db9 << 96 | u128::from(address)), V6_TO)
    };
    // Not port 0, which no host uses.
    let port = 1 + random.below(0xffff) as u16;
    let more = random.word() as u8 & (flags::PSH | flags::URG | flags::ECE | flags::CWR);
    let packet = packet
        .tcp(port, PORT)
        .numbers(random.word() as u32, random.word() as u32)
        .flags(flags::SYN | if random.below(2) == 0 { more } else { 0 })
        .tcp_options(&options(random));
    match random.below(8) {
        0 => packet.payload(&vec![0x5a; 1 + random.below(1400)]),
        _ => packet,
    }
}

/// Random settings under which the program sends cookies.
fn settings(random: &mut Random, usual: SynCookieConfig) -> SynCookieConfig {
    let flags = [
        SYN_COOKIE_OPTIONS | SYN_COOKIE_ECN,
        SYN_COOKIE_OPTIONS,
        SYN_COOKIE_OPTIONS | SYN_COOKIE_ECN,
        SYN_COOKIE_ECN,
        0,
    ];
    SynCookieConfig {
        flags: SYN_COOKIE_ON | SYN_COOKIE_CHECK_ACKS | flags[random.below(flags.len())],
        ..usual
    }
}

/// A random SYN-ACK of the kernel's.
fn kernel_syn_ack(random: &mut Random) -> KernelSynAck {
    KernelSynAck {
        window_scale: random.below(15) as u8,
        mss_v4: 536 + random.below(9000) as u16,
        mss_v6: 1220 + random.below(9000) as u16,
        hop_limit: 1 + random.below(255) as u8,
    }
}

/// Returns the reason that a SYN with these options must get.
fn expected(options: &[u8]) -> Reason {
    let offered = SynOptions::of(options);
    let unsupported = offered.broken || offered.signed || SynOptions::items(options) > ITEMS_MAX;
    if unsupported { Reason::SynUnsupported } else { Reason::SynCookieSent }
}

fn frame_count() -> usize {
    environment::number(FRAMES_VARIABLE, FRAMES)
}

/// The counters' packets.
fn packets(testbed: &Testbed) -> [u64; REASONS] {
    testbed.filter.counters().map(|counter| counter.packets)
}

#[test]
fn random_syns_get_correct_cookies_or_pass() {
    Testbed::check("fuzz", |testbed| {
        let mut random = Random::new(fuzz::seed());
        let (count, usual) = (frame_count(), testbed.cookies);
        let mut totals = [0; REASONS];
        let (mut done, mut grown) = (0, 0);
        while done < count && !testbed.has_failed() {
            testbed.kernel = kernel_syn_ack(&mut random);
            testbed.set(settings(&mut random, usual));
            let before = packets(testbed);
            let mut wanted = [0; REASONS];
            for number in 0..BATCH.min(count - done) {
                let packet = syn(&mut random);
                let frame = packet.build();
                let reason = expected(&options_of(&frame));
                wanted[reason.index() as usize] += 1;
                let name = format!("SYN {}", done + number);
                let Some(syn_ack) = testbed.uncounted(&name, &frame, reason) else { continue };
                grown += usize::from(syn_ack.segment.options.len() > options_of(&frame).len());
                if (done + number) % ACKNOWLEDGED == 0 {
                    let ack = ack_of(&packet, &syn_ack).build();
                    let (taken, _) = testbed.filter.run_to_frame_uncounted(&ack);
                    wanted[Reason::CookieAck.index() as usize] += 1;
                    assert_eq!(taken, action::PASS);
                }
            }
            let after = packets(testbed);
            for &reason in Reason::ALL {
                let index = reason.index() as usize;
                let counted = after[index] - before[index];
                if counted != wanted[index] {
                    let why = format!("{} counted {counted} times, not {}", reason.label(), wanted[index]);
                    testbed.fail(&format!("SYNs {done} on"), &why);
                }
                totals[index] += counted;
            }
            done += BATCH.min(count - done);
        }
        for reason in [Reason::SynCookieSent, Reason::SynUnsupported, Reason::CookieAck] {
            let total = totals[reason.index() as usize];
            println!("{:>12} {total}", reason.label());
            assert!(total > 0, "{} never occurred", reason.label());
        }
        println!("{grown} SYN-ACKs were longer than their SYN");
        assert!(grown > 0);
    });
}

/// The bytes of the options of a frame that the reader can read.
fn options_of(frame: &[u8]) -> Vec<u8> {
    synguard_tests::syn_cookie::Segment::read(frame).expect("a SYN of ours").options
}
