//! Disks in memory, whose power can be cut at any moment, and as often as one likes: each keeps a log of all that it was told to write
//! (the kernel's dm-log-writes), and what would have been left at some moment is made out of that afterwards.

use super::support::random::Random;
use fmp4streamer::sys::clock::monotonic_us;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTOR: u64 = 512;
/// LOG_FLUSH_FLAG and so on, of the kernel's drivers/md/dm-log-writes.c.
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

/// Runs a tool that has to succeed; gives what it printed.
pub fn tool(name: &str, arguments: &[&str]) -> String {
    // Some are in no user's path. And there is no udev, which would make the nodes below /dev/mapper.
    let ran = Command::new(name)
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("DM_DISABLE_UDEV", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name} {arguments:?}: {said}");
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}

/// A disk with this file system, which is mounted.
pub struct Disk {
    pub kind: &'static str,
    /// Where it is mounted.
    pub folder: PathBuf,
    /// As it was at first, as it is, and what it was told.
    empty: PathBuf,
    image: PathBuf,
    log: PathBuf,
    loops: [String; 2],
}

impl Disk {
    pub fn new(kind: &'static str, megabytes: u64) -> Disk {
        let place = |what: &str| PathBuf::from(format!("/dev/shm/{kind}.{what}"));
        let [folder, empty, image, log] = ["mounted", "empty", "image", "log"].map(place);
        let sized = |path: &Path, megabytes: u64| {
            File::create(path).unwrap().set_len(megabytes << 20).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let quiet = if kind == "ext4" {
            ["-q", "-F"]
        } else {
            ["-q", "-f"]
        };
        tool(
            &format!("mkfs.{kind}"),
            &[&quiet[..], &[&sized(&empty, megabytes)]].concat(),
        );
        fs::copy(&empty, &image).unwrap();
        sized(&log, 1024);
        let as_device = |path: &Path| tool("losetup", &["-f", "--show", path.to_str().unwrap()]);
        let loops = [as_device(&image), as_device(&log)];
        let sectors = (megabytes << 20) / SECTOR;
        let table = format!("0 {sectors} log-writes {} {}", loops[0], loops[1]);
        tool("dmsetup", &["create", kind, "--table", &table]);
        fs::create_dir(&folder).unwrap();
        let device = format!("/dev/mapper/{kind}");
        tool("mount", &["-t", kind, &device, folder.to_str().unwrap()]);
        Disk {
            kind,
            folder,
            empty,
            image,
            log,
            loops,
        }
    }

    /// Notes in the log that it is now (CLOCK_MONOTONIC).
    pub fn mark(&self) {
        let now_us = monotonic_us().to_string();
        tool("dmsetup", &["message", self.kind, "0", "mark", &now_us]);
    }

    /// Unmounted, it is told no more. Gives its log.
    pub fn end(self) -> Log {
        tool("umount", &[self.folder.to_str().unwrap()]);
        tool("dmsetup", &["remove", self.kind]);
        self.loops.iter().for_each(|it| _ = tool("losetup", &["-d", it]));
        Log::new(self)
    }
}

/// One thing that a disk was told.
struct Entry {
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where the log has its data.
    at: u64,
}

/// What a disk was told, in the order in which it was done.
pub struct Log {
    disk: Disk,
    file: File,
    entries: Vec<Entry>,
}

impl Log {
    fn new(disk: Disk) -> Log {
        let file = File::open(&disk.log).unwrap();
        let numbers = |at: u64| {
            let mut bytes = [0; 32];
            file.read_exact_at(&mut bytes, at).unwrap();
            [0, 8, 16, 24].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()))
        };
        let [magic, version, count, _] = numbers(0);
        assert_eq!((magic, version), (0x6a_7366_7773_6872, 1));
        let (mut entries, mut at) = (Vec::new(), SECTOR);
        for _ in 0..count {
            let [sector, sectors, flags, _] = numbers(at);
            at += SECTOR;
            entries.push(Entry {
                sector,
                sectors,
                flags,
                at,
            });
            if flags & DISCARD == 0 {
                at += sectors * SECTOR;
            }
        }
        Log { disk, file, entries }
    }

    /// The times of all marks, and how many things had been told before each.
    fn marks(&self) -> Vec<(usize, u64)> {
        let marks = self.entries.iter().enumerate();
        let marks = marks.filter(|(_, entry)| entry.flags & MARK != 0);
        let time = |(n, entry): (usize, &Entry)| {
            let mut text = [0; 20];
            // Behind the numbers of its entry.
            self.file
                .read_exact_at(&mut text, entry.at - SECTOR + 32)
                .unwrap();
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
            let time_us = digits.fold(0, |time, digit| time * 10 + u64::from(digit - b'0'));
            (n, time_us)
        };
        // The last one is the kernel's own.
        let mut marks: Vec<(usize, u64)> = marks.map(time).collect();
        marks.retain(|(_, time_us)| *time_us > 0);
        marks
    }

    /// Cuts the power at some moment. What was flushed is there, and of what came after it some, by chance. Mounts
    /// that; gives where, and when it was at least.
    pub fn cut(&self, random: &mut Random) -> (PathBuf, u64) {
        let marks = self.marks();
        // Any time is as likely, however much was told in it.
        let mark = random.below(marks.len() - 1);
        let ((from, time_us), (to, _)) = (marks[mark], marks[mark + 1]);
        let moment = from + random.below(to - from);
        let told = &self.entries[..=moment];
        let flushed = told.iter().rposition(|entry| entry.flags & FLUSH != 0);
        // All, half or none of it.
        let losing = random.below(3);
        let image = self.disk.image.clone();
        fs::copy(&self.disk.empty, &image).unwrap();
        let cut = File::options().write(true).open(&image).unwrap();
        for (n, entry) in told.iter().enumerate() {
            let stays = Some(n) < flushed || entry.flags & FUA != 0 || random.below(2) >= losing;
            if !stays || entry.sectors == 0 {
                continue;
            }
            let mut data = vec![0; (entry.sectors * SECTOR) as usize];
            if entry.flags & DISCARD == 0 {
                self.file.read_exact_at(&mut data, entry.at).unwrap();
            }
            cut.write_all_at(&data, entry.sector * SECTOR).unwrap();
        }
        self.mount();
        (self.disk.folder.clone(), time_us)
    }

    /// Mounts what was left last.
    pub fn mount(&self) {
        let [image, folder] = [&self.disk.image, &self.disk.folder].map(|path| path.to_str().unwrap());
        tool("mount", &["-o", "loop", "-t", self.disk.kind, image, folder]);
    }

    pub fn unmount(&self) {
        tool("umount", &[self.disk.folder.to_str().unwrap()]);
    }
}
