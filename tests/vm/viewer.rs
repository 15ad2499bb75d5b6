//! Somebody who watches, and compares what comes with what the camera was fed.

use super::support::{Server, until};
use fmp4streamer::format::h264::{nal, nal_units};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// What a camera shows, again and again: the slices of each picture are its name.
pub struct Clip {
    numbers: HashMap<Vec<u8>, usize>,
    keys: Vec<bool>,
}

impl Clip {
    pub fn new(rig: &Path, name: &str) -> Arc<Clip> {
        Clip::read(&rig.join(format!("media/{name}.h264")))
    }

    /// The pictures of a file of H.264.
    pub fn read(file: &Path) -> Arc<Clip> {
        let bytes = fs::read(file).unwrap();
        let mut pictures: Vec<Vec<u8>> = Vec::new();
        let mut keys = Vec::new();
        for slice in nal_units(&bytes).filter(|unit| is_slice(unit)) {
            // first_mb_in_slice = 0 begins a picture.
            if slice[1] & 0x80 != 0 {
                pictures.push(Vec::new());
                keys.push(nal::unit_type(slice) == nal::IDR);
            }
            pictures.last_mut().unwrap().extend(slice);
        }
        let numbers: HashMap<Vec<u8>, usize> = pictures.into_iter().zip(0..).collect();
        assert_eq!(numbers.len(), keys.len(), "pictures that can't be told apart");
        Arc::new(Clip { numbers, keys })
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    fn follows(&self, before: usize, after: usize) -> bool {
        (before + 1) % self.len() == after
    }
}

fn is_slice(unit: &[u8]) -> bool {
    matches!(nal::unit_type(unit), nal::SLICE | nal::IDR)
}

/// A picture that came.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Its number in the clip.
    pub number: usize,
    pub key: bool,
    pub time_90k: u64,
    pub duration_90k: u32,
}

/// A client that follows the stream in a thread of its own.
pub struct Viewer {
    clip: Arc<Clip>,
    seen: Arc<Mutex<Vec<Seen>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Viewer {
    /// Connects. The slices that come must be those of `clip`, byte for byte.
    pub fn new(server: &Server, clip: &Arc<Clip>) -> Viewer {
        Viewer::at("/stream.mp4", server, clip)
    }

    /// The same at another address.
    pub fn at(path: &str, server: &Server, clip: &Arc<Clip>) -> Viewer {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (pictures, list) = (Arc::clone(clip), Arc::clone(&seen));
        let mut stream = server.follow_at(path);
        let thread = thread::spawn(move || {
            while let Some(fragment) = stream.next_fragment() {
                let slices = fragment.nal_units().into_iter().filter(|unit| is_slice(unit));
                let number = pictures.numbers.get(&slices.collect::<Vec<_>>().concat());
                list.lock().unwrap().push(Seen {
                    number: *number.expect("a picture that the camera was not fed"),
                    key: fragment.key(),
                    time_90k: fragment.time(),
                    duration_90k: fragment.duration(),
                });
            }
        });
        Viewer {
            clip: Arc::clone(clip),
            seen,
            thread: Some(thread),
        }
    }

    pub fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }

    /// Waits for as many more pictures.
    pub fn more(&self, count: usize) {
        let enough = self.seen().len() + count;
        until(&format!("{count} more pictures come"), || {
            assert!(!self.ended(), "the stream ended");
            self.seen().len() >= enough
        });
    }

    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(|thread| thread.is_finished())
    }

    /// Waits for the stream's end, between two boxes.
    pub fn wait_for_end(&mut self) {
        until("the stream ends", || self.ended());
        self.thread.take().unwrap().join().unwrap();
    }

    /// What no fault may bring about. Gives how often the pictures did not go on with the next one: each time
    /// it is a key picture.
    pub fn judge(&self) -> usize {
        let seen = self.seen();
        assert!(seen.first().is_some_and(|first| first.key), "{:?}", seen.first());
        for one in seen.iter() {
            assert_eq!(one.key, self.clip.keys[one.number], "{one:?}");
        }
        let mut jumps = 0;
        for pair in seen.windows(2) {
            let [before, after] = pair else { unreachable!() };
            let end = before.time_90k + u64::from(before.duration_90k);
            assert!(before.duration_90k > 0 && after.time_90k >= end, "{pair:?}");
            if !self.clip.follows(before.number, after.number) {
                assert!(after.key, "its references were not given: {pair:?}");
                jumps += 1;
            }
        }
        jumps
    }
}
