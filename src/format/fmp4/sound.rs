//! The sound's track: AAC (ISO/IEC 14496-3) beside the video.

use super::boxes::Writer;
use super::track::{SOUND_TRACK, TIMESCALE, esds};
use crate::format::aac;

/// Samples in each AAC frame, of each channel: its duration, as the timescale is the sample rate.
pub const FRAME_SAMPLES: u32 = aac::FRAME as u32;

/// RFC 6381 name of the codec: MPEG-4 audio, AAC-LC.
pub(super) const CODEC: &str = "mp4a.40.2";

/// What players are told of the sound before its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundFormat {
    /// Samples a second, and the timescale of the track.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// AudioSpecificConfig (14496-3, 1.6.2.1).
    pub config: [u8; 2],
}

/// One AAC frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundFrame {
    /// The time of the first sample that it decodes to: CLOCK_MONOTONIC in microseconds.
    pub time_us: u64,
    /// A raw_data_block (14496-3, 4.4.2.1).
    pub data: Vec<u8>,
}

impl SoundFormat {
    /// That of our own encoder; None if it has no such rate (Hz) or number of channels.
    pub fn new(rate: u32, channels: u8) -> Option<SoundFormat> {
        Some(SoundFormat {
            rate,
            channels,
            config: aac::config(rate, channels)?,
        })
    }

    /// So much time in samples, from units of which there are so many a second; rounded down.
    pub fn samples(&self, time: u64, a_second: u32) -> u64 {
        scaled(time, a_second, self.rate)
    }

    /// So many samples in 1/90000 s, rounded down.
    pub fn time_90k(&self, samples: u64) -> u64 {
        scaled(samples, self.rate, TIMESCALE)
    }

    /// The last instant up to that one which is a whole number in both timescales: a client's zero, lest one of its
    /// tracks be shifted against the other.
    pub fn zero_90k(&self, time_90k: u64) -> u64 {
        let (mut divisor, mut rest) = (TIMESCALE, self.rate);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        time_90k - time_90k % u64::from(TIMESCALE / divisor)
    }

    /// The audio sample entry (14496-12, 12.2.3) with what its decoder needs.
    pub(super) fn mp4a(&self, w: &mut Writer) {
        w.boxed(b"mp4a", |w| {
            w.bytes(&[0; 6]); // reserved
            w.u16(1); // data_reference_index
            w.u64(0); // reserved
            w.u16(self.channels.into());
            w.u16(16); // samplesize
            w.u32(0); // pre_defined, reserved
            w.u32(self.rate << 16); // 16.16
            let [high, low] = self.config;
            // ISO/IEC 14496-3, AudioStream; a DecoderSpecificInfo.
            esds(w, SOUND_TRACK, [0x40, 0x15], &[5, 2, high, low]);
        });
    }
}

