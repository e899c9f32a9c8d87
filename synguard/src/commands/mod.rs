//! One verb a file. They open the pins, do their work and let go; only `attach` stays.

mod attach;
mod detach;
mod settings;
mod status;
mod top;
mod why;

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use synguard_common::distinct::window;

use crate::{
    cli::{self, Cli, Command},
    clock,
    datapath::Datapath,
    distinct,
    error::{Kind, failure},
    instance::Instance,
    preflight,
    snapshot::Snapshot,
};

/// Does what the command line says.
///
/// # Errors
///
/// Whatever the command fails with; [`crate::error::exit_code`] tells the exit code.
pub fn run(cli: &Cli) -> Result<()> {
    let instance = cli.global.instance();
    match &cli.command {
        Command::Attach(args) => attach::run(&instance, args),
        Command::Detach { interfaces } => detach::run(&instance, interfaces),
        Command::Status(output) => status::run(&instance, output.json),
        Command::Top(args) => top::run(&instance, args),
        Command::Why(args) => why::run(&instance, args),
        Command::Set { assignments } => settings::set(&instance, assignments),
        Command::Show(output) => settings::show(&instance, output.json),
        Command::Confirm => settings::confirm(&instance),
        Command::Completions { shell } => emit(cli::completions(*shell)),
        Command::Man => emit(cli::man().context("make the manual page")?),
    }
}

/// Opens the instance's filter.
fn open(instance: &Instance) -> Result<Datapath> {
    preflight::privilege()?;
    Datapath::open(&instance.pins)?.ok_or_else(|| not_attached(instance))
}

fn not_attached(instance: &Instance) -> anyhow::Error {
    let name = &instance.name;
    failure(
        Kind::NotAttached,
        format!("instance `{name}` is not attached: run `synguard attach IFACE` first"),
    )
}

fn snapshot(datapath: &Datapath) -> Result<Snapshot> {
    let at_ns = clock::now_ns();
    let complete = window(at_ns).wrapping_sub(1);
    Ok(Snapshot {
        counters: datapath.counters()?,
        cpus: datapath.cpu_state()?,
        distinct_sources: distinct::estimate(&*datapath.registers()?, complete),
        at_ns,
    })
}

/// Writes to standard output. Whoever stops reading, as `head` does, has what it wanted.
fn emit(text: impl AsRef<[u8]>) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("write to standard output")
        }
        _ => Ok(()),
    }
}
