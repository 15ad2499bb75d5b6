//! `source::mic` and `sys::alsa` against the kernel's sound loopback: what is played into one device of it, the other captures.

use super::support::recorders::{decode, length, record};
use super::support::{Dir, Server, run, until};
use super::*;
use fmp4streamer::config::MicName;
use fmp4streamer::format::fmp4::about;
use fmp4streamer::source::mic::{Heard, Sound};
use fmp4streamer::sys::clock::monotonic_us;
use fmp4streamer::sys::event::Event;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::thread;

/// The device that captures.
const CAPTURES: &str = "/dev/snd/pcmC0D1c";
const DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";
/// How far the player is.
const PLAYED: &str = "/proc/asound/card0/pcm0p/sub0/status";
/// What is played. A program that is not optimized does not keep up with 48 kHz on a machine as slow as this.
const RATE: u32 = if cfg!(debug_assertions) { 8000 } else { 48_000 };

/// The driver, which is there for one test.
struct Loopback;

impl Loopback {
    fn new() -> Loopback {
        Loopback::with("enable=1")
    }

    fn with(cards: &str) -> Loopback {
        modprobe(&["snd-aloop", "pcm_substreams=1,1", cards]);
        Loopback
    }

    /// Plugs it out, which takes until nobody has it open any more.
    fn plug_out() -> Running {
        let write = format!("echo snd_aloop.0 > {DRIVER}/unbind");
        Running::start(Command::new("sh").args(["-c", &write]))
    }

    fn plug_in() {
        fs::write(format!("{DRIVER}/bind"), "snd_aloop.0").unwrap();
    }

    /// The same, and captures before anybody else does, who looks for it once a second: whatever opens one of its devices first says
    /// what the other has to do with.
    fn plug_in_and_hold() -> File {
        loop {
            Loopback::plug_in();
            if let Ok(held) = File::open(CAPTURES) {
                return held;
            }
            drop(Loopback::plug_out());
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        modprobe(&["-r", "snd-aloop"]);
    }
}

/// Plays a sine of 440 Hz into the first card, an eighth as loud as can be.
fn play(channels: &str) -> Running {
    play_into(0, 440, channels)
}

fn play_into(card: u32, frequency: u32, channels: &str) -> Running {
    // It is made beforehand: a machine as slow as this does not do it in passing.
    let dir = Dir::new();
    let tone = dir.file("tone.wav").display().to_string();
    let sine = format!("sine=frequency={frequency}:sample_rate={RATE}:duration=10");
    let made = run(
        "ffmpeg",
        &["-v", "error", "-f", "lavfi", "-i", &sine, "-ac", channels, &tone],
    );
    assert_eq!(String::from_utf8_lossy(&made.stderr), "");
    let device = format!("hw:{card},0");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-stream_loop", "-1", "-i", &tone, "-c", "copy"]);
    let running = Running::start(command.args(["-f", "alsa", &device]));
    eventually("it plays", || {
        let status = fs::read_to_string(format!("/proc/asound/card{card}/pcm0p/sub0/status")).ok()?;
        status.contains("RUNNING").then_some(())
    });
    running
}

/// How often a second a wave begins, by those that were heard whole.
fn frequency(samples: &[i16]) -> usize {
    let ups = (1..samples.len()).filter(|n| samples[n - 1] < 0 && samples[*n] >= 0);
    let ups: Vec<usize> = ups.collect();
    let mut periods: Vec<usize> = ups.windows(2).map(|pair| pair[1] - pair[0]).collect();
    periods.sort_unstable();
    let middle = periods[periods.len() / 2];
    periods.retain(|period| period.abs_diff(middle) <= 1);
    RATE as usize * periods.len() / periods.iter().sum::<usize>()
}

/// Whether there is a block as loud as that. Another may be louder, with a click beside a gap, or a silence of the player's in it.
fn is_as_loud(samples: &[i16], wanted: u64) -> bool {
    let mut powers = samples.chunks_exact(1024).map(power);
    powers.any(|power| (power.sqrt() as u64).abs_diff(wanted) < 100)
}

/// A microphone that is listened to, and what was heard.
struct Listener {
    sound: Sound,
    wake: Event,
    /// "begun: WORDS" and "lost: WHY".
    news: Vec<String>,
    frames: Vec<(u64, Vec<i16>)>,
    rate: u64,
}

impl Listener {
    fn new(name: &str) -> Listener {
        Listener {
            sound: Sound::new(MicName::parse(name).unwrap(), 0),
            wake: Event::new().unwrap(),
            news: Vec::new(),
            frames: Vec::new(),
            rate: 0,
        }
    }

