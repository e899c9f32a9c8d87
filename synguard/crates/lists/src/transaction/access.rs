//! Opening the lists: those of the attached filter, or the files alone while none is attached.

use std::{io, thread, time::Duration};

use anyhow::{Context as _, Result};
use synguard_common::{ip_list::List, map_names};
use synguard_datapath::Datapath;
use synguard_kernel::{
    clock::{self, Deadline},
    instance::Instance,
    lock::{self, Lock},
    preflight,
};
use synguard_model::error::{ExitKind, failure};

use super::ListTransaction;
use crate::{
    effective,
    store::Store,
    tables::{ListTables, MemoryTables},
};

/// Time within which a controller that begins or ends has its pins made or its lock released.
const SETTLE: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

impl ListTransaction {
    /// Takes the lock for changes and opens the lists of an instance: the tables of its filter or, if none is attached, the
    /// files alone, for which no privilege is needed but access to them.
    ///
    /// # Errors
    ///
    /// If this process lacks a privilege, another process holds the lock for too long, or a filter is attached that is not
    /// visible here.
    pub fn open(instance: &Instance) -> Result<Self> {
        let deadline = Deadline::after(SETTLE);
        loop {
            if may_be_pinned(instance) {
                preflight::check_privileges()?;
                return Self::open_as_controller(instance);
            }
            let was_locked = lock::has_change_file(instance);
            let lock = Lock::change(instance)?;
            if may_be_pinned(instance) {
                continue;
            }
            if was_locked {
                // Somebody has used a lock that `detach` removes.
                preflight::check_bpffs(&instance.bpffs)
                    .context("a filter may be attached, but none is visible")?;
            }
            let Some(pid) = lock::controller_pid(instance) else {
                return Self::detached(instance, lock);
            };
            discard(&lock);
            if deadline.has_passed() {
                return Err(invisible_filter(instance, pid));
            }
            drop(lock);
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Takes the lock for changes and opens the lists of the attached filter. Does not check privileges, for the controller,
    /// which has dropped those that it does not need.
    ///
    /// # Errors
    ///
    /// If the filter is not attached, or another process holds the lock for too long.
    pub fn open_as_controller(instance: &Instance) -> Result<Self> {
        let open = || Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached());
        // The filter is opened before the lock is taken, because taking the lock creates its file.
        open()?;
        let lock = Lock::change(instance)?;
        match open() {
            Ok(datapath) => {
                let mut transaction = Self::attached(instance, Box::new(datapath), lock);
                transaction.repair().context("finish a change that was cut short")?;
                Ok(transaction)
            }
            Err(error) => {
                // The filter was detached while this process waited for the lock.
                lock.remove_file();
                Err(error)
            }
        }
    }

    pub(super) fn attached(instance: &Instance, tables: Box<dyn ListTables>, lock: Lock) -> Self {
        Self { state: instance.state.clone(), tables, lock, is_attached: true, unsaved: [None, None] }
    }

    fn detached(instance: &Instance, lock: Lock) -> Result<Self> {
        let now = clock::now();
        let mut tables = MemoryTables::default();
        for list in List::ALL {
            let stored = effective::load(&Store::new(&instance.state, list), list, None, now);
            let items = stored.map(|entries| entries.iter().map(|entry| entry.to_abi(now)).collect());
            if let Err(error) = items.and_then(|items| tables.replace(list, items)) {
                discard(&lock);
                return Err(error);
            }
        }
        let tables = Box::new(tables);
        Ok(Self { state: instance.state.clone(), tables, lock, is_attached: false, unsaved: [None, None] })
    }
}

impl Drop for ListTransaction {
    fn drop(&mut self) {
        if !self.is_attached {
            // Whatever a killed change left there, the next attach fills the tables from the files.
            self.lock.remove_file();
        }
    }
}

/// Reports whether a filter is pinned, or this process may not see it.
fn may_be_pinned(instance: &Instance) -> bool {
    match instance.pins.join(map_names::CONFIG).try_exists() {
        Ok(exists) => exists,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// Removes the file of a lock that was taken in vain, unless it has a note about a change.
fn discard(lock: &Lock) {
    if lock.is_unfinished().is_ok_and(|is_unfinished| !is_unfinished) {
        lock.remove_file();
    }
}

fn invisible_filter(instance: &Instance, pid: u32) -> anyhow::Error {
    let pins = instance.pins.display();
    failure(
        ExitKind::Conflict,
        format!(
            "a controller (pid {pid}) runs, but its filter is not visible at {pins}, so nothing was changed: run this \
             command where that BPF file system is mounted (not in `ip netns exec`)"
        ),
    )
}
