//! The init segment: ftyp and moov.

use super::boxes::Writer;
use super::sound::{self, FRAME_SAMPLES, SoundFormat};
use super::track::{SOUND_TRACK, TIMESCALE, VIDEO_TRACK, esds};
use crate::format::h264::Parameters;
use std::sync::Arc;

/// Duration of the movie: "if the duration cannot be determined, all 1s" (8.2.2.3, 8.3.2.3). Zero would be
/// wrong for browsers: Safari 18 pauses after some seconds, and Chromium shows frames at once, instead of
/// smoothing them, only where the duration is unknown. Of 32 bits (version 0), as VLC 3 refuses a movie with
/// 64 ones.
const UNKNOWN_DURATION: u32 = u32::MAX;

/// Duration of the track's media, unknown as well (8.4.2.3). Of 64 bits (version 1), as FFmpeg takes 32 ones
/// for 13 hours here, and makes them the length of every recording.
const UNKNOWN_MEDIA_DURATION: u64 = u64::MAX;

/// Flags of a frame that needs another one: sample_depends_on 1, sample_is_non_sync_sample (8.8.3.1).
pub(super) const NON_SYNC_SAMPLE: u32 = 0x0101_0000;

/// Flags of a sample that a player can begin with: sample_depends_on 2 (8.8.3.1).
pub(super) const SYNC_SAMPLE: u32 = 0x0200_0000;

/// Everything that a player needs before the first fragment; shared by all fragments that it stands for.
#[derive(Debug)]
pub struct Init {
    /// The parameter sets that the avcC carries.
    pub parameters: Arc<Parameters>,
    /// RFC 6381 name of the codec, such as "avc1.64001f": profile, constraints and level as hexadecimal.
    pub codec: String,
    /// Pixels across a picture before rotation, after cropping.
    pub width: u32,
    /// Pixels down a picture before rotation, after cropping.
    pub height: u32,
    /// Clockwise turn for showing, in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// What there is to hear beside the video.
    pub sound: Option<SoundFormat>,
    /// ftyp and moov, of the video alone.
    video: Vec<u8>,
    /// The same with the sound's track; empty without sound.
    both: Vec<u8>,
}

impl Init {
    /// Makes the init segment for a stream with these parameter sets, to be shown turned clockwise by
    /// `rotation` degrees (0, 90, 180 or 270; anything else is shown as it is), with this sound or none.
    pub fn new(parameters: Arc<Parameters>, rotation: u16, sound: Option<SoundFormat>) -> Init {
        let info = &parameters.info;
        let codec = match is_jpeg(&parameters) {
            true => "mp4v.6C".into(),
            false => format!(
                "avc1.{:02x}{:02x}{:02x}",
                info.profile_idc, info.constraint_flags, info.level_idc
            ),
        };
        let (width, height) = (info.width, info.height);
        let rotation = if matches!(rotation, 90 | 180 | 270) {
            rotation
        } else {
            0
        };
        let segment = |sound: Option<&SoundFormat>| {
            let mut w = Writer::with_capacity(2048);
            ftyp(&mut w);
            moov(&mut w, &parameters, rotation, sound);
            w.into_bytes()
        };
        Init {
            codec,
            width,
            height,
            rotation,
            video: segment(None),
            both: sound.as_ref().map_or(Vec::new(), |sound| segment(Some(sound))),
            sound,
            parameters,
        }
    }

    /// ftyp and moov, with the sound's track if there is one and the player wants it.
    pub fn bytes(&self, with_sound: bool) -> &[u8] {
        match self.sound {
            Some(_) if with_sound => &self.both,
            _ => &self.video,
        }
    }

    /// True if the pictures are JPEG.
    pub fn is_jpeg(&self) -> bool {
        is_jpeg(&self.parameters)
    }

    /// RFC 6381 names of the codecs of the tracks that are in [`bytes`](Self::bytes).
    pub fn codecs(&self, with_sound: bool) -> String {
        match self.sound {
            Some(_) if with_sound => format!("{},{}", self.codec, sound::CODEC),
            _ => self.codec.clone(),
        }
    }

    /// True if a player that has this init segment can go on with what the other one was made for, once the other's
    /// parameter sets have come in a sample: all that it was told of the pictures is the same.
    pub fn serves(&self, other: &Init) -> bool {
        let format = |init: &Init| {
            let info = &init.parameters.info;
            let samples = (info.chroma_format_idc, info.bit_depth_luma, info.bit_depth_chroma);
            let shown = ((init.width, init.height), init.rotation, info.sar, samples);
            (shown, init.sound)
        };
        std::ptr::eq(self, other)
            || format(self) == format(other)
                && self.codec == other.codec
                && self.parameters.info.colour == other.parameters.info.colour
    }
}

