//! What may take long – tables of a million sockets, thousands of processes, a list's files: done on threads of
//! their own, so that the loop goes on looking meanwhile.

use std::{
    collections::BTreeMap,
    thread::{self, JoinHandle},
    time::Duration,
};

use synguard_common::{ip_list::List, source::SourceKey};
use synguard_kernel::{clock, instance::Instance, netlink};
use synguard_lists::transaction::ListTransaction;
use synguard_model::event::{Event, Exemption};

use super::block;

/// After it was asked who is connected, it is not asked again for so long, and for so many times as long as it took:
/// who floods with many sources must not keep the machine busy with this.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_FACTOR: u32 = 20;

/// What an errand has brought.
enum Brought {
    /// What speaks against blocking suspects, and how long that took.
    Exemptions(BTreeMap<SourceKey, Option<Exemption>>, Duration),
    /// What to say.
    Events(Vec<Event>),
}

/// The errands under way. One that is under way when the controller ends is given up, as by a kill.
#[derive(Default)]
pub(super) struct Errands {
    running: Vec<JoinHandle<Brought>>,
    is_asking: bool,
    asked_again_ns: u64,
}

impl Errands {
    fn start(&mut self, errand: impl FnOnce() -> Brought + Send + 'static) {
        match thread::Builder::new().name("errand".to_owned()).spawn(errand) {
            Ok(handle) => self.running.push(handle),
            Err(error) => log::warn!("no thread can be started: {error}"),
        }
    }

    /// Asks what speaks against blocking the suspects, unless that was asked just now.
    pub(super) fn ask(&mut self, instance: &Instance, suspects: Vec<SourceKey>, prefix_v6: u8, now_ns: u64) {
        if suspects.is_empty() || self.is_asking || now_ns < self.asked_again_ns {
            return;
        }
        let instance = instance.clone();
        self.is_asking = true;
        self.start(move || {
            let begun_ns = clock::now_ns();
            let exemptions = block::exemptions(&instance, &suspects, prefix_v6);
            Brought::Exemptions(exemptions, Duration::from_nanos(clock::now_ns() - begun_ns))
        });
    }

    /// Blocks sources.
    pub(super) fn block(&mut self, instance: &Instance, sentences: Vec<block::Sentence>, prefix_v6: u8) {
        if sentences.is_empty() {
            return;
        }
        let instance = instance.clone();
        self.start(move || Brought::Events(block::block(&instance, sentences, prefix_v6)));
    }

    /// Looks for listeners that the kernel's setting does not reach.
    pub(super) fn look_elsewhere(&mut self) {
        self.start(|| {
            let (namespaces, more) = netlink::listeners_in_other_namespaces();
            let event = (!namespaces.is_empty()).then_some(Event::ListenersElsewhere { namespaces, more });
            Brought::Events(event.into_iter().collect())
        });
    }

    /// Takes entries out of the lists whose time is over.
    pub(super) fn sweep(&mut self, instance: &Instance) {
        let instance = instance.clone();
        self.start(move || {
            if let Err(error) = sweep(&instance) {
                log::warn!("expired entries stay in the lists, where they count for nothing: {error:#}");
            }
            Brought::Events(Vec::new())
        });
    }

    /// What those that are done have brought: what speaks against blocking suspects, and what to say.
    pub(super) fn done(&mut self, now_ns: u64) -> (BTreeMap<SourceKey, Option<Exemption>>, Vec<Event>) {
        let (mut exemptions, mut events) = (BTreeMap::new(), Vec::new());
        let (done, running) = self.running.drain(..).partition(JoinHandle::is_finished);
        self.running = running;
        for errand in done {
            match errand.join() {
                Ok(Brought::Exemptions(found, took)) => {
                    let pause = PAUSE_MIN.max(took * PAUSE_FACTOR);
                    self.asked_again_ns = now_ns + pause.as_nanos() as u64;
                    self.is_asking = false;
                    exemptions.extend(found);
                }
                Ok(Brought::Events(more)) => events.extend(more),
                // The panic has said what it was. It may have been anybody's.
                Err(_) => self.is_asking = false,
            }
        }
        (exemptions, events)
    }
}

fn sweep(instance: &Instance) -> anyhow::Result<()> {
    let mut lists = ListTransaction::open_as_controller(instance)?;
    for list in [List::Allow, List::Block] {
        if lists.size(list)?.entries > 0 {
            let swept = lists.remove_expired(list, clock::now())?;
            log::debug!("{}: {swept} expired entries taken out", list.name());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_panics_stops_no_other() {
        let mut errands = Errands { is_asking: true, ..Errands::default() };
        errands.start(|| panic!("as this test wants"));
        errands.start(|| Brought::Events(vec![Event::Confirmed {}]));
        let mut events = Vec::new();
        while !errands.running.is_empty() {
            events.extend(errands.done(0).1);
        }
        assert_eq!(events, [Event::Confirmed {}]);
        assert!(!errands.is_asking);
    }

    #[test]
    fn what_took_long_is_not_asked_again_soon() {
        let mut errands = Errands::default();
        for (took, again_ns) in [(Duration::ZERO, 1_000_000_007), (Duration::from_secs(2), 40_000_000_007)] {
            errands.start(move || Brought::Exemptions(BTreeMap::new(), took));
            while !errands.running.is_empty() {
                errands.done(7);
            }
            assert_eq!(errands.asked_again_ns, again_ns);
        }
    }
}
