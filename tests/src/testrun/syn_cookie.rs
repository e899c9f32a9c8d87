//! A filter that sends SYN cookies: its settings, and the frames it sends.

use std::{fs, net::IpAddr};

use aya::{
    maps::{
        Array, MapData, PerCpuArray, PerCpuValues,
        lpm_trie::{Key, LpmTrie},
    },
    programs::{TestRun as _, TestRunOptions},
};
use synguard_common::{
    abi::{Counter, CpuState},
    addr::Addr,
    map_names,
    syn_cookie::{
        config::{SYN_COOKIE_ECN, SYN_COOKIE_ON, SYN_COOKIE_OPTIONS, SynCookieConfig},
        prefix_limit::{self, PrefixRateSketch},
    },
};

use super::{Filter, Outcome, PACKET_MIN};
use crate::{
    lab::{Lab, SERVER_V4, SERVER_V6},
    syn_cookie::KernelSynAck,
};

/// Room for a longer frame: a SYN without options gets a SYN-ACK with options.
const ROOM: usize = 64;

/// Returns settings that send a cookie for every SYN to a listener, with options and without any rate limit.
pub const fn cookie_config() -> SynCookieConfig {
    SynCookieConfig {
        flags: SYN_COOKIE_ON | SYN_COOKIE_OPTIONS | SYN_COOKIE_ECN,
        reserved: [0; 4],
        prefix_rate: 0,
        interval_ns: 0,
        tolerance_ns: 0,
        validated_ns: 0,
        listener_ns: 100_000_000,
        lease_until_ns: u64::MAX,
        reset_interval_ns: 0,
    }
}

/// Returns settings for the lab's server, and sets its kernel to accept XDP cookies.
///
/// # Panics
/// When a sysctl is missing.
pub fn cookie_config_for(lab: &Lab) -> SynCookieConfig {
    lab.set_syncookies(2).expect("SYN cookies");
    lab.server.set_sysctl("net.ipv4.tcp_timestamps", "2").expect("timestamps");
    cookie_config()
}

/// Returns the fields of the SYN-ACKs of the lab's server.
///
/// # Panics
/// When a sysctl is missing.
pub fn kernel_syn_ack(lab: &Lab) -> KernelSynAck {
    KernelSynAck { window_scale: window_scale(lab), ..KernelSynAck::USUAL }
}

/// Returns the greatest window scale that the server's kernel would announce.
fn window_scale(lab: &Lab) -> u8 {
    let buffers = lab.server.sysctl("net.ipv4.tcp_rmem").expect("tcp_rmem");
    // The limit of the whole machine; another namespace need not show it.
    let most = fs::read_to_string("/proc/sys/net/core/rmem_max").expect("rmem_max");
    let number = |text: &str| text.trim().parse::<u32>().expect("a number of bytes");
    let space = number(buffers.split_whitespace().last().expect("three numbers")).max(number(&most));
    space.ilog2().saturating_sub(15).min(14) as u8
}

impl Filter {
    /// Makes the program send SYN cookies for the lab's server.
    ///
    /// # Panics
    /// When a map cannot be written.
    pub fn send_cookies_for_lab(&mut self, cookies: SynCookieConfig) {
        self.set_locals(&[SERVER_V4.into(), SERVER_V6.into()]);
        self.set_cookies(cookies);
    }

    /// Writes the SYN cookie configuration.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn set_cookies(&mut self, cookies: SynCookieConfig) {
        let map =
            self.ebpf.map_mut(map_names::in_object(map_names::SYN_COOKIES)).expect(map_names::SYN_COOKIES);
        let mut map = Array::<&mut MapData, SynCookieConfig>::try_from(map).expect(map_names::SYN_COOKIES);
        map.set(0, cookies, 0).expect("write SYN_COOKIES");
    }

    /// Writes this host's addresses.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn set_locals(&mut self, addresses: &[IpAddr]) {
        let map = self.ebpf.map_mut(map_names::LOCAL_ADDRS).expect(map_names::LOCAL_ADDRS);
        let mut map = LpmTrie::<&mut MapData, Addr, u64>::try_from(map).expect(map_names::LOCAL_ADDRS);
        for &address in addresses {
            map.insert(&Key::new(128, address.into()), 0, 0).expect("write LOCAL_ADDRS");
        }
    }

    /// Resets every rate limit of SYN cookies. Only while no packet is run.
    ///
    /// # Panics
    /// When a map cannot be written.
    pub fn reset_cookie_limits(&mut self) {
        let states: Vec<CpuState> =
            self.cpu_states().iter().map(|&state| CpuState { cookie_tat_ns: 0, ..state }).collect();
        let cpus = states.len();
        let states = PerCpuValues::try_from(states).expect("a value for each CPU");
        self.cpu_state.set(0, states, 0).expect("write CPU_STATE");
        let map = self.ebpf.map_mut(map_names::COOKIE_PREFIX_SKETCH).expect(map_names::COOKIE_PREFIX_SKETCH);
        let mut map = PerCpuArray::<&mut MapData, PrefixRateSketch>::try_from(map)
            .expect(map_names::COOKIE_PREFIX_SKETCH);
        let empty = PrefixRateSketch { tats: [[0; prefix_limit::WIDTH]; prefix_limit::ROWS] };
        let sketches = PerCpuValues::try_from(vec![empty; cpus]).expect("a value for each CPU");
        map.set(0, sketches, 0).expect("write COOKIE_PREFIX_SKETCH");
    }

    /// Runs the program as [`Filter::run`] does, and also returns the frame as the program left it. Listeners are
    /// those of the calling thread's network namespace.
    ///
    /// # Panics
    /// As [`Filter::run`].
    pub fn run_to_frame(&self, packet: &[u8]) -> (Outcome, Vec<u8>) {
        let before = self.counters();
        let (action, frame) = self.run_to_frame_uncounted(packet);
        let after = self.counters();
        let delta = std::array::from_fn(|index| Counter {
            packets: after[index].packets - before[index].packets,
            bytes: after[index].bytes - before[index].bytes,
        });
        (Outcome { action, delta }, frame)
    }

    /// Runs the program without looking at the counters; returns the action and the frame.
    ///
    /// # Panics
    /// As [`Filter::run`].
    pub fn run_to_frame_uncounted(&self, packet: &[u8]) -> (u32, Vec<u8>) {
        assert!(packet.len() >= PACKET_MIN, "BPF_PROG_TEST_RUN takes {PACKET_MIN} bytes or more");
        let mut frame = vec![0; packet.len() + ROOM];
        let options = TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut frame),
            repeat: 1,
            ..TestRunOptions::new()
        };
        let result = self.xdp().test_run(options).expect("run the program");
        frame.truncate(result.data_size_out as usize);
        (result.return_value, frame)
    }
}
