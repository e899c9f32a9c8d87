//! `synguard top`: the busiest sources, live or once.

mod gather;
mod print;

use std::thread;

use anyhow::Result;

use self::gather::{Gatherer, Want};
use super::emit;
use crate::{cli::TopArgs, instance::Instance};

/// Rows of the text, unless more or fewer are asked for.
const LIMIT_TEXT: u16 = 20;
/// Rows of everything else.
const LIMIT: u16 = 1000;

/// Shows the busiest sources.
///
/// # Errors
///
/// Not attached, or the filter cannot be read.
pub(super) fn run(instance: &Instance, args: &TopArgs) -> Result<()> {
    once(instance, args)
}

fn once(instance: &Instance, args: &TopArgs) -> Result<()> {
    let limit = args.limit.unwrap_or(if args.json { LIMIT } else { LIMIT_TEXT });
    let want = Want { sort: args.sort, limit: limit.into(), ..Want::default() };
    let mut gatherer = Gatherer::new(instance);
    gatherer.gather(&want)?;
    thread::sleep(args.interval);
    let (survey, status) = gatherer.gather(&want)?;
    if args.json {
        return emit(format!("{}\n", print::json(status.json(), &survey)));
    }
    emit(print::text(&survey, args.sort, status.syn_rate))
}