/// A time in units of which there are `from` a second, in those of which there are `to`; no product in it overflows.
fn scaled(time: u64, from: u32, to: u32) -> u64 {
    let (from, to) = (u64::from(from.max(1)), u64::from(to));
    time / from * to + time % from * to / from
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Init;
    use super::super::fragment::Fragment;
    use super::super::init::tests::parameters;
    use super::super::reader::{find, walk};
    use super::*;
    use crate::support::hex::hex;
    use std::sync::Arc;

    pub(in super::super) const MONO: SoundFormat = SoundFormat {
        rate: 48_000,
        channels: 1,
        config: [0x11, 0x88],
    };

    fn init() -> Arc<Init> {
        Arc::new(Init::new(Arc::new(parameters()), 0, Some(MONO)))
    }

    /// Bytes of a file that plays, from the start of the sound's trak.
    #[test]
    fn golden_init() {
        let expected = hex("
            000001a6 7472616b
                0000005c 746b6864 00000003 00000000 00000000
                    00000002 00000000 ffffffff                  // track_ID, duration
                    00000000 00000000 0000 0000 0100 0000       // volume
                    00010000 00000000 00000000
                    00000000 00010000 00000000
                    00000000 00000000 40000000
                    00000000 00000000
                00000142 6d646961
                    0000002c 6d646864 01000000 0000000000000000 0000000000000000
                        0000bb80 ffffffffffffffff 55c4 0000
                    0000002b 68646c72 00000000 00000000 736f756e 00000000 00000000 00000000
                        6d6963726f70686f6e6500
                    000000e3 6d696e66
                        00000010 736d6864 00000000 0000 0000
                        00000024 64696e66
                            0000001c 64726566 00000000 00000001
                                0000000c 75726c20 00000001
                        000000a7 7374626c
                            0000005b 73747364 00000000 00000001
                                0000004b 6d703461 000000000000 0001 0000000000000000
                                    0001 0010 00000000 bb800000
                                    00000027 65736473 00000000
                                        03 19 0002 00
                                            04 11 40 15 000000 00000000 00000000
                                                05 02 1188
                                            06 01 02
                            00000010 73747473 00000000 00000000
                            00000010 73747363 00000000 00000000
                            00000014 7374737a 00000000 00000000 00000000
                            00000010 7374636f 00000000 00000000
            00000048 6d766578
                00000020 74726578 00000000 00000001 00000001 00000000 00000000 01010000
                00000020 74726578 00000000 00000002 00000001 00000400 00000000 02000000
        ");
        let init = init();
        let both = init.bytes(true);
        walk(both).unwrap();
        assert_eq!(&both[both.len() - expected.len()..], expected);
        assert_eq!(
            find(both, "moov/mvhd").unwrap()[96..],
            [0, 0, 0, 3],
            "next_track_ID"
        );
        assert_eq!(init.codecs(true), "avc1.64001e,mp4a.40.2");
    }

    /// Without the sound it is what a camera without a microphone has.
    #[test]
    fn video_alone() {
        let (with, without) = (init(), Init::new(Arc::new(parameters()), 0, None));
        assert_eq!(with.bytes(false), without.bytes(true));
        assert_eq!(with.codecs(false), without.codecs(true));
        assert!(!with.serves(&without) && !without.serves(&with) && with.serves(&init()));
    }

    #[test]
    fn golden_fragment() {
        let frames = [&[0x21, 1][..], &[0x21, 2, 3]].map(|data| SoundFrame {
            time_us: 5,
            data: data.to_vec(),
        });
        let fragment = Fragment::sound(init(), &frames, 48_008, 0).unwrap();
        let found = fragment.sound_frames();
        assert!(found.eq(frames.iter().map(|frame| &frame.data[..])));
        let zero_90k = MONO.zero_90k(1000);
        assert_eq!(zero_90k, 990, "15 ticks of one are 8 of the other");
        let mut bytes = Vec::new();
        fragment.head(7, zero_90k, &mut bytes);
        bytes.extend_from_slice(fragment.payload());
        let expected = hex("
            00000060 6d6f6f66
                00000010 6d666864 00000000 00000007
                00000048 74726166
                    00000010 74666864 00020000 00000002
                    00000014 74666474 01000000 000000000000b978
                    0000001c 7472756e 00000201 00000002 00000068 00000002 00000003
            0000000d 6d646174 2101 210203
        ");
        assert_eq!(bytes, expected);
        assert_eq!(fragment.size_bytes(), expected.len());
        assert_eq!((fragment.time_90k, fragment.duration_90k), (90_015, 3840));
        assert!(fragment.is_sound() && !fragment.key);
        let mute = Arc::new(Init::new(Arc::new(parameters()), 0, None));
        assert!(Fragment::sound(mute, &frames, 0, 0).is_none());
    }

    /// At each rate, a client's zero is one instant: what is that far from it in one timescale is so in the other.
    #[test]
    fn zero_is_whole_in_both_timescales() {
        for (rate, step_90k) in [
            (48_000, 15),
            (44_100, 100),
            (32_000, 45),
            (16_000, 45),
            (8000, 45),
        ] {
            let format = SoundFormat { rate, ..MONO };
            for time_90k in [
                0,
                1,
                step_90k - 1,
                step_90k,
                1 << 40,
                u64::from(u32::MAX) * 90_000,
            ] {
                let zero_90k = format.zero_90k(time_90k);
                assert!(zero_90k <= time_90k && time_90k - zero_90k < step_90k);
                let samples = format.samples(zero_90k, TIMESCALE);
                assert_eq!(format.time_90k(samples), zero_90k, "{rate}: {time_90k}");
            }
        }
    }
}
