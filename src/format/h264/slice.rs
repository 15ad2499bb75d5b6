//! The first elements of a slice header (H.264 clause 7.3.3): a slice's picture, and its kind.

use super::nal::{IDR, unit_type};
use super::pps::Pps;
use super::sps::{PicOrderCnt, Sps};
use crate::format::bits::{BitReader, SyntaxError, unescape};

/// The pictures that a slice predicts from (slice_type modulo 5, table 7-6).
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
///
/// All of those up to the last one that is needed are kept: that they come out right shows that the reading is in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceHeader {
    /// Address of the slice's first macroblock; 0 in a picture's first slice (of slices in raster order).
    pub first_mb_in_slice: u32,
    /// slice_type.
    pub kind: SliceKind,
    /// pic_parameter_set_id.
    pub pps_id: u8,
    /// frame_num.
    pub frame_num: u32,
    /// field_pic_flag: the picture is one of a frame's two fields.
    pub field: bool,
    /// idr_pic_id, in slices of IDR pictures.
    pub idr_pic_id: Option<u32>,
    /// pic_order_cnt_lsb; 0 where the SPS gives the order otherwise.
    pub pic_order_cnt_lsb: u32,
    /// delta_pic_order_cnt_bottom; 0 where absent.
    pub delta_pic_order_cnt_bottom: i32,
}

/// Bytes of a slice that surely hold what is read here: 219 bits at most, and their emulation prevention.
const HEADER_BYTES: usize = 64;

impl SliceHeader {
    /// Reads a slice NAL unit's (header included) first elements. `parameter_sets` finds the PPS of an id and
    /// the SPS that it belongs to; where it finds none, the rest can't be read and the answer is None.
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
            field,
            idr_pic_id,
            pic_order_cnt_lsb,
            delta_pic_order_cnt_bottom,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bits::{BitWriter, escape};
    use crate::format::h264::sps::tests::{X264_BASELINE, X264_HIGH_B, X264_INTERLACED, bytes};

    const PPS: Pps = Pps {
        id: 0,
        sps_id: 0,
        cabac: true,
        bottom_field_pic_order: false,
    };

    fn sps(hex: &str) -> Sps {
        Sps::parse(&bytes(hex)).unwrap()
    }

    fn parse(nal: &[u8], pps: &Pps, sps: &Sps) -> Result<SliceHeader, SyntaxError> {
        Ok(SliceHeader::parse(nal, |_| Some((pps, sps)))?.unwrap())
    }

    fn made(header: u8, write: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
        let mut w = BitWriter::new();
        write(&mut w);
        w.trailing_bits();
        let mut nal = vec![header];
        escape(&w.into_bytes(), &mut nal);
        nal
    }

    #[test]
    fn real_ones() {
        // x264 0.164, two slices a picture, with B-frames; the values are those of ffmpeg's trace_headers.
        let sps = sps("6764000dacd94141fb0110000003001000000303c0f1429960");
        let of = |hex| {
            let s = parse(&bytes(hex), &PPS, &sps).unwrap();
            (
                s.first_mb_in_slice,
                s.kind,
                s.frame_num,
                s.idr_pic_id,
                s.pic_order_cnt_lsb,
            )
        };
        assert_eq!(
            of("6588840057e9d7ad678dc1e9373a"),
            (0, SliceKind::I, 0, Some(0), 0)
        );
        assert_eq!(
            of("650142221000dffee103f814cf7b"),
            (160, SliceKind::I, 0, Some(0), 0)
        );
        assert_eq!(of("419a236c457fb7e0b47139fc6740"), (0, SliceKind::P, 1, None, 6));
        assert_eq!(
            of("4101427905e215ff56fd7ea8bb1f"),
            (160, SliceKind::B, 2, None, 2)
        );
        assert_eq!(of("019ea66a42dfb69cc59cb74fff6b"), (0, SliceKind::B, 5, None, 12));
        assert_eq!(of("4188aa827fd9674d182b870298dc"), (0, SliceKind::I, 5, None, 20));
    }

    #[test]
    fn the_longest_header_fits_what_is_unescaped() {
        let sps = Sps {
            separate_colour_planes: true,
            frame_mbs_only: false,
            log2_max_frame_num: 16,
            pic_order_cnt: PicOrderCnt::Lsb(16),
            ..sps(X264_INTERLACED)
        };
        let pps = Pps {
            bottom_field_pic_order: true,
            ..PPS
        };
        let nal = made(0x65, |w| {
            w.ue(u32::MAX - 1); // first_mb_in_slice
            w.ue(9);
            w.ue(255);
            w.u(2, 2); // colour_plane_id
            w.u(16, 0);
            w.flag(false); // field_pic_flag
            w.ue(65_535);
            w.u(16, 1);
            w.se(-i32::MAX);
        });
        let slice = parse(&nal, &pps, &sps).unwrap();
        assert_eq!(
            (slice.first_mb_in_slice, slice.kind, slice.pps_id),
            (u32::MAX - 1, SliceKind::Si, 255)
        );
        assert_eq!(
            (slice.frame_num, slice.idr_pic_id, slice.pic_order_cnt_lsb),
            (0, Some(65_535), 1)
        );
        assert_eq!(slice.delta_pic_order_cnt_bottom, -i32::MAX);
        assert!(nal.len() < HEADER_BYTES);
    }

    #[test]
    fn a_field_has_no_difference_to_its_other_field() {
        let sps = Sps {
            pic_order_cnt: PicOrderCnt::Lsb(4),
            log2_max_frame_num: 4,
            ..sps(X264_INTERLACED)
        };
        let pps = Pps {
            bottom_field_pic_order: true,
            ..PPS
        };
        // first_mb 0, P, PPS 0, frame_num 3, a bottom field, lsb 9; what follows is not a difference.
        let nal = made(0x41, |w| w.u(16, 0b1110_0111_1100_1001));
        let slice = parse(&nal, &pps, &sps).unwrap();
        assert_eq!(
            (
                slice.frame_num,
                slice.pic_order_cnt_lsb,
                slice.delta_pic_order_cnt_bottom
            ),
            (3, 9, 0)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let sps = sps(X264_HIGH_B);
        let error = |nal: &[u8]| parse(nal, &PPS, &sps).unwrap_err();
        assert_eq!(error(&[0x41]), SyntaxError::End("first_mb_in_slice"));
        assert_eq!(error(&[0x41, 0xe0]), SyntaxError::End("pic_order_cnt_lsb"));
        assert_eq!(
            error(&made(0x41, |w| (w.ue(0), w.ue(10)).1)),
            SyntaxError::Range("slice_type", 10)
        );
        let order_2 = Sps {
            log2_max_frame_num: 4,
            ..self::sps(X264_BASELINE)
        };
        assert_eq!(
            parse(&[0x41, 0xe0], &PPS, &order_2).map(|s| s.pic_order_cnt_lsb),
            Ok(0)
        );
    }

    #[test]
    fn without_its_parameter_sets_nothing_is_known() {
        let mut asked = None;
        let slice = SliceHeader::parse(&made(0x41, |w| (w.ue(0), w.ue(0), w.ue(77)).2), |id| {
            asked = Some(id);
            None
        });
        assert_eq!((slice, asked), (Ok(None), Some(77)));
    }
}
