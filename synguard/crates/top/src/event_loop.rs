//! The loop: what comes in from the keyboard, from the reader and from the system changes the state, and the
//! state is drawn. Reading and changing have threads of their own, so that keys are answered at once.

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
    list_edit::{Change, Made},
    palette::Palette,
    sources::Filter,
    state::{AppState, Effect},
    terminal::Screen,
    view_model::{Survey, Want},
};

/// Looking may take at most this share of a core: a table that is slow to read is read less often.
const SHARE_MAX: f64 = 0.03;
/// The second look comes so soon, because only then there are rates.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// What is to be shown, and how.
pub struct Options {
    /// Time between two looks.
    pub interval: Duration,
    /// Most sources that are looked at.
    pub limit: usize,
    /// Colours.
    pub palette: Palette,
    /// What to begin with.
    pub state: AppState,
}

/// What happens.
enum Input {
    Key(KeyEvent),
    /// The size has changed.
    Resize,
    /// A look was taken, or failed.
    Look(Box<Result<Survey>>),
    /// A change was made, or failed.
    Done(Result<Made>),
    /// Told to end by a signal.
    End,
    /// One of the threads panicked.
    Broken,
}

/// Runs until somebody quits, or a signal comes. What is logged meanwhile would be written across the screen: the caller
/// keeps it back.
///
/// # Errors
///
/// If the terminal cannot be used.
pub fn run(
    options: Options,
    look: impl FnMut(&Want) -> Result<Survey> + Send + 'static,
    change: impl FnMut(&Change) -> Result<Made> + Send + 'static,
) -> Result<()> {
    let (inputs, input) = channel();
    catch_signals(inputs.clone())?;
    let Options { interval, limit, palette, mut state } = options;
    let (wants, want) = channel();
    let first = wanted(&state, limit);
    spawn(inputs.clone(), move |inputs| look_again_and_again(look, first, interval, &want, inputs));
    let (changes, to_change) = channel();
    let changer = spawn(inputs.clone(), move |inputs| make_changes(change, &to_change, inputs));
    let mut screen = Screen::open().context("use the terminal")?;
    spawn(inputs, read_keys);
    let result = react(&mut state, &mut screen, palette, &input, |effect, state| match effect {
        // A thread that is gone says so itself.
        Effect::Want => drop(wants.send(wanted(state, limit))),
        Effect::Change(change) => drop(changes.send(change)),
        Effect::Draw | Effect::Quit => {}
    });
    drop(screen);
    // What was confirmed is done before the program ends.
    drop(changes);
    let _ = changer.join();
    result
}

fn wanted(state: &AppState, limit: usize) -> Want {
    Want { sort: state.sort, limit, filter: Filter::parse(&state.filter) }
}

/// Takes what comes in, all of it before it draws, until the end.
fn react(
    state: &mut AppState,
    screen: &mut Screen,
    palette: Palette,
    input: &Receiver<Input>,
    mut effect: impl FnMut(Effect, &AppState),
) -> Result<()> {
    loop {
        screen.draw(|frame| draw::draw(state, frame, palette)).context("draw")?;
        let mut next = Some(input.recv().context("all threads are gone")?);
        while let Some(one) = next {
            match one {
                Input::Key(key) => match state.on_key(key) {
                    Effect::Quit => return Ok(()),
                    other => effect(other, state),
                },
                Input::Resize => {}
                Input::Look(look) => match *look {
                    Ok(survey) => state.update(survey),
                    Err(error) => state.fail(format!("{error:#}")),
                },
                Input::Done(result) => state.done(result.map_err(|error| format!("{error:#}"))),
                Input::End => return Ok(()),
                Input::Broken => bail!("a part of top failed; please report what it said"),
            }
            next = input.try_recv().ok();
        }
    }
}

/// Says so when the thread that holds it panics.
struct Alarm(Sender<Input>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Input::Broken);
        }
    }
}

fn spawn(
    inputs: Sender<Input>,
    work: impl FnOnce(&Sender<Input>) + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let alarm = Alarm(inputs);
        work(&alarm.0);
    })
}

fn catch_signals(inputs: Sender<Input>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT]).context("install signal handlers")?;
    spawn(inputs, move |inputs| {
        for _ in signals.forever() {
            let _ = inputs.send(Input::End);
        }
    });
    Ok(())
}

fn read_keys(inputs: &Sender<Input>) {
    loop {
        let input = match event::read() {
            Ok(Event::Key(key)) => Input::Key(key),
            Ok(Event::Resize(..)) => Input::Resize,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The terminal is gone.
            Err(_) => Input::End,
        };
        let end = matches!(input, Input::End);
        if inputs.send(input).is_err() || end {
            return;
        }
    }
}

fn make_changes(
    mut change: impl FnMut(&Change) -> Result<Made>,
    changes: &Receiver<Change>,
    inputs: &Sender<Input>,
) {
    for wanted in changes {
        let _ = inputs.send(Input::Done(change(&wanted)));
    }
}

fn look_again_and_again(
    mut look: impl FnMut(&Want) -> Result<Survey>,
    mut want: Want,
    interval: Duration,
    wants: &Receiver<Want>,
    inputs: &Sender<Input>,
) {
    let mut first = true;
    loop {
        let before_ns = clock::cpu_ns();
        let result = look(&want);
        let used = Duration::from_nanos(clock::cpu_ns().saturating_sub(before_ns));
        if inputs.send(Input::Look(Box::new(result))).is_err() {
            return;
        }
        let pause = if first { interval.min(SECOND_LOOK) } else { pause_after(interval, used) };
        let until = clock::now_ns().saturating_add(pause.as_nanos() as u64);
        first = false;
        loop {
            let left = Duration::from_nanos(until.saturating_sub(clock::now_ns()));
            match wants.recv_timeout(left) {
                // What is wanted now, the next look brings: one in between would have no time to measure over.
                Ok(other) => want = other,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// How long to wait after a look that used so much CPU time.
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
