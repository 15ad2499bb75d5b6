//! The command line: its options, the config that they ask for, and the answers that need no server.

use crate::config::{Config, address, keys, nearest};
use crate::error::{Error, Result};
use crate::health::Place;
use crate::{serve, source};
use getopts::{Fail, Matches, Options};
use std::net::IpAddr;

/// The command line, read.
pub struct Args {
    /// What to do.
    pub task: Task,
    /// Logs each client and request.
    pub verbose: bool,
    origin: Origin,
    /// Where `--probe` saves what it finds.
    save: Option<String>,
    listen: Option<(Option<IpAddr>, u16)>,
}

/// What the program is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `--probe`
    Probe,
    /// `--check`
    Check,
    /// `--list-controls`
    ListControls,
    /// `--health`
    Health,
    /// `--password`
    Password,
    /// Nothing else: to serve.
    Serve,
}

/// Where the config comes from.
enum Origin {
    /// A camera's name alone.
    Device(String),
    /// `--test`
    TestPicture,
    /// A file; None is the first default one.
    File(Option<String>),
}

/// An option: its letter and its name, the name of its value, and its words for `--help`. Those without value are flags.
struct Opt(&'static str, &'static str, Option<&'static str>, &'static str);

#[rustfmt::skip]
const OPTIONS: [Opt; 13] = [
    Opt("c", "config", Some("FILE"), "read this config (default: ./fmp4streamer.conf, then /etc/fmp4streamer.conf)"),
    Opt("", "probe", None, "report what this machine and its cameras can do, what is in the way, and a config for them"),
    Opt("L", "list-devices", None, "same as --probe"),
    Opt("", "save", Some("FILE"), "with --probe: save what developers need to know about the cameras, without pictures, serial numbers or names; with DEVICE, two seconds of its video go to a second file"),
    Opt("l", "list-controls", None, "list the camera's controls, in the form that the config takes"),
    Opt("", "check", None, "read the config and report what would run; open no camera"),
    Opt("", "health", None, "ask the program that runs whether all is well, where the config or --listen has it serve, or at the URL that stands in the place of DEVICE; the exit status is 0 if so, else 1"),
    Opt("", "password", None, "ask for a password and print the line for a [user NAME] section of the config"),
    Opt("", "test", None, "serve the built-in test picture, without a config"),
    Opt("", "listen", Some("ADDR:PORT"), "serve at this address; without ADDR, at all addresses"),
    Opt("", "verbose", None, "log each client and request"),
    Opt("h", "help", None, "print this"),
    Opt("V", "version", None, "print the version"),
];

fn options() -> Options {
    let mut options = Options::new();
    for Opt(letter, name, value, words) in &OPTIONS {
        match value {
            Some(value) => options.optopt(letter, name, words, value),
            None => options.optflag(letter, name, words),
        };
    }
    options
}

/// The answer to `--help`.
pub fn help() -> String {
    options().usage(
        "Live video from a camera in every browser.\n\nUsage: fmp4streamer [OPTIONS] [DEVICE]\n\n\
         DEVICE is a camera such as /dev/video0 or usb:046d:082d, served without a config. Without a device and a config,\n\
         the program serves the first camera that can provide H.264, and a test picture until there is a camera.",
    )
}

impl Args {
    /// Reads the command line without the program's name.
    ///
    /// # Errors
    /// Says what is wrong with it, and what was meant where that can be guessed.
    pub fn read(args: &[String]) -> std::result::Result<Args, String> {
        let matches = options().parse(args).map_err(|fail| explain(&fail))?;
        if matches.free.len() > 1 {
            return Err("more than one device; name one, or use a config file".into());
        }
        let task = task(&matches);
        let mut args = Args {
            task,
            verbose: matches.opt_present("verbose"),
            origin: Origin::File(None),
            save: matches.opt_str("save"),
            listen: None,
        };
        let device = matches.free.first().cloned();
        if matches!(task, Task::Help | Task::Version | Task::Probe | Task::Password) {
            args.origin = device.map_or(args.origin, Origin::Device);
            return Ok(args);
        }
        if args.save.is_some() {
            return Err("--save goes with --probe: fmp4streamer --probe --save FILE".into());
        }
        args.origin = match (device, matches.opt_present("test"), matches.opt_str("config")) {
            (Some(_), true, _) => return Err("--test can't be used with a device; choose one".into()),
            (Some(_), _, Some(_)) | (_, true, Some(_)) => {
                return Err(
                    "--config can't be used with a device or --test; put the source into the config".into(),
                );
            }
            (Some(device), ..) => Origin::Device(device),
            (None, true, _) => Origin::TestPicture,
            (None, false, file) => Origin::File(file),
        };
        if let Some(text) = matches.opt_str("listen") {
            let why = |why| format!("--listen: can't use {text:?}: {why}");
            args.listen = Some(listen(&text).map_err(why)?);
        }
        Ok(args)
    }

