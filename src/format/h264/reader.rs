//! Access units in, what an `avc1` track needs of them out: its NAL units, whether it is a key frame, and the
//! parameter sets it leans on. Streams that can't be shown live frame by frame are refused, with a hint what to change.

use std::fmt;
use std::mem;
use std::sync::Arc;

use super::kept::{ById, MAX_PARAMETER_SET_BYTES};
use super::nal::{self, is_reference, nal_units, unit_type};
use super::pps::Pps;
use super::recovery::{RECOVERY_POINT, Recovery};
use super::reorder::without_reordering;
use super::slice::{SliceHeader, SliceKind};
use super::sps::{PicOrderCnt, Sps};
use crate::format::bits::SyntaxError;

/// The NAL units of one picture that belong into a sample of an `avc1` track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit<'a> {
    /// Slices and SEI in their order, without start codes, delimiters, parameter sets, filler and ends.
    pub nals: Vec<&'a [u8]>,
    /// Decoding can start here: an IDR picture, or an I picture that as much is promised of (by a recovery point SEI) or
    /// proved.
    pub key: bool,
    /// What it is in a refresh, where there are no such pictures.
    pub refresh: Refresh,
}

/// A refresh bit by bit (intra refresh): who decodes from its first picture on has right pictures from its last one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refresh {
    /// One begins with this picture.
    pub begins: bool,
    /// The one that began last ends with this picture.
    pub ends: bool,
}

/// The parameter sets of a stream, for avcC, and what they say. JPEG pictures in a file have none, but a size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The SPS NAL unit, with the promise of [`without_reordering`] in it.
    pub sps: Vec<u8>,
    /// Each PPS NAL unit seen that belongs to this SPS, by id; at most 255, as avcC has no room for more.
    pub pps: Vec<Vec<u8>>,
    /// The SPS as it came.
    pub info: Sps,
}

/// Why an access unit can't be used. All but the last are verdicts on the stream: see [`Suspicion`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Pictures come in another order than they are shown in. All units are refused until a whole group of pictures
    /// has come without.
    BFrames,
    /// Pictures are fields, or frames that may be coded as such.
    Interlaced,
    /// The slices' data are in partitions (Extended profile), which no browser decodes.
    DataPartitioning,
    /// Something in this unit breaks the standard; what, in words. The next may be good.
    Damaged(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::BFrames => f.write_str(
                "the video has B-frames: pictures come out of order, which delays each one and can't be \
                 shown live. Turn them off: x264 --bframes 0; ffmpeg -bf 0 or -tune zerolatency; rpicam-vid \
                 --low-latency; for a camera or hardware encoder, video_b_frames = 0 or profile Baseline",
            ),
            Refused::Interlaced => f.write_str(
                "the video is interlaced: each frame is two fields, which browsers do not show well. Choose \
                 a progressive mode (720p, not 1080i), or turn interlacing off in the encoder",
            ),
            Refused::DataPartitioning => f.write_str(
                "the video uses data partitioning (Extended profile), which browsers do not decode. \
                 Choose the profile Baseline, Main or High",
            ),
            Refused::Damaged(what) => write!(f, "damaged H.264: {what}"),
        }
    }
}

impl std::error::Error for Refused {}

/// numOfPictureParameterSets of avcC has 8 bits (ISO/IEC 14496-15, 5.3.3.1.2).
const MAX_AVCC_PPS: usize = 255;

/// Reads the access units of one stream in their order, and remembers its parameter sets.
#[derive(Default)]
pub struct Reader {
    /// At most 32 and 256 of them.
    sps: ById<Sps>,
    pps: ById<Pps>,
    parameters: Option<Arc<Parameters>>,
    /// A parameter set changed since `parameters` was made.
    changed: bool,
    order: Order,
    fields: Suspicion,
    partitions: Suspicion,
    /// There were slices of parameter sets that had not come.
    unknown: bool,
    /// The frame_num of the picture that ends the refresh which has begun.
    refreshed_at: Option<u32>,
}

/// Something that a stream must not have was seen. Once may be a flipped bit, which costs its group of pictures; what
/// comes again and again is the stream's own, and a reason to refuse it.
#[derive(Default)]
struct Suspicion {
    /// Pictures that had it, back to the last group that was free of it.
    pictures: u32,
    in_this_group: bool,
}

impl Suspicion {
    /// So many pictures are a proof. One damaged picture may put those behind it into a wrong order, too.
    const PROOF: u32 = 4;

    fn begin_group(&mut self) {
        if !mem::take(&mut self.in_this_group) {
            self.pictures = 0;
        }
    }

    fn note(&mut self) {
        self.pictures = self.pictures.saturating_add(1);
        self.in_this_group = true;
    }

    fn is_proved(&self) -> bool {
        self.pictures >= Suspicion::PROOF
    }
}

/// One SPS alone may be damaged: it is believed what it says of fields when it came again, or after so many pictures.
const FIELDS_OF_ONE_SPS: u32 = 100;

/// Facts from the slices of an access unit so far.
struct Picture {
    first: SliceHeader,
    sps_id: u8,
    reference: bool,
    slices: u32,
    idr_slices: u32,
    intra_slices: u32,
    b_slices: u32,
    fields: bool,
}

impl Reader {
    /// One that has seen nothing.
    pub fn new() -> Reader {
        Reader::default()
    }

    /// The parameter sets of the last picture read. It is another Arc if, and only if, their bytes changed.
    pub fn parameters(&self) -> Option<&Arc<Parameters>> {
        self.parameters.as_ref()
    }

    /// True if slices have come, but never the parameter sets that they lean on.
    pub fn lacks_parameter_sets(&self) -> bool {
        self.unknown && self.parameters.is_none()
    }

    /// Notes that units were lost: a refresh that had begun will not end.
    pub fn lost(&mut self) {
        self.refreshed_at = None;
    }

