//! The gateways of the default routes, and the prefixes at which this host receives.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::request::dump;

/// A default route may be written as its two halves, 0.0.0.0/1 and 128.0.0.0/1, so as to leave the one that is
/// there alone: VPN clients do that.
const DEFAULT_LENGTH_MAX: u8 = 1;
/// The table `local`, which the kernel keeps of its own addresses.
const TABLE_LOCAL: u8 = libc::RT_TABLE_LOCAL;

/// Adds the gateways of all default routes, IPv4 and IPv6, of all tables to `found`.
///
/// # Errors
///
/// If the kernel cannot be asked, or an answer is not understood: `found` has what was.
pub(crate) fn default_gateways(found: &mut Vec<IpAddr>) -> Result<()> {
    all(|route| {
        if route.header.destination_prefix_length <= DEFAULT_LENGTH_MAX {
            found.extend(gateways(&route.attributes));
        }
    })
}

/// Adds the prefixes at which this host receives what is sent to any address in them to `found`, IPv4 and IPv6: the
/// routes of type `local` in the table `local`. In other tables there are such for what is diverted to proxies.
///
/// # Errors
///
/// If the kernel cannot be asked, or an answer is not understood: `found` has what was.
pub fn locals(found: &mut Vec<IpNet>) -> Result<()> {
    all(|route| found.extend(local(&route)))
}

/// Shows all routes of all tables to `visit`.
fn all(mut visit: impl FnMut(RouteMessage)) -> Result<()> {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut query = RouteMessage::default();
        query.header.address_family = family;
        dump(NETLINK_ROUTE, RouteNetlinkMessage::GetRoute(query), |message| {
            if let RouteNetlinkMessage::NewRoute(route) = message {
                visit(route);
            }
        })
        .context("list routes")?;
    }
    Ok(())
}

fn local(route: &RouteMessage) -> Option<IpNet> {
    let header = &route.header;
    if header.kind != RouteType::Local || header.table != TABLE_LOCAL {
        return None;
    }
    let ip = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        RouteAttribute::Destination(RouteAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    })?;
    IpNet::new(ip, header.destination_prefix_length).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_receives_at_loopback() {
        let mut found = Vec::new();
        locals(&mut found).expect("netlink");
        assert!(found.contains(&"127.0.0.0/8".parse().expect("a prefix")), "{found:?}");
    }

    #[test]
    fn only_local_routes_of_the_local_table_count() {
        let route = |kind, table| {
            let mut route = RouteMessage::default();
            route.header.destination_prefix_length = 24;
            (route.header.kind, route.header.table) = (kind, table);
            route.attributes.push(RouteAttribute::Destination(RouteAddress::Inet([192, 0, 2, 0].into())));
            local(&route)
        };
        let expected = Some("192.0.2.0/24".parse().expect("a prefix"));
        assert_eq!(route(RouteType::Local, TABLE_LOCAL), expected);
        assert_eq!(route(RouteType::Broadcast, TABLE_LOCAL), None);
        assert_eq!(route(RouteType::Local, 100), None);
        assert_eq!(local(&RouteMessage::default()), None);
    }
}
