//! The video devices of this machine: which there are, which of them a config means, and what each is good for.
//!
//! Devices are opened, asked and closed; nothing is set on them, and a stream that runs on one goes on.

use super::formats;
use super::m2m::M2mDevice;
use super::node::{OpenNode, m2m_kind};
use super::ranked::insert_ranked;
use crate::config::{DeviceName, UsbId};
use crate::error::{Error, Result};
use crate::sys::file::entries;
use crate::sys::v4l2::{FourCc, OfferedFormat};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the nodes.
pub const DEV: &str = "/dev";
/// The folder in which the kernel shows what each node belongs to (sysfs).
const CLASS: &str = "/sys/class/video4linux";

/// All nodes /dev/videoN, in the order of their numbers.
pub fn nodes() -> Vec<PathBuf> {
    nodes_in(Path::new(DEV))
}

fn nodes_in(dev: &Path) -> Vec<PathBuf> {
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("video")?.parse::<u32>().ok()
    };
    let mut nodes: Vec<(u32, PathBuf)> = Vec::new();
    for path in entries(dev) {
        if let Some(number) = number(&path) {
            insert_ranked(&mut nodes, (number, path), |(number, _)| *number);
        }
    }
    nodes.into_iter().map(|(_, path)| path).collect()
}

/// The numbers that the USB device behind a node has; None if there is no such device.
pub(super) fn usb_id(class: &Path, node: &Path) -> Option<UsbId> {
    // `device` is a symlink to the USB interface, and what is above that, the USB device.
    let device = class.join(node.file_name()?).join("device/..");
    let text = |file: &str| {
        // The serial number is the device's own text; control characters could play tricks on a terminal.
        let text = fs::read_to_string(device.join(file)).ok()?;
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        Some(text.trim().to_owned())
    };
    let id = |file: &str| u16::from_str_radix(&text(file)?, 16).ok();
    Some(UsbId {
        vendor: id("idVendor")?,
        product: id("idProduct")?,
        serial: text("serial").filter(|serial| !serial.is_empty()),
    })
}

/// udev's symlink to a node that stays the same: by what it is, else by where it is plugged in. Of cameras that are
/// `alike` only the second tells them apart: they have the first in common, and it means now one, now the other.
fn link(dev: &Path, node: &Path, alike: bool) -> Option<PathBuf> {
    let node = fs::canonicalize(node).ok()?;
    let mut folders = ["v4l/by-id", "v4l/by-path"];
    if alike {
        folders.reverse();
    }
    folders.iter().find_map(|folder| {
        let mut first: Option<PathBuf> = None;
        for link in entries(&dev.join(folder)) {
            let is_one = fs::canonicalize(&link).is_ok_and(|target| target == node);
            if is_one && first.as_ref().is_none_or(|first| link < *first) {
                first = Some(link);
            }
        }
        first
    })
}

/// A node that was looked at.
pub(super) struct VideoNode {
    pub path: PathBuf,
    usb: Option<UsbId>,
    pub found: Result<OpenNode>,
}

impl VideoNode {
    fn look(path: PathBuf) -> VideoNode {
        let found = OpenNode::open(&path);
        let usb = usb_id(Path::new(CLASS), &path);
        VideoNode { path, usb, found }
    }

    fn is(&self, name: &DeviceName) -> bool {
        match name {
            DeviceName::Path(path) => self.path == *path,
            DeviceName::Usb(id) => self.usb.as_ref().is_some_and(|found| id.means(found)),
            DeviceName::Card(card) => self.found.as_ref().is_ok_and(|f| f.capabilities.card == *card),
        }
    }
}

/// A node of a Raspberry Pi's own camera, which only libcamera can use.
pub fn pi_sensor() -> Option<PathBuf> {
    let is_it = |found: &OpenNode| formats::is_pi_sensor(&found.capabilities, &found.formats);
    for path in nodes() {
        let node = VideoNode::look(path);
        if node.found.as_ref().is_ok_and(is_it) {
            return Some(node.path);
        }
    }
    None
}

