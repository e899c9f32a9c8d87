//! `synguard detach`: removes the filter, with or without a running controller, and prints what it did.

use std::{thread, time::Duration};

use anyhow::{Result, bail};
use synguard_kernel::{
    clock::Deadline,
    instance::Instance,
    lock::{self, Lock},
    preflight, sysctl,
};
use synguard_lists::transaction::{LostChanges, save_before_removal};
use synguard_model::{
    error::{ExitKind, failure},
    event::{Event, Sysctl},
};

use super::{filter::not_attached, stdout::emit};
use crate::{
    audit,
    config::record::AttachRecord,
    controller::{self, status_file::ControllerStatus},
};

/// Time within which the controller must notice the removal and end.
const CONTROLLER_WAIT: Duration = Duration::from_secs(5);

/// Detaches the named interfaces, or all of them. With the last interface all pins are removed and the controller ends.
/// Fails if the filter is not attached, or not to one of the names.
pub(super) fn run(instance: &Instance, interfaces: &[String]) -> Result<()> {
    preflight::check_privileges()?;
    if !synguard_datapath::is_pinned(&instance.pins) {
        return if sysctl::has_saved_value(&instance.run) {
            restore_after_kill(instance)
        } else {
            Err(not_attached(instance))
        };
    }
    let change = Lock::change(instance)?;
    let attached: Vec<String> =
        synguard_datapath::attached(&instance.pins)?.into_iter().map(|link| link.name).collect();
    if let Some(unknown) = interfaces.iter().find(|name| !attached.contains(name)) {
        change.remove_file();
        return Err(failure(
            ExitKind::NotAttached,
            format!("not attached to {unknown}: attached to {}", list_names(&attached)),
        ));
    }
    let all = interfaces.is_empty() || attached.iter().all(|name| interfaces.contains(name));
    if !all {
        for name in interfaces {
            synguard_datapath::detach(&instance.pins, name)?;
        }
        let remaining = attached.into_iter().filter(|name| !interfaces.contains(name)).collect();
        record(instance, interfaces.to_vec(), remaining);
        return emit(format!("detached from {}\n", list_names(interfaces)));
    }
    let lost = save_before_removal(instance);
    synguard_datapath::remove(&instance.pins)?;
    record(instance, attached.clone(), Vec::new());
    for LostChanges { list, why } in lost {
        log::warn!(
            "the last changes of the {} are lost, because they could not be saved: {why}",
            list.name()
        );
    }
    // The controller notices within a tick. If this command returned earlier, the next attach would still find it.
    let deadline = Deadline::after(CONTROLLER_WAIT);
    while let Some(pid) = lock::controller_pid(instance) {
        if deadline.has_passed() {
            bail!("detached, but the controller (pid {pid}) has not ended: end it by hand");
        }
        thread::sleep(Duration::from_millis(20));
    }
    // A controller that ended has restored the sysctls; one that was killed has not.
    controller::restore_after_crash(instance);
    ControllerStatus::remove(&instance.run);
    AttachRecord::remove(&instance.run);
    lock::remove_dead_controllers_file(instance);
    change.remove_file();
    emit(format!("detached from {}{}\n", list_names(&attached), syncookies_text()))
}

fn record(instance: &Instance, interfaces: Vec<String>, remaining: Vec<String>) {
    audit::record(instance, |actor| Event::Detached { interfaces, remaining, actor });
}

/// Returns a clause with the value that `tcp_syncookies` has now, if it can be read.
fn syncookies_text() -> String {
    let sysctl = Sysctl::Syncookies;
    sysctl::read(sysctl).map_or_else(String::new, |value| format!("; {} is {value}", sysctl.name()))
}

/// Restores the sysctls after the filter was removed by a controller that was killed before it could.
fn restore_after_kill(instance: &Instance) -> Result<()> {
    let controller = Lock::controller(instance)?;
    controller::restore_after_crash(instance);
    ControllerStatus::remove(&instance.run);
    AttachRecord::remove(&instance.run);
    controller.remove_file();
    emit(format!("no filter was attached{}\n", syncookies_text()))
}

fn list_names(names: &[String]) -> String {
    if names.is_empty() { "no interface".to_owned() } else { names.join(", ") }
}
