//! The event loop: input from the keyboard, the reader and the system changes the state, and the
//! state is drawn. Reading and editing have threads of their own, so that keys take effect at once.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use ratatui::crossterm::event::{self, Event, KeyEvent};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use synguard_common::source::SourceKey;
use synguard_kernel::clock;

use crate::{
    draw,
    list_edit::{EditResult, ListEdit},
    palette::Palette,
    sources::SourceFilter,
    state::{AppState, Effect},
    terminal::Screen,
    view_model::{SourceExplanation, TopQuery, TopView},
};

/// Maximum CPU share of refreshes, as a fraction of a core, without the readings of the table of sources, which has a share of its
/// own: where a refresh is slow, it is done less often.
const SHARE_MAX: f64 = 0.01;
/// Delay of the second refresh: rates need two readings.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Parameters of the screen.
pub struct LoopOptions {
    /// Time between two refreshes.
    pub interval: Duration,
    /// Maximum number of sources shown.
    pub limit: usize,
    /// Colours.
    pub palette: Palette,
    /// Initial state.
    pub state: AppState,
}

/// Reads what the screen shows.
pub trait ViewReader: Send + 'static {
    /// Returns a view of the filter.
    ///
    /// # Errors
    ///
    /// Not attached, or the filter cannot be read.
    fn look(&mut self, query: &TopQuery) -> Result<TopView>;

    /// Explains the verdict on a SYN from a source at this moment.
    ///
    /// # Errors
    ///
    /// Not attached, or the filter cannot be read.
    fn explain(&mut self, source: &SourceKey) -> Result<SourceExplanation>;
}

/// An input of the loop.
enum LoopInput {
    Key(KeyEvent),
    /// The terminal was resized.
    Resize,
    /// A refresh finished or failed.
    Look(Box<Result<TopView>>),
    /// The selected source was explained, or that failed.
    Explained(Result<SourceExplanation>),
    /// An edit finished or failed.
    Done(Result<EditResult>),
    /// A signal asks the program to end.
    End,
    /// A thread panicked.
    Broken,
}

/// Runs until the user quits or a signal arrives. Log lines would be written across the screen, so the caller
/// buffers them meanwhile.
///
/// # Errors
///
/// If the terminal cannot be used.
pub fn run(
    options: LoopOptions,
    reader: impl ViewReader,
    change: impl FnMut(&ListEdit) -> Result<EditResult> + Send + 'static,
) -> Result<()> {
    let (inputs, input) = channel();
    catch_signals(inputs.clone())?;
    let LoopOptions { interval, limit, palette, mut state } = options;
    let (queries, query) = channel();
    let first = current_query(&state, limit);
    spawn(inputs.clone(), move |inputs| look_again_and_again(reader, first, interval, &query, inputs));
    let (changes, to_change) = channel();
    let changer = spawn(inputs.clone(), move |inputs| make_changes(change, &to_change, inputs));
    let mut screen = Screen::open().context("use the terminal")?;
    spawn(inputs, read_keys);
    let result = react(&mut state, &mut screen, palette, &input, |effect, state| match effect {
        // A thread that ended has sent `Broken` itself.
        Effect::Query => drop(queries.send(current_query(state, limit))),
        Effect::ListEdit(change) => drop(changes.send(change)),
        Effect::Draw | Effect::Quit => {}
    });
    drop(screen);
    // A confirmed edit finishes before the program ends.
    drop(changes);
    let _ = changer.join();
    result
}

fn current_query(state: &AppState, limit: usize) -> TopQuery {
    TopQuery { sort: state.sort, limit, filter: SourceFilter::parse(&state.filter), kept: state.kept }
}

