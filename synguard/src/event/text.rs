//! The events in words, one line each: the same in the log, in the journal and in `events`.

use std::fmt::{self, Formatter};

use super::{Elsewhere, Event, seconds};
use crate::policy::Exemption;

pub(super) fn write(event: &Event, f: &mut Formatter<'_>) -> fmt::Result {
    match event {
        Event::Started { interfaces, adopted } => {
            let how = if *adopted { "took over the filter on" } else { "filtering on" };
            write!(f, "{how} {}", interfaces.join(", "))
        }
        Event::Stopped { why, detached: true } => write!(f, "{why}: detached"),
        Event::Stopped { why, detached: false } => {
            write!(f, "{why}: ended; the filter stays in place (`synguard detach` takes it off)")
        }
        Event::AttackBegan { kind, again: false, numbers } => write!(f, "attack ({kind}): {numbers}"),
        Event::AttackBegan { kind, again: true, numbers } => write!(f, "attack again ({kind}): {numbers}"),
        Event::KindChanged { kind, numbers } => write!(f, "attack is now {kind}: {numbers}"),
        Event::AttackGoesOn { kind, seconds: s, unwanted, numbers } => {
            let time = seconds(*s);
            write!(f, "attack goes on for {time} ({kind}), {unwanted} SYNs over the limit so far: {numbers}")
        }
        Event::Recovering { numbers, .. } => write!(f, "attack seems to be over: {numbers}"),
        Event::AttackOver { seconds: s, syns, unwanted, peak_syn_rate, peak_distinct_sources } => write!(
            f,
            "attack over after {}: {syns} SYNs, {unwanted} over the limit, at most {peak_syn_rate} SYN/s from \
             {peak_distinct_sources} sources",
            seconds(*s)
        ),
        Event::OverLimit { sources, more, limit, hold_seconds } => {
            write!(f, "over {limit} SYN/s: {}", sources.join(", "))?;
            if *more > 0 {
                write!(f, " and {more} more")?;
            }
            if *hold_seconds > 0.0 { write!(f, "; in hold for {hold_seconds} s") } else { Ok(()) }
        }
        Event::Blocked { .. }
        | Event::Spared { .. }
        | Event::NotBlocked { .. }
        | Event::BlocksFull { .. } => write_block(event, f),
        Event::InterfaceGone { interface } => {
            write!(f, "{interface} is gone; it is attached again when it comes back")
        }
        Event::InterfaceBack { interface } => write!(f, "{interface} is back: attached again"),
        Event::InterfaceNotAttached { interface, why } => {
            write!(f, "{interface} is back, but cannot be attached to: {why}")
        }
        Event::InterfaceRenamed { interface, now } => {
            write!(f, "{interface} is called {now} now; the filter stays on it")
        }
        Event::Confirmed {} => f.write_str("confirmed: the filter stays"),
        Event::Reloaded {} => f.write_str("settings reloaded"),
        Event::NotReloaded { why } => write!(f, "settings not reloaded, the old ones stay in force: {why}"),
        _ => write_cookies(event, f),
    }
}

fn write_block(event: &Event, f: &mut Formatter<'_>) -> fmt::Result {
    match event {
        Event::Blocked { source, ttl_seconds, strikes, rate, limit, before } => {
            let time = seconds(*ttl_seconds);
            write!(
                f,
                "{source} is blocked for {time} (SYNs only): went over its limit {strikes} times, and kept "
            )?;
            write!(f, "on at {rate} SYN/s where {limit} are allowed")?;
            if *before > 0 { write!(f, "; blocked before: {before}") } else { Ok(()) }
        }
        Event::Spared { source, why, rate, limit } => {
            let why = match why {
                Exemption::Protected => "it is protected",
                Exemption::Allowed => "it is on the allowlist",
                Exemption::Connected => "it has connections here; it stays limited",
            };
            write!(f, "{source} is not blocked at {rate} SYN/s where {limit} are allowed: {why}")
        }
        Event::NotBlocked { source, why } => write!(f, "{source} could not be blocked: {why}"),
        Event::BlocksFull { in_force } => {
            write!(f, "{in_force} sources are blocked, which is the most: no more until some expire")
        }
        _ => Ok(()),
    }
}

fn write_cookies(event: &Event, f: &mut Formatter<'_>) -> fmt::Result {
    const NAME: &str = "net.ipv4.tcp_syncookies";
    match event {
        Event::CookiesRaised { from, to, numbers } => {
            write!(f, "{NAME} raised from {from} to {to}: {numbers}")
        }
        Event::CookiesAlreadyUp { value } => {
            write!(f, "{NAME} is {value} already: nothing to raise, nothing touched")
        }
        Event::CookiesNotRaised { why } => {
            write!(f, "{NAME} cannot be raised, everything else goes on: {why}")
        }
        Event::CookiesRestored { from, to, after_crash: false } => {
            write!(f, "{NAME} put back from {from} to {to}")
        }
        Event::CookiesRestored { from, to, after_crash: true } => {
            write!(
                f,
                "{NAME} put back from {from} to {to}, which a controller that was killed had left undone"
            )
        }
        Event::CookiesLeftAlone { found, written, original } => {
            write!(
                f,
                "{NAME} is {found}, not the {written} that was written: somebody else changed it, so it is "
            )?;
            write!(f, "left alone (it was {original} before)")
        }
        Event::CookiesNotRestored { why } => write!(f, "{NAME} could not be put back: {why}"),
        Event::CookiesRefused { sent, received, failed } => write!(
            f,
            "cookies do not help: the kernel refused {failed} of those that came back and accepted {received} \
             ({sent} sent)"
        ),
        Event::CookiesXdpUnavailable {} => f.write_str(
            "cookies = xdp: answering in the driver is not in this version; doing as with cookies = kernel",
        ),
        Event::ListenersElsewhere { namespaces, more } => {
            let list: Vec<String> = namespaces.iter().map(elsewhere).collect();
            write!(f, "{NAME} does not reach listeners in other network namespaces: {}", list.join("; "))?;
            if *more > 0 { write!(f, "; and {more} more namespaces") } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

fn elsewhere(Elsewhere { pid, command, ports }: &Elsewhere) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let word = if ports.len() == 1 { "port" } else { "ports" };
    format!("that of {command} (pid {pid}), {word} {}", ports.join(", "))
}
