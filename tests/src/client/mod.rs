//! The visitors: new connections at a steady pace, each a whole request, whatever becomes of the earlier ones.
//!
//! A visit's time counts from the moment it was due, not from when it was made: if the visitors' own thread
//! were held up, the delay would show instead of being left out.

mod socket;
mod summary;
mod worker;

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};

pub use self::summary::Summary;
use crate::{command::raise_file_limit, lab::Family, netns::Netns};

/// The visits to make.
#[derive(Clone, Debug)]
pub struct ClientSpec {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The server's port.
    pub port: u16,
    /// New connections a second.
    pub rate: u32,
    /// Period in which new connections are made; the last ones get their timeout on top.
    pub duration: Duration,
    /// A visit that is not served within this time has failed.
    pub timeout: Duration,
    /// Number of addresses that the visits come from, in turn: see [`Family::visitor`].
    pub visitors: u16,
    /// Number of threads that make the visits.
    pub threads: u32,
    /// The CPU the threads are pinned to, if any.
    pub cpu: Option<usize>,
}

impl ClientSpec {
    /// 200 visits a second to port 80, each with a timeout of 5 seconds, from 64 addresses, by two threads on
    /// CPU 0.
    pub fn new(family: Family, duration: Duration) -> Self {
        Self {
            family,
            port: 80,
            rate: 200,
            duration,
            timeout: Duration::from_secs(5),
            visitors: 64,
            threads: 2,
            cpu: Some(0),
        }
    }
}

/// The outcome of one visit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Visit {
    /// Served, after this time.
    Served(Duration),
    /// Refused, reset, cut short, or not served in time.
    Failed,
}

type Visits = Arc<Mutex<Vec<Visit>>>;

/// Visits under way.
#[derive(Debug)]
pub struct Clients {
    visits: Visits,
    workers: Vec<JoinHandle<Result<Result<()>>>>,
}

impl Clients {
    /// Starts making visits.
    ///
    /// # Errors
    /// When the specification has a zero in it, or there are no threads or files to be had.
    pub fn start(netns: &Netns, spec: &ClientSpec) -> Result<Self> {
        ensure!(spec.rate > 0 && spec.visitors > 0 && spec.threads > 0, "visits need a rate: {spec:?}");
        raise_file_limit().context("raise the limit of open files")?;
        let visits = Visits::default();
        let mut workers = Vec::new();
        for number in 0..spec.threads {
            let (spec, visits) = (spec.clone(), Arc::clone(&visits));
            workers.push(netns.spawn("visitors", move || worker::work(&spec, number, &visits))?);
        }
        Ok(Self { visits, workers })
    }

    /// Summarizes the visits that have ended so far, from the `skip`th on.
    pub fn ended(&self, skip: usize) -> Summary {
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        Summary::of(visits.get(skip..).unwrap_or_default())
    }

    /// Reports whether all visits have been made and have ended.
    pub fn is_finished(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Waits until all visits have been made and have ended.
    ///
    /// # Errors
    /// When the client itself could not go on, as without file descriptors.
    pub fn finish(self) -> Result<Summary> {
        for worker in self.workers {
            worker.join().map_err(|_| anyhow!("a thread of the visitors panicked"))???;
        }
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Summary::of(&visits))
    }
}

/// Connects from a given address and port, 0 for any, in the calling thread's namespace.
///
/// # Errors
/// When the connection is refused, or not up within the given time.
pub fn connect(from: SocketAddr, to: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let socket = socket::connect(from, to)?;
    let epoll = socket::Epoll::new()?;
    epoll.add(&socket, 0)?;
    let begun = std::time::Instant::now();
    loop {
        epoll.wait(within.saturating_sub(begun.elapsed()))?;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        if socket.peer_addr().is_ok() {
            socket.set_nonblocking(false)?;
            return Ok(socket);
        }
        if begun.elapsed() >= within {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// Connects from a given address by TCP Fast Open, in the calling thread's namespace: the data goes with the SYN if a
/// cookie for that is known, or else the SYN asks for one and the data follows.
///
/// # Errors
/// When the connection is refused, or not up within ten seconds.
pub fn connect_fast(from: SocketAddr, to: SocketAddr, data: &[u8]) -> io::Result<TcpStream> {
    socket::connect_fast(from, to, data)
}

/// Makes visits and waits for them all.
///
/// # Errors
/// When the specification has a zero in it, or the client itself could not go on.
pub fn run(netns: &Netns, spec: &ClientSpec) -> Result<Summary> {
    Clients::start(netns, spec)?.finish()
}
