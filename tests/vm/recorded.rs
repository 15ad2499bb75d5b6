//! Recordings on disks that fail: ext4 and f2fs whose power is cut, that stop for a while, are full, or may not be written any more; and
//! a clock that is set meanwhile. What is left is kept for `judged.rs`, which has the players of the host.
//!
//! `VM_CUTS` says how often the power of each disk is cut.

use super::disk::{Disk, Log, tool};
use super::rig;
use super::support::random::Random;
use super::support::{Server, until};
use fmp4streamer::record::library::look_into;
use fmp4streamer::record::{Archive, Limits, Name};
use fmp4streamer::sys::clock::{monotonic_us, unix, unix_offset_us};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// What may be lost: what was not synced for 10 s, and 5 s and a second that waited to be written.
const LOST_US: i64 = 16_000_000;
/// 2027-03-01, 12:00 UTC: a day of which the program knows that it can be.
pub const NOON_S: u64 = 1_803_902_400;
const HOUR_S: u64 = 3600;
const YEAR_S: u64 = 365 * 86_400;
/// Says that the clock can be believed, as systemd-timesyncd does.
const BELIEVED: &str = "/run/systemd/timesync/synchronized";
/// The disks' logs are told the time so often.
const MARK: Duration = Duration::from_secs(2);
const CAMERA: &str = "width = 160\nheight = 120\nfps = 5";

/// A camera that is recorded on a disk, and what somebody got who watched it all the time.
struct Scene {
    disk: Disk,
    server: Server,
    live: JoinHandle<Vec<u8>>,
}

fn start(folder: &Path) -> Server {
    let folder = folder.display();
    // Who watches is to have every picture, however late this slow machine is with it.
    Server::with_config(&format!(
        "[server]\nrecord_dir = {folder}\nrecord_keep_free = 0\nmax_age_ms = 60000\n[test]\nname = yard\n{CAMERA}\nrecord = always\n"
    ))
}

impl Scene {
    fn new(kind: &'static str) -> Scene {
        let disk = Disk::new(kind, 64);
        fs::write(disk.folder.join(".fmp4streamer"), "").unwrap();
        let server = start(&disk.folder);
        let mut stream = server.send(b"GET /stream.mp4 HTTP/1.0\r\n\r\n");
        let live = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            bytes.split_off(body)
        });
        Scene { disk, server, live }
    }

    fn folder(&self) -> &str {
        self.disk.folder.to_str().unwrap()
    }

    fn recorder(&self) -> String {
        self.server.camera("recorder")
    }
}

/// Names and places of the recordings in a folder, by the times in their names.
fn recordings(folder: &Path) -> Vec<(Name, PathBuf)> {
    let within = |folder: &Path| -> Vec<PathBuf> {
        let found = fs::read_dir(folder).into_iter().flatten();
        found.map(|entry| entry.unwrap().path()).collect()
    };
    let last = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut found = Vec::new();
    for day in within(&folder.join("yard")) {
        let named = |path: PathBuf| Some((Name::parse(&format!("{}/{}", last(&day), last(&path)))?, path));
        found.extend(within(&day).into_iter().filter_map(named));
    }
    found.sort_by_key(|(name, _)| (name.start_s, name.copy));
    found
}

/// When a recording begins: by the clock as it then was, and in media time, in microseconds.
fn begin_us(path: &Path) -> (u64, u64) {
    let file = File::open(path).unwrap();
    let (about, index) = look_into(&file, file.metadata().unwrap().len()).unwrap();
    (about.wall_us, (about.media_90k + index.begin_90k()) * 100 / 9)
}

/// As `date -s` does it.
pub fn set_clock(unix_us: u64) {
    let time = TimeSpec::from_duration(Duration::from_micros(unix_us));
    clock_settime(ClockId::CLOCK_REALTIME, time).unwrap();
}

pub fn believe(is_right: bool) {
    if is_right {
        fs::create_dir_all(Path::new(BELIEVED).parent().unwrap()).unwrap();
        fs::write(BELIEVED, "").unwrap();
    } else {
        fs::remove_file(BELIEVED).unwrap();
    }
}

/// The disks together, as there is one clock, and one key that makes them read-only.
struct World {
    scenes: Vec<Scene>,
    marked: Cell<Option<Instant>>,
    /// What has to be added to CLOCK_MONOTONIC to have the time of day, whatever the clock says.
    offset_us: i64,
}

