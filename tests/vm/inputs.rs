//! The whole program with vivid as a capture card: a webcam (input 0), a tuner (1), S-Video (2) and HDMI (3).

use super::served::{health, serve};
use super::support::{Server, until};
use super::*;

/// vivid's inputs, whose signals are set here; all as it was, and the webcam selected, when this is dropped.
struct Card(PathBuf);

impl Card {
    fn new() -> Card {
        Card(driven_by("vivid").swap_remove(0))
    }

    /// Selects an input, and gives it a signal.
    fn at(input: &str, signal: &str) -> Card {
        let card = Card::new();
        v4l2_ctl(&card.0, &["-i", input]);
        card.signal(signal);
        card
    }

    /// Sets controls of the present input.
    fn signal(&self, controls: &str) {
        v4l2_ctl(&self.0, &["-c", controls]);
    }

    fn serve(&self, keys: &str) -> Server {
        serve(&self.0, "640x480", 30, keys)
    }

    fn ask(&self, option: &str) -> String {
        v4l2_ctl(&self.0, &[option])
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        for analogue in ["1", "2"] {
            v4l2_ctl(&self.0, &["-i", analogue, "--set-standard=pal"]);
            self.signal("standard_signal_mode=0");
        }
        v4l2_ctl(&self.0, &["-i", "3"]);
        self.signal("dv_timings_signal_mode=4,dv_timings=9");
        self.ask("--set-dv-bt-timings=query");
        self.signal("dv_timings_signal_mode=0");
        v4l2_ctl(&self.0, &["--set-edid=pad=3,type=hdmi", "-i", "0"]);
    }
}

fn live(server: &Server) {
    until("it is live", || server.camera("state") == "live");
}

fn told(server: &Server, words: &str) {
    until(words, || {
        let (code, why) = health(server);
        code == "503" && why.contains(words)
    });
    assert_eq!(server.camera("state"), "lost");
    let answer = server.get("/snapshot.mp4");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains(words),
        "{answer}"
    );
}

fn assert_status(server: &Server, fields: &[(&str, &str)]) {
    for (field, expected) in fields {
        assert_eq!(server.camera(field), *expected, "{field}");
    }
}

#[test]
fn an_input_is_chosen_by_its_number_or_its_name() {
    let Some(_) = rig() else { return };
    let card = Card::at("0", "brightness=128");
    let server = card.serve("");
    let _viewer = server.follow("");
    live(&server);
    assert_status(
        &server,
        &[("input", "Webcam 0"), ("signal", ""), ("width", "640")],
    );
    drop(server);
    for (key, name, signal) in [
        ("2", "S-Video 0", "PAL"),
        ("HDMI 0", "HDMI 0", "1280x720p60"),
        ("tv", "TV 0", "PAL"),
        // None: it stays.
        ("", "TV 0", "PAL"),
    ] {
        let server = card.serve(&format!("input = {key}"));
        let _viewer = server.follow("");
        live(&server);
        assert_status(&server, &[("input", name), ("signal", signal)]);
        assert!(card.ask("--get-input").contains(name), "{name}");
    }
    let server = card.serve("input = DVI");
    let all = "0 (Webcam 0), 1 (TV 0), 2 (S-Video 0), 3 (HDMI 0)";
    told(&server, &format!("input = DVI: no such input; it has {all}"));
}

#[test]
fn a_new_size_of_a_digital_signal_is_followed() {
    let Some(_) = rig() else { return };
    let card = Card::at("3", "dv_timings_signal_mode=4,dv_timings=0");
    // The config's size is not the signal's.
    let server = serve(&card.0, "320x180", 5, "");
    let mut stream = server.follow("");
    assert!((0..5).all(|_| stream.next_fragment().is_some()));
    let first = [("width", "640"), ("height", "480"), ("signal", "640x480p59.94")];
    assert_status(&server, &first);
    // What changes nothing is no reason to start anew, though the driver reports it.
    let sent = server.log().len();
    card.signal("dv_timings_signal_mode=4");
    assert!((0..5).all(|_| stream.next_fragment().is_some()));
    assert_eq!(server.log().len(), sent, "{}", server.log());

    card.signal("dv_timings=2");
    while stream.next_fragment().is_some() {}
    let mut newcomer = server.follow("");
    assert!((0..5).all(|_| newcomer.next_fragment().is_some()));
    live(&server);
    let second = [("width", "720"), ("height", "480"), ("signal", "720x480p59.94")];
    assert_status(&server, &second);
    let log = server.log();
    let line = "the signal at HDMI 0 changed: from 640x480p59.94 to 720x480p59.94; it starts anew";
    assert!(log.contains(line) && !log.contains("lost"), "{log}");
    assert!(!log.contains("is not offered"), "{log}");
}

