//! The sound of the test picture: a beep that begins with each of its seconds.

use crate::format::aac::{self, Encoder, FRAME};
use crate::format::fmp4::SoundFormat;

const RATE: u32 = 48_000;
const BIT_RATE: u32 = 64_000;
/// 100 ms.
const BEEP_SAMPLES: u64 = 4800;
/// A quarter of a wave of 1 kHz.
const QUARTER: [i16; 12] = [
    0, 1305, 2588, 3827, 5000, 6088, 7071, 7934, 8660, 9239, 9659, 9914,
];
const PEAK: i16 = 10_000;
/// What is late by more is left out, in samples: a program that was stopped does not make up for hours.
const LATEST: u64 = RATE as u64;

/// Makes the beeps, and the silence between them, on the camera's clock.
pub(super) struct Beep {
    encoder: Encoder,
    format: SoundFormat,
    start_us: u64,
    /// The end of what was made, since the start.
    samples: u64,
    data: Vec<u8>,
}

impl Beep {
    /// Sound from that time on (CLOCK_MONOTONIC in microseconds).
    pub fn new(start_us: u64) -> Option<Beep> {
        Some(Beep {
            encoder: Encoder::new(RATE, 1, BIT_RATE)?,
            format: SoundFormat::new(RATE, 1)?,
            start_us,
            samples: 0,
            data: Vec::new(),
        })
    }

    pub fn format(&self) -> SoundFormat {
        self.format
    }

    /// When the next block of samples is over.
    pub fn due_us(&self) -> u64 {
        self.time_us(self.samples + FRAME as u64)
    }

    fn time_us(&self, samples: u64) -> u64 {
        self.start_us + samples * 125 / 6
    }

    /// Codes the next block, if it is over at that time. `second_us` is when a second of the picture began last. Gives the
    /// time of the first sample that the frame decodes to, and the frame.
    pub fn next(&mut self, now_us: u64, second_us: u64) -> Option<(u64, &[u8])> {
        let late_us = now_us.checked_sub(self.due_us())?;
        let late = late_us * 6 / 125;
        if late > LATEST {
            self.samples += late;
        }
        let begin = self.samples;
        self.samples += FRAME as u64;
        let second = second_us.saturating_sub(self.start_us) * 6 / 125;
        let pcm: Vec<i16> = (begin..self.samples)
            .map(|at| sample(at.checked_sub(second)))
            .collect();
        self.data.clear();
        self.encoder.encode(&pcm, &mut self.data);
        let time_us = self.time_us(begin).saturating_sub(aac::DELAY as u64 * 125 / 6);
        Some((time_us, &self.data))
    }
}

/// The sample that is so far behind the begin of a second; silence if it is before.
fn sample(since: Option<u64>) -> i16 {
    let Some(at) = since.filter(|since| *since < BEEP_SAMPLES) else {
        return 0;
    };
    let quarter = (at % 12) as usize;
    let rising = QUARTER[quarter];
    let falling = if quarter == 0 { PEAK } else { QUARTER[12 - quarter] };
    match at / 12 % 4 {
        0 => rising,
        1 => falling,
        2 => -rising,
        _ => -falling,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beep_of_a_kilohertz_begins_with_the_second() {
        let wave: Vec<i16> = (0..50).map(|at| sample(Some(at))).collect();
        for (at, value) in wave.iter().enumerate() {
            let expected = (at as f64 * std::f64::consts::TAU / 48.0).sin() * 10_000.0;
            assert!((f64::from(*value) - expected).abs() <= 1.0, "{at}: {value}");
        }
        assert_eq!((sample(None), sample(Some(4800))), (0, 0));
        assert!(sample(Some(4799)) != 0);
    }

    /// Frames follow each other to the sample, each when its block is over; what is late by a lot is left out.
    #[test]
    fn frames_are_as_far_apart_as_their_samples() {
        let mut beep = Beep::new(1_000_000).unwrap();
        assert_eq!(beep.next(1_021_332, 0), None);
        let delay_us = aac::DELAY as u64 * 125 / 6;
        for n in 0..100 {
            let (time_us, data) = beep.next(beep.due_us(), 0).unwrap();
            assert_eq!(time_us, 1_000_000 + n * 64_000 / 3 - delay_us);
            assert!(!data.is_empty());
        }
        let (time_us, _) = beep.next(3_600_000_000, 0).unwrap();
        assert!(3_600_000_000 - time_us < 30_000 + delay_us);
    }
}
