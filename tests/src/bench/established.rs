//! The row about established traffic: what every packet pays that is no SYN.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        rounds::Rounds,
        single::{cpu_ns_a_run, program_by_id, require_stats_off},
        xdp_filter::XdpFilter,
    },
    interrupt,
    lab::SERVER_V4,
    packet::{Packet, flags},
    testrun::{Filter, config},
    xdp::{Loaded, Program},
};

const ROW: &str = "established";
const FEATURES: &str = "ipv4,tcp";
/// Bytes of the packet, as a full one has.
const PAYLOAD: usize = 1400;

/// An established TCP packet, with every list empty, against xdp-filter.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let what = "established TCP packet, lists empty";
    require_stats_off()?;
    let peer = match XdpFilter::load(&bench.lab, FEATURES) {
        Ok(peer) => peer,
        Err(error) => return Ok(vec![Line::not_run(ROW, what, format!("{error:#}"))]),
    };
    let peer_fd = program_by_id(peer.program_id)?.fd().context("open xdp-filter's program")?;
    let packet = Packet::eth()
        .ipv4("203.0.113.9", SERVER_V4)
        .tcp(40_000, 443)
        .flags(flags::ACK | flags::PSH)
        .payload(&[0; PAYLOAD])
        .build();

    let repeat = bench.pace.repeat;
    let floor = || -> Result<f64> {
        interrupt::check()?;
        cpu_ns_a_run(Loaded::new(Program::Pass)?.xdp()?.fd()?.as_fd(), &packet, repeat)
    };
    let mut rounds = Rounds::new(bench.pace.rounds);
    let mut before = floor()?;
    let first_floor = before;
    while rounds.wants_more() {
        let filter = Filter::with_config(config(100, 200));
        let ours = cpu_ns_a_run(filter.xdp().fd()?.as_fd(), &packet, repeat)?;
        // Its program cannot be loaded anew by itself; its code does not depend on its maps' contents.
        let theirs = cpu_ns_a_run(peer_fd.as_fd(), &packet, repeat)?;
        let after = floor()?;
        let floor = f64::midpoint(before, after);
        rounds.push((after / before - 1.0).abs(), ours - floor, theirs - floor);
        before = after;
    }
    require_stats_off()?;
    let comparison = rounds.finish()?;
    let mut notes = comparison.notes;
    notes.push(format!(
        "CPU time of BPF_PROG_TEST_RUN, {repeat} runs a sample; empty XDP_PASS {first_floor:.1} ns"
    ));
    Ok(vec![Line {
        value: Some(comparison.value),
        peer: Some((format!("xdp-filter -f {FEATURES}"), comparison.peer)),
        ratio: Some(comparison.ratio),
        goal: Some(Goal::at_most(0.08, 0.04)),
        notes,
        ..Line::new(ROW, what, "net ns")
    }])
}
