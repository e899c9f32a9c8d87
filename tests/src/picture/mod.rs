//! The picture of `top` in the README, and a short recorded session: the real program on a real terminal, in the lab,
//! during a flood. They show exactly what a user would see.
#![expect(clippy::print_stdout, reason = "it says what it is doing")]

mod cast;
mod film;
mod svg;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use self::film::Film;
use crate::{
    client::{ClientSpec, Clients},
    command::pin_to_cpu,
    flood::{Flood, FloodSpec, Offenders},
    interrupt,
    lab::{Family, GATEWAY_MAC, Lab},
    program::Synguard,
    terminal::Terminal,
    web::Web,
};

/// The terminal of the picture, and of the session.
const COLUMNS: u16 = 100;
const ROWS: u16 = 30;
/// Time of visitors before the flood, as a baseline in the charts.
const CALM: Duration = Duration::from_secs(40);
/// The flood after the session, so that the charts of the picture have a shape.
const LONGER: Duration = Duration::from_secs(60);
const FLOOD_PPS: u64 = 200_000;
const PATIENCE: Duration = Duration::from_secs(15);

/// The files to write: the picture and the session.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "cargo xtask picture", about = "Make the picture of top and a recorded session (root)")]
pub struct Options {
    /// The folder of `top.svg` and `top.cast`
    #[arg(long, value_name = "DIR", default_value = "docs")]
    output: PathBuf,
}

/// Makes both.
///
/// # Errors
/// Without root, a tool or the synguard binary, or when `top` does not show what it should.
pub fn run(options: &Options) -> Result<()> {
    interrupt::watch();
    pin_to_cpu(0).context("keep to CPU 0, for the flood is to have the other")?;
    let lab = Lab::new()?;
    let synguard = Synguard::new(&lab)?;
    let _web = Web::start(&lab)?;
    let running = synguard.attach(&["--syn-rate", "50", "--hold", "1m"])?;
    println!("a web server with visitors for {} s, then a flood", CALM.as_secs());
    let visits = ClientSpec::new(Family::V4, CALM + LONGER + Duration::from_secs(60));
    let visitors = Clients::start(&lab.client, &visits)?;
    let terminal = Terminal::start(&synguard.command(["top"]), COLUMNS, ROWS)?;
    terminal.wait_for(PATIENCE, |screen| screen.contains("198.18.")).context("no visitor is shown")?;
    interrupt::sleep(CALM)?;
    let mut film = Film::new(&terminal);
    film.watch(Duration::from_secs(2))?;
    let flood = Flood::start(&lab, flood())?;
    session(&mut film)?;
    let scenes = film.develop();
    println!("the flood goes on for {} s", LONGER.as_secs());
    interrupt::sleep(LONGER)?;
    let still = terminal.coloured()?;
    terminal.press(&["q"])?;
    terminal.wait_for(PATIENCE, |screen| screen.contains("ended 0")).context("top did not end")?;
    drop((flood, visitors, running));
    if let Some(scene) = scenes.iter().find(|scene| scene.screen.contains("(pid ")) {
        bail!("the session shows a process of this machine:\n{}", scene.screen);
    }
    let title = "synguard top: five offenders in a flood from a million forged sources";
    write(&options.output.join("top.svg"), &svg::picture(&svg::Grid::read(&still, COLUMNS, ROWS), title))?;
    write(&options.output.join("top.cast"), &cast::recording(&scenes, COLUMNS, ROWS, title)?)
}

/// Acts as a user would: looks at a source, blocks one, looks around, and undoes it.
fn session(film: &mut Film<'_>) -> Result<()> {
    film.wait("ATTACK")?;
    film.watch(Duration::from_secs(4))?;
    film.press(&["Down"], Duration::from_millis(700))?;
    film.press(&["b"], Duration::from_millis(1200))?;
    film.press(&["Right"], Duration::from_millis(700))?;
    film.press(&["Enter"], Duration::from_secs(3))?;
    film.press(&["Enter"], Duration::from_secs(3))?;
    film.press(&["Escape"], Duration::from_secs(1))?;
    for tab in ["2", "3", "5"] {
        film.press(&[tab], Duration::from_millis(2500))?;
    }
    // Only events about the offenders: others may describe the machine on which this is recorded.
    film.press(&["1"], Duration::from_millis(700))?;
    film.press(&["/"], Duration::from_millis(400))?;
    film.press(&["172.16"], Duration::from_millis(800))?;
    film.press(&["Enter"], Duration::from_millis(1500))?;
    film.press(&["4"], Duration::from_millis(2500))?;
    film.press(&["1"], Duration::from_millis(300))?;
    film.press(&["Escape"], Duration::from_millis(1000))?;
    film.press(&["z"], Duration::from_millis(1200))?;
    film.press(&["Enter"], Duration::from_millis(2500))?;
    // Another one stays blocked, for the picture.
    film.press(&["Home"], Duration::from_millis(500))?;
    film.press(&["b"], Duration::from_millis(800))?;
    film.press(&["Enter"], Duration::from_secs(2))?;
    film.press(&["Home"], Duration::from_secs(2))
}

fn flood() -> FloodSpec {
    FloodSpec {
        rate_pps: Some(FLOOD_PPS),
        max_duration: LONGER + Duration::from_secs(120),
        sources: 1_000_000,
        offenders: Some(Offenders { first: [172, 16, 0, 1].into(), count: 5, share: 0.01 }),
        destination_mac: GATEWAY_MAC,
        ..FloodSpec::new(Family::V4)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
