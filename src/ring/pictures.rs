//! The newest JPEG picture of a camera, and those who wait for the next one.
//!
//! Each picture stands alone, so only the newest is kept: who is slow gets that, and skips those before it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A whole JPEG picture.
#[derive(Debug)]
pub struct Picture {
    /// Capture time: CLOCK_MONOTONIC in microseconds.
    pub captured_us: u64,
    /// From SOI to EOI.
    pub bytes: Vec<u8>,
}

/// The answer of [`Pictures::next`].
#[derive(Debug)]
pub enum NextPicture {
    /// The newest picture, and its number; the first has 1.
    Picture(u64, Arc<Picture>),
    /// There was none in time.
    TimedOut,
    /// There will be no more.
    Closed,
}

#[derive(Default)]
struct Inner {
    /// The newest picture's number, be it held or not.
    number: u64,
    newest: Option<Arc<Picture>>,
    closed: bool,
}

/// The newest picture of one camera.
#[derive(Default)]
pub struct Pictures {
    inner: Mutex<Inner>,
    changed: Condvar,
    subscribers: AtomicUsize,
    /// Why RTP could last not carry one of them.
    pub rtp_complaint: Mutex<&'static str>,
}

/// Keeps pictures coming that are pushed for subscribers only, until it is dropped.
pub struct Subscription<'a>(&'a Pictures);

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        self.0.subscribers.fetch_sub(1, Relaxed);
    }
}

impl Pictures {
    /// Has pictures pushed, where that is done for subscribers only: those that an H.264 stream is made of.
    pub fn subscribe(&self) -> Subscription<'_> {
        self.subscribers.fetch_add(1, Relaxed);
        Subscription(self)
    }

    /// True while there is a subscription.
    pub fn has_subscribers(&self) -> bool {
        self.subscribers.load(Relaxed) > 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest picture.
    pub fn push(&self, picture: Picture) {
        let mut inner = self.lock();
        inner.number += 1;
        let before = inner.newest.replace(Arc::new(picture));
        drop(inner);
        self.changed.notify_all();
        // Memory is given back outside the lock.
        drop(before);
    }

    /// Begins an epoch: nothing older is given to anybody.
    pub fn begin_epoch(&self) {
        let before = self.lock().newest.take();
        drop(before);
    }

    /// Ends all who wait, and all who will.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.lock().newest.as_ref().map_or(0, |newest| newest.bytes.len())
    }

    /// Waits at most `timeout` for a picture with a higher number than `after`.
    pub fn next(&self, after: u64, timeout: Duration) -> NextPicture {
        let waits = |inner: &mut Inner| !inner.closed && (inner.newest.is_none() || inner.number <= after);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, waits);
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &inner.newest {
            _ if inner.closed => NextPicture::Closed,
            Some(newest) if inner.number > after => NextPicture::Picture(inner.number, Arc::clone(newest)),
            _ => NextPicture::TimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn picture(captured_us: u64) -> Picture {
        Picture {
            captured_us,
            bytes: vec![captured_us as u8; 10],
        }
    }

    /// The number and the time of what is there now.
    fn now(pictures: &Pictures, after: u64) -> Option<(u64, u64)> {
        match pictures.next(after, Duration::ZERO) {
            NextPicture::Picture(number, picture) => Some((number, picture.captured_us)),
            NextPicture::TimedOut => None,
            NextPicture::Closed => panic!("closed"),
        }
    }

    #[test]
    fn only_the_newest_is_there_and_only_once() {
        let pictures = Pictures::default();
        assert_eq!(now(&pictures, 0), None);
        pictures.push(picture(70));
        assert_eq!(now(&pictures, 0), Some((1, 70)));
        assert_eq!(now(&pictures, 1), None);
        pictures.push(picture(80));
        pictures.push(picture(90));
        assert_eq!(now(&pictures, 1), Some((3, 90)));
        assert_eq!(pictures.bytes(), 10);
        // Of an epoch that is over.
        pictures.begin_epoch();
        assert_eq!((now(&pictures, 0), pictures.bytes()), (None, 0));
        pictures.push(picture(95));
        assert_eq!(now(&pictures, 3), Some((4, 95)));
    }

    #[test]
    fn all_who_wait_are_woken() {
        let pictures = Pictures::default();
        let patience = Duration::from_secs(600);
        thread::scope(|scope| {
            let (sender, came) = std::sync::mpsc::channel();
            for _ in 0..3 {
                let (sender, pictures) = (sender.clone(), &pictures);
                scope.spawn(move || {
                    for after in [0, 1] {
                        sender.send(pictures.next(after, patience)).unwrap();
                    }
                });
            }
            pictures.push(picture(1));
            let next = |_| came.recv_timeout(patience).unwrap();
            let firsts: Vec<NextPicture> = (0..3).map(next).collect();
            pictures.close();
            let seconds: Vec<NextPicture> = (0..3).map(next).collect();
            assert!(
                firsts
                    .iter()
                    .all(|next| matches!(next, NextPicture::Picture(1, _))),
                "{firsts:?}"
            );
            assert!(
                seconds.iter().all(|next| matches!(next, NextPicture::Closed)),
                "{seconds:?}"
            );
        });
    }
}
