//! A V4L2 camera that gives H.264 or JPEG pictures.

use super::capture::{BUFFERS, Capture, CaptureConfig, CaptureNode, Round, Taken};
use super::control::{self, ControlNode, Encoder, Muxed};
use super::frame::{Drops, Frame, Signal, Source, SourceInfo};
use super::history::warn_once;
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::format::{Codec, app4};
use crate::log_verbose;
use crate::sys;
use crate::sys::poll::{self, readable};
use crate::sys::v4l2::{self, Control, FourCc, Queue, ctrl};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

/// The JPEG pictures that carry H.264 are to be of this size: they only take room on the bus.
const BASE: (u32, u32) = (640, 480);

/// An open camera that streams. Dropping it stops the stream, gives the memory back and closes the device.
pub struct V4l2Camera {
    capture: Capture,
    pub(super) info: SourceInfo,
    codec: Codec,
    /// Room for a frame that comes in the segments of a JPEG picture, if they come so.
    joined: Option<Vec<u8>>,
    /// The encoder of a camera with an H.264 unit.
    encoder: Option<Encoder>,
    /// The control that makes a key frame, where there is one.
    key_button: Option<Control>,
}

/// Opens the camera and starts it as `wanted`, or as near as it gets: controls first (a few cameras need them
/// before the format), then size and rate.
///
/// What did not go as wanted is logged as warnings, but not what is already in `warned`: so a camera that is
/// opened at each wake-up does not repeat itself.
///
/// # Errors
/// It does not stream: not there, not allowed, busy (and by whom), not a camera, no such format.
pub fn open(wanted: &CaptureConfig<'_>, warned: &mut Vec<String>) -> Result<V4l2Camera> {
    let mut warn = |words| warn_once(warned, words);
    let node = CaptureNode::open(wanted, &mut warn)?;
    let codec = match wanted.format {
        FourCc::MJPEG | FourCc::JPEG if !wanted.muxed => Codec::Jpeg,
        _ => Codec::H264,
    };
    let muxed = wanted.muxed.then_some(Muxed {
        width: wanted.width,
        height: wanted.height,
        fps: wanted.fps,
    });
    let encoder = control::apply(&node.file, wanted.path, wanted.controls, muxed, &mut warn);
    if wanted.muxed && encoder.is_none() {
        let tried = format!("{} puts no H.264 into its MJPEG", node.card);
        let why = "it has no H.264 extension unit; capture_format = MJPG serves its pictures as they are";
        return Err(Error::new(wanted.path.display(), tried, why));
    }

    let size = if wanted.muxed {
        BASE
    } else {
        (wanted.width, wanted.height)
    };
    let device = node.set_up(size, wanted.fps, &mut warn)?;
    let key_button = v4l2::query_control(&device.file, ctrl::FORCE_KEY_FRAME).ok();
    let queue = Queue::new(Rc::clone(&device.file), device.kind, BUFFERS);
    let mut queue = queue.map_err(|e| device.failed("can't get buffers", e))?;
    if let Some(Err(errno)) = encoder.as_ref().map(|encoder| encoder.commit(&device.file)) {
        let path = wanted.path.display();
        log_verbose!(
            "{path}: the H.264 settings are not taken again: {}",
            sys::words(errno)
        );
    }
    queue
        .start()
        .map_err(|e| device.failed("can't start the stream", e))?;
    Ok(V4l2Camera {
        info: device.info(),
        capture: Capture::new(device, queue),
        codec,
        joined: wanted.muxed.then(Vec::new),
        encoder: encoder.filter(|_| codec == Codec::H264),
        key_button,
    })
}

impl Source for V4l2Camera {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn poll(
        &mut self,
        wake: BorrowedFd<'_>,
        timeout: Duration,
        sink: &mut dyn FnMut(Signal<'_>),
    ) -> Result<()> {
        let mut files = [self.capture.poll_fd(), readable(wake)];
        poll::poll(&mut files, Some(timeout.min(self.capture.patience_left())))
            .map_err(|errno| self.capture.lost(errno))?;
        let mut round = Round::new(poll::events(&files[0]));
        let codec = self.codec;
        while let Some(Taken { lost, frame }) = self.capture.take(&mut round)? {
            if lost {
                sink(Signal::Gap);
            }
            let Some((buffer, captured_us)) = frame else {
                continue;
            };
            let mut good = false;
            let mut give = |data: &[u8]| {
                good = true;
                sink(Signal::Frame(Frame {
                    codec,
                    data,
                    captured_us,
                }));
            };
            let whole = match &mut self.joined {
                Some(joined) => app4::h264(buffer.data(), joined, &mut give),
                None => {
                    give(buffer.data());
                    true
                }
            };
            if !whole {
                self.capture.drops.damaged += 1;
                sink(Signal::Gap);
            }
            buffer.give_back().map_err(|errno| self.capture.lost(errno))?;
            if good {
                self.capture.record_frame();
            }
        }
        self.capture.check(match self.joined {
            Some(_) => "H.264 in its pictures",
            None => "frame",
        })
    }

    fn set_controls(&mut self, settings: &[Setting]) -> bool {
        self.capture.set_controls(settings)
    }

    fn control_nodes(&self) -> Vec<ControlNode> {
        self.capture.control_node().into_iter().collect()
    }

    fn request_key_frame(&mut self) {
        let file = &self.capture.device.file;
        let pressed = |button: &Control| v4l2::set_number(file, button, 1).is_ok();
        if self.key_button.as_ref().is_some_and(pressed) {
            return;
        }
        if let Some(encoder) = &self.encoder {
            encoder.request_key_frame(file);
        }
    }

    fn drops(&self) -> Drops {
        self.capture.drops
    }
}
