//! `synguard why`: the verdict on a SYN that arrived from an address now, and every rule that applies.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::Result;
use synguard_common::reason::{Reason, Verdict};
use synguard_kernel::{
    clock,
    instance::Instance,
    netlink::tcp::{TcpStates, for_each_socket},
    protected::{self, ProtectedSet},
    sysctl,
};
use synguard_model::{event::Sysctl, source::key_of};
use synguard_policy::explain::{Explanation, reason_text};

use super::{filter::open, stdout::emit};
use crate::{
    cli::WhyArgs,
    output::{CpuDecisionJson, RuleSetJson, SchemaVersion, WhyJson, to_line},
};

/// Prints the explanation; `verbose` with every rule, also those that hardly ever matter.
pub(super) fn run(instance: &Instance, args: &WhyArgs, verbose: bool) -> Result<()> {
    let address = args.address.to_canonical();
    let mut explanation = explain(instance, address, args.port)?;
    let mut notes = address_notes(address);
    if let Some(port) = args.port.filter(|&port| has_listener(port) == Some(false)) {
        explanation = explanation.without_listener();
        notes.push(port_note(port));
    }
    if args.json {
        return emit(to_line(&to_json(address, &explanation, notes))?);
    }
    emit(to_text(address, &explanation, &notes, verbose))
}

/// Explains the verdict on a SYN from an address to `port`, or to a guarded port, at this moment.
pub(super) fn explain(instance: &Instance, address: IpAddr, port: Option<u16>) -> Result<Explanation> {
    let datapath = open(instance)?;
    let inspection = datapath.inspect(key_of(address).address)?;
    let (settings, _) = datapath.settings()?;
    let syncookies = sysctl::read(Sysctl::Syncookies);
    Ok(Explanation::new(&inspection, &settings, port, syncookies, clock::now_ns()))
}

/// Returns notes on what the address is to this host.
pub(super) fn address_notes(address: IpAddr) -> Vec<String> {
    address_note(address, &protected_addresses()).into_iter().collect()
}

fn protected_addresses() -> ProtectedSet {
    let protection = protected::current();
    protection.warnings.iter().for_each(|warning| log::debug!("{warning}"));
    protection.set
}

/// Returns what an address is to this host, if it is anything.
fn address_note(address: IpAddr, protected: &ProtectedSet) -> Option<String> {
    let conflict = protected.conflict(address.into())?;
    Some(format!("{conflict}; it is never blocked automatically"))
}

fn port_note(port: u16) -> String {
    format!("nobody listens on port {port} in this network namespace: the kernel refuses a SYN that passes")
}

/// Reports whether some socket listens on the port; `None` if that is not known.
fn has_listener(port: u16) -> Option<bool> {
    let mut found = false;
    let read = for_each_socket(TcpStates::LISTEN, Some(port), |socket| found |= socket.port == port);
    match read {
        _ if found => Some(true),
        Ok(()) => Some(false),
        Err(error) => {
            log::debug!("{error:#}");
            None
        }
    }
}

fn to_json(address: IpAddr, explanation: &Explanation, notes: Vec<String>) -> WhyJson {
    let reasons: Vec<Reason> = explanation.decisions.iter().map(|(decision, _)| decision.reason).collect();
    let first = reasons.first().copied().unwrap_or(Reason::Unconfigured);
    let decides = |name: &str| reasons.iter().any(|&reason| Explanation::decider(reason) == name);
    WhyJson {
        schema: SchemaVersion,
        address: address.to_string(),
        source: explanation.source.clone(),
        network: explanation.prefix.clone(),
        verdict: first.verdict().into(),
        reason: first.label(),
        unanimous: reasons.len() <= 1,
        cpus: explanation
            .decisions
            .iter()
            .map(|(decision, cpus)| CpuDecisionJson {
                cpus: cpus.clone(),
                verdict: decision.reason.verdict().into(),
                reason: decision.reason.label(),
            })
            .collect(),
        notes,
        rules: RuleSetJson::new(&explanation.rules, decides),
    }
}

/// Returns the explanation as lines: the verdict, the notes, and a line for each rule.
pub(super) fn to_text(address: IpAddr, explanation: &Explanation, notes: &[String], verbose: bool) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(&mut out, address, explanation, notes, verbose);
    out
}

fn write_text(
    out: &mut String,
    address: IpAddr,
    explanation: &Explanation,
    notes: &[String],
    verbose: bool,
) -> std::fmt::Result {
    let Explanation { source, prefix, rules, decisions } = explanation;
    writeln!(out, "a SYN from {address} now: source {source}, prefix {prefix}")?;
    for (decision, cpus) in decisions {
        let reason = decision.reason;
        write!(out, "verdict          {}: {}", verdict_word(reason.verdict()), reason_text(reason))?;
        let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
        match decisions.as_slice() {
            [_] => writeln!(out, " ({})", reason.label())?,
            _ => writeln!(out, " ({}, on CPU {})", reason.label(), cpus.join(", "))?,
        }
    }
    for note in notes {
        writeln!(out, "note             {note}")?;
    }
    let deciders: Vec<&str> =
        decisions.iter().map(|(decision, _)| Explanation::decider(decision.reason)).collect();
    let is_under_pressure = !rules.sketch.values.cpus_under_pressure.is_empty();
    for (name, text) in rules.texts() {
        let decides = deciders.contains(&name);
        if name == rules.sketch.name && !(decides || is_under_pressure || verbose) {
            continue;
        }
        writeln!(out, "{:2} {:13} {text}", if decides { "=>" } else { "" }, rule_title(name))?;
    }
    Ok(())
}

/// Returns the verdict so that it catches the eye.
const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Drop => "DROP",
        Verdict::Transmit => "ANSWER",
    }
}

/// Returns the title of a rule in the text. In JSON the rule keeps its name.
fn rule_title(name: &str) -> &str {
    match name {
        "sketch" => "admission",
        "answer" => "XDP cookie",
        "armed" => "mode",
        "cookies" => "kernel cookie",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use synguard_kernel::protected::{ProtectedAddr, Role};

    use super::*;

    #[test]
    fn own_address_is_called_so() {
        let own = "192.0.2.2".parse().expect("an address");
        let set =
            ProtectedSet::new([ProtectedAddr::address(own, Role::Own, "an address of this host (srv0)")]);
        assert_eq!(
            address_note(own, &set).as_deref(),
            Some("192.0.2.2 is an address of this host (srv0); it is never blocked automatically")
        );
        assert_eq!(address_note("192.0.2.3".parse().expect("an address"), &set), None);
    }
}
