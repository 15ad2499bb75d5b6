use super::*;
use std::f64::consts::TAU;

const RATE: u32 = 48_000;
/// When the simulated device begins, by the clock of the pictures.
const BEGIN_US: u64 = 7_000_000_000;

/// A sound device in simulated time.
struct Device {
    /// Samples a second by the clock of the pictures.
    rate: f64,
    /// Samples that it has captured.
    captured: u64,
    random: u32,
}

impl Device {
    fn new(ppm: f64) -> Device {
        Device {
            rate: f64::from(RATE) * (1.0 + ppm * 1e-6),
            captured: 0,
            random: 1,
        }
    }

    /// When a sample of it was captured, in seconds since the begin.
    fn when_s(&self, sample: f64) -> f64 {
        sample / self.rate
    }

    /// The stamp of the next block: up to 2 ms late, as that of a device that says only now and then how far it is.
    fn stamp_us(&mut self, samples: usize) -> u64 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let late_s = f64::from(self.random >> 8) / f64::from(1 << 24) * 0.002;
        let stamp_us = BEGIN_US + ((self.when_s(self.captured as f64) + late_s) * 1e6) as u64;
        self.captured += samples as u64;
        stamp_us
    }
}

/// How far the sound of a frame is from its time, in seconds: it was captured that much later.
fn distance_s(device: &Device, servo: &mut Servo) -> Option<f64> {
    let sample = device.captured as f64 - servo.held;
    let (time_us, ..) = servo.advance()?;
    Some(device.when_s(sample) - (time_us - BEGIN_US) as f64 / 1e6)
}

#[test]
fn for_a_day_it_stays_with_the_pictures() {
    const BLOCK: usize = 960;
    for ppm in [-200.0, 200.0] {
        let mut device = Device::new(ppm);
        let mut servo = Servo::new(RATE, 1, BEGIN_US);
        let (mut worst_s, mut worst_later_s, mut frames) = (0.0_f64, 0.0_f64, 0);
        while frames < 24 * 3600 * u64::from(RATE) / FRAME as u64 {
            servo.push(&[0; BLOCK], device.stamp_us(BLOCK));
            while let Some(distance_s) = distance_s(&device, &mut servo) {
                worst_s = worst_s.max(distance_s.abs());
                if frames > 120 * 50 {
                    worst_later_s = worst_later_s.max(distance_s.abs());
                }
                frames += 1;
            }
        }
        println!(
            "{ppm} ppm: {:.2} ms at most, {:.2} ms after the first two minutes",
            worst_s * 1e3,
            worst_later_s * 1e3
        );
        assert!(worst_s < 0.004, "{ppm} ppm: {worst_s} s");
        // The stamps' mean is 1 ms late.
        assert!(worst_later_s < 0.0015, "{ppm} ppm: {worst_later_s} s");
    }
}

/// The spectrum of what is windowed so that a sine is within four lines (Blackman and Harris, 4 terms): the power of each line.
fn spectrum(samples: &[i16]) -> Vec<f64> {
    let size = samples.len();
    let window = |n: usize| {
        let angle = TAU * n as f64 / size as f64;
        0.35875 - 0.48829 * angle.cos() + 0.14128 * (2.0 * angle).cos() - 0.01168 * (3.0 * angle).cos()
    };
    let mut lines: Vec<(f64, f64)> = Vec::new();
    for n in 0..size {
        let from = n.reverse_bits() >> (usize::BITS - size.ilog2());
        lines.push((f64::from(samples[from]) * window(from), 0.0));
    }
    let mut half = 1;
    while half < size {
        for pair in 0..size / 2 {
            let (number, at) = (pair % half, pair / half * 2 * half + pair % half);
            let (sin, cos) = (-TAU * number as f64 / (2 * half) as f64).sin_cos();
            let ((a, b), (c, d)) = (lines[at], lines[at + half]);
            let (c, d) = (c * cos - d * sin, c * sin + d * cos);
            lines[at] = (a + c, b + d);
            lines[at + half] = (a - c, b - d);
        }
        half *= 2;
    }
    lines.truncate(size / 2);
    lines.iter().map(|(re, im)| re * re + im * im).collect()
}

