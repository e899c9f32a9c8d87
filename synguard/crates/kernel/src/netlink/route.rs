//! The gateways of the default routes, and the prefixes of local addresses.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::request::dump;

/// Longest prefix of a default route. VPN clients write one as its two halves, 0.0.0.0/1 and 128.0.0.0/1, so that the
/// original default route stays as it is.
const DEFAULT_ROUTE_LENGTH_MAX: u8 = 1;
/// The table `local`, in which the kernel keeps its own addresses.
const TABLE_LOCAL: u8 = libc::RT_TABLE_LOCAL;

/// Adds the gateways of all default routes, IPv4 and IPv6, of all tables to `found`. On an error `found` has the
/// gateways that could be read.
pub(crate) fn default_gateways(found: &mut Vec<IpAddr>) -> Result<()> {
    for_each_route(|route| {
        if route.header.destination_prefix_length <= DEFAULT_ROUTE_LENGTH_MAX {
            found.extend(gateways(&route.attributes));
        }
    })
}

/// Adds the prefixes whose every address is this host's to `found`, IPv4 and IPv6: the routes of type `local` in the
/// table `local`. Such routes in other tables divert traffic to proxies. On an error `found` has the prefixes that could
/// be read.
pub fn local_prefixes(found: &mut Vec<IpNet>) -> Result<()> {
    for_each_route(|route| found.extend(local_prefix(&route)))
}

/// Passes all routes of all tables to `visit`.
fn for_each_route(mut visit: impl FnMut(RouteMessage)) -> Result<()> {
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

fn local_prefix(route: &RouteMessage) -> Option<IpNet> {
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

/// Returns the gateways of a route, in any of their forms: its own, one of the other family, or several.
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
    fn loopback_is_a_local_prefix() {
        let mut found = Vec::new();
        local_prefixes(&mut found).expect("netlink");
        assert!(found.contains(&"127.0.0.0/8".parse().expect("a prefix")), "{found:?}");
    }

    #[test]
    fn only_local_routes_of_the_local_table_count() {
        let route = |kind, table| {
            let mut route = RouteMessage::default();
            route.header.destination_prefix_length = 24;
            (route.header.kind, route.header.table) = (kind, table);
            route.attributes.push(RouteAttribute::Destination(RouteAddress::Inet([192, 0, 2, 0].into())));
            local_prefix(&route)
        };
        let expected = Some("192.0.2.0/24".parse().expect("a prefix"));
        assert_eq!(route(RouteType::Local, TABLE_LOCAL), expected);
        assert_eq!(route(RouteType::Broadcast, TABLE_LOCAL), None);
        assert_eq!(route(RouteType::Local, 100), None);
        assert_eq!(local_prefix(&RouteMessage::default()), None);
    }
}
