//! A client made of frames: it sends segments that no kernel would send, and looks at each frame that comes back.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
};

use synguard_common::{reason::Reason, syn_cookie::config::SynCookieConfig};
use synguard_tests::{
    command::run,
    lab::{DEVICE, Family, UPLINK},
    packet::Packet,
    syn_cookie::{self, CookieContext, Segment, SynAck},
    testrun::{earliest_reading_ns, now_ns},
    wire::Wire,
};

use crate::testbed::{FAMILIES, PATIENCE, PORT, Testbed, accepted, stranger, to_server};

/// Port of the client.
const FROM: u16 = 40_000;
/// Sequence number of a packet for which the test sets none.
const SEQUENCE: u32 = 0x1122_3344;
/// MSS 1460, SACK permitted, a timestamp, no-op, window scale 9.
const LINUX: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 9];
/// Bytes after the IP packet, as Ethernet may have them.
const TRAILER: usize = 8;

struct Crafted {
    wire: Wire,
    family: Family,
    tags: Vec<u16>,
}

impl Crafted {
    /// Opens a client at the client's device whose packets bear tags.
    fn new(testbed: &Testbed, family: Family, tags: &[u16]) -> Self {
        let lab = &testbed.lab;
        testbed.add_stranger(family);
        // Devices that pass a tag outside the frame would hide it from the program.
        for (netns, device) in [
            (&lab.internet, UPLINK),
            (&lab.internet, "to-client"),
            (&lab.client, DEVICE),
            (&lab.server, DEVICE),
        ] {
            let args = ["-K", device, "txvlan", "off", "tx-vlan-stag-hw-insert", "off"];
            run(netns.command("ethtool").args(args)).unwrap();
        }
        Self { wire: Wire::open(&lab.client, DEVICE).unwrap(), family, tags: tags.to_vec() }
    }

    /// The headers of a packet to the server, with TCP's.
    fn to_server(&self, tags: &[u16]) -> Packet {
        to_server(self.family, tags).tcp(FROM, PORT)
    }

    fn receive(&self, testbed: &Testbed, what: &str, wanted: impl Fn(&Segment) -> bool) -> Vec<u8> {
        let wanted = |frame: &[u8]| {
            Segment::read(frame).is_ok_and(|segment| segment.destination_port == FROM && wanted(&segment))
        };
        let frame = self.wire.receive(PATIENCE, wanted).unwrap();
        frame.unwrap_or_else(|| {
            panic!("no {what} came, {:?} in tags {:?}: {}", self.family, self.tags, testbed.counted())
        })
    }

    /// Sends a SYN with these options and checks the SYN-ACK.
    fn open(&self, testbed: &Testbed, cookies: SynCookieConfig, options: &[u8]) -> SynAck {
        let mut syn = self.to_server(&self.tags).syn().tcp_options(options).build();
        // Room for the SYN-ACK to be longer: a frame from a socket may have no room behind it, and then the kernel
        // replies instead.
        syn.extend([0; TRAILER]);
        let earliest_ms = earliest_reading_ns() / 1_000_000;
        self.wire.send(&syn).unwrap();
        let frame = self.receive(testbed, "SYN-ACK", |_| true);
        let context =
            CookieContext { cookies, kernel: testbed.kernel, earliest_ms, latest_ms: now_ns() / 1_000_000 };
        syn_cookie::check(&syn, &frame, &context).unwrap_or_else(|fault| panic!("{fault}: {frame:02x?}"))
    }

    /// Acknowledges a SYN-ACK, sends data, and checks the reply to that.
    fn talk(&self, testbed: &Testbed, syn_ack: &SynAck, listener: &TcpListener) {
        let timestamp = |moment: u32| -> Vec<u8> {
            let Some(echo) = syn_ack.timestamp() else { return Vec::new() };
            [&[1, 1, 8, 10][..], &moment.to_be_bytes(), &echo.to_be_bytes()].concat()
        };
        let next = syn_ack.segment.sequence.wrapping_add(1);
        let ack = self.to_server(&self.tags).ack().numbers(SEQUENCE + 1, next);
        self.wire.send(&ack.clone().tcp_options(&timestamp(0x1234_5679)).build()).unwrap();
        let (mut server, peer) = accepted(listener);
        assert_eq!(peer.ip().to_canonical().to_string(), stranger(self.family));
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let question = ack.psh().tcp_options(&timestamp(0x1234_567a)).payload(b"question");
        self.wire.send(&question.build()).unwrap();
        let mut read = [0; 8];
        server.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"question");
        server.write_all(b"reply!").unwrap();
        let reply = self.receive(testbed, "reply", |segment| !segment.payload.is_empty());
        assert!(Segment::read(&reply).unwrap().payload.starts_with(b"reply!"));
        // The client sends nothing more, and has no kernel that would close the connection.
        let reset = self.to_server(&self.tags).rst().numbers(SEQUENCE + 9, 0);
        self.wire.send(&reset.build()).unwrap();
    }
}

const SYN_CASES: [(&str, &[u8]); 8] = [
    ("no options", &[]),
    ("MSS", &[2, 4, 2, 0]),
    ("Linux", &LINUX),
    ("SACK and window scale without a timestamp", &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2]),
    ("20 no-operations", &[1; 20]),
    ("the end in the middle", &[2, 4, 5, 0xb4, 0, 0xff, 0xff, 0xff]),
    ("two timestamps", &[8, 10, 1, 1, 1, 1, 0, 0, 0, 0, 8, 10, 2, 2, 2, 2, 0, 0, 0, 0]),
    ("a TFO cookie", &[2, 4, 5, 0xb4, 34, 10, 1, 2, 3, 4, 5, 6, 7, 8]),
];

