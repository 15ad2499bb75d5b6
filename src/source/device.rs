//! A V4L2 camera as the config names it, opened through the best pipeline that works; see [`select`](super::select).

use super::capture::CaptureConfig;
use super::chain::{self, ChainConfig, Transfer};
use super::formats::{self, WithoutH264};
use super::frame::{Source, SourceInfo};
use super::history::{History, warn_once};
use super::input;
use super::m2m::M2mDevice;
use super::node::OpenNode;
use super::pipeline::Pipeline;
use super::select::{self, CameraFormat, Candidate, Options};
use super::{camera, control, lookup, rpicam};
use crate::config::{
    Camera, CaptureFormat, ChainKeys, Config, DeviceName, InputKeys, Memory, PRESENT_INPUT, Setting,
};
use crate::error::{Error, Result};
use crate::log_verbose;
use crate::sys::v4l2::{BufferKind, Capabilities, FourCc, OfferedFormat};
use std::path::{Path, PathBuf};

/// A device that is to be opened.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// The device node or a symlink to it.
    pub path: &'a Path,
    /// Pixels, width and height.
    pub size: (u32, u32),
    /// Frames a second.
    pub fps: u32,
    /// Controls to set on it.
    pub controls: &'a [Setting],
    /// The config's key.
    pub capture_format: CaptureFormat,
    /// The config's other keys of the pipeline.
    pub keys: &'a ChainKeys,
    /// The config's keys of what comes in at it from elsewhere.
    pub input: &'a InputKeys,
    /// Motion is looked for.
    pub motion: bool,
}

/// The first camera here that gives H.264, else the first from which some can be made, else the first with JPEG pictures;
/// and whether it is to be H.264.
pub fn find(camera: &Camera) -> Option<(PathBuf, bool)> {
    let (m2m_devices, keys) = (lookup::m2m_devices(), ChainKeys::default());
    let mut best: Option<(u8, PathBuf)> = None;
    for path in lookup::nodes() {
        let pipelines = Device::any(&path, camera, &keys)
            .pipelines(&m2m_devices)
            .unwrap_or_default();
        let rank = match pipelines.first().map(|first| &first.pipeline) {
            Some(Pipeline::Own) => 0,
            Some(Pipeline::Muxed | Pipeline::Encoded { .. }) => 1,
            Some(Pipeline::Jpeg) => 2,
            None => continue,
        };
        if best.as_ref().is_none_or(|(before, _)| rank < *before) {
            best = Some((rank, path));
        }
        if rank == 0 {
            break;
        }
    }
    best.map(|(rank, path)| (path, rank < 2))
}

/// Takes the sections of encoders and decoders from among the cameras, as those that an `encoder =` or `decoder =` names:
/// they hold controls.
pub fn set_apart(mut config: Config) -> Config {
    config
        .set_codecs_apart(&|device| matches!(device, DeviceName::Path(path) if lookup::is_m2m_device(path)));
    config
}

