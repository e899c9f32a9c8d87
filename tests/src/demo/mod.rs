//! The demo: what a SYN flood does to a web server, and what is left of that with synguard in front of it.
//!
//! Every number it prints was measured in the run; every claim is checked, and one that does not hold makes
//! the demo fail.
#![expect(clippy::print_stdout, reason = "the demo talks to whoever runs it")]

mod phase;
mod verdict;

use std::time::Duration;

use anyhow::{Context as _, Result};

use self::{
    phase::{Phase, Scene, milliseconds},
    verdict::Verdict,
};
use crate::{
    client::ClientSpec,
    command::pin_to_cpu,
    flood::FloodSpec,
    interrupt,
    lab::{DEVICE, Family, Lab},
    program::{Running, Synguard},
    web::Web,
};

/// SYNs a second of the flood.
const FLOOD_PPS: u64 = 100_000;
/// SYNs a second that synguard allows each source.
const SYN_RATE: &str = "50";
/// The server's setting: without cookies it has nothing of its own against a flood.
const SYNCOOKIES: u8 = 0;

/// For how long visits are made in each measurement: 200 visits, of which p99 leaves out two.
const WINDOW: Duration = Duration::from_secs(1);
/// Measurements in calm before the flood, under it, and in calm after it: as many in calm as under it, and
/// around it in time.
const WINDOWS: [usize; 3] = [6, 9, 3];
/// For how long visits are made without a filter.
const WINDOW_BARE: Duration = Duration::from_secs(3);
/// How long a visitor waits for the page.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far the flood may be from its rate, as a share of it.
const OFFERED_TOLERANCE: f64 = 0.05;
/// Most of the visits that may be served without a filter.
const UNPROTECTED_MAX: f64 = 0.05;
/// Least of the flood that must be dropped in XDP.
const DROPPED_MIN: f64 = 0.999;
/// Most that p99 may grow under the flood.
const P99_RATIO_MAX: f64 = 1.5;

/// Runs the demo; `false` when a claim did not hold.
///
/// # Errors
/// When it could not be carried out, for want of root, a tool or the synguard binary, or was interrupted.
pub fn run() -> Result<bool> {
    interrupt::watch();
    // The server and its visitors have CPU 0 to themselves; the flood, synguard and this go to the other.
    pin_to_cpu(1).context("the demo needs two CPUs, 0 and 1")?;
    let lab = Lab::new()?;
    let synguard = Synguard::new(&lab)?;
    lab.set_syncookies(SYNCOOKIES)?;
    let mut verdict = Verdict::default();

    println!(
        "A web server (nginx, tcp_syncookies={SYNCOOKIES}) and its visitors, 200 new connections a second"
    );
    println!("from 64 networks, in network namespaces of their own: nothing leaves this machine.");

    let quiet = Scene { lab: &lab, flood: None, synguard: None };
    title("1. Calm: no flood, no filter");
    let web = Web::start(&lab)?;
    let mut calm = quiet.play(WINDOWS[0], &visits())?;

    title(&format!("2. A flood of {FLOOD_PPS} SYNs a second from one source, no filter"));
    let bare = without_filter(&lab)?;
    drop(web);

    title(&format!("3. The same flood, with synguard attach {DEVICE} --syn-rate {SYN_RATE}"));
    // The flood's half-open connections fill the old one's queue until they time out, after a minute.
    println!("   (the web server is restarted: its queue is still full)");
    let _web = Web::start(&lab)?;
    let running = synguard.attach(&["--syn-rate", SYN_RATE])?;
    let scene = Scene { flood: Some(flood()), synguard: Some(&synguard), ..quiet };
    let guarded = scene.play(WINDOWS[1], &visits())?;

    title("4. Calm again, after SIGTERM to synguard");
    let remains = detach(&lab, &synguard, running)?;
    let quiet = Scene { flood: None, synguard: None, ..scene };
    calm.windows.append(&mut quiet.play(WINDOWS[2], &visits())?.windows);

    judge(&calm, &bare, &guarded, &mut verdict)?;
    let measured = if remains.is_empty() { "nothing".to_owned() } else { remains.join("; ") };
    verdict.check("synguard leaves nothing behind", measured, remains.is_empty());
    println!("\n{verdict}");
    Ok(verdict.holds())
}