/// 4.3. iso6 is the brand that has all we use (default-base-is-moof came with iso5, tfdt with iso6), avc1 the
/// one of 14496-15; mp41 calms players that look for an MP4 brand. Not cmfc: CMAF requires an identity matrix,
/// and so no rotation.
fn ftyp(w: &mut Writer) {
    w.boxed(b"ftyp", |w| {
        w.bytes(b"iso6");
        w.u32(0); // minor_version
        w.bytes(b"iso6iso5avc1mp41");
    });
}

fn moov(w: &mut Writer, parameters: &Parameters, rotation: u16, sound: Option<&SoundFormat>) {
    let (width, height) = presented(parameters);
    let video = Track {
        id: VIDEO_TRACK,
        volume: 0,
        matrix: matrix(rotation, width, height),
        size: [width, height],
        timescale: TIMESCALE,
        handler: b"videcamera\0",
        header: (b"vmhd", 1, 2 + 6), // 12.1.2: graphicsmode copy, opcolor
        entry: &|w| visual(w, parameters),
    };
    w.boxed(b"moov", |w| {
        mvhd(w, sound.map_or(VIDEO_TRACK, |_| SOUND_TRACK) + 1);
        trak(w, &video);
        if let Some(sound) = sound {
            let sound = Track {
                id: SOUND_TRACK,
                volume: 0x0100,
                matrix: UNITY,
                size: [0, 0],
                timescale: sound.rate,
                handler: b"sounmicrophone\0",
                header: (b"smhd", 0, 2 + 2), // 12.2.2: balance, reserved
                entry: &|w| sound.mp4a(w),
            };
            trak(w, &sound);
        }
        // 8.8.1. No mehd (8.8.2): without it the duration is unknown.
        w.boxed(b"mvex", |w| {
            trex(w, VIDEO_TRACK, 0, NON_SYNC_SAMPLE);
            if sound.is_some() {
                trex(w, SOUND_TRACK, FRAME_SAMPLES, SYNC_SAMPLE);
            }
        });
    });
}

/// What differs from track to track.
struct Track<'a> {
    id: u32,
    volume: u16,
    matrix: [u32; 9],
    /// Width and height, as 16.16.
    size: [u32; 2],
    timescale: u32,
    /// handler_type and name.
    handler: &'a [u8],
    /// The media's own header: its type, its flags, and its bytes, which are zeros.
    header: (&'a [u8; 4], u32, usize),
    /// Writes the sample entry.
    entry: &'a dyn Fn(&mut Writer),
}

/// 8.3.1
fn trak(w: &mut Writer, track: &Track<'_>) {
    w.boxed(b"trak", |w| {
        tkhd(w, track);
        w.boxed(b"mdia", |w| {
            mdhd(w, track.timescale);
            hdlr(w, track.handler);
            w.boxed(b"minf", |w| {
                let (kind, flags, zeros) = track.header;
                w.full_box(kind, 0, flags, |w| w.bytes(&[0; 8][..zeros]));
                dinf(w);
                stbl(w, track.entry);
            });
        });
    });
}

/// The unity matrix (8.2.2.2): a, b, u, c, d, v, x, y, w; u, v, w are 2.30 fixed point, the others 16.16.
const UNITY: [u32; 9] = [ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30];
const ONE: u32 = 1 << 16;
const MINUS_ONE: u32 = ONE.wrapping_neg();

/// The matrix that turns a picture of `width` by `height` (16.16) clockwise. A point (p, q) goes to (ap + cq
/// + x, bp + dq + y) (6.2.2): without x and y the turned picture would lie left of or above the origin.
fn matrix(rotation: u16, width: u32, height: u32) -> [u32; 9] {
    let (a, b, c, d, x, y) = match rotation {
        90 => (0, ONE, MINUS_ONE, 0, height, 0),
        180 => (MINUS_ONE, 0, 0, MINUS_ONE, width, height),
        270 => (0, MINUS_ONE, ONE, 0, 0, width),
        _ => return UNITY,
    };
    [a, b, 0, c, d, 0, x, y, 1 << 30]
}

