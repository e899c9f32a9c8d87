//! An error of something that is tried with each tick: logged when it begins or changes, not each time.

use anyhow::Result;

#[derive(Debug, Default)]
pub(super) struct LastError(Option<String>);

impl LastError {
    /// Logs the error that something ended with, unless it ended with the same the time before. Returns the value, if any.
    pub(super) fn note<T>(&mut self, what: &str, result: Result<T>) -> Option<T> {
        let (value, error) = match result {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(format!("{what}: {error:#}"))),
        };
        if let Some(error) = error.as_ref().filter(|error| self.0.as_ref() != Some(error)) {
            log::warn!("{error}");
        }
        self.0 = error;
        value
    }
}
