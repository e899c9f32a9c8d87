//! The table of settings: each is declared here, once.
//!
//! The first paragraph of a row's documentation is the help of `attach -h`; all of it is in `attach --help`, the manual page
//! and `synguard.toml`, after which `SYNGUARD_UPDATE=1 cargo test -p synguard-model example_file` writes that file anew.

use std::{marker::PhantomData, time::Duration};

use synguard_common::{
    abi::{
        FLAG_ALL_PORTS, FLAG_CHECK_ACKS, FLAG_COOKIE_OPTIONS, FLAG_DROP_BAD_FLAGS, FLAG_DROP_FIRST_SYN,
        FLAG_MONITOR,
    },
    gcra::{BURST_MAX, RATE_MAX, burst_min},
    map_names::{LIST_CAPACITY_DEFAULT, SOURCES_DEFAULT},
};

use super::{
    choice::{AttachMode, Cookies, DropFirstSyn},
    declare::{
        KeyInfo, StoredSettings, kebab_case, load, narrow, optional, respelled, row, settings, store,
        upper_case,
    },
    form::{Boolean, Form, InterfaceNames, OneOf, PortList, SettingValue, Syntax, Word as _},
    range::{DurationRange, NumberRange},
    value::{DAY, ValueError},
};
use crate::ports::{Ports, PortsError};

const COOKIES: OneOf<Cookies> = OneOf(PhantomData);
const DROP_FIRST_SYN: OneOf<DropFirstSyn> = OneOf(PhantomData);
const MODE: OneOf<AttachMode> = OneOf(PhantomData);

const fn number(min: u32, max: u32, unit: &'static str) -> NumberRange {
    NumberRange { min, max, unit }
}

const fn cookie_rate(max: u32) -> NumberRange {
    number(0, max, "SYN cookies a second (0: no limit)")
}

settings! {
    live {
        /// SYNs a second that one source may send.
        ///
        /// A source is an IPv4 address, or an IPv6 prefix (see source-prefix-v6). SYNs above the rate are dropped.
        SynRate syn_rate: u32 = 100, number(1, RATE_MAX, "SYNs a second"), field(syn_rate);

        /// SYNs that one source may send at once after a silence.
        ///
        /// It must be at least one more than the rate allows in 10 ms. A burst of twice the rate counts as not chosen: it
        /// follows the rate when only the rate is changed.
        SynBurst syn_burst: u32 = 200, number(burst_min(1), BURST_MAX, "SYNs"), field(syn_burst),
            default "twice syn-rate";

        /// Time for which all SYNs of a source that exceeded its rate are dropped.
        ///
        /// With 0s, each SYN is judged by itself.
        Hold hold: Duration = Duration::from_secs(10), DurationRange { min: Duration::ZERO, max: DAY }, field(hold_ns);

        /// TCP ports to guard: all, or a list such as 80,443,8000-8010.
        ///
        /// Ports are 1 to 65535; the file also takes numbers, such as [80, 443]. SYNs to other ports always pass.
        Ports ports: Ports = Ports::All, PortList, ports(FLAG_ALL_PORTS);

        /// Count what would be dropped, and drop nothing.
        ///
        /// Use it to try limits out on real traffic.
        Monitor monitor: bool = false, Boolean, flag(FLAG_MONITOR);

        /// Also drop combinations of TCP flags that no host sends, such as SYN with FIN.
        DropBadFlags drop_bad_flags: bool = false, Boolean, flag(FLAG_DROP_BAD_FLAGS);

        /// Leading bits of an IPv6 address that make one source.
        ///
        /// A customer usually has all of a /64. IPv4 addresses are always sources of their own.
        SourcePrefixV6 source_prefix_v6: u8 = 64, number(1, 128, "bits"), field(source_prefix_v6);

        /// SYNs a second that all of a /24, or of an IPv6 /48, may send together.
        ///
        /// The burst is twice the rate. This limit catches an attacker who rotates addresses within a prefix. Only SYNs
        /// above the rate are dropped.
        PrefixRate prefix_rate: u32 = 0, number(0, RATE_MAX, "SYNs a second (0: no limit)"), field(prefix_rate);

        /// Sources of SYNs a second above which a flood counts as distributed, if most do not complete their connections.
        ///
        /// A limit for each source is useless against such a flood. The default is the most half-open connections that a
        /// listener has room for, unless somebody has raised net.core.somaxconn.
        DistinctLimit distinct_limit: u32 = 4096, number(0, 100_000_000, "sources a second (0: no limit)"),
            field(distinct_limit);

        /// What the controller does about a distributed flood.
        Cookies cookies: Cookies = Cookies::Auto, COOKIES, field(cookies);

        /// SYN cookies that the filter may send a second, in all.
        ///
        /// SYNs above the rate are dropped. Each SYN cookie is as large as the SYN, and goes to an address that may be forged: this limit bounds what the
        /// server can be made to send.
        SynCookieRate syn_cookie_rate: u32 = 1_000_000, cookie_rate(100_000_000), field(cookie_rate),
            formerly "answer-rate";

        /// SYN cookies that the filter may send a second to the addresses of one /24 or IPv6 /48.
        ///
        /// This limit keeps an attacker from flooding somebody else's network by way of this server.
        SynCookiePrefixRate syn_cookie_prefix_rate: u32 = 10_000, cookie_rate(1_000_000), field(cookie_prefix_rate),
            formerly "answer-network-rate";

        /// Raise net.ipv4.tcp_timestamps to 2 while the filter sends SYN cookies, so that connections keep TCP options.
        ///
        /// Only then do connections that are made meanwhile keep window scaling and SACK; with false they have neither. The
        /// old value is restored like that of tcp_syncookies.
        SynCookieOptions syn_cookie_options: bool = true, Boolean, flag(FLAG_COOKIE_OPTIONS),
            formerly "keep-options";

        /// What the filter does when more SYNs arrive than syn-cookie-rate allows.
        DropFirstSyn drop_first_syn: DropFirstSyn = DropFirstSyn::Auto, DROP_FIRST_SYN, flag(FLAG_DROP_FIRST_SYN),
            formerly "first-syn";

        /// Drop ACKs that return no valid cookie while the filter sends SYN cookies.
        ///
        /// Only ACKs to a listener that belong to no connection are checked; they are dropped in the driver.
        CheckAcks check_acks: bool = true, Boolean, flag(FLAG_CHECK_ACKS);
    }

    at_attach {
        /// Interfaces to attach to; may be left out if the configuration file names some.
        ///
        /// Names on the command line replace those in the file. One of the two must name an interface.
        Interfaces interfaces: Vec<String> = Vec::new(), InterfaceNames, default "none";

        /// How to attach.
        Mode mode: AttachMode = AttachMode::Auto, MODE;

        /// Sources that are tracked at once.
        ///
        /// Each takes about 120 bytes of kernel memory. When the table is full, a new source replaces the one that was
        /// silent longest.
        MaxSources max_sources: u32 = SOURCES_DEFAULT, number(1_024, 16_777_216, "sources");

        /// Entries that the blocklist and the allowlist may each have.
        ///
        /// Kernel memory is taken as a list grows, about 115 bytes an entry.
        MaxList max_list: u32 = LIST_CAPACITY_DEFAULT, number(1, 16_777_216, "entries");

        /// Leave the filter attached, with the settings of that moment, when the controller is stopped.
        KeepOnExit keep_on_exit: bool = false, Boolean;
    }
}
