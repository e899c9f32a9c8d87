//! The controller's reaction to each input. Each step returns the events that it leads to; a tick reports them together.

use std::mem;

use anyhow::{Result, bail};
use synguard_datapath::Datapath;
use synguard_kernel::{clock, lock::Lock, process, sysctl};
use synguard_lists::transaction::{LostChanges, save_before_removal};
use synguard_model::{
    error::{self, ExitKind, one_line},
    event::{Actor, DETACH_COMMAND, Event, Sysctl},
    settings::Settings,
};
use synguard_policy::{Action, Observation, Policy};

use super::{
    ControllerOptions,
    block::PendingBlock,
    block_check::BlockCheck,
    countermeasures::Countermeasures,
    heartbeat::Heartbeat,
    interfaces::Interfaces,
    jobs::Jobs,
    last_error::LastError,
    reload::{self, Reload},
    status_file::{ControllerStatus, StatusFile},
    systemd::{self, Systemd},
    violations::Violations,
};
use crate::{config::record::AttachRecord, event_log::EventLog};

/// Ticks between checks of the interfaces while no change of one is reported.
const INTERFACE_TICKS: u32 = 40;
/// Ticks between sweeps of expired list entries.
const SWEEP_TICKS: u32 = 1200;

pub(super) struct Controller<'a> {
    options: ControllerOptions<'a>,
    datapath: Datapath,
    policy: Policy,
    event_log: EventLog,
    countermeasures: Countermeasures,
    violations: Violations,
    block_check: BlockCheck,
    jobs: Jobs,
    interfaces: Interfaces,
    systemd: Systemd,
    status_file: StatusFile,
    heartbeat: Heartbeat,
    lock: Lock,
    lock_error: LastError,
    ticks: u32,
    is_stop_reported: bool,
    is_terminal_closed: bool,
    /// Set if another controller has begun.
    is_superseded: bool,
}

impl<'a> Controller<'a> {
    pub(super) fn new(options: ControllerOptions<'a>, datapath: Datapath, lock: Lock) -> Result<Self> {
        let instance = options.instance;
        Ok(Self {
            policy: Policy::default(),
            event_log: EventLog::new(&instance.state),
            countermeasures: Countermeasures::new(instance),
            violations: Violations::open(&instance.pins)?,
            block_check: BlockCheck::default(),
            jobs: Jobs::default(),
            interfaces: Interfaces::open(&instance.pins)?,
            systemd: Systemd::default(),
            status_file: StatusFile::new(&instance.run),
            heartbeat: Heartbeat::new(&instance.run),
            lock,
            lock_error: LastError::default(),
            ticks: 0,
            is_stop_reported: false,
            is_terminal_closed: false,
            is_superseded: false,
            options,
            datapath,
        })
    }

    /// Reports that the controller runs.
    pub(super) fn begin(&mut self) -> Result<()> {
        let attached = synguard_datapath::attached(&self.options.instance.pins)?;
        let interfaces = attached.into_iter().map(|link| link.name).collect();
        let (adopted, actor) = (self.options.adopted, process::current_actor());
        self.event_log.report(&[Event::Started { interfaces, adopted, actor }]);
        self.publish_status();
        self.heartbeat.beat(clock::now_ns());
        systemd::ready();
        Ok(())
    }

    /// Makes one observation, performs the decisions and reports the events. Returns `false` if the filter is gone.
    pub(super) fn tick(&mut self) -> Result<bool> {
        let mut events = Vec::new();
        let result = self.run_steps(&mut events);
        self.event_log.report(&events);
        if result.as_ref().is_ok_and(|is_attached| *is_attached) {
            self.publish_status();
            self.heartbeat.beat(clock::now_ns());
            self.systemd.alive(self.interfaces.is_protected(), self.policy.phase(), self.policy.kind());
        }
        result
    }

