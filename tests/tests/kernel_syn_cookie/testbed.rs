//! The testbed for rows: a network namespace with addresses and listeners of its own, and the program.

use std::{
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    time::{Duration, Instant},
};

use synguard_common::{
    abi::Config,
    reason::{Reason, Verdict},
    syn_cookie::config::SynCookieConfig,
};
use synguard_tests::{
    command::pin_to_cpu,
    netns::Netns,
    packet::Packet,
    syn_cookie::{self, CookieContext, KernelSynAck, SynAck},
    testrun::{Filter, Outcome, action, config, cookie_config, earliest_reading_ns, now_ns},
};

/// The server's IPv4 address.
pub(crate) const V4_TO: &str = "198.51.100.1";
/// The server.
pub(crate) const V6_TO: &str = "2001:db8:ffff::1";
/// An IPv4 address of the server that no listener is bound to alone.
pub(crate) const V4_OTHER: &str = "198.51.100.2";
/// An address of the server's that no listener is bound to alone.
pub(crate) const V6_OTHER: &str = "2001:db8:ffff::2";
/// A port with a listener, over IPv4 and IPv6.
pub(crate) const PORT: u16 = 443;
/// A port without a listener.
pub(crate) const CLOSED: u16 = 444;
/// Port of the client.
pub(crate) const FROM: u16 = 40_000;
/// MSS 1460, SACK permitted, a timestamp, no-op, window scale 9: the options of a SYN from Linux.
pub(crate) const LINUX: [u8; 20] =
    [2, 4, 5, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 9];
/// A change of listeners must be noticed in this time.
pub(crate) const NOTICED: Duration = Duration::from_secs(2);

/// IPv4 and IPv6.
pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The program in its namespace, and the rows that failed.
pub(crate) struct Testbed {
    pub(crate) filter: Filter,
    pub(crate) config: Config,
    pub(crate) cookies: SynCookieConfig,
    /// The SYN-ACKs that the program repeats.
    pub(crate) kernel: KernelSynAck,
    netns: Netns,
    listeners: Vec<TcpListener>,
    clients: u32,
    rows: usize,
    failures: Vec<String>,
}

impl Testbed {
    /// Runs rows on a testbed of their own, with a listener on [`PORT`]. Fails with all rows that failed.
    pub(crate) fn check(topic: &str, rows: impl FnOnce(&mut Self) + Send) {
        let netns = Netns::new("syn-cookie").unwrap();
        for address in [V4_TO, V4_OTHER, V6_TO, V6_OTHER] {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            netns.ip(&format!("addr add {address} dev lo {nodad}")).unwrap();
        }
        netns.set_sysctl("net.ipv4.tcp_syncookies", "2").unwrap();
        netns.set_sysctl("net.ipv4.tcp_timestamps", "2").unwrap();
        let inside = netns.clone();
        let failed = netns.run(move || {
            // Rate limits are kept for each CPU.
            pin_to_cpu(0).unwrap();
            let mut testbed = Self::new(inside);
            testbed.listen(PORT);
            rows(&mut testbed);
            println!("{topic}: {} rows", testbed.rows);
            (testbed.rows, testbed.failures)
        });
        let (rows, failures) = failed.expect("rows are run");
        assert!(failures.is_empty(), "{} of {rows} rows failed:\n{}", failures.len(), failures.join("\n"));
        assert!(rows > 0);
    }

    fn new(netns: Netns) -> Self {
        // A rate that no source exceeds.
        let (config, cookies) = (config(1_000_000, 1_000_000), cookie_config());
        let mut filter = Filter::load_with_sources(1 << 16);
        filter.set_locals(&[V4_TO, V4_OTHER, V6_TO, V6_OTHER].map(|address| address.parse().unwrap()));
        filter.set_config(config);
        filter.set_cookies(cookies);
        Self {
            filter,
            config,
            cookies,
            kernel: KernelSynAck::USUAL,
            netns,
            listeners: Vec::new(),
            clients: 0,
            rows: 0,
            failures: Vec::new(),
        }
    }

