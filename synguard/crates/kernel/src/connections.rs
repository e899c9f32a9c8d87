//! Sources that have a connection to this host, or through it.
//!
//! The connection's socket may be this host's, that of a container whose packets pass through the filter, or another
//! host's behind address translation. Which of the three it is nobody says, so all are asked.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use anyhow::Result;
use ipnet::IpNet;

use crate::{
    clock::Deadline,
    netlink::{
        conntrack, for_each_socket_in_other_namespaces,
        tcp::{self, TcpSocket, TcpStates},
    },
};

/// The time for all tables together. A million tracked connections take a second.
const READ_MAX: Duration = Duration::from_secs(5);

/// Those of the asked sources that have a connection, as far as could be read.
#[derive(Debug, Default)]
pub struct ConnectedSources {
    pub found: HashSet<IpNet>,
    /// One line for each place of connections that could not be read. A source that was not found may have some there.
    pub unread: Vec<String>,
}

/// Passes the ends of connections to `visit`.
type PlaceReader = fn(&[IpNet], Deadline, &mut dyn FnMut(IpAddr)) -> Result<()>;

const PLACES: [(&str, PlaceReader); 3] = [
    ("this host's connections", own_sockets),
    ("tracked connections", |sources, deadline, visit| conntrack::for_each_end(sources, deadline, visit)),
    ("connections in other network namespaces", other_sockets),
];

impl ConnectedSources {
    /// Finds the sources that have a connection which completed its handshake.
    pub fn find(sources: &[IpNet]) -> Self {
        Self::find_in(&PLACES, sources, Deadline::after(READ_MAX))
    }

    fn find_in(places: &[(&str, PlaceReader)], sources: &[IpNet], deadline: Deadline) -> Self {
        let wanted: HashSet<IpNet> = sources.iter().map(IpNet::trunc).collect();
        let lengths: HashSet<u8> = wanted.iter().map(IpNet::prefix_len).collect();
        let mut connected = Self::default();
        for (place, read) in places {
            let read = read(sources, deadline, &mut |end| {
                let end = end.to_canonical();
                let within = lengths.iter().filter_map(|length| Some(IpNet::new(end, *length).ok()?.trunc()));
                connected.found.extend(within.filter(|source| wanted.contains(source)));
            });
            if let Err(error) = read {
                connected.unread.push(format!("{place} cannot be read: {error:#}"));
            }
        }
        connected
    }
}

fn own_sockets(_: &[IpNet], _: Deadline, visit: &mut dyn FnMut(IpAddr)) -> Result<()> {
    tcp::for_each_socket(TcpStates::CONNECTED, None, |socket| {
        visit(socket.peer);
    })
}

fn other_sockets(_: &[IpNet], deadline: Deadline, visit: &mut dyn FnMut(IpAddr)) -> Result<()> {
    for_each_socket_in_other_namespaces(TcpStates::CONNECTED, deadline, |socket: TcpSocket| {
        visit(socket.peer);
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use anyhow::bail;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    #[test]
    fn connection_from_anywhere_in_the_source_counts() {
        let place: PlaceReader = |_, _, visit| {
            for end in ["::ffff:192.0.2.1", "198.51.100.7", "2001:db8:1::5", "2001:db8:3::5"] {
                visit(end.parse().expect("an address"));
            }
            Ok(())
        };
        let asked = ["192.0.2.1/32", "192.0.2.2/32", "2001:db8:1::/64", "2001:db8:2::/64"].map(net);
        let connected = ConnectedSources::find_in(&[("here", place)], &asked, Deadline::after(READ_MAX));
        assert_eq!(connected.found, HashSet::from([net("192.0.2.1/32"), net("2001:db8:1::/64")]));
        assert_eq!(connected.unread, Vec::<String>::new());
    }

    #[test]
    fn unreadable_place_is_named_and_hides_no_other() {
        let fails: PlaceReader = |_, _, visit| {
            visit([192, 0, 2, 1].into());
            bail!("no such luck")
        };
        let works: PlaceReader = |_, _, visit| {
            visit([192, 0, 2, 2].into());
            Ok(())
        };
        let asked = ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"].map(net);
        let places = [("first places", fails), ("second places", works)];
        let connected = ConnectedSources::find_in(&places, &asked, Deadline::after(READ_MAX));
        assert_eq!(connected.found, HashSet::from([asked[0], asked[1]]));
        assert_eq!(connected.unread, ["first places cannot be read: no such luck"]);
    }

    #[test]
    fn own_connection_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let asked = [net("127.0.0.1/32"), net("192.0.2.1/32")];
        let own: [(&str, PlaceReader); 1] = [("own", own_sockets)];
        let connected = ConnectedSources::find_in(&own, &asked, Deadline::after(READ_MAX));
        assert_eq!(connected.found, HashSet::from([asked[0]]));
    }
}
