//! A small H.264 encoder for drawn pictures: flat areas, sharp edges, and little that changes.
//!
//! It makes Constrained Baseline: each picture is one slice; key pictures are Intra16x16 macroblocks, the
//! others skip what did not change and code the rest as Intra16x16 too. Nothing is searched for: no motion,
//! no rate control. Clauses and tables are those of Rec. ITU-T H.264.

use super::cavlc::{Context, residual_block};
use super::drawing::{Drawing, Plane};
use super::transform::{
    QP, Square, analyse, chroma_dc_levels, chroma_dc_values, luma_dc_levels, luma_dc_values, synthesise,
};
use crate::format::bits::{BitWriter, escape};
use crate::format::h264::nal;

/// log2_max_frame_num: any key-frame distance would do, as numbers may wrap.
const FRAME_NUM_BITS: u32 = 8;

/// Table A-1: level_idc, MaxMBPS, MaxFS. It starts at level 3: the ones below save no decoder anything, and
/// their MaxBR would be too little for small pictures at high rates.
const LEVELS: [(u32, u32, u32); 9] = [
    (30, 40_500, 1_620),
    (31, 108_000, 3_600),
    (32, 216_000, 5_120),
    (40, 245_760, 8_192),
    (42, 522_240, 8_704),
    (50, 589_824, 22_080),
    (51, 983_040, 36_864),
    (52, 2_073_600, 36_864),
    (60, 4_177_920, 139_264),
];

/// Intra prediction modes by their Intra16x16PredMode (Table 8-4); intra_chroma_pred_mode (Table 8-5) has
/// them the other way round.
const VERTICAL: u32 = 0;
const HORIZONTAL: u32 = 1;
const DC: u32 = 2;

/// The encoder's state between pictures.
pub(super) struct Encoder {
    macroblocks_wide: usize,
    /// SPS and PPS in byte stream format.
    parameter_sets: Vec<u8>,
    /// Y, Cb and Cr as decoders have them by now.
    pub(super) decoded: [Plane; 3],
    /// TotalCoeff of the blocks of each macroblock of this picture: 16 of Y, 4 of Cb, 4 of Cr, each by rows.
    totals: Vec<[u8; 24]>,
    frame_num: u32,
    idr_pic_id: u32,
}

impl Encoder {
    /// For pictures of an even size at a rate of `fps`.
    pub(super) fn new(width: u32, height: u32, fps: u32) -> Encoder {
        let (wide, high) = (width.div_ceil(16) as usize, height.div_ceil(16) as usize);
        let mut parameter_sets = Vec::new();
        put_nal(
            &mut parameter_sets,
            nal::SPS,
            sequence_parameter_set(width, height, fps),
        );
        put_nal(&mut parameter_sets, nal::PPS, picture_parameter_set());
        Encoder {
            macroblocks_wide: wide,
            parameter_sets,
            decoded: [16, 8, 8].map(|size| Plane::new(wide * size, high * size)),
            totals: vec![[0; 24]; wide * high],
            frame_num: 0,
            idr_pic_id: 0,
        }
    }

    /// Writes the picture as one access unit in byte stream format (Annex B). Unless it is a key picture,
    /// only what the picture has marked as changed is coded: so each picture that is drawn must come by here,
    /// the first as a key.
    pub(super) fn encode(&mut self, drawing: &Drawing, key: bool, out: &mut Vec<u8>) {
        if key {
            out.extend_from_slice(&self.parameter_sets);
            self.frame_num = 0;
            // Two IDR pictures in a row must differ in it (7.4.3).
            self.idr_pic_id ^= 1;
        } else {
            self.frame_num = (self.frame_num + 1) % (1 << FRAME_NUM_BITS);
        }
        let mut writer = BitWriter::new();
        self.put_slice_header(&mut writer, key);

        // slice_data, 7.3.4.
        self.totals.fill([0; 24]);
        let mut skipped = 0;
        for (at, &changed) in drawing.changed.iter().enumerate() {
            if !key && !changed {
                skipped += 1;
                continue;
            }
            if !key {
                writer.ue(skipped); // mb_skip_run
                skipped = 0;
            }
            self.put_macroblock(&mut writer, drawing, at, key);
        }
        if skipped > 0 {
            writer.ue(skipped);
        }
        writer.trailing_bits();
        put_nal(out, if key { nal::IDR } else { nal::SLICE }, writer);
    }

