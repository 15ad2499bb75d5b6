//! What clients ask of a camera's controls, the newest value of each, for the thread that sets them; and what it answers.

use super::control::{Control, TEXT, Value};
use super::kept::{Kept, KeptValue};
use super::names::same;
use super::threshold::{THRESHOLD, Threshold, is_cameras, outlive, parse};
use crate::config::{Rpicam, Setting, switch};
use crate::error::Result;
use crate::sys::event::Event;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A thread that hangs in a driver is left there; no more than so many.
const MOST_THREADS: usize = 2;

/// An option's value may have so many characters.
const OPTION_CHARS: i64 = 64;

/// What a control is to be set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A number; of a menu, that of its item.
    Number(i64),
    /// A value as it stands in a config.
    Text(String),
    /// What the config says, or else the default.
    Reset,
}

/// What there is to tell a client.
#[derive(Debug, Default)]
pub struct Answered {
    /// The controls, as far as they are known.
    pub controls: Vec<Control>,
    /// What was not set, and why.
    pub refused: Vec<(String, String)>,
    /// The thread has done what was asked for.
    pub done: bool,
}

/// What a thread is to do next.
#[derive(Debug)]
pub struct Turn {
    /// Up to which request this is.
    pub ticket: u64,
    /// The controls, each with its newest value.
    pub wishes: Vec<(String, Wish)>,
    /// How long ago somebody last asked for anything.
    pub quiet: Duration,
}

/// A value that was set here, as it stands in a config; `None` for the config's own.
type Live = (String, Option<String>);

#[derive(Default)]
struct State {
    controls: Vec<Control>,
    /// No more than there are controls.
    wishes: Vec<(String, Wish)>,
    refused: Vec<(String, String)>,
    asked: u64,
    done: u64,
    asked_at: Option<Instant>,
    /// Which opening of the camera this is; a thread is of one.
    epoch: u64,
    open: bool,
    /// Wakes the thread of this epoch.
    thread: Option<Arc<Event>>,
    threads: usize,
    /// What was asked for takes a camera that is opened anew.
    restart: bool,
    /// Something is to be set, or looked at, each time the camera was opened.
    restore: bool,
    config: Vec<Setting>,
    /// What rpicam-vid is run with by the config: it has no controls, but may be run with other options.
    rpicam: Option<Rpicam>,
    kept: Vec<KeptValue>,
    live: Vec<Live>,
}

/// The mailbox of one camera.
#[derive(Default)]
pub struct Mailbox {
    state: Mutex<State>,
    answered: Condvar,
    store: Arc<Kept>,
}

/// The config's value of a control.
fn in_config<'a>(config: &'a [Setting], name: &str) -> Option<&'a str> {
    let setting = config.iter().rfind(|setting| same(&setting.name, name));
    setting.map(|setting| setting.value.as_str())
}

impl State {
    /// The threshold, where motion is looked for.
    fn threshold(&self) -> Option<Threshold> {
        let kept = self.kept.iter().find(|kept| kept.name == THRESHOLD);
        let live = self.live.iter().find(|(name, _)| name == THRESHOLD);
        let live = live.map(|(_, text)| text.as_deref());
        let config = in_config(&self.config, THRESHOLD)?;
        Threshold::new(config, kept.map(|kept| &*kept.value), live)
    }
}

