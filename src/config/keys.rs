//! The table of keys: it drives the reading, the errors, and what `fmp4streamer.conf.dist` and the README
//! must say.

pub use super::key::{Doc, Key, doc};

use super::device::DeviceName;
use super::mic::MicName;
use super::model::{Draft, MOTION_THRESHOLDS, Sandbox};
use super::nearest::nearest;
use super::pan_tilt::{HeadKind, degrees, i2c_address, presets, pulses};
use super::people::Role;
use super::record_keys::{DIR, DONE_COMMAND, EVENT_MAX_GB, KEEP_DAYS, KEEP_FREE, MAX_GB, RECORD, TIMELAPSE};
use super::scope::{ALL, Scope};
use super::source::{CaptureFormat, ChainKeys, Edid, InputKeys, Memory, SourceKind, Standard};
use super::values::{
    Refused, address, is_fourcc, is_host, is_name, known, list, one_line, origin, sent_origin, switch, within,
};
use crate::format::password::Password;
use crate::format::url::Url;
use std::time::Duration;

/// The field of a USB camera's H.264 unit that makes it put H.264 into its JPEG pictures.
pub const STREAM_MUX: &str = "uvcx_h264_stream_mux";

/// Keys of an `[rpicam]` section that are names of other cameras' controls, too.
pub const FLIPS: [&str; 2] = ["hflip", "vflip"];

/// A key for an option of `rpicam-vid` that has none of its own begins so.
pub const RPICAM_PREFIX: &str = "rpicam_";

/// True if any kind of section has this key.
pub fn is_known(key: &str) -> bool {
    find(&ALL, key).is_some() || key.starts_with(RPICAM_PREFIX)
}

/// A hint for somebody who wrote a key that none of these scopes has.
pub fn hint(scopes: &[Scope], key: &str) -> Option<String> {
    if let Some(elsewhere) = find(&ALL, key) {
        return Some(format!("{key} belongs in {}", elsewhere.scope.home()));
    }
    nearest(key, of(scopes).map(|key| key.name)).map(|name| format!("did you mean {name}?"))
}

/// The key of that name in one of these scopes.
pub fn find(scopes: &[Scope], name: &str) -> Option<&'static Key> {
    of(scopes).find(|key| key.name == name)
}

/// All keys of these scopes.
pub fn of(scopes: &[Scope]) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| scopes.contains(&key.scope))
}