    /// slice_header, 7.3.3, as our parameter sets have it.
    fn put_slice_header(&self, writer: &mut BitWriter, key: bool) {
        writer.ue(0); // first_mb_in_slice
        writer.ue(if key { 7 } else { 5 }); // slice_type: I or P, like all slices of the picture
        writer.ue(0); // pic_parameter_set_id
        writer.u(FRAME_NUM_BITS, self.frame_num);
        if key {
            writer.ue(self.idr_pic_id);
            writer.flag(false); // no_output_of_prior_pics_flag
            writer.flag(false); // long_term_reference_flag
        } else {
            writer.flag(false); // num_ref_idx_active_override_flag
            writer.flag(false); // ref_pic_list_modification_flag_l0
            writer.flag(false); // adaptive_ref_pic_marking_mode_flag
        }
        writer.se(0); // slice_qp_delta
        writer.ue(1); // disable_deblocking_filter_idc: what is drawn sharp stays sharp
    }

    /// mb_type and the rest of macroblock_layer, 7.3.5, of an Intra16x16 macroblock.
    fn put_macroblock(&mut self, writer: &mut BitWriter, drawing: &Drawing, at: usize, key: bool) {
        let (x, y) = (at % self.macroblocks_wide, at / self.macroblocks_wide);
        let mut luma_dc = [0; 16];
        let mut chroma_dc = [[0; 4]; 2];
        let mut ac = [[0; 15]; 24];

        let source = [drawing.planes[0].square::<16>(16 * x, 16 * y)];
        let (luma_mode, [mut square]) = predict(&source, &self.decoded[..1], 16 * x, 16 * y);
        if square != source[0] {
            luma_dc = luma_dc_levels(analyse(&source[0], &square, &mut ac[..16]));
            synthesise(&mut square, &luma_dc_values(&luma_dc), &ac[..16]);
        }
        self.decoded[0].set_square(16 * x, 16 * y, &square);

        let source = [1, 2].map(|plane: usize| drawing.planes[plane].square::<8>(8 * x, 8 * y));
        let (chroma_mode, mut squares) = predict(&source, &self.decoded[1..], 8 * x, 8 * y);
        for (i, square) in squares.iter_mut().enumerate() {
            if *square != source[i] {
                let ac = &mut ac[16 + 4 * i..][..4];
                chroma_dc[i] = chroma_dc_levels(analyse(&source[i], square, ac));
                synthesise(square, &chroma_dc_values(&chroma_dc[i]), ac);
            }
            self.decoded[1 + i].set_square(8 * x, 8 * y, square);
        }

        let has_levels = |blocks: &[[i32; 15]]| blocks.iter().flatten().any(|&level| level != 0);
        let luma_ac = has_levels(&ac[..16]);
        let coded_chroma = if has_levels(&ac[16..]) {
            2
        } else {
            u32::from(chroma_dc.iter().flatten().any(|&level| level != 0))
        };
        // Table 7-11; in P slices it comes after the five types of Table 7-13.
        let mb_type = 1 + luma_mode + 4 * coded_chroma + if luma_ac { 12 } else { 0 };
        writer.ue(if key { mb_type } else { 5 + mb_type });
        writer.ue(DC - chroma_mode); // intra_chroma_pred_mode
        writer.se(0); // mb_qp_delta

        // residual, 7.3.5.3. The luma DC levels take the context of block 0, and leave none.
        residual_block(writer, &luma_dc, self.context(at, 0, 4, 0, 0));
        if luma_ac {
            for block in 0..16 {
                // Figure 6-10: quarters of quarters.
                let (bx, by) = (block & 1 | block >> 1 & 2, block >> 1 & 1 | block >> 2 & 2);
                let context = self.context(at, 0, 4, bx, by);
                self.totals[at][4 * by + bx] = residual_block(writer, &ac[4 * by + bx], context);
            }
        }
        if coded_chroma > 0 {
            for levels in &chroma_dc {
                residual_block(writer, levels, Context::ChromaDc);
            }
        }
        if coded_chroma > 1 {
            for block in 0..8 {
                let (first, bx, by) = (16 + (block & 4), block & 1, block >> 1 & 1);
                let context = self.context(at, first, 2, bx, by);
                self.totals[at][16 + block] = residual_block(writer, &ac[16 + block], context);
            }
        }
    }

    /// nC (9.2.1) of the block at `bx`, `by` of a component: `first` is its first block, `side` a row's.
    fn context(&self, at: usize, first: usize, side: usize, bx: usize, by: usize) -> Context {
        let total = |at: usize, bx: usize, by: usize| self.totals[at][first + side * by + bx];
        let left = if bx > 0 {
            Some(total(at, bx - 1, by))
        } else if at % self.macroblocks_wide > 0 {
            Some(total(at - 1, side - 1, by))
        } else {
            None
        };
        let above = if by > 0 {
            Some(total(at, bx, by - 1))
        } else if at >= self.macroblocks_wide {
            Some(total(at - self.macroblocks_wide, bx, side - 1))
        } else {
            None
        };
        Context::Neighbours(match (left, above) {
            (Some(left), Some(above)) => (left + above).div_ceil(2),
            (left, above) => left.or(above).unwrap_or(0),
        })
    }
}

