//! Cameras and clocks as they are in the field: late pictures, rates that change, pictures far apart, clocks that are set,
//! sleep. What a playlist promises holds through all of it; `validator` looks at every playlist.

use super::support::{Clock, Dir, Server, have, run, until};
use super::{Player, SMALL, client, command, x264};
use std::collections::HashSet;

/// So much is watched of each camera, in seconds of video.
const SECONDS: f64 = 15.0;

/// Pictures at this plan of rates (tests/tools/replay.py), with a key frame after each `group` of them.
fn camera(dir: &Dir, plan: &str, group: u32) -> Option<Server> {
    let options = format!("keyint={group}:min-keyint={group}");
    x264(dir, &["160x120"], 240, &options, plan)
}

fn watched(player: &Player) -> f64 {
    let segments = player.history.segments.values();
    segments.filter_map(|segment| segment.duration).sum()
}

fn breaks(player: &Player) -> usize {
    let segments = player.history.segments.values();
    segments.filter(|segment| segment.discontinuity).count()
}

/// Nothing for a third of a second, and then all of it at once, as over Wi-Fi.
#[test]
fn late_pictures_are_in_no_part() {
    let dir = Dir::new();
    let Some(server) = camera(&dir, "30x49,2.6x1,3000x10", 30) else {
        return;
    };
    let mut player = Player::new(&server);
    player.follow(|player| watched(player) >= SECONDS);
    let parts: HashSet<bool> = player
        .history
        .segments
        .values()
        .map(|s| s.parts.is_empty())
        .collect();
    assert_eq!(parts.len(), 2, "some have none");
    assert_eq!(breaks(&player), 0);
}

/// In the dark, and back; in steps, and to a picture in 1.7 s.
#[test]
fn rates_change_and_the_targets_do_not() {
    for plan in [
        "30x90,5x15,7.5x20,10x30,15x30",
        "30x90,0.6x5",
        "12.5x40,30x60,24x48",
    ] {
        let dir = Dir::new();
        let Some(server) = camera(&dir, plan, 15) else {
            return;
        };
        let mut player = Player::new(&server);
        player.follow(|player| watched(player) >= SECONDS);
        assert_eq!(player.newest.target, 2);
        assert_eq!(breaks(&player), 0, "{plan}");
    }
}

/// It has a long target from the first playlist on.
#[test]
fn a_slow_camera_is_slow_from_the_first_playlist_on() {
    let dir = Dir::new();
    let Some(server) = camera(&dir, "0.4", 2) else {
        return;
    };
    let mut player = Player::new(&server);
    player.follow(|player| watched(player) >= 2.0 * SECONDS);
    assert!(player.newest.target >= 3);
    assert_eq!(breaks(&player), 0);
}

/// OpenH264 and IP cameras give their parameter sets other ids at each key frame: it is one segment after the other for all
/// that, with one MAP.
#[test]
fn parameter_sets_that_change_are_no_break() {
    if !have("ffmpeg") || !have("python3") {
        return;
    }
    let dir = Dir::new();
    let Some(plain) = x264(&dir, &["160x120"], 240, "cabac=0:keyint=24:min-keyint=24", "30") else {
        return;
    };
    drop(plain);
    let changing = dir.file("changing.h264");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/sets.py");
    let plain = dir.file("in.h264");
    let changed = run(
        "python3",
        &[script, plain.to_str().unwrap(), changing.to_str().unwrap(), "ids"],
    );
    assert!(changed.status.success(), "{changed:?}");
    let server = Server::with_config(&command(&changing, "30"));
    let mut player = Player::new(&server);
    player.follow(|player| watched(player) >= SECONDS);
    assert_eq!(breaks(&player), 0);
    assert_eq!(player.inits.len(), 1);
}

/// The wall clock is set, by NTP after boot: forth, and back again.
#[test]
fn a_clock_that_is_set_makes_a_discontinuity() {
    let dir = Dir::new();
    let Some(clock) = Clock::new(&dir) else { return };
    let mut program = Server::program();
    clock.give(&mut program);
    let config = SMALL.replace("[server]", "[server]\nsandbox = off");
    let server = Server::with_config_as(program, &config);
    let mut player = Player::new(&server);
    let newest_ms = |player: &Player| player.newest.segments.last().unwrap().date_ms;
    let first_ms = newest_ms(&player);
    for seconds in [100_000, -50_000, 0, 1] {
        let (before, begun) = (breaks(&player), watched(&player));
        player.follow(|player| watched(player) >= begun + SECONDS / 4.0);
        clock.set(seconds);
        player.follow(|player| breaks(player) > before);
        let shown = newest_ms(&player) - first_ms - seconds * 1000;
        assert!((0..2 * 60_000).contains(&shown), "{shown} ms after {seconds}");
        assert_eq!(breaks(&player), before + 1);
    }
    assert_eq!(player.inits.len(), 1);
}

/// The next run has other names, and goes on in all else.
#[test]
fn a_camera_that_slept_keeps_its_promises() {
    let dir = Dir::new();
    let Some(server) = camera(&dir, "30x200,10x2000", 30) else {
        return;
    };
    let mut player = Player::new(&server);
    for _ in 0..2 {
        let begun = watched(&player);
        player.follow(|player| watched(player) >= begun + SECONDS / 4.0);
        let run = player.newest.run().unwrap().to_string();
        until("the camera sleeps", || server.camera("state") == "asleep");
        // It is the same player, with what it knows.
        player.playlists = client(&server);
        player.files = client(&server);
        let text = player.playlists.fetch("/streaminf.m3u8");
        player.newest = player.history.add(text.text());
        assert_ne!(player.newest.run().unwrap(), run);
    }
    assert_eq!(server.camera("state"), "live");
}