    /// Reads one access unit in Annex B form. None: there is nothing to show in it, or no parameter sets have
    /// come yet (a stream joined in its middle). After any refusal the reader can go on with the
    /// next unit.
    pub fn read<'a>(&mut self, annex_b: &'a [u8]) -> Result<Option<AccessUnit<'a>>, Refused> {
        let read = self.read_unit(annex_b);
        if read.is_err() {
            self.lost();
        }
        read
    }

    fn read_unit<'a>(&mut self, annex_b: &'a [u8]) -> Result<Option<AccessUnit<'a>>, Refused> {
        let mut nals = Vec::new();
        let mut picture = None;
        let mut complete = true;
        let mut damage = Ok(());
        let mut partitioned = false;
        for nal in nal_units(annex_b) {
            // The rest of a damaged unit is read too: its parameter sets may be the only ones to come.
            let result = match unit_type(nal) {
                _ if nal.first().is_some_and(|header| header & 0x80 != 0) => {
                    Err(Refused::Damaged("forbidden_zero_bit is set".into()))
                }
                nal::SLICE | nal::IDR => {
                    nals.push(nal);
                    self.add_slice(nal, &mut picture).map(|known| complete &= known)
                }
                2..=4 => {
                    partitioned = true;
                    Ok(())
                }
                nal::SEI => {
                    nals.push(nal);
                    Ok(())
                }
                nal::SPS => self.keep_sps(nal),
                nal::PPS => self.keep_pps(nal),
                // Delimiters, ends, filler, and what only decoders of extensions read (SVC, MVC, alpha).
                _ => Ok(()),
            };
            damage = damage.and(result);
        }
        if partitioned {
            damage = damage.and(Err(self.partitioned()));
        }
        damage?;
        self.unknown |= !complete;
        if !complete && self.parameters.is_some() {
            let what = "its slices belong to parameter sets that have not come";
            return Err(Refused::Damaged(what.into()));
        }
        let Some(picture) = picture.filter(|_| complete) else {
            return Ok(None);
        };
        self.activate(&picture)?;
        let recovery = nals.iter().find_map(|nal| Recovery::find(nal));
        let mut key = picture.idr_slices == picture.slices;
        if picture.idr_slices == 0 && picture.intra_slices == picture.slices {
            let promised = recovery.as_ref().is_some_and(|r| r.exact && r.frames == 0);
            key = promised || self.is_start(&picture);
            if key && !promised {
                // Players look for the promise: Chromium's Media Source begins with no other I picture.
                let first = nals.iter().position(|nal| unit_type(nal) == nal::SLICE);
                nals.insert(first.unwrap_or_default(), &RECOVERY_POINT);
            }
        }
        let refresh = self.refresh(&picture, key, recovery.as_ref());
        Ok(Some(AccessUnit { nals, key, refresh }))
    }

    /// True if it is proved that a picture of I slices is as good as an IDR picture: no picture behind it leans on one
    /// before it.
    fn is_start(&self, picture: &Picture) -> bool {
        // Decoders hold max_num_ref_frames for reference at the most (8.2.5.1, 7.4.2.1.1), and this one is the newest of
        // them. Where there are none at all, nothing leans on anything.
        let sps = self.sps.get(picture.sps_id);
        sps.is_some_and(|sps| match sps.says.max_num_ref_frames {
            0 => true,
            1 => picture.reference,
            _ => false,
        })
    }

    /// What a picture is in a refresh. Only one is followed at a time.
    fn refresh(&mut self, picture: &Picture, key: bool, recovery: Option<&Recovery>) -> Refresh {
        let mut refresh = Refresh::default();
        if key {
            self.refreshed_at = None;
            return refresh;
        }
        let frame_num = picture.first.frame_num;
        if picture.reference && self.refreshed_at == Some(frame_num) {
            (self.refreshed_at, refresh.ends) = (None, true);
        }
        let sps = self.sps.get(picture.sps_id);
        if let (None, Some(recovery), Some(sps)) = (self.refreshed_at, recovery, sps) {
            // D.2.8: it is less than MaxFrameNum.
            let max_frame_num = 1 << sps.says.log2_max_frame_num;
            let at_once = recovery.frames == 0 && picture.intra_slices == picture.slices;
            if recovery.is_whole && at_once {
                refresh = Refresh {
                    begins: true,
                    ends: true,
                };
            } else if recovery.is_whole && (1..max_frame_num).contains(&recovery.frames) {
                self.refreshed_at = Some((frame_num + recovery.frames) % max_frame_num);
                refresh.begins = true;
            }
        }
        refresh
    }

    fn keep_sps(&mut self, nal: &[u8]) -> Result<(), Refused> {
        if self.sps.repeats(nal) {
            return Ok(());
        }
        check_size("SPS", nal)?;
        let says = Sps::parse(nal).map_err(|why| damaged("SPS", &why))?;
        if self.sps.is_believed(says.id, nal, &says) {
            self.replace_sps(nal, says);
        }
        Ok(())
    }

    fn replace_sps(&mut self, nal: &[u8], says: Sps) {
        self.sps.insert(says.id, nal, says);
        self.fields = Suspicion::default();
        self.changed = true;
    }

    fn keep_pps(&mut self, nal: &[u8]) -> Result<(), Refused> {
        if self.pps.repeats(nal) {
            return Ok(());
        }
        check_size("PPS", nal)?;
        let says = Pps::parse(nal).map_err(|why| damaged("PPS", &why))?;
        self.pps.insert(says.id, nal, says);
        self.changed = true;
        Ok(())
    }

    /// False: the slice's parameter sets are not known.
    fn add_slice(&self, nal: &[u8], picture: &mut Option<Picture>) -> Result<bool, Refused> {
        let mut sps_id = 0;
        let header = SliceHeader::parse(nal, |pps_id| {
            let pps = &self.pps.get(pps_id)?.says;
            sps_id = pps.sps_id;
            Some((pps, &self.sps.get(pps.sps_id)?.says))
        });
        let Some(header) = header.map_err(|why| damaged("slice header", &why))? else {
            return Ok(false);
        };
        let (kind, field) = (header.kind, header.field);
        let is_idr = unit_type(nal) == nal::IDR;
        if is_idr && matches!(kind, SliceKind::P | SliceKind::B) {
            return Err(Refused::Damaged("an IDR picture leans on others".into()));
        }
        let picture = picture.get_or_insert(Picture {
            first: header,
            sps_id,
            reference: is_reference(nal),
            slices: 0,
            idr_slices: 0,
            intra_slices: 0,
            b_slices: 0,
            fields: false,
        });
        if picture.sps_id != sps_id {
            return Err(Refused::Damaged("its slices belong to different SPS".into()));
        }
        picture.slices += 1;
        picture.idr_slices += u32::from(is_idr);
        picture.intra_slices += u32::from(kind == SliceKind::I);
        picture.b_slices += u32::from(kind == SliceKind::B);
        picture.fields |= field;
        Ok(true)
    }

    /// The refusal of a unit with data partitions, which only the Extended profile has.
    fn partitioned(&mut self) -> Refused {
        const EXTENDED: u8 = 88;
        if self.sps.values().any(|sps| sps.says.profile_idc == EXTENDED) {
            self.partitions.note();
        }
        if self.partitions.is_proved() {
            Refused::DataPartitioning
        } else {
            Refused::Damaged("a data partition, which its profile does not have".into())
        }
    }

    /// Makes the parameter sets of a picture's SPS the stream's, and asks whether the picture can be in it.
    fn activate(&mut self, picture: &Picture) -> Result<(), Refused> {
        if let Some((nal, says)) = self.sps.outlasted_doubt() {
            self.replace_sps(&nal, says);
        }
        let Some(sps) = self.sps.get(picture.sps_id) else {
            return Ok(());
        };
        if picture.idr_slices > 0 {
            self.fields.begin_group();
            self.partitions.begin_group();
        }
        if picture.fields || sps.says.mb_adaptive_fields {
            self.fields.note();
            let believed = sps.repeated || self.fields.pictures >= FIELDS_OF_ONE_SPS;
            return Err(if believed && self.fields.is_proved() {
                Refused::Interlaced
            } else {
                Refused::Damaged("a field of an interlaced frame".into())
            });
        }
        if self.changed
            || self
                .parameters
                .as_ref()
                .is_none_or(|now| now.info.id != picture.sps_id)
        {
            let of_this_sps = self.pps.values().filter(|pps| pps.says.sps_id == picture.sps_id);
            let made = Parameters {
                sps: without_reordering(&sps.nal).map_err(|why| damaged("SPS", &why))?,
                pps: of_this_sps
                    .map(|pps| pps.nal.clone())
                    .take(MAX_AVCC_PPS)
                    .collect(),
                info: sps.says.clone(),
            };
            if self.parameters.as_deref() != Some(&made) {
                self.parameters = Some(Arc::new(made));
            }
            self.changed = false;
        }
        if !sps.says.may_reorder() {
            return Ok(());
        }
        let in_order = self.order.goes_on_with(picture, sps.says.pic_order_cnt);
        match in_order {
            _ if self.order.broken.is_proved() => Err(Refused::BFrames),
            true => Ok(()),
            false => Err(Refused::Damaged("a B picture comes before its turn".into())),
        }
    }
}

