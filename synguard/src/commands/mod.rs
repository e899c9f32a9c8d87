//! One verb a file. They open the pins, do their work and let go; only `attach` stays.

mod attach;
mod control;
mod detach;
mod events;
mod lists;
mod reload;
mod settings;
mod status;
mod top;
mod why;

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

use crate::{
    cli::{self, Cli, Command},
    clock,
    datapath::Datapath,
    instance::Instance,
    lists::List,
    observe, preflight,
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
        Command::Reload => reload::run(&instance),
        Command::Block { command } => lists::run(&instance, List::Block, command),
        Command::Allow { command } => lists::run(&instance, List::Allow, command),
        Command::Events { follow, output } => events::run(&instance, *follow, output.json),
        Command::Confirm => settings::confirm(&instance),
        Command::Completions { shell } => emit(cli::completions(*shell)),
        Command::Man => emit(cli::man().context("make the manual page")?),
    }
}

/// Opens the instance's filter.
fn open(instance: &Instance) -> Result<Datapath> {
    preflight::privilege()?;
    Datapath::open(&instance.pins)?.ok_or_else(|| instance.not_attached())
}

fn snapshot(datapath: &Datapath) -> Result<Snapshot> {
    observe::snapshot(datapath, clock::now_ns())
}

/// Writes to standard output. Whoever stops reading, as `head` does, has what it wanted.
fn emit(text: impl AsRef<[u8]>) -> Result<()> {
    is_read(text).map(drop)
}

/// Writes to standard output; `false` if nobody reads it any more.
fn is_read(text: impl AsRef<[u8]>) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).context("write to standard output"),
    }
}
