//! Choice of the CPU that receives the packets arriving at the server's device.
//!
//! A veth device receives on the CPU that last sent to it. A visitor's packet therefore moves all receiving to the
//! visitor's CPU, while the flood goes on filling the ring from its own CPU, faster than if it had to wait for the
//! receiver; losses in the ring then hit the visitors too. A network card's queue has one CPU.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    command::{pin_thread, preempt_everything, run},
    lab::{DEVICE, Lab},
};

/// Time that the kernel has to start a thread.
const START_MAX: Duration = Duration::from_secs(2);

impl Lab {
    /// Makes one CPU receive all packets for the server's device, in a thread that precedes everything else there, as
    /// an interrupt would. To be called when a program is attached; the effect lasts as long as the program.
    ///
    /// # Errors
    /// When the kernel knows no threaded NAPI, or another thread of that name was started meanwhile.
    pub fn receive_on(&self, cpu: usize) -> Result<()> {
        let before = receivers()?;
        // The namespace's own sysfs, in a mount namespace of its own.
        let script = format!("mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/{DEVICE}/threaded");
        let args = ["unshare", "--mount", "sh", "-c", &script];
        let mut command: Command = self.server.command(args[0]);
        run(command.args(&args[1..])).context("have a thread receive")?;
        let begun = Instant::now();
        let started: Vec<_> = loop {
            let started: Vec<_> = receivers()?.difference(&before).copied().collect();
            if !started.is_empty() {
                break started;
            }
            ensure!(begun.elapsed() < START_MAX, "no thread receives for {DEVICE}");
            thread::sleep(Duration::from_millis(1));
        };
        for id in started {
            pin_thread(id, cpu)
                .and_then(|()| preempt_everything(id))
                .context("place the receiving thread")?;
        }
        Ok(())
    }
}

/// Lists the kernel's threads that receive for devices of that name, in any namespace.
fn receivers() -> Result<BTreeSet<i32>> {
    let prefix = format!("napi/{DEVICE}-");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").context("list the processes")? {
        let Ok(entry) = entry else { continue };
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // The process may have ended meanwhile.
        if fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name.starts_with(&prefix)) {
            found.insert(id);
        }
    }
    Ok(found)
}
