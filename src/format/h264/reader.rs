//! Access units in, what an `avc1` track needs of them out: its NAL units, whether it is a key frame, and the
//! parameter sets it leans on. Streams that can't be shown live frame by frame are refused, with the way out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::nal::{self, is_reference, nal_units, unit_type};
use super::pps::Pps;
use super::slice::{SliceHeader, SliceKind};
use super::sps::{PicOrderCnt, Sps, without_reordering};
use crate::format::bits::{BitReader, SyntaxError, unescape};

/// The NAL units of one picture that belong into a sample of an `avc1` track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit<'a> {
    /// Slices and SEI in their order, without start codes. Delimiters, parameter sets, filler and ends are left out.
    pub nals: Vec<&'a [u8]>,
    /// Decoding can start here: an IDR picture, or an I picture with a recovery point SEI that promises as much.
    pub key: bool,
}

/// The parameter sets of a stream, for avcC, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The SPS NAL unit, with the promise of [`without_reordering`] in it.
    pub sps: Vec<u8>,
    /// Each PPS NAL unit seen that belongs to this SPS, by id; at most 255, as avcC has no room for more.
    pub pps: Vec<Vec<u8>>,
    /// What the SPS said as it came.
    pub info: Sps,
}

/// Why an access unit can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Pictures come in another order than they are shown in. It is true of the stream and not of one unit alone: all
    /// units are refused until a whole group of pictures has come without.
    BFrames,
    /// The SPS allows fields. It is true of every unit until another SPS comes.
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
                "the video has B-frames: pictures come out of order, which delays each one and can't be shown live. \
                 Turn them off: x264 --bframes 0, ffmpeg -bf 0 or -tune zerolatency, rpicam-vid --low-latency, \
                 a camera's or encoder's control video_b_frames = 0 or its Baseline profile",
            ),
            Refused::Interlaced => f.write_str(
                "the video is interlaced (each frame is two fields), which browsers do not show well. \
                 Choose a progressive mode of the source, such as 720p instead of 1080i, or turn interlacing off in the encoder",
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
}

/// Reads the access units of one stream in their order, and remembers its parameter sets.
#[derive(Default)]
pub struct Reader {
    /// By id: at most 32 and 256 of them.
    sps: BTreeMap<u8, Kept<Sps>>,
    pps: BTreeMap<u8, Kept<Pps>>,
    parameters: Option<Arc<Parameters>>,
    /// A parameter set changed since `parameters` was made.
    changed: bool,
    order: Order,
}

/// What the slices of an access unit have told so far.
struct Picture {
    first: SliceHeader,
    sps_id: u8,
    reference: bool,
    slices: u32,
    idr_slices: u32,
    intra_slices: u32,
    b_slices: u32,
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