/// The node that a name means at this moment.
///
/// A camera may have several nodes: of those that capture video it is the one with the `format`, else the first.
///
/// # Errors
/// There is no such camera (the error is one of absence), there are several, or it can't be opened.
pub fn find(name: &DeviceName, format: FourCc) -> Result<PathBuf> {
    if let DeviceName::Path(path) = name {
        return Ok(path.clone());
    }
    let nodes = match name {
        // Other cameras are left alone: opening one may wake it up.
        DeviceName::Usb(id) => usb_nodes(id)?,
        _ => nodes(),
    };
    resolve(name, format, &look_at(nodes)).map(Path::to_owned)
}

/// The nodes of the USB cameras that `id` means. The kernel knows them without opening any.
///
/// # Errors
/// There is none (the error is one of absence).
pub fn usb_nodes(id: &UsbId) -> Result<Vec<PathBuf>> {
    let (mut named, mut others) = (Vec::new(), Vec::<(PathBuf, UsbId)>::new());
    for path in nodes() {
        match usb_id(Path::new(CLASS), &path) {
            Some(found) if id.means(&found) => named.push(path),
            // The nodes of a camera stand together.
            Some(found) if others.last().is_none_or(|(_, last)| *last != found) => {
                others.push((path, found));
            }
            _ => {}
        }
    }
    if named.is_empty() {
        let others = others
            .iter()
            .map(|(path, id)| format!("{id} ({})", path.display()));
        let others: Vec<String> = others.collect();
        return Err(absent(&DeviceName::Usb(id.clone()), &others));
    }
    Ok(named)
}

/// The error for a camera that is not there, with the others that are.
fn absent(name: &DeviceName, others: &[String]) -> Error {
    let why = match (others, name) {
        ([], DeviceName::Usb(_)) => "there is no USB camera at all".into(),
        ([], _) => "there is no camera at all".into(),
        _ => format!("there is {}", others.join(", ")),
    };
    Error::new(name, "no such camera", format_args!("{why}; waiting for it")).absent(true)
}

/// The node of the one camera that a name means; see [`find`].
fn resolve<'a>(name: &DeviceName, format: FourCc, seen: &'a [VideoNode]) -> Result<&'a Path> {
    let named: Vec<&VideoNode> = seen.iter().filter(|seen| seen.is(name)).collect();
    // One for each camera: what is plugged in at the same place is one, by whatever name.
    let mut cameras: Vec<(&VideoNode, &OpenNode)> = Vec::new();
    for node in &named {
        let Ok(found) = &node.found else { continue };
        let same = |other: &OpenNode| other.capabilities.bus == found.capabilities.bus;
        match cameras.iter_mut().find(|(_, other)| same(other)) {
            _ if found.capture.is_err() => {}
            Some((_, other)) if other.gives(format) || !found.gives(format) => {}
            Some(camera) => *camera = (node, found),
            None => cameras.push((node, found)),
        }
    }
    match cameras.as_slice() {
        [(camera, _)] => Ok(&camera.path),
        [] => match named.iter().find_map(|node| node.found.as_ref().err()) {
            Some(error) => Err(error.clone()),
            None => Err(absent(name, &cameras_of(seen))),
        },
        several => {
            let words = |(node, found): &(&VideoNode, &OpenNode)| match &node.usb {
                Some(usb) => format!("{} ({usb})", node.path.display()),
                None => format!("{} ({})", node.path.display(), found.capabilities.bus),
            };
            let list: Vec<String> = several.iter().map(words).collect();
            let why = format!(
                "{} cameras match: {}. Name one by its serial number, if it has one (usb:VID:PID:SERIAL), or \
                 by its path, such as one in /dev/v4l/by-path, which stays the same for a socket",
                list.len(),
                list.join(", ")
            );
            Err(Error::new(name, "can't choose", why))
        }
    }
}

