//! The person and the process behind a change.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// The user and the process that made a change. `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Actor {
    /// User id of the process.
    pub uid: u32,
    /// Name of that user.
    pub user: Option<String>,
    /// The user who called sudo, or who logged in as somebody else.
    pub sudo_user: Option<String>,
    /// Controlling terminal of the process, such as `pts/3`.
    pub tty: Option<String>,
    /// The process; 0 is the kernel, which sends the signals of a terminal's keys.
    pub pid: u32,
    /// Name of the process.
    pub process: Option<String>,
    /// Name of the process that started it.
    pub parent: Option<String>,
}

impl Display for Actor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { uid, user, sudo_user, tty, pid, process, parent } = self;
        match user {
            Some(user) => f.write_str(user)?,
            None => write!(f, "uid {uid}")?,
        }
        if let Some(sudo_user) = sudo_user {
            write!(f, " ({sudo_user})")?;
        }
        if let Some(tty) = tty {
            write!(f, " on {tty}")?;
        }
        // The name of synguard's own process says nothing; that of the shell or the program that ran it does.
        let program = process.as_deref().filter(|name| *name != "synguard").or(parent.as_deref());
        match program {
            Some(program) if *pid != 0 => write!(f, " from {program}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_is_named_by_what_is_known() {
        let name = |name: &str| Some(name.to_owned());
        let alice = Actor {
            user: name("root"),
            sudo_user: name("alice"),
            tty: name("pts/3"),
            pid: 7,
            process: name("synguard"),
            parent: name("bash"),
            ..Actor::default()
        };
        assert_eq!(alice.to_string(), "root (alice) on pts/3 from bash");
        let systemd = Actor { user: name("root"), pid: 1, process: name("systemd"), ..Actor::default() };
        assert_eq!(systemd.to_string(), "root from systemd");
        assert_eq!(Actor { uid: 1000, pid: 7, ..Actor::default() }.to_string(), "uid 1000");
        let keys = Actor { user: name("root"), tty: name("tty1"), parent: name("bash"), ..Actor::default() };
        assert_eq!(keys.to_string(), "root on tty1");
    }
}