    /// Reads one access unit in Annex B form. None: there is nothing to show in it, or its parameter sets have not come
    /// yet (a stream joined in its middle). After any refusal the reader can go on with the next unit.
    pub fn read<'a>(&mut self, annex_b: &'a [u8]) -> Result<Option<AccessUnit<'a>>, Refused> {
        let mut nals = Vec::new();
        let mut picture = None;
        let mut complete = true;
        let mut damage = Ok(());
        for nal in nal_units(annex_b) {
            // What is good of a damaged unit is read all the same: its parameter sets may be the only ones to come.
            let result = match unit_type(nal) {
                _ if nal.first().is_some_and(|header| header & 0x80 != 0) => {
                    Err(Refused::Damaged("forbidden_zero_bit is set".into()))
                }
                nal::SLICE | nal::IDR => {
                    nals.push(nal);
                    self.add_slice(nal, &mut picture).map(|known| complete &= known)
                }
                2..=4 => return Err(Refused::DataPartitioning),
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
        damage?;
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
        if self.sps.values().any(|kept| kept.nal == nal) {
            return Ok(());
        }
        check_size("SPS", nal)?;
        let says = Sps::parse(nal).map_err(|why| damaged("SPS", &why))?;
        self.sps.insert(
            says.id,
            Kept {
                nal: nal.to_vec(),
                says,
            },
        );
        self.changed = true;
        Ok(())
    }

    fn keep_pps(&mut self, nal: &[u8]) -> Result<(), Refused> {
        if self.pps.values().any(|kept| kept.nal == nal) {
            return Ok(());
        }
        check_size("PPS", nal)?;
        let says = Pps::parse(nal).map_err(|why| damaged("PPS", &why))?;
        self.pps.insert(
            says.id,
            Kept {
                nal: nal.to_vec(),
                says,
            },
        );
        self.changed = true;
        Ok(())
    }

    /// False: the slice's parameter sets are not known.
    fn add_slice(&self, nal: &[u8], picture: &mut Option<Picture>) -> Result<bool, Refused> {
        let mut sps_id = 0;
        let header = SliceHeader::parse(nal, |pps_id| {
            let pps = &self.pps.get(&pps_id)?.says;
            sps_id = pps.sps_id;
            Some((pps, &self.sps.get(&pps.sps_id)?.says))
        });
        let Some(header) = header.map_err(|why| damaged("slice header", &why))? else {
            return Ok(false);
        };
        let kind = header.kind;
        let picture = picture.get_or_insert(Picture {
            first: header,
            sps_id,
            reference: is_reference(nal),
            slices: 0,
            idr_slices: 0,
            intra_slices: 0,
            b_slices: 0,
        });
        if picture.sps_id != sps_id {
            return Err(Refused::Damaged("its slices belong to different SPS".into()));
        }
        picture.slices += 1;
        picture.idr_slices += u32::from(unit_type(nal) == nal::IDR);
        picture.intra_slices += u32::from(kind == SliceKind::I);
        picture.b_slices += u32::from(kind == SliceKind::B);
        Ok(true)
    }

    /// Makes the parameter sets of a picture's SPS the stream's, and asks whether the picture can be in it.
    fn activate(&mut self, picture: &Picture) -> Result<(), Refused> {
        let Some(sps) = self.sps.get(&picture.sps_id) else {
            return Ok(());
        };
        if !sps.says.frame_mbs_only {
            return Err(Refused::Interlaced);
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
        if sps.says.may_reorder() && self.order.is_broken_by(picture, sps.says.pic_order_cnt) {
            return Err(Refused::BFrames);
        }
        Ok(())
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
    /// PicOrderCnt of the picture before, unless an IDR follows.
    previous: i64,
    /// Reordering was seen since the last IDR.
    seen: bool,
    /// It was seen in the group of pictures before.
    seen_before: bool,
}

impl Order {
    /// Takes in the next picture. A B picture before its turn tells of reordering; other pictures with a lower count
    /// do not, since the count also falls where pictures were lost, or where an encoder starts it anew without an IDR
    /// (memory_management_control_operation 5).
    fn is_broken_by(&mut self, picture: &Picture, kind: PicOrderCnt) -> bool {
        let idr = picture.idr_slices > 0;
        if idr {
            *self = Order {
                seen_before: self.seen,
                ..Order::default()
            };
        }
        let b = picture.b_slices > 0;
        self.seen |= match kind {
            PicOrderCnt::Lsb(bits) => {
                let count = self.count(picture, 1 << bits);
                let falls = !idr && count < self.previous;
                self.previous = count;
                b && falls
            }
            // The count is not worked out for this rare type: B pictures are nearly always there to be reordered.
            PicOrderCnt::Cycle => b,
            PicOrderCnt::DecodingOrder => false,
        };
        self.seen || self.seen_before
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

/// Whether an SEI NAL unit has a recovery_point message (clauses D.1.8, D.2.8) that promises a right picture at once:
/// recovery_frame_cnt 0 and exact_match_flag 1. A broken SEI promises nothing; decoders pass over it.
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
