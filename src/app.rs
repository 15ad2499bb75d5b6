//! The program at work: starts what the config asks for, reads the config again at SIGHUP, reports its
//! state to the service manager, and ends in order.

use crate::config::{self, Config, Record};
use crate::controls::{Kept, Mailbox};
use crate::error::{Error, Result, start_log};
use crate::events::{self, Events};
use crate::notify::Notify;
use crate::people::{Keys, People};
use crate::pump::{self, PendingConfig};
use crate::record::{self, Archive, PATIENCE};
use crate::ring::Limits;
use crate::rtsp::RTSP;
use crate::sandbox::Entered;
use crate::serve::{self, HTTP, Machine, Protocol, Server};
use crate::stream::{Condition, Stream};
use crate::sys::process::{self, Request, Signals};
use crate::sys::sock;
use crate::sys::{clock, file};
use crate::{log_info, log_warning, sandbox, source, threads};
use std::fmt::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long clients have, once the program is to end, to take the rest of their streams.
const CLIENTS_END: Duration = Duration::from_millis(400);
/// How long a driver has, at the same time, to let its device go.
const PUMP_END: Duration = Duration::from_millis(500);
/// How long a disk has, after that, to take the rest of what is recorded.
const RECORDER_END: Duration = Duration::from_secs(5);
/// The stack of a pump: what std gives a thread by default.
const PUMP_STACK_BYTES: usize = 2 << 20;
/// The stack of a mover, which does little.
const MOVER_STACK_BYTES: usize = 256 << 10;
/// That of a recorder.
const RECORDER_STACK_BYTES: usize = 256 << 10;
/// Before an event there are so many seconds, where the config asks for no more.
const BEFORE_EVENTS: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT. `read_again` reads the config anew, from the file that it was read from.
///
/// # Errors
/// It can't start: the address is taken, there is no thread or file descriptor left, the sandbox can't be entered.
pub fn run(
    config: Config,
    signals: &Signals,
    verbose: bool,
    read_again: &dyn Fn(Option<&str>) -> Result<Config>,
) -> Result<()> {
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
    let open_files = process::open_files();
    if settings.priority != 0 {
        if let Err(e) = process::set_priority(settings.priority) {
            log_warning!("priority = {}: can't be set: {e}", settings.priority);
        }
    }
    process::keep_files();
    let listeners = listeners(settings)?;
    let state_folder = state_folder();
    let people = People::new(config.people.clone(), keys(state_folder.as_deref())?)?;
    let own_name = process::host_name();
    let urls = urls(&listeners, &own_name)?;
    let own_names = serve::own_names(
        &own_name,
        &file::text("/etc/resolv.conf"),
        &file::text("/etc/hosts"),
        &sock::addresses(),
    );
    let discovery = settings.onvif.then(serve::discovery_socket).flatten();
    let mut notify = Notify::new();
    let archive = archive(&config, state_folder.as_deref())?.map(Arc::new);
    let records = archive.as_ref().map_or(Vec::new(), |archive| archive.folders());
    // What is needed but once is done; and all threads are to be in it.
    let sandbox = sandbox::enter(&config, state_folder.as_deref(), &records, &|camera| {
        source::runs_commands(&camera.source)
    })?;
    start_log(verbose);

    let cameras = &config.cameras;
    let events = Arc::new(Events::default());
    let kept = Arc::new(kept(state_folder.as_deref()));
    let mut streams = Vec::new();
    for camera in cameras {
        let controls = Mailbox::new(Arc::clone(&kept));
        let stream = Stream::with(
            &camera.name,
            limits(settings, camera),
            Arc::clone(&events),
            controls,
        )?;
        streams.push(Arc::new(stream));
    }
    log_info!("fmp4streamer {}: open {urls}", env!("CARGO_PKG_VERSION"));
    for line in config.people.describe() {
        log_info!("{line}");
    }
    if let [_, _, ..] = &**cameras {
        let places: Vec<String> = cameras
            .iter()
            .map(|camera| format!("/{}/", camera.name))
            .collect();
        log_info!("each camera has its own page: {}", places.join("  "));
    }
    events::change_recipients(&events, cameras)?;
    let (mut pumps, mut recorders) = (Vec::new(), Vec::new());
    let run = clock::unix().as_micros() as u64;
    let mut running_cameras = Vec::new();
    for (stream, camera) in streams.iter().cloned().zip(cameras) {
        let pending = Arc::new(PendingConfig::new());
        running_cameras.push((Arc::clone(&stream), Arc::clone(&pending)));
        let thread = |name, stack_bytes, run| {
            let thread = threads::spawn(name, stack_bytes, run);
            thread.map_err(|e| Error::new("fmp4streamer", "can't make a thread", e))
        };
        if let Some(archive) = archive.clone().filter(|_| camera.is_recorded()) {
            let plan = record::Plan {
                records: camera.record != Record::No,
                before_events: (camera.record == Record::Events).then(|| before_events(settings)),
                lapse: camera.timelapse,
                stagger_s: recorders.len() as u64 * record::SEGMENT_S / cameras.len() as u64,
                run,
            };
            let stream = Arc::clone(&stream);
            let run = Box::new(move || record::record(&stream, &archive, plan));
            recorders.push(thread("recorder", RECORDER_STACK_BYTES, run)?);
        }
        if source::ptz::moves(camera) {
            let (stream, camera) = (Arc::clone(&stream), camera.clone());
            let run = Box::new(move || pump::mover::run(&stream, &camera));
            pumps.push(thread("mover", MOVER_STACK_BYTES, run)?);
        }
        let camera = camera.clone();
        let run = Box::new(move || pump::run(&stream, &camera, &pending));
        pumps.push(thread("pump", PUMP_STACK_BYTES, run)?);
    }
    // The clients come last, so that they leave the threads that the cameras need.
    let machine = Machine {
        own_names,
        id: file::text("/etc/machine-id"),
        sandbox: sandbox.words.clone(),
        open_files,
        discovery,
    };
    let server = Server::start(
        listeners,
        settings.clone(),
        people,
        machine,
        streams.clone(),
        archive.clone(),
    );
    let server = server.inspect_err(|_| end(&streams, &pumps, &recorders, None))?;
    let mut running = Running {
        config,
        server,
        cameras: running_cameras,
        sandbox,
        events,
        archive,
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
                let read = read_again(running.config.file.as_deref());
                let read = read.map(source::device::set_apart);
                mistake = running.reload(read).err().map(|e| e.to_string());
                notify.ready();
            }
            Ok(None) => {}
            Err(e) => return Err(Error::new("fmp4streamer", "can't wait for signals", e)),
        }
    };
    notify.stopping();
    end(&streams, &pumps, &recorders, Some(running.server));
    running.events.end_recordings();
    log_info!("ended by {signal}");
    Ok(())
}