fn check_size(what: &str, nal: &[u8]) -> Result<(), Refused> {
    if nal.len() <= MAX_PARAMETER_SET_BYTES {
        return Ok(());
    }
    let bytes = nal.len();
    Err(Refused::Damaged(format!(
        "{what}: it has {bytes} bytes, over {MAX_PARAMETER_SET_BYTES}"
    )))
}

fn damaged(what: &str, why: &SyntaxError) -> Refused {
    Refused::Damaged(format!("{what}: {why}"))
}

/// Watches for pictures that are shown before one that came earlier, by picture order count (clause 8.2.1).
#[derive(Default)]
struct Order {
    /// PicOrderCntMsb and pic_order_cnt_lsb of the last reference picture.
    reference_msb: i64,
    reference_lsb: i64,
    /// PicOrderCnt of the picture before, where there was one since the last IDR.
    previous: Option<i64>,
    /// Pictures were out of order.
    broken: Suspicion,
}

impl Order {
    /// Takes in the next picture; false: it is out of order. A B picture before its turn shows reordering; other
    /// pictures with a lower count do not, since the count also falls where pictures were lost, or where an encoder
    /// starts it anew without an IDR (memory_management_control_operation 5).
    fn goes_on_with(&mut self, picture: &Picture, kind: PicOrderCnt) -> bool {
        if picture.idr_slices > 0 {
            let mut broken = mem::take(&mut self.broken);
            broken.begin_group();
            *self = Order {
                broken,
                ..Order::default()
            };
        }
        let b = picture.b_slices > 0;
        let broken = match kind {
            PicOrderCnt::Lsb(bits) => {
                let count = self.count(picture, 1 << bits);
                let previous = self.previous.replace(count);
                b && previous.is_some_and(|previous| count < previous)
            }
            // This rare type is not worked out: B pictures are nearly always there to be reordered.
            PicOrderCnt::Cycle => b,
            PicOrderCnt::DecodingOrder => false,
        };
        if broken {
            self.broken.note();
        }
        !broken
    }

