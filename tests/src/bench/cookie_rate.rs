//! The rows about SYN cookies: how many are sent a second, and the CPU time of each, against other senders. The
//! generator, the server's device and everything behind it are on one core; SYN-ACKs end at the first hop.

use std::{
    net::TcpListener,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bench::{
        Bench, Pace,
        line::{Goal, Line},
        live::LOSS_MAX,
        peers,
        rounds::Rounds,
        subject::{Running, Subject},
    },
    flood::{Flood, FloodSpec, Generator},
    interrupt,
    lab::{Family, Lab},
    xdp::Program,
};

/// Port that is flooded, and listened on.
pub(super) const PORT: u16 = 80;
const SOURCES: u32 = 16_000_000;
/// Least share of the SYNs that must have got a SYN-ACK.
const REPLIED_MIN: f64 = 0.97;

/// One of the two that send SYN-ACKs, in a lab of its own.
struct Side {
    name: &'static str,
    lab: Lab,
    subject: Subject,
    generator: Arc<Generator>,
    flood: FloodSpec,
    _listener: TcpListener,
}

/// Rates of one sample, per second.
struct Sample {
    offered: f64,
    syn_acks: f64,
}

/// A flood of everything that goes, from everywhere, to a listener.
pub(super) fn flood(max_duration: Duration) -> FloodSpec {
    FloodSpec { rate_pps: None, max_duration, sources: SOURCES, port: PORT, ..FloodSpec::new(Family::V4) }
}

impl Side {
    fn new(
        name: &'static str,
        pace: Pace,
        subject: Subject,
        set_up: impl FnOnce(&Lab) -> Result<()>,
    ) -> Result<Self> {
        let lab = Lab::with_uplink(Program::Sink)?;
        let listener =
            lab.server.run(|| TcpListener::bind((Family::V4.server(), PORT)))?.context("listen")?;
        set_up(&lab).with_context(|| format!("set up {name}"))?;
        let flood = flood(pace.sample_max());
        let generator = Arc::new(Generator::new(&lab, &flood)?);
        Ok(Self { name, lab, subject, generator, flood, _listener: listener })
    }

    /// Floods the sender of SYN-ACKs, or another subject in its place.
    fn sample(&self, pace: Pace, subject: Subject) -> Result<Sample> {
        interrupt::check()?;
        let lab = &self.lab;
        let running = Running::start(lab, subject).context(self.name)?;
        let losses = lab.ring_losses()?;
        let flood = Flood::start_with(lab, Arc::clone(&self.generator), self.flood.clone())?;
        thread::sleep(pace.warm_up);
        let (offered, syn_acks, start) = (flood.offered()?, lab.swallowed()?, Instant::now());
        thread::sleep(pace.window);
        let (offered_after, answered_after) = (flood.offered()?, lab.swallowed()?);
        let seconds = start.elapsed().as_secs_f64();
        let totals = flood.stop()?;
        drop(running);
        let lost = (lab.ring_losses()? - losses) as f64 / totals.offered.max(1) as f64;
        ensure!(lost <= LOSS_MAX, "{}: {:.1} % of the flood were lost", self.name, lost * 100.0);
        Ok(Sample {
            offered: (offered_after - offered) as f64 / seconds,
            syn_acks: (answered_after - syn_acks) as f64 / seconds,
        })
    }

    /// Floods the sender of SYN-ACKs. It must have replied to nearly all SYNs.
    fn sample_syn_acks(&self, pace: Pace) -> Result<Sample> {
        let sample = self.sample(pace, self.subject)?;
        let share = sample.syn_acks / sample.offered;
        ensure!(share >= REPLIED_MIN, "{}: {:.1} % of the SYNs got a SYN-ACK", self.name, share * 100.0);
        Ok(sample)
    }
}

/// Against the kernel's own cookies for every SYN.
pub(super) fn kernel(bench: &Bench) -> Result<Vec<Line>> {
    let peer = Side::new("kernel cookies (2)", bench.pace, Subject::Lab(Program::Pass), |lab| {
        lab.set_syncookies(2)
    })?;
    let sent = peer.lab.tcp_ext("SyncookiesSent")?;
    let lines = compare("answer-kernel", bench.pace, &peer)?;
    ensure!(peer.lab.tcp_ext("SyncookiesSent")? > sent, "the kernel has sent no cookies");
    Ok(lines)
}

/// Against netfilter's proxy for handshakes.
pub(super) fn synproxy(bench: &Bench) -> Result<Vec<Line>> {
    let peer = Side::new("nft SYNPROXY", bench.pace, Subject::Lab(Program::Pass), peers::synproxy)?;
    let lines = compare("answer-synproxy", bench.pace, &peer)?;
    ensure!(peers::nft_packets(&peer.lab)? > 0, "its counters say that it did nothing");
    Ok(lines)
}

/// Rounds of: floor, ours, the peer's, floor. The floor is a flood that is dropped as soon as it is delivered.
fn compare(row: &'static str, pace: Pace, peer: &Side) -> Result<Vec<Line>> {
    let ours = Side::new("synguard", pace, Subject::SynCookieConfig, |_| Ok(()))?;
    let floor = || ours.sample(pace, Subject::Lab(Program::DropEmpty)).map(|sample| sample.offered);
    let (mut rates, mut costs) = (Rounds::new(pace.rounds), Rounds::new(pace.rounds));
    let mut before = floor()?;
    let mut floors = vec![before];
    while rates.wants_more() {
        let samples = ours.sample_syn_acks(pace).and_then(|mine| Ok((mine, peer.sample_syn_acks(pace)?)));
        let after = floor()?;
        floors.push(after);
        let moved = (after / before - 1.0).abs();
        match samples {
            Ok((mine, theirs)) => {
                rates.push(moved, mine.syn_acks * 1e-6, theirs.syn_acks * 1e-6);
                // All work is on one core, which does nothing else: the time of one SYN is the whole time divided by
                // their number.
                let floor_ns = 1e9 / f64::midpoint(before, after);
                costs.push(moved, 1e9 / theirs.offered - floor_ns, 1e9 / mine.offered - floor_ns);
            }
            failed => rates.fail(failed)?,
        }
        before = after;
    }
    let (rates, costs) = (rates.finish()?, costs.finish()?);
    let mut notes = rates.notes;
    let floor = floors.iter().sum::<f64>() / floors.len() as f64;
    notes.push(format!("delivered and dropped: {:.2} M a second, {:.0} ns each", floor * 1e-6, 1e9 / floor));
    Ok(vec![
        Line {
            value: Some(rates.value),
            peer: Some((peer.name.to_owned(), rates.peer)),
            ratio: Some(rates.ratio),
            goal: Some(Goal::at_least(3.0, 4.0)),
            notes,
            ..Line::new(row, "SYNs answered a second", "M/s")
        },
        Line {
            value: Some(costs.value),
            peer: Some(("synguard".to_owned(), costs.peer)),
            ratio: Some(costs.ratio),
            goal: Some(Goal::at_least(7.0, 10.0)),
            notes: vec![format!("CPU time a SYN, less that of delivering and dropping it; {}", peer.name)],
            ..Line::new(row, format!("CPU time of an answer, {}", peer.name), "ns")
        },
    ])
}
