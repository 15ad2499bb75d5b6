//! The thread that gives the sizes of a camera's pictures to its detector of motion, and makes events of what that finds.

use crate::events::{END, MOTION, START};
use crate::format::jpeg::segments;
use crate::motion::{Found, Kind, Sample};
use crate::ring::{Follower, Next, NextPicture};
use crate::stream::{Codec, Stream};
use crate::{log_info, log_warning, threads};
use std::sync::Arc;
use std::time::Duration;

const STACK_BYTES: usize = 128 * 1024;
/// After so long without a picture it is looked what the camera gives.
const WAIT: Duration = Duration::from_secs(2);
/// The marker of quantization tables (Rec. ITU-T T.81, B.2.4.1).
const DQT: u8 = 0xdb;

/// Makes the thread, if motion is wanted and there is none; and tells it that the camera was opened.
pub(super) fn start(stream: &Arc<Stream>) {
    stream.motion.opened();
    if !stream.motion.begin() {
        return;
    }
    let watcher = Watcher {
        stream: Arc::clone(stream),
        began: None,
        blind: "",
    };
    if let Err(e) = threads::spawn("motion", STACK_BYTES, Box::new(move || watcher.run())) {
        log_warning!("{}: no thread to look for motion: {e}", stream.name);
    }
}

struct Watcher {
    stream: Arc<Stream>,
    /// The number of the event that began motion.
    began: Option<u64>,
    /// As the log has it.
    blind: &'static str,
}

/// However the thread ends, or is not made.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.stream.motion.end();
        self.tell(false);
    }
}

impl Watcher {
    fn run(mut self) {
        let stream = Arc::clone(&self.stream);
        while stream.motion.is_wanted() && !stream.stopping() {
            let state = stream.state();
            // Where H.264 is made of them, the raw pictures in between tell more.
            match state.codec == Some(Codec::Jpeg) {
                true => self.watch_pictures(&stream),
                false => self.watch_fragments(&stream),
            }
            stream.motion.disturb();
            self.tell(false);
        }
    }

    /// Looks at JPEG pictures for as long as there are some.
    fn watch_pictures(&mut self, stream: &Stream) {
        let _subscription = stream.pictures.subscribe();
        let mut last = 0;
        while let NextPicture::Picture(number, picture) = stream.pictures.next(last, WAIT) {
            last = number;
            let tables = segments(&picture.bytes).filter(|(marker, _)| *marker == DQT);
            let tables = tables.flat_map(|(_, bytes)| bytes);
            let sum = tables.fold(0u32, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add((*byte).into())
            });
            if !self.take(picture.captured_us, Kind::Jpeg(sum), picture.bytes.len()) {
                return;
            }
        }
    }

    /// Looks at H.264 for as long as there is some.
    fn watch_fragments(&mut self, stream: &Stream) {
        let mut follower = Follower::new(&stream.ring, true);
        loop {
            match follower.next(WAIT) {
                Next::Batch(batch) => {
                    for fragment in batch.fragments.iter().filter(|fragment| !fragment.is_sound()) {
                        let kind = if fragment.key { Kind::Key } else { Kind::P };
                        if !self.take(fragment.captured_us, kind, fragment.payload().len()) {
                            return;
                        }
                    }
                }
                Next::Notified => {}
                _ => return,
            }
        }
    }

    /// Takes a picture; false once nobody wants to know any more.
    fn take(&mut self, captured_us: u64, kind: Kind, bytes: usize) -> bool {
        let sample = Sample {
            captured_us,
            kind,
            bytes,
        };
        let Found { moves, blind } = self.stream.motion.take(sample);
        self.tell(moves);
        if blind != self.blind {
            let camera = &self.stream.name;
            match blind {
                "" => log_info!("{camera}: motion can be found again"),
                why => log_warning!("{camera}: motion can't be found: {why}"),
            }
            self.blind = blind;
        }
        self.stream.motion.is_wanted()
    }

    fn tell(&mut self, moves: bool) {
        let Stream { events, name, .. } = &*self.stream;
        if moves == self.began.is_some() {
            return;
        }
        self.stream.publish(|state| state.moves = moves);
        self.stream.notify_viewers();
        match self.began.take() {
            None => self.began = Some(events.add(name, MOTION, START, None, "")),
            Some(began) => _ = events.add(name, MOTION, END, Some(began), ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Limits;

    #[test]
    fn motion_is_an_event_with_a_beginning_and_an_end() {
        let limits = Limits {
            max_age: Duration::ZERO,
            join_max: Duration::ZERO,
            join_max_bytes: 0,
            max_senders: 1,
            hold: Duration::ZERO,
            patience: Duration::ZERO,
        };
        let stream = Arc::new(Stream::new("yard", limits).unwrap());
        stream.motion.want(Some((6, Duration::from_secs(5))));
        let mut watcher = Watcher {
            stream: Arc::clone(&stream),
            began: None,
            blind: "",
        };
        let told = || -> Vec<&'static str> {
            let told = stream.events.after(0, Duration::ZERO).unwrap();
            assert!(
                told.iter()
                    .all(|event| event.kind == MOTION && event.camera == "yard")
            );
            told.iter().map(|event| event.state).collect()
        };
        let mut watch = |from_s: u64, to_s: u64, bytes| {
            let pictures = from_s * 10..to_s * 10;
            pictures.fold(true, |_, n| watcher.take(n * 100_000, Kind::Jpeg(1), bytes))
        };
        watch(0, 20, 5000);
        assert_eq!(told(), [""; 0]);
        watch(20, 25, 5500);
        assert_eq!((told(), stream.state().moves), (vec![START], true));
        watch(25, 40, 5000);
        assert_eq!((told(), stream.state().moves), (vec![START, END], false));
        watch(40, 43, 5500);
        assert_eq!(told(), [START, END, START]);
        stream.motion.want(None);
        assert!(!watch(43, 44, 5500), "nobody wants to know");
        drop(watcher);
        assert_eq!(told(), [START, END, START, END]);
    }
}