    /// Sets a sysctl of the namespace.
    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        self.netns.set_sysctl(key, value).unwrap();
    }

    /// Runs `ip` in the namespace.
    pub(crate) fn ip(&self, args: &str) {
        self.netns.ip(args).unwrap();
    }

    /// Listens on a port, on any address, over IPv6 and IPv4.
    pub(crate) fn listen(&mut self, port: u16) {
        self.listeners.push(TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
    }

    /// Closes all listeners.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
    }

    /// Applies other SYN cookie settings.
    pub(crate) fn set(&mut self, cookies: SynCookieConfig) {
        self.cookies = cookies;
        self.filter.set_cookies(cookies);
        // Until then a CPU may have the template of the former settings in its cache.
        std::thread::sleep(Duration::from_millis(120));
    }

    /// Makes the program repeat other SYN-ACKs.
    pub(crate) fn repeat(&mut self, kernel: KernelSynAck) {
        self.kernel = kernel;
        self.set(self.cookies);
    }

    /// Returns the conditions that a SYN-ACK which has just come must meet.
    fn context(&self, earliest_ms: u64) -> CookieContext {
        let latest_ms = now_ns() / 1_000_000;
        CookieContext { cookies: self.cookies, kernel: self.kernel, earliest_ms, latest_ms }
    }

    /// Applies other settings.
    pub(crate) fn set_config(&mut self, config: Config) {
        self.config = config;
        self.filter.set_config(config);
    }

    /// Returns headers up to IP behind `outer`, from a new address in a prefix of its own.
    pub(crate) fn client_under(&mut self, outer: Packet, family: Family) -> Packet {
        self.clients += 1;
        let number = self.clients;
        match family {
            Family::V4 => outer.ipv4(Ipv4Addr::from(0x0b00_0009 + (number << 8)), V4_TO),
            Family::V6 => {
                outer.ipv6(Ipv6Addr::from((0x2001_0db9_u128 << 96) + (u128::from(number) << 80) + 9), V6_TO)
            }
        }
    }

    /// A SYN with these options from a new client.
    pub(crate) fn syn(&mut self, family: Family, options: &[u8]) -> Packet {
        self.client_under(Packet::eth(), family).tcp(FROM, PORT).syn().tcp_options(options)
    }

    /// Runs a row: a SYN that must get a correct cookie. Returns the SYN-ACK unless it was wrong.
    pub(crate) fn cookie_row(&mut self, name: &str, packet: &Packet) -> Option<SynAck> {
        self.cookie_row_frame(name, &packet.build())
    }

    /// Runs a row as [`Self::cookie_row`] does, with the bytes of the SYN.
    pub(crate) fn cookie_row_frame(&mut self, name: &str, syn: &[u8]) -> Option<SynAck> {
        self.rows += 1;
        let earliest_ms = earliest_reading_ns() / 1_000_000;
        self.filter.verify_path_of(syn, &self.kernel);
        let (outcome, frame) = self.filter.run_to_frame(syn);
        let context = self.context(earliest_ms);
        let result = if outcome == Outcome::of(Reason::SynCookieSent, 1, syn.len()) {
            syn_cookie::check(syn, &frame, &context)
        } else {
            Err(format!("no cookie: {}", outcome.describe()))
        };
        result.map_err(|fault| self.failures.push(format!("  {name}: {fault}"))).ok()
    }

    /// Runs a row: a frame that must be counted under `reason`, and must not be changed.
    pub(crate) fn row(&mut self, name: &str, packet: &Packet, reason: Reason) {
        self.row_frame(name, &packet.build(), reason);
    }

    /// Runs a row as [`Self::row`] does, with the bytes of the frame.
    pub(crate) fn row_frame(&mut self, name: &str, frame: &[u8], reason: Reason) {
        self.rows += 1;
        self.filter.verify_path_of(frame, &self.kernel);
        let (outcome, after) = self.filter.run_to_frame(frame);
        let expected = Outcome::of(reason, 1, frame.len());
        if outcome != expected {
            self.failures.push(format!("  {name}: {}, not {}", outcome.describe(), expected.describe()));
        }
        if after != frame {
            self.failures.push(format!("  {name}: the frame was changed to {after:02x?}"));
        }
    }

    /// Runs a row: a SYN that must pass unchanged, under a reason whose verdict is to pass.
    pub(crate) fn passed(&mut self, name: &str, packet: &Packet) {
        self.rows += 1;
        let syn = packet.build();
        self.filter.verify_path_of(&syn, &self.kernel);
        let (outcome, after) = self.filter.run_to_frame(&syn);
        if outcome.action != action::PASS || outcome.reason().is_none_or(|r| r.verdict() != Verdict::Pass) {
            self.failures.push(format!("  {name}: {}", outcome.describe()));
        }
        if after != syn {
            self.failures.push(format!("  {name}: the frame was changed to {after:02x?}"));
        }
    }

    /// Runs a row without a look at the counters: a SYN that gets a cookie, or passes. Returns the SYN-ACK.
    pub(crate) fn uncounted(&mut self, name: &str, syn: &[u8], reason: Reason) -> Option<SynAck> {
        self.rows += 1;
        let earliest_ms = earliest_reading_ns() / 1_000_000;
        self.filter.verify_path_of(syn, &self.kernel);
        let (action, frame) = self.filter.run_to_frame_uncounted(syn);
        let context = self.context(earliest_ms);
        let result = match reason.verdict() {
            Verdict::Transmit if action == action::TX => syn_cookie::check(syn, &frame, &context).map(Some),
            Verdict::Pass if action == action::PASS && frame == syn => Ok(None),
            _ => Err(format!("action {action}, and not {}", reason.label())),
        };
        result.unwrap_or_else(|fault| {
            self.failures.push(format!("  {name}: {fault}, {:?}\n    {syn:02x?}", self.cookies));
            None
        })
    }

    /// Reports whether a row has failed.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Runs a row: SYNs from new clients have this reason within [`NOTICED`] of a change.
    pub(crate) fn soon(&mut self, name: &str, family: Family, reason: Reason) {
        self.rows += 1;
        let begun = Instant::now();
        loop {
            let packet = self.syn(family, &LINUX).build();
            self.filter.verify_path_of(&packet, &self.kernel);
            let outcome = self.filter.run(&packet);
            if outcome == Outcome::of(reason, 1, packet.len()) {
                println!("{name}: after {:?}", begun.elapsed());
                return;
            }
            if begun.elapsed() > NOTICED {
                self.failures.push(format!("  {name}: {} after {NOTICED:?}", outcome.describe()));
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Records that a row failed.
    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        self.failures.push(format!("  {name}: {why}"));
    }
}

/// Returns the ACK that a client sends to a SYN-ACK, without data.
pub(crate) fn ack_of(syn: &Packet, syn_ack: &SynAck) -> Packet {
    reply(syn, syn_ack.segment.sequence.wrapping_add(1), syn_ack.timestamp())
}

/// Returns an ACK of `next`, from the sender of a SYN.
pub(crate) fn reply(syn: &Packet, next: u32, echo: Option<u32>) -> Packet {
    let segment = syn_cookie::Segment::read(&syn.build()).unwrap();
    let mut packet =
        segment.tags.iter().fold(Packet::eth(), |packet, &(tpid, tci)| packet.vlan_tpid(tpid, tci));
    packet = match segment.source.is_ipv4() {
        true => packet.ipv4(segment.source, segment.destination),
        false => packet.ipv6(segment.source, segment.destination),
    };
    let ack = packet
        .tcp(segment.source_port, segment.destination_port)
        .ack()
        .numbers(segment.sequence.wrapping_add(1), next);
    match echo {
        Some(echo) => {
            let [a, b, c, d] = echo.to_be_bytes();
            ack.tcp_options(&[1, 1, 8, 10, 0x12, 0x34, 0x57, 0, a, b, c, d])
        }
        None => ack,
    }
}
