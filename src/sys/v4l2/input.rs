//! What comes in at a device from elsewhere: its inputs, and the analogue standard or the digital timings of the signal.

use super::abi::{DvTimings, EdidBlocks, Fraction, InputDesc, StandardDesc};
use super::call::{Request, call, call_with_addresses, read, read_write, write};
use super::types::text;
use crate::sys::errno::{Errno, Result};
use std::fs::File;

const G_STD: Request<u64> = read(23);
const S_STD: Request<u64> = write(24);
const ENUMSTD: Request<StandardDesc> = read_write(25);
const ENUMINPUT: Request<InputDesc> = read_write(26);
const G_INPUT: Request<u32> = read(38);
const S_INPUT: Request<u32> = read_write(39);
const G_EDID: Request<EdidBlocks> = read_write(40);
const S_EDID: Request<EdidBlocks> = read_write(41);
const QUERYSTD: Request<u64> = read(63);
const S_DV_TIMINGS: Request<DvTimings> = read_write(87);
const G_DV_TIMINGS: Request<DvTimings> = read_write(88);
const QUERY_DV_TIMINGS: Request<DvTimings> = read(99);

/// `V4L2_IN_CAP_DV_TIMINGS`
const CAP_TIMINGS: u32 = 2;
/// `V4L2_IN_CAP_STD`
const CAP_STANDARD: u32 = 4;
/// Bytes of a block of an EDID.
const EDID_BLOCK: usize = 128;
/// The most blocks that an EDID has.
const EDID_BLOCKS_MAX: usize = 256;

/// Bits of [`Input::status`]: `V4L2_IN_ST_*`.
pub mod status {
    /// What is connected is switched off.
    pub const NO_POWER: u32 = 0x0001;
    /// Nothing comes in.
    pub const NO_SIGNAL: u32 = 0x0002;
    /// An analogue signal's lines are not found.
    pub const NO_H_LOCK: u32 = 0x0100;
    /// A digital signal's lines are not found.
    pub const NO_SYNC: u32 = 0x0001_0000;
}

/// An input of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its number.
    pub index: u32,
    /// Its name, such as "HDMI 0".
    pub name: String,
    /// The analogue standards that it knows: `V4L2_STD_*`.
    pub standards: u64,
    /// Bits of [`status`]; of another input than the present one they may be missing.
    pub status: u32,
    /// It takes an analogue signal, of a standard.
    pub is_analogue: bool,
    /// It takes a digital signal, with timings.
    pub has_timings: bool,
}

/// VIDIOC_ENUMINPUT. EINVAL: no more; ENOTTY: the device has no notion of inputs.
pub fn enum_input(file: &File, index: u32) -> Result<Input> {
    let mut i = InputDesc {
        index,
        ..InputDesc::default()
    };
    call(file, &ENUMINPUT, &mut i)?;
    Ok(Input {
        index,
        name: text(&i.name),
        standards: i.std,
        status: i.status,
        is_analogue: i.capabilities & CAP_STANDARD != 0 && i.std != 0,
        has_timings: i.capabilities & CAP_TIMINGS != 0,
    })
}

/// VIDIOC_G_INPUT: the present input's number.
pub fn get_input(file: &File) -> Result<u32> {
    let mut index = 0;
    call(file, &G_INPUT, &mut index)?;
    Ok(index)
}

/// VIDIOC_S_INPUT. EBUSY: the device streams.
pub fn set_input(file: &File, mut index: u32) -> Result<()> {
    call(file, &S_INPUT, &mut index)
}

/// An analogue standard.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    /// A bit of `V4L2_STD_*`, or several.
    pub bits: u64,
    /// Its name, such as "PAL-BG".
    pub name: String,
    /// Seconds between frames, not fields.
    pub interval: Fraction,
    /// Lines of a frame, those that are not seen too.
    pub lines: u32,
}

/// VIDIOC_ENUMSTD: a standard of the present input. EINVAL: no more; ENODATA: it has none.
pub fn enum_standard(file: &File, index: u32) -> Result<Standard> {
    let mut s = StandardDesc {
        index,
        ..StandardDesc::default()
    };
    call(file, &ENUMSTD, &mut s)?;
    Ok(Standard {
        bits: s.id,
        name: text(&s.name),
        interval: s.frameperiod,
        lines: s.framelines,
    })
}

