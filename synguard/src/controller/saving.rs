//! Saves lists whose files could not be written, as soon as they can be.

use std::time::Duration;

use synguard_common::ip_list::List;
use synguard_kernel::instance::Instance;
use synguard_lists::transaction::ListTransaction;
use synguard_model::{duration, error::one_line, event::Event};

/// Pause between attempts to write the files.
const SAVE_RETRY: Duration = Duration::from_secs(10);

/// Says when the files of a list that could not be saved are to be written next.
pub(crate) fn next_save_text(is_controlled: bool) -> String {
    if is_controlled {
        format!("tried again every {}", duration::format(SAVE_RETRY))
    } else {
        "tried again by the next command about a list, or by a controller".to_owned()
    }
}

/// Result of an attempt: for each list, by [`List::index`], the reason for which it is not saved.
pub(super) type SaveAttempt = Result<[Option<String>; 2], String>;

/// The schedule of the attempts. A command that could not write the files leaves a record beside the tables.
#[derive(Debug, Default)]
pub(super) struct ListSaver {
    is_running: bool,
    next_ns: u64,
    unsaved: [bool; 2],
    /// Lists of which it was reported that they are not saved, and not yet that they are.
    reported: [bool; 2],
}

impl ListSaver {
    /// Takes note of the lists that are not saved. Returns whether an attempt has to begin now.
    pub(super) fn is_due(&mut self, unsaved: [bool; 2], now_ns: u64) -> bool {
        self.unsaved = unsaved;
        if unsaved == [false; 2] {
            // The next failure is another one.
            self.next_ns = 0;
        }
        let is_due = unsaved.contains(&true) && !self.is_running && now_ns >= self.next_ns;
        self.is_running |= is_due;
        is_due
    }

    /// Reports lists that have been saved since they were reported as not saved.
    pub(super) fn report_saved(&mut self, events: &mut Vec<Event>) {
        for list in List::ALL {
            let is_saved = !self.unsaved[list.index()];
            if is_saved && std::mem::take(&mut self.reported[list.index()]) {
                events.push(Event::ListSaved { list: list.verb().to_owned() });
            }
        }
    }

    /// Ends an attempt; `None` if it broke off.
    pub(super) fn finish(&mut self, attempt: Option<SaveAttempt>, now_ns: u64, events: &mut Vec<Event>) {
        self.is_running = false;
        self.next_ns = now_ns + SAVE_RETRY.as_nanos() as u64;
        let Some(attempt) = attempt else { return };
        for list in List::ALL {
            let why = match &attempt {
                Ok(lists) => lists[list.index()].as_ref(),
                Err(error) => Some(error).filter(|_| self.unsaved[list.index()]),
            };
            if let Some(why) = why
                && !std::mem::replace(&mut self.reported[list.index()], true)
            {
                let (list, why) = (list.verb().to_owned(), why.clone());
                events.push(Event::ListNotSaved { list, why, retry_seconds: SAVE_RETRY.as_secs() });
            }
        }
    }
}

/// Tries to write the files that could not be written before, as every transaction does.
pub(super) fn save(instance: &Instance) -> SaveAttempt {
    let lists =
        ListTransaction::open_as_controller(instance).map_err(|error| one_line(&format!("{error:#}")))?;
    Ok(List::ALL.map(|list| lists.unsaved(list).map(ToOwned::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY_NS: u64 = SAVE_RETRY.as_nanos() as u64;

    fn names(saver: &mut ListSaver, step: impl FnOnce(&mut ListSaver, &mut Vec<Event>)) -> Vec<&'static str> {
        let mut events = Vec::new();
        step(saver, &mut events);
        events.iter().map(Event::name).collect()
    }

    #[test]
    fn attempts_repeat_until_the_list_is_saved() {
        let mut saver = ListSaver::default();
        assert!(!saver.is_due([false, false], 1));
        assert!(saver.is_due([false, true], 2));
        assert!(!saver.is_due([false, true], 3), "one is running");
        let full: SaveAttempt = Ok([None, Some("full".to_owned())]);
        let finish = |saver: &mut ListSaver, at| {
            names(saver, |saver, events| saver.finish(Some(full.clone()), at, events))
        };
        assert_eq!(finish(&mut saver, 4), ["list_not_saved"]);
        assert!(!saver.is_due([false, true], RETRY_NS) && saver.is_due([false, true], RETRY_NS + 4));
        assert_eq!(finish(&mut saver, RETRY_NS + 5), [""; 0], "it was reported");
        assert_eq!(names(&mut saver, ListSaver::report_saved), [""; 0]);
        assert!(!saver.is_due([false, false], RETRY_NS + 6));
        assert_eq!(names(&mut saver, ListSaver::report_saved), ["list_saved"]);
        assert_eq!(names(&mut saver, ListSaver::report_saved), [""; 0]);
        assert!(saver.is_due([true, false], RETRY_NS + 7), "another failure does not wait");
    }

    #[test]
    fn attempt_that_breaks_off_is_repeated() {
        let mut saver = ListSaver::default();
        assert!(saver.is_due([true, false], 1));
        assert_eq!(names(&mut saver, |saver, events| saver.finish(None, 2, events)), [""; 0]);
        assert!(saver.is_due([true, false], RETRY_NS + 2));
        let held = Some(Err("held".to_owned()));
        assert_eq!(names(&mut saver, |saver, events| saver.finish(held, 3, events)), ["list_not_saved"]);
    }
}