impl<'a> Device<'a> {
    /// One that the config does not name.
    pub fn any(path: &'a Path, camera: &'a Camera, keys: &'a ChainKeys) -> Device<'a> {
        Device {
            path,
            size: (camera.width, camera.height),
            fps: camera.fps,
            controls: &[],
            capture_format: CaptureFormat::Auto,
            keys,
            input: &PRESENT_INPUT,
            motion: camera.motion,
        }
    }

    /// All pipelines from this camera to the stream, the best one first; `m2m_devices` are the machine's, see
    /// [`lookup::m2m_devices`]. None if it gives nothing that can be served.
    ///
    /// # Errors
    /// It can't be opened, or is no camera.
    pub fn pipelines(&self, m2m_devices: &[M2mDevice]) -> Result<Vec<Candidate>> {
        Ok(self.pipelines_of(&self.look()?.0, m2m_devices))
    }

    /// The camera's node, and the queue on which it captures.
    fn look(&self) -> Result<(OpenNode, BufferKind)> {
        let found = OpenNode::open(self.path)?;
        let kind = found
            .capture
            .map_err(|what| Error::new(self.path.display(), "not a camera", what))?;
        Ok((found, kind))
    }

    /// The camera's node with its input set to what comes in there, and the size of that if it has one.
    fn look_tuned(&self, history: &mut History) -> Result<(OpenNode, Option<(u32, u32)>)> {
        // Before it is opened again: there are devices that can be open once only.
        history.signal = None;
        let (mut found, kind) = self.look()?;
        let warn = &mut |words| warn_once(&mut history.warned, words);
        let signal = match input::tune(&found.file, self.path, self.input, warn) {
            Ok(signal) => signal,
            Err(e) => {
                history.signal = Some(found.file);
                return Err(e);
            }
        };
        if signal.is_some() || self.input.input.is_some() {
            // They may be others for each input and signal.
            found.formats = formats::formats(&found.file, kind);
        }
        Ok((found, signal.and_then(|signal| signal.size())))
    }

    /// All pipelines of a camera that was looked at.
    pub(super) fn pipelines_of(&self, found: &OpenNode, m2m_devices: &[M2mDevice]) -> Vec<Candidate> {
        let OpenNode {
            file,
            capabilities,
            formats,
            ..
        } = found;
        let given = |f: &OfferedFormat| CameraFormat {
            fourcc: f.fourcc,
            compressed: f.compressed,
            fit: formats::fit(file, f.fourcc, self.size, self.fps),
        };
        let given: Vec<CameraFormat> = match self.without_h264(capabilities, formats) {
            // These give no pictures yet.
            WithoutH264::Nothing | WithoutH264::Processor | WithoutH264::Sensor => Vec::new(),
            WithoutH264::Mjpeg(_) | WithoutH264::Raw(_) => formats.iter().map(given).collect(),
        };
        let choice = Options {
            given: &given,
            muxes: control::has_encoder(file),
            m2m_devices,
            capture_format: self.capture_format,
            keys: self.keys,
            no_encoder: &no_encoder(),
        };
        choice.pipelines()
    }

    fn without_h264(&self, capabilities: &Capabilities, formats: &[OfferedFormat]) -> WithoutH264 {
        formats::without_h264(capabilities, formats, self.path, self.size, self.fps)
    }

    /// Opens it through the first pipeline that works, and of which nothing bad is known. What can't be had as wished is
    /// logged, unless it is in the log already.
    ///
    /// # Errors
    /// There is no pipeline, or, if there are some, why the best one fails.
    pub fn open(&self, history: &mut History) -> Result<Box<dyn Source>> {
        let m2m_devices = lookup::m2m_devices();
        // With its own H.264 it needs neither.
        let own = matches!(
            self.capture_format,
            CaptureFormat::H264 | CaptureFormat::MuxedH264
        );
        for (key, name) in [("encoder", &self.keys.encoder), ("decoder", &self.keys.decoder)] {
            let missing = |name: &&DeviceName| !own && !m2m_devices.iter().any(|device| device.is(name));
            if let Some(name) = name.as_ref().filter(missing) {
                return Err(no_such_codec(key, name, &m2m_devices));
            }
        }
        let (found, signal_size) = self.look_tuned(history)?;
        let mut controls = Vec::new();
        for setting in self.controls {
            if !history.turned || !control::turns(&setting.name) {
                controls.push(setting.clone());
            }
        }
        let tuned = Device {
            size: signal_size.unwrap_or(self.size),
            controls: &controls,
            ..*self
        };
        let pipelines = tuned.pipelines_of(&found, &m2m_devices);
        let card = found.capabilities.card.clone();
        // There are devices that can be open once only.
        drop(found);
        let known = |candidate: &Candidate| history.failure(&candidate.pipeline).is_some();
        if pipelines.iter().all(known) {
            history.forget_failures();
        }
        let mut failed = None;
        let mut but = String::new();
        for Candidate { pipeline, why } in &pipelines {
            let opened = match history.failure(pipeline) {
                Some(e) => Err(e.clone()),
                None => {
                    let hint = match pipeline {
                        Pipeline::Jpeg if self.capture_format == CaptureFormat::Auto => {
                            "; fmp4streamer --probe has a command for H.264"
                        }
                        _ => "",
                    };
                    let why = format!("{why}{but}{hint}");
                    tuned.open_pipeline(pipeline, &card, &m2m_devices, &why, &mut history.warned)
                }
            };
            match opened {
                Ok(source) => {
                    history.turned = true;
                    return Ok(source);
                }
                // It is the camera that went.
                Err(e) if !self.path.exists() => return Err(e),
                Err(e) => {
                    log_verbose!("{pipeline}: {e}");
                    but += &format!("; not {pipeline}: {e}");
                    failed = failed.or(Some(e));
                }
            }
        }
        Err(failed.unwrap_or_else(|| self.no_pipeline(&m2m_devices)))
    }

    // In line, the frame would have both kinds of source, and be too large for short instructions.
    #[inline(never)]
    fn open_pipeline(
        &self,
        pipeline: &Pipeline,
        card: &str,
        m2m_devices: &[M2mDevice],
        why: &str,
        warned: &mut Vec<String>,
    ) -> Result<Box<dyn Source>> {
        let camera = |format| CaptureConfig {
            path: self.path,
            width: self.size.0,
            height: self.size.1,
            fps: self.fps,
            format,
            muxed: *pipeline == Pipeline::Muxed,
            controls: self.controls,
            input: self.input,
        };
        let own = |info: &mut SourceInfo| {
            info.pipeline = Some(pipeline.clone());
            info.chain = format!("{} ({card}) {pipeline}", self.path.display());
            info.why = why.to_owned();
        };
        Ok(match pipeline {
            Pipeline::Own | Pipeline::Muxed | Pipeline::Jpeg => {
                let format = match pipeline {
                    Pipeline::Own => FourCc::H264,
                    _ => FourCc::MJPEG,
                };
                let mut source = camera::open(&camera(format), warned)?;
                own(&mut source.info);
                Box::new(source)
            }
            Pipeline::Encoded {
                input,
                decoder,
                encoder,
            } => {
                let controls_of = |node: &Path| {
                    let device = m2m_devices.iter().find(|device| device.path == node);
                    let mut sections = self.keys.codecs.iter();
                    let section = sections.find(|(name, _)| device.is_some_and(|device| device.is(name)));
                    section.map_or(&[][..], |(_, controls)| controls)
                };
                let format = |key: &Option<String>| key.as_deref().and_then(FourCc::parse);
                let (first, last) = (self.keys.decoder_memory, self.keys.encoder_memory);
                let behind_camera = if decoder.is_some() { first } else { last };
                let wanted = ChainConfig {
                    camera: camera(*input),
                    decoder: decoder.as_deref(),
                    decoder_input: format(&self.keys.decoder_input),
                    decoder_controls: decoder.as_deref().map_or(&[], controls_of),
                    encoder,
                    encoder_input: format(&self.keys.encoder_input),
                    encoder_controls: controls_of(encoder),
                    motion: self.motion,
                    camera_transfer: transfer(
                        self.keys.capture_memory,
                        behind_camera.map(|(takes, _)| takes),
                    ),
                    decoder_transfer: transfer(first.map(|(_, gives)| gives), last.map(|(takes, _)| takes)),
                };
                let mut source = chain::open(&wanted, warned)?;
                source.info.why = why.to_owned();
                source.info.pipeline = Some(pipeline.clone());
                source.info.jpeg_too = *input == FourCc::MJPEG || *input == FourCc::JPEG;
                Box::new(source)
            }
        })
    }

    /// The error for a camera of which nothing can be served.
    #[inline(never)]
    fn no_pipeline(&self, m2m_devices: &[M2mDevice]) -> Error {
        let found = match OpenNode::open(self.path) {
            Ok(found) => found,
            Err(e) => return e,
        };
        let OpenNode {
            file,
            capabilities,
            formats,
            ..
        } = &found;
        let offered = formats::line(file, formats);
        let (why, command) = match self.without_h264(capabilities, formats) {
            WithoutH264::Nothing => (
                "it offers no format at all now (a loopback device needs a program that feeds it)".into(),
                None,
            ),
            WithoutH264::Processor => (
                "it is a part of the image processor that libcamera works with".into(),
                None,
            ),
            WithoutH264::Sensor => (
                "it is the raw sensor of a CSI camera, which needs libcamera: put [rpicam] into the config in place \
                 of this section"
                    .into(),
                None,
            ),
            WithoutH264::Mjpeg(_) | WithoutH264::Raw(_) if self.pins_another(formats) => (
                format!("it offers {offered}; take capture_format out of its section"),
                None,
            ),
            WithoutH264::Mjpeg(command) | WithoutH264::Raw(command) => {
                let m2m_devices = m2m_devices.iter().filter(|device| device.is_encoder() || device.is_decoder());
                let m2m_devices: Vec<String> = m2m_devices.map(M2mDevice::words).collect();
                let why = match m2m_devices.as_slice() {
                    [] => no_encoder(),
                    _ => format!("what is here does not take that: {}", m2m_devices.join("; ")),
                };
                (format!("it offers {offered}, and {why}"), Some(command))
            }
        };
        let way_out = command.map_or(String::new(), |command| {
            format!(
                ". A program can go between: put these two lines into the config: [exec camera] and command = \
                 {command}"
            )
        });
        let wanted = match self.capture_format {
            CaptureFormat::Auto => "H.264".to_owned(),
            pinned => pinned.to_string(),
        };
        let tried = format!("{} gives no {wanted}", capabilities.card);
        Error::new(self.path.display(), tried, why + &way_out)
    }

    /// The config pins a format that is none of these.
    fn pins_another(&self, formats: &[OfferedFormat]) -> bool {
        select::pinned(self.capture_format).is_some_and(|pinned| formats.iter().all(|f| f.fourcc != pinned))
    }
}

/// The words for a machine without an encoder.
fn no_encoder() -> String {
    let board = match rpicam::board_encodes() {
        Some(false) => " (a Raspberry Pi has none from the 5 on)",
        _ => "",
    };
    format!("there is no H.264 encoder here{board}")
}

/// The error for an encoder or decoder that the config names and the machine lacks.
#[inline(never)]
fn no_such_codec(key: &str, name: &DeviceName, m2m_devices: &[M2mDevice]) -> Error {
    let there_are: Vec<String> = m2m_devices.iter().map(M2mDevice::words).collect();
    let there_are = match there_are.as_slice() {
        [] => "any".to_owned(),
        several => format!("it, but {}", several.join("; ")),
    };
    let tried = format!("no such {key}");
    Error::new(
        name,
        tried,
        format_args!(
            "this machine does not have {there_are}. Without the key the best of what there is would be taken"
        ),
    )
}

/// The transfer between two devices, by the config's words for the memory of the one's buffers and of the other's.
fn transfer(gives: Option<Memory>, takes: Option<Memory>) -> Transfer {
    match [gives, takes] {
        sides if sides.contains(&Some(Memory::Dmabuf)) => Transfer::Share,
        [Some(Memory::Mmap), _] => Transfer::Copy,
        _ => Transfer::Auto,
    }
}
