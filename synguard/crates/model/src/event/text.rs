//! Clauses of the texts of events.

use std::time::Duration;

use crate::{
    duration,
    number::{Counted, grouped},
};

/// The reason of [`super::Event::Stopped`] if a command removed the filter.
pub const DETACH_COMMAND: &str = "`synguard detach`";

/// Returns the text about the end of the controller.
pub(super) fn stopped_text(why: &str, detached: bool) -> String {
    let why = if why.starts_with("SIG") { format!("stopped by {why}") } else { why.to_owned() };
    match detached {
        true if why == DETACH_COMMAND => format!("filter removed by {why}"),
        true => format!("{why}; filter removed"),
        false => format!("{why}: ended; the filter stays attached (`synguard detach` removes it)"),
    }
}

/// Returns a clause about blocked SYNs, if there are any.
pub(super) fn blocked_text(blocked_syns: u64) -> String {
    if blocked_syns == 0 { String::new() } else { format!(", {} blocked", grouped(blocked_syns)) }
}

/// Returns a clause about the sources that were blocked during an attack, if there were any.
pub(super) fn sources_blocked_text(count: u64, sources: &[String], monitor: bool) -> String {
    if count == 0 {
        return String::new();
    }
    let more = count.saturating_sub(sources.len() as u64);
    let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
    let verb = if monitor { "would have been blocked" } else { "blocked" };
    format!("; {} {verb}: {}{more}", Counted(count, "source"), sources.join(", "))
}

/// Returns each source with its rate.
pub(super) fn named_rates(sources: &[String], rates: &[u64]) -> Vec<(String, u64)> {
    sources.iter().cloned().zip(rates.iter().copied()).collect()
}

/// Returns the text about sources over their limit, `more` of them unnamed.
pub(super) fn limited_text(
    sources: &[(String, u64)],
    more: usize,
    limit: u32,
    hold_seconds: f64,
    monitor: bool,
) -> String {
    let limit = grouped(limit.into());
    let more_text = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
    let who = match sources {
        [(source, rate)] if more == 0 => format!("{source} ({} SYN/s, limit {limit})", grouped(*rate)),
        sources => {
            let one = |(source, rate): &(String, u64)| format!("{source} ({} SYN/s)", grouped(*rate));
            let names: Vec<String> = sources.iter().map(one).collect();
            format!("{}{more_text} (limit {limit})", names.join(", "))
        }
    };
    let whose = if sources.len() + more == 1 { "its" } else { "their" };
    let (verb, are) = if monitor { ("would be limited", "would be") } else { ("limited", "are") };
    if hold_seconds > 0.0 {
        format!("{verb}: {who}; {whose} SYNs {are} dropped for {hold_seconds} s")
    } else {
        format!("{verb}: {who}; {whose} SYNs over the limit {are} dropped")
    }
}

/// Returns the text about a source that `is` or `would be` blocked, after strikes at a rate over a limit.
pub(super) fn block_text(
    source: &str,
    verb: &str,
    ttl_seconds: u64,
    (strikes, rate, limit): (u32, u64, u32),
    before: u32,
) -> String {
    let (time, rate, limit) = (format_seconds(ttl_seconds), grouped(rate), grouped(limit.into()));
    let before = if before > 0 { format!("; blocked before: {before}") } else { String::new() };
    format!(
        "{source} {verb} blocked for {time} (SYNs only): exceeded its limit {strikes} times and continued at {rate} SYN/s \
         (limit {limit}){before}"
    )
}

pub(super) fn format_seconds(seconds: u64) -> String {
    duration::format(Duration::from_secs(seconds))
}