    /// Listens until that is so.
    fn until(&mut self, what: &str, so: impl Fn(&Listener) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{what}: {:?}",
                self.news
            );
            let Listener {
                sound,
                wake,
                news,
                frames,
                rate,
            } = self;
            sound.poll(wake.as_fd(), true, &mut |heard| match heard {
                Heard::Opened(has, _) => *rate = has.into(),
                Heard::Begun(words) => news.push(format!("begun: {words}")),
                Heard::Frame(samples, time_us) => frames.push((time_us, samples.to_vec())),
                Heard::Lost(e) => news.push(format!("lost: {e}")),
            });
        }
    }

    fn frames(&mut self, count: usize) {
        let count = self.frames.len() + count;
        self.until("frames", |listener| listener.frames.len() >= count);
    }

    /// Each frame begins where one before it ended, or whole frames later where this machine was held up for so long that it
    /// is no silence any more.
    fn assert_times(&self) {
        let begin_us = self.frames[0].0;
        let samples = |us: u64| ((us - begin_us) * self.rate).div_ceil(1_000_000);
        let mut end = 0;
        for (time_us, _) in &self.frames {
            let begin = samples(*time_us);
            assert!(begin >= end && begin % 1024 == 0, "{begin} after {end}");
            assert!(
                begin == end || begin - end > self.rate * 9 / 10,
                "{begin} after {end}"
            );
            end = begin + 1024;
        }
    }
}

/// Waits until newcomers get both tracks: a recording that begins just before, without sound, ends there.
fn until_it_is_sent(server: &Server, path: &str) {
    let ask = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    until("there is sound beside the pictures", || {
        server.ask(&ask).contains("mp4a.40.2")
    });
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
}

#[test]
fn a_sine_is_heard_as_it_is_played() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    // 32767 / 8 / √2, and what ffmpeg shares out between two
    for (channels, words, wanted) in [("1", "mono", 2896), ("2", "stereo", 2048)] {
        let _playing = play(channels);
        let mut listener = Listener::new("hw:Loopback,1");
        listener.frames(20);
        assert_eq!(listener.news, [format!("begun: {RATE} Hz, {words}, 16 bits")]);
        listener.assert_times();
        // The player of a slow machine may be late at times, which is silence.
        let channels = channels.parse().unwrap();
        let heard = listener
            .frames
            .iter()
            .flat_map(|(_, frame)| frame.chunks(channels));
        let heard: Vec<i16> = heard.map(|samples| samples[0]).collect();
        assert!(frequency(&heard).abs_diff(440) < 5);
        let all = listener
            .frames
            .iter()
            .flat_map(|(_, frame)| frame.iter().copied());
        assert!(is_as_loud(&all.collect::<Vec<i16>>(), wanted));
    }
}

#[test]
fn what_was_lost_while_nobody_read_is_silence() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    let _playing = play("1");
    let mut listener = Listener::new("hw:Loopback,1");
    listener.frames(10);
    // Half a second is what the device keeps.
    std::thread::sleep(Duration::from_millis(900));
    listener.frames(12 * RATE as usize / 8000);
    assert_eq!(listener.news.len(), 1, "{:?}", listener.news);
    listener.assert_times();
    let mut silent_us = 0;
    for pair in listener.frames[5..].windows(2) {
        let apart_us = pair[1].0 - pair[0].0;
        silent_us += if power(&pair[1].1) == 0.0 {
            apart_us
        } else {
            apart_us - 1024 * 1_000_000 / u64::from(RATE)
        };
    }
    assert!(silent_us > 500_000, "{silent_us}");
    listener.until("it is heard again", |listener| {
        power(&listener.frames.last().unwrap().1) > 1e6
    });
}

#[test]
fn while_it_is_unplugged_there_is_silence() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    let mut listener = Listener::new("card:Loopback");
    listener.frames(20);
    let unplugging = Loopback::plug_out();
    listener.until("it is lost", |listener| listener.news.len() == 2);
    assert!(
        listener.news[1].contains("unplugged; waiting"),
        "{:?}",
        listener.news
    );
    listener.until("it is looked for", |listener| listener.news.len() > 2);
    assert!(listener.news[2].starts_with("lost: card:Loopback: no such microphone: there is none at all"));
    drop(unplugging);
    Loopback::plug_in();
    // The next look finds it, and there is one a second.
    let (tries, plugged) = (listener.news.len(), Instant::now());
    listener.until("it is looked for again", |listener| listener.news.len() > tries);
    println!(
        "it is back {} ms after it was plugged in",
        plugged.elapsed().as_millis()
    );
    assert!(listener.news[tries].starts_with("begun"), "{:?}", listener.news);
    listener.frames(40);
    listener.assert_times();
}

