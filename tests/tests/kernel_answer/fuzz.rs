//! A million SYNs with random options: each is answered or left to the kernel, by rules that are written down here a
//! second time, and each answer is taken apart by the independent reader.

use std::{
    env,
    net::{Ipv4Addr, Ipv6Addr},
};

use synguard_common::{
    reason::Reason,
    syn_cookie::config::{
        SYN_COOKIE_CHECK_ACKS, SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig,
    },
};
use synguard_tests::{
    answer::Offer,
    fuzz::{self, Random},
    packet::{Packet, flags},
    testrun::{REASONS, action},
};

use crate::stand::{PORT, Stand, V4_TO, V6_TO, ack_of};

/// SYNs, unless [`FRAMES_VARIABLE`] says otherwise.
const FRAMES: usize = 1_000_000;
/// The environment variable that sets how many, for machines that are slow.
const FRAMES_VARIABLE: &str = "SYNGUARD_TEST_FRAMES";
/// SYNs between two looks at the counters; each batch has settings of its own.
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
            // The end and signatures are rarer, or hardly a SYN would be answered with options.
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

/// A SYN of any shape that may be answered, from an address that a host may have.
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
    // Not port 0, which nobody has.
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

/// Settings at random, of those that answer.
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
        window_scale: random.below(15) as u32,
        mss_v4: 536 + random.below(9000) as u32,
        mss_v6: 1220 + random.below(9000) as u32,
        hop_limit: 1 + random.below(255) as u32,
        ..usual
    }
}

/// Returns the reason that a SYN with these options must get.
fn expected(options: &[u8]) -> Reason {
    let offer = Offer::of(options);
    let odd = offer.broken || offer.signed || Offer::items(options) > ITEMS_MAX;
    if odd { Reason::SynUnsupported } else { Reason::SynCookieSent }
}

fn frame_count() -> usize {
    match env::var(FRAMES_VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{FRAMES_VARIABLE}={text} is no number")),
        Err(_) => FRAMES,
    }
}

/// The counters' packets.
fn packets(stand: &Stand) -> [u64; REASONS] {
    stand.filter.counters().map(|counter| counter.packets)
}

#[test]
fn a_million_random_syns_are_answered_rightly_or_left_alone() {
    Stand::check("fuzz", |stand| {
        let mut random = Random::new(fuzz::seed());
        let (count, usual) = (frame_count(), stand.answering);
        let mut totals = [0; REASONS];
        let (mut done, mut grown) = (0, 0);
        while done < count && !stand.has_failed() {
            stand.set(settings(&mut random, usual));
            let before = packets(stand);
            let mut wanted = [0; REASONS];
            for number in 0..BATCH.min(count - done) {
                let packet = syn(&mut random);
                let frame = packet.build();
                let reason = expected(&options_of(&frame));
                wanted[reason.index() as usize] += 1;
                let name = format!("SYN {}", done + number);
                let Some(answer) = stand.uncounted(&name, &frame, reason) else { continue };
                grown += usize::from(answer.segment.options.len() > options_of(&frame).len());
                if (done + number) % ACKNOWLEDGED == 0 {
                    let ack = ack_of(&packet, &answer).build();
                    let (taken, _) = stand.filter.run_to_frame_uncounted(&ack);
                    wanted[Reason::CookieAck.index() as usize] += 1;
                    assert_eq!(taken, action::PASS);
                }
            }
            let after = packets(stand);
            for &reason in Reason::ALL {
                let index = reason.index() as usize;
                let counted = after[index] - before[index];
                if counted != wanted[index] {
                    let why = format!("{} counted {counted} times, not {}", reason.label(), wanted[index]);
                    stand.fail(&format!("SYNs {done} on"), &why);
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
        println!("{grown} answers were longer than their SYN");
        assert!(grown > 0);
    });
}

/// The bytes of the options of a frame that the reader can read.
fn options_of(frame: &[u8]) -> Vec<u8> {
    synguard_tests::answer::Segment::read(frame).expect("a SYN of ours").options
}