    /// Runs the steps of a tick. `events` holds the events of the steps before an error, too.
    fn run_steps(&mut self, events: &mut Vec<Event>) -> Result<bool> {
        self.check_run_directory(events)?;
        if !self.interfaces.watch(self.options.instance, events)? {
            events.push(self.stopped(DETACH_COMMAND, true));
            return Ok(false);
        }
        let now = clock::monotonic();
        let now_ns = now.as_ns();
        let (settings, disarm_at_ns) = self.datapath.settings()?;
        self.check_confirmation(disarm_at_ns, now_ns, events)?;
        let snapshot = self.datapath.snapshot(now)?;
        let sightings = self.violations.collect(&self.datapath, &settings, &snapshot)?;
        let blocked = self.policy.blocked_sources(now);
        let (is_blocking, v6_length) = (self.jobs.is_blocking(), settings.v6_length());
        let observation = Observation {
            snapshot: &snapshot,
            settings: &settings,
            attachment: self.countermeasures.xdp_cookies.attachment(self.interfaces.is_check_due()),
            violations: &sightings.violations,
            sources: &sightings.sources,
            blocks: &self.block_check.step(&self.datapath, &blocked, is_blocking, v6_length, now),
            exemptions: &self.jobs.take_exemptions(),
        };
        let actions = self.policy.step(&observation, now);
        events.extend(self.perform(actions, &settings, now_ns));
        events.extend(self.countermeasures.check(&mut self.datapath, &snapshot, &settings));
        events.extend(self.run_jobs(&settings, now_ns));
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(INTERFACE_TICKS) || self.interfaces.is_check_due() {
            match self.interfaces.check(&self.options) {
                Ok(changes) => events.extend(changes),
                // The interfaces may be changing, or being detached, at this moment. A later check will succeed.
                Err(error) => log::warn!("interfaces cannot be checked: {error:#}"),
            }
        }
        Ok(true)
    }

    /// Makes the run directory and the lock in it again if somebody removed them.
    ///
    /// # Errors
    ///
    /// If another controller took the lock meanwhile: this one ends and leaves the filter to it.
    fn check_run_directory(&mut self, events: &mut Vec<Event>) -> Result<()> {
        if self.lock.is_on_disk() {
            return Ok(());
        }
        let instance = self.options.instance;
        match Lock::controller(instance) {
            Ok(lock) => self.lock = lock,
            Err(error) if error::exit_code(&error) == ExitKind::Conflict as u8 => {
                self.is_superseded = true;
                return Err(error.context(format!("{} was removed", instance.run.display())));
            }
            // The filter needs no directory: it goes on, and the next tick tries again.
            Err(error) => {
                self.lock_error.note("the run directory cannot be made again", Err::<(), _>(error));
                return Ok(());
            }
        }
        self.status_file.publish_again();
        self.options.record.publish(&instance.run);
        self.heartbeat.create_again();
        events.push(Event::RunDirRestored { directory: instance.run.display().to_string() });
        Ok(())
    }

