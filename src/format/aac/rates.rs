//! The sampling rates, and the scalefactor bands of each: ISO/IEC 14496-3, tables 1.18 and 4.129 to 4.147.

/// A sampling rate, and how the standard cuts its spectrum into scalefactor bands.
#[derive(Debug)]
pub struct Rate {
    pub hz: u32,
    /// sampling_frequency_index.
    pub index: u8,
    /// The widths of the bands of a long window, in lines; their sum is 1024.
    pub long: &'static [u8],
    /// The widths of the bands of a short window; their sum is 128.
    pub short: &'static [u8],
}

const SHORT_48: &[u8] = &[4, 4, 4, 4, 4, 8, 8, 8, 12, 12, 12, 16, 16, 16];
const LONG_48: &[u8] = &[
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 96,
];
const LONG_32: &[u8] = &[
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
];

/// Each rate that the encoder takes.
pub const RATES: [Rate; 6] = [
    Rate {
        hz: 48_000,
        index: 3,
        long: LONG_48,
        short: SHORT_48,
    },
    Rate {
        hz: 44_100,
        index: 4,
        long: LONG_48,
        short: SHORT_48,
    },
    Rate {
        hz: 32_000,
        index: 5,
        long: LONG_32,
        short: SHORT_48,
    },
    Rate {
        hz: 24_000,
        index: 6,
        long: &[
            4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 16, 20,
            20, 24, 24, 28, 28, 32, 36, 36, 40, 44, 48, 52, 52, 64, 64, 64, 64, 64,
        ],
        short: &[4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 12, 12, 16, 16, 20],
    },
    Rate {
        hz: 16_000,
        index: 8,
        long: &[
            8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 12, 12, 12, 12, 12, 12, 12, 12, 12, 16, 16, 16, 16, 20, 20, 20,
            24, 24, 28, 28, 32, 36, 40, 40, 44, 48, 52, 56, 60, 64, 64, 64,
        ],
        short: &[4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 12, 12, 16, 20, 20],
    },
    Rate {
        hz: 8_000,
        index: 11,
        long: &[
            12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 16, 16, 16, 16, 16, 16, 16, 20, 20, 20, 20,
            24, 24, 24, 28, 28, 32, 36, 36, 40, 44, 48, 52, 56, 60, 64, 80,
        ],
        short: &[4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 12, 16, 20, 20],
    },
];

/// The rate of so many Hz, if it is one of those.
pub fn rate(hz: u32) -> Option<&'static Rate> {
    RATES.iter().find(|rate| rate.hz == hz)
}

/// AudioSpecificConfig (clause 1.6.2.1) of AAC-LC with frames of 1024 samples: what an `esds` box, or the `config` of
/// an RTP payload format, carries.
pub fn config(hz: u32, channels: u8) -> Option<[u8; 2]> {
    let index = u16::from(rate(hz)?.index);
    // audioObjectType 2 (5 bits), samplingFrequencyIndex (4), channelConfiguration (4), then three flags, all 0.
    let bits = 2 << 11 | index << 7 | u16::from(channels) << 3;
    (1..=2).contains(&channels).then_some(bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_fill_a_window() {
        for rate in &RATES {
            for (widths, lines) in [(rate.long, 1024), (rate.short, 128)] {
                assert_eq!(
                    widths.iter().map(|&width| u32::from(width)).sum::<u32>(),
                    lines,
                    "{}",
                    rate.hz
                );
                // Codebooks take four lines at once.
                assert!(widths.iter().all(|width| width % 4 == 0), "{}", rate.hz);
            }
        }
        // num_swb_long_window and num_swb_short_window
        let counts = RATES.each_ref().map(|rate| (rate.long.len(), rate.short.len()));
        assert_eq!(
            counts,
            [(49, 14), (49, 14), (51, 14), (47, 15), (43, 15), (40, 15)]
        );
    }

    #[test]
    fn the_config_is_what_files_that_play_have() {
        for (hz, mono, stereo) in [
            (48_000, 0x1188, 0x1190),
            (44_100, 0x1208, 0x1210),
            (32_000, 0x1288, 0x1290),
            (24_000, 0x1308, 0x1310),
            (16_000, 0x1408, 0x1410),
            (8_000, 0x1588, 0x1590),
        ] {
            assert_eq!(config(hz, 1).map(u16::from_be_bytes), Some(mono));
            assert_eq!(config(hz, 2).map(u16::from_be_bytes), Some(stereo));
        }
        assert_eq!(
            (config(22_000, 1), config(48_000, 0), config(48_000, 3)),
            (None, None, None)
        );
    }
}