fn standard_call(file: &File, request: &Request<u64>, mut bits: u64) -> Result<u64> {
    call(file, request, &mut bits)?;
    Ok(bits)
}

/// VIDIOC_G_STD: the standard that the present input is set to. ENODATA: it has none.
pub fn get_standard(file: &File) -> Result<u64> {
    standard_call(file, &G_STD, 0)
}

/// VIDIOC_S_STD: sets a standard, or the driver's choice of several. EBUSY: the device streams.
pub fn set_standard(file: &File, bits: u64) -> Result<()> {
    standard_call(file, &S_STD, bits).map(drop)
}

/// VIDIOC_QUERYSTD: the standards that the signal may have; 0 if there is none, or it is not known.
pub fn query_standard(file: &File) -> Result<u64> {
    standard_call(file, &QUERYSTD, 0)
}

/// The timings of a digital signal.
#[derive(Clone, Copy)]
pub struct Timings(DvTimings);

impl Timings {
    const NOTHING: Timings = Timings(DvTimings {
        kind: 0,
        width: 0,
        height: 0,
        interlaced: 0,
        polarities: 0,
        pixelclock: [0; 8],
        horizontal: [0; 3],
        vertical: [0; 3],
        second_field: [0; 3],
        standards: 0,
        flags: 0,
        picture_aspect: Fraction {
            numerator: 0,
            denominator: 0,
        },
        vics: [0; 2],
        rest: [0; 50],
    });

    /// Width and height of a whole frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.0.width, self.0.height)
    }

    /// A frame is two fields.
    pub fn is_interlaced(&self) -> bool {
        self.0.interlaced != 0
    }

    /// Frames a second; None if the driver does not say.
    pub fn frame_rate(&self) -> Option<f64> {
        let bt = &self.0;
        let sum = |parts: &[u32]| -> u64 { parts.iter().map(|part| u64::from(*part)).sum() };
        let fields = if self.is_interlaced() {
            &bt.second_field[..]
        } else {
            &[]
        };
        let width = u64::from(bt.width) + sum(&bt.horizontal);
        let height = u64::from(bt.height) + sum(&bt.vertical) + sum(fields);
        let clock = u64::from_ne_bytes(bt.pixelclock);
        (clock != 0 && width != 0 && height != 0).then(|| clock as f64 / width as f64 / height as f64)
    }
}

fn timings_call(file: &File, request: &Request<DvTimings>, timings: &Timings) -> Result<Timings> {
    let mut t = timings.0;
    call(file, request, &mut t)?;
    Ok(Timings(t))
}

/// VIDIOC_G_DV_TIMINGS: the timings that the present input is set to. ENODATA: it has none.
pub fn get_timings(file: &File) -> Result<Timings> {
    timings_call(file, &G_DV_TIMINGS, &Timings::NOTHING)
}

/// VIDIOC_S_DV_TIMINGS: sets them, and with them the format's size. EBUSY: the device streams; EINVAL, ERANGE: it can't
/// take such a signal.
pub fn set_timings(file: &File, timings: &Timings) -> Result<()> {
    timings_call(file, &S_DV_TIMINGS, timings).map(drop)
}

/// VIDIOC_QUERY_DV_TIMINGS: the timings of the signal that comes in. ENOLINK: none comes; ENOLCK: it is not steady;
/// ERANGE: it is beyond what the device can take.
pub fn query_timings(file: &File) -> Result<Timings> {
    timings_call(file, &QUERY_DV_TIMINGS, &Timings::NOTHING)
}

fn edid_call(file: &File, request: &Request<EdidBlocks>, input: u32, edid: &mut [u8]) -> Result<usize> {
    let mut e = EdidBlocks {
        pad: input,
        blocks: (edid.len() / EDID_BLOCK) as u32,
        edid: edid.as_mut_ptr().expose_provenance(),
        ..EdidBlocks::default()
    };
    // SAFETY: the address is of `blocks` times 128 bytes, lent to this call alone.
    unsafe { call_with_addresses(file, request, &mut e) }?;
    Ok(e.blocks as usize * EDID_BLOCK)
}

