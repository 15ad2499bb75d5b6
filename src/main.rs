//! The program: argv, config, wiring, signals, exit code.

use fmp4streamer::config::{self, Config, SourceKind};
use fmp4streamer::error::{Error, Result, flush_log, start_log};
use fmp4streamer::notify::Notify;
use fmp4streamer::pump::PendingConfig;
use fmp4streamer::reload::{self, Running};
use fmp4streamer::serve::{self, Server};
use fmp4streamer::stream::{Condition, Stream};
use fmp4streamer::sys::process::{self, Request, Signals};
use fmp4streamer::sys::sock;
use fmp4streamer::{log_error, log_info, log_warning, pump, sandbox, source, threads};
use getopts::{Matches, Options};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The command line or the config is wrong: trying again is of no use.
const EXIT_USAGE: u8 = 2;
/// Clients have this long to take the end of their streams, ...
const CLIENTS_END: Duration = Duration::from_millis(400);
/// ... and a driver, at the same time, to let its device go.
const PUMP_END: Duration = Duration::from_millis(500);

/// What std gives a thread by default.
const PUMP_STACK_BYTES: usize = 2 << 20;

fn main() -> ExitCode {
    let options = options();
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let matches = match options.parse(&args) {
        Ok(matches) if matches.free.len() <= 1 => matches,
        Ok(_) => return usage_error("more than one device; name one, or use a config file"),
        Err(e) => return usage_error(&e.to_string()),
    };
    if matches.opt_present("help") {
        return show(&options.usage(&brief()));
    }
    if matches.opt_present("version") {
        return show(&format!("fmp4streamer {}\n", env!("CARGO_PKG_VERSION")));
    }
    if matches.opt_present("probe") || matches.opt_present("list-devices") {
        return show(&source::probe::report());
    }
    let config = match configure(&matches, None) {
        Ok(config) => config,
        Err(e) => {
            // Or the service manager starts it for them again at once, and soon gives its socket up.
            serve::refuse_all(&sock::inherited().unwrap_or_default());
            return usage_error(&e.to_string());
        }
    };
    if matches.opt_present("check") {
        let plans = config.cameras.iter().filter_map(|camera| match &camera.source {
            SourceKind::Rpicam(rpicam) => {
                let plan = source::rpicam::plan(camera, rpicam);
                Some(format!("{}: {plan}\n", camera.name))
            }
            _ => None,
        });
        return show(&(config.describe() + &plans.collect::<String>()));
    }
    let result = if matches.opt_present("list-controls") {
        list_controls(&config).map(|list| show(&list))
    } else {
        // Before the first thread, so that all of them leave the signals to this one.
        let signals = Signals::hold().map_err(|e| Error::new("fmp4streamer", "can't hold signals", e));
        signals
            .and_then(|signals| run(config, &signals, &matches))
            .map(|()| ExitCode::SUCCESS)
    };
    let code = result.unwrap_or_else(|e| {
        log_error!("{e}");
        ExitCode::FAILURE
    });
    flush_log(Duration::from_millis(100));
    code
}

