//! What is remembered of a camera from one opening to the next.

use super::patience::Patience;
use super::pipeline::Pipeline;
use crate::error::Error;
use crate::log_warning;
use std::fs::File;

/// Knowledge of a camera from its earlier openings.
#[derive(Default)]
pub struct History {
    /// It was there once, and not just the test picture in its place.
    pub was_there: bool,
    /// The warnings that are in the log already: waking up is no reason to repeat them.
    pub warned: Vec<String>,
    /// What the config says of where it looks was set since it came: waking up is no reason to turn it back.
    pub turned: bool,
    /// The patience with its command, where it is one.
    pub(super) patience: Option<Patience>,
    /// The device whose input had no signal at the last try: it reports when that changes (POLLPRI of poll(2)).
    pub signal: Option<File>,
    /// The pipelines that could be opened and gave nothing, each as often as that was so, and why.
    failed: Vec<(Pipeline, Error)>,
}

impl History {
    /// Records that an open source was lost, and whether any frame `came` through its pipeline before. A pipeline that
    /// gave nothing twice is not tried again until the camera was away, if there is another one.
    pub fn record_failure(&mut self, pipeline: Option<Pipeline>, came: bool, why: &Error) {
        if why.is_absent() {
            self.failed.clear();
        } else if let Some(pipeline) = pipeline {
            if came {
                self.failed.retain(|(failed, _)| *failed != pipeline);
            } else {
                self.failed.push((pipeline, why.clone()));
            }
        }
    }

    /// The reason not to try a pipeline again; None while it may be tried.
    pub(super) fn failure(&self, pipeline: &Pipeline) -> Option<&Error> {
        let mut failures = self.failed.iter().filter(|(failed, _)| failed == pipeline);
        failures.nth(1).map(|(_, why)| why)
    }

    /// Lets all pipelines be tried again.
    pub(super) fn forget_failures(&mut self) {
        self.failed.clear();
    }
}

/// Logs a warning, if it is not in the log already.
pub(super) fn warn_once(warned: &mut Vec<String>, words: String) {
    if !warned.contains(&words) {
        log_warning!("{words}");
        warned.push(words);
    }
}
