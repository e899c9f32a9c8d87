//! Has the program answer SYNs as was decided, for as long as the kernel accepts what is answered, and tells of it.

mod config;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use synguard_common::syn_cookie::config::{SYN_COOKIE_OPTIONS, SynCookieConfig};
use synguard_datapath::{Attached, Datapath};
use synguard_kernel::{
    clock,
    netlink::{self, XdpPlace, nftables, route},
    sysctl::{self, Setting},
};
use synguard_model::{
    event::{AttackRates, Event},
    settings::Settings,
    snapshot::Snapshot,
};
use synguard_policy::{Attachment, CookieMode};

use self::config::Host;

/// Ticks between looks at interfaces, addresses and the kernel's other settings.
const LOOK_TICKS: u32 = 16;
/// What interfaces have unless they say otherwise, in bytes.
const MTU: u32 = 1500;

/// The program's answers in the controller's hands. Dropped, they end.
pub(super) struct Answers {
    pins: PathBuf,
    driver: Attachment,
    host: Host,
    ticks: u32,
    /// SYNs that each CPU has seen.
    syns: Vec<u64>,
    /// What was decided, and why.
    wanted: Option<(CookieMode, AttackRates)>,
    /// Why it was decided not to answer any more.
    why_not: &'static str,
    running: Option<Running>,
    /// Why it cannot be done, as last said.
    complaint: Option<String>,
}

/// Answers that are being given.
struct Running {
    since_ns: u64,
    answered: u64,
    returned: Option<u64>,
    told: SynCookieConfig,
}

impl Answers {
    pub(super) fn new(pins: &Path) -> Self {
        Self {
            pins: pins.to_owned(),
            driver: Attachment::None,
            host: Host { stack: sysctl::stack(), mtu: MTU, redirects: false, share: 1.0 },
            ticks: 0,
            syns: Vec::new(),
            wanted: None,
            why_not: "",
            running: None,
            complaint: None,
        }
    }

    /// Looks, now and then or at once if something `changed`, where the filter is.
    pub(super) fn look(&mut self, changed: bool) -> Attachment {
        if changed || self.ticks.is_multiple_of(LOOK_TICKS) {
            match survey(&self.pins) {
                Ok((driver, mtu)) => (self.driver, self.host.mtu) = (driver, mtu),
                Err(error) => log::warn!("interfaces cannot be looked at: {error:#}"),
            }
            // What is not known may be: then nothing is done unasked, and nobody's ACKs are dropped.
            self.host.redirects = nftables::has_nat_rules().unwrap_or(true);
            self.host.stack = sysctl::stack();
        }
        match self.driver {
            Attachment::Native if self.host.redirects => Attachment::NativeBehindNat,
            driver => driver,
        }
    }

    /// From the next [`tick`](Self::tick) on SYNs are to be answered so, for these reasons.
    pub(super) fn want(&mut self, orders: CookieMode, numbers: AttackRates) {
        self.wanted = Some((orders, numbers));
    }

    /// Ceases to answer, at once.
    pub(super) fn stop(&mut self, datapath: &mut Datapath, why: &'static str) -> Vec<Event> {
        self.wanted = None;
        self.why_not = why;
        self.tick(datapath, None, &Settings::default())
    }

    /// Tells the program to go on, or what has changed.
    pub(super) fn tick(
        &mut self,
        datapath: &mut Datapath,
        snapshot: Option<&Snapshot>,
        settings: &Settings,
    ) -> Vec<Event> {
        let result = match (self.wanted, obstacle()) {
            (None, _) => self.cease(datapath, self.why_not),
            (Some(_), Some(obstacle)) => {
                let events = self.cease(datapath, obstacle);
                events.map(|events| events.into_iter().chain(self.complain(obstacle)).collect())
            }
            (Some((orders, numbers)), None) => self.go_on(datapath, snapshot, settings, orders, numbers),
        };
        self.ticks = self.ticks.wrapping_add(1);
        result.unwrap_or_else(|error| self.complain(&format!("{error:#}")).into_iter().collect())
    }