/// 8.2.2
fn mvhd(w: &mut Writer, next_track: u32) {
    w.full_box(b"mvhd", 0, 0, |w| {
        w.u32(0); // creation_time
        w.u32(0); // modification_time
        w.u32(TIMESCALE);
        w.u32(UNKNOWN_DURATION);
        w.u32(ONE); // rate
        w.u16(0x0100); // volume
        w.bytes(&[0; 2 + 8]); // reserved
        UNITY.iter().for_each(|&entry| w.u32(entry));
        w.bytes(&[0; 24]); // pre_defined
        w.u32(next_track);
    });
}

/// 8.3.2
fn tkhd(w: &mut Writer, track: &Track<'_>) {
    const ENABLED_IN_MOVIE: u32 = 3;
    w.full_box(b"tkhd", 0, ENABLED_IN_MOVIE, |w| {
        w.u32(0); // creation_time
        w.u32(0); // modification_time
        w.u32(track.id);
        w.u32(0); // reserved
        w.u32(UNKNOWN_DURATION);
        w.bytes(&[0; 8]); // reserved
        w.u16(0); // layer
        w.u16(0); // alternate_group
        w.u16(track.volume);
        w.u16(0); // reserved
        track.matrix.iter().for_each(|&entry| w.u32(entry));
        track.size.iter().for_each(|&pixels| w.u32(pixels));
    });
}

/// Width and height in square pixels, before rotation, as 16.16 (8.3.2.3). What an SPS claims beyond 16 bits
/// is cut: no level of H.264 goes that far.
fn presented(parameters: &Parameters) -> (u32, u32) {
    let info = &parameters.info;
    let (across, down) = info.sar.unwrap_or((1, 1));
    let largest = u64::from(u32::MAX);
    let height = u64::from(info.height) << 16;
    let width = (u64::from(info.width) << 16) * u64::from(across) / u64::from(down.max(1));
    (width.min(largest) as u32, height.min(largest) as u32)
}

/// 8.4.2
fn mdhd(w: &mut Writer, timescale: u32) {
    w.full_box(b"mdhd", 1, 0, |w| {
        w.u64(0); // creation_time
        w.u64(0); // modification_time
        w.u32(timescale);
        w.u64(UNKNOWN_MEDIA_DURATION);
        w.u16(0x55c4); // language "und"
        w.u16(0); // pre_defined
    });
}

/// 8.4.3
fn hdlr(w: &mut Writer, handler: &[u8]) {
    let (kind, name) = handler.split_at(4);
    w.full_box(b"hdlr", 0, 0, |w| {
        w.u32(0); // pre_defined
        w.bytes(kind);
        w.bytes(&[0; 12]); // reserved
        w.bytes(name);
    });
}

/// 8.7.1, 8.7.2
fn dinf(w: &mut Writer) {
    const SELF_CONTAINED: u32 = 1;
    w.boxed(b"dinf", |w| {
        w.full_box(b"dref", 0, 0, |w| {
            w.u32(1); // entry_count
            w.full_box(b"url ", 0, SELF_CONTAINED, |_| ());
        });
    });
}

/// 8.5.1: the description of the samples, and tables that are empty because all samples are in fragments.
fn stbl(w: &mut Writer, entry: &dyn Fn(&mut Writer)) {
    w.boxed(b"stbl", |w| {
        w.full_box(b"stsd", 0, 0, |w| {
            w.u32(1); // entry_count
            entry(w);
        });
        w.full_box(b"stts", 0, 0, |w| w.u32(0)); // 8.6.1.2: entry_count
        w.full_box(b"stsc", 0, 0, |w| w.u32(0)); // 8.7.4: entry_count
        w.full_box(b"stsz", 0, 0, |w| w.u64(0)); // 8.7.3.2: sample_size, sample_count
        w.full_box(b"stco", 0, 0, |w| w.u32(0)); // 8.7.5: entry_count
    });
}

/// What has no parameter sets is JPEG pictures.
fn is_jpeg(parameters: &Parameters) -> bool {
    parameters.sps.is_empty()
}

