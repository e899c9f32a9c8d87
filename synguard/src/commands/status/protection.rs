//! Whether the filter protects this host at this moment: on which of its interfaces it is, and whether its controller responds.

use std::time::Duration;

use anyhow::{Result, anyhow};
use synguard_datapath::Attached;
use synguard_kernel::{instance::Instance, lock};
use synguard_model::{
    duration,
    error::{ExitKind, failure},
    situation::{AllowedFamily, allowlist_warning, protection_warning},
};

use super::place::place_brief;
use crate::controller::heartbeat;

/// The process that controls a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) struct ControllerHealth {
    pub(in crate::commands) pid: u32,
    /// Time since its last sign of life; `None` if it has given none yet.
    pub(in crate::commands) silence: Option<Duration>,
}

impl ControllerHealth {
    /// Returns the controller that runs, if one does.
    pub(super) fn read(instance: &Instance) -> Option<Self> {
        let pid = lock::controller_pid(instance)?;
        Some(Self { pid, silence: heartbeat::age(&instance.run) })
    }

    pub(in crate::commands) fn is_responding(self) -> bool {
        heartbeat::is_responding(self.silence)
    }

    pub(super) fn text(self) -> String {
        let pid = self.pid;
        match self.silence {
            Some(silence) if !self.is_responding() => format!(
                "NOT RESPONDING for {} (pid {pid}): the filter works, but nobody reacts to attacks or restores settings",
                duration::format(Duration::from_secs(silence.as_secs()))
            ),
            Some(silence) => format!("running (pid {pid}, seen {:.1} s ago)", silence.as_secs_f64()),
            None => format!("running (pid {pid})"),
        }
    }
}

/// Reports whether the filter is on some interface.
pub(super) fn is_attached(interfaces: &[Attached]) -> bool {
    interfaces.iter().any(|link| link.ifindex != 0)
}

/// Returns a warning if some interface is not filtered.
pub(super) fn warning(interfaces: &[Attached]) -> Option<String> {
    let unfiltered: Vec<String> =
        interfaces.iter().filter(|link| link.ifindex == 0).map(|link| link.name.clone()).collect();
    protection_warning(is_attached(interfaces), &unfiltered)
}

/// Returns one line for a monitoring system.
///
/// # Errors
///
/// Exit code 3 if no interface is filtered, and 1 if not every one is, the allowlist covers a whole address family, or the
/// controller does not respond.
pub(super) fn check(
    interfaces: &[Attached],
    controller: Option<ControllerHealth>,
    allowed: &[AllowedFamily],
    phase: &str,
) -> Result<String> {
    if let Some(warning) = warning(interfaces) {
        return Err(if is_attached(interfaces) {
            anyhow!(warning)
        } else {
            failure(ExitKind::NotAttached, warning)
        });
    }
    if let Some(warning) = allowlist_warning(allowed) {
        return Err(anyhow!(warning));
    }
    let places: Vec<String> =
        interfaces.iter().map(|link| format!("{} ({})", link.name, place_brief(link))).collect();
    match controller {
        Some(health) if !health.is_responding() => Err(anyhow!("controller {}", health.text())),
        Some(_) => Ok(format!("protected: {}; {phase}\n", places.join(", "))),
        None => Ok(format!("protected, without a controller: {}; {phase}\n", places.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use synguard_kernel::netlink::XdpPlace;
    use synguard_model::error::exit_code;

    use super::*;

    fn link(name: &str, ifindex: u32) -> Attached {
        let place = (ifindex != 0).then_some(XdpPlace::Native);
        Attached { name: name.to_owned(), ifindex, place, program_id: 7 }
    }

    #[test]
    fn loss_of_protection_is_said_and_has_an_exit_code() {
        let health = |seconds| Some(ControllerHealth { pid: 7, silence: Some(Duration::from_secs(seconds)) });
        type Row<'a> = (&'a [Attached], Option<ControllerHealth>, Result<&'a str, (u8, &'a str)>);
        let table: [Row<'_>; 6] = [
            (&[link("a", 2)], health(0), Ok("protected: a (native); calm\n")),
            (&[link("a", 2)], None, Ok("protected, without a controller: a (native); calm\n")),
            (&[link("a", 2), link("b", 0)], health(0), Err((1, "PARTLY PROTECTED: the filter is not on b"))),
            (&[link("a", 0)], health(0), Err((3, "NOT PROTECTED: the filter is not on a"))),
            (&[], health(0), Err((3, "NOT PROTECTED"))),
            (&[link("a", 2)], health(20), Err((1, "controller NOT RESPONDING for 20s (pid 7)"))),
        ];
        for (interfaces, controller, expected) in table {
            match (check(interfaces, controller, &[], "calm"), expected) {
                (Ok(line), Ok(expected)) => assert_eq!(line, expected),
                (Err(error), Err((code, text))) => {
                    assert!(error.to_string().starts_with(text), "{error}");
                    assert_eq!(exit_code(&error), code, "{error}");
                }
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        }
        let allowed = AllowedFamily { name: "IPv4", entries: vec!["0.0.0.0/0".to_owned()] };
        let error = check(&[link("a", 2)], health(0), &[allowed], "calm").expect_err("not protected");
        assert!(
            error.to_string().starts_with("PARTLY PROTECTED: the allowlist covers every IPv4"),
            "{error}"
        );
        assert_eq!(exit_code(&error), 1);
    }
}