    fn go_on(
        &mut self,
        datapath: &mut Datapath,
        snapshot: Option<&Snapshot>,
        settings: &Settings,
        orders: CookieMode,
        numbers: AttackRates,
    ) -> Result<Vec<Event>> {
        let is_fresh = self.running.is_none();
        if is_fresh || self.ticks.is_multiple_of(LOOK_TICKS) {
            let mut locals = Vec::new();
            route::local_prefixes(&mut locals)?;
            datapath.set_local_addrs(&locals)?;
        }
        self.count_syns(datapath)?;
        // Without the kernel's consent a timestamp with options would be read as something else.
        let orders = CookieMode { options: orders.options && Setting::Timestamps.is_up(), ..orders };
        let now_ns = clock::now_ns();
        let told = config::answering(orders, settings, &self.host, now_ns);
        datapath.set_syn_cookie_config(&told)?;
        self.complaint = None;
        match &mut self.running {
            Some(running) => {
                running.told = told;
                Ok(Vec::new())
            }
            None => {
                let counted = |count: fn(&Snapshot) -> Option<u64>| snapshot.and_then(count);
                self.running = Some(Running {
                    since_ns: now_ns,
                    answered: counted(|snapshot| Some(snapshot.counters.answered())).unwrap_or(0),
                    returned: counted(|snapshot| snapshot.tcp.map(|tcp| tcp.cookies_received)),
                    told,
                });
                Ok(vec![Event::AnsweringBegan { options: told.has(SYN_COOKIE_OPTIONS), numbers }])
            }
        }
    }

    fn cease(&mut self, datapath: &mut Datapath, why: &str) -> Result<Vec<Event>> {
        let Some(running) = &self.running else { return Ok(Vec::new()) };
        datapath.set_syn_cookie_config(&SynCookieConfig::default())?;
        let answered = datapath.counters()?.answered().saturating_sub(running.answered);
        let received = synguard_kernel::tcp_counters::read_counters().ok().map(|tcp| tcp.cookies_received);
        let returned = received.zip(running.returned).map(|(now, then)| now.saturating_sub(then));
        let seconds = clock::now_ns().saturating_sub(running.since_ns) / 1_000_000_000;
        self.running = None;
        Ok(vec![Event::AnsweringEnded { why: why.to_owned(), seconds, answered, returned }])
    }

    /// Looks to which CPUs SYNs come.
    fn count_syns(&mut self, datapath: &Datapath) -> Result<()> {
        let syns = datapath.syns_by_cpu()?;
        let before = std::mem::replace(&mut self.syns, syns);
        let fresh = |(now, before): (&u64, &u64)| now.saturating_sub(*before);
        // The first look has nothing to compare with: what was counted so far will do.
        let loads: Vec<u64> = match before.len() {
            0 => self.syns.clone(),
            _ => self.syns.iter().zip(&before).map(fresh).collect(),
        };
        self.host.share = config::share(&loads);
        Ok(())
    }

    fn complain(&mut self, why: &str) -> Option<Event> {
        if self.complaint.as_deref() == Some(why) {
            return None;
        }
        self.complaint = Some(why.to_owned());
        Some(Event::AnsweringUnavailable { why: why.to_owned() })
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if self.running.is_some() {
            settle(&self.pins);
        }
    }
}

/// What the program was told to do is undone, whoever has told it: by one that has died, perhaps.
pub(super) fn settle(pins: &Path) {
    let settle = || -> Result<()> {
        // One of another layout is not to be understood. It ends by itself.
        let Ok(Some(mut datapath)) = Datapath::open(pins) else { return Ok(()) };
        datapath.set_syn_cookie_config(&SynCookieConfig::default())
    };
    if let Err(error) = settle() {
        log::warn!("the filter may answer SYNs for a few seconds more: {error:#}");
    }
}

/// Why the kernel would refuse every cookie, if it would.
fn obstacle() -> Option<&'static str> {
    match Setting::Syncookies.read() {
        None => Some("this kernel has no SYN cookies"),
        Some(0) => Some("net.ipv4.tcp_syncookies is 0, with which the kernel refuses what would be answered"),
        Some(_) => None,
    }
}

/// Where the filter is, and the smallest MTU there.
fn survey(pins: &Path) -> Result<(Attachment, u32)> {
    let links: Vec<Attached> =
        synguard_datapath::attached(pins)?.into_iter().filter(|link| link.ifindex != 0).collect();
    let driver = match links.iter().map(|link| link.place).min_by_key(|place| rank(*place)) {
        None | Some(None) => Attachment::None,
        Some(Some(XdpPlace::Generic)) => Attachment::Generic,
        Some(Some(XdpPlace::Native | XdpPlace::Offloaded)) => Attachment::Native,
    };
    let mut mtu = None;
    for link in links.iter().filter(|link| link.place.is_some()) {
        let interface =
            netlink::interface_by_index(link.ifindex).with_context(|| format!("look at {}", link.name))?;
        mtu = mtu.into_iter().chain(interface.map(|interface| interface.mtu)).min();
    }
    Ok((driver, mtu.unwrap_or(MTU)))
}

/// The worst comes first.
const fn rank(place: Option<XdpPlace>) -> u8 {
    match place {
        None => 0,
        Some(XdpPlace::Generic) => 1,
        Some(XdpPlace::Native | XdpPlace::Offloaded) => 2,
    }
}