    /// PicOrderCnt of a frame, clause 8.2.1.1.
    fn count(&mut self, picture: &Picture, max_lsb: i64) -> i64 {
        let lsb = i64::from(picture.first.pic_order_cnt_lsb);
        let ahead = lsb - self.reference_lsb;
        let mut msb = self.reference_msb;
        if ahead <= -max_lsb / 2 {
            msb += max_lsb;
        } else if ahead > max_lsb / 2 {
            msb -= max_lsb;
        }
        if picture.reference {
            self.reference_msb = msb;
            self.reference_lsb = lsb;
        }
        msb + lsb + i64::from(picture.first.delta_pic_order_cnt_bottom.min(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bits::{BitWriter, escape};
    use crate::format::h264::sps::tests::{X264_BASELINE, X264_HIGH_B, X264_INTERLACED, bytes};
    use crate::support::random::Random;

    /// x264 0.164, for the High SPS above.
    const PPS: &str = "68ebe3cb22c0";
    const I: u32 = 7;
    const P: u32 = 5;
    const B: u32 = 6;

    fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 1], *nal].concat()).collect()
    }

    fn nal(header: u8, write: impl FnOnce(&mut BitWriter)) -> Vec<u8> {
        let mut w = BitWriter::new();
        write(&mut w);
        w.trailing_bits();
        let mut nal = vec![header];
        escape(&w.into_bytes(), &mut nal);
        nal
    }

    fn pps(id: u32, sps_id: u32) -> Vec<u8> {
        nal(0x68, |w| {
            w.ue(id);
            w.ue(sps_id);
            w.u(2, 0);
        })
    }

    /// Baseline, level 1, id 7, 32x16, with the same widths as X264_HIGH_B in its slice headers.
    fn small_sps() -> Vec<u8> {
        nal(0x67, |w| {
            w.u(24, 0x42_00_0a);
            [7, 0, 0, 2, 1].iter().for_each(|&value| w.ue(value));
            w.flag(false);
            w.ue(1);
            w.ue(0);
            w.u(4, 0b1100);
        })
    }

    /// A slice for the SPS of X264_HIGH_B: four bits of frame_num, six of pic_order_cnt_lsb.
    fn slice(header: u8, kind: u32, lsb: u32) -> Vec<u8> {
        slice_of(header, kind, lsb, 0)
    }

    fn slice_of(header: u8, kind: u32, lsb: u32, pps_id: u32) -> Vec<u8> {
        nal(header, |w| {
            w.ue(0);
            w.ue(kind);
            w.ue(pps_id);
            w.u(4, 0);
            if header & 0x1f == 5 {
                w.ue(0);
            }
            w.u(6, lsb);
            w.u(32, 0x1234_5678);
        })
    }

    /// A reader that has read the SPS, PPS and an IDR picture.
    fn started(sps: &str) -> Reader {
        let mut reader = Reader::new();
        let idr = annex_b(&[&bytes(sps), &bytes(PPS), &slice(0x65, I, 0)]);
        assert_eq!(reader.read(&idr).unwrap().map(|unit| unit.key), Some(true));
        reader
    }

    fn key(reader: &mut Reader, nals: &[&[u8]]) -> bool {
        reader.read(&annex_b(nals)).unwrap().unwrap().key
    }

    #[test]
    fn slices_and_sei_are_kept_and_the_rest_is_not() {
        let mut reader = Reader::new();
        let sei = [6, 5, 1, 0xaa, 0x80];
        let (first, second) = (slice(0x65, I, 0), slice(0x65, I, 0));
        let left_out: Vec<Vec<u8>> = [0, 10, 11, 12, 13, 14, 15, 19, 20, 31]
            .map(|kind| vec![kind, 0x80])
            .into();
        let mut nals: Vec<&[u8]> = vec![&[9, 0x10]];
        let (sps, pps) = (bytes(X264_HIGH_B), bytes(PPS));
        nals.extend([&sps[..], &pps, &sei, &first, &second]);
        nals.extend(left_out.iter().map(Vec::as_slice));
        let unit = annex_b(&nals);
        let unit = reader.read(&unit).unwrap().unwrap();
        assert_eq!(
            unit,
            AccessUnit {
                nals: vec![&sei, &first, &second],
                key: true,
                refresh: Refresh::default()
            }
        );
        let parameters = reader.parameters().unwrap();
        assert_eq!(parameters.sps, without_reordering(&sps).unwrap());
        assert_eq!(parameters.pps, [pps]);
        assert_eq!(parameters.info, Sps::parse(&sps).unwrap());
    }

    #[test]
    fn nothing_is_shown_before_its_parameter_sets() {
        let mut reader = Reader::new();
        let idr = annex_b(&[&slice(0x65, I, 0)]);
        assert_eq!(reader.read(&[]), Ok(None));
        assert_eq!(reader.read(&idr), Ok(None));
        assert_eq!(reader.read(&annex_b(&[&bytes(PPS)])), Ok(None));
        assert_eq!(reader.read(&idr), Ok(None));
        assert_eq!(reader.read(&annex_b(&[&bytes(X264_HIGH_B)])), Ok(None));
        assert!(reader.parameters().is_none());
        assert!(reader.read(&idr).unwrap().is_some());
        // One slice of two is not known: the picture is not whole, and those after it lean on it.
        assert!(matches!(
            reader.read(&annex_b(&[&slice(0x41, P, 2), &slice_of(0x41, P, 2, 3)])),
            Err(Refused::Damaged(_))
        ));
    }

    #[test]
    fn parameters_are_new_only_when_their_bytes_are() {
        let mut reader = started(X264_HIGH_B);
        let first = Arc::clone(reader.parameters().unwrap());
        let p = slice(0x41, P, 2);
        let same = |reader: &mut Reader, nals: &[&[u8]], expected: &Arc<Parameters>| {
            reader.read(&annex_b(nals)).unwrap().unwrap();
            Arc::ptr_eq(reader.parameters().unwrap(), expected)
        };
        assert!(same(&mut reader, &[&p], &first));
        assert!(same(
            &mut reader,
            &[&bytes(X264_HIGH_B), &bytes(PPS), &slice(0x65, I, 0)],
            &first
        ));
        // A PPS of another SPS, and an SPS that nothing uses.
        assert!(same(&mut reader, &[&pps(9, 5), &p], &first));
        assert!(same(&mut reader, &[&small_sps(), &p], &first));
        // One more PPS of this SPS; then another level.
        assert!(!same(&mut reader, &[&pps(1, 0), &p], &first));
        let second = Arc::clone(reader.parameters().unwrap());
        assert_eq!((second.pps.len(), &second.sps), (2, &first.sps));
        let mut level = bytes(X264_HIGH_B);
        level[3] = 41;
        assert!(
            same(&mut reader, &[&level, &slice(0x65, I, 0)], &second),
            "damaged?"
        );
        assert!(!same(&mut reader, &[&level, &slice(0x65, I, 0)], &second));
        assert_eq!(reader.parameters().unwrap().info.level_idc, 41);
        assert_eq!(first.info.level_idc, 40);
    }

    /// What a stream says of itself, by the SPS before each of its key frames.
    fn said(groups: &[&[u8]]) -> Vec<(u32, u32, u8)> {
        let mut reader = Reader::new();
        let of = |sps: &&[u8]| {
            let unit = annex_b(&[sps, &bytes(PPS), &slice(0x65, I, 0)]);
            _ = reader.read(&unit);
            let info = &reader.parameters().unwrap().info;
            (info.width, info.height, info.level_idc)
        };
        groups.iter().map(of).collect()
    }

    /// Whatever bit of an SPS is flipped, and however that reads: the stream is what it was.
    #[test]
    fn a_damaged_sps_is_not_believed() {
        let good = bytes(X264_HIGH_B);
        let right = said(&[&good])[0];
        for at in 8..8 * good.len() {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            for groups in [
                &[&good[..], &bad, &good, &good][..],
                &[&good, &good, &bad, &good],
                &[&good, &good[..good.len() - 1 - at / 64], &bad, &good],
            ] {
                assert_eq!(said(groups), vec![right; groups.len()], "bit {at}");
            }
        }
    }

    #[test]
    fn nor_is_one_with_two_wrong_bits() {
        let good = bytes(X264_HIGH_B);
        let right = said(&[&good])[0];
        let flip = |sps: &mut Vec<u8>, at: usize| sps[at / 8] ^= 1 << (at % 8);
        for at in 8..8 * good.len() {
            for other in 8..at {
                let mut bad = good.clone();
                flip(&mut bad, at);
                flip(&mut bad, other);
                assert_eq!(said(&[&good, &bad, &good]), [right; 3], "bits {at} and {other}");
            }
        }
    }

    #[test]
    fn an_sps_that_is_new_is_believed_at_once_and_one_that_is_nearly_the_old_when_it_comes_again() {
        let (good, other) = (bytes(X264_HIGH_B), bytes(X264_BASELINE));
        let sizes = |groups: &[&[u8]]| said(groups).iter().map(|said| said.0).collect::<Vec<_>>();
        assert_eq!(sizes(&[&good, &other, &other, &good]), [1920, 320, 320, 1920]);
        let mut nearly = good.clone();
        nearly[3] = 41;
        let levels: Vec<u8> = said(&[&good, &nearly, &nearly, &good, &good])
            .iter()
            .map(|said| said.2)
            .collect();
        assert_eq!(levels, [40, 40, 41, 41, 40]);
        // Or when nothing contradicts it for long.
        let mut reader = started(X264_HIGH_B);
        let mut level = |nals: &[&[u8]]| {
            reader.read(&annex_b(nals)).unwrap();
            reader.parameters().unwrap().info.level_idc
        };
        assert_eq!(level(&[&nearly, &slice(0x65, I, 0)]), 40);
        let p = slice(0x41, P, 2);
        let levels: Vec<u8> = (0..100).map(|_| level(&[&p])).collect();
        assert_eq!((levels[97], levels[98]), (40, 41));
    }

    #[test]
    fn the_active_sps_is_that_of_the_slices() {
        let mut reader = started(X264_HIGH_B);
        let first = Arc::clone(reader.parameters().unwrap());
        let other = slice_of(0x65, I, 0, 8);
        assert!(!key(&mut reader, &[&small_sps(), &pps(8, 7), &slice(0x41, P, 2)]));
        assert!(Arc::ptr_eq(reader.parameters().unwrap(), &first));
        assert!(key(&mut reader, &[&other]));
        let second = Arc::clone(reader.parameters().unwrap());
        assert_eq!(
            (second.info.id, second.info.width, second.info.height),
            (7, 32, 16)
        );
        assert_eq!(second.pps, [pps(8, 7)]);
        assert!(key(&mut reader, &[&slice(0x65, I, 0)]));
        assert_eq!(reader.parameters(), Some(&first));
        let mixed = reader.read(&annex_b(&[&other, &slice(0x65, I, 0)])).unwrap_err();
        assert_eq!(
            mixed.to_string(),
            "damaged H.264: its slices belong to different SPS"
        );
    }

    #[test]
    fn key_frames() {
        let mut reader = started(X264_HIGH_B);
        let recovery = RECOVERY_POINT;
        let (i, p, idr) = (slice(0x41, I, 2), slice(0x41, P, 2), slice(0x65, I, 0));
        assert!(key(&mut reader, &[&idr, &idr]));
        assert!(!key(&mut reader, &[&idr, &i]) && !key(&mut reader, &[&recovery, &idr, &i]));
        assert!(!key(&mut reader, &[&i]) && !key(&mut reader, &[&p]));
        assert!(key(&mut reader, &[&recovery, &i, &i]));
        assert!(!key(&mut reader, &[&recovery, &i, &p]) && !key(&mut reader, &[&recovery, &p]));
        let sei = |payload: &[u8]| [&[6][..], payload, &[0x80]].concat();
        let with = |reader: &mut Reader, payload: &[u8]| key(reader, &[&sei(payload), &i]);
        // Frame count 0 (1) or 1 (010), exact match, then 0s and the fill.
        assert!(with(&mut reader, &[6, 1, 0b1100_0100]));
        assert!(!with(&mut reader, &[6, 1, 0b1000_0100]));
        assert!(!with(&mut reader, &[6, 1, 0b0101_0001]));
        reader.lost();
        // After another message, with a payload of 256 bytes and type 261.
        let long = [&[255, 6, 255, 1][..], &[0x55; 256], &[6, 1, 0b1100_0100]].concat();
        assert!(with(&mut reader, &long));
        // Broken ones promise nothing and damage nothing.
        for broken in [&[6, 9, 0xc4][..], &[6], &[255, 255], &[6, 0], &[]] {
            assert!(!with(&mut reader, broken));
        }
    }

    #[test]
    fn b_frames_are_refused_once_they_come_out_of_order() {
        // The first pictures of a real stream: x264 0.164, open GOP, two slices a picture (one is kept here).
        let sps = bytes("6764000dacd94141fb0110000003001000000303c0f1429960");
        let mut reader = Reader::new();
        let read =
            |reader: &mut Reader, hex: &str| reader.read(&annex_b(&[&bytes(hex)])).map(|unit| unit.is_some());
        assert_eq!(reader.read(&annex_b(&[&sps, &bytes(PPS)])), Ok(None));
        assert_eq!(read(&mut reader, "6588840057e9d7ad678dc1e9373a"), Ok(true));
        assert_eq!(read(&mut reader, "419a236c457fb7e0b47139fc6740"), Ok(true));
        let (b, p) = ("419e4178853ff04fb769b73d47aa", "419a236c457fb7e0b47139fc6740");
        // The first ones could be damaged pictures.
        for _ in 0..3 {
            assert!(matches!(read(&mut reader, b), Err(Refused::Damaged(_))));
            assert_eq!(read(&mut reader, p), Ok(true));
        }
        assert_eq!(read(&mut reader, b), Err(Refused::BFrames));
        assert_eq!(
            read(&mut reader, "419a6749a84168994c08cfdf9082"),
            Err(Refused::BFrames)
        );
        // All of the next group as well, and the one after it is free.
        let idr = "6588840057e9d7ad678dc1e9373a";
        assert_eq!(read(&mut reader, idr), Err(Refused::BFrames));
        assert_eq!(read(&mut reader, p), Err(Refused::BFrames));
        assert_eq!(read(&mut reader, idr), Ok(true));
        // One a group is enough, and one alone is not.
        for n in 0..3 {
            assert_eq!(read(&mut reader, p), Ok(true));
            assert!(matches!(read(&mut reader, b), Err(Refused::Damaged(_))), "{n}");
            assert_eq!(read(&mut reader, idr), Ok(true));
        }
        assert_eq!(read(&mut reader, p), Ok(true));
        assert_eq!(read(&mut reader, b), Err(Refused::BFrames));
        for way_out in [
            "--bframes 0",
            "-bf 0",
            "zerolatency",
            "--low-latency",
            "video_b_frames",
            "Baseline",
        ] {
            assert!(Refused::BFrames.to_string().contains(way_out), "{way_out}");
        }
    }

    #[test]
    fn order_is_kept_over_wraps_losses_and_restarts() {
        let mut reader = started(X264_HIGH_B);
        // B pictures in decoding order, over three wraps of the six bits; every other one is no reference.
        for n in 1..100 {
            let header = if n % 2 == 0 { 0x41 } else { 0x01 };
            assert!(!key(&mut reader, &[&slice(header, B, n * 2 % 64)]), "{n}");
        }
        // P pictures that go back: twenty were lost, or the count began anew.
        assert!(!key(&mut reader, &[&slice(0x41, P, 46)]));
        assert!(!key(&mut reader, &[&slice(0x41, P, 0)]));
        // A B picture just before the wrap, after a P picture behind it.
        let mut reader = started(X264_HIGH_B);
        for lsb in [20, 40, 62, 4] {
            assert!(!key(&mut reader, &[&slice(0x41, P, lsb)]));
        }
        let early = reader.read(&annex_b(&[&slice(0x01, B, 63)])).unwrap_err();
        assert_eq!(
            early.to_string(),
            "damaged H.264: a B picture comes before its turn"
        );
        // Joined in the middle, with a count in its upper half.
        let mut reader = Reader::new();
        let joined = annex_b(&[&bytes(X264_HIGH_B), &bytes(PPS), &slice(0x41, B, 50)]);
        assert!(reader.read(&joined).unwrap().is_some());
        assert!(!key(&mut reader, &[&slice(0x41, B, 52)]));
    }

    /// The SPS of [`small_sps`], with this max_num_ref_frames.
    fn sps_of_references(count: u32) -> Vec<u8> {
        nal(0x67, |w| {
            w.u(24, 0x42_00_0a);
            [0, 0, 2, count].iter().for_each(|&value| w.ue(value));
            w.flag(false);
            w.ue(1);
            w.ue(0);
            w.u(4, 0b1100);
        })
    }

    /// A slice for [`sps_of_references`].
    fn plain_slice(header: u8, kind: u32, frame_num: u32) -> Vec<u8> {
        nal(header, |w| {
            w.ue(0);
            w.ue(kind);
            w.ue(0);
            w.u(4, frame_num);
            if header & 0x1f == 5 {
                w.ue(0);
            }
            w.u(32, 0x1234_5678);
        })
    }

    /// An I picture that is the only one held for reference leaves nothing to lean on from before it.
    #[test]
    fn an_i_picture_is_a_start_where_that_is_proved() {
        for (references, expected) in [(0, [true, true]), (1, [true, false]), (2, [false, false])] {
            let mut reader = Reader::new();
            let sets = [sps_of_references(references), pps(0, 0)];
            let idr = plain_slice(0x65, I, 0);
            assert!(key(&mut reader, &[&sets[0], &sets[1], &idr]));
            let (i, p) = (plain_slice(0x41, I, 1), plain_slice(0x41, P, 1));
            let unreferenced = plain_slice(0x01, I, 1);
            assert_eq!(
                [key(&mut reader, &[&i]), key(&mut reader, &[&unreferenced])],
                expected,
                "{references}"
            );
            assert!(!key(&mut reader, &[&p]) && !key(&mut reader, &[&i, &p]));
            // Players are told, as x264 0.164 tells them.
            let unit = annex_b(&[&i]);
            let nals = reader.read(&unit).unwrap().unwrap().nals;
            let told: [&[u8]; 2] = [&bytes("060601c480"), &i];
            assert_eq!(nals, if expected[0] { &told[..] } else { &told[1..] });
            // Nobody needs an IDR picture before it.
            let mut joined = Reader::new();
            assert_eq!(key(&mut joined, &[&sets[0], &sets[1], &i]), expected[0]);
        }
    }

    /// A recovery point after so many frames, exact or not, with a broken link or not.
    fn recovery_after(frames: u32, exact: bool, broken: bool) -> Vec<u8> {
        let payload = nal(0, |w| {
            w.ue(frames);
            w.flag(exact);
            w.flag(broken);
            w.u(2, 0);
        });
        [&[6, 6, payload.len() as u8 - 1][..], &payload[1..], &[0x80]].concat()
    }

    #[test]
    fn a_refresh_ends_after_the_frames_that_it_names() {
        const BEGINS: Refresh = Refresh {
            begins: true,
            ends: false,
        };
        const ENDS: Refresh = Refresh {
            begins: false,
            ends: true,
        };
        const NONE: Refresh = Refresh {
            begins: false,
            ends: false,
        };
        let sets = [sps_of_references(1), pps(0, 0)];
        let mut reader = Reader::new();
        let mut read = |nals: &[&[u8]]| {
            let unit = annex_b(nals);
            let unit = reader.read(&unit).unwrap().unwrap();
            (unit.key, unit.refresh)
        };
        let p = |frame_num: u32| plain_slice(0x41, P, frame_num % 16);
        let wave = recovery_after(3, true, false);
        assert_eq!(read(&[&sets[0], &sets[1], &wave, &p(14)]), (false, BEGINS));
        assert_eq!(read(&[&p(15)]), (false, NONE));
        // Another one in it is not followed; nor is one that is not for reference the last.
        assert_eq!(read(&[&wave, &p(16)]), (false, NONE));
        assert_eq!(read(&[&plain_slice(0x01, P, 1)]), (false, NONE));
        assert_eq!(read(&[&p(17)]), (false, ENDS));
        assert_eq!(read(&[&p(18)]), (false, NONE));
        // The last one of one may be the first one of the next.
        assert_eq!(read(&[&recovery_after(1, false, false), &p(19)]), (false, BEGINS));
        assert_eq!(read(&[&wave, &p(20)]), (false, Refresh { begins: true, ..ENDS }));
        // A key frame makes it needless.
        assert_eq!(read(&[&plain_slice(0x65, I, 0)]), (true, NONE));
        assert_eq!(read(&[&p(23)]), (false, NONE));
        // What shows what is wrong with it, or has a count that can't be, is no promise.
        for no_wave in [recovery_after(3, false, true), recovery_after(16, true, false)] {
            assert_eq!(read(&[&no_wave, &p(1)]), (false, NONE));
        }
        assert_eq!(read(&[&recovery_after(0, true, false), &p(1)]), (false, NONE));
    }

    #[test]
    fn a_refresh_of_which_something_is_lost_does_not_end() {
        let sets = [sps_of_references(1), pps(0, 0)];
        let wave = recovery_after(2, true, false);
        let p = |frame_num| annex_b(&[&plain_slice(0x41, P, frame_num)]);
        let begin = annex_b(&[&sets[0], &sets[1], &wave, &plain_slice(0x41, P, 0)]);
        for lose in [(|reader| reader.lost()) as fn(&mut Reader), |reader| {
            assert!(reader.read(&[0, 0, 1, 0x68, 0]).is_err())
        }] {
            let mut reader = Reader::new();
            assert!(reader.read(&begin).unwrap().unwrap().refresh.begins);
            lose(&mut reader);
            for frame_num in 1..4 {
                let unit = p(frame_num);
                let unit = reader.read(&unit).unwrap().unwrap();
                assert_eq!(unit.refresh, Refresh::default());
            }
        }
    }

    #[test]
    fn a_promise_of_no_reordering_is_trusted() {
        let promised = without_reordering(&bytes(X264_HIGH_B)).unwrap();
        let mut reader = Reader::new();
        let idr = slice(0x65, I, 0);
        assert!(key(&mut reader, &[&promised, &bytes(PPS), &idr]));
        assert!(!key(&mut reader, &[&slice(0x41, P, 8)]) && !key(&mut reader, &[&slice(0x01, B, 4)]));
    }

    /// Baseline's, Main's or the Extended profile's SPS of a stream that may have fields, 32x32: five bits of frame_num,
    /// pic_order_cnt_type 2.
    fn field_sps(profile: u32, mb_adaptive: bool) -> Vec<u8> {
        nal(0x67, |w| {
            w.u(24, profile << 16 | 10);
            [0, 1, 2, 1].iter().for_each(|&value| w.ue(value));
            w.flag(false);
            w.ue(1);
            w.ue(0);
            w.flag(false); // frame_mbs_only_flag
            w.flag(mb_adaptive);
            w.u(3, 0b100);
        })
    }

    /// A slice for it: of a frame, or of a field.
    fn slice_of_field_sps(header: u8, kind: u32, field: bool) -> Vec<u8> {
        nal(header, |w| {
            w.ue(0);
            w.ue(kind);
            w.ue(0);
            w.u(5, 0);
            w.flag(field);
            if field {
                w.flag(false); // bottom_field_flag
            }
            if header & 0x1f == 5 {
                w.ue(0);
            }
            w.u(32, 0x1234_5678);
        })
    }

    /// What comes of an IDR picture with parameter sets, and of so many others.
    fn results(idr: &[&[u8]], other: &[u8], count: usize) -> Vec<Result<bool, Refused>> {
        let mut reader = Reader::new();
        let others = std::iter::repeat_n(annex_b(&[other]), count);
        let units = std::iter::once(annex_b(idr)).chain(others);
        units
            .map(|unit| reader.read(&unit).map(|unit| unit.is_some()))
            .collect()
    }

    fn is_damage(result: &Result<bool, Refused>) -> bool {
        matches!(result, Err(Refused::Damaged(_)))
    }

    #[test]
    fn fields_are_refused_and_frames_of_a_stream_that_may_have_some_are_not() {
        let (sps, pps) = (field_sps(77, false), pps(0, 0));
        let slices = |field| {
            let slice = |header, kind| slice_of_field_sps(header, kind, field);
            (slice(0x65, I), slice(0x41, P))
        };
        let (idr, p) = slices(false);
        assert_eq!(results(&[&sps, &pps, &idr], &p, 9), vec![Ok(true); 10]);
        let (field_idr, field) = slices(true);
        for (sps, idr, p) in [
            (&sps, &field_idr, &field),
            (&field_sps(77, true), &idr, &p),
            (&bytes(X264_INTERLACED), &slice(0x65, I, 0), &slice(0x41, P, 2)),
        ] {
            // The SPS comes twice, and it is said at the fourth picture.
            let came = results(&[sps, sps, &pps, idr], p, 9);
            assert!(came[..3].iter().all(is_damage), "{came:?}");
            assert_eq!(came[3..], vec![Err(Refused::Interlaced); 7]);
            // It comes once, and could be damaged.
            let came = results(&[sps, &pps, idr], p, 100);
            assert!(came[..99].iter().all(is_damage), "{came:?}");
            assert_eq!(came[99..], vec![Err(Refused::Interlaced); 2]);
        }
        assert!(Refused::Interlaced.to_string().contains("progressive"));
        // A damaged SPS costs its group of pictures.
        let mut reader = started(X264_HIGH_B);
        let (idr, p) = (slice(0x65, I, 0), slice(0x41, P, 2));
        let damaged = [&bytes(X264_INTERLACED)[..], &bytes(PPS), &idr];
        assert!(is_damage(&reader.read(&annex_b(&damaged)).map(|_| true)));
        for _ in 0..50 {
            assert!(is_damage(&reader.read(&annex_b(&[&p])).map(|_| true)));
        }
        assert!(key(&mut reader, &[&bytes(X264_HIGH_B), &bytes(PPS), &idr]));
        assert!(!key(&mut reader, &[&p]));
    }

    #[test]
    fn data_partitions_are_refused_where_the_profile_has_them() {
        let (pps, idr) = (pps(0, 0), slice_of_field_sps(0x65, I, false));
        for kind in 2..=4 {
            let partition = [0x40 | kind, 0x80];
            let came = results(&[&field_sps(88, false), &pps, &idr], &partition, 9);
            assert_eq!(came[0], Ok(true));
            assert!(came[1..4].iter().all(is_damage), "{came:?}");
            assert_eq!(came[4..], vec![Err(Refused::DataPartitioning); 6]);
            // Anywhere else it is another kind of stream, or a flipped bit.
            let came = results(&[&field_sps(77, false), &pps, &idr], &partition, 99);
            assert!(came[1..].iter().all(is_damage));
        }
    }

    /// Whichever bit of a NAL unit's header is wrong, what comes with the next key frame is served.
    #[test]
    fn a_flipped_bit_of_a_header_costs_a_group() {
        let (sps, pps) = (bytes(X264_HIGH_B), bytes(PPS));
        let idr = slice(0x65, I, 0);
        let group = [&sps, &pps, &idr, &slice(0x41, P, 2), &slice(0x41, P, 4)];
        for at in 0..group.len() {
            for bit in 0..8 {
                let mut reader = started(X264_HIGH_B);
                let mut units = group.map(Vec::clone);
                units[at][0] ^= 1 << bit;
                let [a, b, c, others @ ..] = &units;
                let first = annex_b(&[a, b, c]);
                for unit in [first]
                    .into_iter()
                    .chain(others.iter().map(|nal| annex_b(&[nal])))
                {
                    let result = reader.read(&unit).map(|_| true);
                    assert!(result.is_ok() || is_damage(&result), "{at} {bit}: {result:?}");
                }
                assert!(key(&mut reader, &[&sps, &pps, &idr]), "{at} {bit}");
                assert!(!key(&mut reader, &[&slice(0x41, P, 2)]), "{at} {bit}");
            }
        }
    }

    #[test]
    fn damage_is_named_and_passes() {
        let mut reader = started(X264_HIGH_B);
        let p = slice(0x41, P, 2);
        let mut damage = |nals: &[&[u8]]| match reader.read(&annex_b(nals)) {
            Err(Refused::Damaged(what)) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            damage(&[&p, &[0x41]]),
            "slice header: the data ends at first_mb_in_slice"
        );
        assert_eq!(
            damage(&[&[0x67, 66], &p]),
            "SPS: the data ends at constraint_set_flags"
        );
        assert_eq!(
            damage(&[&[0x68, 0x00, 0x80, 0x80], &p]),
            "PPS: pic_parameter_set_id is 256, which is not allowed"
        );
        assert_eq!(damage(&[&[0xc1, 1], &p]), "forbidden_zero_bit is set");
        let long = vec![0x68; MAX_PARAMETER_SET_BYTES + 1];
        assert_eq!(damage(&[&long, &p]), "PPS: it has 4097 bytes, over 4096");
        // The good half of a damaged unit counts: here a PPS that the next unit uses.
        damage(&[&pps(5, 0), &[0x41]]);
        assert!(!key(&mut reader, &[&slice_of(0x41, P, 4, 5)]));
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut reader = started(X264_HIGH_B);
        for id in 0..256 {
            reader.read(&annex_b(&[&pps(id, 0)])).unwrap();
        }
        assert!(!key(&mut reader, &[&slice(0x41, P, 2)]));
        assert_eq!(reader.parameters().unwrap().pps.len(), MAX_AVCC_PPS);
        let good = annex_b(&[
            &bytes(X264_HIGH_B),
            &bytes(X264_BASELINE),
            &bytes(PPS),
            &RECOVERY_POINT,
            &slice(0x65, I, 0),
            &slice(0x41, B, 2),
        ]);
        let mut random = Random::new(4);
        for _ in 0..20_000 {
            let mut unit = good.clone();
            for _ in 0..random.below(8) {
                let at = random.below(unit.len());
                unit[at] = random.next() as u8;
            }
            if let Ok(Some(unit)) = reader.read(&unit) {
                assert!(!unit.nals.is_empty() && reader.parameters().is_some());
            }
        }
        assert!(reader.sps.len() <= 32 && reader.pps.len() <= 256);
        // And it still reads what is good.
        let idr = annex_b(&[&bytes(X264_HIGH_B), &bytes(PPS), &slice(0x65, I, 0)]);
        drop(reader.read(&idr)); // ends a group that may have had B pictures in any order
        assert_eq!(reader.read(&idr).unwrap().map(|unit| unit.key), Some(true));
    }
}
