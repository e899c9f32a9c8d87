//! The `synguard` program: parse, run, report.

use std::process::ExitCode;

use clap::Parser as _;
use synguard::{
    cli::{self, Cli},
    commands, logging,
};
use synguard_model::error;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match cli::usage_line(&error) {
            Some(line) => return fail(&line, 2),
            None => error.exit(),
        },
    };
    logging::start(cli.global.verbose);
    match commands::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error::message(&error), error::exit_code(&error)),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    eprintln!("synguard: {}", error::one_line(message));
    ExitCode::from(code)
}