    /// True if the config comes from a file.
    pub fn uses_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }

    /// Reads the config that the command line asks for; if it names none, the file that was `found` before, or else the first
    /// default one.
    ///
    /// # Errors
    /// Those of [`Config::for_device`] and [`Config::load`].
    pub fn config(&self, found: Option<&str>) -> Result<Config> {
        let mut config = match &self.origin {
            Origin::Device(device) => Config::for_device(device)?,
            Origin::TestPicture => Config::for_test(),
            Origin::File(named) => Config::load(named.as_deref(), found, &serve::reserved_names())?,
        };
        if let Some((address, port)) = self.listen {
            (config.server.listen, config.server.port) = (address, port);
        }
        Ok(config)
    }
}

fn task(matches: &Matches) -> Task {
    let tasks = [
        ("help", Task::Help),
        ("version", Task::Version),
        ("probe", Task::Probe),
        ("list-devices", Task::Probe),
        ("check", Task::Check),
        ("list-controls", Task::ListControls),
        ("health", Task::Health),
        ("password", Task::Password),
    ];
    let mut asked = tasks.iter().filter(|(option, _)| matches.opt_present(option));
    asked.next().map_or(Task::Serve, |(_, task)| *task)
}

/// What is wrong with an option, in words.
fn explain(fail: &Fail) -> String {
    let dashes = |name: &str| match name.chars().nth(1) {
        Some(_) => format!("--{name}"),
        None => format!("-{name}"),
    };
    match fail {
        Fail::ArgumentMissing(name) if name == "listen" => {
            "--listen needs an address and a port, such as 127.0.0.1:8080 or :8080".into()
        }
        Fail::ArgumentMissing(name) if name == "save" => {
            "--save needs the name of a new file, such as camera.txt".into()
        }
        Fail::ArgumentMissing(name) => {
            format!(
                "{} needs a file name, such as /etc/fmp4streamer.conf",
                dashes(name)
            )
        }
        Fail::UnrecognizedOption(name) => {
            let key = name.replace('-', "_");
            let hint = if name == "port" {
                "; use --listen :8080, or port = 8080 in a config".into()
            } else if keys::is_known(&key) {
                format!("; {key} is a key of the config: see man fmp4streamer.conf")
            } else {
                let near = nearest(name, OPTIONS.iter().map(|option| option.1)).filter(|_| name.len() > 1);
                near.map_or(String::new(), |near| format!("; did you mean --{near}?"))
            };
            format!("unknown option {}{hint}", dashes(name))
        }
        Fail::UnexpectedArgument(name) => format!("{} takes no value", dashes(name)),
        Fail::OptionDuplicated(name) => format!("{} is there twice; give it once", dashes(name)),
        Fail::OptionMissing(name) => format!("{} is missing", dashes(name)),
    }
}

/// Reads `ADDR:PORT`; without an address it is all of them.
fn listen(text: &str) -> std::result::Result<(Option<IpAddr>, u16), String> {
    let form = || "it has the form ADDR:PORT, such as 127.0.0.1:8000, [::1]:8000 or :8000".to_string();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(match digits(text) {
            true => format!("did you mean :{text}?"),
            false => form(),
        });
    };
    let number = port.parse().map_err(|_| match digits(port) {
        true => format!("port {port} is too large (0 to 65535)"),
        false => form(),
    })?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = address(bare.unwrap_or(host)).map_err(|_| form())?;
    Ok((address, number))
}

/// Answers `--probe`: reports on this machine, or with `--save` saves what its cameras are to a file, and what the named
/// camera sees beside it.
///
/// # Errors
/// Those of [`Config::for_device`] and [`source::survey::save`].
pub fn probe(args: &Args) -> Result<String> {
    let Some(file) = &args.save else {
        return Ok(source::probe::report());
    };
    let named = match &args.origin {
        Origin::Device(device) => Some(Config::for_device(device)?),
        Origin::TestPicture | Origin::File(_) => None,
    };
    let recorded = named.as_ref().and_then(|config| config.cameras.first());
    source::survey::save(file, recorded)
}

