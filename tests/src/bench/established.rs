//! The row about established traffic: the cost of every packet that is not a SYN.

use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::{Context as _, Result};

use crate::{
    bench::{
        Bench,
        line::{Goal, Line},
        rounds::Rounds,
        single::{cpu_ns_a_run, program_by_id, require_stats_off},
        spread::{drift, median},
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
/// Slices of a round.
const SLICES: usize = 40;

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

    let mut rounds = Rounds::new(bench.pace.rounds);
    let mut floors = Vec::new();
    while rounds.wants_more() {
        let (empty, filter) = (Loaded::new(Program::Pass)?, Filter::with_config(config(100, 200)));
        // xdp-filter's cannot be loaded anew by itself; its code does not depend on its maps' contents.
        let programs = [empty.xdp()?.fd()?.as_fd(), filter.xdp().fd()?.as_fd(), peer_fd.as_fd()];
        let [floor, ours, theirs] = round(programs, &packet, bench.pace.repeat / SLICES as u32)?;
        let (moved, floor) = (drift(&floor)?, median(&floor)?);
        rounds.push(moved, median(&ours)? - floor, median(&theirs)? - floor);
        floors.push(floor);
    }
    require_stats_off()?;
    let comparison = rounds.finish()?;
    let mut notes = comparison.notes;
    notes.push(format!(
        "CPU time of BPF_PROG_TEST_RUN, {} runs a round in {SLICES} slices by turns, medians of these; \
         empty XDP_PASS {:.1} ns",
        bench.pace.repeat,
        median(&floors)?
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

/// Measures the cost of each program, in slices by turns: other work of the machine then affects all programs alike,
/// and the median leaves brief disturbances out.
fn round<const N: usize>(programs: [BorrowedFd<'_>; N], packet: &[u8], repeat: u32) -> Result<[Vec<f64>; N]> {
    let mut slices = [const { Vec::new() }; N];
    for _ in 0..SLICES {
        interrupt::check()?;
        for (program, slices) in programs.iter().zip(&mut slices) {
            slices.push(cpu_ns_a_run(program, packet, repeat)?);
        }
    }
    Ok(slices)
}
