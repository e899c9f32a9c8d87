//! Describes the machine that the figures were measured on, in general terms.

use std::fs;

use serde_json::{Value, json};

/// Processor, number of CPUs, kernel.
pub(super) fn json() -> Value {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "processor": model.map(|(_, model)| model),
        "cpus": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "kernel": kernel.trim(),
        "load_at_the_end": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
    })
}