/// The highest line that is not the sine's, and its distance from it in Hz.
fn highest_sideband(samples: &[i16]) -> (f64, f64) {
    let lines = spectrum(samples);
    let highest = |from: usize, to: usize| {
        let places = from..to;
        places.max_by(|a, b| lines[*a].total_cmp(&lines[*b])).unwrap()
    };
    let sine = highest(0, lines.len());
    let (below, above) = (highest(0, sine - 5), highest(sine + 5, lines.len()));
    let line = if lines[below] > lines[above] { below } else { above };
    let apart = (line as f64 - sine as f64) * f64::from(RATE) / samples.len() as f64;
    (10.0 * (lines[line] / lines[sine]).log10(), apart)
}

#[test]
fn a_sine_has_no_sidebands() {
    const BLOCK: usize = 480;
    for (ppm, frequency) in [(200.0, 1000.0), (-200.0, 5000.0), (97.0, 440.0)] {
        let mut device = Device::new(ppm);
        let mut servo = Servo::new(RATE, 1, BEGIN_US);
        let (mut samples, mut phase) = (Vec::new(), 0.0);
        while samples.len() < 40 * RATE as usize {
            let block = [0; BLOCK].map(|_| {
                phase += TAU * frequency / device.rate;
                (phase.sin() * 20_000.0) as i16
            });
            servo.push(&block, device.stamp_us(BLOCK));
            let mut frame = [0; FRAME];
            while servo.frame(&mut frame).is_some() {
                samples.extend_from_slice(&frame);
            }
        }
        // While it finds out how far off the clock is, and afterwards.
        for second in [1, 10, 35] {
            let (db, apart) = highest_sideband(&samples[second * RATE as usize..][..65_536]);
            println!("{ppm} ppm, {frequency} Hz, from {second} s on: {db:.1} dB, {apart:+.1} Hz away");
            assert!(
                db < -60.0,
                "{ppm} ppm, {frequency} Hz: {db:.1} dB {apart:+.1} Hz away"
            );
        }
    }
}

/// The frames that there are now, each with its time since the begin in µs.
fn frames(servo: &mut Servo) -> Vec<(u64, Vec<i16>)> {
    let mut frames = Vec::new();
    let mut frame = [0; 2 * FRAME];
    let size = FRAME * servo.channels;
    while let Some(time_us) = servo.frame(&mut frame[..size]) {
        frames.push((time_us - BEGIN_US, frame[..size].to_vec()));
    }
    frames
}

const FRAME_US: u64 = FRAME as u64 * 1_000_000 / RATE as u64;

/// Pushes so many blocks of 10 ms of this sample, the first at that time.
fn push(servo: &mut Servo, sample: i16, blocks: u64, begin_ms: u64) {
    for number in 0..blocks {
        servo.push(
            &vec![sample; 480 * servo.channels],
            BEGIN_US + (begin_ms + number * 10) * 1000,
        );
    }
}

#[test]
fn times_are_exact_and_samples_are_those_that_came() {
    let mut servo = Servo::new(RATE, 2, BEGIN_US);
    for number in 0..30 {
        let block: Vec<i16> = (0..480).flat_map(|n| [number * 480 + n, 5]).collect();
        servo.push(&block, BEGIN_US + number as u64 * 10_000);
    }
    let frames = frames(&mut servo);
    assert_eq!(frames.len(), 14);
    for (number, (time_us, frame)) in frames.iter().enumerate() {
        assert_eq!(
            *time_us,
            number as u64 * FRAME as u64 * 1_000_000 / u64::from(RATE)
        );
        assert_eq!(frame[512], (number * FRAME + 256) as i16);
        assert_eq!(frame[513], 5);
    }
}

/// Where frames are silent, in ms since the begin; `None` for none or several places.
fn silence(frames: &[(u64, Vec<i16>)]) -> Option<(u64, u64)> {
    let samples: Vec<i16> = frames.iter().flat_map(|(_, frame)| frame.clone()).collect();
    let begin = samples.iter().position(|sample| *sample == 0)?;
    let count = samples[begin..].iter().take_while(|sample| **sample == 0).count();
    let rest = &samples[begin + count..];
    // One may become another one's hair.
    let ms = |samples: usize| (samples as u64 * 1000 + 24_000) / 48_000;
    rest.iter()
        .all(|sample| *sample != 0)
        .then(|| (ms(begin), ms(count)))
}

fn follow_each_other(frames: &[(u64, Vec<i16>)]) -> bool {
    let mut pairs = frames.windows(2);
    pairs.all(|pair| (FRAME_US..=FRAME_US + 1).contains(&(pair[1].0 - pair[0].0)))
}

