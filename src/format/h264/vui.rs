//! The video usability information of a sequence parameter set (H.264 annex E): colours, timing, reordering.

use crate::format::bits::{BitReader, SyntaxError};

/// The colour description of annex E.2.1, in the numbers of ISO/IEC 23091-2 (and of nclx in a `colr` box).
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

/// The timing information of annex E.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Units of the clock that a tick lasts; not 0.
    pub num_units_in_tick: u32,
    /// Units of the clock in a second; not 0.
    pub time_scale: u32,
    /// fixed_frame_rate_flag: every picture lasts as long.
    pub fixed_frame_rate: bool,
}

impl Timing {
    /// Frames a second. A tick is num_units_in_tick / time_scale seconds (E.2.1), and a frame lasts two of them: one for
    /// each of its fields (DeltaTfiDivisor of a frame, table E-6).
    ///
    /// Unless `fixed_frame_rate`, this is the most that the stream may have, not what it has.
    pub fn frame_rate(&self) -> f64 {
        f64::from(self.time_scale) / (2.0 * f64::from(self.num_units_in_tick))
    }
}

/// The content of the VUI, as far as it is of use.
#[derive(Default)]
pub(super) struct Vui {
    pub sar: Option<(u16, u16)>,
    pub colour: Option<Colour>,
    pub timing: Option<Timing>,
    pub pic_struct: bool,
    /// The place of bitstream_restriction_flag, in bits from the RBSP's start.
    pub restriction_flag_at: Option<usize>,
    pub restriction: Option<Restriction>,
}

/// bitstream_restriction, as far as it is about reordering.
pub(super) struct Restriction {
    /// The place of max_num_reorder_frames, in bits from the RBSP's start.
    pub reorder_at: usize,
    pub max_num_reorder_frames: u32,
    pub max_dec_frame_buffering: u32,
}

/// vui_parameters, clause E.1.1.
pub(super) fn parse_vui(r: &mut BitReader<'_>) -> Result<Vui, SyntaxError> {
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
        // The standard requires both above 0. Encoders that were never given a rate write 0; their video is good.
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

/// aspect_ratio_idc (table E-1), or sar_width and sar_height of Extended_SAR; None where unspecified.
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
