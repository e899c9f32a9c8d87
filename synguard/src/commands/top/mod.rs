//! `synguard top`: the busiest sources, live or once.

mod collect;
mod edit;
mod events;
mod print;

use std::{
    env,
    io::{self, IsTerminal as _},
    sync::atomic::Ordering,
    thread,
};

use anyhow::Result;
use synguard_kernel::instance::Instance;
use synguard_top::{palette::Palette, state::AppState, view_model::TopQuery};

use self::collect::Collector;
use super::{
    filter::open,
    stdout::{emit, has_colour},
};
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
    if args.once || args.json || !has_screen() {
        return once(instance, args);
    }
    // A failure of the first refresh ends the command; later failures are shown on the screen.
    open(instance)?;
    let options = synguard_top::LoopOptions {
        interval: args.interval,
        limit: args.limit.unwrap_or(LIMIT).into(),
        palette: Palette { colour: has_colour(), ascii: !has_utf8() },
        state: AppState { sort: args.sort, ..AppState::default() },
    };
    let collector = Collector::new(instance.clone(), Some(args.interval));
    let edited = collector.edited();
    let instance = instance.clone();
    // Log lines would be written across the screen: they are buffered until it is closed.
    let _pause = PauseLogging::begin();
    synguard_top::run(options, collector, move |change| {
        let result = edit::make(&instance, change);
        edited.store(true, Ordering::Relaxed);
        result
    })
}

/// Reports whether there is a terminal that can show a screen.
fn has_screen() -> bool {
    let is_dumb = env::var_os("TERM").is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
    io::stdout().is_terminal() && io::stdin().is_terminal() && !is_dumb
}

/// Reports whether the locale's character set is UTF-8, by the variables that the C library asks, in its order.
fn has_utf8() -> bool {
    is_utf8(["LC_ALL", "LC_CTYPE", "LANG"].map(|name| env::var(name).unwrap_or_default()))
}

/// Reports whether the first of these locales that is set has the character set UTF-8.
fn is_utf8(locales: [String; 3]) -> bool {
    let locale = locales.into_iter().find(|locale| !locale.is_empty()).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn once(instance: &Instance, args: &TopArgs) -> Result<()> {
    let limit = args.limit.unwrap_or(if args.json { LIMIT } else { LIMIT_TEXT });
    let query = TopQuery { sort: args.sort, limit: limit.into(), ..TopQuery::default() };
    let mut collector = Collector::new(instance.clone(), None);
    collector.collect(&query)?;
    thread::sleep(args.interval);
    let (view, status) = collector.collect(&query)?;
    if args.json {
        return emit(to_line(&print::json(status.head_json(), status.source_table_json(), &view))?);
    }
    emit(print::text(&view, args.sort, has_colour()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_locale_that_is_set_decides() {
        for (locales, expected) in [
            (["", "", ""], false),
            (["", "", "C"], false),
            (["", "", "de_DE.UTF-8"], true),
            (["", "en_US.utf8", "C"], true),
            (["C", "", "de_DE.UTF-8"], false),
            (["POSIX", "", ""], false),
        ] {
            assert_eq!(is_utf8(locales.map(str::to_owned)), expected, "{locales:?}");
        }
    }
}
