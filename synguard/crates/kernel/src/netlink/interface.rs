//! Network interfaces, and the XDP programs on them.

use std::io;

use anyhow::{Context as _, Result, bail};
use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage, LinkXdp, XdpAttached},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::request::send_request;

/// The place in the receive path where an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpPlace {
    /// In the driver.
    Native,
    /// In the network stack, for drivers without XDP.
    Generic,
    /// On the device itself.
    Offloaded,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetInterface {
    /// The current name.
    pub name: String,
    pub index: u32,
    /// The largest packet that it sends, in bytes without link headers; 0 if the kernel does not report one.
    pub mtu: u32,
    /// The XDP programs on it, by id.
    pub xdp: Vec<(XdpPlace, u32)>,
}

/// Returns the interface of that name, if it exists.
pub fn interface_by_name(name: &str) -> Result<Option<NetInterface>> {
    let mut query = LinkMessage::default();
    query.attributes.push(LinkAttribute::IfName(name.to_owned()));
    query_link(query).with_context(|| format!("look up interface {name}"))
}

/// Returns the interface of that index, if it exists.
pub fn interface_by_index(index: u32) -> Result<Option<NetInterface>> {
    let mut query = LinkMessage::default();
    query.header.index = index;
    query_link(query).with_context(|| format!("look up interface {index}"))
}

fn query_link(query: LinkMessage) -> Result<Option<NetInterface>> {
    let socket = send_request(NETLINK_ROUTE, RouteNetlinkMessage::GetLink(query), NLM_F_REQUEST)?;
    let (reply, _) = socket.recv_from_full().context("receive from netlink")?;
    let reply = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&reply).context("decode netlink")?;
    match reply.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(Some(from_message(link))),
        NetlinkPayload::Error(error) => match error.to_io() {
            error if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            error if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            error => Err(error).context("netlink refused"),
        },
        other => bail!("unexpected netlink reply {other:?}"),
    }
}

fn from_message(link: LinkMessage) -> NetInterface {
    let mut interface =
        NetInterface { name: String::new(), index: link.header.index, mtu: 0, xdp: Vec::new() };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name = name,
            LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
            LinkAttribute::Xdp(attributes) => interface.xdp = xdp_programs(&attributes),
            _ => {}
        }
    }
    interface
}

/// Returns the programs in a link's XDP attributes. The kernel names a single program under the general attribute and,
/// if there are several, each under the attribute of its place; newer kernels always set the latter as well.
fn xdp_programs(attributes: &[LinkXdp]) -> Vec<(XdpPlace, u32)> {
    let mut programs = Vec::new();
    let mut place = None;
    let mut single = None;
    for attribute in attributes {
        match *attribute {
            LinkXdp::DrvProgId(id) => programs.push((XdpPlace::Native, id)),
            LinkXdp::SkbProgId(id) => programs.push((XdpPlace::Generic, id)),
            LinkXdp::HwProgId(id) => programs.push((XdpPlace::Offloaded, id)),
            LinkXdp::ProgId(id) => single = Some(id),
            LinkXdp::Attached(XdpAttached::Driver) => place = Some(XdpPlace::Native),
            LinkXdp::Attached(XdpAttached::SocketBuffer) => place = Some(XdpPlace::Generic),
            LinkXdp::Attached(XdpAttached::Hardware) => place = Some(XdpPlace::Offloaded),
            _ => {}
        }
    }
    if let (true, Some(place), Some(id)) = (programs.is_empty(), place, single) {
        programs.push((place, id));
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_by_name_and_index() {
        let by_name = interface_by_name("lo").expect("netlink").expect("lo");
        assert!(by_name.mtu >= 1280, "{by_name:?}");
        assert_eq!(interface_by_index(by_name.index).expect("netlink"), Some(by_name));
    }

    #[test]
    fn missing_interface_is_none() {
        assert_eq!(interface_by_name("no-such-device").expect("netlink"), None);
        assert_eq!(interface_by_index(0x7fff_fff0).expect("netlink"), None);
    }

    #[test]
    fn program_under_two_attributes_is_reported_once() {
        let one = [LinkXdp::Attached(XdpAttached::Driver), LinkXdp::ProgId(7)];
        assert_eq!(xdp_programs(&one), [(XdpPlace::Native, 7)]);
        let both = [LinkXdp::Attached(XdpAttached::Driver), LinkXdp::ProgId(7), LinkXdp::DrvProgId(7)];
        assert_eq!(xdp_programs(&both), [(XdpPlace::Native, 7)]);
    }
}
