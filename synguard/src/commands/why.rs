//! `synguard why`: the verdict on a SYN that arrived from an address now, and every rule that applies.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::Result;
use synguard_common::reason::Reason;
use synguard_kernel::{clock, instance::Instance, sysctl};
use synguard_model::{event::Sysctl, source::key_of};
use synguard_policy::explain::Explanation;

use super::{filter::open, stdout::emit, verdict_label};
use crate::{
    cli::WhyArgs,
    output::{CpuDecisionJson, RuleSetJson, SchemaVersion, WhyJson, to_line},
};

/// Prints the explanation.
pub(super) fn run(instance: &Instance, args: &WhyArgs) -> Result<()> {
    let datapath = open(instance)?;
    let address = args.address.to_canonical();
    let inspection = datapath.inspect(key_of(address).address)?;
    let (settings, _) = datapath.settings()?;
    let explanation = Explanation::new(
        &inspection,
        &settings,
        args.port,
        sysctl::read(Sysctl::Syncookies),
        clock::now_ns(),
    );
    if args.json {
        return emit(to_line(&to_json(address, &explanation))?);
    }
    emit(to_text(address, &explanation))
}

fn to_json(address: IpAddr, explanation: &Explanation) -> WhyJson {
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
        rules: RuleSetJson::new(&explanation.rules, decides),
    }
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
        let (verdict, label) = (verdict_label(decision.reason.verdict()), decision.reason.label());
        if let [_] = decisions.as_slice() {
            writeln!(out, "verdict          {verdict}: {label}")?;
        } else {
            let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
            writeln!(out, "verdict          {verdict}: {label}, on CPU {}", cpus.join(", "))?;
        }
    }
    let deciders: Vec<&str> =
        decisions.iter().map(|(decision, _)| Explanation::decider(decision.reason)).collect();
    for (name, text) in rules.texts() {
        let mark = if deciders.contains(&name) { "=>" } else { "" };
        writeln!(out, "{mark:2} {:13} {text}", rule_title(name))?;
    }
    Ok(())
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
