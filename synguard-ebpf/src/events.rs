//! Events for the controller: rare, bounded per CPU, and never on the path of a packet that passes.

use synguard_common::{
    abi::{EVENT_LIMIT, Event, SourceKey},
    rate,
    verdict::Reason,
};

use crate::maps;

/// Reports that a source went over its rate, if this CPU's budget allows; otherwise counts that it did not.
#[inline(always)]
pub fn exceeded(source: &SourceKey, port: u16, now_ns: u64) {
    let Some(cpu) = maps::cpu_state() else { return };
    if let Some(tat_ns) = rate::take(cpu.event_tat_ns, EVENT_LIMIT, now_ns) {
        cpu.event_tat_ns = tat_ns;
        let reason = Reason::RateExceeded.index();
        if maps::submit(Event { at_ns: now_ns, source: *source, reason, port, reserved: 0 }) {
            cpu.events_sent += 1;
            return;
        }
    }
    cpu.events_suppressed += 1;
}
