//! What the controller does with each input.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use synguard_common::source::SourceKey;
use synguard_datapath::Datapath;
use synguard_kernel::{clock, lock::Lock, sysctl::Setting};
use synguard_model::{
    error::one_line,
    event::{Event, Exemption},
    settings::Settings,
    snapshot::Snapshot,
};
use synguard_policy::{Action, Observation, Policy};

use super::{
    Options, Teller, block::Sentence, interfaces::Interfaces, jobs::Errands, status_file::View,
    syn_cookies::Answers, sysctls::Raiser, systemd::Systemd, violations::Offences,
};

/// Ticks between looks at the interfaces when nothing is heard of them.
const INTERFACE_TICKS: u32 = 40;
/// Ticks between looks for entries of the lists that have expired.
const SWEEP_TICKS: u32 = 1200;

pub(super) struct Controller<'a> {
    options: Options<'a>,
    datapath: Datapath,
    policy: Policy,
    teller: Teller,
    // In the order in which they are undone, whatever happens.
    answers: Answers,
    cookies: Raiser,
    timestamps: Raiser,
    offences: Offences,
    errands: Errands,
    interfaces: Interfaces,
    systemd: Systemd,
    /// What speaks against blocking those who are suspected.
    exemptions: BTreeMap<SourceKey, Option<Exemption>>,
    view: Option<View>,
    ticks: u32,
    has_said_why: bool,
}

impl<'a> Controller<'a> {
    pub(super) fn new(options: Options<'a>, datapath: Datapath) -> Result<Self> {
        let instance = options.instance;
        Ok(Self {
            policy: Policy::default(),
            teller: Teller::new(instance),
            cookies: Raiser::new(&instance.run, Setting::Syncookies),
            timestamps: Raiser::new(&instance.run, Setting::Timestamps),
            answers: Answers::new(&instance.pins),
            offences: Offences::open(&instance.pins)?,
            errands: Errands::default(),
            interfaces: Interfaces::default(),
            systemd: Systemd::default(),
            exemptions: BTreeMap::new(),
            view: None,
            ticks: 0,
            has_said_why: false,
            options,
            datapath,
        })
    }

    /// Says that it is there.
    pub(super) fn begin(&mut self) -> Result<()> {
        let attached = synguard_datapath::attached(&self.options.instance.pins)?;
        let interfaces = attached.into_iter().map(|link| link.name).collect();
        self.teller.tell(&Event::Started { interfaces, adopted: self.options.adopted });
        self.publish();
        self.systemd.ready();
        Ok(())
    }

    /// Looks at everything; `false` if the filter is not there any more.
    pub(super) fn tick(&mut self) -> Result<bool> {
        if !synguard_datapath::is_pinned(&self.options.instance.pins) {
            self.stop("the filter was detached by another process", true);
            return Ok(false);
        }
        let now_ns = clock::now_ns();
        let (settings, disarm_at_ns) = self.datapath.settings()?;
        self.check_confirmation(disarm_at_ns, now_ns)?;
        let (offences, over_limit) = self.offences.gather(&self.datapath, &settings, now_ns)?;
        if let Some(event) = over_limit {
            self.teller.tell(&event);
        }
        let snapshot = self.datapath.snapshot(now_ns)?;
        let exemptions = std::mem::take(&mut self.exemptions);
        let driver = self.answers.look(self.interfaces.are_to_be_checked());
        let seen = Observation {
            snapshot: &snapshot,
            settings: &settings,
            driver,
            offences: &offences,
            exemptions: &exemptions,
        };
        let actions = self.policy.step(&seen, now_ns);
        self.perform(actions, &settings);
        self.check_raised(&snapshot, &settings);
        self.run_errands(&settings, now_ns);
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(INTERFACE_TICKS) || self.interfaces.are_to_be_checked() {
            match self.interfaces.check(&self.options) {
                Ok(events) => events.iter().for_each(|event| self.teller.tell(event)),
                // They may be changing, or being detached, just now: there is a next time.
                Err(error) => log::warn!("interfaces cannot be looked at: {error:#}"),
            }
        }
        self.publish();
        self.systemd.alive(self.policy.phase(), self.policy.kind());
        Ok(true)
    }

    fn perform(&mut self, actions: Vec<Action>, settings: &Settings) {
        let mut sentences = Vec::new();
        for action in actions {
            let events = match action {
                Action::Say(event) => vec![event],
                Action::RaiseCookies(numbers) => {
                    self.errands.look_elsewhere();
                    self.cookies.raise(numbers)
                }
                Action::RestoreCookies => self.cookies.restore(),
                Action::RaiseTimestamps(numbers) => self.timestamps.raise(numbers),
                Action::RestoreTimestamps => self.timestamps.restore(),
                Action::Answer(orders, numbers) => {
                    self.answers.want(orders, numbers);
                    continue;
                }
                Action::StopAnswering(why) => self.answers.stop(&mut self.datapath, why),
                Action::Block { source, ttl, event } => {
                    sentences.push(Sentence { source, ttl, event });
                    continue;
                }
            };
            for event in events {
                self.teller.tell(&event);
            }
        }
        self.errands.block(self.options.instance, sentences, settings.source_prefix_v6);
    }