/// Every key, in the order of `fmp4streamer.conf.dist`.
pub static KEYS: &[Key] = &[
    Key {
        scope: Scope::Server,
        name: "listen",
        default: "",
        doc: doc("The address to listen on. Empty: all addresses of this machine, IPv4 and IPv6."),
        allowed: "nothing, an IPv4 or IPv6 address of this machine, or localhost",
        set: |draft, text| {
            draft.server.listen = address(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "port",
        default: "8000",
        doc: doc("The TCP port to listen on. 0: any free port, which the log then names."),
        allowed: "a whole number from 0 to 65535",
        set: |draft, text| {
            draft.server.port = within(text, 0..=u16::MAX.into())?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "priority",
        default: "0",
        doc: doc(
            "The nice value of the program. Below 0 it is preferred to other programs, which needs root's \
              rights.",
        ),
        allowed: "a whole number from -20 to 19",
        set: |draft, text| {
            draft.server.priority = within(text, -20..=19)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "max_clients",
        default: "100",
        doc: doc("How many streams are served at once. The next client is asked to try again later."),
        allowed: "a whole number from 1 to 10000",
        set: |draft, text| {
            draft.server.max_clients = within(text, 1..=10_000)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "max_age_ms",
        default: "1000",
        doc: doc(
            "How far, in milliseconds, a viewer's connection may fall behind the camera before it skips \
              to the next key frame.",
        ),
        allowed: "a whole number from 100 to 60000",
        set: |draft, text| {
            draft.server.max_age = Duration::from_millis(within(text, 100..=60_000)?);
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "join_max_s",
        default: "4",
        doc: doc(
            "To start at once, a new viewer is sent everything since the last key frame. If that is more \
              than this many seconds, the viewer waits for the next key frame.",
        ),
        allowed: "a whole number from 1 to 60",
        set: |draft, text| {
            draft.server.join_max = Duration::from_secs(within(text, 1..=60)?);
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "join_max_mb",
        default: "4",
        doc: doc(
            "The same limit in megabytes (millions of bytes): if there is more than this since the last \
              key frame, a new viewer waits for the next one.",
        ),
        allowed: "a whole number from 1 to 64",
        set: |draft, text| {
            draft.server.join_max_bytes = within::<usize>(text, 1..=64)? * 1_000_000;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "clip_s",
        default: "0",
        doc: doc(
            "How many seconds of each camera's video are kept in memory, for /clip.mp4?before=10: as many as \
              have room in twice join_max_mb. A camera that sleeps has none (auto_sleep). 0: what new viewers need.",
        ),
        allowed: "a whole number from 0 to 300",
        set: |draft, text| {
            draft.server.clip = Duration::from_secs(within(text, 0..=300)?);
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "hosts",
        default: "",
        doc: doc(
            "Further names under which browsers may reach this machine, such as cam.example.org. IP \
              addresses, localhost, names without a dot, *.local, *.lan, *.home.arpa, *.internal, \
              *.localdomain and the machine's own names always work: what it is called, also in the search \
              domains of /etc/resolv.conf, and what /etc/hosts calls its addresses. Other names are refused, \
              because any web page could otherwise reach the camera through a name of its own (DNS rebinding).",
        ),
        allowed: "host names without port, separated by commas, spaces or lines; * for any name",
        set: |draft, text| {
            draft.server.hosts = list(text, |name| known((name == "*" || is_host(name)).then_some(())))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "frame_ancestors",
        default: "",
        doc: doc(
            "Web pages of other sites that may show this page in a frame, such as \
              https://home.example.org:8123. The machine's own pages always may.",
        ),
        allowed: "origins as http://HOST or https://HOST:PORT (the host may begin with *.), separated by \
                  commas, spaces or lines; * for any page",
        set: |draft, text| {
            draft.server.frame_ancestors = list(text, origin)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "cors_origins",
        default: "",
        doc: doc(
            "Web pages of other sites that may show pictures and video, and whose scripts may use the \
              stream and /status, by fetch (CORS) and WebSocket, such as those of \
              http://home.example.org:8123.",
        ),
        allowed: "origins as http://HOST or https://HOST:PORT, of apps as capacitor://HOST or tauri://HOST, or null for \
                  pages without one (of files, in sandboxes), separated by commas, spaces or lines; * for any page",
        set: |draft, text| {
            draft.server.cors_origins = list(text, sent_origin)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "base_path",
        default: "",
        doc: doc(
            "The path at which a proxy shows this server, such as /cam, if the proxy passes that path on. \
              Everything is then at /cam/ as well as at the root. With a proxy that removes the path, \
              leave this empty.",
        ),
        allowed: "nothing, or a path as /cam or /house/cam: letters, digits and -._~ between slashes",
        set: |draft, text| {
            let path = text.trim_end_matches('/');
            let good = |part: &str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            };
            let parts = path.strip_prefix('/').map(|rest| rest.split('/').all(good));
            known(parts.unwrap_or(path.is_empty()).then_some(()))?;
            draft.server.base_path = path.into();
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "sandbox",
        default: "auto",
        doc: doc(
            "What the program gives up for good when it starts, in case somebody finds a hole in it. \
              auto: all files except devices and those that it has to read (Landlock), new sockets (but for \
              event_url) and other programs (seccomp), each if the kernel supports it, and none of it if a camera is a \
              command or has an event_command or record_done_command. strict: also the system calls that it does not need; there can be no \
              command then. off: nothing.",
        ),
        allowed: "auto, strict or off",
        set: |config, text| {
            config.server.sandbox = match text {
                "auto" => Sandbox::Auto,
                "strict" => Sandbox::Strict,
                "off" => Sandbox::Off,
                _ => return Err(Refused::NotAllowed),
            };
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "controls",
        default: "off",
        doc: doc(
            "Whether everybody who reaches the port may change and turn the cameras while the config has no \
              [user NAME] and no [anonymous]. With one of those, its role says who may.",
        ),
        allowed: "on or off",
        set: |draft, text| {
            draft.server.controls = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "historical_orient",
        default: "no",
        doc: doc(
            "Whether cameras are also turned by GET /do_orient?pan=10&tilt=-5, the address of the pan-tilt fork of \
              pistreaming, for pages that were written for it. Both signs are turned round, as they were there.",
        ),
        allowed: "yes or no",
        set: |draft, text| {
            draft.server.historical_orient = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "rtsp",
        default: "no",
        doc: doc(
            "Whether the cameras are also served by RTSP, for recorders and programs that speak nothing else: at \
              rtsp://HOST:8554/NAME, or without a name if there is one camera alone.",
        ),
        allowed: "yes or no",
        set: |draft, text| {
            draft.server.rtsp = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "rtsp_port",
        default: "8554",
        doc: doc("The TCP port of RTSP. 0: any free port, which the log then names."),
        allowed: "a whole number from 0 to 65535",
        set: |draft, text| {
            draft.server.rtsp_port = within(text, 0..=u16::MAX.into())?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "rtsp_udp",
        default: "no",
        doc: doc(
            "Whether RTSP also sends by UDP, to ports that the client names, which firewalls on the way have to let \
              through: for the few recorders that can do nothing else.",
        ),
        allowed: "yes or no",
        set: |draft, text| {
            draft.server.rtsp_udp = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Server,
        name: "onvif",
        default: "no",
        doc: doc(
            "Whether recorders that know cameras by ONVIF alone find these, and are led to RTSP, which has to be on \
              (rtsp = yes).",
        ),
        allowed: "yes or no",
        set: |draft, text| {
            draft.server.onvif = known(switch(text))?;
            Ok(())
        },
    },
    DIR,
    MAX_GB,
    EVENT_MAX_GB,
    KEEP_FREE,
    KEEP_DAYS,
    Key {
        scope: Scope::Camera,
        name: "name",
        default: "",
        doc: doc(
            "The camera's name: in its address, /NAME/, in /status and in the log. Empty: camera0 for the \
              first one, camera1 for the next, and so on.",
        ),
        allowed: "nothing, or up to 32 lower-case letters, digits, _ and -, such as front-door; no address of \
                  the program's own, such as status",
        set: |draft, text| {
            if !text.is_empty() {
                draft.camera.name = known(Some(text).filter(|name| is_name(name)))?.into();
            }
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "width",
        default: "640",
        doc: doc(
            "The picture's width in pixels. If the camera does not have this size, the nearest one is \
              used and the log says so. A command sets its own size, and can use this value as %(width)s.",
        ),
        allowed: "a whole number from 16 to 8192; for the test picture even, from 160 to 3840",
        set: |draft, text| {
            draft.camera.width = within(text, 16..=8192)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "height",
        default: "480",
        doc: doc(
            "The picture's height in pixels. If the camera does not have this size, the nearest one is \
              used, as for the width.",
        ),
        allowed: "a whole number from 16 to 8192; for the test picture even, from 120 to 2160",
        set: |draft, text| {
            draft.camera.height = within(text, 16..=8192)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "fps",
        default: "30",
        doc: doc(
            "Frames per second. If the camera does not have this rate, the nearest one is used and the \
              log says so.",
        ),
        allowed: "a whole number from 1 to 240; for the test picture up to 120",
        set: |draft, text| {
            draft.camera.fps = within(text, 1..=240)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "rotation",
        default: "0",
        doc: doc(
            "How far players turn the picture, in degrees clockwise. The frames themselves are not \
              changed.",
        ),
        allowed: "0, 90, 180 or 270",
        set: |draft, text| {
            let degrees = text
                .parse()
                .ok()
                .filter(|degrees| [0, 90, 180, 270].contains(degrees));
            draft.camera.rotation = known(degrees)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "auto_sleep",
        default: "yes",
        doc: doc("Whether the camera or command stops while nobody is watching."),
        allowed: "yes or no (also true, false, on, off, 1, 0)",
        set: |draft, text| {
            draft.camera.auto_sleep = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "linger_s",
        default: "5",
        doc: doc(
            "How many seconds after the last viewer leaves the camera stops. Whoever reloads the page in \
              that time finds it running.",
        ),
        allowed: "a whole number from 0 to 3600",
        set: |draft, text| {
            draft.camera.linger = Duration::from_secs(within(text, 0..=3600)?);
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "event_url",
        default: "",
        doc: doc(
            "Where each event of this camera is sent to, as JSON in the body of a POST: the webhook of another program.",
        ),
        allowed: "nothing, or an address, with USER:PASSWORD@ before its host or without, as http://HOST:PORT/PATH",
        set: |draft, text| {
            // The path of a webhook is its secret.
            let refused = Refused::Secret(match text.starts_with("https://") {
                true => "https is not spoken here; put a proxy between, or use event_command = curl ...",
                false => {
                    "allowed: nothing, or an address, with USER:PASSWORD@ before its host or without, as http://HOST:PORT/PATH"
                }
            });
            draft.camera.event_url = match text {
                "" => None,
                _ => Some(Url::parse(text).ok_or(refused)?),
            };
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "event_command",
        default: "",
        doc: doc(
            "A shell command that is run at each event of this camera, for 30 seconds at most. The environment has CAMERA (the \
              camera's name), EVENT (the kind) and STATE (start, end or mark). With one, the program can't shut itself in (sandbox), \
              as it can with event_url.",
        ),
        allowed: "nothing, or a command for sh",
        set: |draft, text| {
            draft.camera.event_command = one_line(text);
            Ok(())
        },
    },
    RECORD,
    TIMELAPSE,
    DONE_COMMAND,
    Key {
        scope: Scope::Camera,
        name: "mic",
        default: "no",
        doc: doc(
            "What is to be heard beside the picture: a microphone, which is open while the camera is, by its sound card (as arecord -l \
              has it), by the numbers of its USB device, or by its name; or test, a beep that begins with each second of the test \
              picture. A ?audio=0 behind an address asks for the video alone; players of RTSP choose by themselves.",
        ),
        allowed: "no, hw:CARD, hw:CARD,DEVICE, usb:VID:PID, usb:VID:PID:SERIAL or card:NAME; for the test picture also test",
        set: |draft, text| {
            draft.camera.mic = match text {
                "no" => None,
                name => Some(known(MicName::parse(name))?),
            };
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "mic_gain",
        default: "0",
        doc: doc(
            "How much louder the microphone is made, in decibels: those at I2S are quiet and may need 30.",
        ),
        allowed: "a whole number from -20 to 60",
        set: |draft, text| {
            draft.camera.mic_gain = within(text, -20..=60)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "motion",
        default: "no",
        doc: doc(
            "Whether events tell when something moves before the camera, which does not sleep then. It is found by the sizes of its \
              pictures, or by samples of raw ones on their way to an encoder of this machine, and costs next to nothing; /status \
              says how good those are for that. An encoder of this machine is told not to code noise (h264_minimum_qp_value = 26), \
              unless its section says otherwise.",
        ),
        allowed: "yes or no",
        set: |draft, text| {
            draft.camera.motion = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "motion_threshold",
        default: "6",
        doc: doc(
            "How far the size has to be from what is usual, in units of how far it usually is. /status shows the score; on the page it is \
              a line to drag on the score's graph, under Controls.",
        ),
        allowed: "a whole number from 2 to 1000",
        set: |draft, text| {
            draft.camera.motion_threshold = within(text, MOTION_THRESHOLDS)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "motion_gap_s",
        default: "5",
        doc: doc("Motion has ended after so many seconds of rest."),
        allowed: "a whole number from 1 to 3600",
        set: |draft, text| {
            draft.camera.motion_gap = Duration::from_secs(within(text, 1..=3600)?);
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_tilt",
        default: "camera",
        doc: doc(
            "What turns the camera. camera: its own controls, if it has some for that. pimoroni: Pimoroni's Pan-Tilt HAT. pca9685: a board with this chip, such as Waveshare's, Adafruit's or Arducam's. no: nothing. It takes a restart to change this and the keys below.",
        ),
        allowed: "camera, pimoroni, pca9685 or no",
        set: |draft, text| {
            draft.camera.pan_tilt.head = match text {
                "camera" => HeadKind::Camera,
                "pimoroni" => HeadKind::Pimoroni,
                "pca9685" => HeadKind::Pca9685,
                "no" => HeadKind::No,
                _ => return Err(Refused::NotAllowed),
            };
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "i2c_bus",
        default: "1",
        doc: doc("The I2C bus of the HAT or board: 1 is /dev/i2c-1, the one of a Raspberry Pi's header."),
        allowed: "a whole number from 0 to 255",
        set: |draft, text| {
            draft.camera.pan_tilt.bus = within(text, 0..=255)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "i2c_address",
        default: "",
        doc: doc("Its address there. Empty: 0x15 for pimoroni, 0x40 for pca9685."),
        allowed: "nothing, or an address from 0x08 to 0x77",
        set: |draft, text| {
            draft.camera.pan_tilt.address = i2c_address(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_channel",
        default: "0",
        doc: doc("The output of a pca9685 board that the servo for pan is plugged into."),
        allowed: "a whole number from 0 to 15",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[0].channel = within(text, 0..=15)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_min",
        default: "",
        doc: doc(
            "How far pan goes, in degrees from the middle. Empty: -90 with servos, and as far as a camera goes.",
        ),
        allowed: "nothing, or a whole number of degrees, -180 to 180; with servos no more than 90 either way",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[0].min = degrees(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_max",
        default: "",
        doc: doc("The same the other way. Empty: 90 with servos, and as far as a camera goes."),
        allowed: "nothing, or a whole number of degrees, -180 to 180; with servos no more than 90 either way",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[0].max = degrees(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_home",
        default: "0",
        doc: doc("Where home is, in degrees of pan."),
        allowed: "a whole number from -180 to 180",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[0].home = within(text, -180..=180)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_invert",
        default: "no",
        doc: doc("Whether pan turns the other way."),
        allowed: "yes or no",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[0].invert = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "pan_pulse_us",
        default: "575-2325",
        doc: doc("The pulses at -90 and at 90 degrees of the servo for pan, in microseconds."),
        allowed: "two numbers from 400 to 2600, such as 575-2325",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[0].pulse_us = pulses(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "tilt_channel",
        default: "1",
        doc: doc("The output of a pca9685 board that the servo for tilt is plugged into."),
        allowed: "a whole number from 0 to 15",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[1].channel = within(text, 0..=15)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "tilt_min",
        default: "",
        doc: doc(
            "How far tilt goes, in degrees from the middle. Empty: -45 with servos, and as far as a camera goes. Many tilt kits can go less far than their servo: widen the limits after looking.",
        ),
        allowed: "nothing, or a whole number of degrees, -180 to 180; with servos no more than 90 either way",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[1].min = degrees(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "tilt_max",
        default: "",
        doc: doc("The same the other way. Empty: 45 with servos, and as far as a camera goes."),
        allowed: "nothing, or a whole number of degrees, -180 to 180; with servos no more than 90 either way",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[1].max = degrees(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "tilt_home",
        default: "0",
        doc: doc("Where home is, in degrees of tilt."),
        allowed: "a whole number from -180 to 180",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[1].home = within(text, -180..=180)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "tilt_invert",
        default: "no",
        doc: doc("Whether tilt turns the other way."),
        allowed: "yes or no",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[1].invert = known(switch(text))?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "tilt_pulse_us",
        default: "575-2325",
        doc: doc("The pulses at -90 and at 90 degrees of the servo for tilt, in microseconds."),
        allowed: "two numbers from 400 to 2600, such as 575-2325",
        set: |draft, text| {
            draft.camera.pan_tilt.axes[1].pulse_us = pulses(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "speed",
        default: "90",
        doc: doc("How fast servos are turned, in degrees a second."),
        allowed: "a whole number from 1 to 720",
        set: |draft, text| {
            draft.camera.pan_tilt.speed = within(text, 1..=720)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "release_s",
        default: "2",
        doc: doc(
            "How many seconds after a move servos are released, which ends their hum and heat. A heavy camera may sink then: 0 keeps them driven.",
        ),
        allowed: "a whole number from 0 to 3600",
        set: |draft, text| {
            draft.camera.pan_tilt.release = Duration::from_secs(within(text, 0..=3600)?);
            Ok(())
        },
    },
    Key {
        scope: Scope::Camera,
        name: "presets",
        default: "",
        doc: doc(
            "Places that have a name, such as door:-30,10 bed:40,-5: the degrees of pan and tilt, and where a third number follows, the percent of zoom.",
        ),
        allowed: "nothing, or places as NAME:PAN,TILT or NAME:PAN,TILT,ZOOM, with spaces between them",
        set: |draft, text| {
            draft.camera.pan_tilt.presets = presets(text)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::Device,
        name: "capture_format",
        default: "auto",
        doc: doc(
            "The format in which the camera gives its frames. auto: H264 if the camera has it; or else \
              MJPGH264, the H.264 that some USB cameras put into their JPEG pictures; or else a format \
              that an encoder of this machine makes H.264 of, raw ones (NV12, YUYV, ...) before MJPG; or \
              else MJPG itself, which takes many times the bandwidth. MJPG without a named encoder or \
              decoder is served unchanged.",
        ),
        allowed: "auto, H264, MJPGH264, MJPG, JPEG, or the four letters of another V4L2 format, such as YUYV",
        set: |draft, text| {
            let format = known(CaptureFormat::parse(text))?;
            if let SourceKind::Device { capture_format, .. } = &mut draft.camera.source {
                *capture_format = format;
            }
            Ok(())
        },
    },
    Key {
        scope: Scope::Device,
        name: "encoder",
        default: "",
        doc: doc(
            "The encoder that makes H.264 of what the camera gives, such as /dev/video11 on a Raspberry \
              Pi. Empty: one is found by what it can do, if it is needed. A section with its name may hold \
              its controls.",
        ),
        allowed: "nothing, or a device as sections name it",
        set: |draft, text| codec(draft, text, |chain| &mut chain.encoder),
    },
    Key {
        scope: Scope::Device,
        name: "decoder",
        default: "",
        doc: doc(
            "The decoder in front of the encoder if the camera gives MJPG, such as /dev/video10. Empty: \
              one is found by what it can do, if it is needed.",
        ),
        allowed: "nothing, or a device as sections name it",
        set: |draft, text| codec(draft, text, |chain| &mut chain.decoder),
    },
    Key {
        scope: Scope::Device,
        name: "encoder_input_format",
        default: "",
        doc: doc(
            "The format between decoder and encoder. Empty: the first of NV12, YU12 and others that both \
              support.",
        ),
        allowed: "nothing, or the four letters of a V4L2 format, such as NV12",
        set: |draft, text| input_format(draft, text, |chain| &mut chain.encoder_input),
    },
    Key {
        scope: Scope::Device,
        name: "decoder_input_format",
        default: "",
        doc: doc(
            "The decoder's name for the format that the camera gives. Empty: MJPG or JPEG, whichever the \
              decoder knows.",
        ),
        allowed: "nothing, or the four letters of a V4L2 format, such as MJPG",
        set: |draft, text| input_format(draft, text, |chain| &mut chain.decoder_input),
    },
    Key {
        scope: Scope::Device,
        name: "capture_memory",
        default: "",
        doc: doc(
            "The memory of the camera's buffers, if a decoder or an encoder follows: MMAP is the camera's \
              own, DMABUF that of the next device. Empty: what works, without a copy if possible.",
        ),
        allowed: "nothing, MMAP or DMABUF",
        set: |draft, text| {
            pin(draft, text, Memory::parse(text), |chain| {
                &mut chain.capture_memory
            })
        },
    },
    Key {
        scope: Scope::Device,
        name: "decoder_memory",
        default: "",
        doc: doc(
            "The memory of the decoder's buffers, for its input and for its output. Empty: what works, \
              without a copy if possible.",
        ),
        allowed: "nothing, or two of MMAP and DMABUF, such as MMAP-DMABUF",
        set: |draft, text| {
            pin(draft, text, Memory::parse_pair(text), |chain| {
                &mut chain.decoder_memory
            })
        },
    },
    Key {
        scope: Scope::Device,
        name: "encoder_memory",
        default: "",
        doc: doc(
            "The memory of the encoder's buffers, for its input and for its output. Empty: what works, \
              without a copy if possible.",
        ),
        allowed: "nothing, or two of MMAP and DMABUF, such as MMAP-MMAP",
        set: |draft, text| {
            pin(draft, text, Memory::parse_pair(text), |chain| {
                &mut chain.encoder_memory
            })
        },
    },
    Key {
        scope: Scope::Device,
        name: "input",
        default: "",
        doc: doc(
            "The input of a capture card or HDMI adapter, by its number or its name; fmp4streamer -L \
              lists them. Empty: the one that the device is set to. An HDMI input has the size and the \
              rate of its signal, whatever width, height and fps say.",
        ),
        allowed: "nothing, or a number or name, such as 1 or S-Video",
        set: |draft, text| {
            put_input(draft, |keys| {
                keys.input = Some(text.to_owned()).filter(|t| !t.is_empty())
            })
        },
    },
    Key {
        scope: Scope::Device,
        name: "standard",
        default: "auto",
        doc: doc("The standard of an analogue signal. auto: the one that the device finds."),
        allowed: "auto, pal, pal-m, pal-n, pal-60, ntsc, ntsc-443 or secam",
        set: |draft, text| {
            let standard = Standard::parse(text);
            known(
                text.eq_ignore_ascii_case("auto")
                    .then_some(())
                    .or(standard.map(drop)),
            )?;
            put_input(draft, |keys| keys.standard = standard)
        },
    },
    Key {
        scope: Scope::Device,
        name: "edid",
        default: "",
        doc: doc(
            "What an HDMI input tells the device that is connected to it: the sizes and rates that it \
              takes (EDID). Adapters such as the TC358743 get no signal before that. 1080p: 1920x1080 at \
              up to 30 frames a second and 1280x720 at up to 60. Empty: what the input is set to.",
        ),
        allowed: "nothing, 1080p, or a file with an EDID, in bytes or as hexadecimal text",
        set: |draft, text| {
            let edid = match text {
                "" => None,
                _ if text.eq_ignore_ascii_case("1080p") => Some(Edid::Builtin),
                file => Some(Edid::File(file.into())),
            };
            put_input(draft, |keys| keys.edid = edid)
        },
    },
    Key {
        scope: Scope::Exec,
        name: "command",
        default: "",
        doc: doc(
            "A shell command that writes H.264 (a byte stream, Annex B, without B-frames) or JPEG \
              pictures, one after the other or as a multipart stream, to its standard output. It may continue \
              on indented lines; a percent sign is written %%. It is started when it is needed, and again when it ends.",
        ),
        allowed: "a command for sh",
        set: |draft, text| {
            let line = one_line(text);
            if line.is_empty() {
                return Err(Refused::NotAllowed);
            }
            if let SourceKind::Exec { command } = &mut draft.camera.source {
                *command = line;
            }
            Ok(())
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "capture_format",
        default: "H264",
        doc: doc(
            "The format in which rpicam-vid gives the frames: H264, or MJPG for JPEG pictures, which take \
              many times the bandwidth.",
        ),
        allowed: "H264 or MJPG",
        set: |draft, text| {
            let mjpeg = match text.to_ascii_uppercase().as_str() {
                "H264" => false,
                "MJPG" => true,
                _ => return Err(Refused::NotAllowed),
            };
            if let SourceKind::Rpicam(rpicam) = &mut draft.camera.source {
                rpicam.mjpeg = mjpeg;
            }
            Ok(())
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "bitrate",
        default: "",
        doc: doc("Bits per second. Empty: chosen by size and frame rate, 4.1 million for 1280x720 at 30."),
        allowed: "nothing, or a whole number from 100000 to 100000000",
        set: |draft, text| {
            let good = text.is_empty() || within::<i32>(text, 100_000..=100_000_000).is_ok();
            option(draft, "bitrate", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "intra",
        default: "",
        doc: doc("How many frames from one key frame to the next. Empty: as many as in one second."),
        allowed: "nothing, or a whole number from 1 to 1000",
        set: |draft, text| {
            let good = text.is_empty() || within::<i32>(text, 1..=1000).is_ok();
            option(draft, "intra", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "profile",
        default: "",
        doc: doc("The H.264 profile. Empty: the encoder's own choice."),
        allowed: "nothing, baseline, main or high",
        set: |draft, text| {
            let good = ["", "baseline", "main", "high"].contains(&text);
            option(draft, "profile", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "level",
        default: "",
        doc: doc("The H.264 level. Empty: the encoder's own choice."),
        allowed: "nothing, 4, 4.1 or 4.2",
        set: |draft, text| {
            // No other ones for the encoder in hardware (rpicam-apps, encoder/h264_encoder.cpp).
            let good = ["", "4", "4.1", "4.2"].contains(&text);
            option(draft, "level", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "hflip",
        default: "no",
        doc: doc(
            "Whether the camera mirrors the picture, left to right. With rotation = 180 the camera turns \
              the picture too, not the player.",
        ),
        allowed: "yes or no",
        set: |draft, text| flag(draft, "hflip", text),
    },
    Key {
        scope: Scope::Rpicam,
        name: "vflip",
        default: "no",
        doc: doc("Whether the camera mirrors the picture, top to bottom."),
        allowed: "yes or no",
        set: |draft, text| flag(draft, "vflip", text),
    },
    Key {
        scope: Scope::Rpicam,
        name: "camera",
        default: "0",
        doc: doc("Which of several cameras, by the number that rpicam-hello --list-cameras shows."),
        allowed: "a whole number from 0 to 99",
        set: |draft, text| {
            let good = within::<i32>(text, 0..=99).is_ok();
            option(draft, "camera", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "mode",
        default: "",
        doc: doc(
            "The sensor's mode, as W:H:BITS:PACKING; rpicam-hello --list-cameras shows the modes. Empty: \
              a mode that fits size and rate.",
        ),
        allowed: "nothing, or as 2304:1296:10:P",
        set: |draft, text| {
            let good = (text.is_empty() || text.contains(':'))
                && text.bytes().all(|b| b"0123456789:PUpu".contains(&b));
            option(draft, "mode", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "denoise",
        default: "auto",
        doc: doc("How noise is removed. More than 30 frames a second may need cdn_off."),
        allowed: "auto, off, cdn_off, cdn_fast or cdn_hq",
        set: |draft, text| {
            let good = ["auto", "off", "cdn_off", "cdn_fast", "cdn_hq"].contains(&text);
            option(draft, "denoise", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "autofocus_mode",
        default: "",
        doc: doc("Autofocus, if the camera has it. Empty: the camera's own choice."),
        allowed: "nothing, manual, auto or continuous",
        set: |draft, text| {
            let good = ["", "manual", "auto", "continuous"].contains(&text);
            option(draft, "autofocus-mode", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "autofocus_range",
        default: "normal",
        doc: doc("The distances that autofocus considers."),
        allowed: "normal, macro or full",
        set: |draft, text| {
            let good = ["normal", "macro", "full"].contains(&text);
            option(draft, "autofocus-range", text, good)
        },
    },
    Key {
        scope: Scope::Rpicam,
        name: "lens_position",
        default: "",
        doc: doc("A fixed focus: 1 / the distance in metres, 0 for infinity."),
        allowed: "nothing, default, or a number such as 2.5",
        set: |draft, text| {
            let number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            option(draft, "lens-position", text, number || text == "default")
        },
    },
    Key {
        scope: Scope::User,
        name: "password",
        default: "",
        doc: doc(
            "What is kept of the user's password: the line that \"fmp4streamer --password\" makes. Or \"plain:\" and \
             the password, for what logs in by a digest, which no hash can check; whoever can read this file has it \
             then, so keep it from others (chmod 640), and use it nowhere else.",
        ),
        allowed: "a line that fmp4streamer --password made, or plain:PASSWORD",
        set: |draft, text| {
            let other = "this is no line of fmp4streamer --password, and not plain:PASSWORD";
            draft.password = Some(Password::parse(text).ok_or(Refused::Secret(other))?);
            Ok(())
        },
    },
    Key {
        scope: Scope::People,
        name: "role",
        default: "view",
        doc: doc(
            "What the user may do. view: watch, also what was recorded. control: also change and turn the camera, and mark events. \
              admin: also keep changes, delete recordings and make links for others. In [anonymous]: what those may do who do not \
              log in, view or control; once there is a user, they see no recordings, and without this section nothing.",
        ),
        allowed: "view, control or admin",
        set: |draft, text| {
            let role = Role::ALL.into_iter().find(|role| role.word() == text);
            draft.rights.role = known(role)?;
            Ok(())
        },
    },
    Key {
        scope: Scope::People,
        name: "cameras",
        default: "",
        doc: doc("The cameras that the user may see. The others are not there for this user. Empty: all."),
        allowed: "names of cameras, separated by commas, spaces or lines",
        set: |draft, text| {
            draft.rights.cameras = list(text, |name| known(is_name(name).then_some(())))?;
            Ok(())
        },
    },
];

/// The place of a chain's key, if it is a device that is read.
type Place<T> = fn(&mut ChainKeys) -> &mut Option<T>;

/// Puts `value` there; nothing written is nothing said.
fn pin<T>(draft: &mut Draft, text: &str, value: Option<T>, place: Place<T>) -> Result<(), Refused> {
    let good = text.is_empty() || value.is_some();
    if let SourceKind::Device { chain, .. } = &mut draft.camera.source {
        *place(chain) = value;
    }
    known(good.then_some(()))
}

fn codec(draft: &mut Draft, text: &str, place: Place<DeviceName>) -> Result<(), Refused> {
    let device = DeviceName::parse(text).and_then(Result::ok);
    pin(draft, text, device, place)
}

fn input_format(draft: &mut Draft, text: &str, place: Place<String>) -> Result<(), Refused> {
    let format = Some(text.to_ascii_uppercase()).filter(|format| is_fourcc(format));
    pin(draft, text, format, place)
}

/// Changes a device's keys of its input.
fn put_input(draft: &mut Draft, put: impl FnOnce(&mut InputKeys)) -> Result<(), Refused> {
    if let SourceKind::Device { input, .. } = &mut draft.camera.source {
        put(input);
    }
    Ok(())
}

/// Asks for an option of `rpicam-vid`, if its value is a good one. Nothing leaves it to that program.
fn option(draft: &mut Draft, name: &str, value: &str, good: bool) -> Result<(), Refused> {
    if let (SourceKind::Rpicam(rpicam), true) = (&mut draft.camera.source, good && !value.is_empty()) {
        rpicam.set(name, value);
    }
    known(good.then_some(()))
}

/// Asks for a flag of `rpicam-vid`, if it is switched on.
fn flag(draft: &mut Draft, name: &str, text: &str) -> Result<(), Refused> {
    if let (SourceKind::Rpicam(rpicam), true) = (&mut draft.camera.source, known(switch(text))?) {
        rpicam.set(name, "");
    }
    Ok(())
}
