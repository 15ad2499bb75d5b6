//! What would run, in words, for `--check`.

use super::model::{Camera, Config};
use super::source::{CaptureFormat, SourceKind};

impl Config {
    /// What would run, line by line, for `--check`.
    pub fn describe(&self) -> String {
        let Config {
            file,
            server,
            cameras,
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
        lines.extend(cameras.iter().flat_map(Camera::describe));
        // All chains have the same.
        let codecs = cameras.iter().find_map(|camera| match &camera.source {
            SourceKind::Device { chain, .. } => Some(&chain.codecs),
            _ => None,
        });
        for (device, controls) in codecs.into_iter().flatten() {
            lines.extend(
                controls
                    .iter()
                    .map(|s| format!("{device}: sets {} = {}", s.name, s.value)),
            );
        }
        lines.extend(notices.iter().map(|notice| format!("warning: {notice}")));
        lines.join("\n") + "\n"
    }
}

impl Camera {
    /// What would run, line by line, for `--check`.
    fn describe(&self) -> Vec<String> {
        let size = format!("{}x{} at {} fps", self.width, self.height, self.fps);
        let source = match &self.source {
            SourceKind::Auto => {
                format!(
                    "the first camera, H.264 ones before others, else the Raspberry Pi's own, {size}; the test \
                     picture until there is one"
                )
            }
            SourceKind::Device {
                device,
                capture_format,
                ..
            } => match capture_format {
                CaptureFormat::Auto => format!("{device}, {size}, the best way that there is"),
                format => format!("{device}, {format} {size}"),
            },
            SourceKind::Exec { command } => format!("the command {command}"),
            SourceKind::Rpicam(rpicam) => {
                let format = if rpicam.mjpeg { "MJPG" } else { "H264" };
                format!("a camera through rpicam-vid, {format} {size}")
            }
            SourceKind::Test => format!("the test picture, {size}"),
        };
        let mut lines = vec![source];
        if self.rotation != 0 {
            lines.push(format!("players turn it by {} degrees", self.rotation));
        }
        lines.push(match self.auto_sleep {
            true => format!("sleeps {} s after the last viewer left", self.linger.as_secs()),
            false => "never sleeps".into(),
        });
        if let SourceKind::Device { controls, chain, .. } = &self.source {
            for (what, name) in [("decoder", &chain.decoder), ("encoder", &chain.encoder)] {
                lines.extend(name.iter().map(|name| format!("goes through the {what} {name}")));
            }
            lines.extend(controls.iter().map(|s| format!("sets {} = {}", s.name, s.value)));
        }
        lines
            .iter()
            .map(|line| format!("{}: {line}", self.name))
            .collect()
    }
}
