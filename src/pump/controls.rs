//! The thread that sets a camera's controls, and sees what others set. A camera that sulks takes seconds to answer, which the pump
//! does not have. It is there while somebody changes or follows them, and for a moment after each opening.

use crate::config::{Camera, Setting, SourceKind};
use crate::controls::{Control, THRESHOLD, Value, Wish, is_auto, same, values_json};
use crate::source::{ControlNode, Done, Operator, Source, is_set_at_opening, turns};
use crate::stream::{Stream, Topic};
use crate::sys::event::Event;
use crate::sys::poll::{PollFd, poll, readable};
use crate::{log_info, log_verbose, log_warning, threads};
use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

const STACK_BYTES: usize = 128 * 1024;
/// So long after the camera began to stream it is looked whether it forgot what was set before: some do.
const CHECK_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked whether anybody follows.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A request may be followed by another one within this time.
const LINGER: Duration = Duration::from_secs(10);

/// The protocol of viewers that are told of changes.
const FOLLOWS: &str = "ws";

/// Hands the config's values over.
pub(super) fn take_config(stream: &Stream, camera: &Camera) {
    let rpicam = match &camera.source {
        SourceKind::Rpicam(rpicam) => Some(rpicam),
        _ => None,
    };
    for line in stream.controls.set_config(&stream.name, settings(camera), rpicam) {
        log_warning!("{line}");
    }
}

/// What the config sets, on the camera and on codecs; and the threshold, where motion is looked for.
fn settings(camera: &Camera) -> Vec<Setting> {
    let mut settings = camera.source.settings().to_vec();
    match &camera.source {
        SourceKind::Device { chain, .. } => {
            let codecs = chain.codecs.iter().flat_map(|(_, settings)| settings);
            settings.extend(codecs.cloned());
        }
        SourceKind::Rpicam(rpicam) => settings.extend(rpicam.options.iter().cloned()),
        _ => {}
    }
    if camera.motion {
        settings.push(Setting {
            name: THRESHOLD.into(),
            value: camera.motion_threshold.to_string(),
            place: String::new(),
        });
    }
    settings
}

/// The camera with what was set or kept, as far as that has to be there when it is opened.
pub(super) fn with_changes(stream: &Stream, camera: &Camera) -> Camera {
    let mut camera = camera.clone();
    // Before the look: what is noted from here on is for the next time.
    stream.controls.take_restart();
    let values = stream.controls.values();
    if let SourceKind::Rpicam(rpicam) = &mut camera.source {
        for (name, value) in &values {
            *rpicam = rpicam.with(name, value).unwrap_or_else(|| rpicam.clone());
        }
    }
    if let Some(settings) = camera.source.settings_mut() {
        for (name, value) in values {
            if is_set_at_opening(&name) {
                settings.retain(|setting| !same(&setting.name, &name));
                settings.push(Setting {
                    name,
                    value,
                    place: "changed by a client".into(),
                });
            }
        }
    }
    camera
}

/// A source is open.
pub(super) fn opened(stream: &Stream, source: &dyn Source) {
    stream.controls.opened(!source.control_nodes().is_empty());
}

/// Makes the thread. Where none is to be had, it is tried again with the next frame that is asked for.
pub(super) fn start(stream: &Arc<Stream>, source: &dyn Source) {
    let Ok(wake) = Event::new().map(Arc::new) else {
        return;
    };
    let (for_thread, nodes) = (Arc::clone(stream), source.control_nodes());
    let (epoch, restores) = stream.controls.begin(Arc::clone(&wake));
    let run = Box::new(move || Thread::run(for_thread, (epoch, restores), &wake, nodes));
    if let Err(e) = threads::spawn("controls", STACK_BYTES, run) {
        log_verbose!("{}: no thread for its controls: {e}", stream.name);
        stream.controls.end(epoch);
    }
}

struct Thread {
    stream: Arc<Stream>,
    epoch: u64,
    operator: Operator,
    /// As clients were told of them last.
    told: Vec<Control>,
    /// The names of what has changed since the thread began.
    changed: Vec<String>,
}

/// However the thread ends, it is noted.
struct End(Arc<Stream>, u64);

impl Drop for End {
    fn drop(&mut self) {
        self.0.controls.end(self.1);
    }
}

impl Thread {
    fn run(stream: Arc<Stream>, (epoch, restores): (u64, bool), wake: &Event, nodes: Vec<ControlNode>) {
        let _end = End(Arc::clone(&stream), epoch);
        let mut thread = Thread {
            operator: Operator::open(nodes),
            stream,
            epoch,
            told: Vec::new(),
            changed: Vec::new(),
        };
        thread.restore(restores);
        let mut check_at = restores.then(|| Instant::now() + CHECK_AFTER);
        let mut answered = 0;
        while let Some(turn) = thread.stream.controls.turn(epoch) {
            if turn.ticket > answered {
                if turn.wishes.is_empty() {
                    // What changes by itself is not reported.
                    thread.operator.look();
                }
                let refused = thread.set_all(turn.wishes);
                thread.tell();
                let controls = &thread.stream.controls;
                controls.finish(epoch, turn.ticket, &thread.told, refused);
                answered = turn.ticket;
            } else if turn.quiet >= LINGER && check_at.is_none() && !thread.is_followed() {
                // What comes later is not seen: nobody is to take these for what is so then.
                thread.stream.tell(Topic::Controls, "");
                break;
            }
            let due = check_at.map(|at| at.saturating_duration_since(Instant::now()));
            let mut files: Vec<PollFd<'_>> = vec![readable(wake.as_fd())];
            files.extend(thread.operator.poll_files());
            _ = poll(&mut files, Some(due.unwrap_or(LOOK_EVERY)));
            drop(files);
            wake.clear();
            thread.operator.take_changes();
            for control in thread.operator.take_reported() {
                // Before the check it may be the camera that forgets; what is not active is set by an automatic.
                if check_at.is_none() && control.active {
                    thread.stream.controls.overrule(control);
                }
            }
            if check_at.is_some_and(|at| Instant::now() >= at) {
                check_at = None;
                thread.check();
            }
            thread.tell();
        }
    }