    fn perform(&mut self, actions: Vec<Action>, settings: &Settings, now_ns: u64) -> Vec<Event> {
        let (mut events, mut blocks) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Report(event) => events.push(event),
                Action::RaiseSysctl(sysctl, rates) => {
                    if sysctl == Sysctl::Syncookies {
                        self.jobs.start_namespace_scan(now_ns);
                    }
                    events.extend(self.countermeasures.guard(sysctl).raise(rates));
                }
                Action::WouldRaiseSyncookies(rates) if !sysctl::is_raised(Sysctl::Syncookies) => {
                    events.push(Event::WouldRaiseCookies { rates });
                }
                Action::WouldRaiseSyncookies(_) => {}
                Action::RestoreSysctl(sysctl) => events.extend(self.countermeasures.guard(sysctl).restore()),
                Action::SendXdpCookies(mode, rates) => self.countermeasures.xdp_cookies.request(mode, rates),
                Action::StopXdpCookies(why) => {
                    events.extend(self.countermeasures.xdp_cookies.stop(&mut self.datapath, why));
                }
                Action::Block { source, ttl, event } => blocks.push(PendingBlock { source, ttl, event }),
            }
        }
        self.jobs.start_blocking(self.options.instance, blocks, settings.v6_length());
        events
    }

    /// Fetches the results of finished jobs and starts new ones.
    fn run_jobs(&mut self, settings: &Settings, now_ns: u64) -> Vec<Event> {
        let mut events = self.jobs.collect(now_ns);
        let instance = self.options.instance;
        match self.datapath.unsaved_lists() {
            Ok(unsaved) => self.jobs.save_lists(instance, unsaved, now_ns, &mut events),
            Err(error) => log::warn!("lists that are not saved stay so: {error:#}"),
        }
        let candidates = self.policy.block_candidates();
        self.jobs.start_exemption_check(instance, candidates, settings.v6_length(), now_ns);
        if self.ticks % SWEEP_TICKS == SWEEP_TICKS - 1 {
            self.jobs.start_sweep(instance);
        }
        events
    }

    /// Notices a confirmation. Detaches the filter and fails if none arrived in time.
    fn check_confirmation(&mut self, disarm_at_ns: u64, now_ns: u64, events: &mut Vec<Event>) -> Result<()> {
        if self.options.confirm_by_ns == 0 {
            return Ok(());
        }
        if disarm_at_ns == 0 {
            // `confirm` has put its event into the log.
            log::info!("confirmed: the filter stays");
            self.options.confirm_by_ns = 0;
        } else if now_ns >= disarm_at_ns {
            self.detach()?;
            events.push(self.stopped("not confirmed in time", true));
            let confirm = self.options.instance.command("confirm");
            bail!("to keep the filter, attach again, and run `{confirm}` within the time");
        }
        Ok(())
    }

    /// Schedules a check of the interfaces for the next tick, because changes arrive in large numbers.
    pub(super) const fn links_changed(&mut self) {
        self.interfaces.schedule_check();
    }

    /// Reads the settings again, and reports what changed.
    pub(super) fn reload(&mut self, actor: Actor) {
        let event = match reload::apply(&mut self.options, &mut self.datapath) {
            Ok(Reload { changes, at_next_attach }) => Event::Reloaded { changes, at_next_attach, actor },
            Err(error) => Event::NotReloaded { why: one_line(&format!("{error:#}")), actor },
        };
        self.event_log.report(&[event]);
    }

    /// Reports once that the terminal was closed; several signals say so.
    pub(super) fn terminal_closed(&mut self) {
        if !mem::replace(&mut self.is_terminal_closed, true) {
            self.event_log.report(&[Event::TerminalClosed {}]);
        }
    }

    pub(super) fn shut_down(&mut self, signal: &str, actor: Actor) -> Result<()> {
        systemd::stopping();
        let detaches = !self.options.options.keep_on_exit;
        if detaches {
            self.detach()?;
        }
        let event = self.stopped_by(Some(actor), signal, detaches);
        self.event_log.report(&[event]);
        Ok(())
    }

    fn detach(&mut self) -> Result<()> {
        let lock = Lock::change(self.options.instance)?;
        let lost = save_before_removal(self.options.instance);
        let lost: Vec<_> = lost
            .into_iter()
            .map(|LostChanges { list, why }| Event::ListChangesLost { list: list.verb().to_owned(), why })
            .collect();
        self.event_log.report(&lost);
        synguard_datapath::remove(&self.options.instance.pins)?;
        lock.remove_file();
        Ok(())
    }

    /// Reports that the controller ends because of an error, unless its end was reported already. The filter stays attached.
    pub(super) fn report_failure(&mut self, error: &anyhow::Error) {
        if !self.is_stop_reported {
            let event = self.stopped(&one_line(&format!("{error:#}")), false);
            self.event_log.report(&[event]);
        }
    }

    fn stopped(&mut self, why: &str, detached: bool) -> Event {
        self.stopped_by(None, why, detached)
    }

    fn stopped_by(&mut self, actor: Option<Actor>, why: &str, detached: bool) -> Event {
        self.is_stop_reported = true;
        Event::Stopped { why: why.to_owned(), detached, actor }
    }

    /// Restores everything outside the filter. The caller calls this at every kind of end.
    pub(super) fn end(&mut self) {
        let events = self.countermeasures.end(&mut self.datapath);
        self.event_log.report(&events);
        if self.is_superseded {
            // These files are the other controller's.
            return;
        }
        let instance = self.options.instance;
        ControllerStatus::remove(&instance.run);
        if !synguard_datapath::is_pinned(&instance.pins) {
            AttachRecord::remove(&instance.run);
        }
        self.lock.remove_file();
    }

    fn publish_status(&mut self) {
        let now = clock::monotonic();
        let settings = self.datapath.settings().ok().map(|(settings, _)| settings);
        let status = ControllerStatus {
            pid: std::process::id(),
            phase: self.policy.phase(),
            phase_since: self.policy.phase_since(),
            calm_at: self.policy.calm_at(),
            kind: self.policy.kind(),
            attack: settings.and_then(|settings| self.policy.course(&settings, now)),
            kernel_cookies: self.policy.wants_kernel_cookies() && sysctl::is_raised(Sysctl::Syncookies),
            original: self.countermeasures.original(Sysctl::Syncookies),
            timestamps_original: self.countermeasures.original(Sysctl::Timestamps),
            auto_blocks: self.policy.blocks_in_force(now),
            visitors: self.policy.visitors(),
        };
        self.status_file.update(status, now);
    }
}
