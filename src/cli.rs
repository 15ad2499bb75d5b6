//! The command line: its options, the config that they ask for, and the answers that need no server.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::source;
use getopts::{Matches, Options};
use std::path::Path;

/// The options, with their words for `--help`.
pub fn options() -> Options {
    let mut options = Options::new();
    options
        .optopt(
            "c",
            "config",
            "read this config (default: ./fmp4streamer.conf, then /etc/fmp4streamer.conf)",
            "FILE",
        )
        .optflag(
            "",
            "probe",
            "say what this machine and its cameras can do, what is in the way, and a config for them",
        )
        .optflag("L", "list-devices", "the same")
        .optflag(
            "l",
            "list-controls",
            "list the camera's controls, in the form that the config takes",
        )
        .optflag("", "check", "read the config, say what would run, open nothing")
        .optflag("", "test", "serve the built-in test picture, without a config")
        .optopt(
            "",
            "listen",
            "serve here; an empty ADDR is all addresses",
            "ADDR:PORT",
        )
        .optflag("", "verbose", "log each client and request")
        .optflag("h", "help", "print this")
        .optflag("V", "version", "print the version");
    options
}

/// The words of `--help` above the options.
pub fn brief() -> String {
    "Live video from a camera in every browser.\n\nUsage: fmp4streamer [OPTIONS] [DEVICE]\n\n\
     DEVICE is a camera such as /dev/video0 or usb:046d:082d, served without a config. With neither, the first camera\n\
     that H.264 can be had from is served, and a test picture until there is a camera."
        .to_string()
}

/// Reads the config that the command line asks for; if it names none, `file`, or else the first default one.
///
/// # Errors
/// Options that don't go together, a bad `--listen`, and those of [`Config::load`].
pub fn configure(matches: &Matches, file: Option<&str>) -> Result<Config> {
    let named = matches.opt_str("config");
    let mut config = match (matches.free.first(), matches.opt_present("test"), &named) {
        (Some(_), true, _) => return Err(Error::new("--test", "can't be used with a device", "choose one")),
        (Some(_), _, Some(_)) | (_, true, Some(_)) => {
            return Err(Error::new(
                "--config",
                "can't be used with a device or --test",
                "put the source into the config",
            ));
        }
        (Some(device), ..) => Config::for_device(device)?,
        (None, true, _) => Config::for_test(),
        (None, false, named) => Config::load(named.as_deref().or(file).map(Path::new))?,
    };
    if let Some(listen) = matches.opt_str("listen") {
        let bad = || {
            Error::new(
                "--listen",
                format!("can't use {listen:?}"),
                "it has the form ADDR:PORT, such as 127.0.0.1:8000, [::1]:8000 or :8000",
            )
        };
        let (address, port) = listen.rsplit_once(':').ok_or_else(bad)?;
        let bare = address
            .strip_prefix('[')
            .and_then(|a| a.strip_suffix(']'))
            .unwrap_or(address);
        for (name, text) in [("listen", bare), ("port", port)] {
            config.set_server(name, text).ok_or_else(bad)?;
        }
    }
    Ok(config)
}

/// Lists the controls of each camera that has some. A camera that is away keeps nobody from those of the others.
///
/// # Errors
/// There is one camera, and it can't be opened; or none has controls.
pub fn list_controls(config: &Config) -> Result<String> {
    let mut lists = String::new();
    let mut failed = None;
    for camera in &config.cameras {
        let Some(list) = source::list_controls(camera) else {
            let why = "it is no V4L2 device; name one: fmp4streamer -l /dev/video0";
            failed.get_or_insert(Error::new(&camera.name, "can't list controls", why));
            continue;
        };
        if !lists.is_empty() {
            lists.push('\n');
        }
        match list {
            Ok(list) => lists += &list,
            Err(e) if config.cameras.len() == 1 => return Err(e),
            Err(e) => lists += &format!("# {e}\n"),
        }
    }
    match failed {
        Some(e) if lists.is_empty() => Err(e),
        _ => Ok(lists),
    }
}

/// Says what would run, for `--check`: the config in words, and the command lines of `rpicam-vid`.
pub fn check(config: &Config) -> String {
    let plans = config.cameras.iter().filter_map(|camera| {
        let plan = source::planned_command(camera)?;
        Some(format!("{}: {plan}\n", camera.name))
    });
    config.describe() + &plans.collect::<String>()
}
