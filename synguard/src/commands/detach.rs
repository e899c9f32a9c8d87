//! `synguard detach`: take the filter off, whether its controller runs or not.

use std::{thread, time::Duration};

use anyhow::{Result, bail};
use synguard_kernel::{
    clock::Deadline,
    instance::Instance,
    lock::{self, Lock},
    preflight, sysctl,
};
use synguard_model::error::{ExitKind, failure};

use crate::controller::{self, status_file::ControllerStatus};

/// How long the controller may take to notice and end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Detaches the named interfaces, or all of them. With the last one goes everything that was pinned, and the
/// controller ends.
///
/// # Errors
///
/// Not attached (to one of the names), or something cannot be removed.
pub(super) fn run(instance: &Instance, interfaces: &[String]) -> Result<()> {
    preflight::check_privileges()?;
    if !synguard_datapath::is_pinned(&instance.pins) {
        return if sysctl::has_saved_value(&instance.run) {
            restore_after_kill(instance)
        } else {
            Err(instance.not_attached())
        };
    }
    let change = Lock::change(instance)?;
    let attached: Vec<String> =
        synguard_datapath::attached(&instance.pins)?.into_iter().map(|link| link.name).collect();
    if let Some(stranger) = interfaces.iter().find(|name| !attached.contains(name)) {
        change.remove_file();
        return Err(failure(
            ExitKind::NotAttached,
            format!("not attached to {stranger}: attached to {}", listed(&attached)),
        ));
    }
    let all = interfaces.is_empty() || attached.iter().all(|name| interfaces.contains(name));
    if !all {
        for name in interfaces {
            synguard_datapath::detach(&instance.pins, name)?;
        }
        return Ok(());
    }
    synguard_datapath::remove(&instance.pins)?;
    // The controller notices within a tick; a return before it is gone would let a new one find it there.
    let deadline = Deadline::after(PATIENCE);
    while let Some(pid) = lock::controller_pid(instance) {
        if deadline.has_passed() {
            bail!("detached, but the controller (pid {pid}) has not ended: end it by hand");
        }
        thread::sleep(Duration::from_millis(20));
    }
    // It has put back what it changed; one that was killed has not.
    controller::restore_after_crash(instance);
    ControllerStatus::remove(&instance.run);
    lock::remove_dead_controllers_file(instance);
    change.remove_file();
    Ok(())
}

/// What is left to do when the filter is gone, but its controller was killed before it put everything back.
fn restore_after_kill(instance: &Instance) -> Result<()> {
    let controller = Lock::controller(instance)?;
    controller::restore_after_crash(instance);
    ControllerStatus::remove(&instance.run);
    controller.remove_file();
    Ok(())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "no interface".to_owned() } else { names.join(", ") }
}
