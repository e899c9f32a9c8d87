//! Access to the filter of an instance.

use anyhow::{Error, Result};
use synguard_datapath::Datapath;
use synguard_kernel::{clock, instance::Instance, preflight};
use synguard_model::{
    error::{ExitKind, failure},
    snapshot::Snapshot,
};

/// Opens the filter. Fails with the exit code for "not attached" if the instance has none.
pub(super) fn open(instance: &Instance) -> Result<Datapath> {
    preflight::check_privileges()?;
    Datapath::open(&instance.pins)?.ok_or_else(|| not_attached(instance))
}

/// Returns the error of a command that needs the filter and sees none: it is not attached, or its pins are out of sight.
pub(super) fn not_attached(instance: &Instance) -> Error {
    match preflight::check_bpffs(&instance.bpffs) {
        Ok(()) => instance.not_attached(),
        Err(error) => {
            failure(ExitKind::NotAttached, format!("not attached (instance {}): {error}", instance.name))
        }
    }
}

pub(super) fn snapshot(datapath: &Datapath) -> Result<Snapshot> {
    datapath.snapshot(clock::monotonic())
}
