//! Tables in memory that outlive a transaction, as those in the kernel do, and that can kill the process which changes them.

use std::{cell::RefCell, panic, rc::Rc};

use anyhow::Result;
use synguard_common::ip_list::{List, ListEntry, Prefix};
use synguard_datapath::{ListSize, PrefixEntry};

use crate::tables::{ListTables, MemoryTables};

/// Payload of the panic that stands for a kill.
pub(super) struct Killed;

/// The tables. A clone is another handle of the same tables.
#[derive(Clone, Debug, Default)]
pub(super) struct KernelTables(Rc<RefCell<KernelContents>>);

#[derive(Debug, Default)]
struct KernelContents {
    tables: MemoryTables,
    /// Number of moments, before and after each write, until the process is killed.
    fuse: Option<u32>,
}

impl KernelTables {
    /// Kills the process at this moment from now, or with `None` not any more.
    pub(super) fn kill_after(&self, moments: Option<u32>) {
        self.0.borrow_mut().fuse = moments;
    }

    fn moment(&self) {
        let is_over = match &mut self.0.borrow_mut().fuse {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if is_over {
            // Unlike a panic, this prints nothing.
            panic::resume_unwind(Box::new(Killed));
        }
    }

    fn write<T>(&self, write: impl FnOnce(&mut MemoryTables) -> Result<T>) -> Result<T> {
        self.moment();
        let written = write(&mut self.0.borrow_mut().tables);
        self.moment();
        written
    }
}

impl ListTables for KernelTables {
    fn size(&self, list: List) -> Result<ListSize> {
        self.0.borrow().tables.size(list)
    }

    fn entry(&self, list: List, key: &Prefix) -> Result<Option<ListEntry>> {
        self.0.borrow().tables.entry(list, key)
    }

    fn for_each(&self, list: List, visit: &mut dyn FnMut(&Prefix, &ListEntry)) -> Result<()> {
        self.0.borrow().tables.for_each(list, visit)
    }

    fn add(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        self.write(|tables| tables.add(list, items))
    }

    fn remove(&mut self, list: List, keys: &[Prefix]) -> Result<u64> {
        self.write(|tables| tables.remove(list, keys))
    }

    fn replace(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        self.write(|tables| tables.replace(list, items))
    }

    fn is_unsaved(&self, list: List) -> Result<bool> {
        self.0.borrow().tables.is_unsaved(list)
    }

    fn set_unsaved(&mut self, list: List, is_unsaved: bool) -> Result<()> {
        self.write(|tables| tables.set_unsaved(list, is_unsaved))
    }
}
