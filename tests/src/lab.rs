//! The lab's topology: a server, a client, and an internet between them where the flood comes from.
//!
//! ```text
//!  namespace server        namespace internet                namespace client
//!  eth0 ─────────────── to-server ─ br0 ─ to-client ─────────────── eth0
//!  nginx, synguard           ▲                                 visitors, each from an
//!                            └ flood, by XDP_TX                address and network of its own
//! ```
//!
//! Nothing moves in it that a test did not send: neighbours and the bridge's table are static, duplicate
//! address detection is off, and the bridge floods nothing. What the server sends to forged addresses goes to
//! its default gateway, whose address the bridge keeps behind the port it came from: it dies there.

use std::{
    fmt::Write as _,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;

use crate::{
    command::run,
    netns::Netns,
    xdp::{Attached, Loaded, Program},
};

/// The server's device, and the client's.
pub const DEVICE: &str = "eth0";
/// The internet's port to the server; the flood is sent on it.
pub const UPLINK: &str = "to-server";
const DOWNLINK: &str = "to-client";

/// The server's addresses.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The server's addresses.
pub const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x5e, 0, 0, 0, 0, 0, 1);
/// The server's hardware address.
pub const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The client's hardware address.
pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// The hardware address of the server's gateway: the sender of the flood, and the receiver of replies to it.
pub const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The server's address.
    pub const fn server(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(SERVER_V4),
            Self::V6 => IpAddr::V6(SERVER_V6),
        }
    }

    /// Returns the address of a visitor, counted from 0. The first 64 each have a /24 (or /48) of their own, like
    /// people in different places; a filter must not take them for one source.
    pub const fn visitor(self, number: u16) -> IpAddr {
        match self {
            Self::V4 => {
                IpAddr::V4(Ipv4Addr::new(198, 18, 64 + (number % 64) as u8, 1 + (number / 64 % 250) as u8))
            }
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, number, 0, 0, 0, 0, 1)),
        }
    }
}

/// The three namespaces, connected. Dropping it removes them and all that is in them.
#[derive(Debug)]
pub struct Lab {
    /// The namespace of the server and the filter.
    pub server: Netns,
    /// The namespace between the two; the flood is sent here.
    pub internet: Netns,
    /// The namespace of the visitors.
    pub client: Netns,
    // A veth device delivers frames that its peer's program sends by XDP_TX only if it has a program of its own.
    uplink: Attached,
}

impl Lab {
    /// Builds the lab.
    ///
    /// # Errors
    /// Without root, or without the tools `ip`, `ethtool` and `bridge`.
    pub fn new() -> Result<Self> {
        Self::with_uplink(Program::Pass)
    }

    /// Builds the lab with one of its programs behind the server's device: [`Program::Sink`] swallows frames to
    /// forged sources.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn with_uplink(program: Program) -> Result<Self> {
        let server = Netns::new("server")?;
        let internet = Netns::new("internet")?;
        let client = Netns::new("client")?;
        quiet(&[&server, &internet, &client])?;
        // No address, no neighbour discovery: the bridge and its ports send nothing of their own.
        internet.set_sysctl("net.ipv6.conf.all.disable_ipv6", "1")?;
        internet.set_sysctl("net.ipv6.conf.default.disable_ipv6", "1")?;
        internet.ip_batch(&internet_links(&server, &client))?;
        server.ip_batch(&server_addresses())?;
        client.ip_batch(&client_addresses())?;
        client.set_sysctl("net.ipv6.ip_nonlocal_bind", "1")?;
        client.set_sysctl("net.ipv4.ip_local_port_range", "2048 65000")?;
        bridge_table(&internet)?;
        for (netns, device) in
            [(&server, DEVICE), (&client, DEVICE), (&internet, UPLINK), (&internet, DOWNLINK)]
        {
            let args = ["-K", device, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"];
            run(netns.command("ethtool").args(args)).context("turn offloads off")?;
        }
        let uplink = Loaded::new(program)?.attach(&internet, UPLINK, XdpMode::Driver)?;
        Ok(Self { server, internet, client, uplink })
    }

    /// Sets `net.ipv4.tcp_syncookies` of the server: 0 never, 1 when a listener's queue is full, 2 always.
    ///
    /// # Errors
    /// When the kernel was built without SYN cookies.
    pub fn set_syncookies(&self, value: u8) -> Result<()> {
        self.server.set_sysctl("net.ipv4.tcp_syncookies", &value.to_string())
    }

    /// Attaches a program without effect to the server's device: without any, the flood would not arrive.
    ///
    /// # Errors
    /// When another program is attached.
    pub fn attach_pass(&self) -> Result<Attached> {
        self.attach(Program::Pass)
    }

    /// Attaches one of the lab's programs to the server's device.
    ///
    /// # Errors
    /// When another program is attached.
    pub fn attach(&self, program: Program) -> Result<Attached> {
        Loaded::new(program)?.attach(&self.server, DEVICE, XdpMode::Driver)
    }

    /// Adds these rules to the server's packet filter, in nft's language.
    ///
    /// # Errors
    /// Without nft or what the rules need of the kernel.
    pub fn add_rules(&self, rules: &str) -> Result<()> {
        self.server.add_rules(rules)
    }

    /// Frames to the gateway that the server has sent and [`Program::Sink`] has swallowed.
    ///
    /// # Errors
    /// When the kernel does not give the counter out.
    pub fn swallowed(&self) -> Result<u64> {
        self.uplink.dropped()
    }

