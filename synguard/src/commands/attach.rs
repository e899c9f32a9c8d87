//! `synguard attach`: attaches the filter to interfaces and becomes its controller.

use std::{fs, io};

use anyhow::{Context as _, Result};
use synguard_common::{ip_list::List, map_names};
use synguard_datapath::{AttachReport, AttachRequest, Datapath};
use synguard_kernel::{clock, instance::Instance, lock::Lock, netlink::XdpPlace, preflight};
use synguard_model::{
    duration,
    error::{ExitKind, failure},
    event::Event,
    settings::{AttachOptions, Settings},
};

use super::lists::restore;
use crate::{
    audit,
    cli::AttachArgs,
    config::{self, AttachConfig, record::AttachRecord},
    controller::{self, Signals},
};

/// Attaches the filter and, unless `--no-control` was given, stays as its controller.
pub(super) fn run(instance: &Instance, args: &AttachArgs) -> Result<()> {
    for renamed in &args.settings.renamed {
        log::warn!("command line: {renamed}");
    }
    let config = load(args)?;
    check_capacity(config.options.max_sources)?;
    preflight::check_kernel()?;
    preflight::check_privileges()?;
    preflight::check_bpffs(&instance.bpffs)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start tokio")?;
    runtime.block_on(attach(instance, args, &config))
}

/// Reads settings and options from the configuration file and the flags.
fn load(args: &AttachArgs) -> Result<AttachConfig> {
    config::load(args.config.as_deref(), &args.settings.patch)
        .map_err(|error| failure(ExitKind::Invalid, error.to_string()))
}

async fn attach(instance: &Instance, args: &AttachArgs, config: &AttachConfig) -> Result<()> {
    let AttachConfig { settings, options, sources, file } = config;
    let signals = Signals::catch()?;
    // Also held with `--no-control`, until the filter is attached: no other process may become the controller meanwhile.
    let controller = Lock::controller(instance)?;
    controller::restore_after_crash(instance);
    let confirm_by_ns = args.confirm.map_or(0, |time| clock::now_ns() + time.as_nanos() as u64);
    let change = Lock::change(instance)?;
    let restored = |list| restore(instance, list, options.max_list);
    let attached = restored(List::Allow).and_then(|allow| {
        let request = AttachRequest {
            interfaces: &options.interfaces,
            mode: options.mode,
            sources: options.max_sources,
            list_capacity: options.max_list,
            allow,
            block: restored(List::Block)?,
            settings,
            disarm_at_ns: confirm_by_ns,
        };
        Datapath::attach(&instance.pins, request)
    });
    let (datapath, report) = match attached {
        Ok(attached) => attached,
        Err(error) => {
            // An attempt that changed nothing must leave no files behind.
            if !synguard_datapath::is_pinned(&instance.pins) {
                controller.remove_file();
                change.remove_file();
            }
            return Err(error);
        }
    };
    // The tables have been filled from the files, so that a change that was interrupted before is repaired.
    change.mark_finished()?;
    let record = AttachRecord::new(file, sources.clone());
    record.publish(&instance.run);
    drop(change);
    log_report(&report, &datapath, options, settings)?;
    warn_of_confirmation(instance, args);
    let adopted = !report.adopted.is_empty();
    if args.no_control {
        controller.remove_file();
        let interfaces = options.interfaces.clone();
        audit::record(instance, |actor| Event::Attached { interfaces, adopted, actor });
        return Ok(());
    }
    let reload = || load(args);
    let reattach = |name: &str| synguard_datapath::reattach(&instance.pins, name, options.mode);
    let options = controller::ControllerOptions {
        instance,
        options,
        reload: &reload,
        record,
        reattach: &reattach,
        confirm_by_ns,
        adopted,
    };
    controller::run(options, datapath, controller, signals).await
}

fn warn_of_confirmation(instance: &Instance, args: &AttachArgs) {
    if let Some(time) = args.confirm {
        let (confirm, time) = (instance.command("confirm"), duration::format(time));
        log::warn!("detaches again unless `{confirm}` is run within {time}");
    }
}

/// Logs the result, one line an interface.
fn log_report(
    report: &AttachReport,
    datapath: &Datapath,
    options: &AttachOptions,
    settings: &Settings,
) -> Result<()> {
    for name in &report.adopted {
        log::info!("{name}: took over the existing filter with its counters and sources");
    }
    for (name, place, why) in &report.attached {
        match (place, why) {
            (XdpPlace::Generic, Some(why)) => log::warn!(
                "{name}: attached in generic mode, which is slower: native mode is not available ({why})"
            ),
            (XdpPlace::Generic, None) => log::info!("{name}: attached in generic mode"),
            _ => log::info!("{name}: attached in native mode"),
        }
    }
    let (capacity, wanted) = (datapath.sources_capacity()?, options.max_sources);
    if capacity != wanted {
        log::warn!(
            "the table keeps its {capacity} entries, max-sources = {wanted} takes effect after detach and attach"
        );
    }
    for caution in settings.new_cautions(&Settings::default()) {
        log::warn!("{caution}");
    }
    Ok(())
}

/// Checks that the table has enough entries for each CPU: below that, an LRU map evicts entries although it is not full.
fn check_capacity(sources: u32) -> Result<()> {
    let possible = match fs::read_to_string("/sys/devices/system/cpu/possible") {
        Ok(list) => count_cpus(&list).context("parse /sys/devices/system/cpu/possible")?,
        // A container may hide the file; then only the kernel's own rounding applies.
        Err(error) if error.kind() == io::ErrorKind::NotFound => 1,
        Err(error) => return Err(error).context("read /sys/devices/system/cpu/possible"),
    };
    let min = possible.saturating_mul(map_names::SOURCES_PER_CPU_MIN);
    if sources >= min {
        return Ok(());
    }
    Err(failure(
        ExitKind::Invalid,
        format!(
            "max-sources = {sources}: must be at least {min} on this machine, {} for each of its {possible} possible CPUs",
            map_names::SOURCES_PER_CPU_MIN
        ),
    ))
}

/// Returns the number of CPUs in a kernel list such as `0-3,8`.
fn count_cpus(list: &str) -> Option<u32> {
    list.trim().split(',').try_fold(0, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + last.checked_sub(first)? + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::count_cpus;

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(count_cpus("0-1\n"), Some(2));
        assert_eq!(count_cpus("0"), Some(1));
        assert_eq!(count_cpus("0-3,8,10-11"), Some(7));
        assert_eq!(count_cpus(""), None);
        assert_eq!(count_cpus("3-1"), None);
    }
}