impl World {
    /// Waits, and has the disks' logs tell the time meanwhile.
    fn until(&self, what: &str, mut condition: impl FnMut(&Scene) -> bool) {
        for scene in &self.scenes {
            until(&format!("{what} ({})", scene.disk.kind), || {
                if self.marked.get().is_none_or(|at| at.elapsed() >= MARK) {
                    self.scenes.iter().for_each(|scene| scene.disk.mark());
                    self.marked.set(Some(Instant::now()));
                }
                // Who asks again and again takes the time that the programs need.
                sleep(Duration::from_millis(200));
                condition(scene)
            });
        }
    }

    fn each(&self, act: impl FnMut(&Scene)) {
        self.scenes.iter().for_each(act);
    }

    fn rest(&self, time: Duration) {
        let begin = Instant::now();
        self.until("some time is over", |_| begin.elapsed() >= time);
    }

    /// Waits for so many more seconds of pictures.
    fn seconds(&self, seconds: u64) {
        let frames = |scene: &Scene| scene.server.number("frames");
        let wanted = |scene: &Scene| (scene.disk.kind, frames(scene) + 5 * seconds);
        let wanted: HashMap<&str, u64> = self.scenes.iter().map(wanted).collect();
        self.until("more seconds came", |scene| {
            frames(scene) >= wanted[scene.disk.kind]
        });
    }

    /// Sets the clock, and waits for files that begin by it, with a picture that may have been waiting in the ring then.
    fn step(&self, ahead_s: i64) {
        let set_us = || monotonic_us().saturating_add_signed(self.offset_us + ahead_s * 1_000_000);
        let known: Vec<_> = self
            .scenes
            .iter()
            .flat_map(|it| recordings(&it.disk.folder))
            .collect();
        let set_s = set_us() / 1_000_000;
        set_clock(set_us());
        self.until(&format!("a file begins {ahead_s} s ahead"), |scene| {
            let mut new = recordings(&scene.disk.folder);
            new.retain(|it| !known.contains(it) && (set_s - 5..=unix().as_secs()).contains(&it.0.start_s));
            new.iter()
                .any(|(name, _)| name.synced == Path::new(BELIEVED).exists())
        });
        self.seconds(1);
    }
}

/// Where what is left is kept: each file once, and lists of what was there at a time.
struct Kept {
    folder: PathBuf,
    /// By their sizes: their numbers and bytes.
    files: HashMap<usize, Vec<(usize, Vec<u8>)>>,
    count: usize,
    /// What the lists have to say of what is missing, in microseconds of CLOCK_MONOTONIC.
    gaps_us: Vec<(i64, i64)>,
    /// From when on old recordings may have gone to make room, and what was recorded up to when.
    deleted_us: Option<(i64, i64)>,
    /// What has to be added to that to have media time, of each file system, and where that begins.
    media_us: HashMap<&'static str, (i64, i64)>,
}

impl Kept {
    fn new() -> Kept {
        let folder = PathBuf::from("/run/rig/kept");
        fs::create_dir_all(folder.join("lists")).unwrap();
        Kept {
            folder,
            files: HashMap::new(),
            count: 0,
            gaps_us: Vec::new(),
            deleted_us: None,
            media_us: HashMap::new(),
        }
    }

    /// Keeps these files, in which all up to a time has to be (CLOCK_MONOTONIC), if one is given.
    fn list(&mut self, what: &str, kind: &str, files: &[PathBuf], up_to_us: Option<u64>) {
        let mut list = String::new();
        for path in files {
            let bytes = fs::read(path).unwrap();
            let alike = self.files.entry(bytes.len()).or_default();
            let known = alike.iter().find(|(_, other)| *other == bytes).map(|it| it.0);
            let number = known.unwrap_or_else(|| {
                self.count += 1;
                fs::write(self.folder.join(format!("{}.mp4", self.count)), &bytes).unwrap();
                alike.push((self.count, bytes));
                self.count
            });
            writeln!(list, "file {number} {}", path.display()).unwrap();
        }
        let (zero_us, begin_us) = self.media_us[kind];
        let mut gaps_us = self.gaps_us.clone();
        let is_later = |from_us: i64| up_to_us.is_none_or(|us| us as i64 >= from_us);
        gaps_us.extend(
            self.deleted_us
                .filter(|(from_us, _)| is_later(*from_us))
                .map(|(_, to_us)| (0, to_us)),
        );
        for (from_us, to_us) in &gaps_us {
            writeln!(list, "gap {} {}", from_us + zero_us, to_us + zero_us).unwrap();
        }
        if let Some(up_to_us) = up_to_us {
            let mut up_to_us = up_to_us as i64 - LOST_US;
            for (from_us, to_us) in &gaps_us {
                if (*from_us..*to_us).contains(&up_to_us) {
                    up_to_us = *from_us;
                }
            }
            if up_to_us + zero_us > begin_us {
                writeln!(list, "up-to {}", up_to_us + zero_us).unwrap();
            }
        }
        fs::write(self.folder.join("lists").join(format!("{kind}, {what}")), list).unwrap();
    }
}