#[test]
fn who_has_it_is_named() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    let device = File::open(CAPTURES).unwrap();
    let mut listener = Listener::new("hw:0,1");
    listener.until("it is busy", |listener| !listener.news.is_empty());
    let why = "busy: another section of the config means it too";
    assert_eq!(
        listener.news,
        [format!("lost: {CAPTURES}: can't use the microphone: {why}")]
    );

    let other = Running::start(Command::new("sleep").arg("600").stdin(device));
    let mut listener = Listener::new("hw:0,1");
    listener.until("it is busy", |listener| !listener.news.is_empty());
    let why = format!(
        "lost: {CAPTURES}: can't use the microphone: busy: another program has it open (pid {}, sleep)",
        other.0.id()
    );
    assert_eq!(listener.news, [why]);
    assert!(
        listener.frames.is_empty(),
        "what was never there is not silent either"
    );
    drop(other);
    listener.until("it is free", |listener| listener.news.len() > 1);
    assert!(
        listener.news[1].starts_with("begun: 48000 Hz, mono, 32 bits"),
        "{:?}",
        listener.news
    );
}

/// By each way, also behind a time in which the whole program was stopped: the microphone was not read, and nothing sent. For so
/// many MINUTES, if that is set.
#[test]
fn viewers_have_the_sound_beside_the_picture() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    let _playing = play("1");
    let server = Server::with_config(
        "[test]\nwidth = 320\nheight = 240\nfps = 10\nmic = hw:Loopback,1\nauto_sleep = no\n",
    );
    let words = format!("{RATE} Hz, mono, 16 bits");
    until("it is heard", || server.status("mic") == words);
    until_it_is_sent(&server, "/stream.mp4");
    let dir = Dir::new();
    let files = thread::scope(|scope| {
        let recorded = scope.spawn(|| record(&server, length(10), &dir));
        thread::sleep(Duration::from_secs(4));
        server.signal("-STOP");
        thread::sleep(Duration::from_secs(2));
        server.signal("-CONT");
        recorded.join().unwrap()
    });
    for file in files {
        let (pcm, file) = (decode(&file), file.display().to_string());
        let shows =
            "-v warning -select_streams a -show_entries stream=codec_name,sample_rate,channels -of csv=p=0";
        let arguments: Vec<&str> = shows.split(' ').chain([file.as_str()]).collect();
        let described = String::from_utf8(run("ffprobe", &arguments).stdout).unwrap();
        assert_eq!(described.trim(), format!("aac,{RATE},1"));
        println!("{file}: {} s of sound", pcm.len() / RATE as usize);
        assert!(frequency(&pcm).abs_diff(440) < 5, "{file}");
        let last = &pcm[pcm.len() - RATE as usize..];
        for pcm in [&pcm, last] {
            assert!(is_as_loud(pcm, 2896), "{file}");
        }
    }

    let unplugging = Loopback::plug_out();
    until("it says so", || {
        server.status("mic_why").contains("no such microphone")
    });
    let frames = server.number("frames");
    until("the picture goes on", || server.number("frames") > frames + 20);
    drop(unplugging);
    Loopback::plug_in();
    until("it is heard again", || !server.status("mic").is_empty());
}

#[test]
fn each_camera_has_its_own_microphone() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::with("enable=1,1");
    let tones = [440, 880];
    let _playing = [0, 1].map(|card| play_into(card, tones[card as usize], "1"));
    let config = tones.map(|tone| {
        let card = u32::from(tone != 440);
        format!("[test {tone}]\nwidth = 160\nheight = 120\nfps = 5\nmic = hw:{card},1\nauto_sleep = no\n")
    });
    let server = Server::with_config(&config.concat());
    let dir = Dir::new();
    thread::scope(|scope| {
        for (name, tone) in ["camera0", "camera1"].into_iter().zip(tones) {
            let (server, file) = (&server, dir.file(name));
            scope.spawn(move || {
                let path = format!("/{name}/stream.mp4");
                until_it_is_sent(server, &path);
                run(
                    "curl",
                    &["-s", "-m", "6", "-o", file.to_str().unwrap(), &server.url(&path)],
                );
                assert!(frequency(&decode(&file)).abs_diff(tone as usize) < 9, "{name}");
            });
        }
    });
}

/// A beep of a tenth of a second with each second, half as loud as can be.
fn beep(dir: &Dir) -> PathBuf {
    let file = dir.file("beep.wav");
    let beep = "0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)";
    let source = format!("aevalsrc=exprs='{beep}':sample_rate={RATE}:duration=10");
    let made = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &source,
            file.to_str().unwrap(),
        ],
    );
    assert_eq!(String::from_utf8_lossy(&made.stderr), "");
    file
}

