//! A container behind the server: a namespace whose packets the server forwards, with or without address translation.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::Result;

use crate::{
    lab::{DEVICE, Family, Lab},
    netns::Netns,
};

/// The server's device to the container.
const BRIDGE: &str = "to-container";
/// The addresses of that device and of the container's, and the length of their prefix.
const NETWORKS: [(IpAddr, IpAddr, u8); 2] = [
    (IpAddr::V4(Ipv4Addr::new(10, 88, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 88, 0, 2)), 24),
    (v6(1), v6(2), 64),
];

const fn v6(host: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, host))
}

/// A container. Its namespace goes with it; the server's rules go with the lab.
#[derive(Debug)]
pub struct Container {
    /// The container's namespace.
    pub netns: Netns,
}

impl Container {
    /// Makes a container that visitors reach by its own address: the server forwards, and tracks nothing.
    ///
    /// # Errors
    /// Without the tool `ip`.
    pub fn routed(lab: &Lab) -> Result<Self> {
        let netns = Netns::new("container")?;
        for key in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            lab.server.set_sysctl(key, "1")?;
        }
        lab.server.ip(&format!("link add {BRIDGE} type veth peer name {DEVICE} netns {}", netns.name()))?;
        let (mut server, mut inside) = (String::new(), String::new());
        for (gateway, address, length) in NETWORKS {
            let nodad = if address.is_ipv6() { "nodad" } else { "" };
            let _ = writeln!(server, "addr add {gateway}/{length} dev {BRIDGE} {nodad}");
            let _ = writeln!(inside, "addr add {address}/{length} dev {DEVICE} {nodad}");
        }
        lab.server.ip_batch(&format!("{server}link set {BRIDGE} up\n"))?;
        let routes = NETWORKS.map(|(gateway, ..)| format!("route add default via {gateway}\n")).concat();
        netns.ip_batch(&format!("{inside}link set {DEVICE} up\n{routes}"))?;
        let routes = NETWORKS.iter().zip([Family::V4, Family::V6]).map(|((_, address, _), family)| {
            format!("route add {address} via {} dev {DEVICE}\n", family.server())
        });
        lab.client.ip_batch(&routes.collect::<String>())?;
        Ok(Self { netns })
    }

    /// Makes a container whose port 80 is published as a port of the server, and whose own connections bear the
    /// server's address.
    ///
    /// # Errors
    /// Without the tools `ip` and `nft`, or a kernel that translates addresses.
    pub fn published(lab: &Lab, port: u16) -> Result<Self> {
        let container = Self::routed(lab)?;
        let [v4, v6] = NETWORKS.map(|(_, address, _)| address);
        lab.add_rules(&format!(
            "table inet container {{
                chain prerouting {{ type nat hook prerouting priority -100;
                    iifname {DEVICE} tcp dport {port} dnat ip to {v4}:80;
                    iifname {DEVICE} tcp dport {port} dnat ip6 to [{v6}]:80; }};
                chain postrouting {{ type nat hook postrouting priority 100;
                    oifname {DEVICE} ip saddr {v4} masquerade;
                    oifname {DEVICE} ip6 saddr {v6} masquerade; }}; }}"
        ))?;
        Ok(container)
    }

    /// Returns the container's own address.
    pub const fn address(family: Family) -> IpAddr {
        let (_, address, _) = NETWORKS[matches!(family, Family::V6) as usize];
        address
    }
}