/// Prints what was asked for. Whoever closes the pipe (`| head`) has read enough.
fn show(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("fmp4streamer: can't print it: {e}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn options() -> Options {
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

fn brief() -> String {
    "Live video from a camera in every browser.\n\nUsage: fmp4streamer [OPTIONS] [DEVICE]\n\n\
     DEVICE is a camera such as /dev/video0 or usb:046d:082d, served without a config. With neither, the first camera\n\
     that H.264 can be had from is served, and a test picture until there is a camera."
        .to_string()
}

fn usage_error(why: &str) -> ExitCode {
    eprintln!("fmp4streamer: {why}\nTry fmp4streamer --help");
    ExitCode::from(EXIT_USAGE)
}

/// The config that the command line asks for; if that names none, from `file`, or else from where one is looked for.
fn configure(matches: &Matches, file: Option<&str>) -> Result<Config> {
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

/// The controls of each camera that has some. One that is away keeps nobody from those of the others.
fn list_controls(config: &Config) -> Result<String> {
    let mut lists = String::new();
    let mut failed = None;
    for camera in &config.cameras {
        let path = match &camera.source {
            SourceKind::Device {
                device,
                capture_format,
                ..
            } => source::lookup::find(device, source::format(capture_format)),
            SourceKind::Auto => source::device::find(camera).map(|(path, _)| path).ok_or_else(|| {
                let why = "no camera gives H.264 or JPEG; name one: fmp4streamer -l /dev/video0";
                Error::new("/dev/video*", "can't list controls", why)
            }),
            SourceKind::Exec { .. } | SourceKind::Rpicam(_) | SourceKind::Test => {
                let why = "it is no V4L2 device; name one: fmp4streamer -l /dev/video0";
                failed.get_or_insert(Error::new(&camera.name, "can't list controls", why));
                continue;
            }
        };
        if !lists.is_empty() {
            lists.push('\n');
        }
        match path.and_then(|path| source::control::list(&path)) {
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

fn run(config: Config, signals: &Signals, matches: &Matches) -> Result<()> {
    if let Some(file) = &config.file {
        log_info!("config: {file}");
    }
    let config = source::device::set_apart(config);
    for notice in &config.notices {
        log_warning!("{notice}");
    }
    let settings = &config.server;
    if let Err(e) = process::raise_open_files() {
        log_warning!("can't raise the number of open files: {e}");
    }
    if settings.priority != 0 {
        if let Err(e) = process::set_priority(settings.priority) {
            log_warning!("priority = {}: can't be set: {e}", settings.priority);
        }
    }
    let listeners = listeners(settings)?;
    let own_name = process::host_name();
    let urls = urls(&listeners, &own_name)?;
    let mut notify = Notify::new();
    // What is needed but once is done; and all threads are to be in it.
    let sandbox = sandbox::enter(&config, |camera| source::runs_commands(&camera.source))?;
    start_log(matches.opt_present("verbose"));

    let cameras = &config.cameras;
    let limits = reload::limits(settings);
    let streams = cameras
        .iter()
        .map(|camera| Stream::new(&camera.name, limits).map(Arc::new))
        .collect::<Result<Vec<_>>>()?;
    let about = (own_name, sandbox.words);
    let server = Server::start(listeners, settings.clone(), about, streams.clone())?;
    log_info!("fmp4streamer {}: open {urls}", env!("CARGO_PKG_VERSION"));

    if let [_, _, ..] = &**cameras {
        let places: Vec<String> = cameras
            .iter()
            .map(|camera| format!("/{}/", camera.name))
            .collect();
        log_info!("each camera has its own page: {}", places.join("  "));
    }
    let mut pumps = Vec::new();
    let mut running = Vec::new();
    for (stream, camera) in streams.into_iter().zip(cameras) {
        let orders = Arc::new(PendingConfig::new());
        running.push((Arc::clone(&stream), Arc::clone(&orders)));
        let camera = camera.clone();
        let pump = Box::new(move || pump::run(&stream, &camera, &orders));
        let pump = threads::spawn("pump", PUMP_STACK_BYTES, pump)
            .map_err(|e| Error::new("fmp4streamer", "can't make a thread", e))?;
        pumps.push(pump);
    }
    let mut running = Running {
        config,
        server,
        cameras: running,
        no_commands: sandbox.no_commands,
    };

    notify.ready();
    // Why the config was not taken over at the last try.
    let mut mistake = None;
    let signal = loop {
        let (status, well) = state(&running, notify.patience());
        let status = match &mistake {
            Some(why) => format!("{why}; {status}"),
            None => status,
        };
        notify.status(status, well);
        match signals.wait(notify.period()) {
            Ok(Some(Request::End(signal))) => break signal,
            Ok(Some(Request::Reload)) => {
                notify.reloading();
                let read = configure(matches, running.config.file.as_deref());
                let read = read.map(source::device::set_apart);
                mistake = running.reload(read).err().map(|e| e.to_string());
                notify.ready();
            }
            Ok(None) => {}
            Err(e) => return Err(Error::new("fmp4streamer", "can't wait for signals", e)),
        }
    };
    notify.stopping();
    let deadline = Instant::now() + PUMP_END;
    for (stream, _) in &running.cameras {
        stream.stop();
    }
    running.server.stop(CLIENTS_END);
    // A driver that hangs has its thread hang. It ends with the program.
    while !pumps.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    log_info!("ended by {signal}");
    Ok(())
}

/// The sockets that the service manager opened, or else our own.
fn listeners(settings: &config::Server) -> Result<Vec<TcpListener>> {
    let inherited = sock::inherited();
    let mut listeners = inherited.map_err(|e| Error::new("LISTEN_FDS", "can't use a socket of it", e))?;
    if listeners.is_empty() {
        listeners.push(serve::bind(settings.listen, settings.port)?);
    } else {
        log_info!("listens where its socket unit says");
    }
    Ok(listeners)
}

/// What the cameras are doing, in a line, and whether all is well enough to go on: clients are let in, and no pump hangs, or
/// another camera is live.
fn state(running: &Running, patience: Duration) -> (String, bool) {
    let (mut any_live, mut any_hangs) = (false, false);
    let words = running.cameras.iter().map(|(stream, _)| {
        let overdue = stream.overdue();
        let (state, viewers) = (stream.state(), stream.viewer_count());
        let well = overdue <= patience;
        any_live |= well && state.condition == Condition::Live;
        any_hangs |= !well;
        let what = if well {
            format!("{}, {} fps", state.condition.word(), state.fps.round() as u64)
        } else {
            format!("hangs in its driver for {} s", overdue.as_secs())
        };
        format!("{}: {what}, viewers: {viewers}", stream.name)
    });
    let words = words.collect::<Vec<_>>().join("; ");
    // To start anew would cost the viewers of a camera that is live.
    (words, (any_live || !any_hangs) && running.server.accepts())
}

/// Where the page is, for each address of this machine.
fn urls(listeners: &[TcpListener], own_name: &str) -> Result<String> {
    let mut urls = Vec::new();
    for listener in listeners {
        let address = listener.local_addr();
        let address = address.map_err(|e| Error::new("listen", "no address", e))?;
        let port = address.port();
        let url = |ip: IpAddr| format!("http://{}/", SocketAddr::new(ip, port));
        if !address.ip().is_unspecified() {
            urls.push(url(address.ip()));
            continue;
        }
        urls.push(format!("http://localhost:{port}/"));
        // mDNS goes by the first label of the name (RFC 6762, 3).
        let label = own_name.split('.').next().unwrap_or_default();
        if !label.is_empty() && label != "localhost" {
            urls.push(format!("http://{label}.local:{port}/"));
        }
        let serves = |ip: &IpAddr| ip.is_ipv4() || address.is_ipv6();
        urls.extend(sock::addresses().into_iter().filter(serves).map(url));
    }
    Ok(urls.join("  "))
}
