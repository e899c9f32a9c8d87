//! Notifies systemd, if it started the controller: ready, alive, the phase, stopping.

use sd_notify::NotifyState;
use synguard_model::attack::{AttackKind, Phase};

#[derive(Debug, Default)]
pub(super) struct Systemd {
    last_status: String,
}

impl Systemd {
    /// Feeds the watchdog, and sends the status if it changed.
    pub(super) fn alive(&mut self, is_protected: bool, phase: Phase, kind: Option<AttackKind>) {
        send(&[NotifyState::Watchdog]);
        let status = match kind {
            _ if !is_protected => "NOT PROTECTED: the filter is on no interface".to_owned(),
            Some(kind) => format!("{} ({kind})", phase.name()),
            None => phase.name().to_owned(),
        };
        if self.last_status != status {
            send(&[NotifyState::Status(&status)]);
            self.last_status = status;
        }
    }
}

pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Sends notifications. Does nothing without systemd.
fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd cannot be notified: {error}");
    }
}
