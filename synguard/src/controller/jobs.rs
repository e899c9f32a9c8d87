//! Background jobs: work that may take long (tables of a million sockets, thousands of processes, files of lists) runs on
//! threads of its own, so that ticks continue meanwhile.

use std::{
    collections::BTreeMap,
    thread::{self, JoinHandle},
    time::Duration,
};

use synguard_common::{ip_list::List, source::SourceKey};
use synguard_kernel::{clock, instance::Instance, netlink};
use synguard_lists::transaction::ListTransaction;
use synguard_model::event::{Event, Exemption};

use super::{
    block::{self, PendingBlock},
    saving::{self, ListSaver, SaveAttempt},
};

/// Pause between two scans of the socket table: at least `PAUSE_MIN`, and `PAUSE_FACTOR` times the duration of the last scan,
/// so that an attacker with many sources cannot keep the controller scanning.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_FACTOR: u32 = 20;

/// Name of the threads that block sources; the others have another one.
const BLOCKING: &str = "block";
/// Pause between two scans for listeners in other network namespaces. They change seldom, and attacks may come each minute.
const SCAN_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The exemption of each checked block candidate, if it has one.
type Exemptions = BTreeMap<SourceKey, Option<Exemption>>;

/// The result of a job.
enum JobResult {
    /// The exemptions of block candidates, and the duration of the check.
    Exemptions(Exemptions, Duration),
    /// Events to report.
    Events(Vec<Event>),
    /// The lists that still cannot be saved.
    SaveAttempt(SaveAttempt),
}

/// The running jobs. A job that runs when the controller ends is cut off, as by a kill.
#[derive(Default)]
pub(super) struct Jobs {
    running: Vec<JoinHandle<JobResult>>,
    is_checking_exemptions: bool,
    next_check_ns: u64,
    next_scan_ns: u64,
    /// The exemptions that the latest [`Self::collect`] fetched.
    exemptions: Exemptions,
    saver: ListSaver,
}

impl Jobs {
    fn start(&mut self, job: impl FnOnce() -> JobResult + Send + 'static) {
        self.start_named("job", job);
    }

    fn start_named(&mut self, name: &str, job: impl FnOnce() -> JobResult + Send + 'static) {
        match thread::Builder::new().name(name.to_owned()).spawn(job) {
            Ok(handle) => self.running.push(handle),
            Err(error) => log::warn!("no thread can be started: {error}"),
        }
    }

    /// Starts to check the exemptions of block candidates, unless a check is running or ended a moment ago.
    pub(super) fn start_exemption_check(
        &mut self,
        instance: &Instance,
        candidates: Vec<SourceKey>,
        prefix_v6: u8,
        now_ns: u64,
    ) {
        if candidates.is_empty() || self.is_checking_exemptions || now_ns < self.next_check_ns {
            return;
        }
        let instance = instance.clone();
        self.is_checking_exemptions = true;
        self.start(move || {
            let begun_ns = clock::now_ns();
            let exemptions = block::exemptions(&instance, &candidates, prefix_v6);
            JobResult::Exemptions(exemptions, Duration::from_nanos(clock::now_ns() - begun_ns))
        });
    }

    /// Starts to block sources.
    pub(super) fn start_blocking(&mut self, instance: &Instance, blocks: Vec<PendingBlock>, prefix_v6: u8) {
        if blocks.is_empty() {
            return;
        }
        let instance = instance.clone();
        self.start_named(BLOCKING, move || JobResult::Events(block::block(&instance, &blocks, prefix_v6)));
    }

    /// Reports whether sources are being blocked, as far as the latest [`Self::collect`] saw.
    pub(super) fn is_blocking(&self) -> bool {
        self.running.iter().any(|job| job.thread().name() == Some(BLOCKING))
    }

    /// Starts to look for listeners in other network namespaces, which the raised sysctls do not reach, unless that was done
    /// within a day.
    pub(super) fn start_namespace_scan(&mut self, now_ns: u64) {
        if now_ns < self.next_scan_ns {
            return;
        }
        self.next_scan_ns = now_ns + SCAN_PAUSE.as_nanos() as u64;
        self.start(|| {
            let (namespaces, more) = netlink::listeners_in_other_namespaces();
            let event =
                (!namespaces.is_empty()).then_some(Event::ListenersInOtherNamespaces { namespaces, more });
            JobResult::Events(event.into_iter().collect())
        });
    }

