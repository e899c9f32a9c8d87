//! Connections through this host, as connection tracking knows them: behind address translation the socket is another
//! host's or a container's.
//!
//! Only a connection that is *assured* counts: both ends sent, and the one that opened it returned the number that the
//! other end had chosen. A SYN in a forged name makes an entry too (`SYN_SENT`, then `SYN_RECV`), and a packet from the
//! middle of a connection that never was makes one that is even called `ESTABLISHED`: if these counted, an attacker's own
//! flood would protect its sources from being blocked.

mod message;

use std::{
    io,
    net::{IpAddr, Ipv6Addr},
};

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use netlink_sys::protocols::NETLINK_NETFILTER;

use self::message::{ConntrackMessage, ConntrackQuery, TrackedEnd};
use super::request::{dump_until, is_unsupported};
use crate::clock::Deadline;

/// Sources for each of which the kernel is asked: a question makes it walk its whole table, but it sends only the
/// entries of that source. With more sources one dump of all connections is cheaper.
const SOURCES_ASKED: usize = 8;

/// Passes both ends of tracked connections to `visit`: of those with one of the sources, and perhaps of others. A kernel
/// without connection tracking has none. Fails if it is not done at the deadline. Needs `CAP_NET_ADMIN`.
pub(crate) fn for_each_end(
    sources: &[IpNet],
    deadline: Deadline,
    mut visit: impl FnMut(IpAddr),
) -> Result<()> {
    for query in queries(sources) {
        let asked = ask(query, deadline, &mut visit).or_else(|error| {
            // A kernel that does not know the filters: it is asked for all connections.
            if is_invalid(&error) { ask(query.unfiltered(), deadline, &mut visit) } else { Err(error) }
        });
        match asked {
            Err(error) if is_unsupported(&error) => return Ok(()),
            result => result.context("list tracked connections")?,
        }
    }
    Ok(())
}

/// Returns the questions that find the connections of the sources. Pure.
fn queries(sources: &[IpNet]) -> Vec<ConntrackQuery> {
    let is_asked =
        |source: &IpNet| sources.len() <= SOURCES_ASKED && source.prefix_len() == source.max_prefix_len();
    let mut queries = Vec::new();
    for any in [IpAddr::from([0; 4]), Ipv6Addr::UNSPECIFIED.into()] {
        let family = || sources.iter().filter(|source| source.addr().is_ipv4() == any.is_ipv4());
        if family().all(is_asked) {
            let ends = [TrackedEnd::Opener, TrackedEnd::Replier];
            queries.extend(family().flat_map(|source| {
                ends.map(|end| ConntrackQuery { address: source.addr(), end: Some(end), is_filtered: true })
            }));
        } else {
            queries.push(ConntrackQuery { address: any, end: None, is_filtered: true });
        }
    }
    queries
}

fn ask(query: ConntrackQuery, deadline: Deadline, visit: &mut impl FnMut(IpAddr)) -> Result<()> {
    dump_until(NETLINK_NETFILTER, ConntrackMessage::Query(query), Some(deadline), |message| {
        if let ConntrackMessage::Connection(ends) = message {
            ends.into_iter().for_each(&mut *visit);
        }
    })
}

fn is_invalid(error: &anyhow::Error) -> bool {
    let codes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error());
    codes.into_iter().any(|code| code == libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    #[test]
    fn few_addresses_are_asked_for_one_by_one() {
        let asked = queries(&[net("192.0.2.1/32"), net("2001:db8::1/128")]);
        let addresses: Vec<_> = asked.iter().map(|query| query.address.to_string()).collect();
        assert_eq!(addresses, ["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::1"]);
        assert!(asked.iter().all(|query| query.end.is_some() && query.is_filtered));
    }

    #[test]
    fn prefixes_and_many_addresses_need_one_dump_a_family() {
        assert_eq!(queries(&[]), []);
        let any: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        let all = |address| ConntrackQuery { address, end: None, is_filtered: true };
        assert_eq!(queries(&[net("2001:db8::/64"), net("2001:db8::1/128")]), [all(any)]);
        let many: Vec<_> =
            (0..=SOURCES_ASKED as u8).map(|n| IpNet::from(IpAddr::from([192, 0, 2, n]))).collect();
        assert_eq!(queries(&many), [all([0; 4].into())]);
        assert_eq!(queries(&many[1..]).len(), 2 * SOURCES_ASKED);
    }
}
