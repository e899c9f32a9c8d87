//! Raises a setting of the kernel's and puts it back, as was decided, and tells what became of it.

use std::path::{Path, PathBuf};

use synguard_kernel::{
    instance::Instance,
    sysctl::{self, Owner, Raised, Restored, Setting},
};
use synguard_model::event::{AttackRates, Event};

/// A setting in the controller's hands. Dropped, it is put back.
pub(super) struct Raiser {
    run: PathBuf,
    setting: Setting,
    owner: Owner,
    /// Another instance has raised it, and will put it back when its own attack is over: then it is this one's turn.
    leans_on_another: Option<AttackRates>,
    /// Why it could not be raised, as last said: said again only if it is another reason.
    complaint: Option<String>,
}

impl Raiser {
    pub(super) fn new(run: &Path, setting: Setting) -> Self {
        let owner = Owner::new(run, setting);
        Self { run: run.to_owned(), setting, owner, leans_on_another: None, complaint: None }
    }

    pub(super) fn raise(&mut self, numbers: AttackRates) -> Vec<Event> {
        match self.owner.raise() {
            Ok(Raised::Raised { from, to }) => {
                self.complaint = None;
                vec![raised(self.setting, from, to, numbers)]
            }
            Ok(Raised::AlreadyUp(value)) => {
                let beside = sysctl::is_raised_beside(&self.run, self.setting);
                self.leans_on_another = beside.then_some(numbers);
                vec![already_up(self.setting, value)]
            }
            Err(error) => {
                let why = format!("{error:#}");
                if self.complaint.as_ref() == Some(&why) {
                    return Vec::new();
                }
                self.complaint = Some(why.clone());
                vec![not_raised(self.setting, why)]
            }
        }
    }

    /// Puts it back, if it was raised and still is what was written.
    pub(super) fn restore(&mut self) -> Vec<Event> {
        self.leans_on_another = None;
        if self.owner.is_raised() { restore(&mut self.owner, self.setting, false) } else { Vec::new() }
    }

    /// Notices when somebody else has changed it.
    pub(super) fn check(&mut self) -> Vec<Event> {
        if let Some(numbers) = self.leans_on_another
            && !self.is_up()
        {
            self.leans_on_another = None;
            return self.raise(numbers);
        }
        restored(self.setting, self.owner.check(), false).into_iter().collect()
    }

    /// Whether it is at least what it is raised to, whoever has done that.
    pub(super) fn is_up(&self) -> bool {
        self.setting.is_up()
    }

    pub(super) fn original(&self) -> Option<u8> {
        self.owner.original()
    }
}

impl Drop for Raiser {
    fn drop(&mut self) {
        for event in self.restore() {
            log::log!(event.level(), "{event}");
        }
    }
}

/// Puts back what a controller that was killed has left raised: cookies first, so that none is on its way when the
/// timestamps that it may carry options in are read differently again.
pub(super) fn settle(instance: &Instance) -> Vec<Event> {
    let settle = |setting| restore(&mut Owner::new(&instance.run, setting), setting, true);
    Setting::ALL.into_iter().flat_map(settle).collect()
}

fn restore(owner: &mut Owner, setting: Setting, after_crash: bool) -> Vec<Event> {
    match owner.restore() {
        Ok(what) => restored(setting, what, after_crash).into_iter().collect(),
        Err(error) => vec![not_restored(setting, format!("{error:#}"))],
    }
}

fn raised(setting: Setting, from: u8, to: u8, numbers: AttackRates) -> Event {
    match setting {
        Setting::Syncookies => Event::CookiesRaised { from, to, numbers },
        Setting::Timestamps => Event::TimestampsRaised { from, to },
    }
}

fn already_up(setting: Setting, value: u8) -> Event {
    match setting {
        Setting::Syncookies => Event::CookiesAlreadyUp { value },
        Setting::Timestamps => Event::TimestampsAlreadyUp { value },
    }
}

fn not_raised(setting: Setting, why: String) -> Event {
    match setting {
        Setting::Syncookies => Event::CookiesNotRaised { why },
        Setting::Timestamps => Event::TimestampsNotRaised { why },
    }
}

fn not_restored(setting: Setting, why: String) -> Event {
    match setting {
        Setting::Syncookies => Event::CookiesNotRestored { why },
        Setting::Timestamps => Event::TimestampsNotRestored { why },
    }
}

fn restored(setting: Setting, what: Restored, after_crash: bool) -> Option<Event> {
    Some(match (setting, what) {
        (_, Restored::Nothing) => return None,
        (Setting::Syncookies, Restored::Back { from, to }) => {
            Event::CookiesRestored { from, to, after_crash }
        }
        (Setting::Timestamps, Restored::Back { from, to }) => {
            Event::TimestampsRestored { from, to, after_crash }
        }
        (Setting::Syncookies, Restored::LeftAlone { found, written, original }) => {
            Event::CookiesLeftAlone { found, written, original }
        }
        (Setting::Timestamps, Restored::LeftAlone { found, written, original }) => {
            Event::TimestampsLeftAlone { found, written, original }
        }
    })
}