/// Appends a NAL unit (7.3.1) with its start code (B.1.1). All have nal_ref_idc 3: later ones refer to them.
fn put_nal(out: &mut Vec<u8>, unit_type: u8, rbsp: BitWriter) {
    out.extend_from_slice(&[0, 0, 0, 1, 3 << 5 | unit_type]);
    escape(&rbsp.into_bytes(), out);
}

/// The number of bits, and the bits: what is the same in all our parameter sets stands in tables, which are smaller than
/// calls.
type Bits = (u8, u8);
const NO: Bits = (1, 0);
const YES: Bits = (1, 1);
/// 0 and 1 as ue(v) writes them, and 0 as se(v) does.
const ZERO: Bits = (1, 1);
const ONE: Bits = (3, 0b010);

fn put(writer: &mut BitWriter, all: &[Bits]) {
    for (count, bits) in all {
        writer.u((*count).into(), (*bits).into());
    }
}

/// seq_parameter_set_data, 7.3.2.1.1.
fn sequence_parameter_set(width: u32, height: u32, fps: u32) -> BitWriter {
    let (wide, high) = (width.div_ceil(16), height.div_ceil(16));
    let mut writer = BitWriter::new();
    // With constraint_set0_flag and constraint_set1_flag Baseline is Constrained Baseline (A.2.1.1).
    writer.u(8, 66); // profile_idc
    writer.u(8, 0b1100_0000);
    writer.u(8, level(wide, high, fps));
    writer.ue(0); // seq_parameter_set_id
    writer.ue(FRAME_NUM_BITS - 4); // log2_max_frame_num_minus4
    writer.ue(2); // pic_order_cnt_type: output in decoding order
    writer.ue(1); // max_num_ref_frames
    writer.flag(false); // gaps_in_frame_num_value_allowed_flag
    writer.ue(wide - 1); // pic_width_in_mbs_minus1
    writer.ue(high - 1); // pic_height_in_map_units_minus1
    writer.flag(true); // frame_mbs_only_flag
    writer.flag(false); // direct_8x8_inference_flag
    let (right, bottom) = (16 * wide - width, 16 * high - height);
    writer.flag(right + bottom > 0); // frame_cropping_flag
    if right + bottom > 0 {
        // In units of two samples (7.4.2.1.1).
        for offset in [0, right / 2, 0, bottom / 2] {
            writer.ue(offset);
        }
    }
    writer.flag(true); // vui_parameters_present_flag

    // vui_parameters, E.1.1.
    put(
        &mut writer,
        &[
            YES,    // aspect_ratio_info_present_flag
            (8, 1), // aspect_ratio_idc: square
            NO,     // overscan_info_present_flag
            YES,    // video_signal_type_present_flag
            (3, 5), // video_format: unspecified
            NO,     // video_full_range_flag
            YES,    // colour_description_present_flag
            (8, 1), // colour_primaries: BT.709
            (8, 1), // transfer_characteristics
            (8, 1), // matrix_coefficients
            NO,     // chroma_loc_info_present_flag
            YES,    // timing_info_present_flag
        ],
    );
    writer.u(32, 1); // num_units_in_tick
    writer.u(32, 2 * fps); // time_scale: two ticks a frame
    put(
        &mut writer,
        &[
            NO,   // fixed_frame_rate_flag: a late frame may be left out
            NO,   // nal_hrd_parameters_present_flag
            NO,   // vcl_hrd_parameters_present_flag
            NO,   // pic_struct_present_flag
            YES,  // bitstream_restriction_flag
            NO,   // motion_vectors_over_pic_boundaries_flag
            ZERO, // max_bytes_per_pic_denom: no limit
            ZERO, // max_bits_per_mb_denom: no limit
            ZERO, // log2_max_mv_length_horizontal: nothing moves by vectors
            ZERO, // log2_max_mv_length_vertical
            ZERO, // max_num_reorder_frames
            ONE,  // max_dec_frame_buffering
        ],
    );
    writer.trailing_bits();
    writer
}

