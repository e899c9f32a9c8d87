//! The egress program, which watches the kernel's own SYN-ACKs leave. It is attached only while XDP sends SYN cookies, and only
//! as long as the process that attached it lives.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use aya::{
    programs::{
        ProgramError, SchedClassifier, TcAttachType,
        tc::{self, SchedClassifierLink},
    },
    util::KernelVersion,
};
use synguard_common::map_names;

use crate::{links::Attached, pins::pin_path};

/// The egress program on the filter's interfaces. Dropped, it is detached.
pub struct EgressWatch {
    program: SchedClassifier,
    /// The links, by the index of the interface.
    links: BTreeMap<u32, SchedClassifierLink>,
}

impl EgressWatch {
    /// Opens the pinned program; it is on no interface yet.
    ///
    /// # Errors
    ///
    /// If the program is not pinned: the filter is that of an earlier version.
    pub fn open(pins: &Path) -> Result<Self> {
        let path = pin_path(pins, map_names::EGRESS_PROGRAM);
        let program = SchedClassifier::from_pin(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self { program, links: BTreeMap::new() })
    }

    /// Attaches the program to those of the interfaces that are in this network namespace, and detaches it from all others.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it on an interface; it is on the others nevertheless.
    pub fn attach_to(&mut self, interfaces: &[Attached]) -> Result<()> {
        let here: Vec<&Attached> = interfaces.iter().filter(|link| link.place.is_some()).collect();
        self.links.retain(|index, _| here.iter().any(|link| link.ifindex == *index));
        let mut result = Ok(());
        for link in here {
            if !self.links.contains_key(&link.ifindex) {
                match self.attach(&link.name) {
                    Ok(attached) => drop(self.links.insert(link.ifindex, attached)),
                    Err(error) => result = Err(error),
                }
            }
        }
        result
    }

    fn attach(&mut self, name: &str) -> Result<SchedClassifierLink> {
        prepare(name);
        let attach = |program: &mut SchedClassifier| -> Result<_, ProgramError> {
            let id = program.attach(name, TcAttachType::Egress)?;
            program.take_link(id)
        };
        attach(&mut self.program).with_context(|| format!("watch the SYN-ACKs that leave {name}"))
    }
}

/// Prepares an interface on kernels without tcx links (before 6.6), where the program needs a qdisc and outlives a controller
/// that is killed: makes the qdisc, and removes such a program.
fn prepare(name: &str) {
    if has_tcx() {
        return;
    }
    // An error says that the interface has the qdisc already; if it had none, attaching would fail.
    let _ = tc::qdisc_add_clsact(name);
    detach_leftover(name);
}

/// Removes the egress program of a killed controller from an interface. With tcx links the kernel has done so.
pub fn detach_leftover(name: &str) {
    if !has_tcx() {
        // An error says that there is none.
        let _ = tc::qdisc_detach_program(name, TcAttachType::Egress, map_names::EGRESS_PROGRAM);
    }
}

fn has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}
