//! What to do about a setting, from its journal and what is found. Pure.

use super::saved_value::Entry;

/// What a setting is raised to: the kernel answers every SYN by a cookie, or its timestamps have no secret offset.
pub(super) const RAISED: u8 = 2;

/// What raising takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raise {
    Write { from: u8, to: u8 },
    AlreadyUp(u8),
}

/// The setting is only ever raised.
pub(super) const fn to_raise(current: u8) -> Raise {
    if current < RAISED { Raise::Write { from: current, to: RAISED } } else { Raise::AlreadyUp(current) }
}

/// What is found when something may have to be put back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here<'a> {
    /// This boot.
    pub(super) boot: &'a str,
    /// This network namespace.
    pub(super) netns: u64,
    /// The setting; `None` if it cannot be read.
    pub(super) current: Option<u8>,
}

/// What putting it back takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restore {
    /// It is still what was written.
    Write { from: u8, to: u8 },
    /// It is back already, was never raised, or belongs to another boot.
    Void,
    /// Somebody else has changed it.
    Foreign { found: u8 },
    /// It belongs to a network namespace that is not this one.
    Elsewhere,
    /// Nobody can tell.
    Unreadable,
}

pub(super) fn to_restore(entry: &Entry, here: &Here<'_>) -> Restore {
    if entry.boot != here.boot {
        return Restore::Void;
    }
    if entry.netns != here.netns {
        return Restore::Elsewhere;
    }
    match here.current {
        None => Restore::Unreadable,
        // Before it was raised, or after it was put back, a controller may have been killed as well.
        Some(current) if current == entry.original => Restore::Void,
        Some(current) if current == entry.written => Restore::Write { from: current, to: entry.original },
        Some(found) => Restore::Foreign { found },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_only_ever_raised() {
        assert_eq!(to_raise(0), Raise::Write { from: 0, to: 2 });
        assert_eq!(to_raise(1), Raise::Write { from: 1, to: 2 });
        for value in 2..=u8::MAX {
            assert_eq!(to_raise(value), Raise::AlreadyUp(value));
        }
    }

    /// Every journal, boot, namespace and value: what is put back is put back only here, now, and over our own.
    #[test]
    fn only_what_is_still_ours_is_put_back() {
        for original in [0, 1] {
            let entry = Entry { boot: "this".to_owned(), netns: 7, original, written: 2 };
            for (boot, netns) in [("this", 7), ("this", 8), ("other", 7), ("other", 8)] {
                for current in [None, Some(0), Some(1), Some(2), Some(3)] {
                    let expected = match (boot, netns, current) {
                        ("other", ..) => Restore::Void,
                        (_, 8, _) => Restore::Elsewhere,
                        (.., None) => Restore::Unreadable,
                        (.., Some(2)) => Restore::Write { from: 2, to: original },
                        (.., Some(found)) if found == original => Restore::Void,
                        (.., Some(found)) => Restore::Foreign { found },
                    };
                    let here = Here { boot, netns, current };
                    assert_eq!(to_restore(&entry, &here), expected, "{entry:?} {here:?}");
                }
            }
        }
    }
}