/// The visual sample entry (12.1.3) with its AVC part (14496-15, 5.4.2.1), or what says that it is JPEG: players know that better
/// than "jpeg", which is QuickTime's.
fn visual(w: &mut Writer, parameters: &Parameters) {
    let info = &parameters.info;
    let is_jpeg = is_jpeg(parameters);
    w.boxed(if is_jpeg { b"mp4v" } else { b"avc1" }, |w| {
        w.bytes(&[0; 6]); // reserved
        w.u16(1); // data_reference_index
        w.bytes(&[0; 2 + 2 + 12]); // pre_defined, reserved
        w.u16(info.width.min(0xffff) as u16);
        w.u16(info.height.min(0xffff) as u16);
        w.u32(0x0048_0000); // horizresolution: 72 dpi
        w.u32(0x0048_0000); // vertresolution
        w.u32(0); // reserved
        w.u16(1); // frame_count
        w.bytes(&[0; 32]); // compressorname: none
        w.u16(0x0018); // depth: colour, no alpha
        w.u16(0xffff); // pre_defined = -1
        match is_jpeg {
            // ISO/IEC 10918-1, VisualStream.
            true => esds(w, VIDEO_TRACK, [0x6c, 0x11], &[]),
            false => w.boxed(b"avcC", |w| avc_configuration(w, parameters)),
        }
        if let Some(colour) = &info.colour {
            // 12.1.5
            w.boxed(b"colr", |w| {
                w.bytes(b"nclx");
                w.u16(colour.primaries.into());
                w.u16(colour.transfer.into());
                w.u16(colour.matrix.into());
                w.u8(u8::from(colour.full_range) << 7);
            });
        }
        if let Some((across, down)) = info.sar.filter(|(across, down)| across != down) {
            // 12.1.4
            w.boxed(b"pasp", |w| {
                w.u32(across.into());
                w.u32(down.into());
            });
        }
    });
}

/// AVCDecoderConfigurationRecord (14496-15, 5.3.3.1.2). Its lengths have 16 bits and its counts 5 and 8: a
/// parameter set that does not fit is left out (no decoder would take one of 64 KiB).
fn avc_configuration(w: &mut Writer, parameters: &Parameters) {
    let info = &parameters.info;
    let fits = |set: &&Vec<u8>| set.len() <= usize::from(u16::MAX);
    let parameter_set = |w: &mut Writer, set: &[u8]| {
        w.u16(set.len() as u16);
        w.bytes(set);
    };
    w.u8(1); // configurationVersion
    w.bytes(&[info.profile_idc, info.constraint_flags, info.level_idc]);
    w.u8(0xfc | 3); // reserved, lengthSizeMinusOne
    let sps = Some(&parameters.sps).filter(fits);
    w.u8(0xe0 | sps.map_or(0, |_| 1)); // reserved, numOfSequenceParameterSets
    sps.into_iter().for_each(|set| parameter_set(w, set));
    let pps = || parameters.pps.iter().filter(fits).take(usize::from(u8::MAX));
    w.u8(pps().count() as u8); // numOfPictureParameterSets
    pps().for_each(|set| parameter_set(w, set));
    // Baseline, Main and Extended end here.
    if !matches!(info.profile_idc, 66 | 77 | 88) {
        w.u8(0xfc | (info.chroma_format_idc & 3));
        w.u8(0xf8 | (info.bit_depth_luma.saturating_sub(8) & 7));
        w.u8(0xf8 | (info.bit_depth_chroma.saturating_sub(8) & 7));
        w.u8(0); // numOfSequenceParameterSetExt
    }
}