#[test]
fn reader_accepts_the_kernels_own_cookies() {
    // The program sends no cookies here. This test is about the reader, which must expect in the program's cookies
    // what the kernel would have put there.
    let mut testbed = Testbed::new();
    let _listener = testbed.listen();
    let expected = testbed.cookies;
    testbed.set(SynCookieConfig::default());
    for family in FAMILIES {
        for (name, options) in SYN_CASES {
            println!("{name}, {family:?}");
            Crafted::new(&testbed, family, &[]).open(&testbed, expected, options);
        }
    }
    assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), 2 * SYN_CASES.len() as u64);
}

#[test]
fn clients_with_any_options_connect() {
    let testbed = Testbed::new();
    let listener = testbed.listen();
    let samples = testbed.verify(PORT, &[]);
    for family in FAMILIES {
        for (name, options) in SYN_CASES {
            println!("{name}, {family:?}");
            let client = Crafted::new(&testbed, family, &[]);
            let syn_ack = client.open(&testbed, testbed.cookies, options);
            client.talk(&testbed, &syn_ack, &listener);
        }
    }
    assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), samples);
    assert_eq!(testbed.lab.tcp_ext("SyncookiesRecv").unwrap(), 2 * SYN_CASES.len() as u64);
}

#[test]
fn kernel_replies_to_unsupported_options() {
    let testbed = Testbed::new();
    let listener = testbed.listen();
    for family in FAMILIES {
        let client = Crafted::new(&testbed, family, &[]);
        let syn = client.to_server(&[]).syn().tcp_options(&[2, 4, 5, 0xb4, 3, 9, 1, 1]).build();
        let before = testbed.count(Reason::SynUnsupported);
        client.wire.send(&syn).unwrap();
        let frame = client.receive(&testbed, "SYN-ACK", |_| true);
        assert_eq!(testbed.count(Reason::SynUnsupported), before + 1);
        let segment = Segment::read(&frame).unwrap();
        assert_eq!(segment.acknowledgement, SEQUENCE + 1);
        client.talk(&testbed, &SynAck { segment, options: Vec::new() }, &listener);
    }
    assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), 2);
}

#[test]
fn tagged_clients_get_cookies_in_their_tags() {
    // Without VLAN devices, the server's kernel accepts no packet for a VLAN, so the evidence is made up. It does accept
    // packets with a priority tag, whose number is 0: a whole connection.
    let testbed = Testbed::new();
    let listener = testbed.listen();
    for family in FAMILIES {
        for tags in [&[7][..], &[7, 9], &[1, 2, 3, 4], &[0x6000]] {
            println!("{tags:?}, {family:?}");
            let is_for_kernel = tags == [0x6000];
            if is_for_kernel {
                testbed.verify(PORT, tags);
            }
            let sent = testbed.lab.tcp_ext("SyncookiesSent").unwrap();
            let client = Crafted::new(&testbed, family, tags);
            for options in [&[][..], &LINUX] {
                if !is_for_kernel {
                    let syn = client.to_server(tags).syn().tcp_options(options).build();
                    testbed.filter.verify_path_at(&syn, &testbed.kernel, interface(&testbed));
                }
                let syn_ack = client.open(&testbed, testbed.cookies, options);
                assert_eq!(syn_ack.segment.tags.len(), tags.len());
                if is_for_kernel {
                    client.talk(&testbed, &syn_ack, &listener);
                }
            }
            assert_eq!(testbed.lab.tcp_ext("SyncookiesSent").unwrap(), sent);
        }
    }
    assert_eq!(testbed.lab.tcp_ext("SyncookiesRecv").unwrap(), 4);
}

/// The index of the server's device.
fn interface(testbed: &Testbed) -> u32 {
    testbed.lab.server.ifindex(DEVICE).unwrap()
}

#[test]
fn vlans_that_the_kernel_ignores_get_no_cookie() {
    let testbed = Testbed::new();
    let _listener = testbed.listen();
    testbed.verify(PORT, &[]);
    for family in FAMILIES {
        let client = Crafted::new(&testbed, family, &[7]);
        let syn = client.to_server(&[7]).syn().tcp_options(&LINUX).build();
        let before = testbed.count(Reason::UnverifiedPath);
        for _ in 0..20 {
            client.wire.send(&syn).unwrap();
        }
        testbed.wait_for(Reason::UnverifiedPath, before + 20);
    }
    assert_eq!(testbed.count(Reason::SynCookieSent), 0, "{}", testbed.counted());
}

#[test]
fn ss_shows_the_options() {
    let testbed = Testbed::new();
    let listener = testbed.listen();
    testbed.verify(PORT, &[]);
    for family in FAMILIES {
        let (client, server) = testbed.connected(&listener, family.visitor(9));
        let mut ss = testbed.lab.server.command("ss");
        let shown = run(ss.args(["-Htino", "sport", "=", &format!(":{PORT}")]));
        let Ok(shown) = shown else { panic!("{:?}", Command::new("ss")) };
        println!("{shown}");
        let scale = testbed.kernel.window_scale;
        for wanted in ["ts", "sack", &format!("wscale:{scale},{scale}")] {
            assert!(shown.split_whitespace().any(|word| word == wanted), "{wanted}: {shown}");
        }
        drop((client, server));
    }
}
