//! Events for the controller: rare, limited per CPU, and never on the path of a packet that passes.

use synguard_common::{
    abi::{DatapathEvent, EVENT_LIMIT},
    gcra,
    reason::Reason,
    source::SourceKey,
};

use crate::maps;

/// Reports that a source exceeded its rate, if this CPU's event limit allows; otherwise counts a suppressed event.
#[inline(always)]
pub fn rate_exceeded(source: &SourceKey, port: u16, now_ns: u64) {
    let Some(cpu) = maps::cpu_state() else { return };
    if let Some(tat_ns) = gcra::take(cpu.event_tat_ns, EVENT_LIMIT, now_ns) {
        cpu.event_tat_ns = tat_ns;
        let reason = Reason::RateExceeded.index();
        if maps::submit(DatapathEvent { at_ns: now_ns, source: *source, reason, port, reserved: 0 }) {
            cpu.events_sent += 1;
            return;
        }
    }
    cpu.events_suppressed += 1;
}