/// Ends the cameras' streams and with them their pumps and recorders, and the server.
fn end(
    streams: &[Arc<Stream>],
    pumps: &[JoinHandle<()>],
    recorders: &[JoinHandle<()>],
    server: Option<Server>,
) {
    let deadline = Instant::now() + PUMP_END;
    for stream in streams {
        stream.stop();
    }
    if let Some(server) = server {
        server.stop(CLIENTS_END);
    }
    // A driver that hangs has its thread hang. It ends with the program.
    for (threads, deadline) in [(pumps, deadline), (recorders, deadline + RECORDER_END)] {
        while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The program as it runs.
struct Running {
    /// The config in force.
    config: Config,
    /// The clients' side.
    server: Server,
    /// The cameras, in the order of the config, each with the configs that wait for its pump.
    cameras: Vec<(Arc<Stream>, Arc<PendingConfig>)>,
    /// What was given up.
    sandbox: Entered,
    /// What happens at the cameras.
    events: Arc<Events>,
    /// Where recordings are.
    archive: Option<Arc<Archive>>,
}

impl Running {
    /// Takes over a config that was read again: what can change while the streams run does, and the log names what needs a
    /// restart. Nothing changes if there is a mistake in it, which is given back.
    fn reload(&mut self, read: Result<Config>) -> Result<()> {
        let new = read.inspect_err(|e| log_warning!("the config is not taken over: {e}"))?;
        new.notices.iter().for_each(|notice| log_warning!("{notice}"));
        let mut restart = Vec::new();
        self.change_server(new.server, new.people, &mut restart);
        self.change_cameras(&new.cameras, &mut restart);
        match &*restart {
            [] => log_info!("the config is taken over"),
            _ => log_warning!("the config needs a restart for: {}", restart.join(", ")),
        }
        Ok(())
    }

    fn change_server(&mut self, new: config::Server, people: config::People, restart: &mut Vec<String>) {
        let old = &self.config.server;
        for (same, key) in [
            (old.listen == new.listen, "listen"),
            (old.port == new.port, "port"),
            (old.priority == new.priority, "priority"),
            (old.sandbox == new.sandbox, "sandbox"),
            (old.archive.dir == new.archive.dir, "record_dir"),
            (old.rtsp == new.rtsp, "rtsp"),
            (old.rtsp_port == new.rtsp_port, "rtsp_port"),
            (old.rtsp_udp == new.rtsp_udp, "rtsp_udp"),
            (old.onvif == new.onvif, "onvif"),
        ] {
            if !same {
                restart.push(key.into());
            }
        }
        let new = config::Server {
            listen: old.listen,
            port: old.port,
            priority: old.priority,
            sandbox: old.sandbox,
            archive: config::Archive {
                dir: old.archive.dir.clone(),
                ..new.archive
            },
            rtsp: old.rtsp,
            rtsp_port: old.rtsp_port,
            rtsp_udp: old.rtsp_udp,
            onvif: old.onvif,
            ..new
        };
        if *old != new || self.config.people != people {
            for ((stream, _), camera) in self.cameras.iter().zip(&self.config.cameras) {
                stream.ring.set_limits(limits(&new, camera));
            }
            if let Some(archive) = &self.archive {
                archive.change_limits(of_archive(&new.archive));
            }
            self.server.change(new.clone(), people.clone());
            (self.config.server, self.config.people) = (new, people);
        }
    }

    fn change_cameras(&mut self, new: &[config::Camera], restart: &mut Vec<String>) {
        let old = &mut self.config.cameras;
        let same = old
            .iter()
            .map(|camera| &camera.name)
            .eq(new.iter().map(|camera| &camera.name));
        if !same {
            restart.push("other cameras".into());
        }
        for (old, (stream, pending)) in old.iter_mut().zip(&self.cameras) {
            // Where there are others, a name such as camera1 may have come to another section.
            let is_it = |new: &&config::Camera| new.name == old.name && (same || new.section == old.section);
            let Some(new) = new.iter().find(is_it).filter(|new| old != *new) else {
                continue;
            };
            let mut needs = |what| restart.push(format!("{what}[{}]", new.section));
            let runs_commands = source::runs_commands(&new.source);
            if self.sandbox.is_too_narrow_for(new, runs_commands) {
                needs("a command or event_url that the sandbox forbids, and so all of ");
                continue;
            }
            if (old.record, old.timelapse) != (new.record, new.timelapse) {
                needs("record and timelapse_s of ");
            }
            if old.pan_tilt != new.pan_tilt {
                needs("pan and tilt of ");
            }
            // Until then it stays as it runs, and each reload tells of it.
            let mut new = new.clone();
            (new.record, new.timelapse, new.pan_tilt) = (old.record, old.timelapse, old.pan_tilt.clone());
            if *old != new {
                pending.submit(new.clone(), stream);
                *old = new;
            }
        }
        events::change_recipients(&self.events, old).unwrap_or_else(|e| log_warning!("{e}"));
    }
}

/// The folder for what outlives the program, which the service manager gives (systemd.exec(5), StateDirectory).
fn state_folder() -> Option<PathBuf> {
    std::env::var_os("STATE_DIRECTORY").map(PathBuf::from)
}

/// The keys of sessions and links.
fn keys(folder: Option<&Path>) -> Result<Keys> {
    Keys::load(folder).or_else(|e| {
        log_warning!("{e}; logins and links end with the program");
        Keys::load(None)
    })
}

/// The values of controls that were kept.
fn kept(folder: Option<&Path>) -> Kept {
    Kept::load(folder).unwrap_or_else(|e| {
        log_warning!("{e}; none are kept");
        Kept::default()
    })
}

/// The folder of recordings, if there are to be any.
fn archive(config: &Config, state_folder: Option<&Path>) -> Result<Option<Archive>> {
    let settings = &config.server.archive;
    if !config.cameras.iter().any(config::Camera::is_recorded) {
        return Ok(None);
    }
    let mut root = settings.dir.clone();
    if root.as_os_str().is_empty() {
        let Some(folder) = state_folder else {
            let why =
                "no service manager gives a folder; name one, such as record_dir = /mnt/disk/recordings";
            return Err(Error::new("record_dir", "is not set", why));
        };
        root = folder.join("recordings");
        if let Err(e) = record::prepare(&root) {
            log_warning!("{}: can't be made: {e}", root.display());
        }
    }
    Ok(Some(Archive::new(root, of_archive(settings))))
}

/// What bounds the recordings, as the config has it.
fn of_archive(settings: &config::Archive) -> record::Limits {
    record::Limits {
        max_bytes: u64::from(settings.max_gb) * 1_000_000_000,
        event_max_bytes: u64::from(settings.event_max_gb) * 1_000_000_000,
        keep_free: settings.keep_free.into(),
        keep_days: settings.keep_days.into(),
    }
}

/// How long before an event its recording begins.
fn before_events(settings: &config::Server) -> Duration {
    match settings.clip {
        Duration::ZERO => BEFORE_EVENTS,
        clip => clip,
    }
}

/// The limits of a camera's ring, as the config has them.
fn limits(settings: &config::Server, camera: &config::Camera) -> Limits {
    let clip = match camera.record {
        Record::Events => before_events(settings),
        _ => settings.clip,
    };
    Limits {
        max_age: settings.max_age,
        join_max: settings.join_max,
        join_max_bytes: settings.join_max_bytes,
        max_senders: process::processors(),
        // A clip begins with the key frame before.
        hold: if clip.is_zero() {
            clip
        } else {
            clip + settings.join_max + PATIENCE
        },
        patience: PATIENCE,
    }
}

/// The sockets that the service manager opened, or else our own. Of the former, RTSP's is that of its port.
fn listeners(settings: &config::Server) -> Result<Vec<(Protocol, TcpListener)>> {
    let inherited = sock::inherited();
    let inherited = inherited.map_err(|e| Error::new("LISTEN_FDS", "can't use a socket of it", e))?;
    let protocol = |listener: &TcpListener| match listener.local_addr() {
        Ok(address) if settings.rtsp && address.port() == settings.rtsp_port => RTSP,
        _ => HTTP,
    };
    let mut listeners: Vec<_> = inherited.into_iter().map(|it| (protocol(&it), it)).collect();
    let has =
        |listeners: &[(Protocol, TcpListener)], scheme| listeners.iter().any(|(it, _)| it.scheme == scheme);
    if has(&listeners, HTTP.scheme) {
        log_info!("listens where its socket unit says");
    } else {
        let way_out = "--listen or `port =`";
        listeners.push((HTTP, serve::bind(settings.listen, settings.port, way_out)?));
    }
    if settings.rtsp && !has(&listeners, RTSP.scheme) {
        listeners.push((
            RTSP,
            serve::bind(settings.listen, settings.rtsp_port, "`rtsp_port =`")?,
        ));
    }
    Ok(listeners)
}

/// The cameras' conditions in a line, and whether all is well enough to go on: clients are let in, and no pump hangs, or
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

/// The addresses of the page and of RTSP, each for each address of this machine.
fn urls(listeners: &[(Protocol, TcpListener)], own_name: &str) -> Result<String> {
    let mut urls = String::new();
    for (protocol, listener) in listeners {
        let mut add = |place: fmt::Arguments<'_>| {
            let between = if urls.is_empty() { "" } else { "  " };
            // Writing to a String can't fail.
            _ = write!(urls, "{between}{}://{place}/", protocol.scheme);
        };
        let address = listener.local_addr();
        let address = address.map_err(|e| Error::new("listen", "no address", e))?;
        let port = address.port();
        if !address.ip().is_unspecified() {
            add(format_args!("{}", SocketAddr::new(address.ip(), port)));
            continue;
        }
        add(format_args!("localhost:{port}"));
        // mDNS goes by the first label of the name (RFC 6762, 3).
        let label = own_name.split('.').next().unwrap_or_default();
        if !label.is_empty() && label != "localhost" {
            add(format_args!("{label}.local:{port}"));
        }
        for ip in sock::addresses() {
            if ip.is_ipv4() || address.is_ipv6() {
                add(format_args!("{}", SocketAddr::new(ip, port)));
            }
        }
    }
    Ok(urls)
}
