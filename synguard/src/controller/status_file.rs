//! The status that the controller publishes for other commands: a small file in the run directory, replaced as a whole. It is
//! valid only while the controller that wrote it runs.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use synguard_kernel::durable_file;
use synguard_model::{
    attack::{AttackKind, Phase},
    situation::{AttackCourse, Visitors},
    time::Monotonic,
};

use super::heartbeat;

const FILE: &str = "controller.json";
/// Time between two publications of what changes all the time: the visitors, and the sources of an attack.
const PERIOD: Duration = Duration::from_secs(1);

/// The published status of a controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ControllerStatus {
    pub pid: u32,
    pub phase: Phase,
    /// Beginning of the phase; `None` if it never changed.
    #[serde(default, rename = "phase_since_ns")]
    pub phase_since: Option<Monotonic>,
    /// The time at which all is calm, if no further flood comes; `None` while a flood is on.
    #[serde(default, rename = "calm_at_ns")]
    pub calm_at: Option<Monotonic>,
    /// The kind of the attack; `None` when calm.
    pub kind: Option<AttackKind>,
    /// The attack until it is over, not older than [`PERIOD`].
    #[serde(default)]
    pub attack: Option<AttackCourse>,
    /// Set if the kernel sends SYN cookies because the controller wants it to.
    pub kernel_cookies: bool,
    /// The value of `tcp_syncookies` before the controller raised it; `None` if it did not.
    pub original: Option<u8>,
    /// The value of `tcp_timestamps` before the controller raised it; `None` if it did not.
    #[serde(default)]
    pub timestamps_original: Option<u8>,
    /// Automatic blocks of this controller that are in force.
    pub auto_blocks: usize,
    /// The server's connections, not older than [`PERIOD`].
    #[serde(default)]
    pub visitors: Visitors,
}

impl ControllerStatus {
    /// Reads the status of the controller `pid` from the run directory; `None` if it has not published one yet.
    pub(crate) fn read(pid: u32, run: &Path) -> Option<Self> {
        let status: Self = serde_json::from_slice(&fs::read(run.join(FILE)).ok()?).ok()?;
        (status.pid == pid).then_some(status)
    }

    /// Removes the file from the run directory, and the heartbeat beside it.
    pub(crate) fn remove(run: &Path) {
        heartbeat::remove(run);
        let path = run.join(FILE);
        for path in [durable_file::temporary_path(&path), path] {
            // Usually one of the files does not exist, and a file of a dead controller is not valid.
            let _ = fs::remove_file(path);
        }
    }

    fn write(&self, run: &Path) -> io::Result<()> {
        let contents = serde_json::to_vec(self)?;
        durable_file::replace_unsynced(&run.join(FILE), |file| file.write_all(&contents))
    }
}

/// A writer of the status that skips unchanged ones.
#[derive(Debug)]
pub(super) struct StatusFile {
    run: PathBuf,
    published: Option<ControllerStatus>,
    /// Time at which the published visitors and sources were new.
    renewed: Monotonic,
}

impl StatusFile {
    pub(super) fn new(run: &Path) -> Self {
        Self { run: run.to_owned(), published: None, renewed: Monotonic::default() }
    }

    /// Has the next update publish the status even if it did not change, because the run directory was removed.
    pub(super) fn publish_again(&mut self) {
        self.published = None;
    }

