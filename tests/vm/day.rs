//! A day of recording on a small ext4, which takes as long as its files take to begin: the clock goes on by an hour each time.

use super::disk::tool;
use super::recorded::{NOON_S, believe, paths, set_clock};
use super::rig;
use super::support::{Server, until};
use fmp4streamer::sys::file::room;
use std::fs::{self, File};
use std::path::Path;

const IMAGE: &str = "/dev/shm/day.image";
const FOLDER: &str = "/dev/shm/day";
/// In percent; what is open is beyond it.
const KEEP_FREE: u64 = 90;
const OPEN: u64 = 5;

#[test]
fn after_a_day_there_is_what_fits_and_nothing_has_grown() {
    if rig().is_none() {
        return;
    }
    believe(true);
    set_clock(NOON_S * 1_000_000);
    File::create(IMAGE).unwrap().set_len(8 << 20).unwrap();
    tool("mkfs.ext4", &["-q", "-F", "-m", "0", IMAGE]);
    fs::create_dir(FOLDER).unwrap();
    tool("mount", &["-o", "loop", IMAGE, FOLDER]);
    let folder = Path::new(FOLDER);
    fs::write(folder.join(".fmp4streamer"), "").unwrap();
    let server = Server::with_config(&format!(
        "[server]\nrecord_dir = {FOLDER}\nrecord_keep_free = {KEEP_FREE}\n[test]\nname = yard\nwidth = 160\nheight = 120\nfps = 5\n\
         record = always\n"
    ));
    let files = || {
        fs::read_dir(format!("/proc/{}/fd", server.process.id()))
            .unwrap()
            .count()
    };
    let has = || (files(), server.proc_status("Threads"));
    let resident_kb = || server.proc_status("VmRSS");

    let (mut began, mut before) = (Vec::new(), None);
    for hour in 0..=24 {
        set_clock((NOON_S + 3600 * hour) * 1_000_000);
        let known = began.len();
        until("another file begins", || {
            for file in paths(folder) {
                if !began.contains(&file) {
                    began.push(file);
                }
            }
            began.len() > known
        });
        until("the oldest went, and there is what fits", || {
            let (free, all) = room(folder).unwrap();
            began.ends_with(&paths(folder)) && free * 100 >= all * (KEEP_FREE - OPEN)
        });
        if hour == 12 {
            before = Some((has(), resident_kb()));
        }
    }
    let (before, resident_before_kb) = before.unwrap();
    until("as many files are open, and threads there", || has() == before);
    assert!(resident_kb() < resident_before_kb + 1024, "{} kB", resident_kb());
    let there = paths(folder).len();
    println!("{} files began, {there} are there", began.len());
    assert!(there > 1 && there < began.len());
    assert_eq!(server.camera("recorder"), "recording");
    drop(server);
    tool("umount", &[FOLDER]);
}
