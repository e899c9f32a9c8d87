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
use synguard_kernel::clock;

use crate::{
    draw,
    list_edit::{EditResult, ListEdit},
    palette::Palette,
    sources::SourceFilter,
    state::{AppState, Effect},
    terminal::Screen,
    view_model::{TopQuery, TopView},
};

/// Maximum CPU share of refreshes, as a fraction of a core: a table that is slow to read is read less often.
const SHARE_MAX: f64 = 0.03;
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

/// An input of the loop.
enum LoopInput {
    Key(KeyEvent),
    /// The terminal was resized.
    Resize,
    /// A refresh finished or failed.
    Look(Box<Result<TopView>>),
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
    look: impl FnMut(&TopQuery) -> Result<TopView> + Send + 'static,
    change: impl FnMut(&ListEdit) -> Result<EditResult> + Send + 'static,
) -> Result<()> {
    let (inputs, input) = channel();
    catch_signals(inputs.clone())?;
    let LoopOptions { interval, limit, palette, mut state } = options;
    let (queries, query) = channel();
    let first = current_query(&state, limit);
    spawn(inputs.clone(), move |inputs| look_again_and_again(look, first, interval, &query, inputs));
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
    TopQuery { sort: state.sort, limit, filter: SourceFilter::parse(&state.filter) }
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
        screen.draw(|frame| draw::draw(state, frame, palette)).context("draw")?;
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
    mut look: impl FnMut(&TopQuery) -> Result<TopView>,
    mut query: TopQuery,
    interval: Duration,
    queries: &Receiver<TopQuery>,
    inputs: &Sender<LoopInput>,
) {
    let mut first = true;
    loop {
        let before_ns = clock::cpu_ns();
        let result = look(&query);
        let used = Duration::from_nanos(clock::cpu_ns().saturating_sub(before_ns));
        if inputs.send(LoopInput::Look(Box::new(result))).is_err() {
            return;
        }
        let pause = if first { interval.min(SECOND_LOOK) } else { pause_after(interval, used) };
        let until = clock::now_ns().saturating_add(pause.as_nanos() as u64);
        first = false;
        loop {
            let left = Duration::from_nanos(until.saturating_sub(clock::now_ns()));
            match queries.recv_timeout(left) {
                // The next regular refresh uses the new query: a refresh in between would be too short to measure rates.
                Ok(other) => query = other,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Returns the pause after a refresh that used the given CPU time.
fn pause_after(interval: Duration, used: Duration) -> Duration {
    interval.max(used.mul_f64(1.0 / SHARE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_slow_to_read_is_read_less_often() {
        let second = Duration::from_secs(1);
        assert_eq!(pause_after(second, Duration::from_millis(1)), second);
        assert_eq!(pause_after(second, Duration::from_millis(90)), Duration::from_millis(3000));
    }
}