    /// Publishes the status at `now` if it changed; the visitors' rates once a second, and the attack when its flood begins or pauses.
    pub(super) fn update(&mut self, mut status: ControllerStatus, now: Monotonic) {
        match &self.published {
            Some(published) if now.since(self.renewed) < PERIOD => {
                status.visitors = published.visitors;
                let is_on = |attack: &AttackCourse| attack.last_on_ns.is_none();
                if published.attack.as_ref().map(is_on) == status.attack.as_ref().map(is_on) {
                    status.attack.clone_from(&published.attack);
                }
            }
            _ => self.renewed = now,
        }
        if self.published.as_ref() == Some(&status) {
            return;
        }
        if let Err(error) = status.write(&self.run) {
            log::debug!("the controller's status cannot be published: {error}");
        }
        self.published = Some(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the status of a controller that has not seen anything yet.
    fn calm() -> ControllerStatus {
        ControllerStatus {
            pid: 7,
            phase: Phase::Calm,
            phase_since: None,
            calm_at: None,
            kind: None,
            attack: None,
            kernel_cookies: false,
            original: None,
            timestamps_original: None,
            auto_blocks: 0,
            visitors: Visitors::default(),
        }
    }

    #[test]
    fn only_the_status_of_this_controller_is_valid() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path();
        assert_eq!(ControllerStatus::read(7, run), None);
        let status = ControllerStatus {
            phase: Phase::Attack,
            phase_since: Some(Monotonic::from_ns(5)),
            calm_at: Some(Monotonic::from_ns(9)),
            kind: Some(AttackKind::Mixed),
            attack: Some(attack(Some(3))),
            kernel_cookies: true,
            original: Some(1),
            timestamps_original: Some(0),
            auto_blocks: 3,
            visitors: visitors(61.5),
            ..calm()
        };
        StatusFile::new(run).update(status.clone(), Monotonic::from_ns(5));
        assert_eq!(ControllerStatus::read(7, run), Some(status));
        assert_eq!(ControllerStatus::read(8, run), None);
        fs::write(run.join(FILE), "{").expect("written");
        assert_eq!(ControllerStatus::read(7, run), None);
        ControllerStatus::remove(run);
        assert_eq!(fs::read_dir(run).expect("a folder").count(), 0);
    }

    fn attack(last_on_ns: Option<u64>) -> AttackCourse {
        AttackCourse { last_on_ns: last_on_ns.map(Monotonic::from_ns), ..AttackCourse::default() }
    }

    fn visitors(rate: f64) -> Visitors {
        Visitors { accepted_rate: Some(rate), calm_rate: None, lost_rate: Some(0.0) }
    }

    #[test]
    fn pause_of_an_attack_is_published_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = StatusFile::new(folder.path());
        let mut publish = |ms: u64, attack| {
            file.update(ControllerStatus { attack, ..calm() }, Monotonic::from_ns(1_000_000 * (5_000 + ms)));
            ControllerStatus::read(7, folder.path()).expect("published").attack
        };
        assert_eq!(publish(0, None), None);
        assert_eq!(publish(250, Some(attack(None))), Some(attack(None)));
        assert_eq!(publish(500, Some(attack(Some(8)))), Some(attack(Some(8))));
        assert_eq!(
            publish(750, Some(attack(Some(9)))),
            Some(attack(Some(8))),
            "the sources of a moment ago will do"
        );
        assert_eq!(publish(1_000, Some(attack(Some(9)))), Some(attack(Some(9))));
    }

    #[test]
    fn visitors_are_published_once_a_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = StatusFile::new(folder.path());
        let mut publish = |ms: u64, phase, rate| {
            let status = ControllerStatus { phase, visitors: visitors(rate), ..calm() };
            file.update(status, Monotonic::from_ns(1_000_000 * (5_000 + ms)));
            let published = ControllerStatus::read(7, folder.path()).expect("published");
            (published.phase, published.visitors.accepted_rate)
        };
        assert_eq!(publish(0, Phase::Calm, 1.0), (Phase::Calm, Some(1.0)));
        assert_eq!(publish(250, Phase::Calm, 2.0), (Phase::Calm, Some(1.0)));
        assert_eq!(publish(500, Phase::Attack, 3.0), (Phase::Attack, Some(1.0)), "the phase at once");
        assert_eq!(publish(1_000, Phase::Attack, 4.0), (Phase::Attack, Some(4.0)));
    }
}
