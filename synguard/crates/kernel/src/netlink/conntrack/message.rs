//! Messages of `ctnetlink`: a question for entries of the connection tracking table, and such an entry.

use std::{net::IpAddr, ops::RangeInclusive};

use netlink_packet_core::{
    DecodeError, NLA_F_NESTED, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator,
};

/// `NFNL_SUBSYS_CTNETLINK`, and `IPCTNL_MSG_CT_GET` in it.
const GET: u16 = 1 << 8 | 1;
/// Size of `struct nfgenmsg`, with which every netfilter message begins.
const HEADER_BYTES: usize = 4;

/// Attributes of an entry. A tuple has the addresses of the packets in one direction.
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_FILTER: u16 = 25;
const CTA_STATUS_MASK: u16 = 26;
/// Attributes of a tuple, of its addresses and of its protocol.
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_PROTO_NUM: u16 = 1;
/// Attributes within `CTA_PROTOINFO`.
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
/// Flags in `CTA_FILTER`: the parts of a tuple that entries must have. Their place in it is that of the tuple.
const FILTER_SOURCE: u32 = 1 << 0;
const FILTER_PROTOCOL: u32 = 1 << 3;

/// `IPS_SEEN_REPLY` and `IPS_ASSURED`: both ends sent packets that fit.
const ASSURED: u32 = 1 << 1 | 1 << 2;
/// `IPS_OFFLOAD`: an established connection whose packets bypass connection tracking. Its entry has no TCP state.
const OFFLOAD: u32 = 1 << 14;

const TCP: u8 = libc::IPPROTO_TCP as u8;
/// The states `ESTABLISHED`, `FIN_WAIT`, `CLOSE_WAIT`, `LAST_ACK` and `TIME_WAIT`, as with sockets: visitors whose
/// connections are short have most of them in the last. A connection that was reset (`CLOSE`) protects nobody.
const CONNECTED_STATES: RangeInclusive<u8> = 3..=7;

/// An end of a tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrackedEnd {
    /// The end that opened it.
    Opener = 1,
    /// The end that replies, such as the server of a connection that a container opened through this host.
    Replier = 2,
}

/// A question for connections of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConntrackQuery {
    /// The address of `end`. Without `end` only its family counts.
    pub(super) address: IpAddr,
    pub(super) end: Option<TrackedEnd>,
    /// The kernel leaves out what is no assured TCP connection of that address.
    pub(super) is_filtered: bool,
}

impl ConntrackQuery {
    /// Returns the question for all entries of the family.
    pub(super) fn unfiltered(self) -> Self {
        Self { is_filtered: false, ..self }
    }

    fn bytes(self) -> Vec<u8> {
        let family = if self.address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let mut bytes = vec![family as u8, 0, 0, 0];
        if self.is_filtered {
            let end = self.end.unwrap_or(TrackedEnd::Opener) as u16;
            let flags = FILTER_PROTOCOL | if self.end.is_some() { FILTER_SOURCE } else { 0 };
            let address = match self.address {
                IpAddr::V4(v4) => attribute(CTA_IP_V4_SRC, &v4.octets()),
                IpAddr::V6(v6) => attribute(CTA_IP_V6_SRC, &v6.octets()),
            };
            let protocol = nested(CTA_TUPLE_PROTO, &attribute(CTA_PROTO_NUM, &[TCP]));
            // The flags of the two directions are numbered as their tuples are.
            bytes.extend(nested(CTA_FILTER, &attribute(end, &flags.to_ne_bytes())));
            bytes.extend(nested(end, &[nested(CTA_TUPLE_IP, &address), protocol].concat()));
            bytes.extend(attribute(CTA_STATUS, &ASSURED.to_be_bytes()));
            bytes.extend(attribute(CTA_STATUS_MASK, &ASSURED.to_be_bytes()));
        }
        bytes
    }
}

/// A message to or from `ctnetlink`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConntrackMessage {
    Query(ConntrackQuery),
    /// A connection: its opener, and the end that replies.
    Connection([IpAddr; 2]),
    /// An entry that is no TCP connection of which both ends know.
    Other,
}

impl NetlinkSerializable for ConntrackMessage {
    fn message_type(&self) -> u16 {
        GET
    }

    fn buffer_len(&self) -> usize {
        match self {
            Self::Query(query) => query.bytes().len(),
            Self::Connection(_) | Self::Other => 0,
        }
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Self::Query(query) = self {
            buffer.copy_from_slice(&query.bytes());
        }
    }
}

impl NetlinkDeserializable for ConntrackMessage {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let attributes = payload.get(HEADER_BYTES..).ok_or("an entry without its header")?;
        let (mut opener, mut replier, mut status, mut state) = (None, None, 0, None);
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                CTA_TUPLE_ORIG => opener = read_tuple(value)?,
                CTA_TUPLE_REPLY => replier = read_tuple(value)?,
                CTA_STATUS => status = u32::from_be_bytes(value.try_into().map_err(|_| "a short status")?),
                CTA_PROTOINFO => state = read_state(value)?,
                _ => {}
            }
        }
        let is_assured = status & ASSURED == ASSURED;
        let is_connected = state.map_or(status & OFFLOAD != 0, |state| CONNECTED_STATES.contains(&state));
        Ok(match opener.zip(replier) {
            Some((opener, replier)) if is_assured && is_connected => Self::Connection([opener, replier]),
            _ => Self::Other,
        })
    }
}

