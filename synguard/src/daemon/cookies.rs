//! Performs what was decided about the kernel's SYN cookies, and tells what became of it.

use std::path::Path;

use crate::{
    config,
    event::Event,
    instance::Instance,
    policy::Numbers,
    sysctl::{self, Raised, Restored, Syncookies},
};

/// The kernel's setting in the controller's hands. Dropped, it is put back.
pub(super) struct Cookies {
    owner: Syncookies,
    /// Why it could not be raised, as last said: said again only if it is another reason.
    complaint: Option<String>,
}

impl Cookies {
    pub(super) fn new(run: &Path) -> Self {
        Self { owner: Syncookies::new(run), complaint: None }
    }

    pub(super) fn raise(&mut self, numbers: Numbers, setting: config::Cookies) -> Vec<Event> {
        let mut events = Vec::new();
        if setting == config::Cookies::Xdp {
            events.push(Event::CookiesXdpUnavailable {});
        }
        match self.owner.raise() {
            Ok(Raised::Raised { from, to }) => {
                self.complaint = None;
                events.push(Event::CookiesRaised { from, to, numbers });
            }
            Ok(Raised::AlreadyUp(value)) => events.push(Event::CookiesAlreadyUp { value }),
            Err(error) => {
                let why = format!("{error:#}");
                if self.complaint.as_ref() != Some(&why) {
                    events.push(Event::CookiesNotRaised { why: why.clone() });
                    self.complaint = Some(why);
                }
            }
        }
        events
    }

    /// Puts it back, if it was raised and still is what was written.
    pub(super) fn restore(&mut self) -> Vec<Event> {
        if self.owner.is_raised() { restore(&mut self.owner, false) } else { Vec::new() }
    }

    /// Notices when somebody else has changed it.
    pub(super) fn check(&mut self) -> Option<Event> {
        event(self.owner.check(), false)
    }

    /// Whether the kernel answers every SYN with a cookie, if that is what is wanted.
    pub(super) fn are_up(&self, are_wanted: bool) -> bool {
        are_wanted && (self.owner.is_raised() || sysctl::tcp_syncookies().is_some_and(|value| value >= 2))
    }

    pub(super) fn original(&self) -> Option<u8> {
        self.owner.original()
    }
}

impl Drop for Cookies {
    fn drop(&mut self) {
        for event in self.restore() {
            log::log!(event.level(), "{event}");
        }
    }
}

/// Puts back what a controller that was killed has left raised.
pub(super) fn settle(instance: &Instance) -> Vec<Event> {
    restore(&mut Syncookies::new(&instance.run), true)
}

fn restore(owner: &mut Syncookies, after_crash: bool) -> Vec<Event> {
    match owner.restore() {
        Ok(restored) => event(restored, after_crash).into_iter().collect(),
        Err(error) => vec![Event::CookiesNotRestored { why: format!("{error:#}") }],
    }
}

fn event(restored: Restored, after_crash: bool) -> Option<Event> {
    match restored {
        Restored::Nothing => None,
        Restored::Back { from, to } => Some(Event::CookiesRestored { from, to, after_crash }),
        Restored::LeftAlone { found, written, original } => {
            Some(Event::CookiesLeftAlone { found, written, original })
        }
    }
}