pub fn paths(folder: &Path) -> Vec<PathBuf> {
    recordings(folder).into_iter().map(|(_, path)| path).collect()
}

#[test]
fn faults_cost_no_more_than_they_must() {
    if rig().is_none() {
        return;
    }
    let cuts = std::env::var("VM_CUTS").map_or(2, |text| text.parse::<usize>().unwrap());
    believe(true);
    set_clock(NOON_S * 1_000_000);
    let mut kept = Kept::new();
    let world = World {
        scenes: ["ext4", "f2fs"].map(Scene::new).into(),
        marked: Cell::new(None),
        offset_us: unix_offset_us(),
    };
    world.until("it is recorded", |scene| scene.recorder() == "recording");
    world.seconds(3);
    disks_that_stop(&world);
    clocks_that_are_set(&world, &mut kept);
    disks_that_are_read_only(&world, &mut kept);
    disks_that_are_full(&world, &mut kept);
    let mut random = Random::new(monotonic_us());
    for mut scene in world.scenes {
        scene.server.signal("-TERM");
        assert!(scene.server.wait().success());
        let (log, kind) = (scene.server.log(), scene.disk.kind);
        assert!(!log.contains("are not recorded"), "{log}");
        kept_live(&kept, kind, scene.live);
        let told = scene.disk.end();
        files_that_were_changed(kind, &told, &mut kept);
        for n in 1..=cuts {
            let (folder, time_us) = told.cut(&mut random);
            let limits = Limits {
                max_bytes: u64::MAX,
                event_max_bytes: 0,
                keep_free: 0,
                keep_days: 0,
            };
            Archive::new(folder.clone(), limits).repair("yard").unwrap();
            kept.list(&format!("cut {n}"), kind, &paths(&folder), Some(time_us));
            told.unmount();
        }
    }
    println!("{cuts} cuts of each disk; {} files are kept", kept.count);
}

fn kept_live(kept: &Kept, kind: &str, live: JoinHandle<Vec<u8>>) {
    let live = live.join().unwrap();
    fs::write(kept.folder.join(format!("{kind}-live.mp4")), live).unwrap();
}

/// For 3 s, as cards do to tidy up: first what is told to the disk waits, then the file system.
fn disks_that_stop(world: &World) {
    const STOP: Duration = Duration::from_secs(3);
    world.each(|scene| _ = tool("dmsetup", &["suspend", "--nolockfs", scene.disk.kind]));
    world.rest(STOP);
    world.each(|scene| _ = tool("dmsetup", &["resume", scene.disk.kind]));
    world.seconds(1);
    world.each(|scene| _ = tool("fsfreeze", &["-f", scene.folder()]));
    world.rest(STOP);
    world.each(|scene| _ = tool("fsfreeze", &["-u", scene.folder()]));
    world.seconds(1);
    world.each(|scene| assert_eq!(scene.recorder(), "recording"));
}

fn clocks_that_are_set(world: &World, kept: &mut Kept) {
    let (hour, year) = (HOUR_S as i64, YEAR_S as i64);
    world.step(hour);
    world.step(-hour);
    world.step(year);
    // A machine that has no clock of its own, until somebody tells it the time.
    believe(false);
    world.step(-year);
    believe(true);
    world.step(0);
    world.until("what was misdated has its name", |scene| {
        recordings(&scene.disk.folder).iter().all(|(name, _)| name.synced)
    });
    for scene in &world.scenes {
        let mut files = paths(&scene.disk.folder);
        files.sort_by_key(|path| begin_us(path).1);
        let (wall_us, media_us) = begin_us(&files[0]);
        let zero_us = media_us as i64 - (wall_us as i64 - world.offset_us);
        kept.media_us.insert(scene.disk.kind, (zero_us, media_us as i64));
        // By how much the clock was ahead: of what began when it was a year behind, the name was mended.
        let mut ahead_s = Vec::new();
        for (name, path) in recordings(&scene.disk.folder) {
            let (wall_us, media_us) = begin_us(&path);
            assert_eq!(wall_us / 1_000_000, name.start_s, "{path:?}");
            let right_us = media_us as i64 - zero_us + world.offset_us;
            ahead_s.push((wall_us as i64 - right_us + 500_000).div_euclid(1_000_000));
        }
        assert_eq!(ahead_s, [-hour, 0, 0, 0, hour, year], "{files:?}");
        // The newest is open.
        files.pop();
        kept.list("clocks that are set", scene.disk.kind, &files, None);
    }
}

