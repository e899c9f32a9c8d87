//! Decisions about a sysctl from its saved value and its environment. Pure.

use super::saved_value::SavedValue;

/// The value to which both sysctls are raised: the kernel replies to every SYN with a cookie, and its timestamps have no
/// secret offset.
pub(super) const RAISED: u8 = 2;

/// The step that raises a sysctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RaiseDecision {
    Write { from: u8, to: u8 },
    AlreadyRaised(u8),
}

/// Decides how to raise a sysctl. It is never lowered.
pub(super) const fn decide_raise(current: u8) -> RaiseDecision {
    if current < RAISED {
        RaiseDecision::Write { from: current, to: RAISED }
    } else {
        RaiseDecision::AlreadyRaised(current)
    }
}

/// The state of the machine when a saved value may have to be restored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Environment<'a> {
    /// The identifier of this boot.
    pub(super) boot: &'a str,
    /// The cookie of this network namespace.
    pub(super) netns: u64,
    /// The value of the sysctl; `None` if it cannot be read.
    pub(super) current: Option<u8>,
}

/// The step that restores a sysctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestoreDecision {
    /// The sysctl still has the written value: write the old one.
    Write { from: u8, to: u8 },
    /// The sysctl has its old value, was never raised, or the saved value belongs to another boot.
    Nothing,
    /// Another program changed the sysctl.
    ChangedByOther { found: u8 },
    /// The saved value belongs to another network namespace.
    OtherNamespace,
    /// The sysctl cannot be read.
    Unreadable,
}

pub(super) fn decide_restore(saved: &SavedValue, environment: &Environment<'_>) -> RestoreDecision {
    if saved.boot != environment.boot {
        return RestoreDecision::Nothing;
    }
    if saved.netns != environment.netns {
        return RestoreDecision::OtherNamespace;
    }
    match environment.current {
        None => RestoreDecision::Unreadable,
        // A controller may have been killed just before it raised the sysctl, or just after it restored it.
        Some(current) if current == saved.original => RestoreDecision::Nothing,
        Some(current) if current == saved.written => {
            RestoreDecision::Write { from: current, to: saved.original }
        }
        Some(found) => RestoreDecision::ChangedByOther { found },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctls_are_never_lowered() {
        assert_eq!(decide_raise(0), RaiseDecision::Write { from: 0, to: 2 });
        assert_eq!(decide_raise(1), RaiseDecision::Write { from: 1, to: 2 });
        for value in 2..=u8::MAX {
            assert_eq!(decide_raise(value), RaiseDecision::AlreadyRaised(value));
        }
    }

    /// Every saved value, boot, namespace and current value: only a value of synguard's own, of this boot and this
    /// namespace, is overwritten.
    #[test]
    fn restore_overwrites_only_our_own_value() {
        for original in [0, 1] {
            let saved = SavedValue { boot: "this".to_owned(), netns: 7, original, written: 2 };
            for (boot, netns) in [("this", 7), ("this", 8), ("other", 7), ("other", 8)] {
                for current in [None, Some(0), Some(1), Some(2), Some(3)] {
                    let expected = match (boot, netns, current) {
                        ("other", ..) => RestoreDecision::Nothing,
                        (_, 8, _) => RestoreDecision::OtherNamespace,
                        (.., None) => RestoreDecision::Unreadable,
                        (.., Some(2)) => RestoreDecision::Write { from: 2, to: original },
                        (.., Some(found)) if found == original => RestoreDecision::Nothing,
                        (.., Some(found)) => RestoreDecision::ChangedByOther { found },
                    };
                    let environment = Environment { boot, netns, current };
                    assert_eq!(decide_restore(&saved, &environment), expected, "{saved:?} {environment:?}");
                }
            }
        }
    }
}
