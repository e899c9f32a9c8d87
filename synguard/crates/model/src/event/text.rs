//! The events in words, one line each: the same in the log, in the journal and in `events`.

use std::fmt::{self, Formatter};

use super::{Event, Exemption, ForeignNamespace, seconds};

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
        Event::AttackOver { seconds: s, syns, unwanted, answered, peak_syn_rate, peak_distinct_sources } => {
            write!(f, "attack over after {}: {syns} SYNs, {unwanted} over the limit, ", seconds(*s))?;
            if *answered > 0 {
                write!(f, "{answered} answered in the driver, ")?;
            }
            write!(f, "at most {peak_syn_rate} SYN/s from {peak_distinct_sources} sources")
        }
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

/// What becomes of a setting of the kernel's is said in the same words of each.
fn write_setting(name: &str, event: &Event, f: &mut Formatter<'_>) -> fmt::Result {
    match event {
        Event::TimestampsRaised { from, to } => {
            write!(f, "{name} raised from {from} to {to}: answers may carry a connection's options")
        }
        Event::CookiesAlreadyUp { value } | Event::TimestampsAlreadyUp { value } => {
            write!(f, "{name} is {value} already: nothing to raise, nothing touched")
        }
        Event::CookiesNotRaised { why } => {
            write!(f, "{name} cannot be raised, everything else goes on: {why}")
        }
        Event::TimestampsNotRaised { why } => {
            write!(f, "{name} cannot be raised, so answers carry no option but the MSS: {why}")
        }
        Event::CookiesRestored { from, to, after_crash }
        | Event::TimestampsRestored { from, to, after_crash } => {
            write!(f, "{name} put back from {from} to {to}")?;
            let crash = ", which a controller that was killed had left undone";
            f.write_str(if *after_crash { crash } else { "" })
        }
        Event::CookiesLeftAlone { found, written, original }
        | Event::TimestampsLeftAlone { found, written, original } => {
            write!(
                f,
                "{name} is {found}, not the {written} that was written: somebody else changed it, so it is "
            )?;
            write!(f, "left alone (it was {original} before)")
        }
        Event::CookiesNotRestored { why } | Event::TimestampsNotRestored { why } => {
            write!(f, "{name} could not be put back: {why}")
        }
        _ => Ok(()),
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
        Event::CookiesAlreadyUp { .. }
        | Event::CookiesNotRaised { .. }
        | Event::CookiesRestored { .. }
        | Event::CookiesLeftAlone { .. }
        | Event::CookiesNotRestored { .. } => write_setting(NAME, event, f),
        Event::CookiesRefused { sent, received, failed } => write!(
            f,
            "cookies do not help: the kernel refused {failed} of those that came back and accepted {received} \
             ({sent} sent)"
        ),
        Event::AnswersLost { .. }
        | Event::AnsweringUnavailable { .. }
        | Event::AnsweringBegan { .. }
        | Event::AnsweringEnded { .. }
        | Event::FirstSynOn { .. }
        | Event::FirstSynOff { .. } => write_answers(event, f),
        Event::ListenersElsewhere { namespaces, more } => {
            let list: Vec<String> = namespaces.iter().map(elsewhere).collect();
            write!(f, "{NAME} does not reach listeners in other network namespaces: {}", list.join("; "))?;
            if *more > 0 { write!(f, "; and {more} more namespaces") } else { Ok(()) }
        }
        _ => write_setting("net.ipv4.tcp_timestamps", event, f),
    }
}

fn write_answers(event: &Event, f: &mut Formatter<'_>) -> fmt::Result {
    match event {
        Event::AnswersLost { returned, received, failed } => write!(
            f,
            "of {returned} valid cookies that came back to the driver the kernel accepted {received} and refused {failed}: \
             perhaps a firewall wants to have seen the SYN, or redirects the port. The kernel answers for an hour, or \
             until `cookies` is set to something else"
        ),
        Event::AnsweringUnavailable { why } => {
            write!(f, "SYNs cannot be answered in the driver, so the kernel answers them: {why}")
        }
        Event::AnsweringBegan { options, numbers } => {
            let how =
                if *options { "keeping window scaling, SACK and timestamps" } else { "with the MSS only" };
            write!(f, "SYNs are answered in the driver, {how}: {numbers}")
        }
        Event::AnsweringEnded { why, seconds: s, answered, returned } => {
            write!(
                f,
                "SYNs are left to the kernel again after {} ({why}): {answered} answered",
                seconds(*s)
            )?;
            match returned {
                Some(returned) => write!(f, ", {returned} cookies came back"),
                None => Ok(()),
            }
        }
        Event::FirstSynOn { numbers } => write!(
            f,
            "more SYNs than syn-cookie-rate allows ({:.0}/s too many): a new one is dropped, and answered when it is \
             sent again: {numbers}",
            numbers.over_budget_rate
        ),
        Event::FirstSynOff { numbers } => write!(f, "new SYNs are answered at once again: {numbers}"),
        _ => Ok(()),
    }
}

fn elsewhere(ForeignNamespace { pid, command, ports }: &ForeignNamespace) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let word = if ports.len() == 1 { "port" } else { "ports" };
    format!("that of {command} (pid {pid}), {word} {}", ports.join(", "))
}