    /// A counter of the server's namespace, one of `TcpExt` in `netstat`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn tcp_ext(&self, name: &str) -> Result<u64> {
        let text = self
            .server
            .run(|| fs::read_to_string("/proc/thread-self/net/netstat"))?
            .context("read netstat")?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
        let (names, values) = lines.next().zip(lines.next()).context("no TcpExt in netstat")?;
        let value = names.split(' ').zip(values.split(' ')).find(|(key, _)| *key == name);
        value.and_then(|(_, value)| value.parse().ok()).with_context(|| format!("no {name} in netstat"))
    }

    /// Returns the frames sent by XDP that found the server's ring full, since the device was made: they are lost
    /// before any program sees them.
    ///
    /// # Errors
    /// When the driver does not say.
    pub fn ring_losses(&self) -> Result<u64> {
        // The receiver's ring refuses them, but the driver counts them for the device that sent them.
        statistic(&self.internet, UPLINK, "xdp_xmit_errors")
    }

    /// Returns the frames that a program on the server's device has seen since the device was made.
    ///
    /// # Errors
    /// When the driver does not say.
    pub fn ring_arrivals(&self) -> Result<u64> {
        statistic(&self.server, DEVICE, "xdp_packets")
    }
}

/// A device's statistic, all its queues together.
fn statistic(netns: &Netns, device: &str, name: &str) -> Result<u64> {
    let all = run(netns.command("ethtool").args(["-S", device]))?;
    let lines: Vec<_> = all.lines().filter(|line| line.contains(name)).collect();
    ensure!(!lines.is_empty(), "{device} has no statistic {name}:\n{all}");
    lines
        .iter()
        .map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()))
        .sum::<Option<u64>>()
        .with_context(|| format!("read {name} of {device} from:\n{all}"))
}

/// Switches off the packets and checks that the namespaces would otherwise make on their own. Called before there are
/// devices, which inherit `default`.
fn quiet(namespaces: &[&Netns]) -> Result<()> {
    for netns in namespaces {
        for scope in ["all", "default"] {
            netns.set_sysctl(&format!("net.ipv4.conf.{scope}.rp_filter"), "0")?;
            netns.set_sysctl(&format!("net.ipv6.conf.{scope}.accept_dad"), "0")?;
            netns.set_sysctl(&format!("net.ipv6.conf.{scope}.accept_ra"), "0")?;
            netns.set_sysctl(&format!("net.ipv6.conf.{scope}.router_solicitations"), "0")?;
        }
    }
    Ok(())
}

fn internet_links(server: &Netns, client: &Netns) -> String {
    let mut lines = String::from("link add br0 type bridge stp_state 0 mcast_snooping 0 ageing_time 0\n");
    for (port, peer, mac) in [(UPLINK, server, SERVER_MAC), (DOWNLINK, client, CLIENT_MAC)] {
        let (netns, mac) = (peer.name(), format_mac(mac));
        let _ = writeln!(lines, "link add {port} type veth peer name {DEVICE} address {mac} netns {netns}");
        let _ = writeln!(lines, "link set {port} master br0 up");
        let _ = writeln!(
            lines,
            "link set {port} type bridge_slave learning off flood off mcast_flood off bcast_flood off"
        );
    }
    lines + "link set br0 up\n"
}

fn server_addresses() -> String {
    let (client, gateway) = (format_mac(CLIENT_MAC), format_mac(GATEWAY_MAC));
    format!(
        "link set {DEVICE} up
         addr add {SERVER_V4}/24 dev {DEVICE}
         addr add {SERVER_V6}/64 dev {DEVICE} nodad
         neigh replace 198.18.0.2 lladdr {client} nud permanent dev {DEVICE}
         neigh replace fd00:5e::2 lladdr {client} nud permanent dev {DEVICE}
         neigh replace 198.18.0.254 lladdr {gateway} nud permanent dev {DEVICE}
         neigh replace fd00:5e::fe lladdr {gateway} nud permanent dev {DEVICE}
         route add 198.18.64.0/18 via 198.18.0.2
         route add fd00:c1::/32 via fd00:5e::2
         route add default via 198.18.0.254
         route add default via fd00:5e::fe dev {DEVICE}\n"
    )
}

fn client_addresses() -> String {
    let server = format_mac(SERVER_MAC);
    // The local routes make every visitor's address one of this host.
    format!(
        "link set {DEVICE} up
         addr add 198.18.0.2/24 dev {DEVICE}
         addr add fd00:5e::2/64 dev {DEVICE} nodad
         neigh replace {SERVER_V4} lladdr {server} nud permanent dev {DEVICE}
         neigh replace {SERVER_V6} lladdr {server} nud permanent dev {DEVICE}
         route add local 198.18.64.0/18 dev lo
         route add local fd00:c1::/32 dev lo\n"
    )
}

/// Fills the bridge's table: it learns no addresses and floods no frames. The gateway is listed at the port that its
/// packets come from, because a bridge never sends a frame back out of the port it came in by.
fn bridge_table(internet: &Netns) -> Result<()> {
    for (mac, port) in [(SERVER_MAC, UPLINK), (GATEWAY_MAC, UPLINK), (CLIENT_MAC, DOWNLINK)] {
        let mac = format_mac(mac);
        run(internet.command("bridge").args(["fdb", "replace", &mac, "dev", port, "master", "static"]))?;
    }
    Ok(())
}

fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
