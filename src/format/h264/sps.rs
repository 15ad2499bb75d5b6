//! The sequence parameter set (H.264 clauses 7.3.2.1.1 and 7.4.2.1.1) with its VUI (annex E), and the one change that
//! we make to it: the promise that no picture is reordered.

use crate::format::bits::{BitReader, BitWriter, SyntaxError, escape, unescape};

/// What a sequence parameter set says.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// separate_colour_plane_flag: each slice has one colour only, and tells which.
    pub separate_colour_planes: bool,
    /// Bits of a luma sample, 8 to 14.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub bit_depth_chroma: u8,
    /// Bits of frame_num in slice headers, 4 to 16.
    pub log2_max_frame_num: u32,
    /// How slice headers tell the output order.
    pub pic_order_cnt: PicOrderCnt,
    /// max_num_ref_frames, 0 to 16.
    pub max_num_ref_frames: u32,
    /// frame_mbs_only_flag: every picture is a whole frame, so nothing is interlaced.
    pub frame_mbs_only: bool,
    /// Pixels a line, after cropping.
    pub width: u32,
    /// Lines of a frame, after cropping.
    pub height: u32,
    /// Sample aspect ratio (width to height of a pixel) where it is specified.
    pub sar: Option<(u16, u16)>,
    /// How samples stand for colours, where the VUI says anything about it (video_signal_type_present_flag).
    pub colour: Option<Colour>,
    /// The clock that pictures are counted in, where the VUI has one.
    pub timing: Option<Timing>,
    /// pic_struct_present_flag: picture timing SEI tell how a frame is shown.
    pub pic_struct: bool,
    /// max_num_reorder_frames where bitstream_restriction states it.
    pub max_num_reorder_frames: Option<u32>,
    /// max_dec_frame_buffering where bitstream_restriction states it.
    pub max_dec_frame_buffering: Option<u32>,
}

/// The colour description of annex E.2.1; the numbers are those of ISO/IEC 23091-2 and of the `colr` box's nclx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// colour_primaries; 2 is unspecified.
    pub primaries: u8,
    /// transfer_characteristics; 2 is unspecified.
    pub transfer: u8,
    /// matrix_coefficients; 2 is unspecified.
    pub matrix: u8,
    /// video_full_range_flag: black is 0 and white the highest value.
    pub full_range: bool,
}

/// The timing information of annex E.2.1. A frame lasts two ticks: the rate is time_scale / (2 · num_units_in_tick).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Units of the clock that a tick lasts; not 0.
    pub num_units_in_tick: u32,
    /// Units of the clock in a second; not 0.
    pub time_scale: u32,
    /// fixed_frame_rate_flag: every picture lasts as long.
    pub fixed_frame_rate: bool,
}

/// How slice headers tell the output order of pictures (pic_order_cnt_type, clause 8.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PicOrderCnt {
    /// Type 0: by the low bits of a counter; this many, 4 to 16.
    Lsb(u32),
    /// Type 1: by differences to an expected cycle.
    Cycle,
    /// Type 2: it is the decoding order.
    DecodingOrder,
}

/// Where the SPS tells what decoders may assume of reordering: places are bits from the RBSP's start.
struct Places {
    vui_parameters_present_flag: usize,
    bitstream_restriction_flag: Option<usize>,
    max_num_reorder_frames: Option<usize>,
}

/// Our bound of a picture's width and height: twice what the highest level (6.2) allows at 2:1.
const MAX_SIDE: u32 = 16_384;
const MB: u32 = 16;

impl Sps {
    /// Reads an SPS NAL unit, header included. Values beyond the standard's bounds (or ours: a picture of up to
    /// 16384 x 16384) are errors.
    pub fn parse(nal: &[u8]) -> Result<Sps, SyntaxError> {
        let rbsp = unescape(nal.get(1..).unwrap_or_default());
        Ok(parse_rbsp(&rbsp)?.0)
    }

