//! The newest events, and who waits for the next.

use super::event::Event;
use crate::format::url::Url;
use crate::log_warning;
use crate::sys::clock;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many events are kept, for who comes back after a break.
const KEPT: usize = 100;
/// How long the last recordings have at the program's end. The service manager waits for ten seconds in all.
const LAST: Duration = Duration::from_secs(3);
/// So many wait in an outbox; then the oldest of them is dropped.
const WAITING: usize = 32;

/// The program's events, of all cameras.
#[derive(Default)]
pub struct Events {
    inner: Mutex<Inner>,
    news: Condvar,
}

#[derive(Default)]
struct Inner {
    /// The newest, in order.
    kept: Vec<Arc<Event>>,
    /// The number of the newest.
    newest: u64,
    closed: bool,
    /// No recording will end any more, which is the last thing that happens.
    recorded: bool,
    outboxes: Vec<Outbox>,
    /// The number of the newest outbox.
    last_outbox: u64,
    counts: Vec<Counts>,
}

/// What is still to be told of one camera's events, in one way.
struct Outbox {
    number: u64,
    recipient: Recipient,
    waiting: Vec<Arc<Event>>,
}

/// Who is told of a camera's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The camera.
    pub camera: String,
    /// How.
    pub way: Way,
}

/// A way in which events leave the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A POST to this URL.
    Url(Url),
    /// This shell command.
    Command(String),
    /// This shell command, of finished recordings alone.
    Recorded(String),
}

impl Way {
    /// The words for the ways, by [`Way::index`].
    pub const WORDS: [&str; 2] = ["url", "command"];

    fn index(&self) -> usize {
        match self {
            Way::Url(_) => 0,
            Way::Command(_) | Way::Recorded(_) => 1,
        }
    }
}

/// What became of an event on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was not, at no try.
    Failed,
    /// There were too many before it.
    Dropped,
}

impl Outcome {
    /// The words for the outcomes, in their order.
    pub const WORDS: [&str; 3] = ["delivered", "failed", "dropped"];
}

/// One camera's numbers since the program started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    camera: String,
    /// Its events.
    pub events: u64,
    /// What became of them, by [`Way::WORDS`] and [`Outcome::WORDS`].
    pub outcomes: [[u64; 3]; 2],
}

impl Inner {
    /// Puts it into the outboxes of its camera: those for recordings, or the others.
    fn post(&mut self, event: &Arc<Event>, is_recording: bool) {
        for at in 0..self.outboxes.len() {
            let outbox = &mut self.outboxes[at];
            let Recipient { camera, way } = &outbox.recipient;
            let is_for = *camera == event.camera && matches!(way, Way::Recorded(_)) == is_recording;
            let way = way.index();
            if is_for && push(&mut outbox.waiting, event, WAITING) {
                self.counts(&event.camera).outcomes[way][Outcome::Dropped as usize] += 1;
            }
        }
    }

    fn counts(&mut self, camera: &str) -> &mut Counts {
        let known = self.counts.iter().position(|counts| counts.camera == camera);
        let at = known.unwrap_or_else(|| {
            let camera = camera.into();
            self.counts.push(Counts {
                camera,
                ..Counts::default()
            });
            self.counts.len() - 1
        });
        &mut self.counts[at]
    }
}

impl Events {
    /// Adds an event, and gives its number. `began` is the number of the event that began what this one ends; `why` is for
    /// clients, and may be empty.
    pub fn add(&self, camera: &str, kind: &str, state: &'static str, began: Option<u64>, why: &str) -> u64 {
        let at_ms = clock::unix().as_millis() as u64;
        let mut inner = self.lock();
        // By the time, the numbers go on where those before a restart ended; a clock that is set back makes none less.
        let number = at_ms.max(inner.newest + 1);
        inner.newest = number;
        let event = Arc::new(Event::new(number, (camera, kind, state), began, why, at_ms));
        inner.counts(camera).events += 1;
        inner.post(&event, false);
        push(&mut inner.kept, &event, KEPT);
        self.news.notify_all();
        number
    }

