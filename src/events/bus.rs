//! The newest events, and who waits for the next.

use super::event::Event;
use crate::sys::clock;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many events are kept, for who comes back after a break.
const KEPT: usize = 100;

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
        if inner.kept.len() == KEPT {
            inner.kept.remove(0);
        }
        inner.kept.push(event);
        self.news.notify_all();
        number
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