#[test]
fn a_signal_that_goes_is_told_and_waited_for() {
    let Some(_) = rig() else { return };
    let card = Card::at("3", "dv_timings_signal_mode=4,dv_timings=0");
    let server = card.serve("");
    let viewer = server.follow("");
    live(&server);
    for (mode, words) in [
        (1, "no signal: nothing comes in at HDMI 0"),
        (2, "no signal: what comes in at HDMI 0 is not steady"),
        (3, "signal not supported: HDMI 0 can't take what comes in"),
    ] {
        card.signal(&format!("dv_timings_signal_mode={mode}"));
        told(&server, words);
        assert_eq!(server.camera("signal"), "");
        // It is tried again and again, and said once.
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(server.log().matches(words).count(), 1, "{}", server.log());
    }
    card.signal("dv_timings_signal_mode=4");
    live(&server);
    assert_status(&server, &[("signal", "640x480p59.94"), ("reason", "")]);
    drop(viewer);
    let mut newcomer = server.follow("");
    assert!(newcomer.next_fragment().is_some());

    // One that was never there: it starts by itself.
    drop(server);
    card.signal("dv_timings_signal_mode=1");
    let server = card.serve("");
    let _waits = server.follow("");
    told(&server, "no signal");
    card.signal("dv_timings_signal_mode=4");
    live(&server);
}

#[test]
fn an_analogue_standard_is_found_and_followed() {
    let Some(_) = rig() else { return };
    // NTSC-M, where the device is set to PAL.
    let card = Card::at("1", "standard_signal_mode=4,standard=0");
    let server = card.serve("");
    let _viewer = server.follow("");
    live(&server);
    assert_status(&server, &[("input", "TV 0"), ("signal", "NTSC-M")]);
    assert!(card.ask("--get-standard").contains("NTSC-M"), "the driver is set");
    card.signal("standard=5");
    until("it is followed", || server.camera("signal") == "PAL-I");
    live(&server);
    let log = server.log();
    assert!(
        log.contains("the signal at TV 0 changed: from NTSC-M to PAL-I; it starts anew"),
        "{log}"
    );
    // The rate is the standard's, and no reason to warn.
    assert!(!log.contains("is not offered"), "{log}");

    card.signal("standard_signal_mode=1");
    told(&server, "no signal: nothing comes in at TV 0");
    told(
        &server,
        "the key input chooses another one: 0 (Webcam 0), 1 (TV 0)",
    );
    card.signal("standard_signal_mode=2");
    told(&server, "is not steady");
    card.signal("standard_signal_mode=4");
    live(&server);
    drop(server);

    // One that is named is set, whatever is found.
    let server = card.serve("standard = ntsc");
    let _viewer = server.follow("");
    live(&server);
    assert_status(&server, &[("signal", "NTSC")]);
}

#[test]
fn interlaced_pictures_are_asked_away_or_warned_of() {
    let Some(_) = rig() else { return };
    let card = Card::at("2", "standard_signal_mode=0");
    let server = card.serve("");
    let viewer = server.follow("");
    live(&server);
    let words =
        "the signal (PAL) is interlaced: what moves has combed edges; height = 288 asks for one field";
    assert_eq!(server.log().matches(words).count(), 1, "{}", server.log());
    drop((viewer, server));

    let server = serve(&card.0, "384x288", 25, "");
    let viewer = server.follow("");
    live(&server);
    assert_status(&server, &[("width", "384"), ("height", "288")]);
    assert!(!server.log().contains("interlaced"), "{}", server.log());
    assert!(card.ask("--get-fmt-video").contains(": Top"), "one field");
    drop((viewer, server));

    let card = Card::at("3", "dv_timings_signal_mode=4,dv_timings=13");
    let server = card.serve("");
    let _viewer = server.follow("");
    live(&server);
    let words =
        "(1920x1080i50) is interlaced: each picture is one field, half as high; set what is connected to a";
    assert_eq!(server.log().matches(words).count(), 1, "{}", server.log());
}

