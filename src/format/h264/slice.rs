//! The first elements of a slice header (H.264 clause 7.3.3): to which picture a slice belongs, and of what kind it is.

use super::nal::{IDR, unit_type};
use super::pps::Pps;
use super::sps::{PicOrderCnt, Sps};
use crate::format::bits::{BitReader, SyntaxError, unescape};

/// What a slice predicts from (slice_type modulo 5, table 7-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceKind {
    /// From pictures before it: P and SP.
    P,
    /// From two pictures at once: B.
    B,
    /// From nothing but itself: I.
    I,
    /// SI, of the Extended profile.
    Si,
}

/// The first elements of a slice header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceHeader {
    /// Address of the slice's first macroblock; 0 in a picture's first slice (unless slices come in any order).
    pub first_mb_in_slice: u32,
    /// slice_type.
    pub kind: SliceKind,
    /// pic_parameter_set_id.
    pub pps_id: u8,
    /// frame_num.
    pub frame_num: u32,
    /// idr_pic_id, in slices of IDR pictures.
    pub idr_pic_id: Option<u32>,
    /// pic_order_cnt_lsb; 0 where the SPS tells the order in another way.
    pub pic_order_cnt_lsb: u32,
    /// delta_pic_order_cnt_bottom; 0 where absent.
    pub delta_pic_order_cnt_bottom: i32,
}

/// Bytes of a slice that surely hold the elements read here (33 bytes at most) and their emulation prevention.
const HEADER_BYTES: usize = 64;

impl SliceHeader {
    /// Reads a slice NAL unit's (header included) first elements. `parameter_sets` finds the PPS of an id and the SPS
    /// that it belongs to; where it finds none, the rest can't be read and the answer is None.
    pub fn parse<'p>(
        nal: &[u8],
        parameter_sets: impl FnOnce(u8) -> Option<(&'p Pps, &'p Sps)>,
    ) -> Result<Option<SliceHeader>, SyntaxError> {
        let rbsp = unescape(nal.get(1..nal.len().min(HEADER_BYTES)).unwrap_or_default());
        let r = &mut BitReader::new(&rbsp);
        let first_mb_in_slice = r.ue("first_mb_in_slice")?;
        let kind = match r.ue_to(9, "slice_type")? % 5 {
            1 => SliceKind::B,
            2 => SliceKind::I,
            4 => SliceKind::Si,
            _ => SliceKind::P,
        };
        let pps_id = r.ue_to(255, "pic_parameter_set_id")? as u8;
        let Some((pps, sps)) = parameter_sets(pps_id) else {
            return Ok(None);
        };
        if sps.separate_colour_planes {
            r.u(2, "colour_plane_id")?;
        }
        let frame_num = r.u(sps.log2_max_frame_num, "frame_num")?;
        let field = !sps.frame_mbs_only && r.flag("field_pic_flag")?;
        if field {
            r.flag("bottom_field_flag")?;
        }
        let idr_pic_id = if unit_type(nal) == IDR {
            Some(r.ue_to(65_535, "idr_pic_id")?)
        } else {
            None
        };
        let mut pic_order_cnt_lsb = 0;
        let mut delta_pic_order_cnt_bottom = 0;
        if let PicOrderCnt::Lsb(bits) = sps.pic_order_cnt {
            pic_order_cnt_lsb = r.u(bits, "pic_order_cnt_lsb")?;
            if pps.bottom_field_pic_order && !field {
                delta_pic_order_cnt_bottom = r.se("delta_pic_order_cnt_bottom")?;
            }
        }
        Ok(Some(SliceHeader {
            first_mb_in_slice,
            kind,
            pps_id,
            frame_num,
            idr_pic_id,
            pic_order_cnt_lsb,
            delta_pic_order_cnt_bottom,
        }))
    }
}