/// pic_parameter_set_rbsp, 7.3.2.2.
fn picture_parameter_set() -> BitWriter {
    let mut writer = BitWriter::new();
    put(
        &mut writer,
        &[
            ZERO,   // pic_parameter_set_id
            ZERO,   // seq_parameter_set_id
            NO,     // entropy_coding_mode_flag: CAVLC
            NO,     // bottom_field_pic_order_in_frame_present_flag
            ZERO,   // num_slice_groups_minus1
            ZERO,   // num_ref_idx_l0_default_active_minus1
            ZERO,   // num_ref_idx_l1_default_active_minus1
            NO,     // weighted_pred_flag
            (2, 0), // weighted_bipred_idc
        ],
    );
    writer.se(QP - 26); // pic_init_qp_minus26
    put(
        &mut writer,
        &[
            ZERO, // pic_init_qs_minus26
            ZERO, // chroma_qp_index_offset
            YES,  // deblocking_filter_control_present_flag
            NO,   // constrained_intra_pred_flag
            NO,   // redundant_pic_cnt_present_flag
        ],
    );
    writer.trailing_bits();
    writer
}

/// The lowest level for pictures of so many macroblocks at that rate. A.3.1: no side is over sqrt(8 * MaxFS).
fn level(wide: u32, high: u32, fps: u32) -> u32 {
    let fits = |&&(_, max_rate, max_size): &&(u32, u32, u32)| {
        wide * high * fps <= max_rate && wide * high <= max_size && wide.max(high).pow(2) <= 8 * max_size
    };
    LEVELS.iter().find(fits).unwrap_or(&LEVELS[LEVELS.len() - 1]).0
}

/// The samples around a macroblock of one component, as far as there are any.
struct Edges<const N: usize> {
    above: Option<[u8; N]>,
    left: Option<[u8; N]>,
}

impl<const N: usize> Edges<N> {
    fn of(plane: &Plane, x: usize, y: usize) -> Edges<N> {
        Edges {
            above: (y > 0).then(|| {
                let row = plane.row(x, y - 1, N);
                std::array::from_fn(|i| row[i])
            }),
            left: (x > 0).then(|| std::array::from_fn(|i| plane.row(x - 1, y + i, 1)[0])),
        }
    }

    /// 8.3.3.1 to 8.3.3.3 for luma, 8.3.4.1 to 8.3.4.3 for chroma; the samples that the mode needs are there.
    fn predict(&self, mode: u32) -> Square<N> {
        match mode {
            VERTICAL => [self.above.unwrap_or([0; N]); N],
            HORIZONTAL => self.left.unwrap_or([0; N]).map(|sample| [sample; N]),
            _ => self.predict_dc(),
        }
    }

    fn predict_dc(&self) -> Square<N> {
        // Luma has one mean. Chroma has one for each 4x4 block, from the nearer edge where there is one.
        let size = if N == 16 { 16 } else { 4 };
        let mut square = [[0; N]; N];
        for y in (0..N).step_by(size) {
            for x in (0..N).step_by(size) {
                let mut above = self.above.as_ref().map(|above| &above[x..x + size]);
                let mut left = self.left.as_ref().map(|left| &left[y..y + size]);
                if x > y && above.is_some() {
                    left = None;
                } else if x < y && left.is_some() {
                    above = None;
                }
                let sum: u32 = [above, left]
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|&sample| u32::from(sample))
                    .sum();
                let count = size as u32 * (u32::from(above.is_some()) + u32::from(left.is_some()));
                let mean = (sum + count / 2).checked_div(count).unwrap_or(128) as u8;
                for row in &mut square[y..y + size] {
                    row[x..x + size].fill(mean);
                }
            }
        }
        square
    }
}

/// The mode that predicts a macroblock best, in all its components that share it, and what it predicts.
fn predict<const N: usize, const P: usize>(
    source: &[Square<N>; P],
    decoded: &[Plane],
    x: usize,
    y: usize,
) -> (u32, [Square<N>; P]) {
    let edges: [Edges<N>; P] = std::array::from_fn(|i| Edges::of(&decoded[i], x, y));
    // DC is always there, so what stands here at first is never the answer.
    let (mut best, mut least) = ((DC, *source), u32::MAX);
    for (mode, there) in [(VERTICAL, y > 0), (HORIZONTAL, x > 0), (DC, true)] {
        if least > 0 && there {
            let tried = edges.each_ref().map(|edges| edges.predict(mode));
            let distance = distance(source, &tried);
            if distance < least {
                (best, least) = ((mode, tried), distance);
            }
        }
    }
    best
}

