//! The guard of a sysctl: has [`SysctlOverride`] raise and restore it, and reports each change as an event.

use std::path::{Path, PathBuf};

use anyhow::Result;
use synguard_model::event::{AttackRates, Event, Sysctl, SysctlChange, SysctlEvent};

use super::{is_raised, is_raised_by_other_instance, sysctl_override::SysctlOverride};

/// A guard that raises a sysctl on request and restores it on request or when it is dropped.
#[derive(Debug)]
pub struct SysctlGuard {
    sysctl: Sysctl,
    run: PathBuf,
    value: SysctlOverride,
    /// Set while another instance holds the sysctl. When that instance restores it, this one raises it again.
    raised_by_other_instance: Option<AttackRates>,
    /// The last reported error, which is reported again only if it changes.
    last_error: Option<String>,
}

impl SysctlGuard {
    /// Creates the guard of a sysctl, with its saved value in the folder `run`. Changes nothing.
    pub fn new(run: &Path, sysctl: Sysctl) -> Self {
        Self {
            sysctl,
            run: run.to_owned(),
            value: SysctlOverride::new(run, sysctl),
            raised_by_other_instance: None,
            last_error: None,
        }
    }

    /// Raises the sysctl because of `rates`.
    pub fn raise(&mut self, rates: AttackRates) -> Option<Event> {
        let change = match self.value.raise(rates) {
            Ok(change) => {
                if matches!(change, SysctlChange::AlreadyRaised { .. }) {
                    let by_other = is_raised_by_other_instance(&self.run, self.sysctl);
                    self.raised_by_other_instance = by_other.then_some(rates);
                } else {
                    self.last_error = None;
                }
                change
            }
            Err(error) => {
                let why = format!("{error:#}");
                if self.last_error.as_ref() == Some(&why) {
                    return None;
                }
                self.last_error = Some(why.clone());
                SysctlChange::NotRaised { why }
            }
        };
        Some(self.event(change))
    }

    /// Restores the sysctl if this guard raised it and nobody changed it since.
    pub fn restore(&mut self) -> Option<Event> {
        self.raised_by_other_instance = None;
        if !self.value.is_overriding() {
            return None;
        }
        let change = restored(self.value.restore(false))?;
        Some(self.event(change))
    }

    /// Detects that another program changed the sysctl, or that another instance restored it.
    pub fn check(&mut self) -> Option<Event> {
        if let Some(rates) = self.raised_by_other_instance
            && !is_raised(self.sysctl)
        {
            self.raised_by_other_instance = None;
            return self.raise(rates);
        }
        let change = self.value.check()?;
        Some(self.event(change))
    }

    /// Returns the value that the sysctl had before this guard raised it.
    pub fn original(&self) -> Option<u8> {
        self.value.original()
    }

    fn event(&self, change: SysctlChange) -> Event {
        SysctlEvent { sysctl: self.sysctl, change }.into()
    }
}

impl Drop for SysctlGuard {
    fn drop(&mut self) {
        if let Some(event) = self.restore() {
            log::log!(event.level(), "{event}");
        }
    }
}

/// Restores the sysctls that a killed controller left raised, in the order of [`Sysctl::ALL`]. The caller holds the
/// controller's lock.
pub fn restore_after_crash(run: &Path) -> Vec<Event> {
    let restore = |sysctl| {
        let change = restored(SysctlOverride::new(run, sysctl).restore(true))?;
        Some(Event::from(SysctlEvent { sysctl, change }))
    };
    Sysctl::ALL.into_iter().filter_map(restore).collect()
}

fn restored(result: Result<Option<SysctlChange>>) -> Option<SysctlChange> {
    result.unwrap_or_else(|error| Some(SysctlChange::NotRestored { why: format!("{error:#}") }))
}
