//! A time-lapse: of what a camera gives, one picture in some seconds, each of which is shown for a 25th of a second.

use crate::format::fmp4::{Fragment, Init, Span, TIMESCALE};
use std::sync::Arc;
use std::time::Duration;

/// A camera that sleeps is woken so long before a picture: it has to be opened, and its exposure to settle.
const WAKE_US: u64 = 5_000_000;
/// How long a picture is shown.
const SHOWN_90K: u32 = TIMESCALE / 25;

/// The folder of a camera's time-lapses, beside that of its recordings; no camera has such a name.
pub fn folder_of(camera: &str) -> String {
    format!("{camera}.timelapse")
}

/// Which pictures it takes, and when.
#[derive(Debug)]
pub struct Lapse {
    step_us: u64,
    /// From when on it takes one (CLOCK_MONOTONIC).
    next_us: u64,
    /// Those that it took.
    pictures: u64,
    /// That of their file.
    init: Option<Arc<Init>>,
    /// How often it changed.
    epoch: u32,
}

impl Lapse {
    /// One with a picture of each such time, the first of them as soon as a camera that sleeps can give one.
    pub fn new(step: Duration, now_us: u64) -> Lapse {
        Lapse {
            step_us: step.as_micros() as u64,
            next_us: now_us + WAKE_US,
            pictures: 0,
            init: None,
            epoch: 0,
        }
    }

    /// True if it is time to have the camera awake.
    pub fn is_near(&self, now_us: u64) -> bool {
        now_us + WAKE_US >= self.next_us
    }

    /// True if it waits for a picture.
    pub fn is_due(&self, now_us: u64) -> bool {
        now_us >= self.next_us
    }

    /// What becomes of a picture in its file; `None` if it is not for it.
    pub fn take(&mut self, picture: &Fragment) -> Option<Fragment> {
        let at_us = picture.captured_us;
        if !picture.key || at_us < self.next_us {
            return None;
        }
        // Parameter sets come in the pictures only where they change, and such a picture may be none of these; and there is nothing to hear.
        let bytes = picture.init.bytes(false);
        let init = self.init.take().filter(|init| init.bytes(false) == bytes);
        let init = init.unwrap_or_else(|| {
            self.epoch += 1;
            let Init {
                parameters, rotation, ..
            } = &*picture.init;
            Arc::new(Init::new(Arc::clone(parameters), *rotation, None))
        });
        let span = Span {
            time_90k: self.pictures * u64::from(SHOWN_90K),
            duration_90k: SHOWN_90K,
        };
        let made = picture.again(Arc::clone(&init), span, self.epoch);
        self.init = Some(init);
        self.pictures += 1;
        // What was missed while the camera was away is not made up for.
        self.next_us = (self.next_us + self.step_us).max(at_us + self.step_us / 2);
        made.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::h264::Parameters;

    /// A picture that was captured at that time.
    fn picture(at_s: f64, key: bool, width: u32) -> Fragment {
        let mut parameters = Parameters::default();
        parameters.info.width = width;
        let init = Arc::new(Init::new(Arc::new(parameters), 90, None));
        let span = Span {
            time_90k: (at_s * 90_000.0) as u64,
            duration_90k: 3000,
        };
        let mut picture = Fragment::picture(init, b"picture", span, (at_s * 1e6) as u64).unwrap();
        picture.key = key;
        picture
    }

    #[test]
    fn key_frames_of_each_step_are_taken() {
        let mut lapse = Lapse::new(Duration::from_secs(60), 0);
        assert!(lapse.is_near(0) && !lapse.is_due(4_999_999) && lapse.is_due(5_000_000));
        let mut taken = |at_s: f64, key, width| {
            let taken = lapse.take(&picture(at_s, key, width))?;
            assert_eq!((taken.duration_90k, taken.init.rotation), (3600, 90));
            assert_eq!((taken.payload(), taken.is_sound()), (&b"picture"[..], false));
            assert_eq!(taken.captured_us, (at_s * 1e6) as u64);
            Some((taken.time_90k / 3600, taken.epoch))
        };
        assert_eq!(taken(4.9, true, 640), None);
        assert_eq!(taken(5.1, false, 640), None);
        assert_eq!(taken(6.0, true, 640), Some((0, 1)));
        assert_eq!(taken(64.0, true, 640), None);
        // A late one does not put off those after it.
        assert_eq!(taken(69.0, true, 640), Some((1, 1)));
        assert_eq!(taken(125.0, true, 640), Some((2, 1)));
        // The camera was away: no two pictures at once.
        assert_eq!(taken(1000.0, true, 640), Some((3, 1)));
        assert_eq!(taken(1001.0, true, 640), None);
        // One of another size belongs into another file.
        assert_eq!(taken(1030.0, true, 320), Some((4, 2)));
        assert!(!lapse.is_near(1_080_000_000) && lapse.is_near(1_086_000_000));
    }
}
