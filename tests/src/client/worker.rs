//! One thread of visitors: it starts the visits that are due and follows all that are under way.

use std::{
    collections::{HashMap, VecDeque},
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::PoisonError,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    client::{
        ClientSpec, Visit, Visits,
        socket::{Epoll, connect},
    },
    command::{pin_to_cpu, take_precedence},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n";
const RESPONSE_START: &[u8] = b"HTTP/1.1 200 ";
/// Size of the buffer, which is longer than the response.
const BUFFER: usize = 4096;

/// A visit under way.
struct Pending {
    socket: TcpStream,
    due: Instant,
    asked: bool,
    response: Vec<u8>,
}

/// Makes this thread's share of the visits: every `threads`th, beginning with the `number`th.
pub(super) fn work(spec: &ClientSpec, number: u32, visits: &Visits) -> Result<()> {
    if let Some(cpu) = spec.cpu {
        pin_to_cpu(cpu).with_context(|| format!("pin the visitors to CPU {cpu}"))?;
    }
    take_precedence().context("raise the visitors' priority")?;
    let epoll = Epoll::new().context("make an epoll")?;
    let server = SocketAddr::new(spec.family.server(), spec.port);
    let total = (f64::from(spec.rate) * spec.duration.as_secs_f64()) as u64;
    let start = Instant::now();
    let due = |visit: u64| start + Duration::from_nanos(visit * 1_000_000_000 / u64::from(spec.rate));
    let mut next = u64::from(number);
    let mut pending: HashMap<u64, Pending> = HashMap::new();
    // Visits in the order in which they were due, which is the order in which their time runs out.
    let mut order: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut ended = Vec::new();
    while next < total || !pending.is_empty() {
        let now = Instant::now();
        while next < total && due(next) <= now {
            let visitor = spec.family.visitor((next % u64::from(spec.visitors)) as u16);
            let socket = connect(SocketAddr::new(visitor, 0), server).context("start a connection")?;
            epoll.add(&socket, next).context("watch a connection")?;
            let due = due(next);
            pending.insert(next, Pending { socket, due, asked: false, response: Vec::new() });
            order.push_back((next, due + spec.timeout));
            next += u64::from(spec.threads);
        }
        while order.front().is_some_and(|(visit, end)| *end <= now || !pending.contains_key(visit)) {
            if let Some((visit, _)) = order.pop_front()
                && pending.remove(&visit).is_some()
            {
                ended.push(Visit::Failed);
            }
        }
        if !ended.is_empty() {
            visits.lock().unwrap_or_else(PoisonError::into_inner).append(&mut ended);
        }
        let wake = [order.front().map(|(_, end)| *end), (next < total).then(|| due(next))];
        let Some(wake) = wake.into_iter().flatten().min() else { continue };
        for visit in epoll.wait(wake.saturating_duration_since(Instant::now())).context("wait")? {
            if let Some(end) = pending.get_mut(&visit).and_then(advance) {
                pending.remove(&visit);
                ended.push(end);
            }
        }
    }
    visits.lock().unwrap_or_else(PoisonError::into_inner).append(&mut ended);
    Ok(())
}

/// Advances a visit as far as possible without waiting; returns the outcome once it has ended.
fn advance(visit: &mut Pending) -> Option<Visit> {
    if !visit.asked {
        match visit.socket.write(REQUEST) {
            // It fits any send buffer as a whole.
            Ok(written) if written == REQUEST.len() => visit.asked = true,
            // A connection still under way counts as not connected.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                return None;
            }
            _ => return Some(Visit::Failed),
        }
    }
    let mut buffer = [0; BUFFER];
    loop {
        match visit.socket.read(&mut buffer) {
            Ok(0) if visit.response.starts_with(RESPONSE_START) => {
                return Some(Visit::Served(visit.due.elapsed()));
            }
            Ok(0) => return Some(Visit::Failed),
            Ok(read) => visit.response.extend(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Some(Visit::Failed),
        }
    }
}
