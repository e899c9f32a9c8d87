//! Netlink requests, and the many messages of a dump.

use std::io;

use anyhow::{Context as _, Result, bail, ensure};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};

use crate::clock::Deadline;

/// The kernel's limit for one datagram of a dump, in bytes.
const DATAGRAM_MAX: usize = 64 * 1024;

/// Sends one request and returns the socket from which to read the reply.
pub(super) fn send_request<M: NetlinkSerializable>(
    protocol: isize,
    message: M,
    flags: u16,
) -> Result<Socket> {
    let mut socket = Socket::new(protocol).context("open a netlink socket")?;
    socket.bind_auto().context("bind a netlink socket")?;
    socket.connect(&SocketAddr::new(0, 0)).context("connect a netlink socket")?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    request.finalize();
    let mut buffer = vec![0; request.buffer_len()];
    request.serialize(&mut buffer);
    socket.send(&buffer, 0).context("send to netlink")?;
    Ok(socket)
}

/// Requests a dump and passes each of its messages to `visit`.
///
/// A message that cannot be decoded does not hide the others: it becomes an error after the last one.
pub(super) fn dump<M>(protocol: isize, message: M, visit: impl FnMut(M)) -> Result<()>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    dump_until(protocol, message, None, visit)
}

/// Requests a dump as [`dump`] does. Fails if it is not complete at the deadline.
pub(super) fn dump_until<M>(
    protocol: isize,
    message: M,
    deadline: Option<Deadline>,
    mut visit: impl FnMut(M),
) -> Result<()>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    let socket = send_request(protocol, message, NLM_F_REQUEST | NLM_F_DUMP)?;
    let mut datagram = Vec::with_capacity(DATAGRAM_MAX);
    let mut undecoded = Undecoded::default();
    loop {
        ensure!(!deadline.is_some_and(Deadline::has_passed), "it took too long");
        datagram.clear();
        let length = socket.recv(&mut datagram, libc::MSG_TRUNC).context("receive from netlink")?;
        ensure!(length <= datagram.len(), "netlink sent a datagram of {length} bytes");
        if read_messages(&datagram, &mut visit, &mut undecoded)? {
            return undecoded.into_result();
        }
    }
}

/// The messages that could not be decoded.
#[derive(Default)]
struct Undecoded {
    count: u64,
    first: Option<String>,
}

impl Undecoded {
    fn into_result(self) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(first) => bail!("{} netlink messages not decoded, the first: {first}", self.count),
        }
    }
}

/// Reads the messages of one datagram and reports whether the dump ends with it. Pure.
fn read_messages<M: NetlinkDeserializable>(
    datagram: &[u8],
    visit: &mut impl FnMut(M),
    undecoded: &mut Undecoded,
) -> Result<bool> {
    const ALIGNMENT: usize = 4;
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = NetlinkBuffer::new_checked(&rest).context("decode netlink")?.length() as usize;
        match NetlinkMessage::<M>::deserialize(rest) {
            Ok(message) => match message.payload {
                NetlinkPayload::InnerMessage(message) => visit(message),
                NetlinkPayload::Done(done) if done.code == 0 => return Ok(true),
                NetlinkPayload::Done(done) => return Err(refused(done.code)),
                NetlinkPayload::Error(error) => return Err(error.to_io()).context("netlink refused"),
                _ => {}
            },
            Err(error) => {
                undecoded.count += 1;
                undecoded.first.get_or_insert_with(|| error.to_string());
            }
        }
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(false)
}

/// Reports whether the error means that this kernel does not have what it was asked for.
pub(super) fn is_unsupported(error: &anyhow::Error) -> bool {
    const UNSUPPORTED: [i32; 3] = [libc::EPROTONOSUPPORT, libc::EOPNOTSUPP, libc::EINVAL];
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error())
        .any(|code| UNSUPPORTED.contains(&code))
}

fn refused(code: i32) -> anyhow::Error {
    anyhow::Error::new(io::Error::from_raw_os_error(code.saturating_neg())).context("netlink refused")
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::{RouteNetlinkMessage, address::AddressMessage};
    use proptest::prelude::*;

    use super::*;

    fn message(payload: NetlinkPayload<RouteNetlinkMessage>) -> Vec<u8> {
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.finalize();
        let mut buffer = vec![0; message.buffer_len().next_multiple_of(4)];
        message.serialize(&mut buffer);
        buffer
    }

    fn address() -> Vec<u8> {
        message(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(AddressMessage::default())))
    }

    fn read_all(datagram: &[u8]) -> (usize, u64, Result<bool>) {
        let (mut seen, mut undecoded) = (0, Undecoded::default());
        let end = read_messages(datagram, &mut |_: RouteNetlinkMessage| seen += 1, &mut undecoded);
        (seen, undecoded.count, end)
    }

    #[test]
    fn undecodable_message_hides_no_other() {
        let mut undecodable = address();
        undecodable[4] = 0xee;
        let (seen, count, end) = read_all(&[address(), undecodable, address()].concat());
        assert_eq!((seen, count, end.expect("not refused")), (2, 1, false));
    }

    #[test]
    fn end_and_refusal_are_distinguished() {
        let done = |code| {
            let mut done = netlink_packet_core::DoneMessage::default();
            done.code = code;
            message(NetlinkPayload::Done(done))
        };
        assert!(read_all(&[address(), done(0)].concat()).2.expect("the end"));
        let error = format!("{:#}", read_all(&done(-libc::ENOENT)).2.expect_err("a refusal"));
        assert_eq!(error, "netlink refused: No such file or directory (os error 2)");
    }

    proptest! {
        /// Neither random bytes nor a damaged reply causes a panic or an endless loop.
        #[test]
        fn hostile_datagrams_end(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            damage in prop::collection::vec((0_usize..64, any::<u8>()), 0..4),
        ) {
            let _ = read_all(&noise);
            let mut damaged = [address(), address()].concat();
            for (at, byte) in damage {
                if let Some(place) = damaged.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = read_all(&damaged);
        }
    }
}
