//! Access to the filter of an instance.

use anyhow::Result;
use synguard_datapath::Datapath;
use synguard_kernel::{clock, instance::Instance, preflight};
use synguard_model::snapshot::Snapshot;

/// Opens the filter. Fails with the exit code for "not attached" if the instance has none.
pub(super) fn open(instance: &Instance) -> Result<Datapath> {
    preflight::check_privileges()?;
    Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached())
}

pub(super) fn snapshot(datapath: &Datapath) -> Result<Snapshot> {
    datapath.snapshot(clock::monotonic())
}
