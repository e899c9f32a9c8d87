//! The evidence about listener paths.

use std::time::Duration;

use anyhow::{Context as _, Result};
use synguard_common::{
    map_names,
    syn_cookie::listener::{ListenerPath, PathState},
};

use crate::{
    Datapath, bpf_syscall,
    pinned_map::open_map,
    table_scan::{self, Budget},
};

/// Maximum duration of reading the paths: a full map takes a few milliseconds.
const BUDGET: Budget = Budget::new(Duration::from_millis(50));

impl Datapath {
    /// Returns the listener paths with their evidence, in no order; none for a filter of an earlier version.
    pub fn listener_paths(&self) -> Result<Vec<(ListenerPath, PathState)>> {
        let Some(map) = open_map(&self.pins, map_names::PATHS)? else { return Ok(Vec::new()) };
        let mut paths = Vec::new();
        table_scan::for_each(&map, BUDGET, |path: &ListenerPath, state: &PathState| {
            paths.push((*path, *state));
        })
        .context("read PATHS")?;
        Ok(paths)
    }

    /// Suspends XDP's cookies on a path until this time in nanoseconds. The program may change the state meanwhile; a few
    /// counts are then lost.
    pub fn suspend_path(&self, path: &ListenerPath, state: &PathState, until_ns: u64) -> Result<()> {
        let Some(map) = open_map(&self.pins, map_names::PATHS)? else { return Ok(()) };
        let suspended = PathState { suspended_until_ns: until_ns, ..*state };
        bpf_syscall::update(map.fd(), path, &suspended).context("write PATHS")
    }
}