/// VIDIOC_G_EDID: what an input tells sources of itself. ENODATA: nothing; ENOTTY, EINVAL: it can't.
pub fn get_edid(file: &File, input: u32) -> Result<Vec<u8>> {
    let mut edid = vec![0; EDID_BLOCK * EDID_BLOCKS_MAX];
    let bytes = edid_call(file, &G_EDID, input, &mut edid)?;
    edid.truncate(bytes);
    Ok(edid)
}

/// VIDIOC_S_EDID: what an input is to tell sources of itself, from its first block on. It looks unplugged to its source for
/// a moment. E2BIG: more blocks than the device has room for.
///
/// # Errors
/// EINVAL for what is no whole number of blocks.
pub fn set_edid(file: &File, input: u32, edid: &[u8]) -> Result<()> {
    if edid.len() % EDID_BLOCK != 0 || edid.len() > EDID_BLOCK * EDID_BLOCKS_MAX {
        return Err(Errno::EINVAL);
    }
    edid_call(file, &S_EDID, input, &mut edid.to_vec()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        // As strace and kernel logs print them; these do not depend on the machine.
        assert_eq!(G_STD.0 as u32, 0x8008_5617);
        assert_eq!(S_STD.0 as u32, 0x4008_5618);
        assert_eq!(G_INPUT.0 as u32, 0x8004_5626);
        assert_eq!(S_INPUT.0 as u32, 0xc004_5627);
        assert_eq!(QUERYSTD.0 as u32, 0x8008_563f);
        assert_eq!(S_DV_TIMINGS.0 as u32, 0xc084_5657);
        assert_eq!(G_DV_TIMINGS.0 as u32, 0xc084_5658);
        assert_eq!(QUERY_DV_TIMINGS.0 as u32, 0x8084_5663);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn numbers_are_the_kernels_on_64_bit() {
        assert_eq!(ENUMSTD.0 as u32, 0xc048_5619);
        assert_eq!(ENUMINPUT.0 as u32, 0xc050_561a);
        assert_eq!(G_EDID.0 as u32, 0xc028_5628);
        assert_eq!(S_EDID.0 as u32, 0xc028_5629);
    }

    #[test]
    #[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
    fn numbers_are_the_kernels_on_32_bit() {
        assert_eq!(ENUMSTD.0 as u32, 0xc048_5619);
        assert_eq!(ENUMINPUT.0 as u32, 0xc050_561a);
        assert_eq!(S_EDID.0 as u32, 0xc024_5629);
    }

    #[test]
    fn rates_are_those_of_the_timings() {
        let hd = |interlaced: u32, clock: u64, second_field: [u32; 3]| {
            Timings(DvTimings {
                width: 1920,
                height: 1080,
                interlaced,
                pixelclock: clock.to_ne_bytes(),
                horizontal: [88, 44, 148],
                vertical: if interlaced == 0 { [4, 5, 36] } else { [2, 5, 15] },
                second_field,
                ..Timings::NOTHING.0
            })
        };
        // CTA-861, VIC 16 and 5.
        assert_eq!(hd(0, 148_500_000, [0; 3]).frame_rate(), Some(60.0));
        assert_eq!(hd(1, 74_250_000, [2, 5, 16]).frame_rate(), Some(30.0));
        assert_eq!(hd(0, 0, [0; 3]).frame_rate(), None);
        assert_eq!(Timings::NOTHING.frame_rate(), None);
    }

    #[test]
    fn what_is_not_a_device_says_so() {
        let file = File::open("/dev/null").unwrap();
        assert_eq!(enum_input(&file, 0), Err(Errno::ENOTTY));
        assert_eq!(query_standard(&file), Err(Errno::ENOTTY));
        assert_eq!(query_timings(&file).err(), Some(Errno::ENOTTY));
        assert_eq!(get_edid(&file, 0), Err(Errno::ENOTTY));
        assert_eq!(set_edid(&file, 0, &[0; 100]), Err(Errno::EINVAL));
    }
}
