//! The signals that the controller handles, and the request of each of them.

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use synguard_kernel::{
    process,
    signals::{ReceivedSignal, SignalQueue},
    terminal::TerminalWatch,
};
use synguard_model::event::Actor;

/// The controller's signals. They are queued before the filter is attached, so that none is lost.
pub(crate) struct Signals {
    queue: SignalQueue,
    terminal: TerminalWatch,
}

/// Request of a signal, with its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignalRequest {
    /// To read the settings again.
    Reload(Actor),
    /// To end, on the signal of that name.
    ShutDown(&'static str, Actor),
    /// Nothing: the terminal was closed.
    TerminalClosed,
}

impl Signals {
    /// Begins to queue the signals. Needs the runtime.
    pub(crate) fn catch() -> Result<Self> {
        let queue = SignalQueue::open(&[Signal::TERM, Signal::INT, Signal::HUP]);
        Ok(Self { queue: queue.context("queue signals")?, terminal: TerminalWatch::begin() })
    }

    /// Waits for the next signal; for ever if signals cannot be read.
    pub(super) async fn next(&self) -> SignalRequest {
        match self.queue.next().await {
            Ok(signal) => self.request(signal),
            Err(error) => {
                log::error!("signals cannot be read, so only SIGKILL ends this process: {error}");
                std::future::pending().await
            }
        }
    }

    fn request(&self, signal: ReceivedSignal) -> SignalRequest {
        let ReceivedSignal { signal, is_from_kernel, pid, uid } = signal;
        let actor = || process::signal_sender(pid, uid);
        match signal {
            Signal::HUP if self.terminal.is_hangup((!is_from_kernel).then_some(pid)) => {
                SignalRequest::TerminalClosed
            }
            Signal::HUP => SignalRequest::Reload(actor()),
            Signal::INT => SignalRequest::ShutDown("SIGINT", actor()),
            _ => SignalRequest::ShutDown("SIGTERM", actor()),
        }
    }
}
