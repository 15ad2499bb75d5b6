//! A memory-to-memory device that is open, and is not set to anything yet.

use crate::config::Setting;
use crate::error::{Error, Result};
use crate::format::raw;
use crate::log_verbose;
use crate::source::control::apply_v4l2;
use crate::source::formats;
use crate::source::node::{gone, m2m_kind, open_device, start_failure};
use crate::sys::v4l2::{self, BufferKind, Format, FourCc, Fraction, Layout, ctrl, field};
use crate::sys::{self, Errno};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The least quantization at which an encoder leaves the noise of a scene at rest alone, by what is measured of x264: at 20, which is
/// the Raspberry Pi's own least, bits that are left go into noise.
const QP_FLOOR: i64 = 26;

/// Raw pictures as a device has them in memory.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    pub layout: Layout,
    /// Width and height of the picture in the upper left corner.
    pub visible: (u32, u32),
}

impl Raw {
    /// The lines of the picture, for a copy.
    pub fn lines(&self) -> raw::Lines {
        raw::Lines {
            fourcc: self.layout.format.fourcc.0.to_le_bytes(),
            stride_bytes: self.layout.stride_bytes as usize,
            height: self.layout.format.height as usize,
        }
    }
}

/// A device that was opened, and is not set to anything yet.
pub struct CodecNode {
    pub file: Rc<File>,
    pub path: PathBuf,
    pub card: String,
    /// Of what it gives.
    pub kind: BufferKind,
    /// "encoder", "decoder"
    pub what: &'static str,
}

impl CodecNode {
    /// Opens a device that is to be an encoder or a decoder; `what` is the word for it.
    ///
    /// # Errors
    /// It can't be opened, or is no memory-to-memory device.
    pub fn open(path: &Path, what: &'static str) -> Result<CodecNode> {
        let (file, capabilities) = open_device(path)?;
        let Some(kind) = m2m_kind(capabilities.caps) else {
            let why = format!("{} has no memory-to-memory interface", capabilities.card);
            return Err(Error::new(path.display(), format!("not an {what}"), why));
        };
        Ok(CodecNode {
            file: file.into(),
            path: path.to_owned(),
            card: capabilities.card,
            kind,
            what,
        })
    }

    /// The formats in which it takes frames.
    pub fn takes(&self) -> Vec<FourCc> {
        let offered = formats::input_formats(&self.file, self.kind);
        offered.into_iter().map(|f| f.fourcc).collect()
    }

    /// The formats in which it gives them.
    pub fn gives(&self) -> Vec<FourCc> {
        let offered = formats::formats(&self.file, self.kind);
        offered.into_iter().map(|f| f.fourcc).collect()
    }

    /// Sets a format on one of its two queues.
    ///
    /// # Errors
    /// It refuses, or has another one instead.
    pub fn set(&self, kind: BufferKind, wanted: &Layout) -> Result<Layout> {
        // Fields are the camera's: a codec has no word for them.
        let whole = Layout {
            field: field::ANY,
            ..*wanted
        };
        let set = v4l2::set_layout(&self.file, kind, &whole);
        let got = set.map_err(|e| self.failed("can't set the format", e))?;
        let (asked, is) = (wanted.format.fourcc, got.format.fourcc);
        if is != asked || got.planes != 1 {
            let why = if is == asked {
                format!("the {} has {is} in several pieces of memory only", self.what)
            } else {
                format!("the {} has no {asked} (but {is})", self.what)
            };
            return Err(Error::new(self.path.display(), "can't set the format", why));
        }
        Ok(got)
    }

    /// Sets its controls; what did not go as wished is given to `warn`.
    pub fn apply(&self, settings: &[Setting], warn: &mut dyn FnMut(String)) {
        let path = self.path.display().to_string();
        apply_v4l2(&self.file, &path, settings).into_iter().for_each(warn);
    }

    /// The error for a device that did not start.
    pub fn failed(&self, tried: &str, errno: Errno) -> Error {
        let why = match errno {
            Errno::ENOMEM => format!(
                "no memory for the {}'s buffers. A smaller picture needs less; on a Raspberry Pi, cma=256M at the end \
                 of the line in /boot/firmware/cmdline.txt sets more aside at the next start",
                self.what
            ),
            errno => start_failure(errno, self.file.metadata().map_or(0, |m| m.rdev())),
        };
        Error::new(self.path.display(), tried, why).absent(gone(errno))
    }

    /// The error for a device that has no memory for buffers.
    pub fn no_buffers(&self, errno: Errno) -> Error {
        self.failed("can't get buffers", errno)
    }
}

/// Sets what makes a good live stream, as far as the encoder has it: parameter sets with each key frame, one of these about every
/// second, no frames that lean on later ones, and bits enough for the size and rate; and, where asked for, a floor under the
/// quantization.
pub(super) fn set_defaults(
    node: &CodecNode,
    (width, height): (u32, u32),
    interval: Fraction,
    qp_floor: bool,
) {
    let floor = qp_floor.then_some((ctrl::H264_MIN_QP, QP_FLOOR));
    let fps = i64::from(interval.denominator / interval.numerator.max(1)).max(1);
    let bitrate = 500_000 + i64::from(width) * i64::from(height) * fps / 10;
    for (id, value) in [
        (ctrl::REPEAT_SEQ_HEADER, 1),
        (ctrl::PREPEND_SPSPPS_TO_IDR, 1),
        (ctrl::HEADER_MODE, 1),
        (ctrl::B_FRAMES, 0),
        (ctrl::GOP_SIZE, fps),
        (ctrl::H264_I_PERIOD, fps),
        (ctrl::BITRATE, bitrate),
    ]
    .into_iter()
    .chain(floor)
    {
        let Ok(control) = v4l2::query_control(&node.file, id) else {
            continue;
        };
        let value = value.max(control.minimum).min(control.maximum);
        if let Err(errno) = v4l2::set_number(&node.file, &control, value) {
            log_verbose!(
                "{}: {} = {value}: {}",
                node.path.display(),
                control.name,
                sys::words(errno)
            );
        }
    }
}

/// Sets what a device is given: as the source has it, cut to the picture, so that nothing needs to be copied; or else
/// of the picture's size.
pub(super) fn raw_input(node: &CodecNode, source: &Raw, fourcc: FourCc) -> Result<Raw> {
    let visible = source.visible;
    let mut wanted = source.layout;
    wanted.format.fourcc = fourcc;
    wanted.size_bytes = 0;
    let mut layout = wanted;
    for whole in [true, false] {
        if !whole {
            (wanted.format.width, wanted.format.height) = visible;
            wanted.stride_bytes = 0;
        }
        layout = node.set(node.kind.output(), &wanted)?;
        let got = (layout.format.width, layout.format.height);
        let enough = got.0 >= visible.0 && got.1 >= visible.1;
        let cut = || v4l2::set_cropped(&node.file, visible) == Ok(visible);
        if got == visible || enough && cut() {
            return Ok(Raw { layout, visible });
        }
    }
    let Format { width, height, .. } = layout.format;
    let why = format!(
        "the {} takes no pictures of {}x{} (but {width}x{height}); set another width and height",
        node.what, visible.0, visible.1
    );
    Err(Error::new(node.path.display(), "can't set the format", why))
}