    fn is_followed(&self) -> bool {
        let viewers = self.stream.viewers();
        viewers.iter().any(|viewer| viewer.protocol == FOLLOWS)
    }

    /// Sets what was set or kept before the camera was opened, if it was opened just now.
    fn restore(&mut self, restores: bool) {
        let values = self.stream.controls.values();
        let mut wishes = Vec::new();
        for (name, value) in values.into_iter().filter(|_| restores) {
            if self.operator.differs(&name, &value) || !self.operator.is_active(&name) {
                wishes.push((name, Wish::Text(value)));
            }
        }
        for (name, why) in self.in_order(wishes, &mut |_, _| {}) {
            log_verbose!("{}: {name}: {why}", self.stream.name);
        }
        self.told = self.operator.shown().to_vec();
        self.complete();
        let controls = &self.stream.controls;
        controls.finish(self.epoch, 0, &self.told, Vec::new());
    }

    /// Sets once more what the camera forgot when it began to stream.
    fn check(&mut self) {
        let values = self.stream.controls.values();
        let mut all = Vec::new();
        for Setting { name, value, .. } in self.stream.controls.config() {
            if !values.iter().any(|(other, _)| same(other, &name)) {
                all.push((name, value));
            }
        }
        all.extend(values);
        for (name, value) in &all {
            // What turns the camera is not to move by itself.
            let again = !is_set_at_opening(name) && !turns(name);
            if again && self.operator.differs(name, value) {
                let set = self.operator.set(name, &Wish::Text(value.clone()));
                if set.is_ok() && !self.operator.differs(name, value) {
                    let camera = &self.stream.name;
                    log_info!("{camera}: it forgot {name} = {value} when it began to stream; set again");
                }
            }
        }
    }

    /// Sets controls: first those that may be in charge of others, then those that are free, then the rest. Gives what was not set, and why.
    fn in_order(
        &mut self,
        mut wishes: Vec<(String, Wish)>,
        done: &mut dyn FnMut(&str, Done),
    ) -> Vec<(String, String)> {
        let mut refused = Vec::new();
        for pass in 0..3 {
            for (name, wish) in mem::take(&mut wishes) {
                let comes_now = pass == 2 || is_auto(&name) || pass == 1 && self.operator.is_active(&name);
                if !comes_now {
                    wishes.push((name, wish));
                    continue;
                }
                match self.operator.set(&name, &wish) {
                    Ok(what) => done(&name, what),
                    Err(why) => refused.push((name, why)),
                }
            }
        }
        refused
    }

    fn set_all(&mut self, mut wishes: Vec<(String, Wish)>) -> Vec<(String, String)> {
        let stream = Arc::clone(&self.stream);
        if !wishes.is_empty() {
            stream.motion.disturb();
        }
        let mut resets = Vec::new();
        for (name, wish) in &mut wishes {
            if *wish == Wish::Reset {
                resets.push(name.clone());
                if let Some(value) = stream.controls.in_config(name) {
                    *wish = Wish::Text(value);
                }
            }
        }
        self.in_order(wishes, &mut |name, done| {
            let is_reset = resets.iter().any(|reset| reset == name);
            let restart = matches!(done, Done::AtOpening(_));
            if let (Done::Set(text) | Done::AtOpening(text), false) = (done, turns(name)) {
                stream.controls.note(name, Some(text).filter(|_| !is_reset));
            }
            if restart {
                stream.controls.restart();
                stream.wake();
            }
        })
    }

    /// Tells pages what has changed.
    fn tell(&mut self) {
        let shown = self.operator.shown();
        let mut news = false;
        for control in shown {
            let before = self.told.iter().find(|before| before.name == control.name);
            if before.is_some_and(|it| (&it.value, it.active) != (&control.value, control.active)) {
                news = true;
                if !self.changed.contains(&control.name) {
                    self.changed.push(control.name.clone());
                }
            }
        }
        self.told = shown.to_vec();
        self.complete();
        if news {
            let of_these = self.told.iter().filter(|it| self.changed.contains(&it.name));
            let text = values_json(&of_these.collect::<Vec<_>>());
            self.stream.tell(Topic::Controls, &text);
        }
    }

    /// Adds the config's values, and those that are kept.
    fn complete(&mut self) {
        let mailbox = &self.stream.controls;
        for Control {
            name, config, kept, ..
        } in &mut self.told
        {
            let meaning = |text: Option<String>| match text {
                Some(text) => self.operator.meaning(name, &text),
                None => Value::None,
            };
            *config = meaning(mailbox.in_config(name));
            *kept = meaning(mailbox.kept(name));
        }
    }
}