/// Plays that file, which is of whole seconds, again and again.
fn play_beeps(file: &Path) -> Running {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-stream_loop", "-1", "-i"])
        .arg(file);
    let running = Running::start(command.args(["-c", "copy", "-f", "alsa", "hw:0,0"]));
    eventually("it plays", Played::begin_us);
    running
}

/// When its beeps began is known.
struct Played {
    /// Within these times it went on without a stumble.
    from_us: u64,
    to_us: u64,
    /// When the first sample was played, and so captured: the loopback's two devices are at the same place at the same instant, which is
    /// told to 4 ms, by the kernel's ticks.
    begun_us: f64,
}

impl Played {
    /// Looks at a player of the file for so long, and ends it. Where it was too late with something, so that what follows is not at its time
    /// any more, the file is played once more.
    fn new(mut player: Running, file: &Path, length: Duration) -> Played {
        for _ in 0..5 {
            let from_us = monotonic_us();
            let mut begins_us = vec![eventually("it plays", Played::begin_us)];
            while monotonic_us() < from_us + length.as_micros() as u64 {
                begins_us.extend(Played::begin_us());
                thread::sleep(Duration::from_millis(100));
            }
            let to_us = monotonic_us();
            begins_us.sort_by(f64::total_cmp);
            let [early, begun_us, late] =
                [5, 50, 95].map(|percent| begins_us[begins_us.len() * percent / 100]);
            if late - early < IN_STEP_MS * 1e3 / 2.0 {
                return Played {
                    from_us,
                    to_us,
                    begun_us,
                };
            }
            println!("the player stumbled by {:.0} ms", (late - early) / 1e3);
            drop(player);
            player = play_beeps(file);
        }
        panic!("the player does not keep up");
    }

    fn begin_us() -> Option<f64> {
        let before_us = monotonic_us();
        let status = fs::read_to_string(PLAYED).ok()?;
        let now_us = (before_us + monotonic_us()) as f64 / 2.0;
        let samples = status.lines().find_map(|line| line.strip_prefix("hw_ptr"))?;
        let samples: f64 = samples.trim_matches([' ', ':']).parse().ok()?;
        (samples > 0.0).then_some(now_us - samples * 1e6 / f64::from(RATE))
    }

    /// How much later than a beep began that time is, in milliseconds; None where no beep is judged by it.
    fn late_ms(&self, us: f64) -> Option<f64> {
        // What was captured last is still on its way.
        let judged = self.from_us as f64 + 1e6..self.to_us as f64 - 1e6;
        let late_us = (us - self.begun_us + 5e5).rem_euclid(1e6) - 5e5;
        judged.contains(&us).then_some(late_us / 1e3)
    }
}

/// How far the sound may be from the picture, of 95 % of all beeps.
const IN_STEP_MS: f64 = 20.0;
/// So many of them, before the microphone is unplugged, and as many after.
const BEEPS: u64 = if cfg!(debug_assertions) { 25 } else { 40 };

/// The beeps that were recorded whole: where each begins, in seconds.
fn whole_beeps(samples: &[i16]) -> Vec<f64> {
    let rate = RATE as usize;
    let mut loud = (0..samples.len()).filter(|at| samples[*at].unsigned_abs() > 8000);
    let mut beeps = Vec::new();
    let Some(mut begin) = loud.next() else {
        return beeps;
    };
    let mut end = begin;
    for at in loud.chain([usize::MAX]) {
        if at - end > rate / 4 {
            if (end - begin).abs_diff(rate / 10) < rate / 80 {
                beeps.push(begin as f64 / f64::from(RATE));
            }
            begin = at;
        }
        end = at;
    }
    beeps
}

/// When pictures of a file begin, in ticks of media time.
fn pictures(file: &Path) -> Vec<u64> {
    let shows = "-v warning -select_streams v -show_entries packet=dts -of csv=p=0";
    let arguments: Vec<&str> = shows.split(' ').chain([file.to_str().unwrap()]).collect();
    let text = String::from_utf8(run("ffprobe", &arguments).stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end_matches(',').parse().unwrap())
        .collect()
}

