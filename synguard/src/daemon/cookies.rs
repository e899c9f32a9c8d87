//! Performs what was decided about the kernel's SYN cookies, and tells what became of it.

use std::path::{Path, PathBuf};

use crate::{
    config,
    event::Event,
    instance::Instance,
    policy::Numbers,
    sysctl::{self, Raised, Restored, Syncookies},
};

/// The kernel's setting in the controller's hands. Dropped, it is put back.
pub(super) struct Cookies {
    run: PathBuf,
    owner: Syncookies,
    /// Another instance has raised it, and will put it back when its own attack is over: then it is this one's turn.
    leans_on_another: Option<(Numbers, config::Cookies)>,
    /// Why it could not be raised, as last said: said again only if it is another reason.
    complaint: Option<String>,
}

impl Cookies {
    pub(super) fn new(run: &Path) -> Self {
        Self { run: run.to_owned(), owner: Syncookies::new(run), leans_on_another: None, complaint: None }
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
            Ok(Raised::AlreadyUp(value)) => {
                self.leans_on_another = sysctl::is_raised_beside(&self.run).then_some((numbers, setting));
                events.push(Event::CookiesAlreadyUp { value });
            }
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
        self.leans_on_another = None;
        if self.owner.is_raised() { restore(&mut self.owner, false) } else { Vec::new() }
    }

    /// Notices when somebody else has changed it.
    pub(super) fn check(&mut self) -> Vec<Event> {
        if let Some((numbers, setting)) = self.leans_on_another
            && !is_up()
        {
            self.leans_on_another = None;
            return self.raise(numbers, setting);
        }
        event(self.owner.check(), false).into_iter().collect()
    }

    /// Whether the kernel answers every SYN with a cookie, if that is what is wanted.
    pub(super) fn are_up(&self, are_wanted: bool) -> bool {
        are_wanted && (self.owner.is_raised() || is_up())
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

fn is_up() -> bool {
    sysctl::tcp_syncookies().is_some_and(|value| value >= 2)
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
