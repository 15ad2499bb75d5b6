use super::super::file::tests::{ORIGIN, Rig};
use super::*;
use std::os::unix::fs::symlink;

const LIMITS: Limits = Limits {
    max_bytes: u64::MAX,
    event_max_bytes: 0,
    keep_free: 0,
    keep_days: 0,
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn archive(rig: &Rig, max_bytes: u64) -> Archive {
    Archive::new(rig.folder.clone(), Limits { max_bytes, ..LIMITS })
}

/// All that is below the folder.
fn files(rig: &Rig) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![rig.folder.clone()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let about = fs::symlink_metadata(&path).unwrap();
            if about.is_dir() {
                folders.push(path.clone());
            }
            let path = path.strip_prefix(&rig.folder).unwrap();
            all.push(path.to_str().unwrap().to_owned());
        }
    }
    all.sort();
    all
}

#[test]
fn a_file_is_made_at_the_first_free_name_and_is_not_deleted_while_it_is_open() {
    let rig = Rig::new("archive");
    let archive = archive(&rig, 0);
    let first = &rig.fragments(40)[0];
    let make = |path: &Path| RecordingFile::create(path, first, ORIGIN, 1000, 0);
    let wanted = name("2026-11-28/14-05-00+0100.mp4");
    let names: Vec<Name> = (0..3)
        .map(|_| archive.create("yard", wanted, &make).unwrap().0)
        .collect();
    assert_eq!(names[0], wanted);
    assert_eq!(
        files(&rig)[2..],
        [
            "yard/2026-11-28/14-05-00+0100-2.mp4",
            "yard/2026-11-28/14-05-00+0100-3.mp4",
            "yard/2026-11-28/14-05-00+0100.mp4"
        ]
    );
    assert_eq!(archive.tidy(None, false).unwrap(), 0);
    archive.closed("door", names[1]);
    assert_eq!(archive.tidy(None, false).unwrap(), 0, "that of another camera");
    archive.closed("yard", names[1]);
    assert_eq!(archive.tidy(None, false).unwrap(), 1);
    assert_eq!(
        files(&rig)[2..],
        [
            "yard/2026-11-28/14-05-00+0100-3.mp4",
            "yard/2026-11-28/14-05-00+0100.mp4"
        ]
    );
    let last = Name { copy: 99, ..wanted };
    assert_eq!(archive.create("yard", last, &make).unwrap().0, last);
    let full = archive.create("yard", last, &make).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::AlreadyExists);
    // One in which something happens gets the first name that is free, too, or keeps its own.
    let marked = archive.mark("yard", wanted);
    assert_eq!(marked, name("2026-11-28/14-05-00+0100_event.mp4"));
    assert_eq!(archive.create("yard", wanted, &make).unwrap().0, wanted);
    assert_eq!(
        archive.mark("yard", wanted),
        name("2026-11-28/14-05-00+0100-2_event.mp4")
    );
    assert_eq!(archive.mark("yard", wanted), wanted, "it is there no longer");
    let busy = archive.delete("yard", marked).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::ResourceBusy);
    assert_eq!(archive.create("yard", wanted, &make).unwrap().0, wanted);
    let before = files(&rig);
    let full = archive.rename("yard", wanted, last, 0).unwrap_err();
    assert_eq!((full.kind(), files(&rig)), (ErrorKind::AlreadyExists, before));
}

#[test]
fn what_is_foreign_stays_and_an_empty_day_goes() {
    let rig = Rig::new("foreign-files");
    for (path, bytes) in [
        ("yard/2026-11-27/23-59-00+0100.mp4", 10),
        ("yard/2026-11-28/00-00-00+0100.mp4", 10),
        ("yard/2026-11-28/notes.txt", 1000),
        ("yard/2026-11-28/00-00-00.mp4", 1000),
        ("yard/holiday/00-00-00+0100.mp4", 1000),
        ("door/2026-11-27/12-00-00+0100~.mp4", 10),
        ("elsewhere", 1000),
    ] {
        let path = rig.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![1; bytes]).unwrap();
    }
    let before = files(&rig);
    // Neither a link to a camera's folder nor one to a file is ours.
    let other = Rig::new("other-disk");
    let theirs = other.folder.join("2026-11-01");
    fs::create_dir_all(&theirs).unwrap();
    fs::write(theirs.join("00-00-00+0000.mp4"), "theirs").unwrap();
    symlink(&other.folder, rig.folder.join("linked")).unwrap();
    symlink(&theirs, rig.folder.join("yard/2026-11-01")).unwrap();
    symlink(
        theirs.join("00-00-00+0000.mp4"),
        rig.folder.join("yard/2026-11-28/00-00-01+0000.mp4"),
    )
    .unwrap();

    let first = &rig.fragments(40)[0];
    let make = |path: &Path| RecordingFile::create(path, first, ORIGIN, 1000, 0);
    for (camera, day) in [("linked", "02"), ("yard", "01")] {
        let wanted = name(&format!("2026-11-{day}/12-00-00+0000.mp4"));
        let refused = archive(&rig, 0).create(camera, wanted, &make).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotADirectory);
    }
    assert_eq!(
        archive(&rig, 30).tidy(None, false).unwrap(),
        0,
        "they count as nothing"
    );
    assert_eq!(archive(&rig, 0).tidy(None, false).unwrap(), 3);
    let gone = [
        "door/2026-11-27",
        "door/2026-11-27/12-00-00+0100~.mp4",
        "yard/2026-11-27",
        "yard/2026-11-27/23-59-00+0100.mp4",
        "yard/2026-11-28/00-00-00+0100.mp4",
    ];
    let after: Vec<String> = files(&rig)
        .into_iter()
        .filter(|path| before.contains(path))
        .collect();
    let stays: Vec<String> = before
        .into_iter()
        .filter(|path| !gone.contains(&path.as_str()))
        .collect();
    assert_eq!(after, stays);
    assert_eq!(fs::read(theirs.join("00-00-00+0000.mp4")).unwrap(), b"theirs");
}