fn disks_that_are_read_only(world: &World, kept: &mut Kept) {
    world.seconds(1);
    let from_us = monotonic_us() as i64 - LOST_US;
    fs::write("/proc/sysrq-trigger", "u").unwrap();
    world.until("it is told", |scene| scene.recorder() == "stopped");
    world.each(|scene| {
        let why = scene.server.camera("recorder_why");
        assert!(why.starts_with("the disk is read-only"), "{why}");
        assert_eq!(scene.server.camera("state"), "live");
        tool("mount", &["-o", "remount,rw", scene.folder()]);
    });
    goes_on(world, kept, from_us);
}

/// Others fill them while it records.
fn disks_that_are_full(world: &World, kept: &mut Kept) {
    // Whatever is cut from here on is known to be.
    let from_us = monotonic_us() as i64;
    world.each(|scene| scene.disk.mark());
    world.until("it is told", |scene| {
        let mut other = File::options()
            .create(true)
            .append(true)
            .open(scene.disk.folder.join("other"))
            .unwrap();
        while other.write_all(&[1; 64 << 10]).is_ok() {}
        while other.write_all(&[1; 512]).is_ok() {}
        let is_told = scene
            .server
            .camera("recorder_why")
            .starts_with("the disk is full");
        if is_told {
            assert_eq!(scene.server.camera("state"), "live");
            // At once: with its next try the program makes room by what is old.
            fs::remove_file(scene.disk.folder.join("other")).unwrap();
        }
        is_told
    });
    goes_on(world, kept, from_us);
    kept.deleted_us = kept.gaps_us.pop();
}

/// Recording comes back by itself.
fn goes_on(world: &World, kept: &mut Kept, from_us: i64) {
    world.until("it goes on", |scene| scene.recorder() == "recording");
    // It begins with the next key frame.
    kept.gaps_us.push((from_us, monotonic_us() as i64 + 2_000_000));
    world.seconds(3);
}

/// What somebody else put into the folder, or cut short, while the program did not run.
fn files_that_were_changed(kind: &str, told: &Log, kept: &mut Kept) {
    told.mount();
    let folder = PathBuf::from(format!("/dev/shm/{kind}.mounted"));
    let files = paths(&folder);
    kept.list("the end", kind, &files, None);
    let day = files.last().unwrap().parent().unwrap();
    // A recording that has no index yet, as a crash leaves it.
    let mut open = fs::read(files.last().unwrap()).unwrap();
    let at = |kind: &[u8]| open.windows(4).position(|found| found == kind).unwrap() - 4;
    let (free_at, sidx_at, moof_at) = (at(b"free"), at(b"sidx"), at(b"moof"));
    assert!(sidx_at < moof_at);
    open[free_at..free_at + 4].copy_from_slice(&((moof_at - free_at) as u32).to_be_bytes());
    open[free_at + 8..moof_at].fill(0);
    let cut = &open[..open.len() - 300];
    let repaired = [
        ("10-00-00+0000.mp4", cut.to_vec()),
        ("10-00-01+0000.mp4", [cut, &[0; 9000]].concat()),
    ];
    let foreign = [
        ("10-00-02+0000.mp4", vec![0; 100_000]),
        ("10-00-03+0000.mp4", b"mine".to_vec()),
        ("10-00-04+0000.mp4", open[..free_at + 99].to_vec()),
        ("notes.mp4", open.clone()),
        ("10-00-05+0000.mp4.part", b"mine".to_vec()),
    ];
    for (name, bytes) in repaired.iter().chain(&foreign) {
        fs::write(day.join(name), bytes).unwrap();
    }
    let mut server = start(&folder);
    until("it is repaired", || {
        server.log().matches("recording repaired: ").count() == 2
    });
    until("it is recorded", || server.camera("recorder") == "recording");
    server.signal("-TERM");
    assert!(server.wait().success());
    for (name, bytes) in &foreign {
        assert!(fs::read(day.join(name)).unwrap() == *bytes, "{name}");
    }
    for (name, _) in &repaired {
        kept.list(name, kind, &[day.join(name)], None);
    }
    told.unmount();
}
