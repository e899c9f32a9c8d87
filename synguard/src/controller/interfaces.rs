//! Keeps the filter on its interfaces: follows those that disappear, return (as a bond or a VLAN does when it is reconfigured) or
//! are renamed, attaches again where somebody removed the filter, and makes removed pins again.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use synguard_datapath::{Attached, HeldPins};
use synguard_kernel::{instance::Instance, lock::Lock, netlink};
use synguard_model::event::Event;

use super::{ControllerOptions, last_error::LastError};

/// Ticks without a filtered interface before that is reported: `synguard detach` may be at work.
const UNPROTECTED_TICKS: u32 = 2;

#[derive(Debug)]
pub(super) struct Interfaces {
    held: HeldPins,
    /// The last index of each interface, by the name of its link.
    indexes: BTreeMap<String, u32>,
    missing: Vec<String>,
    /// Interfaces that exist but to which the filter could not be attached again. Each is reported once.
    refused: Vec<String>,
    is_check_due: bool,
    pin_error: LastError,
    /// Ticks for which no interface has been filtered.
    unprotected_ticks: u32,
}

impl Interfaces {
    pub(super) fn open(pins: &Path) -> Result<Self> {
        let known = synguard_datapath::attached(pins)?.into_iter().map(|link| (link.name, link.ifindex));
        Ok(Self {
            indexes: known.collect(),
            held: HeldPins::open(pins)?,
            missing: Vec::new(),
            refused: Vec::new(),
            is_check_due: false,
            pin_error: LastError::default(),
            unprotected_ticks: 0,
        })
    }

    /// Schedules a check for the next tick.
    pub(super) const fn schedule_check(&mut self) {
        self.is_check_due = true;
    }

    pub(super) const fn is_check_due(&self) -> bool {
        self.is_check_due
    }

    /// Reports whether some interface is filtered, as far as the last tick saw.
    pub(super) const fn is_protected(&self) -> bool {
        self.unprotected_ticks < UNPROTECTED_TICKS
    }

    /// Looks at every link and pin, which takes a call or two for each. Makes removed pins again and schedules a check if a
    /// link was detached. Returns `false` if the filter was removed.
    pub(super) fn watch(&mut self, instance: &Instance, events: &mut Vec<Event>) -> Result<bool> {
        let state = self.held.check()?;
        if state.is_removed() {
            return Ok(false);
        }
        if !state.missing.is_empty() {
            // The filter works without its pins, as long as this process holds their objects: an error must not end it.
            let restored = self.restore_pins(instance, events);
            self.pin_error.note("removed pins cannot be made again", restored);
        }
        if state.detached.iter().any(|name| !self.missing.contains(name)) {
            self.is_check_due = true;
        }
        self.unprotected_ticks =
            if state.attached == 0 { self.unprotected_ticks.saturating_add(1) } else { 0 };
        if self.unprotected_ticks == UNPROTECTED_TICKS {
            events.push(Event::Unprotected {});
        }
        Ok(true)
    }

    /// Makes removed pins again, unless somebody holds the lock, who may be removing the filter.
    fn restore_pins(&mut self, instance: &Instance, events: &mut Vec<Event>) -> Result<()> {
        let Some(_lock) = Lock::try_change(instance)? else { return Ok(()) };
        let state = self.held.check()?;
        if !state.is_removed() && !state.missing.is_empty() {
            self.held.restore(&state.missing)?;
            let pins = state.missing.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            events.push(Event::PinsRestored { pins });
        }
        Ok(())
    }

    /// Attaches the filter again where it is missing, and follows interfaces that were renamed. While somebody holds the lock
    /// for changes, the check waits for a later tick: `synguard detach` removes the pin of a link after it detached the link,
    /// and in between the link looks like one that somebody else detached.
    pub(super) fn check(&mut self, options: &ControllerOptions<'_>) -> Result<Vec<Event>> {
        self.is_check_due = false;
        let Some(_lock) = Lock::try_change(options.instance)? else {
            self.is_check_due = true;
            return Ok(Vec::new());
        };
        let mut events = Vec::new();
        for link in synguard_datapath::attached(&options.instance.pins)? {
            if link.ifindex == 0 {
                self.check_missing(link.name, options, &mut events);
                continue;
            }
            let mut name = link.name.clone();
            if link.place.is_some()
                && let Some(now) = follow_rename(&link, options)
            {
                events.push(Event::InterfaceRenamed { interface: link.name, now: now.clone() });
                name = now;
            }
            self.indexes.insert(name, link.ifindex);
        }
        Ok(events)
    }

    fn check_missing(&mut self, interface: String, options: &ControllerOptions<'_>, events: &mut Vec<Event>) {
        let found = match netlink::interface_by_name(&interface) {
            Ok(found) => found,
            Err(error) => return log::warn!("{error:#}"),
        };
        if !self.missing.contains(&interface) {
            self.missing.push(interface.clone());
            let is_same = found.as_ref().is_some_and(|it| self.indexes.get(&interface) == Some(&it.index));
            let interface = interface.clone();
            events.push(if is_same {
                Event::FilterRemoved { interface }
            } else {
                Event::InterfaceGone { interface }
            });
        }
        if found.is_none() {
            self.refused.retain(|other| *other != interface);
            return;
        }
        match (options.reattach)(&interface) {
            Ok(()) => {
                self.held.release(&interface);
                self.missing.retain(|other| *other != interface);
                self.refused.retain(|other| *other != interface);
                if let Some(it) = found {
                    self.indexes.insert(interface.clone(), it.index);
                }
                events.push(Event::InterfaceBack { interface });
            }
            Err(error) if !self.refused.contains(&interface) => {
                self.refused.push(interface.clone());
                events.push(Event::InterfaceNotAttached { interface, why: format!("{error:#}") });
            }
            Err(_) => {}
        }
    }
}

/// Renames the pin of a renamed interface, so that the filter is found under the interface's present name. Returns the name.
/// The caller holds the lock for changes.
fn follow_rename(link: &Attached, options: &ControllerOptions<'_>) -> Option<String> {
    let now = netlink::interface_by_index(link.ifindex).ok()??.name;
    if now == link.name {
        return None;
    }
    match synguard_datapath::rename(&options.instance.pins, &link.name, &now) {
        Ok(()) => Some(now),
        Err(error) => {
            log::warn!("{} is called {now} now, but its pin cannot be renamed: {error:#}", link.name);
            None
        }
    }
}
