//! Processes as `/proc` describes them: who runs one, from which terminal, and who started it.

use std::fs;

use synguard_model::event::Actor;

/// The value of `loginuid` of a process that nobody's login started.
const NO_LOGIN: u32 = u32::MAX;

/// The part of `/proc/PID/stat` that is used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Name of the program, at most 15 bytes.
    pub name: String,
    /// Id of the process that started it, or that inherited it.
    pub parent: u32,
    /// Id of the process that leads its session.
    pub session: u32,
    /// Device number of the controlling terminal; 0 is none.
    pub terminal: u32,
}

impl ProcessStat {
    /// Reads the entry of a process, such as `7` or `self`; `None` if there is no such process, or it is hidden.
    pub fn read(process: &str) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{process}/stat")).ok()?))
    }

    fn parse(line: &str) -> Option<Self> {
        // A program can put anything into its name, even parentheses.
        let (head, tail) = line.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let mut fields = tail.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        // The kernel prints a signed number.
        let terminal: i64 = fields.next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), parent, session, terminal: u32::try_from(terminal).unwrap_or(0) })
    }
}

/// Describes this process and its user.
pub fn current_actor() -> Actor {
    let sudo_user = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    describe("self", std::process::id(), rustix::process::getuid().as_raw(), sudo_user)
}

/// Describes the process that sent a signal, and its user. Process 0 is the kernel, which sends the signals of this process's
/// terminal: then the user of this process pressed a key.
pub fn signal_sender(pid: u32, uid: u32) -> Actor {
    if pid == 0 {
        return Actor { pid: 0, process: None, parent: None, ..current_actor() };
    }
    describe(&pid.to_string(), pid, uid, None)
}

fn describe(process: &str, pid: u32, uid: u32, sudo_user: Option<String>) -> Actor {
    let stat = ProcessStat::read(process);
    let parent = stat.as_ref().and_then(|stat| ProcessStat::read(&stat.parent.to_string()));
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    Actor {
        uid,
        user: user_name(&users, uid),
        sudo_user: sudo_user.or_else(|| login_user(process, uid, &users)),
        tty: stat.as_ref().and_then(|stat| terminal_name(stat.terminal)),
        pid,
        process: stat.map(|stat| stat.name),
        parent: parent.map(|parent| parent.name),
    }
}

/// Returns the user who logged in, if that is another one than `uid`.
fn login_user(process: &str, uid: u32, users: &str) -> Option<String> {
    let login = fs::read_to_string(format!("/proc/{process}/loginuid")).ok()?.trim().parse().ok()?;
    if login == NO_LOGIN || login == uid {
        return None;
    }
    Some(user_name(users, login).unwrap_or_else(|| format!("uid {login}")))
}

/// Finds the name of a user in the text of `/etc/passwd`.
fn user_name(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Returns the name of a terminal below `/dev`.
fn terminal_name(device: u32) -> Option<String> {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match (major, minor) {
        (0, 0) => None,
        (4, 0..64) => Some(format!("tty{minor}")),
        (4, _) => Some(format!("ttyS{}", minor - 64)),
        (136..=143, _) => Some(format!("pts/{minor}")),
        _ => Some(format!("terminal {major}:{minor}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_parsed_whatever_the_name_is() {
        let line = "42 (a) b (c) S 7 42 40 34819 42 4194304 101 0 0 0";
        let expected = ProcessStat { name: "a) b (c".to_owned(), parent: 7, session: 40, terminal: 34819 };
        assert_eq!(ProcessStat::parse(line), Some(expected));
        let daemon = ProcessStat::parse("1 (systemd) S 0 1 1 0 -1").expect("valid");
        assert_eq!((daemon.parent, daemon.terminal), (0, 0));
        for bad in ["", "1 systemd S 0", "1 (x)", "1 (x) S a 1 1 0"] {
            assert_eq!(ProcessStat::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn terminals_have_the_names_of_their_devices() {
        for (device, name) in [
            (0, None),
            (34819, Some("pts/3")),
            (0x10_8800, Some("pts/256")),
            (1025, Some("tty1")),
            (1088, Some("ttyS0")),
            (0x0501, Some("terminal 5:1")),
        ] {
            assert_eq!(terminal_name(device).as_deref(), name, "{device:#x}");
        }
    }

    #[test]
    fn users_are_found_by_id() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(user_name(users, 1000).as_deref(), Some("alice"));
        assert_eq!(user_name(users, 0).as_deref(), Some("root"));
        assert_eq!(user_name(users, 7), None);
    }

    #[test]
    fn this_process_is_described() {
        let actor = current_actor();
        assert_eq!(actor.pid, std::process::id());
        assert!(actor.process.is_some() && actor.parent.is_some(), "{actor:?}");
        let sender = signal_sender(actor.pid, actor.uid);
        assert_eq!((sender.user, sender.process), (actor.user, actor.process));
    }
}
