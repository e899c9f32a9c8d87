//! `synguard why`: what would happen to a SYN from an address now, and every rule that applies.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::Result;
use serde_json::{Value, json};
use synguard_common::reason::{Reason, Verdict};
use synguard_kernel::{clock, instance::Instance, sysctl};
use synguard_model::{event::Sysctl, source::key_of};
use synguard_policy::explain::Explanation;

use super::{filter::open, output::emit};
use crate::cli::WhyArgs;

/// Explains.
///
/// # Errors
///
/// Not attached, or the filter cannot be read.
pub(super) fn run(instance: &Instance, args: &WhyArgs) -> Result<()> {
    let datapath = open(instance)?;
    let address = args.address.to_canonical();
    let read = datapath.inspect(key_of(address).address)?;
    let (settings, _) = datapath.settings()?;
    let explanation =
        Explanation::new(&read, &settings, args.port, sysctl::read(Sysctl::Syncookies), clock::now_ns());
    if args.json {
        return emit(format!("{}\n", to_json(address, &explanation)));
    }
    emit(to_text(address, &explanation))
}

const fn verdict(reason: Reason) -> &'static str {
    match reason.verdict() {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
        Verdict::Transmit => "answer",
    }
}

fn to_json(address: IpAddr, explanation: &Explanation) -> Value {
    let reasons: Vec<Reason> = explanation.decisions.iter().map(|(decision, _)| decision.reason).collect();
    let first = reasons.first().copied().unwrap_or(Reason::Unconfigured);
    let rules: serde_json::Map<String, Value> = explanation
        .rules
        .iter()
        .map(|rule| {
            let decides = reasons.iter().any(|&reason| Explanation::decider(reason) == rule.name);
            let value = json!({ "text": rule.text, "decides": decides, "figures": rule.values });
            (rule.name.to_owned(), value)
        })
        .collect();
    let cpus: Vec<Value> = explanation
        .decisions
        .iter()
        .map(|(decision, cpus)| {
            let reason = decision.reason;
            json!({ "cpus": cpus, "verdict": verdict(reason), "reason": reason.label() })
        })
        .collect();
    json!({
        "schema": 1,
        "address": address.to_string(),
        "source": explanation.source,
        "network": explanation.prefix,
        "verdict": verdict(first),
        "reason": first.label(),
        "unanimous": reasons.len() <= 1,
        "cpus": cpus,
        "rules": rules,
    })
}

fn to_text(address: IpAddr, explanation: &Explanation) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(&mut out, address, explanation);
    out
}

fn write_text(out: &mut String, address: IpAddr, explanation: &Explanation) -> std::fmt::Result {
    let Explanation { source, prefix, rules, decisions } = explanation;
    writeln!(out, "a SYN from {address} now: source {source}, prefix {prefix}")?;
    for (decision, cpus) in decisions {
        let (verdict, label) = (verdict(decision.reason), decision.reason.label());
        if let [_] = decisions.as_slice() {
            writeln!(out, "verdict     {verdict}: {label}")?;
        } else {
            let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
            writeln!(out, "verdict     {verdict}: {label}, on CPU {}", cpus.join(", "))?;
        }
    }
    let deciders: Vec<&str> =
        decisions.iter().map(|(decision, _)| Explanation::decider(decision.reason)).collect();
    for rule in rules {
        let mark = if deciders.contains(&rule.name) { "=>" } else { "" };
        writeln!(out, "{mark:2} {:8} {}", rule.name, rule.text)?;
    }
    Ok(())
}