fn title(text: &str) {
    println!("\n{text}");
}

fn flood() -> FloodSpec {
    FloodSpec {
        rate_pps: Some(FLOOD_PPS),
        max_duration: Duration::from_secs(40),
        ..FloodSpec::new(Family::V4)
    }
}

fn visits() -> ClientSpec {
    ClientSpec { timeout: PATIENCE, ..ClientSpec::new(Family::V4, WINDOW) }
}

fn without_filter(lab: &Lab) -> Result<Phase> {
    // Without any program the device would not get the flood's frames; this one hands them all on.
    let _pass = lab.attach_pass()?;
    let scene = Scene { lab, flood: Some(flood()), synguard: None };
    scene.play(1, &ClientSpec { duration: WINDOW_BARE, ..visits() })
}

/// Ends synguard and returns what it left behind.
fn detach(lab: &Lab, synguard: &Synguard, running: Running) -> Result<Vec<String>> {
    let output = running.terminate()?;
    let mut remains = Vec::new();
    if output.code != Some(0) {
        remains.push(format!("exit code {:?}: {}", output.code, output.stderr.trim()));
    }
    if lab.server.ip(&format!("-details link show {DEVICE}"))?.contains("prog/xdp") {
        remains.push(format!("an XDP program on {DEVICE}"));
    }
    remains.extend(synguard.dirs().pins().iter().map(|pin| format!("the pin {}", pin.display())));
    let syncookies = lab.server.sysctl("net.ipv4.tcp_syncookies")?;
    if syncookies != SYNCOOKIES.to_string() {
        remains.push(format!("tcp_syncookies={syncookies}"));
    }
    Ok(remains)
}

fn judge(calm: &Phase, bare: &Phase, guarded: &Phase, verdict: &mut Verdict) -> Result<()> {
    let (served, made) = calm.served();
    verdict.check("calm: every visitor is served", format!("{served} of {made}"), served == made);

    let (served, made) = bare.served();
    let share = served as f64 / made as f64;
    verdict.check(
        format!("flood, no filter: at most {:.0} % are served", UNPROTECTED_MAX * 100.0),
        format!("{served} of {made}"),
        share <= UNPROTECTED_MAX,
    );

    let totals = guarded.flood.context("there was no flood")?;
    let off = (totals.rate() / FLOOD_PPS as f64 - 1.0).abs();
    verdict.check(
        format!("the flood is {FLOOD_PPS} SYNs a second"),
        format!("{:.0}/s", totals.rate()),
        off <= OFFERED_TOLERANCE,
    );
    let share = guarded.dropped as f64 / totals.offered as f64;
    verdict.check(
        format!("synguard drops {:.1} % of it in XDP", DROPPED_MIN * 100.0),
        format!("{:.3} % ({} of {})", share * 100.0, guarded.dropped, totals.offered),
        // More than was offered would be somebody else's packets.
        (DROPPED_MIN..=1.0).contains(&share),
    );
    let (served, made) = guarded.served();
    verdict.check("and every visitor is served", format!("{served} of {made}"), served == made);

    let (before, after) = (median_p99(calm), median_p99(guarded));
    let ratio = after.zip(before).map(|(after, before)| after.as_secs_f64() / before.as_secs_f64());
    verdict.check(
        format!("within {P99_RATIO_MAX} x of the calm p99"),
        format!(
            "{:.2} x ({} to {})",
            ratio.unwrap_or(f64::NAN),
            milliseconds(before).trim(),
            milliseconds(after).trim()
        ),
        ratio.is_some_and(|ratio| ratio <= P99_RATIO_MAX),
    );
    Ok(())
}

/// The median of the measurements' p99: something else that keeps the machine busy during one of them
/// decides nothing.
fn median_p99(phase: &Phase) -> Option<Duration> {
    let mut times: Vec<Duration> = phase.windows.iter().map(|window| window.p99()).collect::<Option<_>>()?;
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
