//! The picture parameter set (H.264 clause 7.3.2.2): as much of it as a slice header needs.

use crate::format::bits::{BitReader, SyntaxError, unescape};

/// The first elements of a picture parameter set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pps {
    /// pic_parameter_set_id.
    pub id: u8,
    /// seq_parameter_set_id, 0 to 31: the sequence parameter set that it belongs to.
    pub sps_id: u8,
    /// entropy_coding_mode_flag: CABAC, not CAVLC.
    pub cabac: bool,
    /// bottom_field_pic_order_in_frame_present_flag: slice headers give the bottom field's order too.
    pub bottom_field_pic_order: bool,
}

impl Pps {
    /// Reads a PPS NAL unit, header included. What the elements after those above say is not checked.
    pub fn parse(nal: &[u8]) -> Result<Pps, SyntaxError> {
        // The four elements take at most 17 + 11 + 2 bits.
        let rbsp = unescape(nal.get(1..nal.len().min(16)).unwrap_or_default());
        let mut r = BitReader::new(&rbsp);
        Ok(Pps {
            id: r.ue_to(255, "pic_parameter_set_id")? as u8,
            sps_id: r.ue_to(31, "seq_parameter_set_id")? as u8,
            cabac: r.flag("entropy_coding_mode_flag")?,
            bottom_field_pic_order: r.flag("bottom_field_pic_order_in_frame_present_flag")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_ones() {
        // x264 0.164, Baseline and High.
        let cavlc = Pps::parse(&[0x68, 0xcb, 0x83, 0xcb, 0x20]);
        assert_eq!(
            cavlc,
            Ok(Pps {
                id: 0,
                sps_id: 0,
                cabac: false,
                bottom_field_pic_order: false
            })
        );
        assert!(Pps::parse(&[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0]).unwrap().cabac);
    }

    #[test]
    fn the_largest_ids_and_beyond() {
        let mut w = crate::format::bits::BitWriter::new();
        w.ue(255);
        w.ue(31);
        w.u(2, 0b01);
        w.trailing_bits();
        let nal = [&[0x68][..], &w.into_bytes()].concat();
        let largest = Pps {
            id: 255,
            sps_id: 31,
            cabac: false,
            bottom_field_pic_order: true,
        };
        assert_eq!(Pps::parse(&nal), Ok(largest));
        let mut w = crate::format::bits::BitWriter::new();
        w.ue(256);
        let nal = [&[0x68][..], &w.into_bytes()].concat();
        assert_eq!(
            Pps::parse(&nal),
            Err(SyntaxError::Range("pic_parameter_set_id", 256))
        );
        assert_eq!(Pps::parse(&[]), Err(SyntaxError::End("pic_parameter_set_id")));
    }
}
