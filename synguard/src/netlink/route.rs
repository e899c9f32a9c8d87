//! The gateways of the default routes.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteVia},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::request::dump;

/// A default route may be written as its two halves, 0.0.0.0/1 and 128.0.0.0/1, so as to leave the one that is
/// there alone: VPN clients do that.
const DEFAULT_LENGTH_MAX: u8 = 1;

/// Adds the gateways of all default routes, IPv4 and IPv6, of all tables to `found`.
///
/// # Errors
///
/// If the kernel cannot be asked, or an answer is not understood: `found` has what was.
pub fn default_gateways(found: &mut Vec<IpAddr>) -> Result<()> {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut query = RouteMessage::default();
        query.header.address_family = family;
        dump(NETLINK_ROUTE, RouteNetlinkMessage::GetRoute(query), |message| {
            if let RouteNetlinkMessage::NewRoute(route) = message
                && route.header.destination_prefix_length <= DEFAULT_LENGTH_MAX
            {
                found.extend(gateways(&route.attributes));
            }
        })
        .context("list routes")?;
    }
    Ok(())
}

/// The gateways of a route, whichever way it has them: its own, one of the other family, or several.
fn gateways(attributes: &[RouteAttribute]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(ip)) => found.push(IpAddr::V4(*ip)),
            RouteAttribute::Gateway(RouteAddress::Inet6(ip)) => found.push(IpAddr::V6(*ip)),
            RouteAttribute::Via(RouteVia::Inet(ip)) => found.push(IpAddr::V4(*ip)),
            RouteAttribute::Via(RouteVia::Inet6(ip)) => found.push(IpAddr::V6(*ip)),
            RouteAttribute::MultiPath(hops) => {
                found.extend(hops.iter().flat_map(|hop| gateways(&hop.attributes)));
            }
            _ => {}
        }
    }
    found
}
