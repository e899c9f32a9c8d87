//! The `synguard` program: parse, run, report.

use std::process::ExitCode;

use clap::Parser as _;
use log::LevelFilter;
use synguard::{
    cli::{self, Cli},
    commands, error,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match cli::usage_line(&error) {
            Some(line) => return fail(&line, 2),
            None => error.exit(),
        },
    };
    let level = match cli.global.verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    env_logger::Builder::new()
        .filter(Some("synguard"), level)
        .filter(Some("aya"), LevelFilter::Error)
        .format_target(false)
        .init();
    match commands::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), error::exit_code(&error)),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    eprintln!("synguard: {}", error::one_line(message));
    ExitCode::from(code)
}
