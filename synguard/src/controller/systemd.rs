//! Tells systemd, where that has started the controller, that it is ready, what it does, and that it lives.

use sd_notify::NotifyState;
use synguard_model::attack::{AttackKind, Phase};

#[derive(Debug, Default)]
pub(super) struct Systemd {
    status: String,
}

impl Systemd {
    pub(super) fn ready(&mut self) {
        send(&[NotifyState::Ready]);
    }

    /// It lives. What it does is said when that has changed.
    pub(super) fn alive(&mut self, phase: Phase, kind: Option<AttackKind>) {
        send(&[NotifyState::Watchdog]);
        let status = match kind {
            Some(kind) => format!("{} ({kind})", phase.name()),
            None => phase.name().to_owned(),
        };
        if self.status != status {
            send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    pub(super) fn stopping(&mut self) {
        send(&[NotifyState::Stopping]);
    }
}

/// Without systemd this does nothing.
fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd cannot be told: {error}");
    }
}
