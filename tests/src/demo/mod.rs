//! The demo: SYN floods of both kinds against a web server, without synguard and with it.
//!
//! It prints only what it measured in this run, and checks each claim it makes. One that does not hold makes the demo
//! fail; one that is about a flood which this machine did not make was not tried, which is neither.
#![expect(clippy::print_stdout, reason = "the demo talks to whoever runs it")]

mod checks;
mod claims;
mod events;
mod phase;

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

pub use self::claims::DemoVerdict;
use self::{
    claims::Claims,
    phase::{Phase, Scene},
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

/// SYNs a second of each flood.
const FLOOD_PPS: u64 = 100_000;
/// Addresses that the forged flood draws from, at random.
const FORGED_SOURCES: u32 = 16_000_000;
/// SYNs a second that synguard allows each source.
const SYN_RATE: &str = "50";
/// The server's setting: without cookies it has nothing of its own against a flood.
const SYNCOOKIES: u8 = 0;
/// Hold time in the forged flood: synguard waits for twice this time before it restores everything.
const HOLD: &str = "2s";

/// Duration of a measurement: 200 visits, of which p99 leaves out two.
const WINDOW: Duration = Duration::from_secs(1);
/// Measurements before the floods, under one source's flood, under the forged one, and after both: as many without a
/// flood as under the first, and around it in time.
const WINDOWS: [usize; 4] = [6, 9, 6, 3];
/// Period in which visits are made without synguard.
const WINDOW_BARE: Duration = Duration::from_secs(3);
/// Time that a visitor waits for the page.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time that a flood runs before visits are measured.
const LEAD: Duration = Duration::from_secs(1);
/// The same for the forged flood: synguard measures for a moment to distinguish it from many visitors.
const LEAD_FORGED: Duration = Duration::from_secs(2);
/// Time limit for the restoration of the settings.
const CALM_MAX: Duration = Duration::from_secs(30);

/// Runs the demo and returns the result of its claims together.
///
/// # Errors
/// When it could not be carried out, for want of root, a tool or the synguard binary, or was interrupted.
pub fn run() -> Result<DemoVerdict> {
    interrupt::watch();
    // The server and its visitors have CPU 0 to themselves; the flood, synguard and this go to the other.
    pin_to_cpu(1).context("the demo needs two CPUs, 0 and 1")?;
    let lab = Lab::new()?;
    let synguard = Synguard::new(&lab)?;
    lab.set_syncookies(SYNCOOKIES)?;
    let mut claims = Claims::default();

    println!("A web server (nginx), and 200 visitors a second from 64 prefixes, each with a new connection.");
    println!("Everything runs in network namespaces of this machine: no packet leaves it. The server has");
    println!("tcp_syncookies={SYNCOOKIES}, so it has no defence of its own against a SYN flood.");
    println!(
        "A row is about a second: visitors who were served, visitors who waited {} s in vain, and",
        PATIENCE.as_secs()
    );
    println!("how long the page took for half of those served (median) and for 99 % of them (p99).");

    let quiet = Scene { lab: &lab, flood: None, lead: LEAD, synguard: None };
    title("1. No flood.");
    let web = Web::start(&lab)?;
    let mut calm = quiet.play(WINDOWS[0], &visits())?;

    title(&format!("2. One source sends {} SYNs a second. synguard is not there.", thousands(FLOOD_PPS)));
    let bare = without_filter(&lab)?;
    drop(web);

    title(&format!("3. The same flood, after `synguard attach {DEVICE} --syn-rate {SYN_RATE}`."));
    // The flood's half-open connections fill the old server's queue until they time out, after a minute.
    println!("  (The web server was started anew: the flood had filled its queue for a minute to come.)");
    let _web = Web::start(&lab)?;
    let running = synguard.attach(&["--syn-rate", SYN_RATE])?;
    let guarded = Scene { flood: Some(one_source()), synguard: Some(&synguard), ..quiet };
    let concentrated = guarded.play(WINDOWS[1], &visits())?;
    events::print(&events::since(&synguard, concentrated.began)?, concentrated.began);

    title(&format!(
        "4. {} SYNs a second from forged addresses, each one of {} at random.",
        thousands(FLOOD_PPS),
        thousands(FORGED_SOURCES.into())
    ));
    let (forged, cookies_after, settings) = forged_flood(&guarded, &synguard)?;

    title("5. No flood again, after SIGTERM to synguard.");
    let remains = detach(&lab, &synguard, running)?;
    let quiet = Scene { flood: None, synguard: None, ..guarded };
    calm.windows.append(&mut quiet.play(WINDOWS[3], &visits())?.windows);

    checks::check_calm(&mut claims, &calm);
    checks::check_one_source(&mut claims, &calm, &bare, &concentrated)?;
    checks::check_forged(&mut claims, &forged, cookies_after, &settings);
    let measured = if remains.is_empty() { "nothing".to_owned() } else { remains.join("; ") };
    claims.check("synguard leaves nothing behind", measured, remains.is_empty());
    println!("\n{claims}");
    Ok(claims.verdict())
}

fn title(text: &str) {
    println!("\n{text}");
}

/// A number with its thousands set apart.
fn thousands(number: u64) -> String {
    if number < 1000 {
        number.to_string()
    } else {
        format!("{} {:03}", thousands(number / 1000), number % 1000)
    }
}

fn one_source() -> FloodSpec {
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
    let scene = Scene { lab, flood: Some(one_source()), lead: LEAD, synguard: None };
    scene.play(1, &ClientSpec { duration: WINDOW_BARE, ..visits() })
}

/// Plays the forged flood and waits until synguard has put the settings back. Returns when SYN cookies were on, in
/// seconds, and the settings before the flood, under it and after it.
fn forged_flood(guarded: &Scene<'_>, synguard: &Synguard) -> Result<(Phase, Option<f64>, [Settings; 3])> {
    let output = synguard.run(&["set", &format!("hold={HOLD}")])?;
    ensure!(output.code == Some(0), "synguard set failed: {}", output.stderr.trim());
    println!(
        "  (After `synguard set hold={HOLD}`, so that synguard puts everything back sooner than by default.)"
    );
    let before = Settings::read(guarded.lab)?;
    let flood = FloodSpec { sources: FORGED_SOURCES, ..one_source() };
    let scene = Scene { lab: guarded.lab, flood: Some(flood), lead: LEAD_FORGED, synguard: Some(synguard) };
    // The settings under the flood are those at its end.
    let phase = scene.play(WINDOWS[2], &visits())?;
    let during = Settings::read(guarded.lab)?;
    let begun = Instant::now();
    let after = loop {
        let now = Settings::read(guarded.lab)?;
        if now == before || begun.elapsed() > CALM_MAX {
            break now;
        }
        interrupt::sleep(Duration::from_millis(100))?;
    };
    let events = events::since(synguard, phase.began)?;
    events::print(&events, phase.began);
    let cookies_after = events::seconds_to_cookies(&events, phase.began);
    Ok((phase, cookies_after, [before, during, after]))
}

/// The kernel's settings that synguard may change.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    syncookies: String,
    timestamps: String,
}

impl Settings {
    fn read(lab: &Lab) -> Result<Self> {
        let read = |name| lab.server.sysctl(&format!("net.ipv4.{name}"));
        Ok(Self { syncookies: read("tcp_syncookies")?, timestamps: read("tcp_timestamps")? })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.syncookies, self.timestamps)
    }
}

/// Ends synguard and returns the pins and files that it left behind.
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