    /// Starts to remove expired entries from the lists.
    pub(super) fn start_sweep(&mut self, instance: &Instance) {
        let instance = instance.clone();
        self.start(move || {
            if let Err(error) = sweep(&instance) {
                log::warn!("expired entries stay in the lists, without effect: {error:#}");
            }
            JobResult::Events(Vec::new())
        });
    }

    /// Starts to save lists whose files could not be written, if an attempt is due. Reports those that are saved again.
    pub(super) fn save_lists(
        &mut self,
        instance: &Instance,
        unsaved: [bool; 2],
        now_ns: u64,
        events: &mut Vec<Event>,
    ) {
        if self.saver.is_due(unsaved, now_ns) {
            let instance = instance.clone();
            self.start(move || JobResult::SaveAttempt(saving::save(&instance)));
        }
        self.saver.report_saved(events);
    }

    /// Fetches the results of finished jobs. Returns their events, and keeps exemptions for [`Self::take_exemptions`].
    pub(super) fn collect(&mut self, now_ns: u64) -> Vec<Event> {
        let mut events = Vec::new();
        self.exemptions.clear();
        let (finished, running) = self.running.drain(..).partition(JoinHandle::is_finished);
        self.running = running;
        for job in finished {
            match job.join() {
                Ok(JobResult::Exemptions(exemptions, duration)) => {
                    let pause = PAUSE_MIN.max(duration * PAUSE_FACTOR);
                    self.next_check_ns = now_ns + pause.as_nanos() as u64;
                    self.is_checking_exemptions = false;
                    self.exemptions.extend(exemptions);
                }
                Ok(JobResult::Events(more)) => events.extend(more),
                Ok(JobResult::SaveAttempt(attempt)) => self.saver.finish(Some(attempt), now_ns, &mut events),
                // The panic was printed. The job may have been the exemption check, or an attempt to save.
                Err(_) => {
                    self.is_checking_exemptions = false;
                    self.saver.finish(None, now_ns, &mut events);
                }
            }
        }
        events
    }

    /// Takes the exemptions that the latest [`Self::collect`] fetched.
    pub(super) fn take_exemptions(&mut self) -> Exemptions {
        std::mem::take(&mut self.exemptions)
    }
}

fn sweep(instance: &Instance) -> anyhow::Result<()> {
    let mut transaction = ListTransaction::open_as_controller(instance)?;
    for list in [List::Allow, List::Block] {
        if transaction.size(list)?.entries > 0 {
            let removed = transaction.remove_expired(list, clock::now())?;
            log::debug!("{}: {removed} expired entries removed", list.name());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use synguard_common::addr::Addr;

    use super::*;

    #[test]
    fn panic_of_a_job_does_not_stop_others() {
        let mut jobs = Jobs { is_checking_exemptions: true, ..Jobs::default() };
        jobs.start(|| panic!("expected by this test"));
        jobs.start(|| JobResult::Events(vec![Event::Unprotected {}]));
        let mut events = Vec::new();
        while !jobs.running.is_empty() {
            events.extend(jobs.collect(0));
        }
        assert_eq!(events, [Event::Unprotected {}]);
        assert!(!jobs.is_checking_exemptions);
    }

    #[test]
    fn long_check_delays_the_next_one() {
        let mut jobs = Jobs::default();
        for (duration, next_ns) in [(Duration::ZERO, 1_000_000_007), (Duration::from_secs(2), 40_000_000_007)]
        {
            jobs.start(move || JobResult::Exemptions(BTreeMap::new(), duration));
            while !jobs.running.is_empty() {
                jobs.collect(7);
            }
            assert_eq!(jobs.next_check_ns, next_ns);
        }
    }

    #[test]
    fn exemptions_are_taken_once() {
        let source = SourceKey { address: Addr([1, 2]) };
        let mut jobs = Jobs::default();
        jobs.start(move || JobResult::Exemptions(BTreeMap::from([(source, None)]), Duration::ZERO));
        while !jobs.running.is_empty() {
            jobs.collect(0);
        }
        assert_eq!(jobs.take_exemptions(), BTreeMap::from([(source, None)]));
        assert_eq!(jobs.take_exemptions(), BTreeMap::new());
    }
}
