//! Follows interfaces that disappear, return (as a bond or a VLAN does when it is reconfigured), or are renamed.

use anyhow::Result;
use synguard_datapath::Attached;
use synguard_kernel::{lock::Lock, netlink};
use synguard_model::event::Event;

use super::ControllerOptions;

#[derive(Debug, Default)]
pub(super) struct Interfaces {
    missing: Vec<String>,
    /// Interfaces that returned but to which the filter could not be attached. Each is reported once.
    refused: Vec<String>,
    is_check_due: bool,
}

impl Interfaces {
    /// Schedules a check for the next tick.
    pub(super) const fn schedule_check(&mut self) {
        self.is_check_due = true;
    }

    pub(super) const fn is_check_due(&self) -> bool {
        self.is_check_due
    }

    /// Attaches the filter again to interfaces that returned, and follows those that were renamed.
    pub(super) fn check(&mut self, options: &ControllerOptions<'_>) -> Result<Vec<Event>> {
        self.is_check_due = false;
        let mut events = Vec::new();
        for link in synguard_datapath::attached(&options.instance.pins)? {
            if link.ifindex == 0 {
                self.check_missing(link.name, options, &mut events);
            } else if link.place.is_some() {
                events.extend(follow_rename(link, options));
            }
        }
        Ok(events)
    }

    fn check_missing(&mut self, interface: String, options: &ControllerOptions<'_>, events: &mut Vec<Event>) {
        if !self.missing.contains(&interface) {
            self.missing.push(interface.clone());
            events.push(Event::InterfaceGone { interface: interface.clone() });
        }
        match netlink::interface_by_name(&interface) {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.refused.retain(|other| *other != interface);
                return;
            }
            Err(error) => return log::warn!("{error:#}"),
        }
        match (options.reattach)(&interface) {
            Ok(()) => {
                self.missing.retain(|other| *other != interface);
                self.refused.retain(|other| *other != interface);
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

/// Renames the pin of a renamed interface, so that the filter is found under the interface's present name.
fn follow_rename(link: Attached, options: &ControllerOptions<'_>) -> Option<Event> {
    let now = netlink::interface_by_index(link.ifindex).ok()??.name;
    if now == link.name {
        return None;
    }
    let rename = || -> Result<()> {
        let _lock = Lock::change(options.instance)?;
        synguard_datapath::rename(&options.instance.pins, &link.name, &now)
    };
    match rename() {
        Ok(()) => Some(Event::InterfaceRenamed { interface: link.name, now }),
        Err(error) => {
            log::warn!("{} is called {now} now, but its pin cannot be renamed: {error:#}", link.name);
            None
        }
    }
}