#[test]
fn it_is_tidied_up_once_a_minute_and_where_there_is_reason() {
    let rig = Rig::new("tidied");
    let archive = archive(&rig, 0);
    let old = archive.path("yard", name("2026-11-27/12-00-00+0000.mp4"));
    let goes = |now_us: u64| {
        fs::create_dir_all(old.parent().unwrap()).unwrap();
        fs::write(&old, "old").unwrap();
        archive.keep_tidy(now_us, None).unwrap();
        !old.exists()
    };
    assert!(goes(1));
    assert!(!goes(TIDY_US) && goes(1 + TIDY_US));
    archive.closed("yard", name("2026-11-28/12-00-00+0000.mp4"));
    assert!(goes(2 + TIDY_US) && !goes(2 + TIDY_US));
    archive.change_limits(Limits {
        max_bytes: 2,
        ..LIMITS
    });
    assert!(goes(2 + TIDY_US));
    // Others fill the disk: whoever asks next is told, too.
    let full = Limits {
        keep_free: 10_000,
        ..LIMITS
    };
    archive.change_limits(full);
    for _ in 0..2 {
        let e = archive.keep_tidy(3 + TIDY_US, None).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::StorageFull);
    }
}

#[test]
fn where_others_leave_less_than_is_kept_free_nothing_is_recorded() {
    let rig = Rig::new("others");
    let archive = archive(&rig, u64::MAX);
    let (free, all) = room(archive.root()).unwrap();
    // What is recorded would be deleted as soon as it ends.
    let limits = Limits {
        keep_free: free * 100 / all + 10,
        ..*own(&archive.limits)
    };
    archive.change_limits(limits);
    let first = &rig.fragments(40)[0];
    let make = |path: &Path| RecordingFile::create(path, first, ORIGIN, 1000, 0);
    let (made, file) = archive
        .create("yard", name("2026-11-20/12-00-00+0000.mp4"), &make)
        .unwrap();
    let e = archive.tidy(None, false).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::StorageFull);
    assert!(why(&e).contains("record_keep_free"));
    // What fills the disk is the recording: it goes on.
    let (path, most) = (archive.path("yard", made), all / 100 * limits.keep_free);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(most)
        .unwrap();
    assert_eq!(archive.tidy(None, false).unwrap(), 0);
    drop(file);
}

#[test]
fn by_age_they_are_deleted_once_an_hour() {
    let rig = Rig::new("age");
    let archive = archive(&rig, u64::MAX);
    let limits = *own(&archive.limits);
    archive.change_limits(Limits {
        keep_days: 1,
        ..limits
    });
    let first = &rig.fragments(40)[0];
    let make = |path: &Path| RecordingFile::create(path, first, ORIGIN, 1000, 0);
    for _ in 0..3 {
        let wanted = name("2026-11-20/12-00-00+0000.mp4");
        let (name, _) = archive.create("yard", wanted, &make).unwrap();
        archive.closed("yard", name);
    }
    assert_eq!(archive.tidy(Some(u64::MAX), false).unwrap(), 1);
    assert_eq!(archive.tidy(Some(u64::MAX), false).unwrap(), 0);
}

#[test]
fn the_newest_days_are_repaired_and_those_of_a_wrong_clock() {
    let rig = Rig::new("newest");
    let archive = archive(&rig, u64::MAX);
    let fragments = rig.fragments(40);
    let make = |path: &Path| RecordingFile::create(path, &fragments[0], ORIGIN, 1000, 0);
    for day in ["1970-01-01", "2026-11-26", "2026-11-27", "2026-11-29"] {
        let unsynced = if day < "2000" { "~" } else { "" };
        for time in ["11-00-00", "12-00-00"] {
            let wanted = name(&format!("{day}/{time}+0000{unsynced}.mp4"));
            let (name, mut file) = archive.create("yard", wanted, &make).unwrap();
            for fragment in &fragments {
                file.push(fragment, 0).unwrap();
            }
            if time == "11-00-00" {
                file.close().unwrap();
            }
            archive.closed("yard", name);
        }
    }
    let repaired = |camera: &str| archive.repair(camera).unwrap().len();
    assert_eq!([repaired("door"), repaired("yard"), repaired("yard")], [0, 3, 0]);
}
