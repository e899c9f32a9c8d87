//! The terminal that this process was started from, and whether it has been closed since.
//!
//! A terminal that closes sends SIGHUP by several ways: the kernel signals the leader of the session and, when the leader
//! ends, the foreground processes; a shell passes its own SIGHUP on to its jobs, and sudo to its command. The kernel marks its
//! signals. Those that were passed on come from an ancestor of this process, one of which has lost its terminal by then:
//! that tells them from `kill -HUP %1` in a shell, which means to reload.

use std::iter;

use crate::process::ProcessStat;

/// Most ancestors that are looked at.
const DEPTH_MAX: usize = 32;

/// This process and its ancestors, with their terminals when they were captured.
#[derive(Clone, Debug, Default)]
pub struct TerminalWatch {
    /// Process ids with device numbers of terminals; 0 is no terminal. The first is this process.
    processes: Vec<(u32, u32)>,
    session: u32,
}

impl TerminalWatch {
    /// Captures the terminals of this process and its ancestors.
    pub fn begin() -> Self {
        Self::capture(std::process::id(), &|pid| ProcessStat::read(&pid.to_string()))
    }

    fn capture(pid: u32, read: &impl Fn(u32) -> Option<ProcessStat>) -> Self {
        let session = read(pid).map_or(0, |stat| stat.session);
        let mut next = Some(pid);
        let processes = iter::from_fn(|| {
            let pid = next.filter(|pid| *pid > 1)?;
            let stat = read(pid)?;
            next = Some(stat.parent);
            Some((pid, stat.terminal))
        });
        Self { processes: processes.take(DEPTH_MAX).collect(), session }
    }

    /// Reports whether a SIGHUP from the process `sender`, or from the kernel if that is `None`, says that the terminal was
    /// closed.
    pub fn is_hangup(&self, sender: Option<u32>) -> bool {
        self.is_hangup_by(sender, &|pid| ProcessStat::read(&pid.to_string()))
    }

    fn is_hangup_by(&self, sender: Option<u32>, read: &impl Fn(u32) -> Option<ProcessStat>) -> bool {
        let Some(sender) = sender else { return true };
        let passes_on = sender > 1
            && (sender == self.session || self.processes.iter().skip(1).any(|(pid, _)| *pid == sender));
        let is_lost = |(pid, terminal): &(u32, u32)| {
            *terminal != 0 && read(*pid).is_none_or(|stat| stat.terminal != *terminal)
        };
        passes_on && self.processes.iter().any(is_lost)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const PTS: u32 = 0x8801;
    const SUDO_PTS: u32 = 0x8802;

    type Processes = HashMap<u32, ProcessStat>;

    /// sshd (2) → bash (3) → sudo (4) → sudo's monitor (5), on a terminal of its own → synguard (6).
    fn processes() -> Processes {
        let stat = |parent, session, terminal| ProcessStat { name: String::new(), parent, session, terminal };
        HashMap::from([
            (2, stat(1, 2, 0)),
            (3, stat(2, 3, PTS)),
            (4, stat(3, 3, PTS)),
            (5, stat(4, 5, SUDO_PTS)),
            (6, stat(5, 5, SUDO_PTS)),
        ])
    }

    fn lost(mut processes: Processes, pid: u32) -> Processes {
        processes.get_mut(&pid).expect("a process").terminal = 0;
        processes
    }

    fn is_hangup(sender: Option<u32>, now: &Processes) -> bool {
        let before = processes();
        let watch = TerminalWatch::capture(6, &|pid| before.get(&pid).cloned());
        watch.is_hangup_by(sender, &|pid| now.get(&pid).cloned())
    }

    #[test]
    fn signals_of_the_kernel_are_hangups() {
        assert!(is_hangup(None, &processes()));
    }

    #[test]
    fn strangers_and_init_ask_for_a_reload() {
        for sender in [0, 1, 77] {
            for now in [processes(), lost(processes(), 3)] {
                assert!(!is_hangup(Some(sender), &now), "{sender}");
            }
        }
    }

    #[test]
    fn ancestors_ask_for_a_reload_while_the_terminal_is_open() {
        for sender in [3, 4, 5] {
            assert!(!is_hangup(Some(sender), &processes()), "{sender}");
        }
    }

    #[test]
    fn ancestors_pass_a_hangup_on_once_the_terminal_is_closed() {
        for sender in [3, 4, 5] {
            assert!(is_hangup(Some(sender), &lost(processes(), 4)), "{sender}");
            let mut ended = processes();
            ended.remove(&3);
            assert!(is_hangup(Some(sender), &ended), "{sender}");
        }
    }

    #[test]
    fn a_service_has_no_terminal_to_lose() {
        let stat = |parent, session| ProcessStat { name: String::new(), parent, session, terminal: 0 };
        let watch = TerminalWatch::capture(6, &|pid| (pid == 6).then(|| stat(1, 6)));
        for sender in [1, 6, 77] {
            assert!(!watch.is_hangup_by(Some(sender), &|_| None), "{sender}");
        }
    }
}