    /// Notices when somebody else has changed what was raised, and has the filter answer as the kernel now takes it.
    fn check_raised(&mut self, snapshot: &Snapshot, settings: &Settings) {
        let mut events = self.cookies.check();
        events.extend(self.timestamps.check());
        events.extend(self.answers.tick(&mut self.datapath, Some(snapshot), settings));
        for event in events {
            self.teller.tell(&event);
        }
    }

    /// Takes what errands have brought, and sends for more.
    fn run_errands(&mut self, settings: &Settings, now_ns: u64) {
        let (exemptions, events) = self.errands.done(now_ns);
        self.exemptions = exemptions;
        for event in events {
            self.teller.tell(&event);
        }
        let instance = self.options.instance;
        self.errands.ask(instance, self.policy.suspects(), settings.source_prefix_v6, now_ns);
        if self.ticks % SWEEP_TICKS == SWEEP_TICKS - 1 {
            self.errands.sweep(instance);
        }
    }

    fn check_confirmation(&mut self, disarm_at_ns: u64, now_ns: u64) -> Result<()> {
        if self.options.confirm_by_ns == 0 {
            return Ok(());
        }
        if disarm_at_ns == 0 {
            self.teller.tell(&Event::Confirmed {});
            self.options.confirm_by_ns = 0;
        } else if now_ns >= disarm_at_ns {
            self.take_off()?;
            self.stop("not confirmed in time", true);
            bail!("not confirmed in time: detached again (run `synguard confirm` within the time given)");
        }
        Ok(())
    }

    /// Something happened to an interface: looked at with the next tick, for such news come in swarms.
    pub(super) fn links_changed(&mut self) {
        self.interfaces.look_soon();
    }

    pub(super) fn reload(&mut self) {
        let apply = |datapath: &mut Datapath| -> Result<()> {
            let settings = (self.options.reload)()?;
            let _lock = Lock::change(self.options.instance)?;
            let (_, disarm_at_ns) = datapath.settings()?;
            datapath.set_settings(&settings, disarm_at_ns)
        };
        let event = match apply(&mut self.datapath) {
            Ok(()) => Event::Reloaded {},
            Err(error) => Event::NotReloaded { why: one_line(&format!("{error:#}")) },
        };
        self.teller.tell(&event);
    }

    pub(super) fn shut_down(&mut self, why: &str) -> Result<()> {
        self.systemd.stopping();
        if self.options.keep_on_exit {
            self.stop(why, false);
            return Ok(());
        }
        self.take_off()?;
        self.stop(why, true);
        Ok(())
    }

    fn take_off(&self) -> Result<()> {
        let lock = Lock::change(self.options.instance)?;
        synguard_datapath::remove(&self.options.instance.pins)?;
        lock.remove_file();
        Ok(())
    }

    /// Says that it ends because of a failure, unless it has said why already. The filter stays.
    pub(super) fn fail(&mut self, error: &anyhow::Error) {
        if !self.has_said_why {
            self.stop(&one_line(&format!("{error:#}")), false);
        }
    }

    fn stop(&mut self, why: &str, detached: bool) {
        self.has_said_why = true;
        self.teller.tell(&Event::Stopped { why: why.to_owned(), detached });
    }

    /// Puts everything back that is not the filter's. To be called however it ends.
    pub(super) fn end(&mut self) {
        let mut events = self.answers.stop(&mut self.datapath, "the controller ends");
        events.extend(self.cookies.restore());
        events.extend(self.timestamps.restore());
        for event in events {
            self.teller.tell(&event);
        }
        View::remove(&self.options.instance.run);
    }

    /// Lets others know, if anything has changed.
    fn publish(&mut self) {
        let view = View {
            pid: std::process::id(),
            phase: self.policy.phase(),
            phase_since_ns: self.policy.phase_since_ns(),
            kind: self.policy.kind(),
            kernel_cookies: self.policy.wants_cookies() && self.cookies.is_up(),
            original: self.cookies.original(),
            timestamps_original: self.timestamps.original(),
            auto_blocks: self.policy.blocks_in_force(clock::now_ns()),
        };
        if self.view.as_ref() == Some(&view) {
            return;
        }
        if let Err(error) = view.publish(&self.options.instance.run) {
            log::debug!("the controller's state cannot be published: {error}");
        }
        self.view = Some(view);
    }
}
