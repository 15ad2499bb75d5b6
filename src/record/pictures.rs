//! JPEG pictures as fragments for a file. They are in no ring: only the newest is kept, and who is slow misses some.

use crate::format::fmp4::{Fragment, Init, Timeline};
use crate::format::h264::{Parameters, Sps};
use crate::format::jpeg;
use crate::ring::NextPicture;
use crate::stream::Stream;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// Takes a camera's pictures, one after the other.
pub struct Pictures {
    /// That of the last one.
    number: u64,
    timeline: Timeline,
    init: Option<Arc<Init>>,
}

impl Pictures {
    /// Before the first one.
    pub fn new() -> Pictures {
        Pictures {
            number: 0,
            timeline: Timeline::new(None),
            init: None,
        }
    }

    /// Waits for the next picture, at most so long; gives it, and how many there were since the last one that are gone.
    pub fn next(&mut self, stream: &Stream, timeout: Duration) -> Option<(Fragment, u64)> {
        while let NextPicture::Picture(number, picture) = stream.pictures.next(self.number, timeout) {
            let missed = number - mem::replace(&mut self.number, number) - 1;
            let Some((width, height)) = jpeg::size(&picture.bytes) else {
                continue;
            };
            let init = self.init(width.into(), height.into(), stream);
            let span = self.timeline.place(picture.captured_us);
            if let Ok(fragment) = Fragment::picture(init, &picture.bytes, span, picture.captured_us) {
                return Some((fragment, missed));
            }
        }
        None
    }

    /// The init segment of pictures of that size.
    fn init(&mut self, width: u32, height: u32, stream: &Stream) -> Arc<Init> {
        let known = self.init.take();
        let known = known.filter(|init| (init.width, init.height) == (width, height));
        let make = || {
            let info = Sps {
                width,
                height,
                ..Sps::default()
            };
            let parameters = Parameters {
                info,
                ..Parameters::default()
            };
            Arc::new(Init::new(Arc::new(parameters), stream.state().rotation, None))
        };
        let init = known.unwrap_or_else(make);
        self.init = Some(Arc::clone(&init));
        init
    }
}
