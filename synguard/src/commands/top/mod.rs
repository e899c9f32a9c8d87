//! `synguard top`: the busiest sources, live or once.

mod change;
mod events;
mod gather;
mod listed;
mod print;

use std::{
    env,
    io::{self, IsTerminal as _},
    thread,
};

use anyhow::Result;
use synguard_kernel::instance::Instance;
use synguard_top::{palette::Palette, state::AppState, view_model::Want};

use self::gather::Gatherer;
use super::{filter::open, output::emit};
use crate::{cli::TopArgs, logging::PauseLogging};

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
    if args.once || args.json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return once(instance, args);
    }
    // What fails at once is an error like any other; what fails later is shown on the screen.
    open(instance)?;
    let state = AppState { sort: args.sort, ..AppState::default() };
    let colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let options = synguard_top::Options {
        interval: args.interval,
        limit: args.limit.unwrap_or(LIMIT).into(),
        palette: Palette { colour },
        state,
    };
    let mut gatherer = Gatherer::new(instance.clone(), true);
    let look = move |want: &Want| {
        let mut survey = gatherer.gather(want)?.0;
        gatherer.add_stories(&mut survey)?;
        Ok(survey)
    };
    let instance = instance.clone();
    // What is logged would be written across the screen: it is kept back until that is closed.
    let _pause = PauseLogging::begin();
    synguard_top::run(options, look, move |change| change::make(&instance, change))
}

fn once(instance: &Instance, args: &TopArgs) -> Result<()> {
    let limit = args.limit.unwrap_or(if args.json { LIMIT } else { LIMIT_TEXT });
    let want = Want { sort: args.sort, limit: limit.into(), ..Want::default() };
    let mut gatherer = Gatherer::new(instance.clone(), false);
    gatherer.gather(&want)?;
    thread::sleep(args.interval);
    let (survey, status) = gatherer.gather(&want)?;
    if args.json {
        return emit(format!("{}\n", print::json(status.json(), &survey)));
    }
    emit(print::text(&survey, args.sort, status.syn_rate))
}