/// The sum of absolute differences.
fn distance<const N: usize>(a: &[Square<N>], b: &[Square<N>]) -> u32 {
    if a == b {
        // Mostly so, and quickly seen.
        return 0;
    }
    let samples = a
        .as_flattened()
        .as_flattened()
        .iter()
        .zip(b.as_flattened().as_flattened());
    samples.map(|(&a, &b)| u32::from(a.abs_diff(b))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::h264::Reader;

    #[test]
    fn level_is_the_lowest_that_fits() {
        // Table A-1, from 3 on.
        assert_eq!(level(10, 8, 120), 30);
        assert_eq!(level(40, 30, 30), 30);
        assert_eq!(level(45, 36, 25), 30);
        assert_eq!(level(45, 36, 26), 31);
        assert_eq!(level(80, 45, 30), 31);
        assert_eq!(level(80, 45, 31), 32);
        assert_eq!(level(120, 68, 30), 40);
        assert_eq!(level(120, 68, 60), 42);
        assert_eq!(level(240, 135, 30), 51);
        assert_eq!(level(240, 135, 60), 52);
        assert_eq!(level(240, 135, 120), 60);
        // Few macroblocks, but 8 * MaxFS has to hold a side's square.
        assert_eq!(level(240, 8, 1), 40);
    }

    #[test]
    fn parameter_sets_say_what_the_stream_is() {
        for (width, height) in [(160, 120), (162, 122), (640, 480), (1920, 1080), (3838, 2158)] {
            let mut stream = Vec::new();
            Encoder::new(width, height, 25).encode(&Drawing::new(width, height, 25), true, &mut stream);
            let mut reader = Reader::new();
            let unit = reader.read(&stream).unwrap().unwrap();
            assert!(unit.key);
            assert_eq!(unit.nals.len(), 1);
            let parameters = reader.parameters().unwrap();
            let info = &parameters.info;
            assert_eq!((info.profile_idc, info.constraint_flags), (66, 0xc0));
            assert_eq!((info.width, info.height), (width, height));
            assert_eq!(
                (info.max_num_reorder_frames, info.max_dec_frame_buffering),
                (Some(0), Some(1))
            );
            let timing = info.timing.as_ref().unwrap();
            assert_eq!((timing.time_scale, timing.num_units_in_tick), (50, 1));
            // Nothing had to be put right in it.
            assert!(
                stream
                    .windows(parameters.sps.len())
                    .any(|bytes| bytes == parameters.sps)
            );
        }
    }

    #[test]
    fn unchanged_picture_is_one_run_of_skips() {
        let mut drawing = Drawing::new(640, 480, 30);
        let mut encoder = Encoder::new(640, 480, 30);
        let mut stream = Vec::new();
        drawing.draw(7, (1, 2, 3, 4));
        encoder.encode(&drawing, true, &mut stream);
        drawing.draw(7, (1, 2, 3, 4));
        stream.clear();
        encoder.encode(&drawing, false, &mut stream);
        // Start code and NAL header; then first_mb 0, slice_type 5, PPS 0, frame_num 1, three flags, QP delta
        // 0, no deblocking, mb_skip_run 1200, and the trailing bits.
        let bits = "1 00110 1 00000001 0 0 0 1 010 000000000010010110001 10000";
        let bits: String = bits.split(' ').collect();
        let bytes = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')));
        assert_eq!(stream[..5], [0, 0, 0, 1, 0x61]);
        assert_eq!(stream[5..], bytes.collect::<Vec<u8>>());
    }

    #[test]
    fn idr_pictures_in_a_row_have_different_ids() {
        let drawing = Drawing::new(160, 120, 30);
        let mut encoder = Encoder::new(160, 120, 30);
        let [mut first, mut second, mut third] = [const { Vec::new() }; 3];
        encoder.encode(&drawing, true, &mut first);
        encoder.encode(&drawing, true, &mut second);
        encoder.encode(&drawing, true, &mut third);
        assert!(first != second && first == third);
    }

    #[test]
    fn chroma_dc_prediction_takes_the_nearer_edge() {
        // The upper right block from above, the lower left one from the left, the others from both.
        let edges = Edges {
            above: Some([0, 0, 0, 0, 40, 40, 40, 40]),
            left: Some([100, 100, 100, 100, 20, 20, 20, 20]),
        };
        let square = edges.predict(DC);
        assert_eq!(
            [square[0][0], square[0][7], square[7][0], square[7][7]],
            [50, 40, 20, 30]
        );
        let square = Edges { left: None, ..edges }.predict(DC);
        assert_eq!(
            [square[0][0], square[0][7], square[7][0], square[7][7]],
            [0, 40, 0, 40]
        );
        let square = Edges::<8> {
            above: None,
            left: None,
        }
        .predict(DC);
        assert_eq!(square, [[128; 8]; 8]);
    }
}
