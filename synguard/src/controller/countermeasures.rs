//! The countermeasures outside the filter's limits: XDP cookies and the two raised sysctls.

use synguard_datapath::Datapath;
use synguard_kernel::{
    instance::Instance,
    sysctl::{self, SysctlGuard},
};
use synguard_model::{
    event::{Event, Sysctl},
    settings::Settings,
    snapshot::Snapshot,
};

use super::syn_cookies::{XdpCookies, stop_xdp_cookies};

/// The countermeasures in force. Dropped, they end. The fields are in the order in which they must end: XDP stops sending
/// cookies before the kernel's settings are restored.
pub(super) struct Countermeasures {
    pub(super) xdp_cookies: XdpCookies,
    syncookies: SysctlGuard,
    timestamps: SysctlGuard,
}

impl Countermeasures {
    pub(super) fn new(instance: &Instance) -> Self {
        Self {
            xdp_cookies: XdpCookies::new(&instance.pins),
            syncookies: SysctlGuard::new(&instance.run, Sysctl::Syncookies),
            timestamps: SysctlGuard::new(&instance.run, Sysctl::Timestamps),
        }
    }

    /// Returns the guard of a sysctl.
    pub(super) const fn guard(&mut self, sysctl: Sysctl) -> &mut SysctlGuard {
        match sysctl {
            Sysctl::Syncookies => &mut self.syncookies,
            Sysctl::Timestamps => &mut self.timestamps,
        }
    }

    /// Returns the value that a sysctl had before the controller raised it.
    pub(super) fn original(&self, sysctl: Sysctl) -> Option<u8> {
        match sysctl {
            Sysctl::Syncookies => self.syncookies.original(),
            Sysctl::Timestamps => self.timestamps.original(),
        }
    }

    /// Detects that another program changed a sysctl, and adapts XDP cookies to what the kernel accepts now.
    pub(super) fn check(
        &mut self,
        datapath: &mut Datapath,
        snapshot: &Snapshot,
        settings: &Settings,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        events.extend(self.syncookies.check());
        events.extend(self.timestamps.check());
        events.extend(self.xdp_cookies.tick(datapath, Some(snapshot), settings));
        events
    }

    /// Ends all countermeasures.
    pub(super) fn end(&mut self, datapath: &mut Datapath) -> Vec<Event> {
        let mut events = self.xdp_cookies.stop(datapath, "the controller ends");
        events.extend(self.syncookies.restore());
        events.extend(self.timestamps.restore());
        events
    }
}

/// Ends the countermeasures of a killed controller: first the cookies that XDP sends, then the sysctls raised for them.
pub(super) fn end_after_crash(instance: &Instance) -> Vec<Event> {
    stop_xdp_cookies(&instance.pins);
    sysctl::restore_after_crash(&instance.run)
}
