//! Lets XDP send SYN cookies as the policy decided, for as long as the kernel accepts them, and reports it.

mod config;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use synguard_common::syn_cookie::config::{SYN_COOKIE_OPTIONS, SynCookieConfig};
use synguard_datapath::{Attached, Datapath, EgressWatch};
use synguard_kernel::{
    clock,
    netlink::{self, XdpPlace, route},
    sysctl, tcp_counters,
};
use synguard_model::{
    event::{AttackRates, Event, Sysctl},
    settings::Settings,
    snapshot::Snapshot,
};
use synguard_policy::{Attachment, CookieMode, PathJudge, Suspension};

use self::config::{HostProperties, cookie_config, cpu_share};

/// Ticks between checks of interfaces, local addresses and the kernel's other settings.
const CHECK_TICKS: u32 = 16;

/// XDP cookies under the controller's control. Dropped, they end.
pub(super) struct XdpCookies {
    pins: PathBuf,
    attachment: Attachment,
    host: HostProperties,
    ticks: u32,
    /// SYNs that each CPU has counted.
    syns_by_cpu: Vec<u64>,
    /// The mode that the policy decided on, and the rates that led to the decision.
    requested: Option<(CookieMode, AttackRates)>,
    /// The policy's reason to stop.
    stop_reason: &'static str,
    sending: Option<Sending>,
    /// The egress program, while XDP sends cookies.
    watch: Option<EgressWatch>,
    judge: PathJudge,
    /// The last reported error, which is reported again only if it changes.
    last_error: Option<String>,
}

/// The counts at the time when XDP began to send cookies.
struct Sending {
    since_ns: u64,
    sent: u64,
    returned: Option<u64>,
}

impl XdpCookies {
    pub(super) fn new(pins: &Path) -> Self {
        Self {
            pins: pins.to_owned(),
            attachment: Attachment::None,
            host: HostProperties { stack: sysctl::tcp_stack(), cpu_share: 1.0 },
            ticks: 0,
            syns_by_cpu: Vec::new(),
            requested: None,
            stop_reason: "",
            sending: None,
            watch: None,
            judge: PathJudge::default(),
            last_error: None,
        }
    }

    /// Returns the place where the filter runs. Checks it from time to time, or at once if an interface `changed`.
    pub(super) fn attachment(&mut self, changed: bool) -> Attachment {
        if changed || self.ticks.is_multiple_of(CHECK_TICKS) {
            match read_attachment(&self.pins) {
                Ok(attachment) => self.attachment = attachment,
                Err(error) => log::warn!("interfaces cannot be checked: {error:#}"),
            }
            self.host.stack = sysctl::tcp_stack();
        }
        self.attachment
    }

    /// Sends cookies in this mode from the next [`tick`](Self::tick) on, because of these rates.
    pub(super) const fn request(&mut self, mode: CookieMode, rates: AttackRates) {
        self.requested = Some((mode, rates));
    }

    /// Stops sending cookies, at once.
    pub(super) fn stop(&mut self, datapath: &mut Datapath, why: &'static str) -> Vec<Event> {
        self.requested = None;
        self.stop_reason = why;
        self.tick(datapath, None, &Settings::default())
    }

    /// Renews the configuration of the program, or stops it if the kernel would refuse its cookies.
    pub(super) fn tick(
        &mut self,
        datapath: &mut Datapath,
        snapshot: Option<&Snapshot>,
        settings: &Settings,
    ) -> Vec<Event> {
        let result = match (self.requested, kernel_obstacle()) {
            (None, _) => self.clear_config(datapath, self.stop_reason),
            (Some(_), Some(obstacle)) => self
                .clear_config(datapath, obstacle)
                .map(|events| events.into_iter().chain(self.report_error(obstacle)).collect()),
            (Some((mode, rates)), None) => self.renew_config(datapath, snapshot, settings, mode, rates),
        };
        self.ticks = self.ticks.wrapping_add(1);
        result.unwrap_or_else(|error| self.report_error(&format!("{error:#}")).into_iter().collect())
    }

    fn renew_config(
        &mut self,
        datapath: &mut Datapath,
        snapshot: Option<&Snapshot>,
        settings: &Settings,
        mode: CookieMode,
        rates: AttackRates,
    ) -> Result<Vec<Event>> {
        if self.sending.is_none() || self.ticks.is_multiple_of(CHECK_TICKS) {
            let mut locals = Vec::new();
            route::local_prefixes(&mut locals)?;
            datapath.set_local_addrs(&locals)?;
        }
        self.watch()?;
        self.update_cpu_share(datapath)?;
        // Until the timestamps are raised, the kernel would misread a timestamp with options.
        let options = mode.options && sysctl::is_raised(Sysctl::Timestamps);
        let now_ns = clock::now_ns();
        let config = cookie_config(CookieMode { options, ..mode }, settings, &self.host, now_ns);
        datapath.set_syn_cookie_config(&config)?;
        self.last_error = None;
        if self.sending.is_some() {
            return self.judge_paths(datapath);
        }
        let tcp = snapshot.and_then(|snapshot| snapshot.tcp);
        self.sending = Some(Sending {
            since_ns: now_ns,
            sent: snapshot.map_or(0, |snapshot| snapshot.counters.xdp_cookies()),
            returned: tcp.map(|tcp| tcp.cookies_received),
        });
        Ok(vec![Event::XdpCookiesBegan { options: config.has(SYN_COOKIE_OPTIONS), rates }])
    }