#[test]
fn what_was_lost_is_silence() {
    let mut servo = Servo::new(RATE, 1, BEGIN_US);
    // The first sample fades in from zero.
    servo.anew = false;
    push(&mut servo, 1000, 20, 0);
    servo.lost();
    push(&mut servo, 2000, 30, 300);
    let frames = frames(&mut servo);
    assert!(follow_each_other(&frames));
    assert_eq!(silence(&frames), Some((200, 100)));
    let (_, last) = frames.last().unwrap();
    assert_eq!(last[0], 2000);
}

#[test]
fn a_gap_that_nobody_told_of_is_silence_too() {
    let mut servo = Servo::new(RATE, 1, BEGIN_US);
    servo.anew = false;
    push(&mut servo, 1000, 20, 0);
    push(&mut servo, 2000, 30, 250);
    let frames = frames(&mut servo);
    assert!(follow_each_other(&frames));
    // It takes two blocks to be sure of it.
    let (begin_ms, ms) = silence(&frames).unwrap();
    assert_eq!((begin_ms, ms), (220, 50));
}

#[test]
fn one_wrong_stamp_is_none() {
    let mut servo = Servo::new(RATE, 1, BEGIN_US);
    servo.anew = false;
    push(&mut servo, 1000, 20, 0);
    servo.push(&[1000; 480], BEGIN_US + 3_000_000);
    push(&mut servo, 1000, 30, 210);
    assert_eq!(silence(&frames(&mut servo)), None);
}

#[test]
fn time_never_goes_back() {
    let mut servo = Servo::new(RATE, 1, BEGIN_US);
    push(&mut servo, 1000, 20, 0);
    // The device has 100 ms again that it gave already.
    push(&mut servo, 2000, 30, 100);
    let frames = frames(&mut servo);
    assert!(follow_each_other(&frames));
    let (last_us, _) = frames.last().unwrap();
    // Of the 50 blocks 10 are left out, but for the two before it is sure of it.
    assert!((360_000..430_000).contains(last_us), "{last_us}");
}

#[test]
fn a_long_loss_is_a_gap_in_the_times() {
    let mut servo = Servo::new(RATE, 2, BEGIN_US);
    push(&mut servo, 1000, 20, 0);
    let before = frames(&mut servo);
    servo.lost();
    push(&mut servo, 2000, 20, 3_600_000);
    let after = frames(&mut servo);
    let (last_us, (first_us, first)) = (before.last().unwrap().0, &after[0]);
    assert!(*first_us > last_us + 3_590_000_000);
    // It is one of the times that frames without a gap would have.
    let number = (first_us * u64::from(RATE)).div_ceil(FRAME as u64 * 1_000_000);
    assert_eq!(*first_us, number * FRAME as u64 * 1_000_000 / u64::from(RATE));
    // What comes then is at its time.
    let zeros = first.iter().take_while(|sample| **sample == 0).count() as u64 / 2;
    let begin_us = first_us + zeros * 1_000_000 / u64::from(RATE);
    assert!((3_600_000_000..3_600_000_100).contains(&begin_us), "{begin_us}");
    assert!(servo.captured.len() < 4 * FRAME);
}

#[test]
fn without_a_microphone_there_is_silence_up_to_now() {
    let mut servo = Servo::new(RATE, 1, BEGIN_US);
    for ms in 0..500 {
        servo.silence_until(BEGIN_US + ms * 1000);
    }
    let silent = frames(&mut servo);
    assert_eq!(silent.len(), 23);
    assert!(silent.iter().all(|(_, frame)| frame.iter().all(|s| *s == 0)));
    push(&mut servo, 2000, 20, 520);
    let frames = frames(&mut servo);
    assert!(follow_each_other(&frames));
    assert_eq!(frames[0].0, 23 * FRAME as u64 * 1_000_000 / u64::from(RATE));
    // It fades in from 520 ms on.
    let samples: Vec<i16> = frames.iter().flat_map(|(_, frame)| frame.clone()).collect();
    let zeros = samples.iter().take_while(|s| **s == 0).count() as u64;
    let begin_us = frames[0].0 + zeros * 1_000_000 / u64::from(RATE);
    assert!((519_900..520_200).contains(&begin_us), "{begin_us}");
}
