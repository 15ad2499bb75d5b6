//! How a camera's frames get to the stream: through which formats and devices.

use crate::sys::v4l2::FourCc;
use std::fmt;
use std::path::PathBuf;

/// A pipeline from a camera to the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pipeline {
    /// H.264 as the camera gives it.
    Own,
    /// H.264 out of the JPEG pictures that carry it.
    Muxed,
    /// JPEG pictures as the camera gives them.
    Jpeg,
    /// Through an encoder.
    Encoded {
        /// The camera's format.
        input: FourCc,
        /// The decoder before it, if there is one.
        decoder: Option<PathBuf>,
        /// The encoder.
        encoder: PathBuf,
    },
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pipeline::Own => f.write_str("H264"),
            Pipeline::Muxed => f.write_str("H264 in MJPG"),
            Pipeline::Jpeg => f.write_str("MJPG"),
            Pipeline::Encoded {
                input,
                decoder,
                encoder,
            } => {
                write!(f, "{input} → ")?;
                if let Some(decoder) = decoder {
                    write!(f, "{} → ", decoder.display())?;
                }
                encoder.display().fmt(f)
            }
        }
    }
}
