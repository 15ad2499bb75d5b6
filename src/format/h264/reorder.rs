//! The one change that is made to a sequence parameter set: the promise that no picture is reordered.

use super::sps::parse_rbsp;
use crate::format::bits::{BitReader, BitWriter, SyntaxError, escape, unescape};

/// The SPS NAL unit with a bitstream_restriction that promises no reordering (max_num_reorder_frames 0) and
/// no more pictures held than references need (max_dec_frame_buffering = max_num_ref_frames): without it, a
/// decoder must expect as much reordering as the level allows, and some hold that many frames back. All else
/// stays, bit by bit.
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
