//! Opens an instance's filter, and reads it.

use anyhow::Result;
use synguard_datapath::Datapath;
use synguard_kernel::{clock, instance::Instance, preflight};
use synguard_model::snapshot::Snapshot;

/// Opens the instance's filter.
pub(super) fn open(instance: &Instance) -> Result<Datapath> {
    preflight::check_privileges()?;
    Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached())
}

pub(super) fn snapshot(datapath: &Datapath) -> Result<Snapshot> {
    datapath.snapshot(clock::now_ns())
}
