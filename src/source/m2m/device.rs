//! An encoder, a decoder or a converter that this machine has, as the list of devices has it.

use crate::config::DeviceName;
use crate::source::formats::is_jpeg;
use crate::sys::v4l2::{FourCc, OfferedFormat};
use std::path::PathBuf;

/// A device that takes pictures and gives them back in another format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct M2mDevice {
    /// Its node.
    pub path: PathBuf,
    /// Its name, for people.
    pub card: String,
    /// The formats that go in.
    pub takes: Vec<OfferedFormat>,
    /// The formats that come out.
    pub gives: Vec<OfferedFormat>,
}

impl M2mDevice {
    /// True if it takes pictures of this format.
    pub fn takes(&self, fourcc: FourCc) -> bool {
        self.takes.iter().any(|f| f.fourcc == fourcc)
    }

    /// True if it makes H.264 of raw pictures.
    pub fn is_encoder(&self) -> bool {
        self.gives.iter().any(|f| f.fourcc == FourCc::H264) && self.takes.iter().any(|f| !f.compressed)
    }

    /// True if it makes raw pictures of JPEG ones.
    pub fn is_decoder(&self) -> bool {
        self.takes.iter().any(|f| is_jpeg(f.fourcc)) && self.gives.iter().any(|f| !f.compressed)
    }

    /// Its node, name and formats, such as "/dev/video11 (bcm2835-codec-encode) takes YU12, NV12; gives H264".
    pub fn words(&self) -> String {
        format!("{} ({}) {}", self.path.display(), self.card, self.does())
    }

    /// Its formats in and out, such as "takes YU12, NV12; gives H264".
    pub fn does(&self) -> String {
        let list = |formats: &[OfferedFormat]| {
            let names: Vec<String> = formats.iter().map(|f| f.fourcc.to_string()).collect();
            names.join(", ")
        };
        format!("takes {}; gives {}", list(&self.takes), list(&self.gives))
    }

    /// True if the config means it by this name.
    pub fn is(&self, name: &DeviceName) -> bool {
        match name {
            DeviceName::Path(path) => {
                self.path == *path || path.canonicalize().is_ok_and(|path| path == self.path)
            }
            DeviceName::Card(card) => self.card == *card,
            DeviceName::Usb(_) => false,
        }
    }
}
