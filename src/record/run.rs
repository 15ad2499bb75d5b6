//! The thread of a camera's recorders.

use super::archive::Archive;
use super::recorder::{LOOK, Plan, RETRY_US, Recorder};
use crate::log_warning;
use crate::stream::Stream;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

/// Records until the stream is stopped. A panic, which is a fault of this program, costs it a while.
pub fn record(stream: &Stream, archive: &Archive, plan: Plan) {
    let mut seen = stream.events.newest();
    loop {
        let worked = panic::catch_unwind(AssertUnwindSafe(|| {
            let recorded = plan.records.then_some(Plan { lapse: None, ..plan });
            let lapse = plan.lapse.map(|_| Plan {
                before_events: None,
                ..plan
            });
            let plans = recorded.into_iter().chain(lapse);
            let mut recorders: Vec<_> = plans.map(|plan| Recorder::new(stream, archive, plan)).collect();
            let rest = |recorders: &[Recorder<'_>]| recorders.iter().map(Recorder::rest).min();
            while let Some(events) = stream.events.after(seen, rest(&recorders).unwrap_or(LOOK)) {
                for event in events {
                    seen = event.number;
                    if event.camera == stream.name {
                        for recorder in &mut recorders {
                            recorder.eventful.note(&event.kind, event.state, event.at_us);
                        }
                    }
                }
                recorders.iter_mut().for_each(Recorder::turn);
            }
            recorders
                .iter_mut()
                .map(Recorder::end)
                .fold(Ok(()), io::Result::and)
        }));
        match worked {
            Ok(Ok(())) => return,
            Ok(Err(e)) => return log_warning!("{}: the last recording has no end: {e}", stream.name),
            Err(_) => stream.publish(|state| {
                let why = "a fault of this program; please report it, with the log";
                state.recorder = ("stopped", why.into());
            }),
        }
        if stream
            .events
            .after(u64::MAX, Duration::from_micros(RETRY_US))
            .is_none()
        {
            return;
        }
    }
}