    /// Keeps the egress program on the filter's interfaces.
    fn watch(&mut self) -> Result<()> {
        if self.watch.is_some() && !self.ticks.is_multiple_of(CHECK_TICKS) {
            return Ok(());
        }
        let watch = match &mut self.watch {
            Some(watch) => watch,
            None => self.watch.insert(EgressWatch::open(&self.pins)?),
        };
        watch.attach_to(&synguard_datapath::attached(&self.pins)?)
    }

    /// Leaves those listeners to the kernel for which XDP's cookies lead to no connection.
    fn judge_paths(&mut self, datapath: &Datapath) -> Result<Vec<Event>> {
        let (paths, now) = (datapath.listener_paths()?, clock::monotonic());
        let mut events = Vec::new();
        for suspension in self.judge.step(&paths, now) {
            let Suspension { path, state, duration, kernel, xdp } = suspension;
            datapath.suspend_path(&path, &state, (now + duration).as_ns())?;
            events.push(Event::XdpCookiesSuspended {
                listener: SocketAddr::new(path.address.into(), path.port).to_string(),
                interface: interface_name(path.interface),
                seconds: duration.as_secs(),
                sent: xdp.sent,
                returned: xdp.returned,
                received: xdp.accepted,
                kernel_sent: kernel.sent,
                kernel_received: kernel.accepted,
            });
        }
        Ok(events)
    }

    fn clear_config(&mut self, datapath: &mut Datapath, why: &str) -> Result<Vec<Event>> {
        let Some(sending) = &self.sending else { return Ok(Vec::new()) };
        datapath.set_syn_cookie_config(&SynCookieConfig::default())?;
        self.watch = None;
        let sent = datapath.counters()?.xdp_cookies().saturating_sub(sending.sent);
        let received = tcp_counters::read_counters().ok().map(|tcp| tcp.cookies_received);
        let returned = received.zip(sending.returned).map(|(now, before)| now.saturating_sub(before));
        let seconds = clock::now_ns().saturating_sub(sending.since_ns) / 1_000_000_000;
        self.sending = None;
        Ok(vec![Event::XdpCookiesEnded { why: why.to_owned(), seconds, sent, returned }])
    }

    /// Updates the share of cookies that one CPU may send from the distribution of SYNs over the CPUs.
    fn update_cpu_share(&mut self, datapath: &Datapath) -> Result<()> {
        let syns = datapath.syns_by_cpu()?;
        let before = std::mem::replace(&mut self.syns_by_cpu, syns);
        let since_before = |(now, before): (&u64, &u64)| now.saturating_sub(*before);
        // The first time there is no earlier count to compare with, so the totals are used.
        let loads: Vec<u64> = match before.len() {
            0 => self.syns_by_cpu.clone(),
            _ => self.syns_by_cpu.iter().zip(&before).map(since_before).collect(),
        };
        self.host.cpu_share = cpu_share(&loads);
        Ok(())
    }

    fn report_error(&mut self, why: &str) -> Option<Event> {
        if self.last_error.as_deref() == Some(why) {
            return None;
        }
        self.last_error = Some(why.to_owned());
        Some(Event::XdpCookiesUnavailable { why: why.to_owned() })
    }
}

impl Drop for XdpCookies {
    fn drop(&mut self) {
        if self.sending.is_some() {
            stop_xdp_cookies(&self.pins);
        }
    }
}

/// Clears the configuration of XDP cookies, whichever process wrote it: perhaps one that has died.
pub(super) fn stop_xdp_cookies(pins: &Path) {
    let stop = || -> Result<()> {
        // The configuration of a filter with another layout cannot be written. Its lease ends by itself.
        let Ok(Some(mut datapath)) = Datapath::open(pins) else { return Ok(()) };
        datapath.set_syn_cookie_config(&SynCookieConfig::default())
    };
    for link in synguard_datapath::attached(pins).unwrap_or_default() {
        synguard_datapath::detach_leftover(&link.name);
    }
    if let Err(error) = stop() {
        log::warn!("XDP may send SYN cookies for a few seconds more: {error:#}");
    }
}

fn interface_name(index: u32) -> String {
    let interface = netlink::interface_by_index(index).ok().flatten();
    interface.map_or_else(|| format!("interface {index}"), |interface| interface.name)
}

/// Returns the reason why the kernel would refuse every cookie, if there is one.
fn kernel_obstacle() -> Option<&'static str> {
    match sysctl::read(Sysctl::Syncookies) {
        None => Some("this kernel has no SYN cookies"),
        Some(0) => Some("net.ipv4.tcp_syncookies is 0, so the kernel would refuse the cookies"),
        Some(_) => None,
    }
}

/// Reads the place where the filter runs.
fn read_attachment(pins: &Path) -> Result<Attachment> {
    let links: Vec<Attached> =
        synguard_datapath::attached(pins)?.into_iter().filter(|link| link.ifindex != 0).collect();
    Ok(match links.iter().map(|link| link.place).min_by_key(|place| rank(*place)) {
        None | Some(None) => Attachment::None,
        Some(Some(XdpPlace::Generic)) => Attachment::Generic,
        Some(Some(XdpPlace::Native | XdpPlace::Offloaded)) => Attachment::Native,
    })
}

/// Returns the rank of a place, the worst place first.
const fn rank(place: Option<XdpPlace>) -> u8 {
    match place {
        None => 0,
        Some(XdpPlace::Generic) => 1,
        Some(XdpPlace::Native | XdpPlace::Offloaded) => 2,
    }
}