/// Answers `--health`.
///
/// # Errors
/// Those of [`Place::ask`], of a URL that can't be asked, and of a config that does not say where the program serves.
pub fn health(args: &Args) -> Result<String> {
    let place = match &args.origin {
        Origin::Device(url) => Place::of_url(url)?,
        Origin::TestPicture | Origin::File(_) => {
            let server = args.config(None)?.server;
            Place::of_server(server.listen, server.port)
        }
    };
    place.ask()
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

/// Says what would run, for `--check`: the config in words, the command lines of `rpicam-vid`, and which commands can't be
/// run.
pub fn check(config: &Config) -> String {
    let (mut plans, mut warnings) = (String::new(), String::new());
    for camera in &config.cameras {
        let name = &camera.name;
        if let Some(plan) = source::planned_command(camera) {
            plans += &format!("{name}: {plan}\n");
        }
        if let Some(program) = source::missing_program(camera) {
            warnings += &format!("warning: {name}: the program {program} is not installed, or misspelt\n");
        }
        if let Some(why) = source::bad_edid(camera) {
            warnings += &format!("warning: {name}: edid has no effect: {why}\n");
        }
    }
    config.describe() + &plans + &warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> std::result::Result<Args, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Args::read(&args)
    }

    #[test]
    fn a_mistake_is_named_with_the_way_out() {
        let listen = "--listen: can't use ";
        let form = "it has the form ADDR:PORT, such as 127.0.0.1:8000, [::1]:8000 or :8000";
        for (line, words) in [
            (
                "--port 80",
                "unknown option --port; use --listen :8080, or port = 8080 in a config".into(),
            ),
            (
                "--width=1280",
                "unknown option --width; width is a key of the config: see man fmp4streamer.conf".into(),
            ),
            (
                "--max-clients 3",
                "unknown option --max-clients; max_clients is a key of the config: see man fmp4streamer.conf"
                    .into(),
            ),
            (
                "--lisen :80",
                "unknown option --lisen; did you mean --listen?".into(),
            ),
            ("--something", "unknown option --something".into()),
            ("-x", "unknown option -x".into()),
            (
                "-c",
                "-c needs a file name, such as /etc/fmp4streamer.conf".into(),
            ),
            (
                "--config",
                "--config needs a file name, such as /etc/fmp4streamer.conf".into(),
            ),
            (
                "--listen",
                "--listen needs an address and a port, such as 127.0.0.1:8080 or :8080".into(),
            ),
            (
                "--save",
                "--save needs the name of a new file, such as camera.txt".into(),
            ),
            (
                "--save camera.txt",
                "--save goes with --probe: fmp4streamer --probe --save FILE".into(),
            ),
            ("--test=yes", "--test takes no value".into()),
            ("-c a -c b", "--config is there twice; give it once".into()),
            (
                "/dev/video0 /dev/video1",
                "more than one device; name one, or use a config file".into(),
            ),
            (
                "--test /dev/video0",
                "--test can't be used with a device; choose one".into(),
            ),
            (
                "--test -c a",
                "--config can't be used with a device or --test; put the source into the config".into(),
            ),
            (
                "--listen 127.0.0.1:99999",
                format!("{listen}\"127.0.0.1:99999\": port 99999 is too large (0 to 65535)"),
            ),
            ("--listen 8080", format!("{listen}\"8080\": did you mean :8080?")),
            ("--listen nowhere", format!("{listen}\"nowhere\": {form}")),
            (
                "--listen example.org:80",
                format!("{listen}\"example.org:80\": {form}"),
            ),
            ("--listen :-1", format!("{listen}\":-1\": {form}")),
            ("--listen :", format!("{listen}\":\": {form}")),
        ] {
            assert_eq!(read(line).err(), Some(words), "{line}");
        }
        for line in [
            "--help -c a /dev/video0",
            "--probe --listen x",
            "--version --test /dev/video0",
        ] {
            assert!(read(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn listen_goes_before_the_config() {
        for (text, address, port) in [
            (":8080", None, 8080),
            ("127.0.0.1:0", Some("127.0.0.1"), 0),
            ("[::1]:65535", Some("::1"), 65535),
            ("localhost:80", Some("127.0.0.1"), 80),
        ] {
            let config = read(&format!("--test --listen {text}"))
                .unwrap()
                .config(None)
                .unwrap();
            let listen = config.server.listen.map(|ip| ip.to_string());
            assert_eq!((listen.as_deref(), config.server.port), (address, port), "{text}");
        }
    }

    #[test]
    fn a_command_that_is_not_installed_shows_in_check() {
        let config = Config::parse(b"[exec]\ncommand = exec no-such-program -o -\n", "f", &[]).unwrap();
        let wanted = "\nwarning: camera0: the program no-such-program is not installed, or misspelt\n";
        assert!(check(&config).ends_with(wanted), "{}", check(&config));
    }
}