/// Handles inputs until the end; drains all pending inputs before each frame.
fn react(
    state: &mut AppState,
    screen: &mut Screen,
    palette: Palette,
    input: &Receiver<LoopInput>,
    mut effect: impl FnMut(Effect, &AppState),
) -> Result<()> {
    loop {
        let mut page = 0;
        screen.draw(|frame| page = draw::draw(state, frame, palette)).context("draw")?;
        state.page = page;
        let mut next = Some(input.recv().context("all threads are gone")?);
        while let Some(one) = next {
            match one {
                LoopInput::Key(key) => match state.on_key(key) {
                    Effect::Quit => return Ok(()),
                    other => effect(other, state),
                },
                LoopInput::Resize => {}
                LoopInput::Look(look) => match *look {
                    Ok(view) => state.update(view),
                    Err(error) => state.fail(format!("{error:#}")),
                },
                LoopInput::Explained(Ok(explanation)) => state.explain(explanation),
                LoopInput::Explained(Err(error)) => state.fail(format!("{error:#}")),
                LoopInput::Done(result) => state.done(result.map_err(|error| format!("{error:#}"))),
                LoopInput::End => return Ok(()),
                LoopInput::Broken => bail!("a part of top failed; please report what it said"),
            }
            next = input.try_recv().ok();
        }
    }
}

/// Sends `Broken` when the thread that holds it panics.
struct Alarm(Sender<LoopInput>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(LoopInput::Broken);
        }
    }
}

fn spawn(
    inputs: Sender<LoopInput>,
    work: impl FnOnce(&Sender<LoopInput>) + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let alarm = Alarm(inputs);
        work(&alarm.0);
    })
}

fn catch_signals(inputs: Sender<LoopInput>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT]).context("install signal handlers")?;
    spawn(inputs, move |inputs| {
        for _ in signals.forever() {
            let _ = inputs.send(LoopInput::End);
        }
    });
    Ok(())
}

fn read_keys(inputs: &Sender<LoopInput>) {
    loop {
        let input = match event::read() {
            Ok(Event::Key(key)) => LoopInput::Key(key),
            Ok(Event::Resize(..)) => LoopInput::Resize,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The terminal has vanished.
            Err(_) => LoopInput::End,
        };
        let end = matches!(input, LoopInput::End);
        if inputs.send(input).is_err() || end {
            return;
        }
    }
}

fn make_changes(
    mut change: impl FnMut(&ListEdit) -> Result<EditResult>,
    changes: &Receiver<ListEdit>,
    inputs: &Sender<LoopInput>,
) {
    for wanted in changes {
        let _ = inputs.send(LoopInput::Done(change(&wanted)));
    }
}

fn look_again_and_again(
    mut reader: impl ViewReader,
    mut query: TopQuery,
    interval: Duration,
    queries: &Receiver<TopQuery>,
    inputs: &Sender<LoopInput>,
) {
    let mut first = true;
    loop {
        let before_ns = clock::cpu_ns();
        let result = reader.look(&query);
        let table_ns = result.as_ref().map_or(0, |view| view.cost.table_cpu_ns);
        let used = Duration::from_nanos(clock::cpu_ns().saturating_sub(before_ns).saturating_sub(table_ns));
        if inputs.send(LoopInput::Look(Box::new(result))).is_err() || !explain(&mut reader, &query, inputs) {
            return;
        }
        let pause = if first { interval.min(SECOND_LOOK) } else { pause_after(interval, used) };
        let until = clock::now_ns().saturating_add(pause.as_nanos() as u64);
        first = false;
        loop {
            let left = Duration::from_nanos(until.saturating_sub(clock::now_ns()));
            match queries.recv_timeout(left) {
                // The next regular refresh uses the new query: a refresh in between would be too short to measure rates.
                // An explanation has no rates.
                Ok(other) => {
                    let is_new = other.kept != query.kept;
                    query = other;
                    if is_new && !explain(&mut reader, &query, inputs) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Explains the selected source, if there is one. Returns `false` if nobody waits for it any more.
fn explain(reader: &mut impl ViewReader, query: &TopQuery, inputs: &Sender<LoopInput>) -> bool {
    query.kept.is_none_or(|source| inputs.send(LoopInput::Explained(reader.explain(&source))).is_ok())
}

/// Returns the pause after a refresh that used the given CPU time.
fn pause_after(interval: Duration, used: Duration) -> Duration {
    interval.max(used.mul_f64(1.0 / SHARE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_that_is_slow_is_done_less_often() {
        let second = Duration::from_secs(1);
        assert_eq!(pause_after(second, Duration::from_millis(1)), second);
        assert_eq!(pause_after(second, Duration::from_millis(30)), Duration::from_millis(3000));
    }
}