    /// Whether decoders have to expect pictures in another order than they come in: they may be reordered, and
    /// nothing promises that they are not.
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

/// The SPS NAL unit with a bitstream_restriction that promises no reordering (max_num_reorder_frames 0) and no more
/// pictures held than references need (max_dec_frame_buffering = max_num_ref_frames): without it, a decoder must
/// expect as much reordering as the level allows, and some hold that many frames back. All else stays, bit by bit.
pub fn without_reordering(nal: &[u8]) -> Result<Vec<u8>, SyntaxError> {
    let rbsp = unescape(nal.get(1..).unwrap_or_default());
    let (sps, places) = parse_rbsp(&rbsp)?;
    if sps.max_num_reorder_frames == Some(0) && sps.max_dec_frame_buffering == Some(sps.max_num_ref_frames) {
        return Ok(nal.to_vec());
    }
    let mut r = BitReader::new(&rbsp);
    let mut w = BitWriter::new();
    let mut keep = |w: &mut BitWriter, until| {
        while r.position_bits() < until {
            let bits = (until - r.position_bits()).min(32) as u32;
            w.u(bits, r.u(bits, "seq_parameter_set_data")?);
        }
        Ok(())
    };
    match (places.bitstream_restriction_flag, places.max_num_reorder_frames) {
        (_, Some(place)) => keep(&mut w, place)?,
        (Some(place), None) => {
            keep(&mut w, place)?;
            begin_bitstream_restriction(&mut w);
        }
        (None, None) => {
            keep(&mut w, places.vui_parameters_present_flag)?;
            w.flag(true); // vui_parameters_present_flag
            w.u(4, 0); // aspect_ratio_info, overscan_info, video_signal_type, chroma_loc_info: not present
            w.u(3, 0); // timing_info, nal_hrd_parameters, vcl_hrd_parameters: not present
            w.flag(false); // pic_struct_present_flag
            begin_bitstream_restriction(&mut w);
        }
    }
    w.ue(0); // max_num_reorder_frames
    w.ue(sps.max_num_ref_frames); // max_dec_frame_buffering
    w.trailing_bits();
    let mut out: Vec<u8> = nal.iter().take(1).copied().collect();
    escape(&w.into_bytes(), &mut out);
    Ok(out)
}

/// The elements before max_num_reorder_frames, with the values that E.2.1 infers where they are absent.
fn begin_bitstream_restriction(w: &mut BitWriter) {
    w.flag(true); // bitstream_restriction_flag
    w.flag(true); // motion_vectors_over_pic_boundaries_flag
    w.ue(2); // max_bytes_per_pic_denom
    w.ue(1); // max_bits_per_mb_denom
    w.ue(15); // log2_max_mv_length_horizontal
    w.ue(15); // log2_max_mv_length_vertical
}

/// seq_parameter_set_data, clause 7.3.2.1.1.
fn parse_rbsp(rbsp: &[u8]) -> Result<(Sps, Places), SyntaxError> {
    let r = &mut BitReader::new(rbsp);
    let profile_idc = r.u(8, "profile_idc")? as u8;
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
    if !frame_mbs_only {
        r.flag("mb_adaptive_frame_field_flag")?;
    }
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
        // 7-19 to 7-22: cropping counts in chroma samples; without chroma (or with each colour coded as luma), in luma.
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
        vui = parse_vui(r)?;
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

#[derive(Default)]
struct Vui {
    sar: Option<(u16, u16)>,
    colour: Option<Colour>,
    timing: Option<Timing>,
    pic_struct: bool,
    restriction_flag_at: Option<usize>,
    restriction: Option<Restriction>,
}

struct Restriction {
    reorder_at: usize,
    max_num_reorder_frames: u32,
    max_dec_frame_buffering: u32,
}

/// vui_parameters, clause E.1.1.
fn parse_vui(r: &mut BitReader<'_>) -> Result<Vui, SyntaxError> {
    let mut vui = Vui::default();
    if r.flag("aspect_ratio_info_present_flag")? {
        vui.sar = parse_sar(r)?;
    }
    if r.flag("overscan_info_present_flag")? {
        r.flag("overscan_appropriate_flag")?;
    }
    if r.flag("video_signal_type_present_flag")? {
        r.u(3, "video_format")?;
        let mut colour = Colour {
            primaries: 2,
            transfer: 2,
            matrix: 2,
            full_range: r.flag("video_full_range_flag")?,
        };
        if r.flag("colour_description_present_flag")? {
            colour.primaries = r.u(8, "colour_primaries")? as u8;
            colour.transfer = r.u(8, "transfer_characteristics")? as u8;
            colour.matrix = r.u(8, "matrix_coefficients")? as u8;
        }
        vui.colour = Some(colour);
    }
    if r.flag("chroma_loc_info_present_flag")? {
        r.ue("chroma_sample_loc_type_top_field")?;
        r.ue("chroma_sample_loc_type_bottom_field")?;
    }
    if r.flag("timing_info_present_flag")? {
        let timing = Timing {
            num_units_in_tick: r.u(32, "num_units_in_tick")?,
            time_scale: r.u(32, "time_scale")?,
            fixed_frame_rate: r.flag("fixed_frame_rate_flag")?,
        };
        // The standard wants both above 0. Encoders that were never told a rate write 0; their video is good.
        vui.timing = Some(timing).filter(|t| t.num_units_in_tick > 0 && t.time_scale > 0);
    }
    let nal_hrd = r.flag("nal_hrd_parameters_present_flag")?;
    if nal_hrd {
        skip_hrd(r)?;
    }
    let vcl_hrd = r.flag("vcl_hrd_parameters_present_flag")?;
    if vcl_hrd {
        skip_hrd(r)?;
    }
    if nal_hrd || vcl_hrd {
        r.flag("low_delay_hrd_flag")?;
    }
    vui.pic_struct = r.flag("pic_struct_present_flag")?;
    vui.restriction_flag_at = Some(r.position_bits());
    if r.flag("bitstream_restriction_flag")? {
        r.flag("motion_vectors_over_pic_boundaries_flag")?;
        r.ue("max_bytes_per_pic_denom")?;
        r.ue("max_bits_per_mb_denom")?;
        r.ue("log2_max_mv_length_horizontal")?;
        r.ue("log2_max_mv_length_vertical")?;
        vui.restriction = Some(Restriction {
            reorder_at: r.position_bits(),
            max_num_reorder_frames: r.ue("max_num_reorder_frames")?,
            max_dec_frame_buffering: r.ue("max_dec_frame_buffering")?,
        });
    }
    Ok(vui)
}

/// aspect_ratio_idc (table E-1) with the sar_width and sar_height of Extended_SAR; None where it is unspecified.
fn parse_sar(r: &mut BitReader<'_>) -> Result<Option<(u16, u16)>, SyntaxError> {
    const EXTENDED_SAR: u32 = 255;
    const TABLE_E_1: [(u16, u16); 17] = [
        (0, 0), // unspecified
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    let sar = match r.u(8, "aspect_ratio_idc")? {
        EXTENDED_SAR => (r.u(16, "sar_width")? as u16, r.u(16, "sar_height")? as u16),
        idc => TABLE_E_1.get(idc as usize).copied().unwrap_or_default(),
    };
    Ok(Some(sar).filter(|&(width, height)| width > 0 && height > 0))
}

/// hrd_parameters, clause E.1.2.
fn skip_hrd(r: &mut BitReader<'_>) -> Result<(), SyntaxError> {
    let cpbs = 1 + r.ue_to(31, "cpb_cnt_minus1")?;
    r.u(4, "bit_rate_scale")?;
    r.u(4, "cpb_size_scale")?;
    for _ in 0..cpbs {
        r.ue("bit_rate_value_minus1")?;
        r.ue("cpb_size_value_minus1")?;
        r.flag("cbr_flag")?;
    }
    r.u(5, "initial_cpb_removal_delay_length_minus1")?;
    r.u(5, "cpb_removal_delay_length_minus1")?;
    r.u(5, "dpb_output_delay_length_minus1")?;
    r.u(5, "time_offset_length")?;
    Ok(())
}
