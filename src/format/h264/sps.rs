//! The sequence parameter set (H.264 clauses 7.3.2.1.1 and 7.4.2.1.1).

use super::vui::{Colour, Timing, Vui, parse_vui};
use crate::format::bits::{BitReader, SyntaxError, unescape};

/// A sequence parameter set (SPS), as far as it is used here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sps {
    /// profile_idc, such as 66 (Baseline), 77 (Main) or 100 (High).
    pub profile_idc: u8,
    /// constraint_set0_flag (the highest bit) to constraint_set5_flag, and two reserved bits.
    pub constraint_flags: u8,
    /// level_idc: ten times the level (9 may stand for 1b).
    pub level_idc: u8,
    /// seq_parameter_set_id, 0 to 31.
    pub id: u8,
    /// chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// separate_colour_plane_flag: each slice has one colour only, and names it.
    pub separate_colour_planes: bool,
    /// Bits of a luma sample, 8 to 14.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub bit_depth_chroma: u8,
    /// Bits of frame_num in slice headers, 4 to 16.
    pub log2_max_frame_num: u32,
    /// How slice headers give the output order.
    pub pic_order_cnt: PicOrderCnt,
    /// max_num_ref_frames, 0 to 16.
    pub max_num_ref_frames: u32,
    /// frame_mbs_only_flag: every picture is a whole frame, so nothing is interlaced.
    pub frame_mbs_only: bool,
    /// mb_adaptive_frame_field_flag: within a frame, macroblocks may be coded as two fields.
    pub mb_adaptive_fields: bool,
    /// Pixels a line, after cropping.
    pub width: u32,
    /// Lines of a frame, after cropping.
    pub height: u32,
    /// Sample aspect ratio (width to height of a pixel) where it is specified.
    pub sar: Option<(u16, u16)>,
    /// The meaning of samples as colours, where the VUI says anything about it (video_signal_type_present_flag).
    pub colour: Option<Colour>,
    /// The clock that pictures are counted in, where the VUI has one.
    pub timing: Option<Timing>,
    /// pic_struct_present_flag: picture timing SEI say how a frame is shown.
    pub pic_struct: bool,
    /// max_num_reorder_frames where bitstream_restriction states it.
    pub max_num_reorder_frames: Option<u32>,
    /// max_dec_frame_buffering where bitstream_restriction states it.
    pub max_dec_frame_buffering: Option<u32>,
}

/// The output order of pictures as slice headers give it (pic_order_cnt_type, clause 8.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PicOrderCnt {
    /// Type 0: by the low bits of a counter; this many, 4 to 16.
    Lsb(u32),
    /// Type 1: by differences to an expected cycle.
    Cycle,
    /// Type 2: it is the decoding order.
    #[default]
    DecodingOrder,
}

/// The places of an SPS that say what decoders may assume of reordering, in bits from the RBSP's start.
pub(super) struct Places {
    pub vui_parameters_present_flag: usize,
    pub bitstream_restriction_flag: Option<usize>,
    pub max_num_reorder_frames: Option<usize>,
}

/// Our bound of a picture's width and height. The highest level (6.2) allows little more: 16880 (A.3.1).
const MAX_SIDE: u32 = 16_384;
const MB: u32 = 16;

impl Sps {
    /// Reads an SPS NAL unit, header included. Values beyond the standard's bounds (or ours: a picture of up
    /// to 16384 x 16384) are errors.
    pub fn parse(nal: &[u8]) -> Result<Sps, SyntaxError> {
        let rbsp = unescape(nal.get(1..).unwrap_or_default());
        Ok(parse_rbsp(&rbsp)?.0)
    }

    /// Frames a second as the VUI says it, if it does: see [`Timing::frame_rate`].
    pub fn frame_rate(&self) -> Option<f64> {
        self.timing.as_ref().map(Timing::frame_rate)
    }