/// The names of all cameras, and what could not be opened with the reason.
fn cameras_of(seen: &[VideoNode]) -> Vec<String> {
    let words = |node: &VideoNode| match &node.found {
        Ok(found) if found.capture.is_err() => None,
        Ok(found) => Some(format!(
            "card:{} ({})",
            found.capabilities.card,
            node.path.display()
        )),
        Err(error) => Some(error.to_string()),
    };
    seen.iter().filter_map(words).collect()
}

/// All nodes /dev/videoN, each looked at.
pub(super) fn look() -> Vec<VideoNode> {
    look_at(nodes())
}

fn look_at(nodes: Vec<PathBuf>) -> Vec<VideoNode> {
    nodes.into_iter().map(VideoNode::look).collect()
}

/// The sections that mean this node, the one that lasts best first; one at least.
pub(super) fn sections(node: &VideoNode, all: &[VideoNode], dev: &Path) -> Vec<String> {
    let usb = node.usb.clone().map(DeviceName::Usb);
    let alike = usb.is_some_and(|name| resolve(&name, FourCc::H264, all).is_err());
    names(node, all, link(dev, &node.path, alike))
}

fn names(node: &VideoNode, all: &[VideoNode], lasting: Option<PathBuf>) -> Vec<String> {
    let mut sections = Vec::new();
    let mut add = |name: DeviceName| {
        let only_this =
            matches!(name, DeviceName::Path(_)) || resolve(&name, FourCc::H264, all) == Ok(&node.path);
        let name = name.to_string();
        // What would end the section's name too early can't stand in it.
        if only_this && !name.contains(']') {
            sections.push(format!("[{name}]"));
        }
    };
    if let Some(usb) = &node.usb {
        add(DeviceName::Usb(usb.clone()));
    }
    if let Some(link) = lasting {
        add(DeviceName::Path(link));
    }
    // A USB camera is known by its numbers wherever it is; any other is where it is.
    if node.usb.is_none() {
        add(DeviceName::Path(node.path.clone()));
    }
    match &node.found {
        Ok(found) if !found.capabilities.card.is_empty() => {
            add(DeviceName::Card(found.capabilities.card.clone()));
        }
        _ => {}
    }
    if sections.is_empty() {
        sections.push(format!("[{}]", node.path.display()));
    }
    sections
}

/// The encoders, decoders and the like, in the order of their numbers. USB devices are left alone: none is one, and
/// opening one may wake it up.
pub fn m2m_devices() -> Vec<M2mDevice> {
    let mut devices = Vec::new();
    for path in nodes() {
        if usb_id(Path::new(CLASS), &path).is_none() {
            devices.extend(m2m_device(&VideoNode::look(path)));
        }
    }
    devices
}

/// True if a node is an encoder, a decoder or the like.
pub fn is_m2m_device(path: &Path) -> bool {
    usb_id(Path::new(CLASS), path).is_none() && m2m_device(&VideoNode::look(path.to_owned())).is_some()
}

/// The node as an encoder, a decoder or the like; None if it is none.
pub(super) fn m2m_device(node: &VideoNode) -> Option<M2mDevice> {
    let found = node.found.as_ref().ok()?;
    let kind = m2m_kind(found.capabilities.caps)?;
    Some(M2mDevice {
        path: node.path.clone(),
        card: found.capabilities.card.clone(),
        takes: formats::input_formats(&found.file, kind),
        gives: formats::formats(&found.file, kind),
    })
}

/// The use of an encoder, a decoder or the like, in words.
pub(super) fn m2m_words(device: &M2mDevice) -> String {
    let coded = |formats: &[OfferedFormat]| formats.iter().any(|f| f.compressed);
    let what = if device.is_encoder() {
        "an H.264 encoder, for cameras that give raw pictures"
    } else if coded(&device.gives) {
        "an encoder, but not for H.264; of no use here"
    } else if device.is_decoder() {
        "a decoder, for cameras that give MJPEG, before an encoder"
    } else if coded(&device.takes) {
        "a decoder, but not for MJPEG; of no use here"
    } else {
        "a scaler or converter; of no use here"
    };
    format!("it is {what} ({})", device.does())
}

#[cfg(test)]
#[path = "tests/lookup.rs"]
pub(super) mod tests;
