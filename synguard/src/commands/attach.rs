//! `synguard attach`: attaches the filter to interfaces and becomes its controller.

use std::{fs, io};

use anyhow::{Context as _, Result};
use synguard_common::{ip_list::List, map_names};
use synguard_datapath::{AttachReport, AttachRequest, Datapath};
use synguard_kernel::{clock, instance::Instance, lock::Lock, netlink::XdpPlace, preflight};
use synguard_model::{
    error::{ExitKind, failure},
    settings::{AttachOptions, Key, Settings},
};

use super::lists::restore;
use crate::{
    cli::AttachArgs,
    config,
    controller::{self, Signals},
};

/// Attaches the filter and, unless `--no-control` was given, stays as its controller.
pub(super) fn run(instance: &Instance, args: &AttachArgs) -> Result<()> {
    for renamed in &args.settings.renamed {
        log::warn!("command line: {renamed}");
    }
    let (settings, options) = load(args)?;
    check_capacity(options.max_sources)?;
    preflight::check_kernel()?;
    preflight::check_privileges()?;
    preflight::check_bpffs(&instance.bpffs)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start tokio")?;
    runtime.block_on(attach(instance, args, &settings, &options))
}

/// Reads settings and options from the configuration file and the flags.
fn load(args: &AttachArgs) -> Result<(Settings, AttachOptions)> {
    config::load(args.config.as_deref(), &args.settings.patch)
        .map_err(|error| failure(ExitKind::Invalid, error.to_string()))
}

/// Reads the settings again, and warns of options that differ from those in use.
fn reload_settings(args: &AttachArgs, used: &AttachOptions) -> Result<Settings> {
    let (settings, options) = load(args)?;
    if options != *used {
        let keys: Vec<_> = Key::at_attach().map(Key::name).collect();
        log::warn!("these keys take effect at the next attach only: {}", keys.join(", "));
    }
    Ok(settings)
}

async fn attach(
    instance: &Instance,
    args: &AttachArgs,
    settings: &Settings,
    options: &AttachOptions,
) -> Result<()> {
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
    drop(change);
    log_report(&report, &datapath, options, settings)?;
    if let Some(time) = args.confirm {
        log::warn!(
            "detaches again unless `synguard confirm` is run within {}",
            synguard_model::duration::format(time)
        );
    }
    if args.no_control {
        controller.remove_file();
        return Ok(());
    }
    let reload = || reload_settings(args, options);
    let reattach = |name: &str| -> Result<()> {
        let _lock = Lock::change(instance)?;
        synguard_datapath::reattach(&instance.pins, name, options.mode)
    };
    let options = controller::ControllerOptions {
        instance,
        keep_on_exit: options.keep_on_exit,
        reload: &reload,
        reattach: &reattach,
        confirm_by_ns,
        adopted: !report.adopted.is_empty(),
    };
    controller::run(options, datapath, controller, signals).await
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
    let capacity = datapath.sources_capacity()?;
    if capacity != options.max_sources {
        log::warn!(
            "the table keeps its {capacity} entries, max-sources = {} takes effect after `synguard detach`",
            options.max_sources
        );
    }
    if settings.monitor {
        log::warn!("monitor mode: nothing is dropped, only counted");
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