/// Reads the source address of a tuple; `None` for another protocol than TCP.
fn read_tuple(tuple: &[u8]) -> Result<Option<IpAddr>, DecodeError> {
    let (mut source, mut is_tcp) = (None, false);
    for part in NlasIterator::new(tuple) {
        let part = part?;
        for attribute in NlasIterator::new(part.value()) {
            let attribute = attribute?;
            let value = attribute.value();
            match (part.kind(), attribute.kind()) {
                (CTA_TUPLE_IP, CTA_IP_V4_SRC) => source = <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
                (CTA_TUPLE_IP, CTA_IP_V6_SRC) => source = <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
                (CTA_TUPLE_PROTO, CTA_PROTO_NUM) => is_tcp = value == [TCP],
                _ => {}
            }
        }
    }
    Ok(source.filter(|_| is_tcp))
}

/// Reads the state of a TCP connection; `None` for another protocol.
fn read_state(info: &[u8]) -> Result<Option<u8>, DecodeError> {
    for protocol in NlasIterator::new(info) {
        let protocol = protocol?;
        if protocol.kind() != CTA_PROTOINFO_TCP {
            continue;
        }
        for attribute in NlasIterator::new(protocol.value()) {
            let attribute = attribute?;
            if attribute.kind() == CTA_PROTOINFO_TCP_STATE {
                return Ok(attribute.value().first().copied());
            }
        }
    }
    Ok(None)
}

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, value)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    const ALIGNMENT: usize = 4;
    let mut bytes = Vec::from(((ALIGNMENT + value.len()) as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ESTABLISHED: Option<u8> = Some(3);

    fn tuple(kind: u16, source: IpAddr, protocol: u8) -> Vec<u8> {
        let address = match source {
            IpAddr::V4(v4) => attribute(CTA_IP_V4_SRC, &v4.octets()),
            IpAddr::V6(v6) => attribute(CTA_IP_V6_SRC, &v6.octets()),
        };
        let number = attribute(CTA_PROTO_NUM, &[protocol]);
        nested(kind, &[nested(CTA_TUPLE_IP, &address), nested(CTA_TUPLE_PROTO, &number)].concat())
    }

    fn entry(ends: [IpAddr; 2], protocol: u8, status: u32, state: Option<u8>) -> Vec<u8> {
        let state = state.map_or(Vec::new(), |state| {
            let state = attribute(CTA_PROTOINFO_TCP_STATE, &[state]);
            nested(CTA_PROTOINFO, &nested(CTA_PROTOINFO_TCP, &state))
        });
        let orig = tuple(CTA_TUPLE_ORIG, ends[0], protocol);
        let reply = tuple(CTA_TUPLE_REPLY, ends[1], protocol);
        [vec![2, 0, 0, 0], orig, reply, attribute(CTA_STATUS, &status.to_be_bytes()), state].concat()
    }

    fn ends() -> [IpAddr; 2] {
        [[192, 0, 2, 1].into(), [10, 0, 0, 2].into()]
    }

    fn read(bytes: &[u8]) -> ConntrackMessage {
        ConntrackMessage::deserialize(&NetlinkHeader::default(), bytes).expect("an entry")
    }

    #[test]
    fn assured_tcp_connection_counts() {
        let connection = ConntrackMessage::Connection(ends());
        let v6: [IpAddr; 2] = ["2001:db8::1", "fd00::2"].map(|text| text.parse().expect("an address"));
        assert_eq!(read(&entry(ends(), TCP, ASSURED, ESTABLISHED)), connection);
        assert_eq!(read(&entry(v6, TCP, ASSURED | 8, ESTABLISHED)), ConntrackMessage::Connection(v6));
        assert_eq!(read(&entry(ends(), TCP, ASSURED | OFFLOAD, None)), connection, "on the fast path");
        let connected: Vec<u8> =
            (0..16).filter(|state| read(&entry(ends(), TCP, ASSURED, Some(*state))) == connection).collect();
        assert_eq!(connected, [3, 4, 5, 6, 7]);
    }

    #[test]
    fn forged_syn_makes_no_connection() {
        const SEEN_REPLY: u32 = 1 << 1;
        for (protocol, status, state) in [
            (TCP, 0, Some(1)),
            (TCP, SEEN_REPLY, Some(2)),
            // A packet from the middle of a connection that never was.
            (TCP, 0, ESTABLISHED),
            (TCP, SEEN_REPLY, ESTABLISHED),
            (TCP, ASSURED, None),
            (libc::IPPROTO_UDP as u8, ASSURED, None),
        ] {
            let bytes = entry(ends(), protocol, status, state);
            assert_eq!(read(&bytes), ConntrackMessage::Other, "{protocol} {status:#x} {state:?}");
        }
    }

    proptest! {
        /// Neither random bytes nor a damaged or cut entry causes a panic.
        #[test]
        fn hostile_entries_do_not_panic(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            damage in prop::collection::vec((0_usize..120, any::<u8>()), 0..4),
            cut in 0_usize..120,
        ) {
            let decode = |bytes: &[u8]| ConntrackMessage::deserialize(&NetlinkHeader::default(), bytes);
            let _ = decode(&noise);
            let mut damaged = entry(ends(), TCP, ASSURED, ESTABLISHED);
            for (at, byte) in damage {
                if let Some(place) = damaged.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = decode(&damaged[..cut.min(damaged.len())]);
        }
    }
}