/// A microphone that hears beeps at times that are known, and pictures whose capture times /status tells. Both times are by
/// CLOCK_MONOTONIC, so it is known where in a recording each beep belongs beside the pictures: behind ALSA, the servo, the encoder and the
/// ring it is still there, also once the microphone was unplugged. Beeps that the slow machine captured or played in part are not judged.
#[test]
fn viewers_have_a_microphone_in_step_also_after_it_was_unplugged() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    let dir = Dir::new();
    let beep = beep(&dir);
    let player = play_beeps(&beep);
    let recordings = Dir::new();
    recordings.write(".fmp4streamer", "");
    let folder = recordings.file("").display().to_string();
    let mut server = Server::with_config(&format!(
        "[server]\nrecord_dir = {folder}\nrecord_keep_free = 0\nmax_age_ms = 60000\n[test]\nname = yard\nwidth = 160\nheight = 120\n\
         fps = 10\nmic = hw:Loopback,1\nrecord = always\n"
    ));
    until_it_is_sent(&server, "/stream.mp4");

    // By media time: when that picture was captured.
    let mut captured_us = BTreeMap::new();
    let file = dir.file("stream.mp4");
    // Also where this fails, or it would wait for its threads.
    let goes_on = Arc::new(());
    let going = Arc::downgrade(&goes_on);
    let is_over = || going.strong_count() == 0;
    let (played, quiet) = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, mut file) = (server.follow("?times=camera"), File::create(&file).unwrap());
            let mut last = *b"    ";
            while last != *b"mdat" || !is_over() {
                let next = stream.next_box().expect("the stream goes on");
                file.write_all(&next.bytes).unwrap();
                last = next.kind;
            }
        });
        scope.spawn(|| {
            while !is_over() {
                let status = server.get("/status");
                let number = |name: &str| {
                    let (_, after) = status.split_once(&format!("\"{name}\":"))?;
                    after.split([',', '}']).next()?.parse::<u64>().ok()
                };
                captured_us.extend(number("media_90k").zip(number("captured_us")));
                thread::sleep(Duration::from_millis(200));
            }
        });
        let length = Duration::from_secs(BEEPS);
        let before = Played::new(player, &beep, length);
        let quiet_from_us = monotonic_us() as f64 + 2e5;
        let unplugging = Loopback::plug_out();
        until("it is missed", || {
            server.status("mic_why").contains("no such microphone")
        });
        drop(unplugging);
        let held = Loopback::plug_in_and_hold();
        let quiet = quiet_from_us..monotonic_us() as f64;
        let player = play_beeps(&beep);
        drop(held);
        until("it is heard again", || !server.status("mic").is_empty());
        let after = Played::new(player, &beep, length);
        drop(goes_on);
        ([before, after], quiet)
    });
    server.signal("-TERM");
    assert!(server.wait().success());

    let found = run("find", &[&folder, "-name", "*.mp4"]);
    let found = String::from_utf8(found.stdout).unwrap();
    let recorded: Vec<PathBuf> = found.lines().map(PathBuf::from).collect();
    for (way, files) in [("/stream.mp4", vec![file]), ("the recorder", recorded)] {
        let mut late_ms = [Vec::new(), Vec::new()];
        for file in files {
            let zero_90k = about(&fs::read(&file).unwrap()).map_or(0, |about| about.media_90k);
            let pictures = pictures(&file).into_iter().map(|at| zero_90k + at);
            let known: Vec<(u64, u64)> = pictures
                .filter_map(|at| Some((at, *captured_us.get(&at)?)))
                .collect();
            for beep in whole_beeps(&decode(&file)) {
                let at_90k = zero_90k as f64 + beep * 9e4;
                let nearest = known.iter().min_by_key(|(at, _)| at.abs_diff(at_90k as u64));
                let (picture_90k, picture_us) = *nearest.expect("a picture that /status knows");
                let us = picture_us as f64 + (at_90k - picture_90k as f64) * 100.0 / 9.0;
                // Those of each second sound alike, but then there were none.
                assert!(!quiet.contains(&us), "{way}: {us} in {quiet:?}");
                for (played, late_ms) in played.iter().zip(&mut late_ms) {
                    late_ms.extend(played.late_ms(us));
                }
            }
        }
        for (when, mut late_ms) in ["before", "after"].into_iter().zip(late_ms) {
            late_ms.sort_by(f64::total_cmp);
            let mut off_ms: Vec<f64> = late_ms.iter().map(|late| late.abs()).collect();
            off_ms.sort_by(f64::total_cmp);
            let whole = off_ms.len();
            assert!(whole as u64 > BEEPS / 2, "{way}: only {whole} whole beeps {when}");
            let (middle, most) = (late_ms[whole / 2], off_ms[whole * 95 / 100]);
            println!(
                "{way}: {when} it was unplugged {whole} beeps are {middle:.1} ms late, {most:.1} ms off at most (95 %)"
            );
            assert!(most <= IN_STEP_MS, "{way}, {when}: {late_ms:.1?}");
        }
    }
}