    /// Has those told who want each finished recording of a camera. It is nobody else's news.
    pub fn recorded(&self, camera: &str, file: &Path) {
        let mut inner = self.lock();
        inner.post(&Arc::new(Event::recorded(camera, file)), true);
        self.news.notify_all();
    }

    /// The number of the newest event; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// The events after the one of that number, in order, those that are kept no longer left out; waits for one, at most
    /// `limit`. `None` when there will be no more.
    pub fn after(&self, number: u64, limit: Duration) -> Option<Vec<Arc<Event>>> {
        let nothing = |inner: &mut Inner| inner.newest <= number && !inner.closed;
        let waited = self.news.wait_timeout_while(self.lock(), limit, nothing);
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let first = inner.kept.partition_point(|event| event.number <= number);
        (!inner.closed).then(|| inner.kept.get(first..).unwrap_or_default().to_vec())
    }

    /// Ends the wait of all: the program stops.
    pub fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }

    /// Has these be the recipients. Gives those that were none before, each with the number of its outbox; the outboxes of those
    /// that are none any more are gone.
    pub(super) fn change_recipients(&self, recipients: Vec<Recipient>) -> Vec<(u64, Recipient)> {
        let mut inner = self.lock();
        inner
            .outboxes
            .retain(|outbox| recipients.contains(&outbox.recipient));
        let mut new = Vec::new();
        for recipient in recipients {
            if inner.outboxes.iter().all(|outbox| outbox.recipient != recipient) {
                inner.last_outbox += 1;
                let number = inner.last_outbox;
                new.push((number, recipient.clone()));
                inner.outboxes.push(Outbox {
                    number,
                    recipient,
                    waiting: Vec::new(),
                });
            }
        }
        self.news.notify_all();
        new
    }

    /// The oldest event that waits in the outbox of that number, once there is one; `None` when there will be no more. Finished
    /// recordings are told of to the last one, also where the program stops.
    pub(super) fn take(&self, number: u64) -> Option<Arc<Event>> {
        let mut inner = self.lock();
        loop {
            let Inner { closed, recorded, .. } = *inner;
            let at = inner.outboxes.iter().position(|outbox| outbox.number == number)?;
            let outbox = &mut inner.outboxes[at];
            let is_over = match outbox.recipient.way {
                Way::Recorded(_) => recorded && outbox.waiting.is_empty(),
                _ => closed,
            };
            if is_over {
                inner.outboxes.remove(at);
                self.news.notify_all();
                return None;
            }
            if !outbox.waiting.is_empty() {
                return Some(outbox.waiting.remove(0));
            }
            inner = self.news.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No recording will end any more. Waits a while until those that did were told of; of what was not the log tells.
    pub fn end_recordings(&self) {
        self.lock().recorded = true;
        self.news.notify_all();
        let is_busy = |outbox: &Outbox| matches!(outbox.recipient.way, Way::Recorded(_));
        let some_are = |inner: &mut Inner| inner.outboxes.iter().any(is_busy);
        let waited = self.news.wait_timeout_while(self.lock(), LAST, some_are);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            log_warning!("record_done_command has not done with the last recordings, and is ended");
        }
    }

    /// Lets so much time pass; false at once if the outbox of that number is gone.
    pub(super) fn rest(&self, number: u64, time: Duration) -> bool {
        let goes_on =
            |inner: &mut Inner| !inner.closed && inner.outboxes.iter().any(|outbox| outbox.number == number);
        let waited = self.news.wait_timeout_while(self.lock(), time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Counts what became of an event.
    pub(super) fn count(&self, recipient: &Recipient, outcome: Outcome) {
        let way = recipient.way.index();
        self.lock().counts(&recipient.camera).outcomes[way][outcome as usize] += 1;
    }

    /// The numbers of this camera.
    pub fn counts(&self, camera: &str) -> Counts {
        self.lock().counts(camera).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds an event to those that there are; true if the oldest made room for it, as there may be so many and no more.
fn push(events: &mut Vec<Arc<Event>>, event: &Arc<Event>, most: usize) -> bool {
    let full = events.len() == most;
    if full {
        events.remove(0);
    }
    events.push(Arc::clone(event));
    full
}

#[cfg(test)]
mod tests {
    use super::super::event::{END, LOST, MARK, START, is_kind};
    use super::*;

    #[test]
    fn what_came_after_is_given_in_order_as_far_as_it_is_kept() {
        let events = Events::default();
        let numbers: Vec<u64> = (0..KEPT as u64 + 5)
            .map(|_| events.add("yard", "door", MARK, None, ""))
            .collect();
        assert!(numbers.is_sorted_by(|one, next| one < next));
        let given = |after: u64| -> Vec<u64> {
            let given = events.after(after, Duration::ZERO).unwrap();
            given.iter().map(|event| event.number).collect()
        };
        assert_eq!(given(0), numbers[5..]);
        assert_eq!(given(numbers[50]), numbers[51..]);
        assert_eq!(
            given(numbers[50] - 1),
            numbers[50..],
            "of a number that nobody has"
        );
        assert!(given(events.newest()).is_empty());
        events.close();
        assert_eq!(events.after(0, Duration::from_secs(60)), None);
    }

    #[test]
    fn what_ends_has_the_id_of_what_began() {
        let events = Events::default();
        let began = events.add("yard", LOST, START, None, "un\"plugged");
        events.add("yard", LOST, END, Some(began), "");
        let texts = events.after(0, Duration::ZERO).unwrap();
        let front =
            |state| format!(r#"{{"camera":"yard","kind":"lost","id":"{began}","state":"{state}","at":""#);
        assert!(texts[0].text.starts_with(&front(START)), "{}", texts[0].text);
        assert!(
            texts[0].text.ends_with(r#","why":"un\"plugged"}"#),
            "{}",
            texts[0].text
        );
        assert!(texts[1].text.starts_with(&front(END)), "{}", texts[1].text);
    }

    #[test]
    fn a_full_outbox_loses_its_oldest() {
        let events = Events::default();
        let recipient = Recipient {
            camera: "yard".into(),
            way: Way::Command("x".into()),
        };
        let new = events.change_recipients(vec![recipient.clone()]);
        assert_eq!(new, [(1, recipient.clone())]);
        assert_eq!(events.change_recipients(vec![recipient.clone()]), []);
        let numbers: Vec<u64> = (0..WAITING as u64 + 3)
            .map(|_| events.add("yard", "door", MARK, None, ""))
            .collect();
        events.add("other", "door", MARK, None, "");
        for number in &numbers[3..] {
            assert_eq!(events.take(1).unwrap().number, *number);
        }
        events.count(&recipient, Outcome::Failed);
        let counts = events.counts("yard");
        assert_eq!(
            (counts.events, counts.outcomes),
            (WAITING as u64 + 3, [[0; 3], [0, 1, 3]])
        );
        assert_eq!(events.counts("other").events, 1);
        assert!(events.rest(1, Duration::ZERO));
        events.change_recipients(Vec::new());
        assert!(!events.rest(1, Duration::from_secs(60)));
        assert_eq!(events.take(1), None);
    }

    #[test]
    fn the_last_recording_is_told_of_after_all_else() {
        let events = Events::default();
        let way = Way::Recorded("x".into());
        let camera = "yard".to_string();
        events.change_recipients(vec![Recipient { camera, way }]);
        events.close();
        events.recorded("yard", Path::new("a.mp4"));
        assert_eq!(*events.take(1).unwrap().text, *"a.mp4");
        std::thread::scope(|scope| {
            let end = scope.spawn(|| events.take(1));
            events.end_recordings();
            assert_eq!(end.join().unwrap(), None);
        });
    }

    #[test]
    fn kinds_are_short_words() {
        for good in ["door", "a", "9-_", "abcdefghijklmnopqrstuvwxyz012345"] {
            assert!(is_kind(good), "{good}");
        }
        for bad in [
            "",
            "Door",
            "a b",
            "a\n",
            "é",
            "a/b",
            "$(x)",
            "abcdefghijklmnopqrstuvwxyz0123456",
        ] {
            assert!(!is_kind(bad), "{bad}");
        }
    }
}
