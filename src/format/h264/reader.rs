//! Access units in, what an `avc1` track needs of them out: its NAL units, whether it is a key frame, and the
//! parameter sets it leans on. Streams that can't be shown live frame by frame are refused, with a hint what to change.

use std::fmt;
use std::mem;
use std::sync::Arc;

use super::nal::{self, is_reference, nal_units, unit_type};
use super::pps::Pps;
use super::reorder::without_reordering;
use super::slice::{SliceHeader, SliceKind};
use super::sps::{PicOrderCnt, Sps};
use crate::format::bits::{BitReader, SyntaxError, unescape};

/// The NAL units of one picture that belong into a sample of an `avc1` track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit<'a> {
    /// Slices and SEI in their order, without start codes, delimiters, parameter sets, filler and ends.
    pub nals: Vec<&'a [u8]>,
    /// Decoding can start here: an IDR, or an I picture with a recovery point SEI that promises as much.
    pub key: bool,
}

/// The parameter sets of a stream, for avcC, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A parameter set is kept up to this size. Real ones have tens of bytes.
const MAX_PARAMETER_SET_BYTES: usize = 4096;
/// numOfPictureParameterSets of avcC has 8 bits (ISO/IEC 14496-15, 5.3.3.1.2).
const MAX_AVCC_PPS: usize = 255;

/// A parameter set as it came, and what it says.
struct Kept<T> {
    nal: Vec<u8>,
    says: T,
    /// It came again.
    repeated: bool,
}

/// The newest parameter set of each id, in the order of the ids. They are few.
struct ById<T>(Vec<(u8, Kept<T>)>);

impl<T> ById<T> {
    fn get(&self, id: u8) -> Option<&Kept<T>> {
        self.0
            .iter()
            .find(|(other, _)| *other == id)
            .map(|(_, kept)| kept)
    }

    fn insert(&mut self, id: u8, nal: &[u8], says: T) {
        let nal = nal.to_vec();
        let repeated = false;
        let kept = Kept { nal, says, repeated };
        match self.0.binary_search_by_key(&id, |(other, _)| *other) {
            Ok(at) => self.0[at].1 = kept,
            Err(at) => self.0.insert(at, (id, kept)),
        }
    }

    /// True if this one is here already, which is noted.
    fn repeats(&mut self, nal: &[u8]) -> bool {
        let kept = self.0.iter_mut().find(|(_, kept)| kept.nal == nal);
        kept.map(|(_, kept)| kept.repeated = true).is_some()
    }

    fn values(&self) -> impl Iterator<Item = &Kept<T>> {
        self.0.iter().map(|(_, kept)| kept)
    }
}

impl<T> Default for ById<T> {
    fn default() -> ById<T> {
        ById(Vec::new())
    }
}

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

    /// Reads one access unit in Annex B form. None: there is nothing to show in it, or no parameter sets have
    /// come yet (a stream joined in its middle). After any refusal the reader can go on with the
    /// next unit.
    pub fn read<'a>(&mut self, annex_b: &'a [u8]) -> Result<Option<AccessUnit<'a>>, Refused> {
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
        let key = if picture.idr_slices == 0 {
            picture.intra_slices == picture.slices && nals.iter().any(|nal| is_exact_recovery_point(nal))
        } else {
            picture.idr_slices == picture.slices
        };
        Ok(Some(AccessUnit { nals, key }))
    }

    fn keep_sps(&mut self, nal: &[u8]) -> Result<(), Refused> {
        if self.sps.repeats(nal) {
            return Ok(());
        }
        check_size("SPS", nal)?;
        let says = Sps::parse(nal).map_err(|why| damaged("SPS", &why))?;
        self.sps.insert(says.id, nal, says);
        self.fields = Suspicion::default();
        self.changed = true;
        Ok(())
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

fn damaged(what: &str, why: &SyntaxError) -> Refused {
    Refused::Damaged(format!("{what}: {why}"))
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

/// True if an SEI NAL unit has a recovery_point message (clauses D.1.8, D.2.8) that promises a right picture
/// at once: recovery_frame_cnt 0 and exact_match_flag 1. A broken SEI, which decoders skip, promises
/// nothing.
fn is_exact_recovery_point(nal: &[u8]) -> bool {
    const RECOVERY_POINT: usize = 6;
    if unit_type(nal) != nal::SEI {
        return false;
    }
    let rbsp = unescape(nal.get(1..).unwrap_or_default());
    let mut rest = rbsp.as_slice();
    // sei_message, clause 7.3.2.3.1. What is left in the end is the rbsp_trailing_bits, one byte.
    while rest.len() > 1 {
        let message = sei_number(&mut rest).zip(sei_number(&mut rest));
        let Some((payload, after)) = message.and_then(|(_, size)| rest.split_at_checked(size)) else {
            return false;
        };
        if message.is_some_and(|(kind, _)| kind == RECOVERY_POINT) {
            let mut r = BitReader::new(payload);
            return r.ue("recovery_frame_cnt") == Ok(0) && r.flag("exact_match_flag") == Ok(true);
        }
        rest = after;
    }
    false
}

/// payloadType or payloadSize: bytes of 255 and a last one, which are summed up.
fn sei_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut sum = 0;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        sum += usize::from(byte);
        if byte < 255 {
            return Some(sum);
        }
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
    /// x264 0.164: a recovery point of frame count 0 with exact match.
    const RECOVERY_POINT: &str = "060601c480";
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
                key: true
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
        assert!(!same(&mut reader, &[&level, &slice(0x65, I, 0)], &second));
        assert_eq!(reader.parameters().unwrap().info.level_idc, 41);
        assert_eq!(first.info.level_idc, 40);
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
        let recovery = bytes(RECOVERY_POINT);
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
            &bytes(RECOVERY_POINT),
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
        assert!(reader.sps.0.len() <= 32 && reader.pps.0.len() <= 256);
        // And it still reads what is good.
        let idr = annex_b(&[&bytes(X264_HIGH_B), &bytes(PPS), &slice(0x65, I, 0)]);
        drop(reader.read(&idr)); // ends a group that may have had B pictures in any order
        assert_eq!(reader.read(&idr).unwrap().map(|unit| unit.key), Some(true));
    }
}