/// 8.8.3
fn trex(w: &mut Writer, track: u32, duration: u32, flags: u32) {
    w.full_box(b"trex", 0, 0, |w| {
        w.u32(track);
        w.u32(1); // default_sample_description_index
        w.u32(duration); // default_sample_duration
        w.u32(0); // default_sample_size
        w.u32(flags); // default_sample_flags
    });
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::reader::{find, walk};
    use super::*;
    use crate::format::h264::Colour;
    use crate::format::h264::Sps;
    use crate::support::hex::hex;

    /// What x264 says of 640x480 High 3.0.
    pub(in super::super) fn parameters() -> Parameters {
        let sps = hex("6764001eacb201407b6022000003000200000300791e2c5c90");
        let info = Sps::parse(&sps).unwrap();
        Parameters {
            sps,
            pps: vec![hex("68ebc3cb22c0")],
            info,
        }
    }

    fn init(change: impl FnOnce(&mut Parameters), rotation: u16) -> Init {
        let mut parameters = parameters();
        change(&mut parameters);
        Init::new(Arc::new(parameters), rotation, None)
    }

    fn body<'a>(init: &'a Init, path: &str) -> &'a [u8] {
        find(init.bytes(true), path).unwrap()
    }

    fn u32s(bytes: &[u8]) -> Vec<u32> {
        bytes
            .chunks_exact(4)
            .map(|c| u32::from_be_bytes(c.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn describes_itself() {
        let init = init(|_| (), 0);
        assert_eq!(
            (init.codec.as_str(), init.width, init.height, init.rotation),
            ("avc1.64001e", 640, 480, 0)
        );
    }

    #[test]
    fn golden() {
        let expected = hex("
            00000020 66747970 69736f36 00000000 69736f36 69736f35 61766331 6d703431
            00000283 6d6f6f76
                0000006c 6d766864 00000000 00000000 00000000
                    00015f90 ffffffff                               // timescale, duration
                    00010000 0100 0000 00000000 00000000            // rate, volume
                    00010000 00000000 00000000
                    00000000 00010000 00000000
                    00000000 00000000 40000000
                    00000000 00000000 00000000 00000000 00000000 00000000 00000002
                000001e7 7472616b
                    0000005c 746b6864 00000003 00000000 00000000
                        00000001 00000000 ffffffff                  // track_ID, duration
                        00000000 00000000 0000 0000 0000 0000
                        00010000 00000000 00000000
                        00000000 00010000 00000000
                        00000000 00000000 40000000
                        02800000 01e00000                           // width, height
                    00000183 6d646961
                        0000002c 6d646864 01000000 0000000000000000 0000000000000000
                            00015f90 ffffffffffffffff 55c4 0000
                        00000027 68646c72 00000000 00000000 76696465 00000000 00000000 00000000
                            63616d65726100
                        00000128 6d696e66
                            00000014 766d6864 00000001 0000 0000 0000 0000
                            00000024 64696e66
                                0000001c 64726566 00000000 00000001
                                    0000000c 75726c20 00000001
                            000000e8 7374626c
                                0000009c 73747364 00000000 00000001
                                    0000008c 61766331 000000000000 0001
                                        0000 0000 00000000 00000000 00000000
                                        0280 01e0 00480000 00480000 00000000 0001
                                        0000000000000000000000000000000000000000000000000000000000000000
                                        0018 ffff
                                        00000036 61766343 01 64 00 1e ff
                                            e1 0019 6764001eacb201407b6022000003000200000300791e2c5c90
                                            01 0006 68ebc3cb22c0
                                            fd f8 f8 00
                                00000010 73747473 00000000 00000000
                                00000010 73747363 00000000 00000000
                                00000014 7374737a 00000000 00000000 00000000
                                00000010 7374636f 00000000 00000000
                00000028 6d766578
                    00000020 74726578 00000000 00000001 00000001 00000000 00000000 01010000
        ");
        let init = init(|_| (), 0);
        assert_eq!(init.bytes(true), expected);
    }

    #[test]
    fn boxes() {
        let init = init(|_| (), 0);
        let paths: Vec<String> = walk(init.bytes(true))
            .unwrap()
            .into_iter()
            .map(|found| found.path)
            .collect();
        assert_eq!(
            paths.join(" ").replace("moov/trak/mdia/minf", "*"),
            "ftyp moov moov/mvhd moov/trak moov/trak/tkhd \
             moov/trak/mdia moov/trak/mdia/mdhd moov/trak/mdia/hdlr \
             * */vmhd */dinf */dinf/dref */dinf/dref/url  */stbl */stbl/stsd */stbl/stsd/avc1 \
             */stbl/stsd/avc1/avcC */stbl/stts */stbl/stsc */stbl/stsz */stbl/stco moov/mvex moov/mvex/trex"
        );
    }

    /// All four corners of the turned picture stand in the quarter right of and below the origin, and touch
    /// its edges; the picture's top left is where a clockwise turn puts it.
    #[test]
    fn rotations() {
        for (rotation, top_left) in [(0, (0, 0)), (90, (480, 0)), (180, (640, 480)), (270, (0, 640))] {
            let init = init(|_| (), rotation);
            let tkhd = u32s(&body(&init, "moov/trak/tkhd")[40..]);
            let m: Vec<i64> = tkhd.iter().map(|&entry| i64::from(entry as i32)).collect();
            assert_eq!((m[2], m[5], m[8]), (0, 0, 1 << 30));
            let placed = |p: i64, q: i64| {
                (
                    (m[0] * p + m[3] * q + m[6]) >> 16,
                    (m[1] * p + m[4] * q + m[7]) >> 16,
                )
            };
            assert_eq!(placed(0, 0), top_left, "{rotation}");
            let corners = [placed(0, 0), placed(640, 0), placed(0, 480), placed(640, 480)];
            let (w, h) = if rotation % 180 == 0 {
                (640, 480)
            } else {
                (480, 640)
            };
            for corner in [(0, 0), (w, 0), (0, h), (w, h)] {
                assert!(
                    corners.contains(&corner),
                    "{rotation}: {corners:?} without {corner:?}"
                );
            }
            assert_eq!(
                tkhd[9..],
                [640 << 16, 480 << 16],
                "width and height are those before the turn"
            );
        }
        assert_eq!(init(|_| (), 45).bytes(true), init(|_| (), 0).bytes(true));
    }

    #[test]
    fn pixels_that_are_not_square() {
        let init = init(|p| p.info.sar = Some((12, 11)), 90);
        assert_eq!(
            body(&init, "moov/trak/mdia/minf/stbl/stsd/avc1/pasp"),
            hex("0000000c 0000000b")
        );
        let tkhd = u32s(&body(&init, "moov/trak/tkhd")[40..]);
        let width = (640 << 16) * 12 / 11;
        assert_eq!(
            tkhd[6..],
            [480 << 16, 0, 1 << 30, width, 480 << 16],
            "shown wide, then turned"
        );
        assert_eq!((init.width, init.height), (640, 480));
        for odd in [Some((1, 1)), Some((7, 7)), None] {
            let init = self::init(|p| p.info.sar = odd, 0);
            assert_eq!(
                find(init.bytes(true), "moov/trak/mdia/minf/stbl/stsd/avc1/pasp"),
                None
            );
        }
    }

    #[test]
    fn colours() {
        let path = "moov/trak/mdia/minf/stbl/stsd/avc1/colr";
        for (full_range, last) in [(false, "00"), (true, "80")] {
            let colour = Colour {
                primaries: 1,
                transfer: 13,
                matrix: 6,
                full_range,
            };
            let init = init(|p| p.info.colour = Some(colour), 0);
            assert_eq!(body(&init, path), hex(&format!("6e636c78 0001 000d 0006 {last}")));
        }
        assert_eq!(find(init(|p| p.info.colour = None, 0).bytes(true), path), None);
    }

    #[test]
    fn avcc_of_each_profile() {
        let avcc = |change: fn(&mut Parameters)| {
            let init = init(
                |p| {
                    p.sps = hex("67 aa");
                    p.pps = vec![hex("68 bb cc"), hex("68")];
                    change(p);
                },
                0,
            );
            body(&init, "moov/trak/mdia/minf/stbl/stsd/avc1/avcC").to_vec()
        };
        let sets = "ff e1 0002 67aa 02 0003 68bbcc 0001 68";
        let baseline = |p: &mut Parameters| (p.info.profile_idc, p.info.constraint_flags) = (66, 0xc0);
        assert_eq!(avcc(baseline), hex(&format!("01 42 c0 1e {sets}")));
        assert_eq!(
            avcc(|p| p.info.profile_idc = 77),
            hex(&format!("01 4d 00 1e {sets}"))
        );
        assert_eq!(avcc(|_| ()), hex(&format!("01 64 00 1e {sets} fd f8 f8 00")));
        let high_4_2_2 = |p: &mut Parameters| {
            (p.info.profile_idc, p.info.chroma_format_idc) = (122, 2);
            (p.info.bit_depth_luma, p.info.bit_depth_chroma) = (10, 9);
        };
        assert_eq!(avcc(high_4_2_2), hex(&format!("01 7a 00 1e {sets} fe fa f9 00")));
        let too_long = |p: &mut Parameters| {
            p.sps = vec![0x67; 65536];
            p.pps = [vec![vec![0x68; 65536]], vec![vec![0x68]; 300]].concat();
        };
        let expected = [
            hex("01 64 00 1e ff e0 ff"),
            [0, 1, 0x68].repeat(255),
            hex("fd f8 f8 00"),
        ]
        .concat();
        assert_eq!(avcc(too_long), expected);
    }

    /// No level goes there, but an SPS can say it.
    #[test]
    fn sizes_beyond_all_levels() {
        let init = init(
            |p| (p.info.width, p.info.height, p.info.sar) = (1 << 20, u32::MAX, Some((65535, 1))),
            270,
        );
        walk(init.bytes(true)).unwrap();
        assert_eq!(
            body(&init, "moov/trak/mdia/minf/stbl/stsd/avc1")[24..28],
            [0xff; 4]
        );
    }
}