    /// True if decoders have to expect pictures in another order than they come in: they may be reordered,
    /// and nothing promises that they are not.
    pub fn may_reorder(&self) -> bool {
        // E.2.1: all-intra profiles are taken to have no reordering.
        let intra_only = matches!(self.profile_idc, 44 | 86 | 100 | 110 | 122 | 244)
            && self.constraint_flags & CONSTRAINT_SET3 != 0;
        let promised = self
            .max_num_reorder_frames
            .map_or(intra_only, |frames| frames == 0);
        self.pic_order_cnt != PicOrderCnt::DecodingOrder && !promised
    }
}

const CONSTRAINT_SET3: u8 = 0x10;

/// All values of profile_idc (annexes A, G, H, I). Another one is that of a slice whose NAL unit header was damaged.
const PROFILES: [u8; 16] = [
    44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244,
];

/// seq_parameter_set_data, clause 7.3.2.1.1.
pub(super) fn parse_rbsp(rbsp: &[u8]) -> Result<(Sps, Places), SyntaxError> {
    let r = &mut BitReader::new(rbsp);
    let profile_idc = r.u(8, "profile_idc")? as u8;
    if !PROFILES.contains(&profile_idc) {
        return Err(SyntaxError::Range("profile_idc", i64::from(profile_idc)));
    }
    let constraint_flags = r.u(8, "constraint_set_flags")? as u8;
    let level_idc = r.u(8, "level_idc")? as u8;
    let id = r.ue_to(31, "seq_parameter_set_id")? as u8;
    let mut chroma_format_idc = 1;
    let mut separate_colour_planes = false;
    let mut bit_depth_luma = 8;
    let mut bit_depth_chroma = 8;
    if matches!(
        profile_idc,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma_format_idc = r.ue_to(3, "chroma_format_idc")? as u8;
        if chroma_format_idc == 3 {
            separate_colour_planes = r.flag("separate_colour_plane_flag")?;
        }
        bit_depth_luma += r.ue_to(6, "bit_depth_luma_minus8")? as u8;
        bit_depth_chroma += r.ue_to(6, "bit_depth_chroma_minus8")? as u8;
        r.flag("qpprime_y_zero_transform_bypass_flag")?;
        if r.flag("seq_scaling_matrix_present_flag")? {
            for list in 0..if chroma_format_idc == 3 { 12 } else { 8 } {
                if r.flag("seq_scaling_list_present_flag")? {
                    skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let log2_max_frame_num = 4 + r.ue_to(12, "log2_max_frame_num_minus4")?;
    let pic_order_cnt = match r.ue_to(2, "pic_order_cnt_type")? {
        0 => PicOrderCnt::Lsb(4 + r.ue_to(12, "log2_max_pic_order_cnt_lsb_minus4")?),
        1 => {
            r.flag("delta_pic_order_always_zero_flag")?;
            r.se("offset_for_non_ref_pic")?;
            r.se("offset_for_top_to_bottom_field")?;
            for _ in 0..r.ue_to(255, "num_ref_frames_in_pic_order_cnt_cycle")? {
                r.se("offset_for_ref_frame")?;
            }
            PicOrderCnt::Cycle
        }
        _ => PicOrderCnt::DecodingOrder,
    };
    let max_num_ref_frames = r.ue_to(16, "max_num_ref_frames")?;
    r.flag("gaps_in_frame_num_value_allowed_flag")?;
    let mbs_wide = 1 + r.ue_to(MAX_SIDE / MB - 1, "pic_width_in_mbs_minus1")?;
    let map_units_high = 1 + r.ue_to(MAX_SIDE / MB - 1, "pic_height_in_map_units_minus1")?;
    let frame_mbs_only = r.flag("frame_mbs_only_flag")?;
    let mb_adaptive_fields = !frame_mbs_only && r.flag("mb_adaptive_frame_field_flag")?;
    r.flag("direct_8x8_inference_flag")?;
    // 7-18: a map unit of a stream with fields is a pair of macroblocks.
    let fields = if frame_mbs_only { 1 } else { 2 };
    let mut width = mbs_wide * MB;
    let mut height = map_units_high * MB * fields;
    if height > MAX_SIDE {
        return Err(SyntaxError::Range(
            "pic_height_in_map_units_minus1",
            i64::from(map_units_high - 1),
        ));
    }
    if r.flag("frame_cropping_flag")? {
        // 7-19 to 7-22: cropping counts in chroma samples; where there are none of another size, in luma.
        let (unit_x, unit_y) = match chroma_format_idc {
            1 => (2, 2 * fields),
            2 => (2, fields),
            _ => (1, fields),
        };
        let left = r.ue_to(MAX_SIDE, "frame_crop_left_offset")?;
        let right = r.ue_to(MAX_SIDE, "frame_crop_right_offset")?;
        let top = r.ue_to(MAX_SIDE, "frame_crop_top_offset")?;
        let bottom = r.ue_to(MAX_SIDE, "frame_crop_bottom_offset")?;
        width = cropped(width, unit_x * (left + right), "frame_crop_right_offset", right)?;
        height = cropped(
            height,
            unit_y * (top + bottom),
            "frame_crop_bottom_offset",
            bottom,
        )?;
    }
    let vui_parameters_present_flag = r.position_bits();
    let mut vui = Vui::default();
    if r.flag("vui_parameters_present_flag")? {
        // Some cameras' VUI is cut off. What it says is of use, but nothing that a decoder can't do without (E.2): a
        // broken one is as good as none.
        vui = parse_vui(r).unwrap_or_default();
    }
    let restriction = vui.restriction;
    let sps = Sps {
        profile_idc,
        constraint_flags,
        level_idc,
        id,
        chroma_format_idc,
        separate_colour_planes,
        bit_depth_luma,
        bit_depth_chroma,
        log2_max_frame_num,
        pic_order_cnt,
        max_num_ref_frames,
        frame_mbs_only,
        mb_adaptive_fields,
        width,
        height,
        sar: vui.sar,
        colour: vui.colour,
        timing: vui.timing,
        pic_struct: vui.pic_struct,
        max_num_reorder_frames: restriction.as_ref().map(|r| r.max_num_reorder_frames),
        max_dec_frame_buffering: restriction.as_ref().map(|r| r.max_dec_frame_buffering),
    };
    let places = Places {
        vui_parameters_present_flag,
        bitstream_restriction_flag: vui.restriction_flag_at,
        max_num_reorder_frames: restriction.map(|r| r.reorder_at),
    };
    Ok((sps, places))
}

fn cropped(size: u32, cut: u32, element: &'static str, value: u32) -> Result<u32, SyntaxError> {
    size.checked_sub(cut)
        .filter(|&left| left > 0)
        .ok_or(SyntaxError::Range(element, i64::from(value)))
}

/// scaling_list, clause 7.3.2.1.1.1: after a scale of 0 the rest of the list is not coded.
fn skip_scaling_list(r: &mut BitReader<'_>, entries: u32) -> Result<(), SyntaxError> {
    let mut scale = 8i32;
    for _ in 0..entries {
        let delta = r.se("delta_scale")?;
        if !(-128..=127).contains(&delta) {
            return Err(SyntaxError::Range("delta_scale", i64::from(delta)));
        }
        scale = (scale + delta + 256) % 256;
        if scale == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::format::bits::{BitWriter, escape};
    use crate::format::h264::laws;
    use crate::format::h264::reorder::without_reordering;
    use crate::support::random::Random;

    // Real encoders' SPS: x264 0.164 (r3095) through ffmpeg 5.1.9, and OpenH264 through GStreamer 1.22 (both
    // Debian 12), from test pictures. What they hold was read with ffmpeg's trace_headers.
    /// x264, Constrained Baseline, 320x240.
    pub(crate) const X264_BASELINE: &str = "6742c00dd90141fb0110000003001000000303c0f142a480";
    /// x264, Main, -bf 0, 640x480.
    pub(crate) const X264_MAIN: &str = "674d401ed900a03db0110000030001000003003c0f162e48";
    /// x264, High, -bf 0, 1920x1080, with BT.709, NAL HRD and pic_struct.
    const X264_HIGH_HRD: &str =
        "67640028acb200f0044fcb80b501010140000003004000000f1920003d090007a13930c03e306490";
    /// x264, High with its usual three B-frames, 1920x1080.
    pub(crate) const X264_HIGH_B: &str = "67640028acd940780227e5c044000003000400000300f03c60c658";
    /// x264, Main with B-frames, 1280x720, with NAL HRD and pic_struct.
    const X264_MAIN_HRD_B: &str = "674d401feca02802dd8088000003000800000301e3240007a12000f425261807c60c6580";
    /// x264, High, interlaced (-flags +ilme), 720x576 shown as 16:9.
    pub(crate) const X264_INTERLACED: &str = "6764001eace402d0937fe0080005a2000003000200000300643e285490";
    /// x264, High, 720x576 shown as 16:9, full range, BT.470BG primaries and matrix, SMPTE 170M transfer.
    const X264_WIDE_PIXELS: &str = "6764001eacb2016824dff80200016b70506054000003000400000300c83c58b920";
    /// x264, High, -pix_fmt gray, 640x480.
    const X264_GRAY: &str = "6764001ef2c80501ed80b640000003004000000c83c58b92";
    /// x264, High 4:2:2, 10 bits, 322x242.
    const X264_422: &str = "677a000db6cb202a10f111f808800000030080000019078a1524";
    /// x264, High 4:4:4 Predictive, 640x480.
    const X264_444: &str = "67f4001e919640280f6c0440000003004000000c83c58b92";
    /// x264, High 10 Intra (constraint_set3, so without bitstream_restriction), 640x480.
    const X264_HIGH_10_INTRA: &str = "676e101ea6cb81407b60220000030002000003006408";
    /// OpenH264, High, 1920x1080.
    const OPENH264_HIGH: &str = "67640c28ac191a80780227e58078442350";

    const REAL: [&str; 12] = [
        X264_BASELINE,
        X264_MAIN,
        X264_HIGH_HRD,
        X264_HIGH_B,
        X264_MAIN_HRD_B,
        X264_INTERLACED,
        X264_WIDE_PIXELS,
        X264_GRAY,
        X264_422,
        X264_444,
        X264_HIGH_10_INTRA,
        OPENH264_HIGH,
    ];

    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn parse(hex: &str) -> Sps {
        Sps::parse(&bytes(hex)).unwrap()
    }

    /// What tests vary in an SPS of their own making; the rest is plain.
    #[derive(Clone)]
    struct Made {
        profile_idc: u8,
        chroma: (u32, bool),
        scaling_lists: bool,
        pic_order_cnt_type: u32,
        cycle: u32,
        refs: u32,
        mbs: (u32, u32),
        frame_mbs_only: bool,
        crop: Option<[u32; 4]>,
        vui: Option<fn(&mut BitWriter)>,
    }

    const PLAIN: Made = Made {
        profile_idc: 100,
        chroma: (1, false),
        scaling_lists: false,
        pic_order_cnt_type: 0,
        cycle: 0,
        refs: 4,
        mbs: (120, 68),
        frame_mbs_only: true,
        crop: Some([0, 0, 0, 4]),
        vui: None,
    };

    impl Made {
        fn nal(&self) -> Vec<u8> {
            let mut w = BitWriter::new();
            w.u(8, self.profile_idc.into());
            w.u(8, 0);
            w.u(8, 40);
            w.ue(31); // seq_parameter_set_id
            if self.profile_idc >= 100 {
                w.ue(self.chroma.0);
                if self.chroma.0 == 3 {
                    w.flag(self.chroma.1);
                }
                w.ue(6); // bit_depth_luma_minus8
                w.ue(0);
                w.flag(false);
                w.flag(self.scaling_lists);
                if self.scaling_lists {
                    for list in 0..if self.chroma.0 == 3 { 12 } else { 8 } {
                        let size = if list < 6 { 16 } else { 64 };
                        w.flag(list != 1);
                        match list {
                            0 => w.se(-8), // scale 0 at once: the default list
                            1 => {}        // not present
                            2 => (0..size).for_each(|i| w.se(if i % 2 == 0 { 127 } else { -128 })),
                            3 => [1, -9].iter().for_each(|&delta| w.se(delta)), // the rest is not coded
                            _ => (0..size).for_each(|_| w.se(1)),
                        }
                    }
                }
            }
            w.ue(12); // log2_max_frame_num_minus4
            w.ue(self.pic_order_cnt_type);
            match self.pic_order_cnt_type {
                0 => w.ue(12),
                1 => {
                    w.flag(false);
                    w.se(i32::MAX);
                    w.se(-i32::MAX);
                    w.ue(self.cycle);
                    (0..self.cycle).for_each(|i| w.se(i as i32));
                }
                _ => {}
            }
            w.ue(self.refs);
            w.flag(false);
            w.ue(self.mbs.0 - 1);
            w.ue(self.mbs.1 - 1);
            w.flag(self.frame_mbs_only);
            if !self.frame_mbs_only {
                w.flag(true);
            }
            w.flag(true);
            w.flag(self.crop.is_some());
            self.crop.iter().flatten().for_each(|&offset| w.ue(offset));
            w.flag(self.vui.is_some());
            if let Some(vui) = self.vui {
                vui(&mut w);
            }
            w.trailing_bits();
            let mut nal = vec![0x67];
            escape(&w.into_bytes(), &mut nal);
            nal
        }

        fn parse(&self) -> Result<Sps, SyntaxError> {
            Sps::parse(&self.nal())
        }
    }

    /// A VUI with everything in it, up to before bitstream_restriction_flag.
    fn full_vui(w: &mut BitWriter) {
        w.flag(true);
        w.u(8, 255); // Extended_SAR
        w.u(16, 65_535);
        w.u(16, 1);
        w.u(2, 0b11); // overscan
        w.flag(true);
        w.u(3, 5);
        w.flag(true); // full range
        w.flag(true);
        w.u(24, 0x01_0d_06);
        w.flag(true);
        w.ue(5);
        w.ue(5);
        w.flag(true);
        w.u(32, 1001);
        w.u(32, 60_000);
        w.flag(true);
        for _ in 0..2 {
            w.flag(true); // HRD: 32 buffers
            w.ue(31);
            w.u(8, 0x34);
            for i in 0..32 {
                w.ue(u32::MAX - 1 - i);
                w.ue(i);
                w.flag(true);
            }
            w.u(20, 0x8_4210);
        }
        w.flag(true); // low_delay_hrd_flag
        w.flag(true); // pic_struct_present_flag
    }

    fn restriction(w: &mut BitWriter, reorder: u32, buffering: u32) {
        w.u(2, 0b10);
        [0, 0, 11, 12, reorder, buffering]
            .iter()
            .for_each(|&value| w.ue(value));
    }

    #[test]
    fn real_encoders_profiles_and_sizes() {
        let of = |hex| {
            let sps = parse(hex);
            let depth = (sps.bit_depth_luma, sps.bit_depth_chroma);
            (
                sps.profile_idc,
                sps.constraint_flags,
                sps.level_idc,
                sps.chroma_format_idc,
                depth,
                (sps.width, sps.height),
            )
        };
        assert_eq!(of(X264_BASELINE), (66, 0xc0, 13, 1, (8, 8), (320, 240)));
        assert_eq!(of(X264_MAIN), (77, 0x40, 30, 1, (8, 8), (640, 480)));
        assert_eq!(of(X264_HIGH_HRD), (100, 0, 40, 1, (8, 8), (1920, 1080)));
        assert_eq!(of(X264_HIGH_B), (100, 0, 40, 1, (8, 8), (1920, 1080)));
        assert_eq!(of(X264_INTERLACED), (100, 0, 30, 1, (8, 8), (720, 576)));
        assert_eq!(of(X264_GRAY), (100, 0, 30, 0, (8, 8), (640, 480)));
        assert_eq!(of(X264_422), (122, 0, 13, 2, (10, 10), (322, 242)));
        assert_eq!(of(X264_444), (244, 0, 30, 3, (8, 8), (640, 480)));
        assert_eq!(of(X264_HIGH_10_INTRA), (110, 0x10, 30, 1, (10, 10), (640, 480)));
        assert_eq!(of(OPENH264_HIGH), (100, 0x0c, 40, 1, (8, 8), (1920, 1080)));
    }

    #[test]
    fn real_encoders_order_and_vui() {
        let hd = parse(X264_HIGH_B);
        assert_eq!(hd.pic_order_cnt, PicOrderCnt::Lsb(6));
        assert_eq!(
            (
                hd.max_num_ref_frames,
                hd.max_num_reorder_frames,
                hd.max_dec_frame_buffering
            ),
            (4, Some(2), Some(4))
        );
        let timing = Timing {
            num_units_in_tick: 1,
            time_scale: 60,
            fixed_frame_rate: false,
        };
        assert_eq!((hd.timing, hd.sar, hd.colour), (Some(timing), Some((1, 1)), None));
        assert_eq!(hd.frame_rate(), Some(30.0));
        let hrd = parse(X264_HIGH_HRD);
        assert_eq!(
            (hrd.pic_struct, hrd.max_num_reorder_frames, hrd.frame_mbs_only),
            (true, Some(0), true)
        );
        let bt709 = Colour {
            primaries: 1,
            transfer: 1,
            matrix: 1,
            full_range: false,
        };
        assert_eq!((hrd.colour, hrd.timing), (Some(bt709), Some(timing)));
        let wide = parse(X264_WIDE_PIXELS);
        assert_eq!((wide.width, wide.height, wide.sar), (720, 576, Some((64, 45))));
        assert_eq!(
            wide.colour,
            Some(Colour {
                primaries: 5,
                transfer: 6,
                matrix: 5,
                full_range: true
            })
        );
        assert!(!parse(X264_INTERLACED).frame_mbs_only);
    }

    #[test]
    fn who_may_reorder() {
        assert!(parse(X264_HIGH_B).may_reorder());
        assert!(PLAIN.parse().unwrap().may_reorder());
        assert!(!parse(X264_HIGH_HRD).may_reorder());
        assert!(
            !Made {
                pic_order_cnt_type: 2,
                ..PLAIN
            }
            .parse()
            .unwrap()
            .may_reorder()
        );
        let intra = parse(X264_HIGH_10_INTRA);
        assert_eq!(intra.max_num_reorder_frames, None);
        assert!(!intra.may_reorder());
        assert!(
            !Sps {
                pic_order_cnt: PicOrderCnt::Lsb(4),
                ..intra.clone()
            }
            .may_reorder()
        );
        assert!(
            Sps {
                pic_order_cnt: PicOrderCnt::Lsb(4),
                constraint_flags: 0,
                ..intra
            }
            .may_reorder()
        );
    }

    #[test]
    fn everything_at_once() {
        let made = Made {
            profile_idc: 244,
            chroma: (3, true),
            scaling_lists: true,
            pic_order_cnt_type: 1,
            cycle: 255,
            refs: 16,
            mbs: (1024, 512),
            frame_mbs_only: false,
            crop: Some([1, 2, 3, 4]),
            vui: Some(|w| {
                full_vui(w);
                restriction(w, 16, 16);
            }),
        };
        let sps = made.parse().unwrap();
        assert_eq!((sps.id, sps.bit_depth_luma, sps.log2_max_frame_num), (31, 14, 16));
        assert!(sps.separate_colour_planes && !sps.frame_mbs_only && sps.pic_struct);
        assert_eq!(sps.pic_order_cnt, PicOrderCnt::Cycle);
        assert_eq!((sps.width, sps.height), (16_384 - 3, 16_384 - 14));
        assert_eq!(sps.sar, Some((65_535, 1)));
        assert_eq!(
            sps.colour,
            Some(Colour {
                primaries: 1,
                transfer: 13,
                matrix: 6,
                full_range: true
            })
        );
        let timing = Timing {
            num_units_in_tick: 1001,
            time_scale: 60_000,
            fixed_frame_rate: true,
        };
        assert_eq!((sps.timing, sps.max_num_reorder_frames), (Some(timing), Some(16)));
        assert_eq!(sps.frame_rate(), Some(30_000.0 / 1001.0));
        // The stop bit is in the last byte, so that any cut leaves out something.
        let nal = made.nal();
        laws::sps(&nal);
        let mut without = 0;
        for end in 0..nal.len() {
            match Sps::parse(&nal[..end]) {
                Err(SyntaxError::End(_)) => assert_eq!(without, 0, "cut at {end} of {}", nal.len()),
                Ok(cut) if cut.max_num_reorder_frames.is_none() => {
                    assert_eq!((cut.width, cut.height, cut.sar), (sps.width, sps.height, None));
                    laws::sps(&nal[..end]);
                    without += 1;
                }
                other => panic!("cut at {end} of {}: {other:?}", nal.len()),
            }
        }
        assert!(without > 0, "a broken VUI is as good as none");
    }

    #[test]
    fn cropping_counts_in_chroma_samples() {
        let size = |chroma, frame_mbs_only| {
            let made = Made {
                chroma,
                frame_mbs_only,
                crop: Some([1, 2, 3, 4]),
                ..PLAIN
            };
            let sps = made.parse().unwrap();
            (
                1920 - sps.width,
                1088 * if frame_mbs_only { 1 } else { 2 } - sps.height,
            )
        };
        assert_eq!(
            (size((0, false), true), size((0, false), false)),
            ((3, 7), (3, 14))
        );
        assert_eq!(
            (size((1, false), true), size((1, false), false)),
            ((6, 14), (6, 28))
        );
        assert_eq!(
            (size((2, false), true), size((2, false), false)),
            ((6, 7), (6, 14))
        );
        assert_eq!(
            (size((3, false), true), size((3, false), false)),
            ((3, 7), (3, 14))
        );
        assert_eq!(size((3, true), true), (3, 7));
    }

    #[test]
    fn values_out_of_bounds_are_named() {
        let range = |made: Made| match made.parse() {
            Err(SyntaxError::Range(element, value)) => (element, value),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            range(Made {
                chroma: (4, false),
                ..PLAIN
            }),
            ("chroma_format_idc", 4)
        );
        assert_eq!(
            range(Made {
                pic_order_cnt_type: 3,
                ..PLAIN
            }),
            ("pic_order_cnt_type", 3)
        );
        let cycle = Made {
            pic_order_cnt_type: 1,
            cycle: 256,
            ..PLAIN
        };
        assert_eq!(range(cycle), ("num_ref_frames_in_pic_order_cnt_cycle", 256));
        assert_eq!(range(Made { refs: 17, ..PLAIN }), ("max_num_ref_frames", 17));
        assert_eq!(
            range(Made {
                mbs: (1025, 1),
                ..PLAIN
            }),
            ("pic_width_in_mbs_minus1", 1024)
        );
        assert_eq!(
            range(Made {
                mbs: (1, 1025),
                ..PLAIN
            }),
            ("pic_height_in_map_units_minus1", 1024)
        );
        let fields = Made {
            mbs: (1, 513),
            frame_mbs_only: false,
            ..PLAIN
        };
        assert_eq!(range(fields), ("pic_height_in_map_units_minus1", 512));
        // 1920 lines wide: 959 + 1 pairs cut leave nothing.
        let all = Made {
            crop: Some([959, 1, 0, 0]),
            ..PLAIN
        };
        assert_eq!(range(all.clone()), ("frame_crop_right_offset", 1));
        assert_eq!(
            Made {
                crop: Some([958, 1, 0, 543]),
                ..all
            }
            .parse()
            .map(|s| (s.width, s.height)),
            Ok((2, 2))
        );
        let huge = Made {
            crop: Some([0, 0, u32::MAX - 1, 0]),
            ..PLAIN
        };
        assert_eq!(range(huge), ("frame_crop_top_offset", i64::from(u32::MAX - 1)));
    }

    #[test]
    fn unspecified_is_none() {
        let with = |vui| {
            Made {
                vui: Some(vui),
                ..PLAIN
            }
            .parse()
            .unwrap()
        };
        // aspect_ratio_idc 0 (unspecified), 17 (reserved), Extended_SAR 0:1; a clock of zero.
        assert_eq!(with(|w| w.u(32, 0x80_00_00_00)).sar, None);
        assert_eq!(with(|w| (w.u(9, 0x111), w.u(24, 0)).1).sar, None);
        assert_eq!(with(|w| (w.u(9, 0x1ff), w.u(32, 1), w.u(32, 0)).2).sar, None);
        assert_eq!(with(|w| (w.u(9, 0x110), w.u(24, 0)).1).sar, Some((2, 1)));
        assert_eq!(
            with(|w| (w.u(5, 1), w.u(32, 0), w.u(32, 0), w.u(8, 0)).3).timing,
            None
        );
        // The range alone: the colours are unspecified.
        let range_only = with(|w| w.u(32, 0b0011_0110 << 24)).colour;
        assert_eq!(
            range_only,
            Some(Colour {
                primaries: 2,
                transfer: 2,
                matrix: 2,
                full_range: true
            })
        );
        assert_eq!(PLAIN.parse().unwrap().colour, None);
    }

    #[test]
    fn a_promise_that_is_there_is_left_alone() {
        for unchanged in [
            X264_BASELINE,
            X264_MAIN,
            X264_HIGH_HRD,
            X264_422,
            X264_444,
            OPENH264_HIGH,
        ] {
            assert_eq!(hex(&without_reordering(&bytes(unchanged)).unwrap()), unchanged);
        }
    }

    /// ffmpeg's trace_headers read each pair too: the new values are as intended, all else is the same.
    fn becomes(before: &[u8], after: &str) {
        assert_eq!(hex(&without_reordering(before).unwrap()), after);
        laws::sps(before);
    }

    #[test]
    fn a_wrong_promise_is_corrected() {
        becomes(
            &bytes(X264_HIGH_B),
            "67640028acd940780227e5c044000003000400000300f03c60c960",
        );
        becomes(
            &bytes(X264_MAIN_HRD_B),
            "674d401feca02802dd8088000003000800000301e3240007a12000f425261807c60c96",
        );
        // No reordering, but more pictures held than there are references.
        let held = Made {
            vui: Some(|w| (w.u(8, 0), restriction(w, 0, 5)).1),
            ..PLAIN
        };
        let right = Made {
            vui: Some(|w| (w.u(8, 0), restriction(w, 0, 4)).1),
            ..PLAIN
        };
        assert_eq!(without_reordering(&held.nal()), Ok(right.nal()));
        assert_eq!(without_reordering(&right.nal()), Ok(right.nal()));
    }

    #[test]
    fn a_vui_without_restriction_gets_one() {
        becomes(
            &bytes(X264_HIGH_10_INTRA),
            "676e101ea6cb81407b6022000003000200000300641b410087",
        );
    }

    #[test]
    fn without_a_vui_it_gets_a_whole_one() {
        let high = bytes("676400280408f06c6940780227e540");
        assert_eq!(high, PLAIN.nal());
        becomes(&high, "676400280408f06c6940780227e5806d040212c0");
        let baseline = bytes("67420028040363500f0044fca8");
        assert_eq!(
            baseline,
            Made {
                profile_idc: 66,
                refs: 1,
                ..PLAIN
            }
            .nal()
        );
        becomes(&baseline, "67420028040363500f0044fcb00da08042a0");
    }

    #[test]
    fn what_is_before_the_restriction_stays() {
        let before = Made {
            vui: Some(|w| (full_vui(w), w.flag(false)).1),
            ..PLAIN
        };
        let after = Made {
            vui: Some(|w| {
                full_vui(w);
                w.u(2, 0b11);
                [2, 1, 15, 15, 0, PLAIN.refs]
                    .iter()
                    .for_each(|&value| w.ue(value));
            }),
            ..PLAIN
        };
        assert_eq!(without_reordering(&before.nal()), Ok(after.nal()));
        laws::sps(&before.nal());
    }

    #[test]
    fn every_mutation_of_an_sps_keeps_the_law() {
        let seeds: Vec<Vec<u8>> = REAL.iter().map(|hex| bytes(hex)).chain([PLAIN.nal()]).collect();
        seeds.iter().for_each(|seed| laws::sps(seed));
        let mut random = Random::new(3);
        for _ in 0..100_000 {
            let mut data = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(4) {
                let at = random.below(data.len());
                match random.below(4) {
                    0 => data[at] = random.next() as u8,
                    1 => data[at] ^= 1 << random.below(8),
                    2 => data.truncate(at + 1),
                    _ => data.insert(at, [0, 3, 0xff, 0x80][random.below(4)]),
                }
            }
            laws::sps(&data);
        }
    }
}
