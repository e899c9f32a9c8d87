//! The place where the program of an interface runs, in words.

use synguard_datapath::Attached;
use synguard_kernel::netlink::{self, XdpPlace};

pub(super) const fn place_label(place: XdpPlace) -> &'static str {
    match place {
        XdpPlace::Native => "native",
        XdpPlace::Generic => "generic",
        XdpPlace::Offloaded => "offloaded",
    }
}

/// Returns the place where the program of an interface runs, or the reason why it does not, in a few words.
pub(in crate::commands) fn place_brief(link: &Attached) -> &'static str {
    match (link.ifindex, link.place) {
        (0, _) => match netlink::interface_by_name(&link.name) {
            Ok(Some(_)) => "filter removed",
            Ok(None) => "gone",
            Err(_) => "not filtered",
        },
        (_, None) => "in another namespace",
        (_, Some(place)) => place_label(place),
    }
}
