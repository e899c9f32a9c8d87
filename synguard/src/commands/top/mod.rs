//! `synguard top`: the busiest sources, live or once.

mod collect;
mod edit;
mod events;
mod print;

use std::{
    env,
    io::{self, IsTerminal as _},
    thread,
};

use anyhow::Result;
use synguard_kernel::instance::Instance;
use synguard_top::{palette::Palette, state::AppState, view_model::TopQuery};

use self::collect::Collector;
use super::{filter::open, stdout::emit};
use crate::{cli::TopArgs, logging::PauseLogging, output::to_line};

/// Default number of rows of the text output.
const LIMIT_TEXT: u16 = 20;
/// Default number of rows of the screen and of JSON.
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
    // A failure of the first refresh ends the command; later failures are shown on the screen.
    open(instance)?;
    let state = AppState { sort: args.sort, ..AppState::default() };
    let colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let options = synguard_top::LoopOptions {
        interval: args.interval,
        limit: args.limit.unwrap_or(LIMIT).into(),
        palette: Palette { colour },
        state,
    };
    let mut collector = Collector::new(instance.clone(), true);
    let look = move |query: &TopQuery| {
        let mut view = collector.collect(query)?.0;
        collector.add_details(&mut view)?;
        Ok(view)
    };
    let instance = instance.clone();
    // Log lines would be written across the screen: they are buffered until it is closed.
    let _pause = PauseLogging::begin();
    synguard_top::run(options, look, move |change| edit::make(&instance, change))
}

fn once(instance: &Instance, args: &TopArgs) -> Result<()> {
    let limit = args.limit.unwrap_or(if args.json { LIMIT } else { LIMIT_TEXT });
    let query = TopQuery { sort: args.sort, limit: limit.into(), ..TopQuery::default() };
    let mut collector = Collector::new(instance.clone(), false);
    collector.collect(&query)?;
    thread::sleep(args.interval);
    let (view, status) = collector.collect(&query)?;
    if args.json {
        return emit(to_line(&print::json(status.head_json(), status.source_table_json(), &view))?);
    }
    emit(print::text(&view, args.sort, status.syn_rate))
}