#[test]
fn what_an_hdmi_input_takes_is_told_to_its_source() {
    let Some(_) = rig() else { return };
    let card = Card::at("3", "dv_timings_signal_mode=4,dv_timings=0");
    let clear = || v4l2_ctl(&card.0, &["--clear-edid=3"]);
    let bytes = || {
        let text = v4l2_ctl(&card.0, &["--get-edid=pad=3,format=hex"]);
        let hex = text.chars().filter(char::is_ascii_hexdigit);
        hex.collect::<String>().to_lowercase()
    };
    clear();
    let server = card.serve("");
    let viewer = server.follow("");
    told(&server, "put edid = 1080p into its section");
    drop((viewer, server));
    let server = card.serve("edid = 1080p");
    let viewer = server.follow("");
    live(&server);
    let builtin = bytes();
    assert!(
        builtin.starts_with("00ffffffffffff00") && builtin.len() == 512,
        "{builtin}"
    );
    drop((viewer, server));

    // The same as a file of text.
    clear();
    let dir = support::Dir::new();
    let file = dir.write("edid.txt", &builtin);
    let server = card.serve(&format!("edid = {}", file.display()));
    let viewer = server.follow("");
    live(&server);
    assert_eq!(bytes(), builtin);
    drop((viewer, server));

    let server = card.serve("edid = /etc/hostname");
    let viewer = server.follow("");
    live(&server);
    let log = server.log();
    assert_eq!(
        log.matches("edid has no effect: /etc/hostname is no EDID")
            .count(),
        1,
        "{log}"
    );
    drop((viewer, server));

    v4l2_ctl(&card.0, &["-i", "0"]);
    let server = card.serve("edid = 1080p\nstandard = pal");
    let _viewer = server.follow("");
    live(&server);
    for (key, kind) in [("edid", "no HDMI input"), ("standard", "not an analogue one")] {
        let words = format!("{key} has no effect: the present input is {kind}");
        assert_eq!(server.log().matches(&words).count(), 1, "{}", server.log());
    }
}

#[test]
fn inputs_and_signals_are_probed() {
    let Some(_) = rig() else { return };
    let card = Card::at("3", "dv_timings_signal_mode=4,dv_timings=9");
    card.ask("--set-dv-bt-timings=query");
    card.signal("dv_timings=16");
    let probe = || {
        let output = Command::new(Server::PROGRAM).arg("--probe").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let begin = format!("# {}: ", card.0.display());
        text.split("#\n")
            .find(|part| part.starts_with(&begin))
            .unwrap()
            .to_owned()
    };
    let text = probe();
    let all = "\n# Inputs: 0 (Webcam 0), 1 (TV 0), 2 (S-Video 0), 3 (HDMI 0).\n";
    let now = "# Present input: HDMI 0, set to 1280x720p60; the signal there: 1920x1080p60.\n";
    assert!(text.contains(all) && text.contains(now), "{text}");
    // It only asks.
    assert!(card.ask("--get-dv-timings").contains("1280"));
    card.signal("dv_timings_signal_mode=1");
    assert!(probe().contains("set to 1280x720p60; the signal there: none.\n"));
    v4l2_ctl(&card.0, &["-i", "1"]);
    card.signal("standard_signal_mode=4,standard=0");
    let text = probe();
    assert!(
        text.contains("# Present input: TV 0, set to PAL; the signal there: NTSC-M.\n"),
        "{text}"
    );
    v4l2_ctl(&card.0, &["-i", "0"]);
    let text = probe();
    assert!(text.contains("# Present input: Webcam 0.\n"), "{text}");
}
