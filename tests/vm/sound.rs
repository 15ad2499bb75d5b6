//! `source::mic` and `sys::alsa` against the kernel's sound loopback: what is played into one device of it, the other captures.

use super::support::{Dir, Server, run, until};
use super::*;
use fmp4streamer::config::MicName;
use fmp4streamer::source::mic::{Heard, Sound};
use fmp4streamer::sys::event::Event;

/// The device that captures, and the one that plays.
const CAPTURES: &str = "/dev/snd/pcmC0D1c";
const PLAYS: &str = "hw:Loopback,0";
const DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";

/// The driver, which is there for one test.
struct Loopback;

impl Loopback {
    fn new() -> Loopback {
        modprobe(&["snd-aloop", "pcm_substreams=1"]);
        Loopback
    }

    /// Plugs it in ("bind") or out ("unbind"), which takes until nobody has it open any more.
    fn plug(verb: &str) -> Running {
        let write = format!("echo snd_aloop.0 > {DRIVER}/{verb}");
        Running::start(Command::new("sh").args(["-c", &write]))
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        modprobe(&["-r", "snd-aloop"]);
    }
}

/// Plays a sine of 440 Hz, an eighth as loud as can be. (At 48 kHz a machine as slow as this would not keep up with it.)
fn play(channels: &str) -> Running {
    let sine = "sine=frequency=440:sample_rate=8000";
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "lavfi", "-i", sine, "-ac", channels]);
    command.args(["-c:a", "pcm_s16le", "-f", "alsa", PLAYS]);
    let running = Running::start(&mut command);
    eventually("it plays", || {
        let status = fs::read_to_string("/proc/asound/card0/pcm0p/sub0/status").ok()?;
        status.contains("RUNNING").then_some(())
    });
    running
}

/// A microphone that is listened to, and what was heard.
struct Listener {
    sound: Sound,
    wake: Event,
    /// "opened: WORDS" and "lost: WHY".
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
                Heard::Opened(microphone) => {
                    *rate = microphone.rate.into();
                    news.push(format!("opened: {}", microphone.words));
                }
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
        assert_eq!(listener.news, [format!("opened: 8000 Hz, {words}, 16 bits")]);
        listener.assert_times();
        // The player of a slow machine may be late at times, which is silence.
        let channels = channels.parse().unwrap();
        let heard = listener
            .frames
            .iter()
            .flat_map(|(_, frame)| frame.chunks(channels));
        let heard: Vec<i16> = heard.map(|samples| samples[0]).collect();
        let ups = (1..heard.len()).filter(|n| heard[n - 1] < 0 && heard[*n] >= 0);
        let ups: Vec<usize> = ups.collect();
        let mut periods: Vec<usize> = ups.windows(2).map(|pair| pair[1] - pair[0]).collect();
        periods.sort_unstable();
        assert_eq!(periods[periods.len() / 2], 8000 / 440);
        let rms: Vec<u64> = listener
            .frames
            .iter()
            .map(|(_, f)| power(f).sqrt() as u64)
            .collect();
        assert!(rms.iter().max().unwrap().abs_diff(wanted) < 50, "{rms:?}");
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
    listener.frames(12);
    assert_eq!(listener.news.len(), 1, "{:?}", listener.news);
    listener.assert_times();
    let mut silent_us = 0;
    for pair in listener.frames[5..].windows(2) {
        let apart_us = pair[1].0 - pair[0].0;
        silent_us += if power(&pair[1].1) == 0.0 {
            apart_us
        } else {
            apart_us - 128_000
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
    let unplugging = Loopback::plug("unbind");
    listener.until("it is lost", |listener| listener.news.len() == 2);
    assert!(
        listener.news[1].contains("unplugged; waiting"),
        "{:?}",
        listener.news
    );
    listener.until("it is looked for", |listener| listener.news.len() > 2);
    assert!(listener.news[2].starts_with("lost: card:Loopback: no such microphone: there is none at all"));
    drop(unplugging);
    let _plugging = Loopback::plug("bind");
    listener.until("it is back", |listener| {
        listener
            .news
            .last()
            .is_some_and(|news| news.starts_with("opened"))
    });
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
        listener.news[1].starts_with("opened: 48000 Hz, mono, 32 bits"),
        "{:?}",
        listener.news
    );
}

#[test]
fn viewers_have_the_sound_beside_the_picture() {
    let Some(_) = rig() else { return };
    let _loopback = Loopback::new();
    let _playing = play("1");
    let server = Server::with_config(
        "[test]\nwidth = 320\nheight = 240\nfps = 10\nmic = hw:Loopback,1\nauto_sleep = no\n",
    );
    until("it is heard", || server.status("mic") == "8000 Hz, mono, 16 bits");
    let dir = Dir::new();
    let file = dir.file("both.mp4").display().to_string();
    let stream = Command::new("curl")
        .args(["-s", "-m", "20", "-o", &file, &server.url("/stream.mp4")])
        .status()
        .unwrap();
    assert_eq!(stream.code(), Some(28), "it goes on until curl has enough");
    let entries = "stream=codec_name,sample_rate,channels:packet=codec_type";
    let probe = run(
        "ffprobe",
        &["-v", "warning", "-show_entries", entries, "-of", "csv", &file],
    );
    let text = String::from_utf8(probe.stdout).unwrap();
    assert!(
        text.contains("stream,h264") && text.contains("stream,aac,8000,1"),
        "{text}"
    );
    let sounds = text
        .lines()
        .filter(|line| line.starts_with("packet,audio"))
        .count();
    assert!(sounds > 20, "{sounds}");
    let pcm = ["-v", "warning", "-i", &file, "-map", "0:a", "-f", "s16le", "-"];
    let decoded = run("ffmpeg", &pcm);
    assert_eq!(String::from_utf8_lossy(&decoded.stderr), "");
    let samples = decoded
        .stdout
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]));
    let samples: Vec<i16> = samples.collect();
    let loudest = samples
        .chunks(1024)
        .map(|block| power(block).sqrt() as u64)
        .max()
        .unwrap();
    assert!(loudest.abs_diff(2896) < 100, "{loudest}");

    let _unplugging = Loopback::plug("unbind");
    until("it says so", || {
        server.status("mic_why").contains("no such microphone")
    });
}
