//! A config in words, for `--check`.

use super::model::{Camera, Config, Record};
use super::nearest::nearest;
use super::source::{Setting, SourceKind};
use crate::format::Codec;

/// The controls that most cameras and encoders have, by the names that the kernel's V4L2 gives them (v4l2-ctrls-defs.c),
/// some of them older. They are for hints alone: only the device knows which it has. The fields of a UVC unit (`uvcx_`) are
/// others.
const COMMON_CONTROLS: [&str; 38] = [
    "auto_exposure",
    "backlight_compensation",
    "brightness",
    "contrast",
    "exposure_absolute",
    "exposure_auto",
    "exposure_auto_priority",
    "exposure_dynamic_framerate",
    "exposure_time_absolute",
    "focus_absolute",
    "focus_auto",
    "focus_automatic_continuous",
    "gain",
    "gamma",
    "h264_i_frame_period",
    "h264_level",
    "h264_profile",
    "horizontal_flip",
    "hue",
    "iso_sensitivity",
    "pan_absolute",
    "power_line_frequency",
    "repeat_sequence_header",
    "rotate",
    "saturation",
    "sharpness",
    "tilt_absolute",
    "vertical_flip",
    "video_bitrate",
    "video_bitrate_mode",
    "video_gop_size",
    "white_balance_automatic",
    "white_balance_auto_preset",
    "white_balance_temperature",
    "white_balance_temperature_auto",
    "wide_dynamic_range",
    "zoom_absolute",
    "zoom_continuous",
];

impl Config {
    /// Says what would run, line by line.
    pub fn describe(&self) -> String {
        let Config {
            file,
            server,
            cameras,
            people,
            notices,
        } = self;
        let mut lines = vec![match file {
            Some(file) => format!("config: {file}"),
            None => "config: no file, all defaults".into(),
        }];
        let address = server.listen.map_or("all addresses".into(), |ip| ip.to_string());
        let clients = server.max_clients;
        lines.push(format!(
            "server: port {} on {address}, at most {clients} streams",
            server.port
        ));
        lines.append(&mut people.describe());
        for camera in cameras {
            lines.append(&mut camera.describe());
        }
        // All chains have the same.
        let codecs = cameras.iter().find_map(|camera| match &camera.source {
            SourceKind::Device { chain, .. } => Some(&chain.codecs),
            _ => None,
        });
        for (device, controls) in codecs.into_iter().flatten() {
            for setting in controls {
                lines.push(format!("{device}: {}", sets(setting)));
            }
        }
        let has_controls = |camera: &Camera| {
            matches!(&camera.source, SourceKind::Device { controls, chain, .. }
                if !controls.is_empty() || !chain.codecs.is_empty())
        };
        if cameras.iter().any(has_controls) {
            lines.push("controls are checked when their device is opened".into());
        }
        lines.extend(notices.iter().map(|notice| format!("warning: {notice}")));
        lines.join("\n") + "\n"
    }
}

impl Camera {
    /// Says what of it would run, line by line.
    fn describe(&self) -> Vec<String> {
        let size = format!("{}x{} at {} fps", self.width, self.height, self.fps);
        let mut lines = vec![self.source.describe(&size)];
        if self.rotation != 0 {
            lines.push(format!("players turn it by {} degrees", self.rotation));
        }
        lines.push(
            match self.auto_sleep && !self.motion && self.record == Record::No {
                true => format!("stops {} s after the last viewer leaves", self.linger.as_secs()),
                false => "runs even while nobody watches".into(),
            },
        );
        lines.extend(self.mic.iter().map(|mic| match self.source.codec_hint() {
            Some(Codec::Jpeg) => format!("does not open {mic}: JPEG pictures have no sound"),
            _ => format!("has sound: {mic}"),
        }));
        if self.motion {
            lines.push("events tell of motion".into());
        }
        match self.record {
            Record::No => {}
            Record::Always => lines.push("is recorded".into()),
            Record::Events => lines.push("is recorded around events".into()),
        }
        if let Some(step) = self.timelapse {
            lines.push(format!(
                "has a time-lapse, of a picture every {} s",
                step.as_secs()
            ));
        }
        if let Some(url) = &self.event_url {
            lines.push(format!("events are sent to {}", url.authority));
        }
        if !self.event_command.is_empty() {
            lines.push("a command is run at each event; so there is no sandbox".into());
        }
        if let SourceKind::Device {
            controls,
            chain,
            input,
            ..
        } = &self.source
        {
            lines.extend(input.input.iter().map(|input| format!("takes its input {input}")));
            for (what, name) in [("decoder", &chain.decoder), ("encoder", &chain.encoder)] {
                if let Some(name) = name {
                    lines.push(format!("goes through the {what} {name}"));
                }
            }
            lines.extend(controls.iter().map(sets));
        }
        lines
            .iter()
            .map(|line| format!("{}: {line}", self.name))
            .collect()
    }
}

/// A control with its value, and the common one that its name was perhaps meant to be.
fn sets(Setting { name, value, .. }: &Setting) -> String {
    let near = nearest(name, COMMON_CONTROLS).filter(|near| near != name && !name.starts_with("uvcx_"));
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    format!("sets {name} = {value}{hint}")
}