impl Mailbox {
    /// One whose values are kept there.
    pub fn new(store: Arc<Kept>) -> Mailbox {
        Mailbox {
            store,
            ..Mailbox::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if values can be kept.
    pub fn can_keep(&self) -> bool {
        self.store.can_keep()
    }

    /// Asks for these values, or, without any, for a look at all controls. The answer's number is for [`Mailbox::answer`]. Where there is
    /// no thread yet, the stream's pump makes one when it is woken.
    pub fn ask(&self, wishes: Vec<(String, Wish)>) -> u64 {
        let mut state = self.lock();
        for (name, wish) in wishes {
            forget(&mut state.refused, &name);
            match state.wishes.iter_mut().find(|(other, _)| *other == name) {
                Some((_, before)) => *before = wish,
                None => state.wishes.push((name, wish)),
            }
        }
        state.asked += 1;
        state.asked_at = Some(Instant::now());
        if let Some(thread) = &state.thread {
            thread.raise();
        }
        state.asked
    }

    /// True while a thread could set something.
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    /// What is known of a request, without a wait.
    pub fn known(&self, ticket: u64) -> Answered {
        self.answer(ticket, Duration::ZERO)
    }

    /// Waits until a request is done, or the camera is closed, or this time is over.
    pub fn answer(&self, ticket: u64, limit: Duration) -> Answered {
        let mut state = self.lock();
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let done = state.done >= ticket;
            if done || left.is_zero() || !state.open {
                let own = state.threshold().map(Threshold::control);
                return Answered {
                    controls: state.controls.iter().cloned().chain(own).collect(),
                    refused: state.refused.clone(),
                    done,
                };
            }
            let waited = self.answered.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The threshold of motion that holds, where that is looked for.
    pub fn threshold(&self) -> Option<u16> {
        self.lock().threshold().map(|threshold| threshold.value)
    }

    /// Notes another threshold (`None`: the config's), which holds from now on; or why it is none.
    pub fn set_threshold(&self, text: Option<String>) {
        let state = &mut *self.lock();
        forget(&mut state.refused, THRESHOLD);
        match text.as_deref().map(parse) {
            Some(Err(why)) => state.refused.push((THRESHOLD.into(), why)),
            _ => note(&mut state.live, THRESHOLD.into(), text),
        }
    }

    /// Notes values for a camera that is not open, or that takes none while it is: they are set when it is opened.
    pub fn set_later(&self, wishes: Vec<(String, Wish)>) {
        let mut state = self.lock();
        let state = &mut *state;
        for (name, wish) in wishes {
            let Some(control) = state.controls.iter_mut().find(|control| control.name == name) else {
                continue;
            };
            forget(&mut state.refused, &name);
            let item = |found: &dyn Fn(&(i64, String)) -> bool| control.menu.iter().find(|item| found(item));
            let (value, text) = match &wish {
                Wish::Reset => (control.config.clone(), None),
                Wish::Number(number) if control.kind == TEXT => {
                    (Value::Text(number.to_string()), Some(number.to_string()))
                }
                Wish::Number(number) => {
                    let label = item(&|(value, _)| value == number).map(|(_, label)| label.clone());
                    (Value::Number(*number), label.or_else(|| Some(number.to_string())))
                }
                Wish::Text(text) if control.kind == TEXT => (Value::Text(text.clone()), Some(text.clone())),
                Wish::Text(text) => {
                    let number =
                        item(&|(_, label)| label.eq_ignore_ascii_case(text)).map(|(number, _)| *number);
                    let number = number.or_else(|| text.parse().ok());
                    (number.map(Value::Number).unwrap_or_default(), Some(text.clone()))
                }
            };
            let option = |rpicam: &Rpicam| {
                text.as_ref()
                    .is_none_or(|text| rpicam.with(&name, text).is_some())
            };
            let is_option = state.rpicam.as_ref().is_none_or(option);
            if control.read_only || !is_option || value == Value::None && wish != Wish::Reset {
                let why = match control.read_only {
                    true => "can only be read",
                    false => "takes no such value",
                };
                state.refused.push((name, why.into()));
                continue;
            }
            control.value = value;
            note(&mut state.live, name, text);
            state.restart |= state.rpicam.is_some();
        }
    }

    /// Keeps what was set here for the next start.
    ///
    /// # Errors
    /// There is no place for it, or it can't be written to.
    pub fn keep(&self, camera: &str) -> Result<()> {
        let (mut kept, live) = {
            let state = self.lock();
            (state.kept.clone(), state.live.clone())
        };
        for (name, value) in &live {
            kept.retain(|kept| !same(&kept.name, name));
            // What is more than a line would be something else when it is read.
            if let Some(value) = value.as_ref().filter(|value| !value.contains(char::is_control)) {
                kept.push(KeptValue {
                    name: name.clone(),
                    value: value.clone(),
                    was: self.in_config(name),
                });
            }
        }
        self.store_kept(camera, kept, &live)
    }

    /// Keeps nothing any more. What is set stays until the camera is opened anew; the threshold, until the next start.
    ///
    /// # Errors
    /// Those of [`Mailbox::keep`].
    pub fn forget(&self, camera: &str) -> Result<()> {
        self.store_kept(camera, Vec::new(), &[])
    }

    fn store_kept(&self, camera: &str, kept: Vec<KeptValue>, live: &[Live]) -> Result<()> {
        self.store.keep(camera, kept.clone())?;
        let state = &mut *self.lock();
        outlive(&state.kept, &mut state.live);
        for control in &mut state.controls {
            let is_kept = kept.iter().any(|kept| same(&kept.name, &control.name));
            let is_live = live.iter().any(|(name, _)| same(name, &control.name));
            match (is_kept, is_live) {
                (true, true) => control.kept = control.value.clone(),
                (true, false) => {}
                (false, _) => control.kept = Value::None,
            }
        }
        state.kept = kept;
        Ok(())
    }

    /// For the pump alone: takes over a config, and what is kept as far as it replaces values that the config still has. What was set
    /// here stays, but where the config says something else than before. Gives a line for the log for each value that is kept and
    /// holds no longer.
    pub fn set_config(&self, camera: &str, config: Vec<Setting>, rpicam: Option<&Rpicam>) -> Vec<String> {
        let mut kept = self.store.of(camera);
        let mut lines = Vec::new();
        let holds = |kept: &KeptValue| {
            let now = in_config(&config, &kept.name);
            let holds = now == kept.was.as_deref();
            if !holds {
                let or_nothing = |value: Option<&str>| value.unwrap_or("nothing").to_owned();
                lines.push(format!(
                    "{camera}: {} = {}, which was kept, gives way to the config: that had {} then, and has {} now",
                    kept.name,
                    kept.value,
                    or_nothing(kept.was.as_deref()),
                    or_nothing(now)
                ));
            }
            holds
        };
        kept.retain(holds);
        {
            let state = &mut *self.lock();
            let before = &state.config;
            let live = &mut state.live;
            live.retain(|(name, _)| in_config(before, name) == in_config(&config, name));
            state.config = config;
            state.kept = kept;
            state.rpicam = rpicam.cloned();
        }
        if let Some(rpicam) = rpicam {
            self.show_options(rpicam);
        }
        lines
    }

    /// Shows the options of the config, as they are when what was set or kept is put in.
    fn show_options(&self, rpicam: &Rpicam) {
        let values = self.values();
        let mut controls = Vec::new();
        for option in &rpicam.options {
            let name = option.name.replace('-', "_");
            let is_flag = option.value.is_empty();
            let value = |text: &str| match is_flag {
                true => Value::Number((switch(text) != Some(false)).into()),
                false => Value::Text(text.into()),
            };
            let now = values.iter().find(|(other, _)| *other == name);
            controls.push(Control {
                label: option.name.clone(),
                class: "rpicam-vid".into(),
                kind: if is_flag { "bool" } else { TEXT },
                max: if is_flag { 1 } else { OPTION_CHARS },
                step: 1,
                active: true,
                value: now.map_or_else(|| value(&option.value), |(_, text)| value(text)),
                config: value(&option.value),
                kept: self.kept(&name).map_or(Value::None, |text| value(&text)),
                name,
                ..Control::default()
            });
        }
        self.lock().controls = controls;
    }

    /// True if a change has the camera opened anew, whatever it is.
    pub fn restarts(&self) -> bool {
        self.lock().rpicam.is_some()
    }

    /// For the pump alone: the camera is open; `has_controls` is true if a thread could set some.
    pub fn opened(&self, has_controls: bool) {
        let mut state = self.lock();
        state.epoch += 1;
        state.open = has_controls;
        let is_empty = state.kept.is_empty() && state.live.is_empty();
        state.restore = !is_empty || state.config.iter().any(|setting| is_cameras(&setting.name));
    }

    /// For the pump alone: the camera is closed. Its thread ends when it gets to it.
    pub fn closed(&self) {
        let mut state = self.lock();
        state.epoch += 1;
        state.open = false;
        if let Some(thread) = state.thread.take() {
            thread.raise();
        }
        drop(state);
        self.answered.notify_all();
    }

    /// Has the camera opened anew for what was noted.
    pub fn restart(&self) {
        self.lock().restart = true;
    }

    /// For the pump alone: true if the camera is to be opened anew.
    pub fn take_restart(&self) -> bool {
        std::mem::take(&mut self.lock().restart)
    }

    /// For the pump alone: true if a thread is to be made.
    pub fn needs_thread(&self) -> bool {
        let state = self.lock();
        let asked = state.asked > state.done || state.restore;
        asked && state.open && state.thread.is_none() && state.threads < MOST_THREADS
    }

    /// A thread begins that is woken by this; gives its epoch, and whether it is to set what was set before.
    pub fn begin(&self, wake: Arc<Event>) -> (u64, bool) {
        let mut state = self.lock();
        state.thread = Some(wake);
        state.threads += 1;
        (state.epoch, std::mem::take(&mut state.restore))
    }

    /// A thread of this epoch ends. What it has not answered is for the next one.
    pub fn end(&self, epoch: u64) {
        let mut state = self.lock();
        state.threads -= 1;
        if state.epoch == epoch {
            state.thread = None;
        }
    }

    /// What a thread of this epoch is to do next; `None`: it is over.
    pub fn turn(&self, epoch: u64) -> Option<Turn> {
        let mut state = self.lock();
        (state.epoch == epoch).then(|| Turn {
            ticket: state.asked,
            wishes: std::mem::take(&mut state.wishes),
            quiet: state.asked_at.map_or(Duration::MAX, |at| at.elapsed()),
        })
    }

    /// A thread of this epoch tells what came of a turn.
    pub fn finish(&self, epoch: u64, ticket: u64, controls: &[Control], refused: Vec<(String, String)>) {
        let mut state = self.lock();
        if state.epoch != epoch {
            return;
        }
        state.controls = controls.to_vec();
        for (name, why) in refused {
            forget(&mut state.refused, &name);
            state.refused.push((name, why));
        }
        state.done = state.done.max(ticket);
        drop(state);
        self.answered.notify_all();
    }

    /// Notes what a control was set to, as it stands in a config; `None`: what the config says.
    pub fn note(&self, name: &str, text: Option<String>) {
        note(&mut self.lock().live, name.into(), text);
    }

    /// Another program has set a control: if it was set here before, the new value takes the place of that one.
    pub fn overrule(&self, control: &Control) {
        let text = match &control.value {
            Value::None => return,
            Value::Number(number) => match control.menu.iter().find(|(value, _)| value == number) {
                Some((_, label)) => label.clone(),
                None => number.to_string(),
            },
            Value::Text(text) => text.clone(),
        };
        let live = &mut self.lock().live;
        if let Some((_, old)) = live.iter_mut().find(|(name, _)| *name == control.name) {
            *old = Some(text);
        }
    }

    /// The config's values.
    pub fn config(&self) -> Vec<Setting> {
        self.lock().config.clone()
    }

    /// The config's value of a control.
    pub fn in_config(&self, name: &str) -> Option<String> {
        in_config(&self.lock().config, name).map(Into::into)
    }

    /// What holds instead of the config's values of the camera's controls, in its order: what is kept, then what was set here.
    pub fn values(&self) -> Vec<(String, String)> {
        let state = self.lock();
        let mut values: Vec<(String, String)> = Vec::new();
        for kept in &state.kept {
            if state.live.iter().all(|(name, _)| !same(name, &kept.name)) {
                values.push((kept.name.clone(), kept.value.clone()));
            }
        }
        for (name, text) in &state.live {
            if let Some(text) = text {
                values.push((name.clone(), text.clone()));
            }
        }
        values.retain(|(name, _)| is_cameras(name));
        values
    }

    /// The value of a control that is kept.
    pub fn kept(&self, name: &str) -> Option<String> {
        let state = self.lock();
        let kept = state.kept.iter().find(|kept| same(&kept.name, name));
        kept.map(|kept| kept.value.clone())
    }
}

/// Forgets why a control was not set.
fn forget(refused: &mut Vec<(String, String)>, name: &str) {
    refused.retain(|(other, _)| other != name);
}

fn note(live: &mut Vec<Live>, name: String, text: Option<String>) {
    live.retain(|(other, _)| *other != name);
    live.push((name, text));
}

#[cfg(test)]
mod tests {
    use super::{Kept, KeptValue, Mailbox, Wish};
    use crate::config::Setting;
    use crate::controls::{Control, Value};
    use crate::sys::event::Event;
    use std::sync::Arc;
    use std::time::Duration;

    fn config(settings: &[(&str, &str)]) -> Vec<Setting> {
        let setting = |(name, value): &(&str, &str)| Setting {
            name: (*name).into(),
            value: (*value).into(),
            place: "f:1".into(),
        };
        settings.iter().map(setting).collect()
    }

    #[test]
    fn the_newest_value_of_each_control_waits() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.needs_thread());
        let number = |name: &str, n| vec![(name.to_string(), Wish::Number(n))];
        for n in 0..1000 {
            mailbox.ask(number("brightness", n));
        }
        let ticket = mailbox.ask(number("gain", 1));
        assert!(!mailbox.needs_thread());
        assert!(!mailbox.answer(ticket, Duration::from_secs(600)).done);
        mailbox.opened(true);
        assert!(mailbox.needs_thread());
        let (epoch, _) = mailbox.begin(Arc::new(Event::new().unwrap()));
        assert!(!mailbox.needs_thread());
        let turn = mailbox.turn(epoch).unwrap();
        assert_eq!(
            turn.wishes,
            [number("brightness", 999), number("gain", 1)].concat()
        );
        assert_eq!(turn.ticket, ticket);
        let late = mailbox.ask(number("gain", 2));
        mailbox.finish(epoch, turn.ticket, &[], vec![("gain".into(), "no".into())]);
        let answered = mailbox.known(ticket);
        assert!(answered.done && answered.refused == [("gain".to_string(), "no".to_string())]);
        assert!(!mailbox.known(late).done);

        // A thread that hangs in its driver is left there, but not any number of them.
        mailbox.closed();
        assert!(mailbox.turn(epoch).is_none());
        mailbox.opened(true);
        let (second, _) = mailbox.begin(Arc::new(Event::new().unwrap()));
        mailbox.closed();
        mailbox.opened(true);
        assert!(!mailbox.needs_thread());
        mailbox.end(second);
        assert!(mailbox.needs_thread());
        mailbox.finish(epoch, late, &[], Vec::new());
        assert!(!mailbox.known(late).done);
    }

    /// What holds beside the config: of these config values now, kept ones with the config's value then, and live ones.
    fn holds(
        now: &[(&str, &str)],
        kept: &[(&str, &str, Option<&str>)],
        live: &[(&str, Option<&str>)],
    ) -> String {
        let folder = std::env::temp_dir().join(format!("fmp4streamer-was-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Kept::load(Some(&folder)).unwrap();
        let kept = kept.iter().map(|(name, value, was)| KeptValue {
            name: (*name).into(),
            value: (*value).into(),
            was: was.map(Into::into),
        });
        store.keep("camera0", kept.collect()).unwrap();
        let mailbox = Mailbox::new(Arc::new(store));
        let lines = mailbox.set_config("camera0", config(now), None).len();
        for (name, text) in live {
            mailbox.note(name, text.map(Into::into));
        }
        let values = mailbox.values();
        let values: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        std::fs::remove_dir_all(&folder).unwrap();
        format!("{} {lines}", values.join(" "))
    }

    #[test]
    fn what_is_kept_holds_while_the_config_says_what_it_said() {
        for (now, kept, live, expected) in [
            (
                &[("gain", "1")][..],
                &[("gain", "2", Some("1"))][..],
                &[][..],
                "gain=2 0",
            ),
            (&[("gain", "3")], &[("gain", "2", Some("1"))], &[], " 1"),
            (&[], &[("gain", "2", Some("1"))], &[], " 1"),
            (&[], &[("gain", "2", None)], &[], "gain=2 0"),
            (&[("gain", "1")], &[("gain", "2", None)], &[], " 1"),
            // By its name in another kernel.
            (
                &[("focus_auto", "no")],
                &[("focus_automatic_continuous", "yes", Some("no"))],
                &[],
                "focus_automatic_continuous=yes 0",
            ),
            (&[], &[("gain", "2", None)], &[("gain", Some("5"))], "gain=5 0"),
            (&[], &[("gain", "2", None)], &[("gain", None)], " 0"),
            (
                &[],
                &[("a", "1", None), ("b", "2", Some("0"))],
                &[("c", Some("3"))],
                "a=1 c=3 1",
            ),
        ] {
            assert_eq!(holds(now, kept, live), expected, "{now:?} {kept:?} {live:?}");
        }
    }

    #[test]
    fn a_new_config_leaves_what_it_does_not_change() {
        let mailbox = Mailbox::default();
        mailbox.set_config("camera0", config(&[("gain", "1"), ("hue", "1")]), None);
        mailbox.note("gain", Some("5".into()));
        mailbox.note("hue", Some("6".into()));
        mailbox.note("zoom", Some("7".into()));
        mailbox.set_config("camera0", config(&[("gain", "2"), ("hue", "1")]), None);
        let values = mailbox.values();
        assert_eq!(values, [("hue".into(), "6".into()), ("zoom".into(), "7".into())]);
    }

    #[test]
    fn what_another_program_sets_holds_where_something_was_set_here() {
        let mailbox = Mailbox::default();
        mailbox.note("mode", Some("1".into()));
        mailbox.note("gain", None);
        let set = |name: &str, value| {
            mailbox.overrule(&Control {
                name: name.into(),
                menu: vec![(0, "1".into()), (1, "2".into())],
                value,
                ..Control::default()
            });
        };
        set("mode", Value::Number(1));
        set("gain", Value::Number(7));
        set("hue", Value::Number(7));
        assert_eq!(
            mailbox.values(),
            [("mode".into(), "2".into()), ("gain".into(), "7".into())]
        );
        set("gain", Value::Text("low".into()));
        set("mode", Value::None);
        assert_eq!(
            mailbox.values(),
            [("mode".into(), "2".into()), ("gain".into(), "low".into())]
        );
    }

    #[test]
    fn what_is_set_while_the_camera_sleeps_is_noted() {
        let mailbox = Mailbox::default();
        mailbox.opened(true);
        let (epoch, _) = mailbox.begin(Arc::new(Event::new().unwrap()));
        let menu = Control {
            name: "mode".into(),
            kind: "menu",
            menu: vec![(0, "1".into()), (1, "2".into())],
            config: Value::Number(0),
            ..Control::default()
        };
        mailbox.finish(epoch, 0, &[menu], Vec::new());
        mailbox.closed();
        mailbox.end(epoch);
        let wish = |wish| vec![("mode".to_string(), wish), ("unknown".to_string(), Wish::Reset)];
        mailbox.set_later(wish(Wish::Number(1)));
        assert_eq!(mailbox.values(), [("mode".to_string(), "2".to_string())]);
        assert_eq!(mailbox.known(0).controls[0].value, Value::Number(1));
        mailbox.set_later(wish(Wish::Text("light".into())));
        let answered = mailbox.known(0);
        assert!(answered.controls[0].value == Value::Number(1) && answered.refused[0].0 == "mode");
        mailbox.set_later(wish(Wish::Text("2".into())));
        assert!(mailbox.known(0).refused.is_empty() && mailbox.keep("camera0").is_err());
        mailbox.set_later(wish(Wish::Reset));
        assert_eq!(mailbox.values(), []);
        mailbox.opened(true);
        assert!(mailbox.needs_thread());
        // Once after each opening: what others set later holds.
        let begin = || mailbox.begin(Arc::new(Event::new().unwrap()));
        let (epoch, restores) = begin();
        assert!(restores && !mailbox.needs_thread());
        mailbox.end(epoch);
        mailbox.ask(Vec::new());
        assert!(mailbox.needs_thread() && begin() == (epoch, false));
    }
}
